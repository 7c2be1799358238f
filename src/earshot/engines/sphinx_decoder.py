"""PocketSphinx's decoder with quiet manners: one utterance at a time, plain types, nothing on the terminal."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from earshot.core.errors import EngineError, ModelError
from earshot.core.optional import require
from earshot.core.types import SAMPLE_RATE, Grammar, Samples, Word
from earshot.engines.jsgf import JsgfGrammar, parse_jsgf, phrases_grammar
from earshot.engines.pronunciation import Lexicon
from earshot.text.spoken_form import spoken_forms

UNKNOWN = "[unk]"
"""What speech outside a grammar becomes, where the grammar allows it."""

FIRST_MEAN = "40,3,-1"
"""The mean of the cepstra that the model's authors start from."""

_SEARCH = {"fwdflat": False, "topn": 2, "maxhmmpf": 6_000, "maxwpf": 20}
"""One pass over fewer hypotheses: on 12 LibriSpeech utterances heard live 25 % of the words were wrong, with
the library's defaults 26 %, but in two thirds of the time and, after the last word, in 10 ms, not 0.4 s."""

_UNKNOWN_WORD = "earshotunknown"  # the decoder's name for one phone of such speech
_UNKNOWN_WEIGHT = 1e-16  # against each phrase; see ``_COMMON_WORDS``
_FRAMES_PER_SECOND = 100
_COMMON_WORDS = (
    "the of and to in that was he his it with as had for is at by her him not be they from which all this so "
    "said were"
)
"""Speech outside a grammar is heard as a chain of these: together they sound like anything.

With ten commands by strangers (Speech Commands), 81 % are right and 80 % of other words are taken
for commands when the grammar is forced; with the chain at the weight above it is 58 % and 0 % (60 commands, 40
other words), and 1 of 10 pieces of LibriSpeech is taken for one. A chain of single phones accepted more (20 %),
one of 60 words took three times as long.
"""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What a model is made of.

    acoustic_model: a folder with ``mdef``. language_model, dictionary: files. guesses: its words are English,
    so those outside the dictionary can be pronounced by rule.
    """

    acoustic_model: Path
    language_model: Path
    dictionary: Path
    guesses: bool


class Found(NamedTuple):
    """A word of the decoder: frames of 10 ms [start, end), posterior None while the utterance is open."""

    text: str
    start: int
    end: int
    posterior: float | None


class Vocabulary:
    """How the words of grammars are called and pronounced; grows as grammars bring new words."""

    def __init__(self, files: ModelFiles) -> None:
        self._files = files
        self._lexicon: Lexicon | None = None
        self._names: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def token(self, name: str) -> str:
        """The word as the user wrote it, from the decoder's name for it."""
        return self._tokens.get(name, name)

    def name(self, token: str) -> str:
        """The decoder's name for a word of a grammar: plain, whatever the word is made of."""
        with self._lock:
            if token not in self._names:
                name = f"earshotword{len(self._names)}"
                self._names[token], self._tokens[name] = name, token
            return self._names[token]

    @property
    def lexicon(self) -> Lexicon:
        """The model's dictionary, read when it is first needed."""
        with self._lock:
            self._lexicon = self._lexicon or Lexicon.read(self._files.dictionary)
            return self._lexicon

    def common_sounds(self) -> list[str]:
        """What stands for speech outside a grammar: common English words, else the phones of the dictionary."""
        if not self._files.guesses:
            return sorted(self.lexicon.phones())
        said = (" ".join(self.lexicon.pronunciations(word)[0]) for word in _COMMON_WORDS.split())
        return list(dict.fromkeys(said))

    def pronunciations(self, token: str) -> list[str]:
        """Phones separated by spaces. Raises EngineError when nothing tells how the word is said."""
        lexicon = self.lexicon
        whole = token.lower()
        if whole in lexicon:
            return [" ".join(said) for said in lexicon.pronunciations(whole)]
        found: list[str] = []
        for form in spoken_forms(token) if self._files.guesses else ():
            first, *rest = [lexicon.pronunciations(word) for word in form]
            tail = [phone for word in rest for phone in word[0]]
            found += [" ".join([*said, *tail]) for said in first]
        if not found:
            raise EngineError(
                f"the grammar's word {token!r} is not in the dictionary {self._files.dictionary.name}",
                fix="write it as it is spoken, or add it to the dictionary",
            )
        return list(dict.fromkeys(found))


