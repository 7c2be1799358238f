"""Pieces of words by byte-pair encoding: Sennrich, Haddow and Birch 2016, arXiv:1508.07909."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from earshot.core.optional import require
from earshot.decoding.alphabet import BLANK_SYMBOL, Alphabet
from earshot.decoding.ctc import WORD_START
from earshot.text.normalise import normalise


def learn_pieces(texts: Sequence[str], letters: Collection[str], size: int) -> Alphabet:
    """An alphabet of at most ``size`` symbols, letters among them, so that every word can be written.

    Each letter is there by itself and "▁" too; the pieces are those that the trainer of the library
    tokenizers finds in the texts. Raises MissingExtraError.
    """
    tokenizers = require("tokenizers", extra="train", purpose="an alphabet of pieces")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(replacement=WORD_START)
    base = sorted({*letters, WORD_START} - {" "})
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=max(size - 1, len(base)),
        initial_alphabet=base,
        show_progress=False,
        limit_alphabet=len(base),
    )
    tokenizer.train_from_iterator((normalise(text) for text in texts), trainer)
    known = {*letters, WORD_START}
    pieces = sorted(piece for piece in tokenizer.get_vocab() if len(piece) > 1 and set(piece) <= known)
    return Alphabet((BLANK_SYMBOL, *base, *pieces[: max(0, size - 1 - len(base))]), "bpe")
