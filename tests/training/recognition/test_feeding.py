"""What goes into a net: changed by chance, but by the same chance at the same place of a run."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.core.errors import TrainingError
from earshot.corpora import read_manifest
from earshot.decoding.alphabet import Alphabet
from earshot.engines.ctc_front_ends import front_end_facts
from earshot.training.recognition.corpus import Side, load_corpus
from earshot.training.recognition.feeding import (
    Batch,
    Feed,
    LiveFeatures,
    StoredFeatures,
    feature_source,
    masked,
    statistics,
)
from earshot.training.recognition.options import AugmentationOptions, DataOptions, LearningOptions
from earshot.training.recognition.sounds import cached_sounds
from tests.training.recognition.tiny_language import LETTERS, sound_of, write_sound

FACTS = front_end_facts("mfcc")
PLAIN = AugmentationOptions(speeds=(1.0,), time_masks=0, band_masks=0)
CHANGING = AugmentationOptions(speeds=(0.9, 1.0, 1.1), volume_db=6)
LEARNING = LearningOptions(epochs=3, batch_seconds=8, seed=4)


def side_of(language: Path, cache: Path) -> Side:
    manifests = read_manifest(language / "train.jsonl"), read_manifest(language / "dev.jsonl")
    alphabet = Alphabet.of_letters(LETTERS)
    return load_corpus(manifests, DataOptions(), alphabet, cache, frames_of=lambda num: num // 640).train


@pytest.fixture(scope="module")
def side(language: Path, tmp_path_factory: pytest.TempPathFactory) -> Side:
    return side_of(language, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> AugmentationOptions:
    """Folders of noise and rooms."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    write_sound(folder / "noise/hiss.wav", (0.1 * rng.standard_normal(20_000)).astype(np.float32))
    echo = np.zeros(4_000, np.float32)
    echo[[0, 1_500, 3_500]] = 0.9, 0.5, 0.3
    write_sound(folder / "rooms/hall.wav", echo)
    return AugmentationOptions(
        noise=str(folder / "noise"), rooms=str(folder / "rooms"), noise_share=1, room_share=1
    )


def equal(one: Batch, other: Batch) -> bool:
    return (
        (one.epoch, one.number, one.num_batches) == (other.epoch, other.number, other.num_batches)
        and np.array_equal(one.indices, other.indices)
        and np.array_equal(one.features, other.features)
        and np.array_equal(one.targets, other.targets)
    )


def test_a_feed_begun_in_the_middle_goes_on_as_one_from_the_start(side: Side) -> None:
    source = LiveFeatures(side, FACTS, CHANGING)
    whole = list(itertools.islice(Feed(side, source, CHANGING, LEARNING), 30))
    for first in (1, 7, whole[0].num_batches, 20):
        feed = Feed(side, source, CHANGING, LEARNING)
        feed.start = (whole[first].epoch, whole[first].number)
        for found, wanted in zip(itertools.islice(feed, 5), whole[first:], strict=False):
            assert equal(found, wanted)


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 5])
def test_processes_share_an_epoch(side: Side, num_ranks: int) -> None:
    source = LiveFeatures(side, FACTS, PLAIN)
    counts: Counter[int] = Counter()
    steps = set()
    for rank in range(num_ranks):
        feed = Feed(side, source, PLAIN, LEARNING, rank=rank, num_ranks=num_ranks)
        for batch in feed:
            counts.update(batch.indices.tolist())
            if batch.is_last:
                steps.add(batch.num_batches)
                break
    assert len(steps) == 1, "a process would wait for the others for ever"
    assert counts == Counter(range(len(side)))


def test_the_first_epochs_hear_short_texts_alone(side: Side) -> None:
    learning = LearningOptions(epochs=3, batch_seconds=8, curriculum_epochs=1, curriculum_letters=10)
    feed = Feed(side, LiveFeatures(side, FACTS, PLAIN), PLAIN, learning)
    first, second = (
        {int(index) for planned in feed.plan(epoch) for index in planned.indices} for epoch in (0, 1)
    )
    assert first == {place for place, text in enumerate(side.texts) if len(text) < 10}
    assert 0 < len(first) < len(second) == len(side)


