"""Who is it? Scores, thresholds, the classic recipe, clusters, and strangers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.core.errors import SpeakerError
from earshot.core.types import Samples
from earshot.speakers.identification import (
    MfccSvm,
    VoiceIdentifier,
    cluster_accuracy,
    kmeans,
    open_set_threshold,
)
from earshot.speakers.scoring import Trials, all_trials, equal_error, threshold_for
from earshot.speakers.types import Vectors


def voices(num_voices: int, num_clips: int, spread: float, seed: int = 0) -> tuple[Vectors, list[str]]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(num_voices, 64))
    vectors = np.repeat(centres, num_clips, axis=0) + spread * rng.normal(size=(num_voices * num_clips, 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), [f"V{i // num_clips}" for i in range(num_voices * num_clips)]


def trials_of(same: list[float], other: list[float]) -> Trials:
    cosines = np.array(same + other)
    is_same = np.arange(len(cosines)) < len(same)
    numbers = np.arange(len(cosines)) % 7
    return Trials(cosines, is_same, numbers, np.where(is_same, numbers, numbers + 1))


def test_voices_that_lie_apart_are_told_without_error() -> None:
    vectors, names = voices(8, 4, spread=0.2)
    result = equal_error(all_trials(vectors, names))
    assert result.rate == 0
    assert result.low == result.high == 0
    assert result.num_same == 8 * 6
    assert result.num_other == 32 * 31 // 2 - 48


def test_the_rate_of_a_known_case() -> None:
    # One of four is on the wrong side either way.
    result = equal_error(trials_of([0.9, 0.8, 0.7, 0.2], [0.6, 0.1, 0.05, 0.0]))
    assert result.rate == pytest.approx(0.25)
    assert 0.2 <= result.threshold <= 0.7


def test_chance_is_a_half_and_the_interval_holds_the_rate() -> None:
    vectors, names = voices(30, 4, spread=50.0)
    result = equal_error(all_trials(vectors, names))
    assert result.low is not None
    assert result.high is not None
    assert result.low <= result.rate <= result.high
    assert result.low < 0.5 < result.high + 0.05


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.lists(st.floats(-1, 1), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_scores_give_a_rate_and_swapping_them_its_complement(same: list[float], other: list[float]) -> None:
    rate = equal_error(trials_of(same, other)).rate
    assert 0 <= rate <= 1
    shifted = equal_error(trials_of([s + 5 for s in same], other)).rate
    assert shifted == 0


def test_pairs_of_both_kinds_are_needed() -> None:
    with pytest.raises(SpeakerError):
        equal_error(trials_of([0.5], []))
    with pytest.raises(SpeakerError):
        threshold_for(trials_of([], [0.5]), false_alarms=0.1)


def test_a_threshold_keeps_its_promise() -> None:
    vectors, names = voices(40, 3, spread=1.2)
    trials = all_trials(vectors, names)
    threshold, misses = threshold_for(trials, false_alarms=0.01)
    other = trials.cosines[~trials.is_same]
    assert np.mean(other >= threshold) <= 0.01
    assert np.mean(other >= threshold - 0.05) > 0.01
    assert misses == pytest.approx(np.mean(trials.cosines[trials.is_same] < threshold))


def test_strangers_stay_strangers() -> None:
    vectors, names = voices(10, 6, spread=0.5)
    known = VoiceIdentifier.enrol(vectors[:18], names[:18])
    scores = np.array([found.score for found in known.identify(vectors[18:])])
    own = np.array([found.score for found in known.identify(vectors[:18])])
    threshold, missed = open_set_threshold(own, scores, false_accepts=0.0)
    assert missed == 0
    known.threshold = threshold
    assert {found.name for found in known.identify(vectors[18:])} == {None}
    assert [found.name for found in known.identify(vectors[:18])] == names[:18]


def test_the_nearest_is_named_even_for_a_stranger() -> None:
    vectors, names = voices(4, 2, spread=0.1)
    known = VoiceIdentifier.enrol(vectors[:4], names[:4], threshold=0.99)
    found = known.identify(vectors[6:])[0]
    assert found.name is None
    assert found.nearest in {"V0", "V1"}


def test_nobody_known_is_an_error() -> None:
    with pytest.raises(SpeakerError, match="enrol"):
        VoiceIdentifier({}, threshold=0.5)


def test_clusters_of_voices_that_lie_apart() -> None:
    vectors, names = voices(5, 6, spread=0.3)
    labels = kmeans(vectors, 5)
    assert cluster_accuracy(labels, names) == 1
    assert np.array_equal(labels, kmeans(vectors, 5))


def test_clusters_of_equal_vectors_and_of_too_few() -> None:
    same = np.ones((4, 3), np.float32)
    assert len(kmeans(same, 3)) == 4
    with pytest.raises(SpeakerError):
        kmeans(same, 5)


def test_accuracy_counts_what_lies_in_the_wrong_cluster() -> None:
    assert cluster_accuracy([1, 1, 0, 0], ["a", "a", "b", "a"]) == pytest.approx(0.75)


def hum(frequency: float, seconds: float, seed: int) -> Samples:
    """A buzz with formants of its own: enough of a voice for cepstra."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(seconds * 16_000)) / 16_000
    pitch = frequency * (1 + 0.03 * np.sin(2 * np.pi * 3 * times + rng.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    tones = [np.exp(-(((k * frequency - 9 * frequency) / 900) ** 2)) * np.sin(k * phase) for k in range(1, 20)]
    sound = np.sum(tones, axis=0) + 0.02 * rng.normal(size=len(times))
    return np.asarray(0.1 * sound, np.float32)


def classifier() -> MfccSvm:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        pytest.skip("scikit-learn is not installed: pip install 'earshot[voices]'")
    return MfccSvm()


def test_cepstra_and_a_support_vector_machine_tell_three_voices() -> None:
    pitches = {"low": 100.0, "middle": 150.0, "high": 220.0}
    recipe = classifier().fit([hum(p, 4, 1) for p in pitches.values()], list(pitches))
    assert recipe.predict([hum(p, 3, 2) for p in pitches.values()]) == tuple(pitches)
    assert recipe.vectors([hum(p, 3, 2) for p in pitches.values()]).shape == (3, 76)


def test_the_recipe_wants_two_voices_and_clips() -> None:
    recipe = classifier()
    with pytest.raises(SpeakerError, match="fit"):
        recipe.predict([hum(100, 1, 0)])
    with pytest.raises(SpeakerError, match="two voices"):
        recipe.fit([hum(100, 1, 0)], ["one"])
    with pytest.raises(SpeakerError, match="too short"):
        recipe.fit([hum(100, 1, 0), hum(200, 0.01, 0)], ["one", "two"])
