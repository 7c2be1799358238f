"""Marks and capitals for bare transcripts: "are you well i am" becomes "Are you well? I am.".

Some engines write words alone (Vosk, wav2vec2, most CTC models). A ``Punctuator`` adds commas, sentence ends
and capitals, and nothing else: every word stays one word, with its times and confidence.

    punctuator = Punctuator.load("en")
    punctuator(segment)                        # one segment; one that has marks already stays as it is
    punctuator.transcript(transcript)          # all segments together: better, and pauses help
    live = IncrementalPunctuator(punctuator)   # utterance by utterance; what was returned never changes

The nets know English and Russian as books write it; ``data/punctuation/*/card.json`` says from which data, and
how well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from earshot.core.errors import UnsupportedError
from earshot.core.types import Segment, Transcript, Word
from earshot.text.casing import cased, is_title, lowered, raised, title
from earshot.text.pauses import SENTENCE_PAUSE, UTTERANCE_PAUSE, pause_between, pause_odds
from earshot.text.punctuation_model import CASES, LABELS, PunctuationModel, bare_form

DEFAULT_MARKS: Final = ",.?!"
"""A comma and the three sentence ends. ``":"`` and ``";"`` can be asked for too; they suit books."""

_ALL_MARKS = ",.?!:;"
_SENTENCE_ENDS = ".?!"
_CONTEXT = 24
"""Words of the utterance before that an ``IncrementalPunctuator`` reads again."""

# What is written for a label: the first of these marks that is wanted, else nothing. A dash would be a token of
# its own; English reads well with a comma instead, Russian would be misspelled by one.
_MARKS: dict[str, str] = {
    "NONE": "",
    "COMMA": ",",
    "PERIOD": ".",
    "QUESTION": "?.",
    "EXCLAMATION": "!.",
    "COLON": ":,",
    "SEMICOLON": ";.",
    "DASH": ",",
}
_WITHOUT_DASHES = frozenset({"ru"})

_TRAILING = ".,?!:;…—–-。，？！、"
"""Marks at the end of a word that count as punctuation that is there already."""
_TRAILING_ENDS = ".?!…。？！"
_CLOSING = "\"'”’»)]}"


def languages() -> frozenset[str]:
    """ISO 639-1 codes of the languages whose nets come with Earshot."""
    root = files("earshot.text") / "data" / "punctuation"
    return frozenset(folder.name for folder in root.iterdir() if (folder / "card.json").is_file())


def find_punctuator(language: str | None) -> Punctuator | None:
    """A loaded punctuator for ``language`` ("en", "en-GB"), None where none knows it."""
    return Punctuator.load(language) if language and _primary(language) in languages() else None


def looks_bare(text: str) -> bool:
    """Whether a text lacks punctuation and casing: no marks at word ends, letters all small or all capital.

    The English "I" alone does not count as casing. False where there is nothing to decide from: no letters, or
    a script without capitals.
    """
    tokens = [token for token in text.split() if _spoken(token)]
    if any(_own_mark(token) for token in tokens):
        return False
    letters = [c for token in tokens for c in token if c.lower() != c.upper()]
    if not letters:
        return False
    if all(c.isupper() for c in letters):
        return True
    return all(token == token.lower() or token.split("'")[0] == "I" for token in tokens)


def mark_of(label: str, language: str, marks: str = DEFAULT_MARKS) -> str:
    """What is written for one of the net's LABELS when only ``marks`` are wanted; may be nothing."""
    if label == "DASH" and language in _WITHOUT_DASHES:
        return ""
    return next((mark for mark in _MARKS[label] if mark in marks or mark == "."), "")


