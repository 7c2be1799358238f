"""A page about a training that runs: how it learns, and what it hears by now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from earshot.core.files import atomic_text
from earshot.text.error_rate import character_error_rate
from earshot.training.recognition.judging import Judged, Sample

if TYPE_CHECKING:
    from earshot.training.recognition.module import EpochResult

_STYLE = """body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem;
color-scheme:light dark}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;text-align:left;vertical-align:top;
border-bottom:1px solid #8884}svg{width:100%;max-width:48rem;border:1px solid #8888}text{font-size:11px;
fill:currentColor}.bad{color:#c43}"""

_WIDTH, _HEIGHT, _MARGIN = 640, 220, 34


def write_page(path: Path, curve: Sequence[EpochResult], judged: Judged, *, num_samples: int = 30) -> None:
    """One file that needs no network. Raises OutputError."""
    last = curve[-1]
    best = min(curve, key=lambda one: one.character_error_rate)
    order = judged.samples[:: max(1, len(judged.samples) // num_samples)][:num_samples]
    parts = [
        "<h1>Training</h1>",
        f"<p>Epoch {last.epoch}, {last.minutes:.1f} minutes. Of the letters of the development set "
        f"{100 * last.character_error_rate:.1f} % are wrong, of its words {100 * last.word_error_rate:.1f} %. "
        f"Best so far: {100 * best.character_error_rate:.1f} % in epoch {best.epoch}.</p>",
        "<h2>Loss, nats a letter</h2>",
        _plot(curve, {"training": lambda one: one.loss, "development": lambda one: one.dev_loss}),
        "<h2>Errors on the development set, %</h2>",
        _plot(
            curve,
            {
                "letters": lambda one: 100 * one.character_error_rate,
                "words": lambda one: 100 * one.word_error_rate,
            },
        ),
        "<h2>What it hears by now</h2>",
        f"<table><tr><th>said</th><th>heard</th><th>letters wrong</th></tr>{''.join(map(_row, order))}</table>",
    ]
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Training</title>'
    with atomic_text(path) as file:
        file.write(f"{head}<style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n")


def _row(sample: Sample) -> str:
    errors = character_error_rate(sample.wanted, sample.heard)
    heard = "".join(
        escape(edit.hypothesis or "")
        if edit.kind == "hit"
        else f'<span class="bad">{escape(edit.hypothesis or "·")}</span>'
        for edit in errors.alignment
    )
    return f"<tr><td>{escape(sample.wanted)}</td><td>{heard}</td><td>{100 * (errors.rate or 0):.0f} %</td></tr>"


def _plot(curve: Sequence[EpochResult], lines: dict[str, Callable[[EpochResult], float]]) -> str:
    """Lines over epochs from 0, labelled at their ends."""
    top = max(min(value(one), 150.0) for value in lines.values() for one in curve) or 1.0
    across = max(1, curve[-1].epoch - curve[0].epoch)
    drawn = []
    for number, (name, value) in enumerate(lines.items()):
        points = [
            (
                _MARGIN + (_WIDTH - 3 * _MARGIN) * (one.epoch - curve[0].epoch) / across,
                _HEIGHT - _MARGIN / 2 - (_HEIGHT - _MARGIN) * min(value(one), top) / top,
            )
            for one in curve
        ]
        colour = f"hsl({200 + 170 * number} 70% 45%)"
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        x, y = points[-1]
        drawn.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'
            f'<text x="{x + 5:.1f}" y="{y + 4:.1f}">{escape(name)}</text>'
        )
    axis = (
        f'<text x="2" y="{_MARGIN / 2 + 4:.0f}">{top:.3g}</text><text x="2" y="{_HEIGHT - 6}">0</text>'
        f'<text x="{_WIDTH - 3 * _MARGIN:.0f}" y="{_HEIGHT - 4}">epoch {curve[-1].epoch}</text>'
    )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{axis}{"".join(drawn)}</svg>'
