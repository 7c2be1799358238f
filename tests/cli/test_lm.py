"""``earshot lm``: from texts to a model, smaller, measured, shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from .command import earshot

TEXT = "The cat sat on the mat. The dog sat on the cat!\n\nA dog and a cat sat.\n" * 3


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def model(text: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.arpa.gz"
    result = earshot("lm", "train", "--order", "3", "-o", path, text)
    assert result.status == 0, result.errors
    assert "order 3, of words, 11 + " in result.output
    return path


def perplexity(output: str) -> float:
    return float(output.split("perplexity ")[1].split()[0])


def test_a_model_foresees_what_it_was_made_from(model: Path, text: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("mat the on sat cat.\nzebra\n")
    known, unknown = (earshot("lm", "perplexity", model, path) for path in (text, other))
    assert perplexity(known.output) < 4
    assert perplexity(unknown.output) > 10
    assert "16.67% of 6" in unknown.output


def test_words_are_shown_with_their_probabilities(model: Path) -> None:
    result = earshot("lm", "show", model, "The", "zebra", "sat")
    lines = [line.split() for line in result.output.splitlines()]
    assert [line[1:] for line in lines] == [["the"], ["zebra", "unknown"], ["sat"], ["</s>"]]
    assert all(float(line[0]) < 0 for line in lines)


def test_pruning_converts_and_makes_smaller(model: Path, tmp_path: Path) -> None:
    small, same = tmp_path / "small.ngrams", tmp_path / "same.ngrams"
    assert earshot("lm", "prune", model, "--threshold", "0.05", "-o", small).status == 0
    assert earshot("lm", "prune", model, "--threshold", "0", "-o", same).status == 0
    assert small.stat().st_size < same.stat().st_size
    assert (
        earshot("lm", "show", same).output.split(": ")[1] == earshot("lm", "show", model).output.split(": ")[1]
    )


def test_letters_have_a_model_of_their_own(text: Path, tmp_path: Path) -> None:
    path = tmp_path / "letters.ngrams"
    result = earshot("lm", "train", "--letters", "--lines", "-o", path, text)
    assert "order 8, of letters" in result.output
    shown = earshot("lm", "show", path, "a", "cat")
    assert [line.split()[1] for line in shown.output.splitlines()] == ["a", "▁", "c", "a", "t", "</s>"]


def test_what_is_wrong_is_told_in_one_line(model: Path, text: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("…\n")
    wrong = {
        ("show", text): "text.txt, line",
        ("show", tmp_path / "absent"): "cannot be read",
        ("perplexity", model, tmp_path / "absent"): "cannot be read",
        ("train", "-o", tmp_path / "m.arpa", empty): "no words",
        ("train", "-o", text / "m.arpa", text): "cannot write",
    }
    for arguments, what in wrong.items():
        result = earshot("lm", *arguments)
        assert result.status == 1
        assert len(result.error_lines) == 1
        assert what in result.errors
    assert earshot("lm", "train", "--order", "0", "-o", "m", text).status == 2
    assert "no sentences" in earshot("lm", "perplexity", model, empty).output
