"""Language models equal those of KenLM's lmplz, survive their files, sum to one, lose what matters least."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest

from earshot.core.errors import FormatError, ModelError
from earshot.decoding.arpa import read_arpa, write_arpa
from earshot.decoding.ngram_files import read_ngrams, write_ngrams
from earshot.decoding.ngram_model import START, UNKNOWN, NgramModel
from earshot.decoding.ngram_pruning import entropy_losses, prune_ngrams
from earshot.decoding.ngram_text import letters_of, read_sentences
from earshot.decoding.ngram_training import train_ngrams

from .zipf import sentences

# Of ``lmplz -o 4`` (KenLM 0.3.0) for ``sentences(600)``: log10 of probability, n-gram, log10 of backing off.
LMPLZ = """
-3.111979	<unk>	0
-1.1511335	</s>	0
-1.6014761	w4	-0.34051234
-2.7039194	w48	-0.24353182
-2.936098	w191	-0.10833945
-2.3968256	<s> w30	-0.04765058
-1.4538835	<s> w3	-0.48111057
-0.9306073	w23 </s>	0
-1.7238401	w7 w20	-0.04765058
-0.5412566	w15 w28	-0.23089054
-1.8450073	w34 w12	-0.04765058
-0.29974806	w74 w1 </s>	0
-1.8973414	w24 w11 w10	-0.0228464
-1.1082472	<s> w56 w0	-0.0228464
-0.39154416	w30 w13 w14	-0.13464509
-0.58219475	w29 w6 w1 </s>
-0.7857697	w49 w26 w27 w30
-1.5301405	<s> w39 w36 w28
"""
LMPLZ_START_BACKOFF = -0.5136173

# Of KenLM's ``query`` for ``sentences(4, seed=99)``.
QUERY = """
-1.2493701 -3.503344 -0.42015776 -0.65482163 -0.552387 -2.9464686 -0.502772 -1.6522492 -3.3471074 -1.259473
-1.7769029 -1.3215524 -3.7306871 -1.8646334 -0.68466663 -2.0952954 -0.6027877
-1.7769029 -0.67095137 -0.562901 -0.2542637 -3.7302206 -0.5338039 -3.2005365 -2.9496326 -0.89071214
-3.6255963 -1.8609531 -1.2347995 -0.19588685 -2.6924438 -2.3963335 -0.60151124 -2.6751397 -1.3071235
"""
QUERY_PERPLEXITY, QUERY_KNOWN_PERPLEXITY = 49.543025964783716, 43.47101405389447


@pytest.fixture(scope="module")
def model() -> NgramModel:
    return train_ngrams(sentences(600), 4)


def node(model: NgramModel, words: str) -> int:
    found = 0
    for word in words.split():
        found = int(model.children(np.array([found]), np.array([model.numbers[word]]))[0])
        assert found, words
    return found


def test_estimates_are_those_of_lmplz(model: NgramModel) -> None:
    assert model.num_ngrams == (274, 1865, 2783, 2819)
    for line in LMPLZ.strip().splitlines():
        prob, words, *backoff = line.split("\t")
        here = node(model, words)
        assert model.log10_probs[here] == pytest.approx(float(prob), abs=2e-6)
        if backoff:
            assert model.log10_backoffs[here] == pytest.approx(float(backoff[0]), abs=2e-6)
    assert model.log10_backoffs[model.start_state] == pytest.approx(LMPLZ_START_BACKOFF, abs=2e-6)


def test_scores_are_those_of_kenlm(model: NgramModel) -> None:
    texts = sentences(4, seed=99)
    for found, expected in zip(model.sentence_log_probs(texts), QUERY.strip().splitlines(), strict=True):
        np.testing.assert_allclose(found / math.log(10), [float(one) for one in expected.split()], atol=1e-5)
    score = model.score(texts)
    assert (score.num_sentences, score.num_words, score.num_unknown) == (4, 31, 1)
    assert score.perplexity == pytest.approx(QUERY_PERPLEXITY, rel=1e-5)
    assert score.known_perplexity == pytest.approx(QUERY_KNOWN_PERPLEXITY, rel=1e-5)


def test_the_size_of_blocks_changes_nothing(model: NgramModel) -> None:
    again = train_ngrams(sentences(600), 4, block=97)
    np.testing.assert_array_equal(again.keys, model.keys)
    np.testing.assert_array_equal(again.log10_probs, model.log10_probs)
    np.testing.assert_array_equal(again.log10_backoffs, model.log10_backoffs)


def sums(model: NgramModel) -> np.ndarray:
    """Of the probabilities of all words behind every history."""
    words = np.delete(np.arange(len(model.words)), START)
    histories = np.arange(0, model.starts[-2])
    ends = np.concatenate([[0], model.parts(histories[1:])[1]])
    histories = histories[ends != 2]  # nothing follows the end
    return np.array([np.exp(model.extend(np.full(len(words), one), words)[0]).sum() for one in histories[::7]])


@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_sum_to_one_behind_every_history(order: int) -> None:
    model = train_ngrams(sentences(80), order)
    np.testing.assert_allclose(sums(model), 1, atol=1e-5)
    np.testing.assert_allclose(sums(prune_ngrams(model, 3e-4)), 1, atol=1e-4)


def test_a_text_too_small_for_discounts_has_a_model() -> None:
    model = train_ngrams([["yes"], ["no", "no"]], 3)
    np.testing.assert_allclose(sums(model), 1, atol=1e-5)
    with pytest.raises(ModelError, match="no words"):
        train_ngrams([[], []])
    with pytest.raises(ValueError, match="no words of theirs"):
        train_ngrams([["a", "</s>"]])
    with pytest.raises(ValueError, match="order"):
        train_ngrams([["a"]], 0)


def test_letters_are_words_of_their_own() -> None:
    model = train_ngrams([letters_of(["the", "cat"]), letters_of(["the", "hat"])], 5)
    assert model.is_by_letters
    cat, rat = model.sentence_log_probs([letters_of(["the", word]) for word in ("cat", "czt")])
    assert cat.sum() > rat.sum() + 2


# --- Pruning -----------------------------------------------------------------------------------------------


def test_entropy_losses_are_those_of_the_definition() -> None:
    """The model with one bigram less, compared over all words, for bigrams of several histories."""
    model = train_ngrams(sentences(30), 2)
    words = np.delete(np.arange(len(model.words)), START)
    nodes = np.arange(model.starts[1], model.starts[2])
    histories = np.log(10) * model.log10_probs.astype(np.float64)
    histories[model.start_state] = 0
    losses = entropy_losses(model, nodes, histories)
    for place in range(0, len(nodes), 17):
        context, word = (int(part[0]) for part in model.parts(nodes[place : place + 1]))
        before = np.exp(model.extend(np.full(len(words), context), words)[0])
        unigrams = np.exp(model.extend(np.zeros(len(words), np.int64), words)[0])
        explicit = (model.children(np.full(len(words), context), words) > 0) & (words != word)
        weight = (1 - before[explicit].sum()) / (1 - unigrams[explicit].sum())
        after = np.where(explicit, before, weight * unigrams)
        loss = np.exp(histories[context]) * (before * np.log(before / after)).sum()
        assert losses[place] == pytest.approx(loss, rel=2e-3, abs=1e-8)


def test_pruning_takes_much_and_costs_little(model: NgramModel) -> None:
    texts = sentences(600)
    smaller = prune_ngrams(model, 2e-5)
    smallest = prune_ngrams(model, 1e-2)
    assert sum(smaller.num_ngrams) < 0.8 * sum(model.num_ngrams)
    assert model.score(texts).perplexity < smaller.score(texts).perplexity
    assert smaller.score(texts).perplexity < smallest.score(texts).perplexity
    assert smallest.num_ngrams[0] == len(model.words)
    assert prune_ngrams(model, 0).num_ngrams == model.num_ngrams
    with pytest.raises(ValueError, match="threshold"):
        prune_ngrams(model, 1)


# --- Files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m.arpa", "m.arpa.gz", "m.ngrams"])
def test_files_keep_the_model(model: NgramModel, tmp_path: Path, name: str) -> None:
    write_ngrams(model, tmp_path / name)
    again = read_ngrams(tmp_path / name)
    assert again.words == model.words
    np.testing.assert_array_equal(again.keys, model.keys)
    np.testing.assert_array_equal(again.suffixes, model.suffixes)
    np.testing.assert_allclose(again.log10_probs, model.log10_probs, rtol=1e-6)
    np.testing.assert_allclose(again.log10_backoffs, model.log10_backoffs, rtol=1e-5, atol=1e-9)


FOREIGN = """made by another toolkit

