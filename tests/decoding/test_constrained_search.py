"""Search held to a grammar, against counting out every possibility."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.decoding.automaton import DEAD, Automaton
from earshot.decoding.beam import Beam, Found
from earshot.decoding.constraint import TokenConstraint, Vocabulary, spelling
from earshot.decoding.ctc import log_softmax
from earshot.decoding.ctc_beam import search_ctc
from earshot.decoding.network import Network, spoken

END = 0
PIECES = ["", " ab", " a", "b", " b", "a", "bb", " B", ",", " AB", "-a", "aa"]
SENTENCES = ["ab", "a b", "a bb", "b a", "bb aa"]


def automaton(sentences: list[str], *, wildcard_after: str | None = None) -> Automaton:
    network = Network()
    for sentence in sentences:
        network.gap(network.spell(network.start, sentence), network.final)
    if wildcard_after is not None:
        at, behind = network.spell(network.start, wildcard_after + " "), network.state()
        network.wildcard(at, behind)
        network.gap(behind, network.final)
    return Automaton(network)


def constraint(sentences: list[str]) -> TokenConstraint:
    return TokenConstraint(automaton(sentences), Vocabulary(PIECES))


def spellings(held: TokenConstraint, limit: int) -> dict[str, list[tuple[int, ...]]]:
    """Every way to write every sentence in up to ``limit`` tokens, by the plain rule and not by the search."""
    ways: dict[str, list[tuple[int, ...]]] = {}
    wanted = {spoken(sentence) for sentence in SENTENCES}
    for length in range(1, limit + 1):
        for tokens in itertools.product(range(1, len(PIECES)), repeat=length):
            written = "".join(PIECES[token] for token in tokens)
            if ",," in written or written.startswith(",") or " ," in written or "-," in written:
                continue
            text = written.replace(",", "").replace("-", " ").lower()
            if text in wanted:
                ways.setdefault(text, []).append(tokens)
    return ways


def test_the_tokens_that_may_follow_are_those_that_spell_a_sentence() -> None:
    held = constraint(SENTENCES)
    reached: dict[str, list[tuple[int, ...]]] = {}
    waiting: list[tuple[tuple[int, ...], int]] = [((), held.start)]
    while waiting:
        tokens, state = waiting.pop()
        if held.is_accepting(state):
            reached.setdefault(held.spelled(tokens), []).append(tokens)
        if len(tokens) < 4:
            waiting += [((*tokens, t), held.advance(state, t)) for t in held.options(state).tolist()]
    expected = spellings(held, 4)
    assert {text: sorted(ways) for text, ways in reached.items()} == {t: sorted(w) for t, w in expected.items()}


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_wide_beam_sums_the_spellings_of_the_best_sentence(seed: int) -> None:
    """The made-up decoder's logits depend on the text so far alone, so all spellings can be counted out."""
    pieces = [piece.replace(",", "") for piece in PIECES]
    held = TokenConstraint(automaton(SENTENCES), Vocabulary(pieces))
    beam = Beam(held, width=200, end=END, control=1, max_tokens=9)
    while not beam.is_done:
        beam.extend(np.stack([made_up_logits(seed, text) for text in beam.texts]))
    expected: dict[str, float] = {}
    waiting: list[tuple[tuple[int, ...], int, float]] = [((), held.start, 0.0)]
    while waiting:
        tokens, state, score = waiting.pop()
        scores = log_softmax(made_up_logits(seed, held.spelled(tokens)))
        if held.is_accepting(state):
            text = held.spelled(tokens)
            expected[text] = float(np.logaddexp(expected.get(text, -np.inf), score + scores[END]))
        waiting += [
            ((*tokens, token), held.advance(state, token), score + float(scores[token]))
            for token in held.options(state).tolist()
        ]
    found = beam.found()[0]
    # Spellings that cannot win any more are left out of the sum; together they are less than the rest.
    assert expected[found.text] - math.log(2) <= found.log_prob <= expected[found.text] + 1e-3
    assert expected[found.text] >= max(expected.values()) - math.log(2)


def made_up_logits(seed: int, text: str) -> np.ndarray:
    random = np.random.default_rng([seed, *text.encode()])
    return random.normal(0, 1.5, len(PIECES)).astype(np.float32)