class Punctuator:
    """Adds marks and capitals to words of one language. Safe to call from several threads at once.

    model: the net. marks: which of ``,.?!:;`` to write; the full stop always is. The next best wanted mark
    stands in for one that is not wanted.
    """

    def __init__(self, model: PunctuationModel, *, marks: str = DEFAULT_MARKS) -> None:
        if unknown := set(marks) - set(_ALL_MARKS):
            raise UnsupportedError(
                f"{''.join(sorted(unknown))!r} cannot be written as punctuation", fix=f"choose of {_ALL_MARKS}"
            )
        self.language = model.language
        self._model = model
        self._marks = [""] + [mark for mark in _ALL_MARKS if mark in marks or mark == "."]
        self._ends = np.array([mark in _SENTENCE_ENDS and mark != "" for mark in self._marks])
        self._columns = [self._marks.index(mark_of(label, self.language, marks)) for label in LABELS]

    @classmethod
    def load(
        cls, language: str = "en", *, folder: Path | None = None, marks: str = DEFAULT_MARKS
    ) -> Punctuator:
        """The net that comes with Earshot, or one of your own.

        language: ISO 639-1 code, with or without a region. folder: of a model that
        ``benchmarks/train_punctuation.py`` made; its card tells the language.
        Raises UnsupportedError for a language without a net, rather than guess: a full stop at the end of every
        stretch of speech would be wrong as often as right. Raises ModelError for a damaged model.
        """
        if folder is not None:
            return cls(PunctuationModel(folder), marks=marks)
        known = languages()
        if _primary(language) not in known:
            raise UnsupportedError(
                f"there is no punctuation for the language {language!r}",
                fix=f"choose one of {', '.join(sorted(known))}, or an engine that writes punctuation itself",
            )
        with as_file(files("earshot.text") / "data" / "punctuation" / _primary(language)) as own:
            return cls(PunctuationModel(own), marks=marks)

    def __call__(self, segment: Segment) -> Segment:
        """The segment with marks and capitals, ended as a sentence.

        One that is not bare, or is in another language, is returned as it is.
        """
        if not self.suits(segment):
            return segment
        return _rewritten(segment, self.punctuate(_words_of(segment)))

    def transcript(self, transcript: Transcript) -> Transcript:
        """Every bare segment punctuated, neighbours in view of each other, sentences ending where they end."""
        segments: list[Segment] = []
        for group in _runs(transcript.segments, self.suits):
            segments += self._together(group) if self.suits(group[0]) else group
        return replace(transcript, segments=tuple(segments))

    def punctuate(
        self,
        words: Sequence[Word],
        *,
        context: Sequence[Word] = (),
        pause: float | None = None,
        ends: bool = True,
    ) -> tuple[Word, ...]:
        """The same words, times and confidences, with marks attached and capitals.

        Marks and capitals that a word has already stay, so punctuating twice changes nothing more; text without
        marks and all in capitals is made small first. Tokens that are no words ("-", "[unk]") stay as they are.
        context: the words before, as they were written. ends: whether a sentence ends with the last word
        (``.``, ``?`` or ``!`` then follows it). pause: else the seconds of silence after it, None when unknown.
        """
        texts = [word.text for word in words]
        if not any(map(_own_mark, texts)):
            texts = lowered(texts)
        written = self._written(
            texts,
            [word.text for word in context[-_CONTEXT:]],
            self._pauses(words, pause),
            ends=ends,
        )
        return tuple(
            word if text == word.text else replace(word, text=text)
            for word, text in zip(words, written, strict=True)
        )

    def punctuate_text(self, text: str) -> str:
        """The same for text without times: tokens are parted by white space and joined by single spaces."""
        return " ".join(word.text for word in self.punctuate([Word(token) for token in text.split()]))

    def suits(self, segment: Segment) -> bool:
        """Whether a segment is bare and not known to be in another language."""
        same_language = segment.language is None or _primary(segment.language) == self.language
        return same_language and looks_bare(segment.text)

    def _together(self, segments: Sequence[Segment]) -> Iterator[Segment]:
        parts = [_words_of(segment) for segment in segments]
        written = iter(self.punctuate([word for part in parts for word in part]))
        for segment, part in zip(segments, parts, strict=True):
            yield _rewritten(segment, tuple(next(written) for _ in part))

    def _pauses(self, words: Sequence[Word], last: float | None) -> list[float | None]:
        if not words:
            return []
        return [*(pause_between(word, after) for word, after in pairwise(words)), last]

    def _written(
        self, texts: Sequence[str], context: Sequence[str], pauses: Sequence[float | None], *, ends: bool
    ) -> list[str]:
        before = [form for text in context if (form := _spoken(text))]
        forms = [_spoken(text) for text in texts]
        spoken = [index for index, form in enumerate(forms) if form]
        labels, cases = self._model.log_odds([*before, *(forms[index] for index in spoken)])
        odds = self._mark_odds(labels[len(before) :])
        for row, index in enumerate(spoken):
            any_mark, sentence_end = pause_odds(pauses[index])
            odds[row, 1:] += any_mark
            odds[row, self._ends] += sentence_end
        if ends and spoken:
            odds[-1, ~self._ends] = -np.inf
        marks = odds.argmax(1)
        capitals = cases[len(before) :].argmax(1)
        written = list(texts)
        starts = not context or _is_sentence_end(context)
        for row, index in enumerate(spoken):
            mark = _own_mark(texts[index]) or self._marks[marks[row]]
            word = cased(texts[index], CASES[capitals[row]], self.language)
            written[index] = _with_mark(raised(word) if starts else word, mark, self.language)
            starts = mark in _SENTENCE_ENDS if mark else False
        return written

    def _mark_odds(self, labels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Log-probabilities (n, marks) from those of the labels: what is not wanted counts for its stand-in."""
        chances = np.zeros((len(labels), len(self._marks)), np.float32)
        for label, column in enumerate(self._columns):
            chances[:, column] += np.exp(labels[:, label])
        odds: npt.NDArray[np.float32] = np.log(chances + np.float32(1e-20))
        return odds


class IncrementalPunctuator:
    """Punctuates the utterances of one listener as they become final; what it returned is never taken back.

    Every utterance is read in the context of the one before, and begins with a capital only where that one
    ended a sentence. punctuator: loaded; may serve many listeners.
    """

    def __init__(self, punctuator: Punctuator) -> None:
        self._punctuator = punctuator
        self._context: tuple[Word, ...] = ()

    def __call__(self, segment: Segment, *, pause: float | None = None) -> Segment:
        """The next final utterance. pause: seconds of silence after it, None when unknown.

        After a second of silence a sentence ends. After less the words decide with the pause, and with an
        unknown one as after half a second, which a voice activity detector waits for. An utterance that has
        marks already, or is in another language, is returned as it is.
        """
        finished = self._punctuated(
            segment,
            pause=UTTERANCE_PAUSE if pause is None else pause,
            ends=pause is not None and pause >= SENTENCE_PAUSE,
        )
        self._context = (*self._context, *_words_of(finished))[-_CONTEXT:]
        return finished

    def preview(self, segment: Segment) -> Segment:
        """An utterance that still goes on, for display: no mark is forced at its end, nothing is remembered."""
        return self._punctuated(segment, pause=None, ends=False)

    def reset(self) -> None:
        """Forget what was said: the next utterance begins a text."""
        self._context = ()

    def _punctuated(self, segment: Segment, *, pause: float | None, ends: bool) -> Segment:
        if not self._punctuator.suits(segment):
            return segment
        words = self._punctuator.punctuate(_words_of(segment), context=self._context, pause=pause, ends=ends)
        return _rewritten(segment, words)


def _primary(language: str) -> str:
    return language.replace("_", "-").split("-")[0].lower()


def _spoken(token: str) -> str:
    """The word as the net reads it; empty for a token that is none: a mark alone, "[unk]", "<noise>"."""
    is_annotation = (token[:1], token[-1:]) in (("[", "]"), ("<", ">"))
    return "" if is_annotation else bare_form(token)


def _words_of(segment: Segment) -> tuple[Word, ...]:
    return segment.words or tuple(Word(token) for token in segment.text.split())


def _rewritten(segment: Segment, words: Sequence[Word]) -> Segment:
    text = " ".join(word.text for word in words)
    return replace(segment, text=text, words=tuple(words) if segment.words else ())


def _runs(segments: Sequence[Segment], suits: Callable[[Segment], bool]) -> Iterator[list[Segment]]:
    """Neighbouring segments that are to be treated alike."""
    run: list[Segment] = []
    for segment in segments:
        if run and suits(run[0]) != suits(segment):
            yield run
            run = []
        run.append(segment)
    if run:
        yield run


def _own_mark(text: str) -> str:
    """The mark that a token ends with already: its kind as one of ``.?!,``, or "-" where it ends nothing."""
    tail = text.rstrip(_CLOSING)
    if not tail or tail[-1] not in _TRAILING:
        return ""
    if is_title(tail):
        return "-"
    if tail[-1] in _TRAILING_ENDS:
        return "?" if tail[-1] in "?？" else "!" if tail[-1] in "!！" else "."
    return "-" if tail[-1] in "—–-" else ","


def _is_sentence_end(context: Sequence[str]) -> bool:
    mark = _own_mark(context[-1])
    return bool(mark) and mark in _SENTENCE_ENDS


def _with_mark(word: str, mark: str, language: str) -> str:
    if _own_mark(word):
        return word
    return word + mark if mark else title(word, language)


FOLDED = {
    "en": {"COLON": "COMMA", "SEMICOLON": "PERIOD", "DASH": "COMMA"},
    "ru": {"COLON": "COMMA", "SEMICOLON": "PERIOD", "DASH": "NONE"},
}
