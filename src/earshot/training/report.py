"""A page about a training: the confusion matrix, the worst clips to listen to, and how the nets learned."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

import numpy as np

from earshot.commands.clip_sounds import load_clip
from earshot.core.files import atomic_text
from earshot.core.types import SAMPLE_RATE
from earshot.training.command_nets import Outcome, WorstClip
from earshot.training.loop import Progress
from earshot.training.measures import share_interval

_STYLE = """body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{padding:.2rem .5rem;text-align:right}th{font-weight:600}
svg{width:100%;max-width:40rem;border:1px solid #8888}.error{background:#c438}.right{background:#3a58}"""


def write_report(outcome: Outcome, path: Path, *, title: str) -> None:
    """One file that needs no network: sounds are inside. Raises OutputError."""
    low, high = share_interval(outcome.accuracy, outcome.num_judged)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{100 * outcome.accuracy:.1f} % of {outcome.num_judged} clips by people who were not learned from "
        f"(95 %: {100 * low:.1f} to {100 * high:.1f} %). {outcome.cost.num_parameters:,} parameters, "
        f"{outcome.cost.num_multiply_adds:,} multiply-adds a clip.</p>",
        "<h2>What was taken for what</h2>",
        _confusion(outcome),
        "<h2>Worst clips</h2>",
        *[_player(clip) for clip in outcome.worst],
        "<h2>Learning curves</h2>",
        _curves(outcome.curves),
    ]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    with atomic_text(path) as file:
        file.write(f"{head}<style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n")


def _confusion(outcome: Outcome) -> str:
    head = "".join(f"<th>{escape(label)}</th>" for label in outcome.labels)
    rows = []
    for truth, counts in enumerate(outcome.confusion):
        cells = [
            f'<td class="{"right" if guess == truth else "error"}">{count}</td>' if count else "<td></td>"
            for guess, count in enumerate(counts)
        ]
        rows.append(f"<tr><th>{escape(outcome.labels[truth])}</th>{''.join(cells)}</tr>")
    table = f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"
    return f"<p>Rows: what was said. Columns: what was heard.</p>{table}"


def _player(clip: WorstClip) -> str:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, load_clip(clip.path), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    source = base64.b64encode(buffer.getvalue()).decode("ascii")
    words = f"{clip.label}, heard as {clip.guess} ({100 * clip.probability:.0f} %): {clip.path.name}"
    return f'<p><audio controls src="data:audio/wav;base64,{source}"></audio><br>{escape(words)}</p>'


def _curves(curves: list[list[Progress]]) -> str:
    """Accuracy over steps, one line a seed."""
    steps = max((one.step for curve in curves for one in curve), default=1)
    least = min((one.accuracy for curve in curves for one in curve), default=0.0)
    scale = max(1e-6, 1 - least)
    lines = []
    for seed, curve in enumerate(curves):
        points = " ".join(
            f"{600 * one.step / steps:.1f},{200 * (1 - one.accuracy) / scale:.1f}" for one in curve
        )
        colour = f"hsl({np.round(seed * 137) % 360:.0f} 60% 45%)"
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return (
        f'<svg viewBox="0 0 600 200" role="img" aria-label="accuracy over steps">{"".join(lines)}</svg>'
        f"<p>Accuracy on the speakers who choose, {100 * least:.0f} to 100 %, {steps} steps, a line a seed.</p>"
    )
