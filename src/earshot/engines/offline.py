"""What engines without streaming share: any recording is cut at silence and recognized in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from earshot.audio.cutting import CutOptions, SpeechRegion, cut_speech
from earshot.audio.resample import resample
from earshot.core.clock import to_seconds
from earshot.core.types import (
    SAMPLE_RATE,
    Audio,
    Capabilities,
    Grammar,
    Samples,
    Segment,
    Transcript,
    Word,
)
from earshot.engines.base import RecognitionStream, Recognizer, check_request

LONGEST_REGION = 30.0
"""Seconds; for engines that name no limit of their own."""

_WINDOW = 60.0
"""Seconds of speech that are recognized together: enough for full batches, little enough to hold twice. Twice
as long costs Moonshine the same time and 90 MB more."""


@dataclass(frozen=True, slots=True, eq=False)
class RecognizedRegion:
    """A stretch of speech and what was said in it; the segments' times count from the start of the stream."""

    region: SpeechRegion
    segments: tuple[Segment, ...]
    language: str | None


class OfflineRecognizer:
    """Base of engines that recognize whole stretches of speech.

    A subclass sets ``name`` and ``capabilities`` and writes ``transcribe_batch``; it may set ``cut_options``.
    max_pause: see ``EngineOptions``.
    """

    name: str
    capabilities: Capabilities
    cut_options = CutOptions()
    max_pause: float | None = None

    def transcribe_batch(
        self, audios: Sequence[Audio], *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> list[Transcript]:
        """See ``Recognizer``."""
        raise NotImplementedError

    def transcribe(
        self, audio: Audio, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()
    ) -> Transcript:
        """Recognize one recording of any length and rate."""
        check_request(self.name, self.capabilities, grammar, hot_words)
        samples = resample(audio, SAMPLE_RATE).samples
        segments, language = gather(recognize_blocks(self, [samples], grammar=grammar, hot_words=hot_words))
        return Transcript(segments, language, audio.duration, self.name)

    def stream(self, *, grammar: Grammar | None = None, hot_words: Sequence[str] = ()) -> RecognitionStream:
        """A live stream that decodes the open utterance again and again."""
        from earshot.engines.streaming import BufferedStream, StreamingOptions

        check_request(self.name, self.capabilities, grammar, hot_words)
        options = StreamingOptions().with_max_pause(self.max_pause)
        return BufferedStream(self, grammar=grammar, hot_words=hot_words, options=options)

    def close(self) -> None:
        """Release the weights; calling it twice is harmless."""


def recognize_blocks(
    recognizer: Recognizer,
    blocks: Iterable[Samples],
    *,
    grammar: Grammar | None = None,
    hot_words: Sequence[str] = (),
    cut_options: CutOptions | None = None,
) -> Iterator[RecognizedRegion]:
    """Cut a 16 kHz stream at silence and recognize it, region by region, in order, in bounded memory.

    While one window of regions is being recognized the next one is read and cut.
    """
    longest, own_options = cutting_for(recognizer)
    windows = speech_windows(blocks, longest, cut_options or own_options)

    def recognize(window: list[SpeechRegion]) -> list[RecognizedRegion]:
        return recognize_window(recognizer, window, grammar=grammar, hot_words=hot_words)

    with ThreadPoolExecutor(1, thread_name_prefix="recognize") as executor:
        pending: Future[list[RecognizedRegion]] | None = None
        for window in windows:
            following = executor.submit(recognize, window)
            if pending is not None:
                yield from pending.result()
            pending = following
        if pending is not None:
            yield from pending.result()


def gather(regions: Iterable[RecognizedRegion]) -> tuple[tuple[Segment, ...], str | None]:
    """All segments, and the language in which most was said, None when no engine told.

    The sound of a region is let go before the next one is asked for: kept, it was 200 MB an hour.
    """
    segments: list[Segment] = []
    seconds: dict[str, float] = {}
    for recognized in regions:
        segments += recognized.segments
        if recognized.language:
            seconds[recognized.language] = seconds.get(recognized.language, 0.0) + recognized.region.duration
    return tuple(segments), max(seconds, key=lambda language: seconds[language]) if seconds else None


def cutting_for(recognizer: Recognizer) -> tuple[float, CutOptions]:
    """The longest region that suits a recognizer, in seconds, and how it likes speech to be cut."""
    longest = recognizer.capabilities.max_duration or LONGEST_REGION
    return longest, getattr(recognizer, "cut_options", CutOptions())


def recognize_window(
    recognizer: Recognizer,
    window: Sequence[SpeechRegion],
    *,
    grammar: Grammar | None = None,
    hot_words: Sequence[str] = (),
) -> list[RecognizedRegion]:
    """What is said in regions that are recognized together. A recognizer may hear a region a little differently
    in other company, so the same window gives the same words, wherever it is recognized.
    """
    audios = [Audio(region.samples) for region in window]
    transcripts = recognizer.transcribe_batch(audios, grammar=grammar, hot_words=hot_words)
    return [_placed(region, said) for region, said in zip(window, transcripts, strict=True)]


def speech_windows(
    blocks: Iterable[Samples], longest: float, options: CutOptions
) -> Iterator[list[SpeechRegion]]:
    """The regions of a 16 kHz stream in windows of about two minutes of speech. See ``cutting_for``."""
    window: list[SpeechRegion] = []
    seconds = 0.0
    for region in cut_speech(blocks, max_duration=longest, options=options):
        window.append(region)
        seconds += region.duration
        if seconds >= _WINDOW:
            yield window
            window, seconds = [], 0.0
    if window:
        yield window


def _placed(region: SpeechRegion, said: Transcript) -> RecognizedRegion:
    offset = to_seconds(region.start, SAMPLE_RATE)
    segments = tuple(shifted(segment, offset) for segment in said.segments if segment.text)
    return RecognizedRegion(region, segments, said.language)


def shifted(segment: Segment, offset: float) -> Segment:
    """The same segment ``offset`` seconds later."""
    words = tuple(_shifted_word(word, offset) for word in segment.words)
    return replace(segment, start=segment.start + offset, end=segment.end + offset, words=words)


def _shifted_word(word: Word, offset: float) -> Word:
    if word.start is None or word.end is None:
        return word
    return replace(word, start=word.start + offset, end=word.end + offset)