def test_free_decoding_is_the_same_search_without_a_constraint() -> None:
    table = np.full((len(PIECES), len(PIECES)), -5, np.float32)
    table[END, 5] = table[5, 3] = table[3, END] = 5
    beam = Beam(None, width=2, end=END, control=1, max_tokens=6)
    while not beam.is_done:
        beam.extend(np.stack([table[token or END] for token in beam.last_tokens]))
    assert beam.found()[0].tokens == (5, 3)


def test_nothing_is_found_when_the_sentence_is_longer_than_the_sound_allows() -> None:
    beam = Beam(constraint(["bb aa"]), width=4, end=END, control=1, max_tokens=1)
    while not beam.is_done:
        beam.extend(np.zeros((len(beam.last_tokens), len(PIECES)), np.float32))
    assert beam.found() == []


def test_wildcards_take_any_token_and_still_come_back() -> None:
    network_pieces = ["", " go", " to", " x", "y", ",", "!", "<<ST_1>>", "  ", " -"]
    held = TokenConstraint(automaton([], wildcard_after="go"), Vocabulary(network_pieces))
    state = held.advance(held.start, 1)
    assert held.options(held.start).tolist() == [1]
    assert not held.is_accepting(state)
    assert held.is_accepting(held.advance(state, 2))
    after = held.advance(state, 3)
    assert set(held.options(after).tolist()) == {1, 2, 3, 4, 5, 6}
    marked = held.advance(after, 5)
    assert 6 not in held.options(marked).tolist()
    assert held.advance(marked, 6) == DEAD


@pytest.mark.parametrize(
    ("piece", "spelled"),
    [
        ("▁Turn", " turn"),
        ("-", " "),
        ("é", "é"),
        ("e\u0301", "é"),
        ("▁▁", ""),
        ("{", ""),
        ("%", "%"),
        ("", ""),
    ],
)
def test_tokens_are_spelled_as_the_automaton_spells(piece: str, spelled: str) -> None:
    assert spelling(piece) == spelled


# --- CTC ---------------------------------------------------------------------------------------------------

LETTERS = ["", " ", "a", "b"]


def ctc_probabilities(log_probs: np.ndarray, *, delimiter: int | None) -> dict[str, float]:
    """The probability of every text, summed over all paths."""
    totals: dict[str, float] = {}
    for path in itertools.product(range(len(LETTERS)), repeat=len(log_probs)):
        tokens = [token for token, _ in itertools.groupby(path) if token]
        text = "".join(LETTERS[token] for token in tokens)
        if delimiter is not None:
            text = " " + text.removesuffix(" ")
        score = float(sum(log_probs[frame, token] for frame, token in enumerate(path)))
        totals[text] = float(np.logaddexp(totals.get(text, -np.inf), score))
    return totals


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), letters=st.booleans())
def test_ctc_finds_the_exact_probability_of_every_sentence(seed: int, letters: bool) -> None:
    log_probs = log_softmax(np.random.default_rng(seed).normal(0, 2, (5, len(LETTERS))))
    sentences = ["ab", "a b", "b", "ba", "bb"]
    held = TokenConstraint(automaton(sentences), Vocabulary(LETTERS))
    delimiter = 1 if letters else None
    found = search_ctc(log_probs, 0, held, width=100, delimiter=delimiter)
    expected = ctc_probabilities(log_probs, delimiter=delimiter)
    for sentence in sentences:
        mine = [one.log_prob for one in found if one.text == spoken(sentence)]
        if spoken(sentence) in expected:
            assert mine == [pytest.approx(expected[spoken(sentence)])]
    assert found == sorted(found, key=lambda one: -one.log_prob)


def test_ctc_sums_all_paths_of_what_a_wildcard_takes() -> None:
    log_probs = log_softmax(np.random.default_rng(5).normal(0, 2, (6, len(LETTERS))))
    held = TokenConstraint(automaton(["b"], wildcard_after="a"), Vocabulary(LETTERS))
    found = search_ctc(log_probs, 0, held, width=5_000, delimiter=1)
    expected = ctc_probabilities(log_probs, delimiter=1)
    assert len(found) > 10
    for one in found:
        assert one.log_prob == pytest.approx(expected[one.text])


def test_ctc_says_nothing_where_no_sentence_fits() -> None:
    held = TokenConstraint(automaton(["abab"]), Vocabulary(LETTERS))
    assert search_ctc(np.log(np.full((3, 4), 0.25)), 0, held, width=4, delimiter=1) == []
    empty: list[Found] = search_ctc(np.zeros((0, 4)), 0, held, width=4, delimiter=1)
    assert empty == []
