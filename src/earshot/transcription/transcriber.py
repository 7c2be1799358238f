"""The offline pipeline: decode, cut at silence, recognize in batches, give every word its time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from earshot.audio.cutting import SpeechRegion
from earshot.audio.decode import open_audio
from earshot.audio.reader import AudioReader
from earshot.audio.resample import resampled
from earshot.core.clock import to_seconds
from earshot.core.errors import UnsupportedError
from earshot.core.progress import ProgressCallback
from earshot.core.types import SAMPLE_RATE, Audio, Grammar, Samples, Segment, Transcript
from earshot.engines import DEFAULT_ENGINE, EngineOptions, Recognizer, Task, load_engine
from earshot.engines.offline import RecognizedRegion, gather, recognize_blocks, recognize_window
from earshot.transcription.processors import BareTextPunctuation, Punctuators
from earshot.transcription.sentences import split_sentences
from earshot.transcription.speakers import SpeakerOptions, named, remembered_names

if TYPE_CHECKING:
    from earshot.engines.alignment import Aligner
    from earshot.speakers.types import Diarization
    from earshot.text.numbers import NumberForm

Source: TypeAlias = Path | str | BinaryIO | Audio | AudioReader
"""A file, a readable binary stream of one, sound in memory of any rate, or a reader that is already open."""

WarningCallback: TypeAlias = Callable[[str], None]
"""Called with what is wrong with a recording that was read as far as possible, a line each, at its end."""


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """What to transcribe with.

    engine, model, language, num_threads, device, task, max_pause, language_model: see
    ``earshot.engines.EngineOptions``.
    word_times: find the time of every word by forced alignment where the engine gives none and an aligner
    knows the language. aligner: a model for the engine ``ctc`` that shall do that, whatever the engine gives;
    see ``find_aligner``. punctuation: add marks and capitals where the engine writes none, in languages that
    have a net for it. numbers: all in words or in digits, None for as the engine writes them. sentences: a
    segment a sentence where there is punctuation, else a stretch of speech.
    grammar, hot_words: for engines that take them; what fits a grammar is not punctuated.
    speakers: tell who says each word, by finding voices; None for not. It needs the words' times.
    """

    engine: str = DEFAULT_ENGINE
    model: str | None = None
    language: str | None = None
    num_threads: int | None = None
    device: str = "cpu"
    task: Task = "transcribe"
    max_pause: float | None = None
    word_times: bool = True
    punctuation: bool = True
    numbers: NumberForm | None = None
    sentences: bool = True
    grammar: Grammar | None = None
    hot_words: tuple[str, ...] = ()
    speakers: SpeakerOptions | None = None
    language_model: str | None = None
    aligner: str | None = None

    @property
    def engine_options(self) -> EngineOptions:
        """What concerns the engine."""
        return EngineOptions(
            self.model,
            self.language,
            self.num_threads,
            self.device,
            self.task,
            self.max_pause,
            self.language_model,
        )


class Transcriber:
    """Holds a loaded recognizer and word aligner for many recordings. A context manager.

    options: what to load. recognizer: one that is loaded already and stays the caller's. aligners, punctuators:
    to share with others, by language; what lacks is loaded into them.
    """

    def __init__(
        self,
        options: TranscriptionOptions | None = None,
        *,
        recognizer: Recognizer | None = None,
        aligners: dict[str, Aligner | None] | None = None,
        punctuators: Punctuators | None = None,
    ) -> None:
        self.options = options or TranscriptionOptions()
        self._is_owner = recognizer is None
        self._aligners = {} if aligners is None or self.options.aligner is not None else aligners
        if self.options.aligner is not None:
            self._check_aligner(self.options.aligner)  # before an hour of work
        self.recognizer = recognizer or load_engine(self.options.engine, self.options.engine_options)
        self._punctuators = punctuators or Punctuators()

    def transcribe(
        self,
        source: Source,
        *,
        channel: int | None = None,
        progress: ProgressCallback | None = None,
        on_warning: WarningCallback | None = None,
    ) -> Transcript:
        """The whole recording as one transcript.

        channel: counts from 1; None mixes all. progress: told the seconds done and the seconds in all.
        on_warning: told what is wrong with a damaged recording.
        Raises AudioError when the source cannot be read.
        """
        if self.options.speakers is not None:
            return self._with_names(
                *self.diarized(source, channel=channel, progress=progress, on_warning=on_warning)
            )
        with _opened(source, channel, on_warning) as sound:
            return self._transcript(sound, progress)

    def diarized(
        self,
        source: Source,
        *,
        channel: int | None = None,
        progress: ProgressCallback | None = None,
        on_warning: WarningCallback | None = None,
    ) -> tuple[Transcript, Diarization]:
        """The transcript with a label for who says each word ("S1" …), and who spoke when. The sound is read
        once.

        Raises as ``transcribe`` does, and MissingExtraError where no encoder of voices is installed.
        """
        from earshot.speakers.assignment import assign_speakers

        diarizer = self._speaker_options.diarizer(self.options.num_threads)
        with _opened(source, channel, on_warning) as sound:
            sound.listeners.append(diarizer.accept)
            transcript = self._transcript(sound, progress)
        diarization = diarizer.finish()
        return assign_speakers(transcript, diarization.turns), diarization

    def assign(self, transcript: Transcript, source: Source, *, channel: int | None = None) -> Transcript:
        """A transcript that was made of this sound before, with who says each word. Raises AudioError."""
        from earshot.speakers.assignment import assign_speakers

        diarizer = self._speaker_options.diarizer(self.options.num_threads)
        with _opened(source, channel, None) as sound:
            for block in sound:
                diarizer.accept(block)
        diarization = diarizer.finish()
        return self._with_names(assign_speakers(transcript, diarization.turns), diarization)

    @property
    def _speaker_options(self) -> SpeakerOptions:
        return self.options.speakers or SpeakerOptions()

    def _with_names(self, transcript: Transcript, diarization: Diarization) -> Transcript:
        if not self._speaker_options.has_names:
            return transcript
        return named(transcript, remembered_names(diarization))

    def _transcript(self, sound: _Sound, progress: ProgressCallback | None) -> Transcript:
        segments, language = gather(self._regions(sound, progress))
        return Transcript(segments, language, sound.seconds, self.recognizer.name)

    def segments(
        self,
        source: Source,
        *,
        channel: int | None = None,
        progress: ProgressCallback | None = None,
        on_warning: WarningCallback | None = None,
    ) -> Iterator[Segment]:
        """The segments in order, as they are recognized; memory does not grow with the recording.

        Who speaks is known at the end only, so with ``options.speakers`` all segments come then.
        """
        if self.options.speakers is not None:
            transcript = self.transcribe(source, channel=channel, progress=progress, on_warning=on_warning)
            yield from transcript.segments
            return
        with _opened(source, channel, on_warning) as sound:
            for region in self._regions(sound, progress):
                yield from region.segments

    def hear(self, window: Sequence[SpeechRegion]) -> list[RecognizedRegion]:
        """What is said in regions that were cut before, with word times; ``finish`` makes it readable."""
        options = self.options
        recognized = recognize_window(
            self.recognizer, window, grammar=options.grammar, hot_words=options.hot_words
        )
        return [self._with_word_times(region) for region in recognized]

    def finish(self, regions: Iterable[RecognizedRegion]) -> Iterator[RecognizedRegion]:
        """All that was heard in a recording, in order, with its marks and numbers, a segment a sentence.

        The samples of the regions are not looked at.
        """
        for region in self._polished(regions):
            yield replace(region, segments=self._sentences(region.segments))

    def close(self) -> None:
        """Release the weights, unless the recognizer is the caller's."""
        if self._is_owner:
            self.recognizer.close()

    def __enter__(self) -> Transcriber:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _regions(self, sound: _Sound, progress: ProgressCallback | None) -> Iterator[RecognizedRegion]:
        options = self.options
        recognized = recognize_blocks(
            self.recognizer, sound, grammar=options.grammar, hot_words=options.hot_words
        )
        for region in self.finish(map(self._with_word_times, recognized)):
            yield region
            if progress is not None:
                progress(to_seconds(region.region.end, SAMPLE_RATE), sound.total)
        if progress is not None:
            progress(sound.seconds, sound.seconds)

    def _with_word_times(self, recognized: RecognizedRegion) -> RecognizedRegion:
        has_them = self.recognizer.capabilities.word_times and self.options.aligner is None
        if not self.options.word_times or has_them:
            return recognized
        return replace(
            recognized, segments=tuple(self._timed(segment, recognized) for segment in recognized.segments)
        )

    def _polished(self, regions: Iterable[RecognizedRegion]) -> Iterator[RecognizedRegion]:
        """The same with marks, capitals and numbers as asked; what comes next tells how long a pause was."""
        options = self.options
        if options.grammar is not None or not (options.punctuation or options.numbers):
            yield from regions
            return
        punctuate = BareTextPunctuation(self._punctuators, language=options.language)
        for region, following in pairwise(chain(regions, [None])):
            assert region is not None
            segments = []
            for segment, after in pairwise((*region.segments, _first(following))):
                assert segment is not None
                if options.punctuation:
                    segment = punctuate(segment, pause=_pause(segment, after))
                if options.numbers is not None:
                    from earshot.text.numbers import numbers_as

                    segment = numbers_as(segment, options.numbers, language=options.language)
                segments.append(segment)
            yield replace(region, segments=tuple(segments))

    def _sentences(self, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        if not self.options.sentences:
            return segments
        return tuple(sentence for segment in segments for sentence in split_sentences(segment))

    def _timed(self, segment: Segment, recognized: RecognizedRegion) -> Segment:
        aligner = self._aligner(segment.language or self.options.language or "")
        if aligner is None or not segment.words:
            return segment
        offset = to_seconds(recognized.region.start, SAMPLE_RATE)
        times = aligner.align(Audio(recognized.region.samples), segment.text, offset=offset)
        words = tuple(
            replace(word, start=time.start, end=time.end, time_source=time.time_source)
            for word, time in zip(segment.words, times, strict=True)
        )
        return replace(segment, words=words)

    def _aligner(self, language: str) -> Aligner | None:
        if language not in self._aligners:
            from earshot.engines.alignment import find_aligner

            self._aligners[language] = find_aligner(language, model=self.options.aligner)
        return self._aligners[language]

    def _check_aligner(self, name: str) -> None:
        language = self.options.language
        if self._aligner(language or "") is None:
            raise UnsupportedError(
                f"the aligner {name} does not know the language {language}",
                fix="leave --aligner or --language out, or name another aligner",
            )


def transcribe(
    source: Source,
    *,
    options: TranscriptionOptions | None = None,
    channel: int | None = None,
    on_warning: WarningCallback | None = None,
) -> Transcript:
    """One recording to text, with an engine loaded for it alone. See ``Transcriber.transcribe``.

    >>> transcribe("talk.m4a").text          # doctest: +SKIP
    """
    with Transcriber(options) as transcriber:
        return transcriber.transcribe(source, channel=channel, on_warning=on_warning)


def _first(region: RecognizedRegion | None) -> Segment | None:
    return region.segments[0] if region is not None and region.segments else None


def _pause(segment: Segment, after: Segment | None) -> float | None:
    """Seconds of silence between two segments, by their words where these have times; None after the last."""
    if after is None:
        return None
    end = segment.words[-1].end if segment.words else None
    start = after.words[0].start if after.words else None
    return max(0.0, (after.start if start is None else start) - (segment.end if end is None else end))


class _Sound:
    """16 kHz blocks of a source, counted as they pass. total: seconds in all where the source tells.

    listeners: get each block, too.
    """

    def __init__(self, blocks: Iterable[Samples], sample_rate: int, total: float | None) -> None:
        self._blocks = blocks
        self._sample_rate = sample_rate
        self._num_samples = 0
        self.total = total
        self.listeners: list[Callable[[Samples], None]] = []

    def __iter__(self) -> Iterator[Samples]:
        for block in resampled(self._counted(), self._sample_rate):
            for listen in self.listeners:
                listen(block)
            yield block

    def _counted(self) -> Iterator[Samples]:
        for block in self._blocks:
            self._num_samples += len(block)
            yield block

    @property
    def seconds(self) -> float:
        """How much has passed."""
        return to_seconds(self._num_samples, self._sample_rate)


@contextmanager
def _opened(source: Source, channel: int | None, on_warning: WarningCallback | None) -> Iterator[_Sound]:
    with ExitStack() as stack:
        if isinstance(source, Audio):
            yield _Sound([source.samples], source.sample_rate, source.duration)
            return
        reader = source
        if not isinstance(reader, AudioReader):
            reader = stack.enter_context(open_audio(reader, channel=channel))
        yield _Sound(reader, reader.info.sample_rate, reader.info.duration)
        if on_warning is not None:
            for warning in reader.warnings:
                on_warning(warning)
