"""One front end for recordings, live streams and training: samples in, frames of features out.

>>> front_end = LogMel(MelOptions.kaldi(80))
>>> front_end(audio.samples)                      # offline: (frames, 80)
>>> stream = front_end.stream()                   # live: the same frames, to the last bit
>>> stream.accept(block); stream.finish()
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from earshot.core.types import Samples
from earshot.features.stft import (
    BLOCK_FRAMES,
    Matrix,
    PowerSpectra,
    StftOptions,
    check_samples,
    emphasize,
)


class FrontEnd(ABC):
    """Turns samples into features. Holds filters and no state: one serves many streams and threads.

    stft: how the signal is cut. num_features: columns of what comes out.
    """

    def __init__(self, stft: StftOptions, num_features: int) -> None:
        self.stft = stft
        self.num_features = num_features
        self._spectra = PowerSpectra(stft)

    @abstractmethod
    def _from_power(self, power: Matrix) -> Matrix:
        """Features of one block: |X|² (num_bins, frames) to (num_features, frames); may overwrite ``power``."""

    def __call__(self, samples: Samples) -> Matrix:
        """Features of a whole signal.

        samples: float32 (n,) at ``stft.sample_rate``. Returns float32 (stft.num_frames(n), num_features);
        no frame for a signal that holds none.
        Raises AudioError when the samples hold NaN, infinity or absurd values.
        """
        check_samples(samples)
        features = np.empty((self.stft.num_frames(len(samples)), self.num_features), np.float32)
        stream = FeatureStream(self)
        done = stream._take(samples, features)
        stream._complete(features[done:])
        return features

    def stream(self) -> FeatureStream:
        """A new stream, for audio that comes in blocks."""
        return FeatureStream(self)


class FeatureStream:
    """The front end's state of one stream. Its memory does not grow.

    All frames joined equal the offline features to the last bit, whatever the block sizes.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self._front_end = front_end
        self._workspace = front_end._spectra.workspace()
        self._num_samples = 0
        self._num_frames = 0
        self._previous = np.float32(0)
        self._is_finished = False
        stft = front_end.stft
        num_zeros = stft.left_padding if stft.padding == "center" else 0
        self._pending = np.zeros(num_zeros, np.float32)  # from the start of the next frame on
        self._recent = np.zeros(0, np.float32)  # the last window of the signal, for its mirror image
        self._lacks_mirror = stft.padding == "mirror" and stft.left_padding > 0

    def accept(self, samples: Samples) -> Matrix:
        """The frames that became complete: float32 (k, num_features), k may be 0.

        samples: float32 (n,), any n. Raises AudioError when they hold NaN, infinity or absurd values.
        """
        if self._is_finished:
            raise ValueError("this stream is finished; open a new one")
        check_samples(samples)
        whole = self._front_end.stft.num_whole_frames(self._num_samples + len(samples))
        features = np.empty((whole - self._num_frames, self._front_end.num_features), np.float32)
        self._take(samples, features)
        return features

    def finish(self) -> Matrix:
        """The last frames, which reach over the end; accepting afterwards is a ValueError."""
        if self._is_finished:
            raise ValueError("this stream is finished; open a new one")
        self._is_finished = True
        total = self._front_end.stft.num_frames(self._num_samples)
        features = np.empty((total - self._num_frames, self._front_end.num_features), np.float32)
        self._complete(features)
        return features

    def _take(self, samples: Samples, out: Matrix) -> int:
        """Write the frames that ``samples`` complete; returns how many."""
        stft, step, done = self._front_end.stft, BLOCK_FRAMES * self._front_end.stft.hop_length, 0
        for start in range(0, len(samples), step):
            self._append(samples[start : start + step])
            num_frames = stft.num_whole_frames(self._num_samples) - self._num_frames
            self._emit(num_frames, out[done : done + num_frames])
            done += num_frames
        return done

    def _append(self, samples: Samples) -> None:
        """Take samples in, emphasized and mirrored at the start as the options say."""
        stft = self._front_end.stft
        self._num_samples += len(samples)
        if stft.pre_emphasis and not stft.pre_emphasis_per_frame:
            previous, self._previous = self._previous, samples[-1]
            samples = emphasize(samples, stft.pre_emphasis, float(previous))
        if stft.padding == "mirror":
            self._recent = np.concatenate([self._recent, samples])[-stft.window_length :]
        self._pending = np.concatenate([self._pending, samples])
        if self._lacks_mirror and self._num_samples >= stft.left_padding:
            self._mirror_start()

    def _mirror_start(self) -> None:
        self._pending = np.pad(self._pending, (self._front_end.stft.left_padding, 0), "symmetric")
        self._lacks_mirror = False

    def _emit(self, num_frames: int, out: Matrix) -> None:
        """Write the next frames and forget what no later frame needs."""
        front_end, hop = self._front_end, self._front_end.stft.hop_length
        for start in range(0, num_frames, BLOCK_FRAMES):
            count = min(BLOCK_FRAMES, num_frames - start)
            power = front_end._spectra.block(self._pending[start * hop :], count, self._workspace)
            out[start : start + count] = front_end._from_power(power)[:, :count].T
        self._pending = self._pending[num_frames * hop :]
        self._num_frames += num_frames

    def _complete(self, out: Matrix) -> None:
        """Write the frames that reach over the end of the signal."""
        if not len(out):
            return
        stft = self._front_end.stft
        if self._lacks_mirror:
            self._mirror_start()
        lacking = (len(out) - 1) * stft.hop_length + stft.window_length - len(self._pending)
        if lacking > 0:
            self._pending = np.concatenate([self._pending, self._after_end(lacking)])
        self._emit(len(out), out)

    def _after_end(self, num_samples: int) -> Samples:
        """What stands after the signal's last sample."""
        if self._front_end.stft.padding != "mirror":
            return np.zeros(num_samples, np.float32)
        return np.pad(self._recent, (0, num_samples), "symmetric")[len(self._recent) :]


class Spectrogram(FrontEnd):
    """Power spectrogram: |X|², (frames, num_bins)."""

    def __init__(self, options: StftOptions | None = None) -> None:
        options = options or StftOptions()
        super().__init__(options, options.num_bins)

    def _from_power(self, power: Matrix) -> Matrix:
        return power
