"""The net behind the punctuation: bare words in, the odds of every mark and of a capital out.

A word is seen as itself (if it is one of the frequent ones) and as its first and last letters, hashed, so that
unknown words and names are words like any other. Two bidirectional LSTM layers read them in context.
``benchmarks/train_punctuation.py`` makes the files; ``model.onnx`` holds everything, the vocabulary too.
"""

from __future__ import annotations

import json
import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.core.errors import ModelError
from earshot.core.runtime import load_onnx, read_verified

LABELS = ("NONE", "COMMA", "PERIOD", "QUESTION", "EXCLAMATION", "COLON", "SEMICOLON", "DASH")
"""What may follow a word, in the order of the net's outputs."""

CASES = ("LOWER", "CAPITAL", "UPPER")
"""How a word is written within a sentence: capitals at the start of one come from the marks."""

NUM_AFFIXES = 9
"""Hashed features of a word: its first 1, 2, 3 and last 1, 2, 3, 4 letters, its length and its kind."""

WINDOW = 160  # words that are read together
_MARGIN = 32  # of them at each end serve as context alone
_BATCH = 16  # windows; more would only take more memory
_LONGEST_WORD = 64  # letters that are looked at; nothing that is said has more

Ids = npt.NDArray[np.int32]
Odds = npt.NDArray[np.float32]


def bare_form(text: str) -> str:
    """A word as the net reads it: lower case, no punctuation around it, ё as е, every digit a 0.

    Empty for a token without letters and digits.
    """
    if not (text.isascii() and text.isalpha()):
        text = unicodedata.normalize("NFC", text[:_LONGEST_WORD]).replace("’", "'")
        text = text.strip("".join({c for c in text if not c.isalnum()}))
        text = "".join("0" if c.isdigit() else c for c in text)
    return text[:_LONGEST_WORD].lower().replace("ё", "е")


def affixes(word: str, num_buckets: int) -> tuple[int, ...]:
    """Buckets of the NUM_AFFIXES features of a bare word, each in 1 … ``num_buckets`` - 1."""
    marked = f"<{word}>"
    features = (
        *(f"p{marked[: size + 1]}" for size in (1, 2, 3)),
        *(f"s{marked[-size - 1 :]}" for size in (1, 2, 3, 4)),
        f"l{min(len(word), 15)}",
        f"k{_kind(word)}",
    )
    return tuple(zlib.crc32(feature.encode("utf-8", "replace")) % (num_buckets - 1) + 1 for feature in features)


def _kind(word: str) -> str:
    """What a word is made of: digits, Latin, Cyrillic or other letters, hyphens, apostrophes."""
    kinds = {
        "0" if c.isdigit() else "a" if c < "ɐ" else "я" if "Ѐ" <= c < "԰" else "x" for c in word if c.isalnum()
    }
    return "".join(sorted(kinds)) + "".join(c for c in "-'./:@" if c in word)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The frequent words by their number (0 is every other word) and the number of buckets of affixes."""

    words: Mapping[str, int]
    num_buckets: int

    @classmethod
    def of(cls, words: Sequence[str], num_buckets: int) -> Vocabulary:
        """Numbers from 1 in the order given."""
        return cls({word: number for number, word in enumerate(words, start=1)}, num_buckets)

    def encode(self, bare: Sequence[str]) -> tuple[Ids, Ids]:
        """Word numbers (n,) and affix buckets (n, NUM_AFFIXES) of bare words."""
        numbers = np.fromiter((self.words.get(word, 0) for word in bare), np.int32, len(bare))
        known = {word: affixes(word, self.num_buckets) for word in set(bare)}
        buckets = np.array([known[word] for word in bare], np.int32).reshape(len(bare), NUM_AFFIXES)
        return numbers, buckets


class PunctuationModel:
    """A loaded net. May serve many callers at once.

    folder: holds ``model.onnx`` and ``card.json``. Raises ModelError when either is absent, damaged, or
    something else.
    """

    def __init__(self, folder: Path) -> None:
        card = _read_card(folder)
        self.language: str = card["language"]
        self.biases: dict[str, float] = card["biases"]
        content = read_verified(folder / "model.onnx", card["files"]["model.onnx"]["sha256"], fix=_REINSTALL)
        self._session = _session(content, folder / "model.onnx")
        metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._vocabulary = Vocabulary.of(metadata["vocabulary"].split("\n"), int(metadata["num_buckets"]))

    def log_odds(self, bare: Sequence[str]) -> tuple[Odds, Odds]:
        """Log-probabilities of LABELS after each word (n, 8) and of CASES for each word (n, 3), biases added.

        bare: words as ``bare_form`` makes them, none empty. Any number: long texts are read in windows that
        overlap, so the cost and the memory of a word do not depend on how many there are.
        """
        labels = np.zeros((len(bare), len(LABELS)), np.float32)
        cases = np.zeros((len(bare), len(CASES)), np.float32)
        if not bare:
            return labels, cases
        numbers, buckets = self._vocabulary.encode(bare)
        for batch in _batches(len(bare)):
            index = np.array([range(start, start + min(WINDOW, len(bare))) for start, _, _ in batch])
            label_odds, case_odds = self._session.run(
                None, {"words": numbers[index], "affixes": buckets[index]}
            )
            for row, (start, first, end) in enumerate(batch):
                labels[first:end] = label_odds[row, first - start : end - start]
                cases[first:end] = case_odds[row, first - start : end - start]
        labels += np.array([self.biases.get(label, 0.0) for label in LABELS], np.float32)
        return labels, cases


def _batches(num_words: int) -> Iterator[list[tuple[int, int, int]]]:
    """Windows as (start, first and end of the words that it decides), equally long, in groups."""
    if num_words <= WINDOW:
        yield [(0, 0, num_words)]
        return
    step = WINDOW - 2 * _MARGIN
    windows = []
    first = 0
    while first < num_words:
        # The first and the last window decide their outer margin too: there is nothing beyond.
        start = min(max(first - _MARGIN, 0), num_words - WINDOW)
        is_last = start == num_words - WINDOW
        end = num_words if is_last else start + _MARGIN + step
        windows.append((start, first, end))
        first = end
    for at in range(0, len(windows), _BATCH):
        yield windows[at : at + _BATCH]


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / "card.json"
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(card["language"], str)
        assert isinstance(card["files"]["model.onnx"]["sha256"], str)
        card["biases"] = {label: float(card["biases"].get(label, 0.0)) for label in LABELS}
    except FileNotFoundError:
        raise ModelError(f"{folder} holds no card.json", fix="name a folder of punctuation") from None
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        RecursionError,
    ) as error:
        raise ModelError(f"{path} is no card of a punctuation model: {error!r}", fix=_REINSTALL) from error
    if not np.isfinite([*card["biases"].values()]).all():
        raise ModelError(f"{path} holds a bias that is no number", fix=_REINSTALL)
    return dict(card)


_REINSTALL = "reinstall earshot, or make the model anew"


def _session(content: bytes, path: Path) -> Any:
    """On one thread: a sentence is too little work to share."""
    session = load_onnx(path, content, fix=_REINSTALL)
    wanted = ({"words", "affixes"}, ["labels", "cases"])
    found = ({i.name for i in session.get_inputs()}, [o.name for o in session.get_outputs()])
    if (
        found != wanted
        or not {"vocabulary", "num_buckets"} <= session.get_modelmeta().custom_metadata_map.keys()
    ):
        raise ModelError(f"{path} is no punctuation model", fix=_REINSTALL)
    return session
