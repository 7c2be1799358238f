#!/usr/bin/env python3
"""Learn how English is spelled from the CMU dictionary that the pocketsphinx wheel carries.

    scripts/build_pronunciation.py                  measure on 5 % of the words, held out; write nothing
    scripts/build_pronunciation.py --write          learn from all words and write the rules of the package

Takes some minutes. The dictionary is CMU's, free to use; the rules derived from it hold none of its entries.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pocketsphinx import get_model_path

import earshot.engines
from earshot.engines.pronunciation import LetterToSound, answer

QUESTIONS = ("0", "1", "-1", "p1", "2", "-2", "3", "-3", "p2", "4", "-4")
TARGET = Path(earshot.engines.__file__).parent / "english_letters.bin"
NUM_PASSES = 5

Sound = tuple[str, ...]
Aligned = tuple[str, list[Sound]]


def read_dictionary() -> dict[str, list[Sound]]:
    """Words of letters and apostrophes, each with its pronunciations."""
    words: dict[str, list[Sound]] = {}
    for line in Path(get_model_path("en-us/cmudict-en-us.dict")).read_text().splitlines():
        entry, *phones = line.split()
        word = entry.partition("(")[0]
        if word and all((c.isascii() and c.isalpha()) or c == "'" for c in word):
            words.setdefault(word, []).append(tuple(phones))
    return words


def align_letters(pairs: Sequence[tuple[str, Sound]]) -> list[Aligned]:
    """Which letter makes which phones: expectation maximisation over the best path, from a diagonal start."""
    counts: Mapping[tuple[str, Sound], float] = _diagonal_counts(pairs)
    aligned: list[Aligned] = []
    for _ in range(NUM_PASSES):
        totals: defaultdict[str, float] = defaultdict(float)
        for (letter, _sound), count in counts.items():
            totals[letter] += count
        costs = {key: math.log(totals[key[0]] / count) for key, count in counts.items()}
        aligned = [(word, best) for word, phones in pairs if (best := _best_path(word, phones, costs))]
        counts = Counter(pair for word, sounds in aligned for pair in zip(word, sounds, strict=True))
    return aligned


def _diagonal_counts(pairs: Iterable[tuple[str, Sound]]) -> Mapping[tuple[str, Sound], float]:
    counts: defaultdict[tuple[str, Sound], float] = defaultdict(float)
    for word, phones in pairs:
        for i, letter in enumerate(word):
            centre = (i + 0.5) * len(phones) / len(word)
            counts[letter, ()] += 0.3
            for j, phone in enumerate(phones):
                if abs(j + 0.5 - centre) < 1.6:
                    counts[letter, (phone,)] += 1
                if abs(j + 1 - centre) < 1.2 and j + 1 < len(phones):
                    counts[letter, (phone, phones[j + 1])] += 0.05
    return counts


def _best_path(word: str, phones: Sound, costs: dict[tuple[str, Sound], float]) -> list[Sound]:
    """Cheapest split of the phones into none, one or two a letter; empty when there are too many phones."""
    num_phones = len(phones)
    row = [0.0] + [math.inf] * num_phones
    choices: list[list[int]] = []
    for letter in word:
        following = [math.inf] * (num_phones + 1)
        choice = [0] * (num_phones + 1)
        for j, cost in enumerate(row):
            if cost == math.inf:
                continue
            for taken in range(min(2, num_phones - j) + 1):
                total = cost + costs.get((letter, phones[j : j + taken]), 14.0 + 4.0 * (taken == 2))
                if total < following[j + taken]:
                    following[j + taken], choice[j + taken] = total, taken
        row = following
        choices.append(choice)
    if row[num_phones] == math.inf:
        return []
    sounds: list[Sound] = []
    j = num_phones
    for choice in reversed(choices):
        sounds.append(phones[j - choice[j] : j])
        j -= choice[j]
    return sounds[::-1]


class Node:
    """What a letter sounds like where the answers led here, and where further answers lead."""

    def __init__(self, sound: str) -> None:
        self.sound = sound
        self.children: dict[str, Node] = {}


def grow(aligned: Iterable[Aligned]) -> Node:
    """The tree: a child is kept only where it says something else than its parent."""
    cases = []
    for word, sounds in aligned:
        said: list[str] = []
        for i, sound in enumerate(sounds):
            cases.append(([answer(q, word, i, said) for q in QUESTIONS], " ".join(sound)))
            said += sound
    return _grow(cases, 0, "")


def _grow(cases: list[tuple[list[str], str]], level: int, default: str) -> Node:
    counts = Counter(sound for _, sound in cases)
    most = max(counts.values())
    node = Node(default if counts[default] == most else min(s for s, n in counts.items() if n == most))
    if len(counts) == 1 or level == len(QUESTIONS):
        return node
    groups: dict[str, list[tuple[list[str], str]]] = {}
    for case in cases:
        groups.setdefault(case[0][level], []).append(case)
    for symbol, group in sorted(groups.items()):
        child = _grow(group, level + 1, node.sound)
        if child.sound != node.sound or child.children:
            node.children[symbol] = child
    return node


def encode(root: Node) -> bytes:
    """The tree as ``LetterToSound.decode`` reads it."""
    nodes: list[tuple[str, Node]] = []
    queue = deque([("_", root)])
    while queue:
        nodes.append(queue.popleft())
        queue.extend(nodes[-1][1].children.items())
    alphabet = sorted({symbol for symbol, _ in nodes} | {"_"})
    sounds = sorted({node.sound for _, node in nodes})
    if len(alphabet) > 255 or len(sounds) > 256:
        raise SystemExit(f"{len(alphabet)} symbols and {len(sounds)} sounds do not fit into bytes")
    codes = {symbol: code for code, symbol in enumerate(alphabet)}
    numbers = {sound: number for number, sound in enumerate(sounds)}
    header = json.dumps({"questions": QUESTIONS, "alphabet": alphabet, "sounds": sounds}).encode()
    body = (
        bytes(codes[symbol] for symbol, _ in nodes)
        + bytes(numbers[node.sound] for _, node in nodes)
        + bytes(len(node.children) for _, node in nodes)
    )
    return zlib.compress(header + b"\n" + body, 9)


def phone_errors(said: Sequence[str], meant: Sequence[str]) -> int:
    """Levenshtein distance."""
    row = list(range(len(meant) + 1))
    for i, phone in enumerate(said, 1):
        before, row = row, [i]
        for j, other in enumerate(meant, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (phone != other)))
    return row[-1]


def measure(rules: LetterToSound, words: Iterable[str], dictionary: dict[str, list[Sound]]) -> str:
    """Phone and word error rates against the nearest pronunciation of each word."""
    errors = phones = wrong = num_words = 0
    for word in words:
        said = rules.say(word)
        distance, length = min((phone_errors(said, meant), len(meant)) for meant in dictionary[word])
        errors, phones, wrong, num_words = (
            errors + distance,
            phones + length,
            wrong + (distance > 0),
            num_words + 1,
        )
    return (
        f"{num_words} words: {100 * errors / phones:.1f} % of the phones and "
        f"{100 * wrong / num_words:.0f} % of the words wrong"
    )


def main() -> None:
    """Measure, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"learn from all words and write {TARGET.name}")
    arguments = parser.parse_args()
    dictionary = read_dictionary()
    words = sorted(dictionary)
    random.Random(1).shuffle(words)  # noqa: S311 - reproducible, nothing secret
    held_out = [] if arguments.write else words[: len(words) // 20]
    learned = words[len(held_out) :]
    packed = encode(grow(align_letters([(word, dictionary[word][0]) for word in learned])))
    print(f"{len(learned)} words learned, {len(packed):,} bytes")  # noqa: T201
    if arguments.write:
        TARGET.write_bytes(packed)
    else:
        print(measure(LetterToSound.decode(packed), held_out, dictionary))  # noqa: T201


if __name__ == "__main__":
    main()
