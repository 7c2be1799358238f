"""One pass over a recording that measures it and gathers what a picture of it needs, in constant memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from earshot.audio.cutting import CutOptions, SpeechRegion, cut_speech
from earshot.audio.reader import AudioInfo, AudioReader
from earshot.audio.resample import Resampler
from earshot.audio.vad import FRAME
from earshot.core.progress import ProgressCallback
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features import FrontEnd, LogMel, MelOptions, Mfcc, MfccOptions, Spectrogram, StftOptions
from earshot.features.stft import Matrix, window_samples
from earshot.visual.level import LevelMeter, Levels
from earshot.visual.pooling import Envelope, Pool

MAX_COLUMNS = 1_600
"""About a pixel of the picture each."""

MAX_PICTURE_RATE = 48_000
"""Hz; what lies above 24 kHz is not looked at."""

CUTTING = CutOptions(padding=0.1, join_gap=0.3)
"""Closer to the speech than what recognizers get, so that pauses show and count."""

_LONGEST_REGION = 30.0
_SHORT = 12.0
"""Seconds; shorter recordings get a finer spectrogram."""

_FLOOR = 1e-12
"""Power of the lowest level shown, −120 dBFS."""

_SPEECH_THRESHOLD = 0.5
_NOTHING = 1e-5
"""Samples below −100 dB are no background noise but digital silence, whatever resampling made of it."""

_BANDWIDTH_DB = 55.0
"""A frequency whose mean power is this far below that of the loudest one counts as empty. Speech falls by 40
to 50 dB to 8 kHz; what a resampler or a codec removed lies 70 and more below (12 corpora and recordings)."""

_LEAST_FOR_RATIO = 0.2
"""Seconds of speech, and of pauses, that a signal-to-noise ratio needs."""


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of speech: seconds from the start of the recording."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured. Times are seconds.

    info: what the recording says of itself. start: of the part looked at. duration: of what was read.
    speech: in the regions, pauses not counted; None where nothing was read. signal_to_noise: dB, power of the
    speech over that of the pauses; None where there is not enough of both, inf where the pauses are digital
    silence. bandwidth: Hz, up to where there is sound; None in silence. warnings: of the decoder.
    """

    info: AudioInfo
    start: float
    duration: float
    levels: Levels
    regions: tuple[Region, ...]
    speech: float
    signal_to_noise: float | None
    bandwidth: float | None
    warnings: tuple[str, ...] = ()

    @property
    def speech_share(self) -> float | None:
        """Part of the duration that is speech, [0, 1]; None for an empty recording."""
        return min(1.0, self.speech / self.duration) if self.duration else None


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """columns: float32 (columns, rows), lowest row first. start, end: seconds of its left and right edges."""

    columns: Matrix
    start: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """envelope: lowest, highest and RMS amplitude. speech: probability. spectrogram: dB re a sine of full
    scale, 0 Hz to spectrogram_top. log_mel: likewise, at 16 kHz. mfcc: python_speech_features' 13.
    """

    envelope: Image
    speech: Image
    spectrogram: Image
    spectrogram_top: float
    log_mel: Image
    mel_edges: tuple[float, ...]
    mfcc: Image


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """A report, and the pictures if they were asked for."""

    report: Report
    pictures: Pictures | None = None


