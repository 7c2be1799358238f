"""Precision, recall and F1 of every mark, and of capitals, as the library itself would decide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.text.punctuation import mark_of
from earshot.text.punctuation_model import CASES, LABELS, PunctuationModel, bare_form
from punctuation_books import LabelledWord

MARKS = ("COMMA", "PERIOD", "QUESTION", "EXCLAMATION")

Indices = npt.NDArray[np.int64]


def mark_indices(language: str) -> Indices:
    """For every label what is written for it by default, as an index in ("NONE", *MARKS)."""
    written = ("", ",", ".", "?", "!")
    return np.array([written.index(mark_of(label, language)) for label in LABELS])


def folded_odds(labels: npt.NDArray[np.float32], language: str) -> npt.NDArray[np.float32]:
    """Log-probabilities of ("NONE", *MARKS)."""
    mapping = mark_indices(language)
    chances = np.exp(labels)
    return np.log(np.stack([chances[:, mapping == mark].sum(1) for mark in range(5)], 1) + 1e-20)


def f1(truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Precision, recall and F1, in percent."""
    hits = float((truth & found).sum())
    precision, recall = hits / max(found.sum(), 1), hits / max(truth.sum(), 1)
    both = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {
        "precision": round(100 * precision, 1),
        "recall": round(100 * recall, 1),
        "f1": round(100 * both, 1),
    }


def fit_biases(folder: Path, words: Sequence[LabelledWord]) -> dict[str, float]:
    """The bias of every mark that is best for the F1 of the four marks and, counted double, of any mark.

    Found one at a time, twice over.
    That of the exclamation mark is not raised above 0: books shout more than people do, and one too many reads
    worse than one too few.
    """
    model = PunctuationModel(folder)
    labels, _ = model.log_odds([bare_form(word.text) for word in words])
    odds = folded_odds(labels, model.language)
    truth = mark_indices(model.language)[[word.label for word in words]]
    biases = np.zeros(5)
    for _ in range(2):
        for mark in range(1, 5):
            candidates = np.arange(-0.5, 0.05 if MARKS[mark - 1] == "EXCLAMATION" else 0.55, 0.1)
            values = []
            for candidate in candidates:
                trial = biases.copy()
                trial[mark] = candidate
                found = (odds + trial).argmax(1)
                each = sum(f1(truth == one, found == one)["f1"] for one in range(1, 5))
                values.append(each + 2 * f1(truth > 0, found > 0)["f1"])
            biases[mark] = candidates[int(np.argmax(values))]
    mapping = mark_indices(model.language)
    return {label: round(float(biases[mapping[i]]), 2) for i, label in enumerate(LABELS) if mapping[i]}


def scores(folder: Path, chapters: Sequence[Sequence[LabelledWord]]) -> dict[str, Any]:
    """F1 of the marks (semicolons count as periods, colons as commas), of sentence ends, of capitals."""
    model = PunctuationModel(folder)
    mapping = mark_indices(model.language)
    truths, founds, cases, found_cases = [], [], [], []
    for chapter in chapters:
        labels, case = model.log_odds([bare_form(word.text) for word in chapter])
        truths.append(mapping[[word.label for word in chapter]])
        founds.append(folded_odds(labels, model.language).argmax(1))
        # Capitals at the start of a sentence follow from the marks: they are not counted here.
        inner = np.array([not word.starts for word in chapter])
        cases.append(np.array([word.case for word in chapter])[inner])
        found_cases.append(case.argmax(1)[inner])
    return score_arrays(*map(np.concatenate, (truths, founds, cases, found_cases)))


def score_arrays(truth: Indices, found: Indices, case: Indices, found_case: Indices) -> dict[str, Any]:
    """truth, found: indices in ("NONE", *MARKS); case, found_case: in CASES, of words within sentences."""
    marks = {name: f1(truth == 1 + index, found == 1 + index) for index, name in enumerate(MARKS)}
    lower = CASES.index("LOWER")
    return {
        "num_words": len(truth),
        "marks": marks,
        "macro_f1": round(sum(mark["f1"] for mark in marks.values()) / len(marks), 1),
        "any_mark": f1(truth > 0, found > 0),
        "sentence_end": f1(truth > 1, found > 1),
        "capitals_within_sentences": f1(case != lower, found_case != lower),
    }


def table(figures: dict[str, Any]) -> str:
    """One line a mark."""
    rows = {
        **figures["marks"],
        **{key: figures[key] for key in ("any_mark", "sentence_end", "capitals_within_sentences")},
    }
    lines = [f"{figures['num_words']} words", f"{'':28}{'P':>7}{'R':>7}{'F1':>7}"]
    lines += [f"{name:28}{v['precision']:7.1f}{v['recall']:7.1f}{v['f1']:7.1f}" for name, v in rows.items()]
    return "\n".join([*lines, f"{'mean of the four marks':28}{figures['macro_f1']:21.1f}"])
