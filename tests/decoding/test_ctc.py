from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.core.errors import EngineError
from earshot.decoding.ctc import LogProbs, TokenSpan, align, greedy, log_softmax, spell_words

BLANK = 0


def random_log_probs(seed: int, num_frames: int, num_tokens: int) -> LogProbs:
    return log_softmax(3 * np.random.default_rng(seed).standard_normal((num_frames, num_tokens)))


def peaky(path: list[int], num_tokens: int, probability: float = 0.9) -> LogProbs:
    """Log-probabilities that give each frame's token of ``path`` the same probability."""
    probs = np.full((len(path), num_tokens), (1 - probability) / (num_tokens - 1))
    probs[np.arange(len(path)), path] = probability
    return np.log(probs)


def collapse(path: tuple[int, ...]) -> list[int]:
    return [token for token, _ in itertools.groupby(path) if token != BLANK]


def score(log_probs: LogProbs, path: tuple[int, ...]) -> float:
    return float(sum(log_probs[frame, token] for frame, token in enumerate(path)))


def path_of(spans: list[TokenSpan], num_frames: int) -> tuple[int, ...]:
    path = [BLANK] * num_frames
    for span in spans:
        path[span.start : span.end] = [span.token] * (span.end - span.start)
    return tuple(path)


def test_repeats_merge_and_a_blank_keeps_two_tokens_apart() -> None:
    spans = greedy(peaky([0, 1, 1, 0, 1, 2, 2, 0], 3), BLANK)
    assert [(span.token, span.start, span.end) for span in spans] == [(1, 1, 3), (1, 4, 5), (2, 5, 7)]
    assert all(span.probability == pytest.approx(0.9) for span in spans)


def test_a_tokens_probability_is_the_geometric_mean_of_its_frames() -> None:
    log_probs = np.log(np.array([[0.1, 0.9], [0.6, 0.4], [0.2, 0.8]]))
    log_probs[1] = np.log([0.4, 0.6])
    assert greedy(log_probs, BLANK) == [TokenSpan(1, 0, 3, pytest.approx((0.9 * 0.6 * 0.8) ** (1 / 3)))]


def test_any_token_may_be_the_blank() -> None:
    spans = greedy(peaky([2, 0, 2, 1], 3), blank=2)
    assert [(span.token, span.start, span.end) for span in spans] == [(0, 1, 2), (1, 3, 4)]


@pytest.mark.parametrize("num_frames", [0, 1, 5])
def test_silence_decodes_to_nothing(num_frames: int) -> None:
    assert greedy(peaky([BLANK] * num_frames, 4), BLANK) == []


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(2, 6))
def test_greedy_follows_the_most_probable_path(seed: int, num_frames: int, num_tokens: int) -> None:
    log_probs = random_log_probs(seed, num_frames, num_tokens)
    spans = greedy(log_probs, BLANK)
    best = tuple(int(token) for token in log_probs.argmax(axis=1))
    assert [span.token for span in spans] == collapse(best)
    assert path_of(spans, num_frames) == best


@given(st.data())
def test_alignment_is_the_best_of_all_paths_that_spell_the_text(data: st.DataObject) -> None:
    num_frames, num_tokens = data.draw(st.integers(1, 6)), data.draw(st.integers(2, 4))
    tokens = data.draw(st.lists(st.integers(1, num_tokens - 1), min_size=1, max_size=4))
    log_probs = random_log_probs(data.draw(st.integers(0, 2**32)), num_frames, num_tokens)
    paths = [p for p in itertools.product(range(num_tokens), repeat=num_frames) if collapse(p) == tokens]
    if not paths:
        with pytest.raises(EngineError, match="frames"):
            align(log_probs, tokens, BLANK)
        return
    spans = align(log_probs, tokens, BLANK)
    path = path_of(spans, num_frames)
    assert collapse(path) == tokens
    assert score(log_probs, path) == pytest.approx(max(score(log_probs, p) for p in paths))
    assert [span.token for span in spans] == tokens
    for span in spans:
        posteriors = np.exp(log_probs[span.start : span.end, span.token])
        assert span.probability == pytest.approx(math.prod(posteriors) ** (1 / len(posteriors)))


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(2, 8))
def test_what_greedy_hears_aligns_where_greedy_heard_it(seed: int, num_frames: int, num_tokens: int) -> None:
    log_probs = random_log_probs(seed, num_frames, num_tokens)
    heard = greedy(log_probs, BLANK)
    assert align(log_probs, [span.token for span in heard], BLANK) == heard


