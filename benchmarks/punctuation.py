"""Punctuation and casing: F1 on held-out chapters, on another kind of text, against baselines; speed; size.

    python benchmarks/punctuation.py ../shared/speech/text [--out-of-domain TEXT] [--truecase FOLDER]

No peer for marks installs with its weights inside: sherpa-onnx, deepmultilingualpunctuation and punctuators
fetch theirs. So marks are compared with one every N words, as many as there are. Capitals have a peer: truecase
(pip install --target FOLDER truecase; 27 MB of counts), which is told where sentences begin.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from earshot.core.types import Word
from earshot.text.casing import cased
from earshot.text.punctuation import Punctuator
from earshot.text.punctuation_model import CASES, LABELS, PunctuationModel, bare_form
from punctuation_books import LabelledWord, labelled, read_books
from punctuation_scores import f1, mark_indices, scores, table

DATA = Path(__file__).parents[1] / "src/earshot/text/data/punctuation"


def every_n_words(words: Sequence[LabelledWord], language: str) -> str:
    """The F1 of sentence ends and of commas set at even distances, as many as there are."""
    truth = mark_indices(language)[[word.label for word in words]]
    lines = []
    for name, wanted in (("COMMA", truth == 1), ("sentence_end", truth > 1)):
        found = np.zeros(len(truth), bool)
        found[:: max(1, round(len(truth) / max(wanted.sum(), 1)))] = True
        lines.append(f"{f'{name}, every n-th word':28}{f1(wanted, found)['f1']:21.1f}")
    return "\n".join(lines)


def capitals(words: Sequence[LabelledWord], language: str, folder: Path | None) -> str:
    """Capitals within sentences, as the library writes them and as truecase does."""
    inner = np.array([not word.starts for word in words])
    truth = np.array([word.case > 0 for word in words])
    _, cases = PunctuationModel(DATA / language).log_odds([bare_form(word.text) for word in words])
    ours = [
        cased(word.text, CASES[case], language) != word.text
        for word, case in zip(words, cases.argmax(1), strict=True)
    ]
    lines = [f"{'capitals, ours with tables':28}{f1(truth[inner], np.array(ours)[inner])['f1']:21.1f}"]
    if folder is not None:
        sys.path.insert(0, str(folder))
        caser = importlib.import_module("truecase.TrueCaser").TrueCaser()
        bounds = [index for index, word in enumerate(words) if word.starts] + [len(words)]
        theirs: list[bool] = []
        for start, end in pairwise(bounds):
            sentence = [word.text for word in words[start:end]]
            guessed = caser.get_true_case_from_tokens(sentence, "as-is")
            theirs += [guess != word for guess, word in zip(guessed, sentence, strict=True)]
        found = np.array([False] * bounds[0] + theirs)
        lines.append(f"{'capitals, truecase':28}{f1(truth[inner], found[inner])['f1']:21.1f}")
    return "\n".join(lines)


def speed(language: str, words: Sequence[LabelledWord]) -> str:
    """Load time, and words a second of processor time: a whole book, and utterances of twelve words."""
    loads, books, utterances = [], [], []
    given = [Word(word.text) for word in words[:20_000]]
    for _ in range(5):
        began = time.perf_counter()
        punctuator = Punctuator.load(language)
        loads.append(time.perf_counter() - began)
        began = time.process_time()
        punctuator.punctuate(given)
        books.append(len(given) / (time.process_time() - began))
        began = time.process_time()
        for at in range(0, 2_400, 12):
            punctuator.punctuate(given[at : at + 12])
        utterances.append(2_400 / (time.process_time() - began))
    size = sum(file.stat().st_size for file in (DATA / language).iterdir())
    return (
        f"load {1000 * statistics.median(loads):.0f} ms, {statistics.median(books):.0f} words/s in long text, "
        f"{statistics.median(utterances):.0f} words/s in utterances of 12, {size / 1e6:.2f} MB"
    )


def main() -> None:
    """Print everything for both languages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder of books, NAME.LANGUAGE.txt")
    parser.add_argument("--out-of-domain", type=Path, help="punctuated English text, a sentence or part a line")
    parser.add_argument("--truecase", type=Path, help="where truecase and nltk are installed")
    options = parser.parse_args()
    for language in ("en", "ru"):
        books = read_books(options.folder, language)
        tests = {"held-out chapters": [chapter for book in books for chapter in book.held_out]}
        if options.out_of_domain and language == "en":
            tests["out of domain"] = [labelled(" ".join(options.out_of_domain.read_text("utf-8").split()))]
        for name, chapters in tests.items():
            words = [word for chapter in chapters for word in chapter]
            print(f"--- {language}, {name}")
            print(table(scores(DATA / language, chapters)))
            print(every_n_words(words, language))
            print(capitals(words, language, options.truecase if language == "en" else None))
        print(speed(language, words))
        counts = np.bincount([word.label for word in words], minlength=len(LABELS))
        print("marks in the truth:", dict(zip(LABELS, counts.tolist(), strict=True)), "\n")


if __name__ == "__main__":
    main()
