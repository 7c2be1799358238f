"""A page about a training that runs: how it learns, and what it hears by now."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from earshot.core.files import atomic_text
from earshot.text.error_rate import character_error_rate
from earshot.training.recognition.judging import Judged, Sample

if TYPE_CHECKING:
    from earshot.training.recognition.module import EpochResult

_STYLE = """:root{color-scheme:light dark;--wrong:#b3261e;--first:#1769aa;--second:#b0501e;--grid:#8883}
@media (prefers-color-scheme:dark){:root{--wrong:#ff8a80;--first:#7fb8ee;--second:#f0a070}}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;text-align:left;vertical-align:top;
border-bottom:1px solid #8884}td:last-child,th:last-child{text-align:right;white-space:nowrap}
.bad{color:var(--wrong)}svg{width:100%;max-width:52rem}text{font-size:12px;fill:currentColor}
.grid{stroke:var(--grid)}.tick{opacity:.75}.line{fill:none;stroke-width:2}
.line0{stroke:var(--first)}.line1{stroke:var(--second)}.name0{fill:var(--first)}.name1{fill:var(--second)}"""

_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 150, 12, 24
"""Around a plot, for numbers and names."""

_LINE_HEIGHT = 15
_MOST_PER_CENT, _MOST_NATS = 150.0, 20.0
"""Drawn; what is more, or no number, stands there."""


def best_of(curve: Sequence[EpochResult]) -> EpochResult:
    """The epoch whose weights are kept: the first of those with the fewest letters wrong."""
    return min(curve, key=lambda one: one.character_error_rate)


def write_page(path: Path, curve: Sequence[EpochResult], judged: Judged, *, num_samples: int = 30) -> None:
    """One file that needs no network. Raises OutputError."""
    last = curve[-1]
    best = best_of(curve)
    order = judged.samples[:: max(1, len(judged.samples) // num_samples)][:num_samples]
    parts = [
        "<h1>Training</h1>",
        f"<p>Epoch {last.epoch}, {last.minutes:.1f} minutes. Of the letters of the development set "
        f"{100 * last.character_error_rate:.1f} % are wrong, of its words {100 * last.word_error_rate:.1f} %. "
        f"Best so far: {100 * best.character_error_rate:.1f} % in epoch {best.epoch}.</p>",
        "<h2>Loss, nats a letter</h2>",
        _plot(
            curve,
            "loss",
            {
                "training": lambda one: min(_MOST_NATS, one.loss),
                "development": lambda one: min(_MOST_NATS, one.dev_loss),
            },
            2,
        ),
        "<h2>Errors on the development set, %</h2>",
        _plot(
            curve,
            "errors",
            {
                "letters": lambda one: min(_MOST_PER_CENT, 100 * one.character_error_rate),
                "words": lambda one: min(_MOST_PER_CENT, 100 * one.word_error_rate),
            },
            1,
        ),
        "<h2>What it hears by now</h2>",
        f"<table><tr><th>said</th><th>heard</th><th>letters wrong</th></tr>{''.join(map(_row, order))}</table>",
    ]
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Training</title>'
    head += '<meta name="viewport" content="width=device-width">'
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


def _plot(
    curve: Sequence[EpochResult], title: str, lines: dict[str, Callable[[EpochResult], float]], digits: int
) -> str:
    """Lines over epochs, from 0, with their names and last values at their ends."""
    first, last = curve[0].epoch, curve[-1].epoch
    step = _step(max(value(one) for value in lines.values() for one in curve))
    top = max(step, step * math.ceil(max(value(one) for value in lines.values() for one in curve) / step))

    def x(epoch: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (epoch - first) / max(1, last - first)

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - min(value, top) / top)

    drawn = [
        f'<path class="grid" d="M{_LEFT} {y(at):.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y(at) + 4:.1f}" text-anchor="end">{at:g}</text>'
        for at in (step * number for number in range(round(top / step) + 1))
    ]
    between = max(1, round(_step(last - first)))
    drawn += [
        f'<text class="tick" x="{x(at):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{at}</text>'
        for at in range(first, last + 1)
        if at == first or (at % between == 0 and at - first >= between / 2)
    ]
    drawn.append(f'<text class="tick" x="{_WIDTH - _RIGHT + 14}" y="{_HEIGHT - 6}">epoch</text>')
    places = _apart([y(value(curve[-1])) for value in lines.values()])
    for number, ((name, value), place) in enumerate(zip(lines.items(), places, strict=True)):
        points = " ".join(f"{x(one.epoch):.1f},{y(value(one)):.1f}" for one in curve)
        end = x(last)
        drawn.append(
            f'<polyline class="line line{number}" points="{points}"/>'
            f'<circle class="name{number}" cx="{end:.1f}" cy="{y(value(curve[-1])):.1f}" r="3"/>'
            f'<text class="name{number}" x="{end + 8:.1f}" y="{place + 4:.1f}">'
            f"{escape(name)} {value(curve[-1]):.{digits}f}</text>"
        )
    label = f'role="img" aria-label="{escape(title)} over epochs"'
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" {label}>{"".join(drawn)}</svg>'


def _step(span: float) -> float:
    """Between lines of a grid, three to six of them: 1, 2 or 5 times a power of ten."""
    if span <= 0 or not math.isfinite(span):
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / 3))
    return max(one * power for one in (1, 2, 5) if one * power <= span / 3)


def _apart(places: Sequence[float]) -> list[float]:
    """Places of two names, moved so far apart that both can be read."""
    one, other = places
    missing = _LINE_HEIGHT - abs(one - other)
    if missing > 0:
        shift = missing / 2 if one >= other else -missing / 2
        one, other = one + shift, other - shift
    under, over = max(one, other) - (_HEIGHT - _BOTTOM), _TOP - min(one, other)
    shift = max(0.0, over) - max(0.0, under)
    return [one + shift, other + shift]
