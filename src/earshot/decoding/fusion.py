"""What a language model says of each token while a CTC net is decoded: shallow fusion.

A text's score is its log-probability under the net, plus ``weight`` times that under the language model, plus
a bonus for each word, since language models and nets both like short texts. Words are looked up letter by
letter in a tree of all words the model knows; while a word is open, the best word that it may become stands
for it (the look-ahead of Ortmanns et al. 1996, "Language-model look-ahead for large vocabulary speech
recognition", ICSLP).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from earshot.decoding.ctc import WORD_START
from earshot.decoding.lexicon import OUTSIDE, Lexicon
from earshot.decoding.ngram_model import END, SPECIAL_WORDS, UNKNOWN, NgramModel, Table
from earshot.decoding.prefix_search import NEVER, Doubles, Fusion, Numbers

SPACE = " "


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """How much the language model has to say; nats.

    weight: of its log-probabilities. word_bonus: for each word. unknown_penalty: for each word that it does not
    know, beside what ``<unk>`` costs; letter_penalty: for each of its letters from where no known word goes on,
    so that words run together cost more than one word: without it they stayed together. hot_bonus: for each hot
    word. is_closed: words that it does not know may not be said at all.
    """

    weight: float = 0.6
    word_bonus: float = 1.0
    unknown_penalty: float = 4.0
    letter_penalty: float = 1.0
    hot_bonus: float = 6.0
    is_closed: bool = False

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise ValueError(f"the weight of a language model is not negative, but {self.weight}")


def make_fusion(
    model: NgramModel | None,
    symbols: Sequence[str],
    *,
    delimiter: str = "|",
    hot_words: Sequence[str] = (),
    options: FusionOptions | None = None,
) -> Fusion:
    """A model of words or of letters, brought to the tokens of a net.

    model: None for hot words alone. symbols: what each token writes, as in ``spell_words``; "" for those that
    are never part of a text. hot_words: words or phrases, of which each word gets the bonus.
    Raises ValueError for hot words with a model of letters.
    """
    options = options or FusionOptions()
    spellings = [_spelling(symbol, delimiter) for symbol in symbols]
    if model is not None and model.is_by_letters:
        if hot_words:
            raise ValueError("hot words go with a language model of words, or with none")
        return LetterFusion(model, spellings, options)
    words = [word for phrase in hot_words for word in phrase.split()]
    return WordFusion(model, spellings, options, dict.fromkeys(words, options.hot_bonus))


def _spelling(symbol: str, delimiter: str) -> str:
    if symbol == delimiter:
        return SPACE
    return symbol.replace(WORD_START, SPACE)


class _Spelled:
    """Tokens as rows of character numbers: 0 is the space, 1 and up are letters, −1 is nothing more."""

    def __init__(self, spellings: Sequence[str]) -> None:
        self.letters = sorted({letter for spelling in spellings for letter in spelling} - {SPACE})
        numbers = {letter: number for number, letter in enumerate(self.letters, start=1)} | {SPACE: 0}
        self.rows = np.full((len(spellings), max(map(len, spellings), default=1) or 1), -1, np.int64)
        for row, spelling in zip(self.rows, spellings, strict=True):
            row[: len(spelling)] = [numbers[letter] for letter in spelling]
        self.first_gains = np.where(self.rows[:, 0] < 0, NEVER, 0.0)


class WordFusion:
    """A language model of words, with hot words. A state is a state of the model and a place in the tree.

    model: None says the same of all words. hot_words: the bonus of each.
    """

    def __init__(
        self,
        model: NgramModel | None,
        spellings: Sequence[str],
        options: FusionOptions,
        hot_words: Mapping[str, float],
    ) -> None:
        self._tokens = _Spelled(spellings)
        self._model = _indifferent() if model is None else model
        self._options = options
        penalty = options.unknown_penalty if model is not None else 0.0
        self._letter_penalty = options.letter_penalty if model is not None else 0.0
        known = [word for word in self._model.words[len(SPECIAL_WORDS) :] if word not in hot_words]
        words = [*known, *hot_words]
        numbers = [self._model.numbers.get(word, UNKNOWN) for word in words]
        bonuses = np.zeros(len(words))
        bonuses[len(known) :] = list(hot_words.values())
        log_probs, _ = self._model.extend(np.zeros(len(words) + 1, np.int64), np.array([*numbers, UNKNOWN]))
        values = options.weight * log_probs[:-1] + options.word_bonus + bonuses
        unknown = options.weight * log_probs[-1] + options.word_bonus - penalty
        self._lexicon = Lexicon(words, values, self._tokens.letters, NEVER if options.is_closed else unknown)
        # By place in the tree: the model's word, and what it gets beside its probability.
        entries = self._lexicon.entries
        self._words = np.append(numbers, UNKNOWN)[entries]
        unknown_bonus = NEVER if options.is_closed else -penalty
        self._bonuses = np.append(bonuses, unknown_bonus)[entries] + options.word_bonus
        self._num_places = len(entries)
        self.start = self._model.start_state * self._num_places

    def extend(self, states: Numbers, tokens: Numbers) -> tuple[Doubles, Numbers]:
        """See ``Fusion``."""
        histories, places = np.divmod(states, self._num_places)
        gains = self._tokens.first_gains[tokens]
        for letters in self._tokens.rows[tokens].T:
            ends = ((letters == 0) & (places > 0)).nonzero()[0]
            if len(ends):
                more, histories[ends] = self._ended(histories[ends], places[ends])
                gains[ends] += more
                places[ends] = 0
            there = self._lexicon.step(places, letters)
            gains += self._lexicon.best[there] - self._lexicon.best[places]
            gains -= self._letter_penalty * ((there == OUTSIDE) & (letters > 0))
            places = there
        return gains, histories * self._num_places + places

    def finish(self, states: Numbers) -> Doubles:
        """See ``Fusion``: the open word ends, and the sentence."""
        histories, places = np.divmod(states, self._num_places)
        gains = np.zeros(len(states))
        is_open = places > 0
        gains[is_open], histories[is_open] = self._ended(histories[is_open], places[is_open])
        ends, _ = self._model.extend(histories, np.full(len(states), END))
        return gains + self._options.weight * ends

    def _ended(self, histories: Numbers, places: Numbers) -> tuple[Doubles, Numbers]:
        log_probs, histories = self._model.extend(histories, self._words[places])
        values = self._options.weight * log_probs + self._bonuses[places]
        return values - self._lexicon.best[places], histories


class LetterFusion:
    """A language model of letters, ``WORD_START`` the space. A state is a state of the model and a place.

    Places: 0 within a word, 1 behind a space that no letter has followed yet, 2 before the first letter.
    """

    def __init__(self, model: NgramModel, spellings: Sequence[str], options: FusionOptions) -> None:
        self._tokens = _Spelled(spellings)
        self._model = model
        self._options = options
        letters = [WORD_START, *self._tokens.letters]
        self._letters = np.array([model.numbers.get(letter, UNKNOWN) for letter in letters])
        self.start = model.start_state * 3 + 2

    def extend(self, states: Numbers, tokens: Numbers) -> tuple[Doubles, Numbers]:
        """See ``Fusion``."""
        histories, places = np.divmod(states, 3)
        gains = self._tokens.first_gains[tokens]
        for letters in self._tokens.rows[tokens].T:
            is_letter = letters > 0
            for rows in filter(len, (np.flatnonzero(is_letter & (places == 1)), np.flatnonzero(is_letter))):
                said = np.where(places[rows] == 1, 0, letters[rows])
                log_probs, histories[rows] = self._said(histories[rows], said)
                gains[rows] += self._options.weight * log_probs + (said == 0) * self._options.word_bonus
                places[rows] = 0
            places[(letters == 0) & (places == 0)] = 1
        return gains, histories * 3 + places

    def _said(self, histories: Numbers, letters: Numbers) -> tuple[Doubles, Numbers]:
        """Log-probabilities of letters and the histories then; what many prefixes share is looked up once."""
        keys, places = np.unique(histories * len(self._letters) + letters, return_inverse=True)
        before, said = np.divmod(keys, len(self._letters))
        log_probs, after = self._model.extend(before, self._letters[said])
        return log_probs[places], after[places]

    def finish(self, states: Numbers) -> Doubles:
        """See ``Fusion``."""
        ends, _ = self._model.extend(states // 3, np.full(len(states), END))
        return self._options.weight * ends


class Free:
    """Nothing is known of what is likely."""

    start = 0

    def extend(self, states: Numbers, tokens: Numbers) -> tuple[Doubles, Numbers]:  # noqa: ARG002
        """See ``Fusion``."""
        return np.zeros(len(states)), states

    def finish(self, states: Numbers) -> Doubles:
        """See ``Fusion``."""
        return np.zeros(len(states))


def _indifferent() -> NgramModel:
    nothing = np.zeros(len(SPECIAL_WORDS))
    numbers = np.arange(len(SPECIAL_WORDS))
    return NgramModel.from_tables(SPECIAL_WORDS, [Table(np.zeros_like(numbers), numbers, nothing, nothing)])