def test_single_precision_nets_align_too() -> None:
    log_probs = random_log_probs(1, 40, 6).astype(np.float32)
    assert align(log_probs, [1, 2, 3], BLANK)[0].token == 1


def test_text_longer_than_its_audio_is_refused() -> None:
    with pytest.raises(EngineError, match="4 tokens need 5 frames of audio, and there are 4"):
        align(peaky([1, 1, 2, 3], 4), [1, 1, 2, 3], BLANK)


def test_impossible_text_is_refused() -> None:
    log_probs = np.log(peaky([1, 1, 1, 1], 3) * 0 + [0.5, 0.5, 1e-300])
    log_probs[:, 2] = -np.inf
    with pytest.raises(EngineError, match="spells"):
        align(log_probs, [1, 2], BLANK)


def test_nothing_aligns_to_nothing() -> None:
    assert align(peaky([1, 1], 3), [], BLANK) == []


@pytest.mark.parametrize("tokens", [[BLANK], [3], [-1]])
def test_tokens_out_of_range_are_refused(tokens: list[int]) -> None:
    with pytest.raises(ValueError, match="tokens to align"):
        align(peaky([1, 1], 3), tokens, BLANK)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        greedy(np.zeros(3), BLANK)
    with pytest.raises(ValueError, match="blank"):
        greedy(np.zeros((2, 3)), 3)


def test_log_softmax_is_normal_however_large_the_logits() -> None:
    log_probs = log_softmax(np.array([[1e4, 0.0, -1e4], [1.0, 1.0, 1.0]], np.float32))
    assert np.exp(log_probs).sum(axis=1) == pytest.approx([1, 1])
    assert log_probs.dtype == np.float32


def test_letters_become_words_with_times_and_confidence() -> None:
    symbols = ["", "|", "a", "b"]
    spans = [TokenSpan(2, 1, 2, 0.9), TokenSpan(3, 4, 6, 0.4), TokenSpan(1, 6, 7, 1.0), TokenSpan(2, 8, 9, 0.5)]
    first, second = spell_words(spans, symbols, frame_shift=320, offset=16_000)
    assert (first.text, first.start, first.end) == ("ab", 1.02, 1.12)
    assert first.confidence == pytest.approx(0.6)
    assert first.time_source == "engine"
    assert (second.text, second.start, second.end, second.confidence) == ("a", 1.16, 1.18, 0.5)


def test_pieces_become_words() -> None:
    symbols = ["", "▁he", "llo", "▁", "wor", "ld"]
    spans = [TokenSpan(token, frame, frame + 1, 1.0) for frame, token in enumerate([1, 2, 3, 4, 5])]
    assert [word.text for word in spell_words(spans, symbols, frame_shift=320)] == ["hello", "world"]


def test_delimiters_and_silent_tokens_alone_are_no_words() -> None:
    spans = [TokenSpan(1, 0, 1, 1.0), TokenSpan(2, 1, 2, 1.0), TokenSpan(1, 2, 3, 1.0)]
    assert spell_words(spans, ["", "|", ""], frame_shift=320) == ()


def test_an_improbable_token_is_no_error() -> None:
    (word,) = spell_words([TokenSpan(1, 0, 1, 0.0)], ["", "a"], frame_shift=320)
    assert word.confidence == 0.0


def test_speed_of_alignment() -> None:
    log_probs = random_log_probs(0, 1_500, 32)  # 30 s of wav2vec 2.0
    tokens = [int(token) for token in np.random.default_rng(0).integers(1, 32, 450)]
    started = time.perf_counter()
    spans = align(log_probs, tokens, BLANK)
    aligned = time.perf_counter()
    greedy(log_probs, BLANK)
    decoded = time.perf_counter()
    assert len(spans) == 450
    print(
        f"1500 frames: align to 450 tokens {(aligned - started) / 1_500 * 1e6:.1f} µs a frame, "
        f"greedy {(decoded - aligned) / 1_500 * 1e6:.1f} µs a frame"
    )
