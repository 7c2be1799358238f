"""A corpus in pictures."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

from earshot.core.errors import CorpusError
from earshot.core.files import atomic_binary
from earshot.core.optional import require
from earshot.corpora.statistics import Statistics

_INK: Final = "#1d2733"
_BARS: Final = "#2f5d8a"
_MOST: Final = 40
"""Bars that can be told apart."""


def plot_statistics(statistics: Statistics, path: Path) -> None:
    """Draw lengths, speed of speech, hours a speaker, and letters, into a picture (png, svg, pdf).

    Raises MissingExtraError without matplotlib, CorpusError for another kind of picture, OutputError.
    """
    figures = require("matplotlib.figure", extra="plot", purpose="a picture of the corpus")
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in ("png", "svg", "pdf"):
        raise CorpusError(f"{path} is no kind of picture that can be drawn", fix="name it .png, .svg or .pdf")
    # A figure without pyplot: no window, no state that another thread could meet.
    figure = figures.Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplots(2, 2)
    _histogram(panels[0, 0], statistics.durations, "seconds an utterance")
    _histogram(panels[0, 1], statistics.rates, "letters a second")
    speakers = sorted(statistics.speakers.items(), key=lambda item: -item[1])
    named = [(name or "unknown", seconds / 60) for name, seconds in speakers]
    _bars(panels[1, 0], named, "minutes a speaker")
    _bars(panels[1, 1], [(name, float(count)) for name, count in statistics.letters.most_common()], "letters")
    hours = statistics.duration / 3600
    figure.suptitle(f"{statistics.num_utterances} utterances, {hours:.2f} h", color=_INK)
    # A letter that no font here has is drawn as a box; a warning would not help anybody.
    with atomic_binary(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure.savefig(file, format=suffix, dpi=120)


def _histogram(panel: Any, values: tuple[float, ...], title: str) -> None:
    panel.set_title(title, color=_INK, fontsize=10)
    if values:
        panel.hist(values, bins=min(60, max(5, len(values) // 20)), color=_BARS)
    panel.spines[["top", "right"]].set_visible(False)


def _bars(panel: Any, rows: list[tuple[str, float]], title: str) -> None:
    shown = rows[:_MOST]
    more = f" ({len(rows) - len(shown)} more not shown)" if len(rows) > len(shown) else ""
    panel.set_title(title + more, color=_INK, fontsize=10)
    panel.bar(range(len(shown)), [value for _, value in shown], color=_BARS)
    # A dollar sign would begin a formula.
    names = [name[:12].replace("$", r"\$") for name, _ in shown]
    is_long = max(map(len, names), default=0) > 2
    panel.set_xticks(range(len(shown)), names, rotation=90 if is_long else 0, fontsize=7)
    panel.spines[["top", "right"]].set_visible(False)
