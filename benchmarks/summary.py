"""How well the extractive summary chooses, against simple choices, on public-domain books.

    python benchmarks/summary.py FOLDER

FOLDER holds three_men_in_a_boat.en.txt and other books as NAME.en.txt (Project Gutenberg).

recall: the author of Three Men in a Boat heads each of its 19 chapters with a list of what happens in it. How
many of the list's content words stand in 150 words of summary? (ROUGE-1 recall without small words: Lin 2004.)
on topic: 50 sentences in a row from one book, among which 20 of other places and 15 of small talk are strewn;
how many of the 5 sentences chosen belong to the 50?
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from earshot.core.types import Segment
from earshot.text.function_words import function_words
from earshot.text.sentences import split_text
from earshot.text.summary import RunningSummary, summarize

NUM_WORDS = 150
NUM_MIXES = 40
SMALL_TALK = [
    "Yeah.", "Okay, so.", "Can you hear me?", "Right, right.", "I see what you mean.",
    "Let me just share my screen.", "Sorry, go on.",
]  # fmt: skip
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_SMALL = function_words("en").articles | function_words("en").leaning

Ranking = Callable[[Sequence[str]], list[int]]


def words(text: str) -> list[str]:
    """Small letters, apostrophes kept."""
    return _WORD.findall(text.lower().replace("’", "'"))


def chapters(book: str) -> list[tuple[str, list[str]]]:
    """The heading and the sentences of each chapter."""
    found = []
    for part in re.split(r"\n\s*CHAPTER [IVXL]+\.?\s*\n", book)[1:]:
        heading, _, body = part.strip().partition("\n\n")
        found.append((heading, split_text(body)))
    return found


def recall(heading: str, sentences: Sequence[str], order: Sequence[int]) -> float:
    """Share of the heading's content words in the first 150 words of the sentences in that order."""
    wanted = {word for word in words(heading) if word not in _SMALL and len(word) > 2}
    said: list[str] = []
    for place in order:
        said += words(sentences[place])
        if len(said) >= NUM_WORDS:
            break
    return len(wanted & set(said[:NUM_WORDS])) / len(wanted)


def mixes(books: Sequence[list[str]]) -> list[list[tuple[str, bool]]]:
    """Sentences, and whether each is on topic."""
    choice = random.Random(0)
    made = []
    for _ in range(NUM_MIXES):
        book = choice.choice(books)
        at = choice.randrange(len(book) - 60)
        items = [(sentence, True) for sentence in book[at : at + 50]]
        filler = [choice.choice(choice.choice(books)) for _ in range(20)] + choice.choices(SMALL_TALK, k=15)
        for sentence in filler:
            items.insert(choice.randrange(len(items) + 1), (sentence, False))
        made.append(items)
    return made


def by_random(sentences: Sequence[str]) -> list[int]:
    """The same draw in each run."""
    order = list(range(len(sentences)))
    random.Random(str(len(sentences)) + sentences[0]).shuffle(order)
    return order


def by_place(sentences: Sequence[str]) -> list[int]:
    """From the first on."""
    return list(range(len(sentences)))


def by_length(sentences: Sequence[str]) -> list[int]:
    """The longest first."""
    return sorted(range(len(sentences)), key=lambda place: -len(sentences[place]))


def by_us(language: str | None) -> Ranking:
    """What ``summarize`` chooses, best first."""

    def ranking(sentences: Sequence[str]) -> list[int]:
        segments = [
            Segment(text, place, place + 1.0, language=language) for place, text in enumerate(sentences)
        ]
        summary = summarize(segments, num_sentences=20)
        best = sorted(summary.sentences, key=lambda sentence: -sentence.score)
        # Found by its time: one segment may hold two sentences.
        return [min(int(sentence.start or 0), len(sentences) - 1) for sentence in best]

    return ranking


def stability(sentences: Sequence[str], margin: float) -> None:
    """A session of a sentence each four seconds: how often the summary changes, and what each final costs."""
    running = RunningSummary(language="en", margin=margin)
    changes, seconds = 0, []
    for place, text in enumerate(sentences):
        start = time.perf_counter()
        changed = running.accept(Segment(text, 4.0 * place, 4.0 * place + 4))
        seconds.append(time.perf_counter() - start)
        changes += changed is not None
    seconds.sort()
    print(
        f"live, {len(sentences) * 4 / 3600:.1f} h, margin {margin}: {changes} changes; a final takes "
        f"{1000 * statistics.median(seconds):.0f} ms (median), {1000 * seconds[-1]:.0f} ms (longest)"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    headed = chapters((folder / "three_men_in_a_boat.en.txt").read_text(encoding="utf-8"))
    paths = sorted(folder.glob("*.en.txt"))
    books = [split_text(path.read_text(encoding="utf-8")[8_000:400_000]) for path in paths]
    mixed = mixes(books)
    rankings: dict[str, Ranking] = {
        "at random": by_random,
        "the first": by_place,
        "the longest": by_length,
        "ours, language unknown": by_us(None),
        "ours, language known": by_us("en"),
    }
    print(f"{'choice':24} recall  on topic")
    for name, ranking in rankings.items():
        recalled = statistics.mean(recall(head, text, ranking(text)) for head, text in headed)
        hits = []
        for items in mixed:
            chosen = ranking([text for text, _ in items])[:5]
            hits.append(statistics.mean(items[place][1] for place in chosen))
        print(f"{name:24} {recalled:.3f}   {statistics.mean(hits):.3f}")
    for margin in (0.0, 0.3):
        stability(books[-1][:2_700], margin)


if __name__ == "__main__":
    main()
