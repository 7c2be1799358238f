"""Beam search finds what summing over all paths finds, and language models mend spelling and lost spaces."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from earshot.decoding.ctc import LogProbs, greedy, log_softmax
from earshot.decoding.fusion import Free, FusionOptions, make_fusion
from earshot.decoding.lexicon import OUTSIDE, Lexicon
from earshot.decoding.ngram_model import NgramModel
from earshot.decoding.ngram_text import letters_of, read_sentences
from earshot.decoding.ngram_training import train_ngrams
from earshot.decoding.prefix_search import EXHAUSTIVE, BeamOptions, Fusion, PrefixSearch
from earshot.text.error_rate import ErrorRate, character_error_rate, total

from .noisy import BLANK, noisy_posteriors, symbols_of

DOCS = Path(__file__).parents[2] / "docs"
LETTERS = symbols_of("abcdefghijklmnopqrstuvwxyz'")


def random_log_probs(seed: int, num_frames: int, num_tokens: int, scale: float = 2.0) -> LogProbs:
    logits = np.random.default_rng(seed).normal(0, scale, (num_frames, num_tokens))
    return log_softmax(logits)


def all_texts(log_probs: LogProbs) -> dict[tuple[int, ...], float]:
    """Every text and its log-probability, summed over all paths."""
    texts: dict[tuple[int, ...], float] = defaultdict(lambda: -math.inf)
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        text = tuple(token for token, _ in itertools.groupby(path) if token != BLANK)
        texts[text] = np.logaddexp(
            texts[text], sum(log_probs[frame, token] for frame, token in enumerate(path))
        )
    return texts


def wide(fusion: Fusion, log_probs: LogProbs) -> PrefixSearch:
    options = BeamOptions(100_000, EXHAUSTIVE.margin, EXHAUSTIVE.token_floor, EXHAUSTIVE.sure_blank)
    search = PrefixSearch(BLANK, fusion, options)
    search.accept(log_probs)
    return search


@pytest.mark.parametrize("seed", range(5))
def test_every_text_has_the_probability_of_all_its_paths(seed: int) -> None:
    log_probs = random_log_probs(seed, 6, 3)
    expected = all_texts(log_probs)
    found = wide(Free(), log_probs).found(10_000)
    assert {hypothesis.tokens for hypothesis in found} == set(expected)
    for hypothesis in found:
        assert hypothesis.log_prob == pytest.approx(expected[hypothesis.tokens])
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def spelled(tokens: tuple[int, ...], symbols: list[str]) -> list[str]:
    return "".join(symbols[token] for token in tokens).replace("|", " ").split()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("hot", [(), ("ba", "bb")])
def test_words_get_what_the_model_says_of_them(seed: int, hot: tuple[str, ...]) -> None:
    model = train_ngrams([["a", "b"], ["ab", "a"], ["ab", "ab", "b"], ["ba"]], 3)
    symbols = ["", "|", "a", "b"]
    options = FusionOptions(0.7, 0.5, 2.0, 0.25, 3.0)
    log_probs = random_log_probs(seed, 5, 4)
    found = wide(make_fusion(model, symbols, hot_words=hot, options=options), log_probs).found(10_000)
    texts = all_texts(log_probs)
    assert len(found) == len(texts)
    for hypothesis in found:
        words = spelled(hypothesis.tokens, symbols)
        (log_likely,) = model.sentence_log_probs([words])
        expected = texts[hypothesis.tokens] + 0.7 * log_likely.sum() + 0.5 * len(words)
        for word in words:
            if word in hot:
                expected += 3.0
            elif word not in model.numbers:
                known = max(
                    length
                    for length in range(len(word) + 1)
                    if any(other.startswith(word[:length]) for other in (*model.words[3:], *hot))
                )
                expected -= 2.0 + 0.25 * (len(word) - known)
        assert hypothesis.score == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_letters_get_what_the_model_says_of_them(seed: int) -> None:
    model = train_ngrams([letters_of(text.split()) for text in ("ab ba", "a ab", "b", "abba a a")], 3)
    symbols = ["", "|", "a", "b"]
    log_probs = random_log_probs(seed, 5, 4)
    found = wide(make_fusion(model, symbols, options=FusionOptions(0.7, 0.5)), log_probs).found(10_000)
    texts = all_texts(log_probs)
    for hypothesis in found:
        words = spelled(hypothesis.tokens, symbols)
        (log_likely,) = model.sentence_log_probs([letters_of(words)])
        expected = texts[hypothesis.tokens] + 0.7 * log_likely.sum() + 0.5 * max(0, len(words) - 1)
        assert hypothesis.score == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="hot words"):
        make_fusion(model, symbols, hot_words=["a"])


def test_pieces_of_words_are_words_again() -> None:
    model = train_ngrams([["the", "theatre"], ["the", "tree"]] * 3, 2)
    symbols = ["", "▁the", "at", "re", "▁t", "ree", "▁"]
    fusion = make_fusion(model, symbols)
    search = PrefixSearch(BLANK, fusion)
    frames = np.full((5, len(symbols)), -9.0)
    frames[[0, 1, 2, 3, 4], [1, 0, 4, 0, 5]] = -0.01
    search.accept(frames)
    (log_likely,) = model.sentence_log_probs([["the", "tree"]])
    best = search.found()[0]
    assert best.tokens == (1, 4, 5)
    assert best.score == pytest.approx(best.log_prob + 0.6 * log_likely.sum() + 2 * 1.0)


def test_a_closed_model_says_no_other_word() -> None:
    model = train_ngrams([["left", "right"], ["right"], ["left"]], 2)
    rng = np.random.default_rng(3)
    log_probs = noisy_posteriors("leift rght", LETTERS, rng, noise=1.0)
    fusion = make_fusion(model, LETTERS, options=FusionOptions(is_closed=True))
    search = PrefixSearch(BLANK, fusion, EXHAUSTIVE)
    search.accept(log_probs)
    assert spelled(search.found()[0].tokens, LETTERS) == ["left", "right"]


def test_hot_words_are_heard_with_no_model() -> None:
    rng = np.random.default_rng(1)
    log_probs = noisy_posteriors("call fark now", LETTERS, rng, noise=0.5)
    for hot_words, expected in (((), "fark"), (("mark",), "mark")):
        search = PrefixSearch(BLANK, make_fusion(None, LETTERS, hot_words=hot_words))
        search.accept(log_probs)
        assert spelled(search.found()[0].tokens, LETTERS)[1] == expected


def test_nothing_said_is_nothing_found() -> None:
    model = train_ngrams([["yes"]], 2)
    search = PrefixSearch(BLANK, make_fusion(model, LETTERS))
    search.accept(np.zeros((0, len(LETTERS))))
    assert search.found()[0].tokens == ()
    impossible = np.full((3, 3), -np.inf)
    search = PrefixSearch(BLANK, Free())
    search.accept(impossible)
    assert search.found() == []


def test_places_of_the_lexicon_know_their_best_word() -> None:
    lexicon = Lexicon(["tea", "ten", "in", "", "no9"], np.array([-2.0, -1.0, -5.0, 9.0, 9.0]), "aeint", -7.0)
    place = np.zeros(1, np.int64)
    found = []
    for letter in "ten":
        place = lexicon.step(place, np.array(["aeint".index(letter) + 1]))
        found.append(float(lexicon.best[place[0]]))
    assert found == [-1.0, -1.0, -1.0]
    assert lexicon.entries[place[0]] == 1
    assert lexicon.step(place, np.array([1])).tolist() == [OUTSIDE]
    assert lexicon.best[OUTSIDE] == -7.0
    assert len(Lexicon([], np.zeros(0), "ab", 0.0).entries) == 2


# --- What it is for ----------------------------------------------------------------------------------------


def decoded(fusion: Fusion, posteriors: list[LogProbs]) -> list[str]:
    texts = []
    for log_probs in posteriors:
        search = PrefixSearch(BLANK, fusion)
        search.accept(log_probs)
        texts.append(" ".join(spelled(search.found()[0].tokens, LETTERS)))
    return texts


def error_rate(references: list[str], texts: list[str]) -> ErrorRate:
    return total(character_error_rate(*pair) for pair in zip(references, texts, strict=True))


def compared(
    model: NgramModel, references: list[str], *, noise: float, lost_spaces: float
) -> tuple[ErrorRate, ErrorRate, list[str]]:
    """Character errors without and with the model, and the texts with it."""
    rng = np.random.default_rng(7)
    posteriors = [
        noisy_posteriors(text, LETTERS, rng, noise=noise, lost_spaces=lost_spaces) for text in references
    ]
    alone = [" ".join(spelled(tuple(span.token for span in greedy(one, BLANK)), LETTERS)) for one in posteriors]
    texts = decoded(make_fusion(model, LETTERS), posteriors)
    return error_rate(references, alone), error_rate(references, texts), texts


def plain(sentences: list[list[str]]) -> list[str]:
    texts = [" ".join(words) for words in sentences]
    return [text for text in texts if 20 < len(text) < 120 and set(text) <= {" ", *LETTERS[2:]}]


@pytest.mark.parametrize("by_letters", [False, True])
def test_a_language_model_mends_spelling_and_lost_spaces(by_letters: bool) -> None:
    """The documentation of Earshot but for each tenth sentence is the text; those sentences are heard badly."""
    sentences = list(read_sentences(sorted(DOCS.glob("*.md"))))
    texts = [letters_of(words) if by_letters else words for words in sentences]
    model = train_ngrams([words for number, words in enumerate(texts) if number % 10], 6 if by_letters else 3)
    alone, with_model, _ = compared(model, plain(sentences[::10])[:12], noise=1.0, lost_spaces=0.4)
    assert alone.rate is not None
    assert with_model.rate is not None
    assert alone.rate > 0.05
    assert with_model.rate < 0.8 * alone.rate


def test_words_run_together_are_parted() -> None:
    sentences = [["in", "a", "telescope", "it", "seems", "far"], ["it", "seems", "a", "telescope"]] * 2
    model = train_ngrams(sentences, 3)
    alone, _, texts = compared(model, ["it seems far in a telescope"] * 5, noise=0.5, lost_spaces=1.0)
    assert alone.num_errors > 15
    assert texts == ["it seems far in a telescope"] * 5


def test_a_book_mends_another_book(speech: Path) -> None:
    """The figure that stands in the documentation: letters wrong fall to a third at least."""
    books = [speech / "text" / f"{name}.en.txt" for name in ("great_expectations", "sherlock_holmes")]
    model = train_ngrams(read_sentences(books), 3)
    other = read_sentences([speech / "text" / "the_war_of_the_worlds.en.txt"])
    references = plain(list(itertools.islice(other, 40, 120)))[:12]
    alone, with_model, _ = compared(model, references, noise=1.5, lost_spaces=0.3)
    assert alone.rate is not None
    assert with_model.rate is not None
    assert with_model.rate < alone.rate / 3
