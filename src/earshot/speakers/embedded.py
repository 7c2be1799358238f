"""Earshot's own voice encoder, which ships with it: 1.6 million parameters, nothing to install.

A convolutional net gives, each 20 ms, values and weights that depend on a quarter of a second on either side; a
voice is made of their weighted mean and deviation. So a recording is read once, however many windows are cut
from it: sums up to every frame give the mean of any window. It learned what the GE2E encoder hears, on the data
that its card names (``data/voice.card.json``); ``tools/voices`` made it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.core.errors import ModelError
from earshot.core.runtime import load_onnx, read_verified
from earshot.core.types import Samples
from earshot.features.stft import Matrix
from earshot.speakers.encoder import check_length, unit_rows
from earshot.speakers.mel_power import HOP, MelPower, levelled_log, voice_filters
from earshot.speakers.types import Vectors

_FOLDER = Path(__file__).parent / "data"
_CHUNK = 2_000  # frames read in one go, 20 s
_MARGIN = 32  # frames of context on either side; the net looks at 25
_STRIDE = 2  # frames a value
_REINSTALL = "install earshot again"


class EmbeddedEncoder:
    """See SpeakerEncoder."""

    min_seconds = 1.0

    def __init__(self, *, num_threads: int = 1) -> None:
        card = _card()
        self.name = str(card["name"])
        self.threshold = float(card["threshold"])
        self._offset = float(card["offset"])
        files = {
            name: read_verified(_FOLDER / name, record["sha256"], fix=_REINSTALL)
            for name, record in card["files"].items()
        }
        self._session = load_onnx(
            _FOLDER / "voice.onnx", files["voice.onnx"], num_threads=num_threads, fix=_REINSTALL
        )
        with np.load(_FOLDER / "voice.npz", allow_pickle=False) as head:
            self._matrix, self._bias = head["matrix"].astype(np.float32), head["bias"].astype(np.float32)
        self._front_end = MelPower(512, voice_filters())

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return len(self._bias) + 1

    def embed(self, clips: Sequence[Samples]) -> Vectors:
        """See SpeakerEncoder."""
        for clip in clips:
            check_length(len(clip))
        rows = [self._windows(clip, np.array([[0, len(clip)]])) for clip in clips]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    def embed_windows(self, samples: Samples, starts: Sequence[int], length: int) -> Vectors:
        """See SpeakerEncoder."""
        if not len(starts):
            return np.zeros((0, self.dim), np.float32)
        check_length(min(length, len(samples) - max(starts)))
        first = np.asarray(starts, np.int64)
        return self._windows(samples, np.stack([first, np.minimum(first + length, len(samples))], axis=1))

    def _windows(self, samples: Samples, spans: npt.NDArray[np.int64]) -> Vectors:
        """Voices of spans (n, 2) of samples."""
        mel = levelled_log(self._front_end(samples))
        step = HOP * _STRIDE
        sums = _Sums(np.stack([spans[:, 0] // step, -(-spans[:, 1] // step)], axis=1))
        for values, logs in self._read(mel):
            sums.add(values, np.exp(logs))
        directions = unit_rows(sums.statistics() @ self._matrix + self._bias)
        # A constant in front lifts every cosine c to a + (1 - a)·c. That changes no order, and puts them on the
        # scale of the GE2E encoder, so that margins found with one of the two hold with the other.
        constant = np.full((len(directions), 1), np.sqrt(self._offset), np.float32)
        return np.concatenate([constant, np.float32(np.sqrt(1 - self._offset)) * directions], axis=1)

    def _read(self, mel: Matrix) -> Iterator[tuple[Matrix, Matrix]]:
        """Values and weights' logs of all frames, by chunks: (frames / 2, channels) each."""
        for start in range(0, len(mel), _CHUNK):
            low, high = max(0, start - _MARGIN), min(len(mel), start + _CHUNK + _MARGIN)
            values, logs = self._session.run(None, {"mel": mel[low:high]})
            skip = (start - low) // _STRIDE
            count = -(-(min(len(mel), start + _CHUNK) - start) // _STRIDE)
            yield values[skip : skip + count], logs[skip : skip + count]


class _Sums:
    """Weighted means and deviations of spans of frames, of which only the sums between their ends are kept.

    spans: (n, 2), first frame and the one after the last.
    """

    def __init__(self, spans: npt.NDArray[np.int64]) -> None:
        self._edges, places = np.unique(spans, return_inverse=True)
        self._spans = places.reshape(spans.shape)
        self._sums: npt.NDArray[np.float64] | None = None
        self._num_frames = 0

    def add(self, values: Matrix, weights: Matrix) -> None:
        """The next frames: (frames, channels) each."""
        frames = np.arange(self._num_frames, self._num_frames + len(values))
        self._num_frames += len(values)
        stretch = np.searchsorted(self._edges, frames, side="right")  # 0 lies before the first edge
        starts = np.flatnonzero(np.diff(stretch, prepend=-1))
        weighted = weights * values
        parts = np.concatenate([weights, weighted, weighted * values], axis=1)
        if self._sums is None:
            self._sums = np.zeros((len(self._edges) + 1, parts.shape[1]))
        self._sums[stretch[starts]] += np.add.reduceat(parts, starts, axis=0)

    def statistics(self) -> Matrix:
        """Mean and deviation of each span: float32 (n, 2 × channels)."""
        assert self._sums is not None, "some frames were added"
        upto = np.cumsum(self._sums, axis=0)  # row i: everything before edge i
        sums = upto[self._spans[:, 1]] - upto[self._spans[:, 0]]
        total, value, square = np.split(sums, 3, axis=1)
        mean = value / total
        deviation = np.sqrt(np.maximum(square / total - mean**2, 1e-4))
        return np.concatenate([mean, deviation], axis=1).astype(np.float32)


def _card() -> dict[str, Any]:
    path = _FOLDER / "voice.card.json"
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}", fix=_REINSTALL) from error
    return card
