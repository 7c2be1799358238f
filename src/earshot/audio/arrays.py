"""Sound as other libraries hold it: arrays as librosa and soundfile use them, and pydub's segments.

>>> import numpy as np
>>> audio = from_array(np.zeros((2, 8_000)), 8_000)          # channels first, as librosa has them
>>> audio.duration
1.0
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.core.errors import AudioError, MissingExtraError
from earshot.core.types import Audio


def from_array(samples: npt.ArrayLike, sample_rate: int) -> Audio:
    """Of any array of numbers: (n,), channels first (c, n) as librosa has them, or last (n, c) as soundfile.

    Channels are the shorter side, and are mixed. Integers are brought to [-1, 1) by their type, unsigned bytes
    from their middle. Raises AudioError for what is no sound.
    """
    array = np.asarray(samples)
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2) or sample_rate <= 0:
        raise AudioError(
            f"an array of {array.dtype} with shape {array.shape} at {sample_rate} Hz is no sound",
            fix="give numbers of shape (n,), (channels, n) or (n, channels), and a positive rate",
        )
    if array.dtype.kind == "f":
        floats = array.astype(np.float32)
    else:
        half = 2.0 ** (8 * array.dtype.itemsize - 1)
        floats = ((array - (half if array.dtype.kind == "u" else 0.0)) / half).astype(np.float32)
    if floats.ndim == 2:
        floats = floats.mean(axis=int(np.argmin(floats.shape)), dtype=np.float32)
    if not np.isfinite(floats).all():
        raise AudioError("the array holds what is no number", fix="remove NaN and infinity")
    return Audio(np.ascontiguousarray(floats, np.float32), int(sample_rate))


def to_librosa(audio: Audio) -> tuple[npt.NDArray[np.float32], int]:
    """``y, sr`` as ``librosa.load`` gives them: a copy."""
    return audio.samples.copy(), audio.sample_rate


def from_pydub(segment: Any) -> Audio:
    """Of a ``pydub.AudioSegment``, its channels mixed. Raises AudioError for widths that pydub has not."""
    width = int(segment.sample_width)
    if width not in (1, 2, 4):
        raise AudioError(
            f"a segment of {width} bytes a sample cannot be read", fix="call set_sample_width(2) first"
        )
    # pydub's bytes are signed, whatever their width.
    values = np.frombuffer(segment.raw_data, np.dtype(f"<i{width}")).reshape(-1, int(segment.channels))
    floats = values.astype(np.float32) / np.float32(2.0 ** (8 * width - 1))
    return Audio(floats.mean(axis=1, dtype=np.float32), int(segment.frame_rate))


def to_pydub(audio: Audio) -> Any:
    """A ``pydub.AudioSegment`` of 16 bits, mono; Raises MissingExtraError without pydub."""
    try:
        pydub = importlib.import_module("pydub")
    except ImportError as error:
        raise MissingExtraError(f"pydub cannot be loaded: {error}", fix="pip install pydub") from error
    pcm = np.round(np.clip(audio.samples, -1, 1) * 32_767).astype("<i2")
    return pydub.AudioSegment(data=pcm.tobytes(), sample_width=2, frame_rate=audio.sample_rate, channels=1)
