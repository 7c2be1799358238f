"""The picture of a recording: waveform, speech, spectrogram, log-mel, MFCC and words on one time axis."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.core.errors import EarshotError, OutputError
from earshot.core.files import atomic_binary
from earshot.core.optional import require
from earshot.core.types import Transcript
from earshot.visual.labels import Label, fit, labels_of, place
from earshot.visual.panels import (
    FAINT,
    INK,
    WORD_SIZE,
    NetPicture,
    draw_log_mel,
    draw_mfcc,
    draw_net,
    draw_spectrogram,
    draw_speech,
    draw_waveform,
    draw_words,
    mark_words,
)
from earshot.visual.survey import Survey

FORMATS = ("png", "pdf", "svg", "jpg", "webp")

_PURPOSE = "drawing a recording"
_NO_SCREEN = frozenset({"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"})
_FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
)
"""The first that has a character draws it; those that are not installed are left out."""

# Inches.
_LEFT, _WIDTH, _RIGHT = 0.86, 11.3, 0.84
_BAR_GAP, _BAR_WIDTH = 0.14, 0.13
_TOP, _GAP, _TIME_AXIS, _BOTTOM = 0.74, 0.15, 0.32, 0.14
_HEIGHTS = {"waveform": 1.45, "speech": 0.36, "spectrogram": 2.0, "log-mel": 1.75, "mfcc": 1.2}
_NET_HEIGHT = 1.35
_LANE = 0.19
_MAX_LANES = 4


@dataclass(frozen=True, slots=True)
class _Words:
    """Labels that fit, the lane of each, and the number of lanes."""

    labels: Sequence[Label]
    lanes: Sequence[int | None]
    num_lanes: int

    @property
    def height(self) -> float:
        """Inches."""
        return (1 + self.num_lanes) * _LANE


def draw(
    seen: Survey,
    *,
    title: str,
    subtitle: str = "",
    transcript: Transcript | None = None,
    net: NetPicture | None = None,
    on_screen: bool = False,
) -> Any:
    """A matplotlib figure of a survey that has pictures.

    transcript: its words (or segments, where words have no times) are written under the time axis.
    net: what a net saw of the recording gets a panel of its own.
    on_screen: makes a window of it for ``show_figure``.
    Raises MissingExtraError without matplotlib, EarshotError when there is no screen or hardly a sample.
    """
    report, pictures = seen.report, seen.pictures
    if pictures is None:
        raise ValueError("this survey was made without pictures")
    if not all(len(image.columns) for image in (pictures.envelope, pictures.log_mel, pictures.spectrogram)):
        raise EarshotError(
            f"{report.levels.num_samples} samples are too few to draw", fix="choose another recording"
        )
    start, end = report.start, report.start + report.duration
    with _style():
        words = _arranged(labels_of(transcript, start, end), start, end) if transcript is not None else None
        heights = _HEIGHTS if net is None else {**_HEIGHTS, "net": _NET_HEIGHT}
        figure = _new_figure(_height(heights, words), on_screen)
        panels, bars = _panels(figure, heights, words, start, end)
        draw_waveform(panels["waveform"], pictures.envelope, report.regions)
        draw_speech(panels["speech"], pictures.speech, report.regions)
        draw_spectrogram(figure, panels["spectrogram"], bars["spectrogram"], pictures, report.bandwidth)
        draw_log_mel(figure, panels["log-mel"], bars["log-mel"], pictures)
        draw_mfcc(figure, panels["mfcc"], bars["mfcc"], pictures.mfcc)
        if net is not None:
            draw_net(figure, panels["net"], bars["net"], net)
        if words is not None:
            draw_words(panels["words"], words.labels, words.lanes, words.num_lanes)
            mark_words([panels["spectrogram"], panels["log-mel"]], words.labels)
        _time_axis(panels, list(heights)[-1], start, end)
        _titles(figure, title, subtitle)
    return figure


def save_figure(figure: Any, path: Path | str) -> None:
    """Write the figure in the format that the suffix names; whole or not at all.

    Raises OutputError for another suffix than those of FORMATS, or when the file cannot be written.
    """
    path = Path(path)
    check_suffix(path)
    with _style(), atomic_binary(path) as file:
        picture_format = path.suffix.lower().removeprefix(".")
        # Light compression takes half the time and a tenth more space.
        details = {"pil_kwargs": {"compress_level": 3}} if picture_format == "png" else {}
        figure.savefig(file, format=picture_format, dpi=150, **details)


def check_suffix(path: Path) -> None:
    """Raise OutputError when no picture can be written by that name."""
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise OutputError(
            f"cannot write {path}: its name ends in no picture format", fix=f"use one of {', '.join(FORMATS)}"
        )


def show_figure(figure: Any) -> None:
    """Open the window of a figure that was drawn with ``on_screen`` and wait until it is closed."""
    pyplot = require("matplotlib.pyplot", extra="plot", purpose=_PURPOSE)
    with _style():
        pyplot.show()
    pyplot.close(figure)


def clock_text(seconds: float, longest: float) -> str:
    """``12.5``, ``3:05`` or ``1:03:05``, by how long the recording is."""
    hundredths = round(seconds * 100)
    whole, rest = divmod(hundredths, 100)
    fraction = f".{rest:02}".rstrip("0") if rest else ""
    if longest < 60:
        return f"{whole}{fraction}"
    if longest < 3600:
        return f"{whole // 60}:{whole % 60:02}{fraction}"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}{fraction}"


# --- the frame ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _style() -> Iterator[None]:
    """Our own look whatever the user's matplotlibrc says, and no warning about a missing character."""
    matplotlib = require("matplotlib", extra="plot", purpose=_PURPOSE)
    fonts = require("matplotlib.font_manager", extra="plot", purpose=_PURPOSE)
    installed = set(fonts.fontManager.get_font_names())
    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"}
    look = {
        "font.family": [font for font in _FONTS if font in installed] or ["sans-serif"],
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.6,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
    }
    with warnings.catch_warnings(), matplotlib.rc_context(defaults | look):
        warnings.simplefilter("ignore")
        yield


