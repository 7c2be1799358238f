"""CMU Sphinx acoustic models read into NumPy: what forced alignment needs of them, without the decoder.

The decoder in C holds Python's global lock while it works (measured: a second thread stood still for the whole
of an alignment), and it tracks triphones and beams that a known text does not need. Here the Gaussians are a
few matrix products, which release the lock.

Formats and front end follow the public documentation of CMU Sphinx: a semi-continuous ("phonetically tied")
model with one codebook of Gaussians a phone and a stream, 8-bit mixture weights in ``sendump``; cepstra with
their first and second differences as three streams ("1s_c_d_dd").
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft

from earshot.core.errors import ModelError
from earshot.core.types import SAMPLE_RATE, Samples

FRAME_SHIFT = 160
"""Samples at 16 kHz between two frames: 10 ms."""

FRAME_WINDOW = 410
"""Samples that a frame sees, 25.625 ms: the default of Sphinx."""
_NUM_FFT = 512
_NUM_CEPSTRA = 13
_NUM_STATES = 3  # emitting states a phone
_WEIGHT_STEP = 1024 * math.log(1.0001)  # sendump holds -log(weight), base 1.0001, shifted right by ten bits
_NOISE_FLOOR = np.float32(1.0)  # power of a white noise of half a 16-bit step: digital silence is no outlier
_VARIANCE_FLOOR = 1e-4
_DEAD_PEAK = 20.0  # trained Gaussians peak near -30 (log density), those that no frame ever reached at +60
_SHIFT = 60.0  # log densities of speech are -15 to -120; lifted by this, float32 can hold their exponentials
_RANGE = np.float32(80.0)  # without a search for each frame's maximum, which took a third of the time
_CHUNK = 96  # frames a step: their Gaussians stay in the cache

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FrontEnd:
    """Parameters of the cepstra, as ``feat.params`` of a model gives them; frequencies in Hz."""

    num_filters: int = 25
    low: float = 130.0
    high: float = 6800.0
    lifter: int = 22

    def cepstra(self, samples: Samples) -> Matrix:
        """Mel cepstra (num_frames, 13), less their mean over the speech; samples: (n,), 16 kHz."""
        frames = _frames(samples)
        power = np.abs(rfft(frames, _NUM_FFT, axis=1)) ** 2
        mel = np.log(power @ self._filters() + _NOISE_FLOOR)
        cepstra = mel @ self._transform()
        return np.ascontiguousarray(cepstra - _speech_mean(cepstra), np.float32)

    def _filters(self) -> Matrix:
        """Triangles of equal area on the mel scale, edges rounded to FFT bins: (257, num_filters)."""
        mel_edges = np.linspace(_mel(self.low), _mel(self.high), self.num_filters + 2)
        edges = 700 * (10 ** (mel_edges / 2595) - 1)
        bin_width = SAMPLE_RATE / _NUM_FFT
        edges = np.floor(edges / bin_width + 0.5) * bin_width
        frequencies = np.arange(_NUM_FFT // 2 + 1)[:, None] * bin_width
        left, centre, right = edges[:-2], edges[1:-1], edges[2:]
        rising = (frequencies - left) / (centre - left)
        falling = (right - frequencies) / (right - centre)
        area = 2 / (right - left)
        return np.asarray(np.maximum(0, np.minimum(rising, falling)) * area, np.float32)

    def _transform(self) -> Matrix:
        """Orthonormal cosine transform with the liftering folded in: (num_filters, 13)."""
        quefrency = np.arange(_NUM_CEPSTRA)
        phase = np.pi / self.num_filters * np.outer(np.arange(self.num_filters) + 0.5, quefrency)
        matrix = np.cos(phase) * math.sqrt(2 / self.num_filters)
        matrix[:, 0] *= math.sqrt(0.5)
        if self.lifter:
            matrix *= 1 + self.lifter / 2 * np.sin(quefrency * np.pi / self.lifter)
        return np.asarray(matrix, np.float32)


def _speech_mean(cepstra: Matrix) -> Matrix:
    """Mean (13,) over the loud frames, and over the quiet ones as if there were at most a quarter as many.

    The model was trained on read sentences, with few pauses; a plain mean over recordings that are mostly
    silence misplaces what is said. Starts of single words (``commands`` of ``benchmarks/word_times.py``) were
    26 ms off with it (median; 90th percentile 238 ms), so 18 (182) ms.
    """
    loudness = cepstra[:, 0]
    low, high = np.percentile(loudness, [5, 95])
    is_loud = loudness > low + 0.4 * (high - low)
    if is_loud.all() or not is_loud.any():
        return np.asarray(cepstra.mean(axis=0), np.float32)
    quiet = min(np.count_nonzero(~is_loud), 0.25 * np.count_nonzero(is_loud))
    weights = np.where(is_loud, 1.0, quiet / np.count_nonzero(~is_loud))
    return np.asarray(np.average(cepstra, axis=0, weights=weights), np.float32)


def _mel(frequency: float) -> float:
    return 2595 * math.log10(1 + frequency / 700)


def _frames(samples: Samples) -> Matrix:
    """Pre-emphasised, windowed frames (num_frames, 410) in 16-bit units; the last one padded with zeros."""
    num_frames = max(1, 1 + -(-(len(samples) - FRAME_WINDOW) // FRAME_SHIFT))
    padded = np.zeros((num_frames - 1) * FRAME_SHIFT + FRAME_WINDOW, np.float32)
    padded[: len(samples)] = samples[: len(padded)]
    padded *= 32_768
    padded[1:] -= np.float32(0.97) * padded[:-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, FRAME_WINDOW)[::FRAME_SHIFT]
    return np.asarray(windows * np.hamming(FRAME_WINDOW).astype(np.float32), np.float32)


def streams(cepstra: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Cepstra, first and second differences (over ±2 and ±3 frames), each (num_frames, 13)."""
    padded = np.pad(cepstra, ((3, 3), (0, 0)), mode="edge")

    def at(offset: int) -> Matrix:
        return padded[3 + offset : 3 + offset + len(cepstra)]

    return cepstra, at(2) - at(-2), (at(3) - at(-1)) - (at(1) - at(-3))


