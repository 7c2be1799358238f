"""Posteriors as an uncertain net of letters would give them, made from a text."""

from __future__ import annotations

import numpy as np

from earshot.decoding.ctc import LogProbs, log_softmax

BLANK = 0


def symbols_of(text: str) -> list[str]:
    """The blank, the word delimiter and the letters of a text."""
    return ["", "|", *sorted(set(text) - {" "})]


def noisy_posteriors(
    text: str, symbols: list[str], rng: np.random.Generator, *, noise: float, lost_spaces: float = 0.0
) -> LogProbs:
    """(frames, tokens): a letter in one or two frames, one to three blanks between letters.

    noise: standard deviation of what is added to the logits, of which the right one is 8 above the rest and one
    other, always the same for a letter, 5. lost_spaces: of spaces, the share in which the blank is likelier.
    """
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    rows: list[np.ndarray] = []
    for letter in text:
        token = numbers["|" if letter == " " else letter]
        for _ in range(rng.integers(1, 3)):
            row = np.zeros(len(symbols))
            row[token] = 8.0
            if letter == " " and rng.random() < lost_spaces:
                row[token], row[BLANK] = 6.0, 9.0
            elif letter != " ":
                row[2 + token * 5 % (len(symbols) - 2)] = 5.0
            rows.append(row)
            if letter == " ":
                break
        for _ in range(rng.integers(1, 4)):
            row = np.zeros(len(symbols))
            row[BLANK] = 12.0
            rows.append(row)
    logits = np.array(rows)
    return log_softmax(logits + rng.normal(0, noise, logits.shape) * (logits.max(axis=1, keepdims=True) < 12))