def survey(
    reader: AudioReader,
    *,
    start: float = 0.0,
    has_pictures: bool = True,
    progress: ProgressCallback | None = None,
) -> Survey:
    """Read a recording to its end and say what is in it.

    reader: see ``earshot.audio.decode.open_audio``. start: what its first sample is called, in seconds.
    Raises AudioError as reading does.
    """
    info = reader.info
    meter, speech, spectrum = LevelMeter(info.sample_rate), _SpeechMeter(), _Spectrum(info)
    painter = _Painter(info) if has_pictures else None
    regions: list[Region] = []

    def heard() -> Iterator[Samples]:
        resampler = Resampler(info.sample_rate)
        for block in reader:
            meter.accept(block)
            if progress is not None:
                progress(reader.num_samples / info.sample_rate, info.duration)
            yield from passed_on(block, resampler.accept(block))
        yield from passed_on(np.empty(0, np.float32), resampler.finish())

    def passed_on(block: Samples, resampled: Samples) -> Iterator[Samples]:
        speech.hear(resampled)
        spectrum.hear(block)
        if painter is not None:
            painter.hear(block, resampled)
        yield resampled

    for region in cut_speech(heard(), max_duration=_LONGEST_REGION, options=CUTTING):
        speech.add(region)
        if painter is not None:
            painter.add(region)
        _append(regions, start + region.start / SAMPLE_RATE, start + region.end / SAMPLE_RATE)
    levels = meter.levels()
    report = Report(
        info,
        start,
        levels.num_samples / info.sample_rate,
        levels,
        tuple(regions),
        speech.seconds,
        speech.signal_to_noise(),
        spectrum.bandwidth(),
        reader.warnings,
    )
    return Survey(report, painter.pictures(start, spectrum) if painter is not None else None)


def _append(regions: list[Region], start: float, end: float) -> None:
    """Regions that touch (long speech is cut in pieces) are one."""
    if regions and start <= regions[-1].end:
        start = regions.pop().start
    regions.append(Region(start, end))


@dataclass
class _Power:
    """Sum of squares and how many."""

    squares: float = 0.0
    count: int = 0

    def add(self, samples: Samples) -> None:
        loud = samples[np.abs(samples) >= _NOTHING]
        self.squares += float(np.einsum("i,i->", loud, loud, dtype=np.float64))
        self.count += len(loud)

    def without(self, other: _Power) -> _Power:
        return _Power(max(0.0, self.squares - other.squares), self.count - other.count)

    @property
    def mean(self) -> float:
        return self.squares / self.count if self.count else 0.0


@dataclass
class _SpeechMeter:
    """Sums over everything and over the regions tell the pauses by their difference, with nothing kept."""

    num_samples: int = 0
    num_frames: int = 0
    num_in_regions: int = 0
    everything: _Power = field(default_factory=_Power)
    regions: _Power = field(default_factory=_Power)
    speech: _Power = field(default_factory=_Power)

    def hear(self, samples: Samples) -> None:
        self.num_samples += len(samples)
        self.everything.add(samples)

    def add(self, region: SpeechRegion) -> None:
        self.num_in_regions += len(region.samples)
        self.regions.add(region.samples)
        is_speech = region.probabilities >= _SPEECH_THRESHOLD
        self.num_frames += int(is_speech.sum())
        self.speech.add(region.samples[np.repeat(is_speech, FRAME)[: len(region.samples)]])

    @property
    def seconds(self) -> float:
        return self.num_frames * FRAME / SAMPLE_RATE

    def signal_to_noise(self) -> float | None:
        pauses = self.everything.without(self.regions)
        pause_seconds = (self.num_samples - self.num_in_regions) / SAMPLE_RATE
        if min(pause_seconds, self.seconds) < _LEAST_FOR_RATIO or not self.speech.mean:
            return None
        if pauses.count < _LEAST_FOR_RATIO * SAMPLE_RATE or not pauses.mean:
            return math.inf
        # What is heard in speech is speech and noise.
        clean = max(self.speech.mean - pauses.mean, 1e-3 * pauses.mean)
        return 10 * math.log10(clean / pauses.mean)


class _Spectrum:
    """The spectrogram at the recording's own rate, as an image and as its mean."""

    def __init__(self, info: AudioInfo) -> None:
        self.rate = min(info.sample_rate, MAX_PICTURE_RATE)
        self._resampler = Resampler(info.sample_rate, self.rate)
        is_short = info.duration is not None and info.duration <= _SHORT
        self._stft = _full_scale_stft(self.rate, hop_ms=2.5 if is_short else 10)
        self._stream = Spectrogram(self._stft).stream()
        self._pool = Pool(self._stft.num_bins, max_columns=MAX_COLUMNS)
        self._sum = np.zeros(self._stft.num_bins)

    def hear(self, block: Samples) -> None:
        """The next samples at the recording's own rate."""
        self._add(self._stream.accept(self._resampler.accept(block)))

    def bandwidth(self) -> float | None:
        """Ends the stream. Hz."""
        self._add(self._stream.accept(self._resampler.finish()))
        self._add(self._stream.finish())
        if not self._sum.max() > 0:
            return None
        loud = np.flatnonzero(self._sum > self._sum.max() * 10 ** (-_BANDWIDTH_DB / 10))
        return float(self._stft.bin_frequencies()[loud[-1]])

    def image(self, start: float) -> Image:
        """In dB."""
        power = np.maximum(self._pool.columns(), np.float32(_FLOOR))
        return _strip_image(10 * np.log10(power), self._stft, self._pool, start)

    def _add(self, frames: Matrix) -> None:
        self._pool.add(frames)
        self._sum += frames.sum(axis=0, dtype=np.float64)


