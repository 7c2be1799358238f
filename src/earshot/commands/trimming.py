"""Where the sound of a short clip is."""

from __future__ import annotations

import numpy as np

from earshot.core.types import Samples

_FRAME = 320
"""Samples over which level is measured, 20 ms."""

_DEPTH = 10 ** (-30 / 20)
"""Sound is what lies within 30 dB of the loudest frame."""

_OVER_FLOOR = 2.0
"""And is twice as loud as the quietest tenth of the clip, so that background does not count."""

PADDING = 1_120
"""Samples kept on both sides, 70 ms: soft beginnings and ends of words."""


def sound_span(samples: Samples) -> tuple[int, int]:
    """The first sample of what sounds in a clip, float32 (n,) at 16 kHz, and one past the last."""
    num_frames = len(samples) // _FRAME
    if num_frames < 3:
        return 0, len(samples)
    frames = samples[: num_frames * _FRAME].reshape(num_frames, _FRAME)
    levels = np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1) + 1e-12)
    levels = np.convolve(levels, [0.25, 0.5, 0.25], "same")
    # The floor never takes more than the frames of the lower third: a clip without pauses has no floor.
    floor = min(_OVER_FLOOR * float(np.percentile(levels, 10)), 0.3 * float(levels.max()))
    loud = np.flatnonzero(levels > max(_DEPTH * float(levels.max()), floor))
    if not len(loud):
        return 0, len(samples)
    first = max(0, int(loud[0]) * _FRAME - PADDING)
    last = min(len(samples), (int(loud[-1]) + 1) * _FRAME + PADDING)
    return first, last


def trim(samples: Samples) -> Samples:
    """The clip without the quiet before and after its sound."""
    first, last = sound_span(samples)
    return samples[first:last]
