"""A text that every machine makes alike: words as frequent as in a language, some in pairs."""

from __future__ import annotations

from collections.abc import Iterator

NUM_WORDS = 300


def numbers(seed: int) -> Iterator[float]:
    """Even in [0, 1), by a rule that no library's version changes."""
    while True:
        seed = (seed * 1_103_515_245 + 12_345) % 2**31
        yield (seed >> 8) / 2**23


def sentences(count: int, seed: int = 1) -> list[list[str]]:
    draws, made = numbers(seed), []
    for _ in range(count):
        words: list[int] = []
        for _ in range(2 + int(next(draws) * 9)):
            rank = int(NUM_WORDS ** next(draws)) - 1
            if words and next(draws) < 0.4:
                rank = (words[-1] * 7 + 3) % 40
            words.append(rank)
        made.append([f"w{rank}" for rank in words])
    return made
