"""The GE2E voice encoder (Wan et al., "Generalized end-to-end loss for speaker verification", 2018).

Three LSTM layers read 1.6 s of mel power; the last state, through a linear map and ReLU, is the voice. A longer
clip is the mean of its parts. The weights are those of Resemblyzer (C. Jemine, Apache-2.0), see ge2e_weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earshot.core.runtime import load_onnx
from earshot.core.types import Samples
from earshot.features.stft import Matrix
from earshot.speakers.encoder import check_length, unit_rows
from earshot.speakers.ge2e_weights import GRAPH, HOW_TO_INSTALL, NAME, is_available, model_folder
from earshot.speakers.mel_power import HOP, MelPower, ge2e_filters
from earshot.speakers.types import Vectors

__all__ = ["HOW_TO_INSTALL", "Ge2eEncoder", "is_available"]

_PART = 160  # frames that the net was trained on (140 to 180)
_STEP = 80  # frames between two parts of a clip
_LONGEST = 180  # frames that are read in one go
_SHORTEST = 140  # frames; fewer are filled up with silence: 11 % errors on clips of 1 s, 16 % without
_LEVEL = 10 ** (-24 / 20)
"""RMS that every clip is brought to. 60 LibriSpeech voices, 143 pieces of 3 to 7 s: 0.9 % errors at -24 dB,
1.6 % at -30 and at -18; 0.8 % if only what is quieter is lifted to -30, but then the level counts as voice."""
_MADE_AGAIN = "earshot models remove ge2e; it is then made again"
_BATCH = 64  # windows read together


class Ge2eEncoder:
    """See SpeakerEncoder. folder: of the converted model; None finds it, or makes it of the wheel's weights."""

    name = NAME
    dim = 256
    min_seconds = 1.6
    threshold = 0.69

    def __init__(self, folder: Path | None = None, *, num_threads: int = 1) -> None:
        path = (folder or model_folder()) / GRAPH
        self._session = load_onnx(
            path, num_threads=num_threads, inputs=["mels"], kind="GE2E voice encoder", fix=_MADE_AGAIN
        )
        self._front_end = MelPower(400, ge2e_filters())

    def embed(self, clips: Sequence[Samples]) -> Vectors:
        """See SpeakerEncoder."""
        parts: list[Matrix] = []
        owners: list[int] = []
        for index, clip in enumerate(clips):
            check_length(len(clip))
            mel = self._front_end(clip) * _gain(clip)
            starts, length = _parts(len(mel))
            parts += [_filled(mel[start : start + length]) for start in starts]
            owners += [index] * len(starts)
        vectors = np.zeros((len(clips), self.dim), np.float32)
        np.add.at(vectors, owners, self._embed_parts(parts))
        return unit_rows(vectors)

    def embed_windows(self, samples: Samples, starts: Sequence[int], length: int) -> Vectors:
        """See SpeakerEncoder."""
        if not len(starts):
            return np.zeros((0, self.dim), np.float32)
        check_length(min(length, len(samples) - max(starts)))
        mel = self._front_end(samples)
        ends = [min(start + length, len(samples)) for start in starts]
        return self._embed_spans(samples, mel, list(zip(starts, ends, strict=True)))

    def _embed_spans(self, samples: Samples, mel: Matrix, spans: list[tuple[int, int]]) -> Vectors:
        """Vectors of stretches of sound; parts that several of them hold are read once."""
        parts: dict[tuple[int, int], int] = {}
        held: list[list[int]] = []
        for start, end in spans:
            first, last = start // HOP, -(-end // HOP)
            frames = _grid(first, last) if last - first > _LONGEST else [(first, last)]
            held.append([parts.setdefault(span, len(parts)) for span in frames])
        energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
        scaled = []
        for first, last in parts:
            low, high = first * HOP, min(last * HOP, len(samples))
            gain = _gain_of((energy[high] - energy[low]) / max(1, high - low))
            scaled.append(_filled(mel[first:last] * gain))
        vectors = self._embed_parts(scaled)
        return unit_rows(np.stack([vectors[rows].mean(axis=0) for rows in held]))

    def _embed_parts(self, parts: Sequence[Matrix]) -> Vectors:
        """Unit vectors of parts, those of one length together. parts: (frames, 40) each."""
        vectors = np.empty((len(parts), self.dim), np.float32)
        for rows in _batches([len(part) for part in parts]):
            stacked = np.stack([parts[row] for row in rows], axis=1)
            vectors[rows] = self._session.run(None, {"mels": stacked})[0]
        return unit_rows(vectors)


def _filled(mel: Matrix) -> Matrix:
    """At least the frames that the net was trained on."""
    return mel if len(mel) >= _SHORTEST else np.pad(mel, ((0, _PART - len(mel)), (0, 0)))


def _parts(num_frames: int) -> tuple[list[int], int]:
    """First frames of a clip's parts, and their length; they are evenly spread, about half overlapping."""
    if num_frames <= _LONGEST:
        return [0], num_frames
    count = 1 + max(1, round((num_frames - _PART) / _STEP))
    return [round(start) for start in np.linspace(0, num_frames - _PART, count)], _PART


def _grid(first: int, last: int) -> list[tuple[int, int]]:
    """Parts of frames first … last on a grid that all windows share: (first, last) each."""
    low, high = -(-first // _STEP), (last - _PART) // _STEP
    if high < low:
        return [(first, first + _PART), (last - _PART, last)]
    return [(step * _STEP, step * _STEP + _PART) for step in range(low, high + 1)]


def _batches(lengths: Sequence[int]) -> Iterator[npt.NDArray[np.intp]]:
    """Indices of parts of one length, at most ``_BATCH`` at a time."""
    all_lengths = np.asarray(lengths)
    for length in np.unique(all_lengths):
        rows = np.flatnonzero(all_lengths == length)
        for start in range(0, len(rows), _BATCH):
            yield rows[start : start + _BATCH]


def _gain(clip: Samples) -> np.float32:
    return _gain_of(float(np.mean(np.square(clip, dtype=np.float64))))


def _gain_of(power: float) -> np.float32:
    """Factor on mel power that brings sound of this mean power to the level that the net expects."""
    return np.float32(_LEVEL**2 / power if power > 1e-14 else 0.0)