class SphinxModel:
    """The context-independent phones of an acoustic model; read-only, so any number of threads may use it.

    phones: their names in the model's order. transitions: log probabilities (num_phones, 3, 2) of staying in
    an emitting state and of leaving it.
    """

    def __init__(
        self, phones: tuple[str, ...], gaussians: list[Matrix], weights: list[Matrix], transitions: Matrix
    ) -> None:
        self.phones = phones
        self.transitions = transitions
        self.front_end = FrontEnd()
        self._gaussians = gaussians  # a stream: (num_phones, 27, 128), applied to [x, x², 1]
        self._weights = weights  # a stream: (num_phones, 128, 3)

    @classmethod
    def read(cls, folder: Path) -> SphinxModel:
        """Read a model folder. Raises ModelError where it is absent, damaged or not of this kind."""
        try:
            phones, num_states = _read_phones(folder / "mdef")
            means, variances = _read_gaussians(folder / "means"), _read_gaussians(folder / "variances")
            weights = _read_weights(folder / "sendump", means[0].shape[1], len(phones))
            transitions = _read_transitions(folder / "transition_matrices")
        except OSError as error:
            raise ModelError(
                f"cannot read the acoustic model in {folder}: {error.strerror}",
                fix="reinstall pocketsphinx",
            ) from error
        except (ValueError, struct.error, IndexError) as error:
            raise ModelError(
                f"the acoustic model in {folder} is damaged or of another kind: {error}",
                fix="use a phonetically tied model such as the en-us of pocketsphinx",
            ) from error
        if num_states != _NUM_STATES or not len(phones) == len(means[0]) == len(transitions):
            raise ModelError(
                f"the acoustic model in {folder} is of another kind",
                fix="use a phonetically tied model with three states a phone",
            )
        gaussians = [_as_product(m, v) for m, v in zip(means, variances, strict=True)]
        return cls(phones, gaussians, weights, transitions)

    def log_likelihoods(self, samples: Samples, phones: npt.NDArray[np.intp], *, step: int = 1) -> Matrix:
        """How well each frame fits each state of the phones (indices, without repetition).

        samples: (n,), 16 kHz. step: every how manieth frame is looked at, the others repeat it.
        Returns natural logarithms up to a constant a frame: (num_frames, len(phones) * 3).
        """
        features = streams(self.front_end.cepstra(samples))
        num_frames = len(features[0])
        total = np.zeros((-(-num_frames // step), len(phones) * _NUM_STATES), np.float32)
        for stream, gaussians, weights in zip(features, self._gaussians, self._weights, strict=True):
            x = stream[step // 2 :: step] if num_frames > step // 2 else stream[:1]
            inputs = np.concatenate([x, x * x, np.ones((len(x), 1), np.float32)], axis=1)
            _add_mixtures(total[: len(x)], inputs, gaussians[phones], weights[phones])
            total[len(x) :] = total[len(x) - 1]
        return np.repeat(total, step, axis=0)[:num_frames] if step > 1 else total


def _add_mixtures(total: Matrix, inputs: Matrix, gaussians: Matrix, weights: Matrix) -> None:
    """Add log Σ w·N(x) of one stream to ``total`` (num_frames, num_phones * 3)."""
    for start in range(0, len(inputs), _CHUNK):
        chunk = inputs[start : start + _CHUNK]
        densities = np.matmul(chunk, gaussians)  # (num_phones, frames, 128)
        np.exp(np.clip(densities, -_RANGE, _RANGE, out=densities), out=densities)
        mixtures = np.log(np.matmul(densities, weights))
        total[start : start + _CHUNK] += mixtures.transpose(1, 0, 2).reshape(len(chunk), -1)


def _as_product(means: Matrix, variances: Matrix) -> Matrix:
    """Diagonal Gaussians as a linear map of [x, x², 1]: (num_phones, 128, 13) → (num_phones, 27, 128)."""
    precision = 1 / np.maximum(variances.astype(np.float64), _VARIANCE_FLOOR)
    peak = 0.5 * (np.log(precision)).sum(axis=2, keepdims=True)
    constant = peak - 0.5 * (means**2 * precision).sum(axis=2, keepdims=True) + _SHIFT
    rows = np.concatenate([means * precision, -0.5 * precision, constant], axis=2)
    rows[peak[..., 0] > _DEAD_PEAK] = np.array([*[0.0] * 26, -1e4])
    return np.ascontiguousarray(rows.transpose(0, 2, 1), np.float32)


def _read_s3(path: Path) -> tuple[bytes, int]:
    """The file and where its data begin: after the text header and the byte-order mark."""
    data = path.read_bytes()
    start = data.index(b"endhdr\n") + len(b"endhdr\n")
    if struct.unpack_from("<I", data, start)[0] != 0x11223344:
        raise ValueError(f"{path.name} has another byte order")
    return data, start + 4


def _read_gaussians(path: Path) -> list[Matrix]:
    """Means or variances: a stream (num_codebooks, num_densities, 13)."""
    data, at = _read_s3(path)
    num_codebooks, num_streams, num_densities = struct.unpack_from("<3i", data, at)
    if num_streams != 3:
        raise ValueError(f"{path.name} has {num_streams} streams instead of 3")
    lengths = struct.unpack_from("<3i", data, at + 12)
    if lengths != (_NUM_CEPSTRA,) * 3:
        raise ValueError(f"{path.name} has streams of {lengths}")
    count = num_codebooks * num_streams * num_densities * _NUM_CEPSTRA
    values = np.frombuffer(data, "<f4", count, at + 28)
    table = values.reshape(num_codebooks, num_streams, num_densities, _NUM_CEPSTRA)
    return [table[:, i] for i in range(num_streams)]


def _read_weights(path: Path, num_densities: int, num_phones: int) -> list[Matrix]:
    """Mixture weights of the context-independent states, which come first: a stream (num_phones, 128, 3)."""
    data, at = path.read_bytes(), 0
    while length := struct.unpack_from("<i", data, at)[0]:  # comments, ended by an empty one
        if length < 0:
            raise ValueError(f"{path.name} is cut short or not a sendump")
        at += 4 + length
    rows, columns = struct.unpack_from("<2i", data, at + 4)
    if rows != num_densities or columns < num_phones * _NUM_STATES:
        raise ValueError(f"{path.name} has {rows} densities and {columns} states")
    codes = np.frombuffer(data, np.uint8, 3 * rows * columns, at + 12).reshape(3, rows, columns)
    codes = codes[:, :, : num_phones * _NUM_STATES]
    weights = np.exp(-_WEIGHT_STEP * codes.astype(np.float32))
    weights = weights.reshape(3, rows, num_phones, _NUM_STATES).transpose(0, 2, 1, 3)
    return [np.ascontiguousarray(stream, np.float32) for stream in weights]


def _read_transitions(path: Path) -> Matrix:
    """Log probabilities (num_phones, 3, 2) of staying and of leaving; skips do not occur in these models."""
    data, at = _read_s3(path)
    num_phones, rows, columns, count = struct.unpack_from("<4i", data, at)
    table = np.frombuffer(data, "<f4", count, at + 16).reshape(num_phones, rows, columns).astype(np.float64)
    table = np.maximum(table, 1e-4 * table.sum(axis=2, keepdims=True))
    table /= table.sum(axis=2, keepdims=True)
    state = np.arange(rows)
    return np.asarray(np.log(np.stack([table[:, state, state], table[:, state, state + 1]], 2)), np.float32)


def _read_phones(path: Path) -> tuple[tuple[str, ...], int]:
    """Names of the context-independent phones and the number of emitting states."""
    data = path.read_bytes()
    if data[:4] != b"BMDF":
        raise ValueError(f"{path.name} is not a binary model definition")
    (description,) = struct.unpack_from("<i", data, 8)
    at = 12 + description
    num_phones, _, num_states = struct.unpack_from("<3i", data, at)
    names = data[at + 40 :].split(b"\0", num_phones)[:num_phones]
    return tuple(name.decode("ascii") for name in names), num_states
