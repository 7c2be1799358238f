"""What is drawn in each panel of the picture of a recording."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from earshot.core.types import Samples
from earshot.features.filters import Floats
from earshot.features.stft import Matrix
from earshot.visual.labels import Label
from earshot.visual.survey import Image, Pictures, Region

# matplotlib has no types; its objects are Any here.

INK = "#1d2733"
FAINT = "#8a94a0"
_WAVE, _WAVE_CORE = "#7fa6c9", "#2f5d8a"
_SPEECH = "#2a9d6f"
_CLIPPED = "#d1495b"
_HEAT, _DIVERGING = "magma", "RdBu_r"
_RANGE_DB = 80.0
_MEL_MARKS = {125: "125", 500: "500", 1_000: "1 k", 2_000: "2 k", 4_000: "4 k", 7_000: "7 k"}
_FEW_WORDS = 60
WORD_SIZE = 8.5
"""Points."""


def draw_waveform(panel: Any, image: Image, regions: Sequence[Region]) -> None:
    """Peaks, inside them the loudness (RMS), speech shaded; full scale marked where it is near."""
    low, high, rms = image.columns.T
    edges = np.linspace(image.start, image.end, len(low) + 1)
    top = max(float(np.abs(image.columns[:, :2]).max()), 1e-4) * 1.12
    for region in regions:
        panel.axvspan(region.start, region.end, color=_SPEECH, alpha=0.1, lw=0)
    core_low, core_high = np.maximum(-rms, low), np.minimum(rms, high)
    _fill(panel, edges, low, high, _WAVE)
    _fill(panel, edges, core_low, core_high, _WAVE_CORE)
    panel.axhline(0, color=_WAVE_CORE, lw=0.5)
    if top > 1:
        for level in (-1, 1):
            panel.axhline(level, color=_CLIPPED, lw=0.6, ls=(0, (4, 3)))
    panel.set_ylim(-top, top)
    panel.set_ylabel("amplitude")
    _bare(panel)


def draw_speech(panel: Any, image: Image, regions: Sequence[Region]) -> None:
    """The probability of speech and the regions that are cut by it."""
    edges = np.linspace(image.start, image.end, len(image.columns) + 1)
    for region in regions:
        panel.axvspan(region.start, region.end, color=_SPEECH, alpha=0.18, lw=0)
    probabilities = image.columns[:, 0]
    _fill(panel, edges, np.zeros_like(probabilities), probabilities, _SPEECH, alpha=0.75)
    panel.set_ylim(0, 1.02)
    panel.set_yticks([0, 1])
    panel.set_ylabel("speech")
    _bare(panel)


def draw_spectrogram(figure: Any, panel: Any, bar: Any, pictures: Pictures, bandwidth: float | None) -> None:
    """Up to what the recording holds, but at least 8 kHz if its rate reaches so far."""
    image, half = pictures.spectrogram, pictures.spectrogram_top / 1000
    top = min(half, max(8.0, math.ceil((bandwidth or 0) * 1.05 / 1000)))
    picture = _show(panel, image, (0, half), _HEAT, *_loud_range(image.columns))
    panel.set_ylim(0, top)
    panel.set_ylabel("frequency (kHz)")
    _colour_bar(figure, picture, bar, "dBFS")


def draw_log_mel(figure: Any, panel: Any, bar: Any, pictures: Pictures) -> None:
    """Evenly spaced in mel, marked in Hz."""
    num_mels = pictures.log_mel.columns.shape[1]
    rows = (-0.5, num_mels - 0.5)
    picture = _show(panel, pictures.log_mel, rows, _HEAT, *_loud_range(pictures.log_mel.columns))
    peaks = np.array(pictures.mel_edges[1:-1])
    panel.set_yticks(np.interp(list(_MEL_MARKS), peaks, np.arange(num_mels)))
    panel.set_yticklabels(list(_MEL_MARKS.values()))
    panel.set_ylabel(f"{num_mels} mel bands (Hz)")
    _colour_bar(figure, picture, bar, "dBFS")


def draw_mfcc(figure: Any, panel: Any, bar: Any, image: Image) -> None:
    """Each coefficient around its own mean and in its own units: else the first drowns all others."""
    deviation = np.maximum(image.columns.std(axis=0), 1e-3)
    normal = Image((image.columns - image.columns.mean(axis=0)) / deviation, image.start, image.end)
    num_ceps = image.columns.shape[1]
    picture = _show(panel, normal, (-0.5, num_ceps - 0.5), _DIVERGING, -2.5, 2.5)
    panel.set_yticks(range(0, num_ceps, 4))
    panel.set_ylabel(f"{num_ceps} MFCC")
    _colour_bar(figure, picture, bar, "deviations")


@dataclass(frozen=True, slots=True)
class NetPicture:
    """What a net saw of a recording. images: one for each look; labels: what it took each for."""

    name: str
    images: Sequence[Image]
    labels: Sequence[Label]


def draw_net(figure: Any, panel: Any, bar: Any, net: NetPicture) -> None:
    """Its features where it looked, and above them what it took them for; elsewhere nothing."""
    num_features = net.images[0].columns.shape[1] if net.images else 1
    panel.set_ylim(-0.5, 1.18 * num_features)
    panel.set_yticks([])
    panel.set_ylabel(f"seen by {net.name}" if net.images else f"not seen by {net.name}", parse_math=False)
    _bare(panel)
    if not net.images:
        bar.set_visible(False)
        return
    values = np.concatenate([image.columns.ravel() for image in net.images])
    low, high = float(np.percentile(values, 2)), float(values.max()) + 1e-6
    for image, label in zip(net.images, net.labels, strict=True):
        picture = _show(panel, image, (-0.5, num_features - 0.5), _HEAT, low, high)
        text = panel.text(label.middle, 1.02 * num_features, label.text, ha="center", size=WORD_SIZE)
        text.set_clip_on(True)
        text.set_parse_math(False)
    _colour_bar(figure, picture, bar, "features")


def draw_words(panel: Any, labels: Sequence[Label], lanes: Sequence[int | None], num_lanes: int) -> None:
    """A bar for each word and, where it has a lane, its text below. The panel is 1 + num_lanes high."""
    panel.set_ylim(num_lanes + 1, 0)
    panel.set_yticks([0.5], ["words"])
    panel.tick_params(axis="y", length=0, labelsize=9)
    for side in ("left", "right", "top", "bottom"):
        panel.spines[side].set_visible(False)
    for label, colour in zip(labels, itertools.cycle((_WAVE_CORE, _WAVE))):
        panel.barh(0.5, label.end - label.start, left=label.start, height=0.42, color=colour, lw=0)
    for label, lane in zip(labels, lanes, strict=True):
        if lane is None:
            continue
        if lane:
            panel.plot([label.middle] * 2, [0.75, lane + 1.2], color=FAINT, lw=0.5, alpha=0.5, zorder=0)
        text = panel.text(label.middle, lane + 1.5, label.text, ha="center", va="center", size=WORD_SIZE)
        text.set_parse_math(False)  # a dollar sign is no formula
        text.set_bbox({"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none"})


def mark_words(panels: Sequence[Any], labels: Sequence[Label]) -> None:
    """Thin lines where words begin and where a pause follows, as long as they do not hide the picture."""
    if len(labels) > _FEW_WORDS:
        return
    starts = {label.start for label in labels}
    ends = {label.end for label in labels if not any(0 <= start - label.end < 0.1 for start in starts)}
    for edge in starts | ends:
        for panel in panels:
            panel.axvline(edge, color="white", lw=0.5, alpha=0.35)


def _fill(panel: Any, edges: Floats, low: Samples, high: Samples, colour: str, *, alpha: float = 1.0) -> None:
    """Steps from low to high between the edges: (n + 1,), (n,), (n,)."""
    times = np.repeat(edges, 2)[1:-1]
    panel.fill_between(times, np.repeat(low, 2), np.repeat(high, 2), color=colour, alpha=alpha, lw=0)


def _loud_range(columns: Matrix) -> tuple[float, float]:
    """The colours' ends: 80 dB below the loudest, or the 5th percentile where that is closer."""
    top = float(columns.max())
    bottom = max(top - _RANGE_DB, float(np.percentile(columns, 5)) - 5)
    return min(bottom, top - 20), top


def _show(panel: Any, image: Image, rows: tuple[float, float], colours: str, low: float, high: float) -> Any:
    return panel.imshow(
        image.columns.T,
        origin="lower",
        aspect="auto",
        extent=(image.start, image.end, *rows),
        cmap=colours,
        vmin=low,
        vmax=high,
        interpolation="auto",
    )


def _colour_bar(figure: Any, picture: Any, bar: Any, unit: str) -> None:
    colours = figure.colorbar(picture, cax=bar)
    colours.outline.set_visible(False)
    bar.set_ylabel(unit, labelpad=3)
    bar.tick_params(length=2, labelsize=7.5)


def _bare(panel: Any) -> None:
    panel.spines["top"].set_visible(False)
    panel.spines["right"].set_visible(False)