class _Strip:
    """A front end whose frames are pooled into an image as they come."""

    def __init__(self, front_end: FrontEnd) -> None:
        self._stream = front_end.stream()
        self._stft = front_end.stft
        self._pool = Pool(front_end.num_features, max_columns=MAX_COLUMNS)

    def add(self, samples: Samples) -> None:
        self._pool.add(self._stream.accept(samples))

    def image(self, start: float) -> Image:
        self._pool.add(self._stream.finish())
        return _strip_image(self._pool.columns(), self._stft, self._pool, start)


def _strip_image(columns: Matrix, stft: StftOptions, pool: Pool, start: float) -> Image:
    frame = 1 / stft.frame_rate
    left = start + stft.frame_time(0) - frame / 2
    return Image(columns, left, left + len(columns) * pool.factor * frame)


class _Painter:
    """Gathers the other images."""

    def __init__(self, info: AudioInfo) -> None:
        self._source_rate = info.sample_rate
        self._envelope = Envelope(max(1, info.sample_rate // 4_000), max_columns=MAX_COLUMNS)
        self._speech = Pool(1, max_columns=MAX_COLUMNS)
        self._num_speech_frames = 0
        self._num_resampled = 0
        stft = _full_scale_stft(SAMPLE_RATE, hop_ms=10)
        self._mel_options = MelOptions(stft, log="decibel", floor=_FLOOR)
        self._log_mel = _Strip(LogMel(self._mel_options))
        self._mfcc = _Strip(Mfcc(MfccOptions.python_speech_features()))

    def hear(self, block: Samples, resampled: Samples) -> None:
        """The next samples at the recording's own rate, and at 16 kHz."""
        self._envelope.add(block)
        self._log_mel.add(resampled)
        self._mfcc.add(resampled)
        self._num_resampled += len(resampled)

    def add(self, region: SpeechRegion) -> None:
        """The next stretch of speech; between two there is none."""
        self._advance(region.start // FRAME)
        self._speech.add(region.probabilities[:, None])
        self._num_speech_frames += len(region.probabilities)

    def _advance(self, frame: int) -> None:
        self._speech.add(np.zeros((max(0, frame - self._num_speech_frames), 1), np.float32))
        self._num_speech_frames = max(self._num_speech_frames, frame)

    def pictures(self, start: float, spectrum: _Spectrum) -> Pictures:
        """All images; ``start`` is the time of their left edge."""
        self._advance(-(-self._num_resampled // FRAME))
        envelope, speech = self._envelope.finish(), self._speech.columns()
        envelope_step = self._envelope.step / self._source_rate
        speech_step = self._speech.factor * FRAME / SAMPLE_RATE
        return Pictures(
            Image(envelope, start, start + len(envelope) * envelope_step),
            Image(speech, start, start + len(speech) * speech_step),
            spectrum.image(start),
            spectrum.rate / 2,
            self._log_mel.image(start),
            self._mel_options.edges,
            self._mfcc.image(start),
        )


def _full_scale_stft(sample_rate: int, *, hop_ms: float) -> StftOptions:
    """25 ms windows, scaled so that a sine of full scale has the power 1."""
    length = max(2, sample_rate * 25 // 1000)
    return StftOptions(
        sample_rate=sample_rate,
        window_length=length,
        hop_length=max(1, round(sample_rate * hop_ms / 1000)),
        fft_length=1 << (length - 1).bit_length(),
        padding="center",
        scale=2 / float(window_samples("hann", length).sum()),
    )