def test_noise_and_rooms_change_the_sound_by_the_place_in_the_run(
    side: Side, noisy: AugmentationOptions
) -> None:
    source = LiveFeatures(side, FACTS, noisy)
    clean = source.features(3)
    one, same, other = (source.features(3, 1.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert one.shape == clean.shape
    assert np.abs(one - clean).mean() > 0.05
    assert not np.array_equal(one, other)
    only_noise = LiveFeatures(side, FACTS, AugmentationOptions(noise=noisy.noise, noise_share=1))
    only_rooms = LiveFeatures(side, FACTS, AugmentationOptions(rooms=noisy.rooms, room_share=1))
    for changed in (only_noise, only_rooms):
        assert np.abs(changed.features(3, 1.0, np.random.default_rng(0)) - clean).mean() > 0.05


def test_speed_makes_it_shorter_or_longer(side: Side) -> None:
    source = LiveFeatures(side, FACTS, PLAIN)
    usual = len(source.features(0))
    assert len(source.features(0, 1.25)) == pytest.approx(usual / 1.25, abs=2)
    assert len(source.features(0, 0.8)) == pytest.approx(usual / 0.8, abs=2)


def test_stored_features_are_those_that_are_computed(side: Side, tmp_path: Path) -> None:
    stored = StoredFeatures(side, FACTS, (0.9, 1.0), tmp_path)
    live = LiveFeatures(side, FACTS, PLAIN)
    for index in (0, 5, len(side) - 1):
        for speed in (0.9, 1.0):
            found, wanted = stored.features(index, speed), live.features(index, speed)
            assert found.shape == wanted.shape
            assert np.allclose(found, wanted, rtol=2e-3, atol=2e-3)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    StoredFeatures(side, FACTS, (0.9, 1.0), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files, "computed again"


def test_sounds_are_changed_anew_where_the_front_end_is_fast(side: Side, tmp_path: Path) -> None:
    told: list[str] = []
    assert isinstance(feature_source(side, FACTS, CHANGING, tmp_path, tell=told.append), LiveFeatures)
    assert not told
    assert isinstance(feature_source(side, FACTS, PLAIN, tmp_path, tell=told.append), StoredFeatures)
    two = dataclasses.replace(
        side, utterances=side.utterances[:2], places=side.places[:2], targets=side.targets[:2]
    )
    options = AugmentationOptions(speeds=(1.0,), volume_db=6)
    slow = feature_source(two, front_end_facts("moonshine"), options, tmp_path, tell=told.append)
    assert isinstance(slow, StoredFeatures)
    assert "volume, noise and rooms are left out" in " ".join(told)
    assert slow.features(1).shape[1] == 288


def test_a_changed_recording_is_heard_anew(tmp_path: Path) -> None:
    for number in range(2):
        write_sound(tmp_path / f"{number}.wav", sound_of("mat", seed=number))
    (tmp_path / "one.jsonl").write_text(
        "".join(f'{{"audio": "{number}.wav", "duration": 0.4, "text": "mat"}}\n' for number in range(2))
    )
    manifest = read_manifest(tmp_path / "one.jsonl")

    def features() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        sounds = cached_sounds(manifest.utterances, tmp_path / "cache")
        side = Side(manifest.utterances, sounds, (0, 1), ((2,), (2,)))
        return StoredFeatures(side, FACTS, (1.0,), tmp_path / "cache").features(1)

    before = features()
    assert np.array_equal(features(), before)
    state = (tmp_path / "1.wav").stat()
    write_sound(tmp_path / "1.wav", sound_of("oka", seed=1)[: (state.st_size - 44) // 2])
    os.utime(tmp_path / "1.wav", ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))
    after = features()
    assert after.shape == before.shape
    assert np.abs(after - before).max() > 1


def test_a_damaged_cache_is_told(side: Side, language: Path, tmp_path: Path) -> None:
    utterances = read_manifest(language / "dev.jsonl").utterances
    cached_sounds(utterances, tmp_path)
    (data,) = tmp_path.glob("*.pcm")
    data.write_bytes(data.read_bytes()[:-2])
    with pytest.raises(TrainingError, match=r"was changed.*delete it"):
        cached_sounds(utterances, tmp_path)


@given(
    st.integers(1, 120),
    st.integers(1, 30),
    st.integers(0, 6),
    st.integers(0, 40),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_masks_cover_no_more_than_they_may(
    frames: int, bands: int, time_masks: int, max_frames: int, share: float, seed: int
) -> None:
    features = np.random.default_rng(9).standard_normal((frames, bands)).astype(np.float32)
    options = AugmentationOptions(
        time_masks=time_masks, max_frames=max_frames, max_share=share, band_masks=1, max_bands=5
    )
    before = features.copy()
    found = masked(features, options, np.random.default_rng(seed))
    assert np.array_equal(features, before), "what is kept on disk must stay"
    assert found.shape == features.shape
    changed = found != features
    bands_covered = changed.all(0)
    assert bands_covered.sum() <= 5 or frames == 1
    rows = changed[:, ~bands_covered].any(1) if not bands_covered.all() else np.zeros(frames, bool)
    assert rows.sum() <= int(share * frames)
    assert np.array_equal(found, masked(features, options, np.random.default_rng(seed)))


def test_masks_are_the_mean() -> None:
    features = np.random.default_rng(0).standard_normal((200, 20)).astype(np.float32)
    options = AugmentationOptions(time_masks=3, max_frames=20, band_masks=0)
    found = masked(features, options, np.random.default_rng(1))
    changed = (found != features).all(1)
    assert changed.any()
    assert np.allclose(found[changed], features.mean(0))


def test_statistics_are_those_of_the_features(side: Side) -> None:
    source = LiveFeatures(side, FACTS, PLAIN)
    everything = np.concatenate([source.features(index) for index in range(len(side))])
    mean, deviation = statistics(source, len(side))
    assert np.allclose(mean, everything.mean(0), atol=1e-3)
    assert np.allclose(deviation, everything.std(0), rtol=1e-3)


def test_folders_without_recordings_are_told(side: Side, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="holds no recordings"):
        LiveFeatures(side, FACTS, AugmentationOptions(noise=str(tmp_path)))