class SphinxDecoder:
    """PocketSphinx's decoder: one utterance at a time. Says nothing on the terminal."""

    def __init__(self, files: ModelFiles, vocabulary: Vocabulary) -> None:
        library = require("pocketsphinx", extra="pocketsphinx", purpose="the engine pocketsphinx")
        self._vocabulary = vocabulary
        self._added: set[str] = set()
        self._grammar: Grammar | None = None
        self._is_open = False
        try:
            self._decoder: Any = library.Decoder(
                hmm=str(files.acoustic_model),
                lm=str(files.language_model),
                dict=str(files.dictionary),
                samprate=float(SAMPLE_RATE),
                loglevel="FATAL",
                **_SEARCH,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"PocketSphinx cannot load the model in {files.acoustic_model}",
                fix="check or pull the model again",
            ) from error
        self._open_search = self._decoder.current_search()

    @property
    def mean(self) -> str:
        """Mean of the cepstra as the last utterance left it, for ``begin`` of the next."""
        return str(self._decoder.get_cmn(False))

    def use(self, grammar: Grammar | None) -> None:
        """Listen for a grammar, or for anything."""
        if grammar == self._grammar:
            return
        if grammar is None:
            self._decoder.activate_search(self._open_search)
        else:
            phrases = [phrase for phrase in grammar.phrases if phrase.strip() != UNKNOWN]
            rules = phrases_grammar(phrases) if grammar.jsgf is None else parse_jsgf(grammar.jsgf)
            self._add_words(rules)
            self._set_rules(rules, allows_unknown=grammar.allows_unknown or UNKNOWN in grammar.phrases)
        self._grammar = grammar

    def decode(self, samples: Samples) -> tuple[Word, ...]:
        """A whole utterance; the mean of its cepstra is taken over all of it, so nothing before it matters."""
        self._start()
        self._process(samples, is_whole=True)
        return as_words(self.finish(), 0.0, len(samples) / SAMPLE_RATE)

    def begin(self, mean: str) -> None:
        """Open an utterance that comes bit by bit."""
        self._start()
        self._decoder.set_cmn(mean)

    def hear(self, frame: Samples) -> None:
        """The next bit of it."""
        self._process(frame, is_whole=False)

    def words_so_far(self) -> list[Found]:
        """Words of the open utterance."""
        return [word._replace(posterior=None) for word in self._segments()]

    def finish(self) -> list[Found]:
        """Close the utterance: its words with posteriors."""
        self._decoder.end_utt()
        self._is_open = False
        return self._segments() if self._decoder.hyp() is not None else []  # None: it fits no sentence whole

    def abandon(self) -> None:
        """Close what is open, whatever it was."""
        if self._is_open:
            self._decoder.end_utt()
            self._is_open = False

    def _start(self) -> None:
        # Forgets the noise and the mean of earlier utterances; else a decoder that has once listened live stays
        # in its live mode, which for whole utterances raises the errors from 23 to 44 % (measured).
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._is_open = True

    def _process(self, samples: Samples, *, is_whole: bool) -> None:
        pcm = np.rint(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()
        self._decoder.process_raw(pcm, full_utt=is_whole)

    def _segments(self) -> list[Found]:
        found: list[Found] = []
        for segment in self._decoder.seg() or ():
            name = segment.word.partition("(")[0]
            if not name or name[0] in "<[+" or segment.end_frame < segment.start_frame:
                continue  # silence, a noise, or a transition without sound
            posterior = min(1.0, max(0.0, float(segment.prob)))
            if name == _UNKNOWN_WORD and found and found[-1][0] == UNKNOWN:
                before = found.pop()
                posterior = min(before.posterior or 0.0, posterior)
                found.append(Found(UNKNOWN, before.start, segment.end_frame + 1, posterior))
                continue
            text = UNKNOWN if name == _UNKNOWN_WORD else self._vocabulary.token(name)
            found.append(Found(text, segment.start_frame, segment.end_frame + 1, posterior))
        return found

    def _add_words(self, rules: JsgfGrammar) -> None:
        for token in rules.words:
            if token == UNKNOWN:
                self._add_unknown()
                continue
            name = self._vocabulary.name(token)
            if name in self._added:
                continue
            for number, said in enumerate(self._vocabulary.pronunciations(token), 1):
                self._add(name if number == 1 else f"{name}({number})", said)
            self._added.add(name)

    def _add_unknown(self) -> None:
        if _UNKNOWN_WORD in self._added:
            return
        for number, said in enumerate(self._vocabulary.common_sounds(), 1):
            self._add(_UNKNOWN_WORD if number == 1 else f"{_UNKNOWN_WORD}({number})", said)
        self._added.add(_UNKNOWN_WORD)

    def _add(self, name: str, phones: str) -> None:
        try:
            self._decoder.add_word(name, phones, False)
        except RuntimeError as error:
            raise EngineError(f"PocketSphinx takes no word that sounds like {phones!r}") from error

    def _set_rules(self, rules: JsgfGrammar, *, allows_unknown: bool) -> None:
        def spell(token: str) -> str:
            return f"{_UNKNOWN_WORD} +" if token == UNKNOWN else self._vocabulary.name(token)

        if allows_unknown:
            self._add_unknown()
        also = f"/{_UNKNOWN_WEIGHT:g}/ {_UNKNOWN_WORD} +" if allows_unknown else None
        try:
            self._decoder.add_fsg("grammar", self._decoder.parse_jsgf(rules.written(spell, also=also)))
            self._decoder.activate_search("grammar")
        except (RuntimeError, ValueError, KeyError) as error:
            self._grammar = None
            self._decoder.activate_search(self._open_search)
            raise EngineError(
                "PocketSphinx cannot use this grammar", fix="make it smaller or simpler"
            ) from error


def as_words(found: Sequence[Found], offset: float, duration: float) -> tuple[Word, ...]:
    """Words with times: ``offset`` seconds later, none beyond ``duration``."""
    words = []
    for text, start, end, confidence in found:
        first = min(start / _FRAMES_PER_SECOND, duration)
        last = min(end / _FRAMES_PER_SECOND, duration)
        words.append(Word(text, offset + first, offset + last, confidence, "engine"))
    return tuple(words)
