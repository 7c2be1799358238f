"""What was said, in another language, offline.

    with find_translator("en", "es") as translator:
        translator.translate("The house is red.")
        live = LiveTranslation(translator)
        for sentence in live.accept(final): show(sentence.text)

Apertium translates by rules, from packages of the system; CTranslate2 runs OPUS-MT and Argos models from a
folder. Each back end is a module of its own and loads nothing before it is used.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Protocol, runtime_checkable

from earshot.core.errors import EarshotError, ModelError
from earshot.core.types import Event, Final, Partial, Segment, Transcript
from earshot.text.sentences import split_segments, split_text

_CACHE_SIZE = 500


@runtime_checkable
class Translator(Protocol):
    """Translates from one language into another. A context manager; safe to call from several threads.

    name: back end and model, as in ``apertium/eng-spa``. source, target: ISO 639-1 codes where there are any.
    """

    name: str
    source: str
    target: str

    def translate(self, text: str) -> str:
        """The text in the other language; lines stay lines, white space at the edges of a line goes.

        Words that the translator does not know stay as they are. Raises EngineError when it fails.
        """
        ...

    def close(self) -> None:
        """Release processes and weights; calling it twice is harmless."""
        ...

    def __enter__(self) -> Translator: ...

    def __exit__(self, *exception: object) -> None: ...


@dataclass(frozen=True, slots=True, order=True)
class LanguagePair:
    """A direction of translation: ISO 639-1 codes where there are any, else 639-3."""

    source: str
    target: str


def installed_pairs() -> tuple[LanguagePair, ...]:
    """What can be translated at once, without naming a model, sorted."""
    from earshot.text.translation_apertium import apertium_pairs

    return tuple(sorted(apertium_pairs()))


def find_translator(source: str, target: str, *, model: Path | str | None = None) -> Translator:
    """A translator from ``source`` into ``target`` (``en``, ``en-GB``, ``eng``); close it after use.

    model: the folder of a CTranslate2 model (OPUS-MT, Argos); None for Apertium.
    Raises UnsupportedError naming the package that brings a missing pair, MissingExtraError, ModelError for
    a folder that is no such model or translates other languages.
    """
    if model is None:
        from earshot.text.translation_apertium import ApertiumTranslator

        return ApertiumTranslator(source, target)
    from earshot.text.translation_ctranslate2 import CTranslate2Translator

    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise ModelError(
            f"there is no folder {folder} with a translation model",
            fix="unpack an .argosmodel file or convert an OPUS-MT model with ct2-transformers-converter",
        )
    return CTranslate2Translator(folder, source, target)


def translate_segments(
    translator: Translator, segments: Iterable[Segment], *, by_sentence: bool = False
) -> list[Segment]:
    """The segments in the other language, with their times and speakers; words are left out.

    by_sentence: sentences instead of the given segments, which reads better where a sentence was cut in two.
    """
    if by_sentence:
        segments = split_segments(segments)
    return [
        replace(segment, text=_translate(translator, segment.text), words=(), language=translator.target)
        for segment in segments
    ]


def translate_transcript(translator: Translator, transcript: Transcript) -> Transcript:
    """The transcript in the other language, by sentences; ready for any subtitle format."""
    segments = translate_segments(translator, transcript.segments, by_sentence=True)
    return replace(transcript, segments=tuple(segments), language=translator.target)


def _translate(translator: Translator, text: str) -> str:
    return " ".join(translator.translate(text).split("\n"))


@dataclass(frozen=True, slots=True)
class TranslatedSentence:
    """A sentence of a live session. text: in ``language``; None where translating failed: see ``problem``."""

    source: Segment
    text: str | None
    language: str
    problem: str | None = None

    @property
    def segment(self) -> Segment | None:
        """The translation as a segment with the source's times, None where there is none."""
        if self.text is None:
            return None
        return replace(self.source, text=self.text, words=(), language=self.language)


class LiveTranslation:
    """Translates a live session sentence by sentence, in order; what was given out never changes.

    accept() takes each event. A final is translated whole. Of a partial only the sentences are translated that
    its stable words complete, so that a long utterance can be followed; the final then brings the rest.
    A translator that fails costs its sentence, not the session. Not safe to call from two threads at once.
    """

    def __init__(self, translator: Translator, *, follows_partials: bool = True) -> None:
        self._translator = translator
        self._follows_partials = follows_partials
        self._num_done = 0  # words of the open utterance that are translated
        self._cache: OrderedDict[str, str] = OrderedDict()

    def accept(self, event: Event | Segment) -> list[TranslatedSentence]:
        """The sentences that became known for certain by this event."""
        if isinstance(event, Partial):
            return self._follow(event) if self._follows_partials else []
        segment = event.segment if isinstance(event, Final) else event
        if not isinstance(segment, Segment):
            return []
        rest = _after(segment, self._num_done)
        self._num_done = 0
        return self._sentences(rest) if rest else []

    def _follow(self, partial: Partial) -> list[TranslatedSentence]:
        """All but the last sentence of the stable words: only the word behind it tells that it is over."""
        stable = _between(partial.segment, self._num_done, partial.num_stable)
        sentences = split_segments([stable])[:-1] if stable else []
        self._num_done += sum(len(sentence.text.split()) for sentence in sentences)
        return [self._sentence(sentence) for sentence in sentences]

    def _sentences(self, segment: Segment) -> list[TranslatedSentence]:
        return [self._sentence(sentence) for sentence in split_segments([segment])]

    def _sentence(self, sentence: Segment) -> TranslatedSentence:
        language = self._translator.target
        try:
            return TranslatedSentence(sentence, self._cached(sentence.text), language)
        except EarshotError as error:
            return TranslatedSentence(sentence, None, language, str(error))

    def _cached(self, text: str) -> str:
        if text not in self._cache:
            self._cache[text] = _translate(self._translator, text)
            if len(self._cache) > _CACHE_SIZE:
                self._cache.popitem(last=False)
        self._cache.move_to_end(text)
        return self._cache[text]


def _after(segment: Segment, first: int) -> Segment | None:
    return _between(segment, first, len(segment.text.split())) if first else segment


def _between(segment: Segment, first: int, end: int) -> Segment | None:
    """The segment's words from ``first`` up to ``end``; None when there are none. Unknown times by length."""
    texts = segment.text.split()
    end = min(end, len(texts))
    if first >= end:
        return None
    if len(segment.words) == len(texts):
        words = segment.words[first:end]
        start, stop = words[0].start, words[-1].end
    else:
        words, start, stop = (), None, None
    reached = [0, *accumulate(len(text) + 1 for text in texts)]
    rate = (segment.end - segment.start) / reached[-1]
    return replace(
        segment,
        text=" ".join(texts[first:end]),
        start=segment.start + reached[first] * rate if start is None else start,
        end=min(segment.end, segment.start + reached[end] * rate) if stop is None else stop,  # floats round up
        words=words,
    )


def translatable_lines(text: str) -> list[list[str]]:
    """The sentences of each line, for back ends: what is between them is set again by ``joined_lines``."""
    return [split_text(line) for line in text.split("\n")]


def joined_lines(lines: Iterable[Iterable[str]]) -> str:
    """Sentences joined by spaces, lines by newlines."""
    return "\n".join(" ".join(filter(None, sentences)) for sentences in lines)