\\data\\
ngram  1 = 4
ngram 2=2

\\1-grams:
-99\t<s>\t-0.3
-0.5 </s>
-0.4\tда\t-0.1
-0.9\tнет

\\2-grams:
-0.2\tда </s>
-0.1\t<s> да

\\end\\
"""


def test_an_arpa_file_of_another_toolkit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "foreign.arpa"
    path.write_bytes(gzip.compress(FOREIGN.replace("\n", "\r\n").encode()))
    model = read_arpa(path)
    assert model.words == ("<unk>", "<s>", "</s>", "да", "нет")
    (found,) = model.sentence_log_probs([["да", "нет"]])
    np.testing.assert_allclose(found / math.log(10), [-0.1, -0.1 - 0.9, -0.5], atol=1e-6)
    assert model.sentence_log_probs([["кот"]])[0][0] < -200
    assert model.numbers["<unk>"] == UNKNOWN


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("\\data\\", "", 18, "ends too early"),
        ("ngram 2=2", "ngram 2=x", 5, "ORDER=COUNT"),
        ("ngram 2=2", "ngram 3=2", 5, "orders count up"),
        ("ngram  1 = 4", "ngram 1=999999999999", 4, "n-grams of an order"),
        ("ngram 2=2", "ngram 2=3", 16, "3 n-grams of order 2 were announced, 2 are there"),
        ("ngram 2=2", "ngram 2=1", 15, "one more"),
        ("-0.5 </s>", "-0.5 </s> 1 2", 9, "entries"),
        ("-0.4", "0.4", 10, "no logarithm"),
        ("-0.4", "nan", 10, "no logarithm"),
        ("-0.4", "x", 10, "no number"),
        ("нет", "да", 11, "second time"),
        ("<s> да", "<s> дом", 15, "not among the unigrams"),
        ("<s> да", "да </s>", 15, "second time"),
        ("<s> да", "да <s>", 15, "stands first"),
        ("-0.1\t<s> да", "-0.1\t<s>", 15, "entries"),
        ("-0.5 </s>", "-0.5 </z>", 14, "not among the unigrams"),
        ("\\2-grams:", "\\3-grams:", 13, "should stand here"),
        ("\\end\\", "", 18, "ends too early"),
        ("\\end\\", "more", 17, "should stand here"),
        ("-0.9\tнет", "-0.9\t\udc80", 11, "UTF-8"),
        ("made by", "made by " + "x" * 20_000, 1, "bytes"),
    ],
)
def test_damage_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, what: str) -> None:
    path = tmp_path / "bad.arpa"
    path.write_bytes(FOREIGN.replace(old, new).encode(errors="surrogateescape"))
    with pytest.raises(ModelError, match=what) as caught:
        read_arpa(path)
    assert f"{path}, line {line}:" in str(caught.value)


def test_an_ngram_without_its_beginning_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.arpa"
    text = FOREIGN.replace("ngram 2=2", "ngram 2=2\nngram 3=1")
    path.write_text(text.replace("\\end\\", "\\3-grams:\n-0.1\t<s> нет да\n\n\\end\\"))
    with pytest.raises(ModelError, match="line 19: the n-gram without its last word"):
        read_arpa(path)


def test_a_damaged_binary_file_is_refused(model: NgramModel, tmp_path: Path) -> None:
    path = tmp_path / "model.ngrams"
    write_ngrams(model, path)
    whole = path.read_bytes()
    damaged = {
        "short": whole[:-8],
        "long": whole + b"\0" * 8,
        "head": whole[:40],
        "no JSON": whole.replace(b"{", b"[", 1),
        "counts": whole.replace(b'"starts": [1', b'"starts": [9', 1),
        "words": whole.replace(b"<unk>", b"<unx>", 1),
        "keys": whole.replace(np.arange(3, 5).tobytes(), np.array([4, 3]).tobytes(), 1),
        "links": whole.replace(model.suffixes[-3:].tobytes(), np.array([-1, 2**40, 0]).tobytes(), 1),
        "not a number": whole[:-12] + np.array([np.nan] * 3, np.float32).tobytes(),
    }
    for name, data in damaged.items():
        assert data != whole, name
        path.write_bytes(data)
        with pytest.raises(ModelError, match="damaged"):
            read_ngrams(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_ngrams(tmp_path / "absent")
    path.write_bytes(b"\x1f\x8bthis is not packed")
    with pytest.raises(ModelError, match="damaged"):
        read_ngrams(path)


def test_nothing_is_left_behind_when_writing_fails(model: NgramModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="cannot write"):
        write_arpa(model, tmp_path / "file" / "m.arpa")


# --- Text --------------------------------------------------------------------------------------------------


def test_sentences_are_found_in_running_text(tmp_path: Path) -> None:
    path = tmp_path / "book.txt.gz"
    path.write_bytes(gzip.compress("“Oh!” said he,\nand left. Don't go.\n\nCHAPTER II\n\n".encode()))
    assert [" ".join(words) for words in read_sentences([path])] == [
        "oh said he and left",
        "don't go",
        "chapter ii",
    ]
    assert len(list(read_sentences([path], has_lines=True))) == 3


def test_texts_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"fine\nbad \xff\n")
    with pytest.raises(FormatError, match="line 2"):
        list(read_sentences([path]))
    with pytest.raises(FormatError, match="cannot be read"):
        list(read_sentences([tmp_path / "absent"]))
    path.write_bytes(gzip.compress(b"text")[:-6])
    with pytest.raises(FormatError, match="damaged"):
        list(read_sentences([path]))