def _height(heights: dict[str, float], words: _Words | None) -> float:
    """Inches of the whole figure. heights: of the panels."""
    panels = sum(heights.values()) + (len(heights) - 1) * _GAP
    return _TOP + panels + _TIME_AXIS + (words.height if words else 0) + _BOTTOM


def _new_figure(height: float, on_screen: bool) -> Any:
    size = (_LEFT + _WIDTH + _RIGHT, height)
    if not on_screen:
        figures = require("matplotlib.figure", extra="plot", purpose=_PURPOSE)
        return figures.Figure(figsize=size, facecolor="white")
    pyplot = require("matplotlib.pyplot", extra="plot", purpose=_PURPOSE)
    if pyplot.get_backend().lower() in _NO_SCREEN:
        raise EarshotError("there is no screen to show the picture on", fix="write it to a file with --output")
    return pyplot.figure(figsize=size, facecolor="white")


def _panels(
    figure: Any, heights: dict[str, float], words: _Words | None, start: float, end: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Axes by name: panels of equal width under each other, and beside each image its colour bar."""
    width, height = figure.get_size_inches()
    panels: dict[str, Any] = {}
    bars: dict[str, Any] = {}

    def add(left: float, panel_width: float, top: float, panel_height: float) -> Any:
        box = (left / width, 1 - (top + panel_height) / height, panel_width / width, panel_height / height)
        return figure.add_axes(box)

    top = _TOP
    for name, panel_height in heights.items():
        panels[name] = add(_LEFT, _WIDTH, top, panel_height)
        panels[name].yaxis.set_label_coords(-0.6 / _WIDTH, 0.5)
        if name not in ("waveform", "speech"):
            bars[name] = add(_LEFT + _WIDTH + _BAR_GAP, _BAR_WIDTH, top, panel_height)
        top += panel_height + _GAP
    if words is not None:
        panels["words"] = add(_LEFT, _WIDTH, top - _GAP + _TIME_AXIS, words.height)
    for panel in panels.values():
        panel.sharex(panels["waveform"]) if panel is not panels["waveform"] else None
    # Images set their own limits unless these are fixed first.
    panels["waveform"].set_xlim(start, end)
    for panel in panels.values():
        panel.set_autoscalex_on(False)
    return panels, bars


def _titles(figure: Any, title: str, subtitle: str) -> None:
    width, height = figure.get_size_inches()
    shown = "".join(char if char.isprintable() else "?" for char in title)
    shown = shown if len(shown) <= 90 else f"{shown[:44]}…{shown[-44:]}"
    for text, above, look in (
        (shown, 0.32, {"size": 13, "weight": "bold"}),
        (subtitle, 0.57, {"size": 9, "color": "#55606c"}),
    ):
        # parse_math: a dollar sign in a file's name is no formula.
        figure.text(_LEFT / width, 1 - above / height, text, va="baseline", parse_math=False, **look)


def _time_axis(panels: dict[str, Any], last: str, start: float, end: float) -> None:
    """Numbers under the last picture alone, as seconds or as h:mm:ss. last: its name."""
    ticker = require("matplotlib.ticker", extra="plot", purpose=_PURPOSE)
    for name, panel in panels.items():
        is_last = name == last
        panel.tick_params(axis="x", labelbottom=is_last, length=3 if is_last else 0)
    axis = panels[last].xaxis
    axis.set_major_locator(ticker.FixedLocator(time_ticks(start, end)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda seconds, _: clock_text(seconds, end)))
    unit = "seconds" if end < 60 else "min:s" if end < 3600 else "h:min:s"
    panels[last].annotate(
        unit,
        (1, 0),
        (24, -6.5),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        size=8,
        color=INK,
    )


_STEPS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 36_000),
)


def time_ticks(start: float, end: float) -> list[float]:
    """At most 16 round times in [start, end], in seconds."""
    step = next((step for step in _STEPS if (end - start) / step <= 15), (end - start) / 15)
    first = math.ceil(start / step - 1e-9)
    return [index * step for index in range(first, math.floor(end / step + 1e-9) + 1)]


# --- words -------------------------------------------------------------------------------------------------


def _arranged(labels: Sequence[Label], start: float, end: float) -> _Words:
    """The labels with their texts cut to what fits, each in a lane."""
    measure = require("matplotlib.textpath", extra="plot", purpose=_PURPOSE)
    fonts = require("matplotlib.font_manager", extra="plot", purpose=_PURPOSE)
    matplotlib = require("matplotlib", extra="plot", purpose=_PURPOSE)
    path = measure.TextToPath()
    font = fonts.FontProperties(family=matplotlib.rcParams["font.family"], size=WORD_SIZE)
    inch = (end - start) / _WIDTH  # in seconds

    def width(text: str) -> float:
        points, _, _ = path.get_text_width_height_descent(text, font, ismath=False)
        return float(points) / 72 * inch

    shown = [fit(label, width, least=0.9 * inch) for label in labels]
    widths = [width(label.text) for label in shown]
    # A recording that ends in the middle of a word: its text reaches into the margin.
    lanes = place(shown, widths, _MAX_LANES, gap=0.07 * inch, within=(start, end + 0.9 * _RIGHT * inch))
    num_lanes = 1 + max((lane for lane in lanes if lane is not None), default=0)
    return _Words(shown, lanes, num_lanes)
