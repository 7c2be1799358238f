"""Known speech through the whole path, from the microphone to the text: what is lost, how late, how loud."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from earshot.audio.capture import Microphone, Notice
from earshot.audio.devices import find_device, load_sounddevice
from earshot.audio.resample import resample
from earshot.core.errors import DeviceError
from earshot.core.types import SAMPLE_RATE, Audio, Final, Samples, Segment
from earshot.live.session import Session
from earshot.live.sources import PacedSound
from earshot.text.normalise import normalise_english
from earshot.transcription import TranscriptionOptions

GAP = 2.0
"""Seconds of silence around each phrase: longer than any engine waits for the end of an utterance."""

TOO_QUIET, TOO_LOUD = -40.0, -0.5
"""dBFS of the loudest peak beyond which recognition suffers."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Speech whose words are known. samples: float32 (n,), 16 kHz."""

    text: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class PhraseResult:
    """What became of a phrase. delay: seconds from its end to its text, None where there was none."""

    expected: tuple[str, ...]
    heard: tuple[str, ...]
    delay: float | None

    @property
    def has_first_word(self) -> bool:
        """Whether the first word is the right one."""
        return bool(self.heard) and self.heard[0] == self.expected[0]

    @property
    def has_last_word(self) -> bool:
        """Whether the last word is the right one."""
        return bool(self.heard) and self.heard[-1] == self.expected[-1]


@dataclass(frozen=True, slots=True)
class SelfTestReport:
    """One run. loudest_dbfs: the highest peak captured."""

    engine: str
    source: str
    phrases: tuple[PhraseResult, ...]
    loudest_dbfs: float
    num_overruns: int
    notices: tuple[Notice, ...]

    @property
    def is_passed(self) -> bool:
        """All first and last words are there, nothing was lost, the level is fit for recognition."""
        is_whole = all(phrase.has_first_word and phrase.has_last_word for phrase in self.phrases)
        return is_whole and not self.num_overruns and TOO_QUIET <= self.loudest_dbfs <= TOO_LOUD


@dataclass(slots=True)
class _Course:
    """Where in the stream each phrase begins, and what was heard."""

    starts: list[float] = field(default_factory=list)
    finals: list[tuple[Segment, float | None]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    error: Exception | None = None


def run_internally(phrases: Sequence[Phrase], options: TranscriptionOptions) -> SelfTestReport:
    """Without any device: the phrases go straight to the session, in real time."""
    pause = np.zeros(round(GAP * SAMPLE_RATE), np.float32)
    course = _Course()
    pieces: list[Samples] = [pause]
    for phrase in phrases:
        course.starts.append(sum(map(len, pieces)) / SAMPLE_RATE)
        pieces += [phrase.samples, pause]
    session = Session(PacedSound(np.concatenate(pieces), name="no device"), options, has_journal=False)
    with session:
        _hear(session, course)
    return _report(session, options, phrases, course)


def run_with_device(
    phrases: Sequence[Phrase],
    options: TranscriptionOptions,
    *,
    microphone: str | int | None = None,
    loudspeaker: str | int | None = None,
) -> SelfTestReport:
    """Plays the phrases into the room, or into a sink whose monitor is the microphone, and listens.

    Raises DeviceError when a device is absent or refused, or is lost on the way.
    """
    play = _player(loudspeaker)
    session = Session(Microphone(microphone), options, has_journal=False)
    course = _Course()
    with session:
        thread = threading.Thread(
            target=_play, args=(session, phrases, course, play), name="earshot-self-test", daemon=True
        )
        thread.start()
        _hear(session, course)
        thread.join()
    if course.error is not None:
        raise course.error
    return _report(session, options, phrases, course)


def _play(
    session: Session, phrases: Sequence[Phrase], course: _Course, play: Callable[[Samples], None]
) -> None:
    pause = threading.Event()
    try:
        while not session.status.is_ready:
            pause.wait(0.05)
        for phrase in phrases:
            pause.wait(GAP)
            course.starts.append(session.status.recorded)
            play(phrase.samples)
        pause.wait(GAP)
    except Exception as error:
        course.error = error
    finally:
        session.stop()


def _hear(session: Session, course: _Course) -> None:
    for event in session:
        if isinstance(event, Final):
            course.finals.append((event.segment, session.status.delay))
        elif isinstance(event, Notice):
            course.notices.append(event)


def _report(
    session: Session, options: TranscriptionOptions, phrases: Sequence[Phrase], course: _Course
) -> SelfTestReport:
    starts = [*course.starts, math.inf]
    results = []
    for phrase, start, following in zip(phrases, starts, starts[1:], strict=False):
        # A phrase may seem to begin a little early: engines keep some silence before it.
        finals = [
            (segment, delay)
            for segment, delay in course.finals
            if start - GAP / 2 <= (segment.start + segment.end) / 2 < following - GAP / 2
        ]
        heard = normalise_english(" ".join(segment.text for segment, _ in finals)).split()
        delay = finals[-1][1] if finals else None
        results.append(PhraseResult(tuple(normalise_english(phrase.text).split()), tuple(heard), delay))
    status = session.status
    notices = tuple(notice for notice in course.notices if notice.kind != "muted")  # between the phrases
    return SelfTestReport(
        options.engine, status.source, tuple(results), status.loudest_dbfs, status.num_overruns, notices
    )


def _player(wanted: str | int | None) -> Callable[[Samples], None]:
    """Plays samples to their end. Raises DeviceError."""
    device = find_device(wanted, "output")
    sounddevice = load_sounddevice()

    def play(samples: Samples) -> None:
        sound = resample(Audio(samples), device.sample_rate).samples
        try:
            with sounddevice.OutputStream(
                device=device.index, samplerate=device.sample_rate, channels=1, dtype="float32", latency=0.2
            ) as stream:
                stream.write(sound)
        except sounddevice.PortAudioError as error:
            raise DeviceError(
                f"{device.name} does not play: {error}", fix="choose another with --output-device"
            ) from error

    return play
