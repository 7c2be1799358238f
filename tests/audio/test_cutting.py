from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.audio.cutting import CutOptions, SpeechCutter, SpeechRegion, cut_speech
from earshot.audio.decode import read_audio
from earshot.audio.vad import FRAME
from earshot.core.errors import AudioError
from earshot.core.types import Audio, Samples
from tests.conftest import Clip


def blocks_of(samples: Samples, size: int) -> list[Samples]:
    return [samples[start : start + size] for start in range(0, len(samples), size)]


def cut_frames(
    probabilities: list[float], max_duration: float, options: CutOptions, *, tail: int = 0, group: int = 7
) -> tuple[list[SpeechRegion], Samples]:
    """Regions of a stream with these probabilities, and the stream. tail: samples of the last frame."""
    rng = np.random.default_rng(len(probabilities))
    samples = rng.uniform(-0.5, 0.5, len(probabilities) * FRAME).astype(np.float32)
    known = np.array(probabilities, np.float32)
    rest = known[:0]
    if tail and len(known):
        samples, known, rest = samples[: len(samples) - FRAME + tail], known[:-1], known[-1:]
    cutter = SpeechCutter(max_duration, options)
    regions: list[SpeechRegion] = []
    for start in range(0, len(known), group):
        end = len(known) if start + group >= len(known) else start + group
        last = len(samples) if end == len(known) else end * FRAME
        regions += cutter.accept(samples[start * FRAME : last], known[start:end])
    if not len(known):
        regions += cutter.accept(samples, known)
    regions += cutter.finish(rest)
    return regions, samples


# Runs of speech, doubt and silence, as they come in real streams, rather than independent frames.
probability_runs = st.lists(
    st.tuples(st.sampled_from([0.0, 0.05, 0.25, 0.3, 0.5, 0.95]), st.integers(1, 60)), max_size=25
).map(lambda runs: [probability for probability, length in runs for _ in range(length)])
cut_options = st.builds(
    lambda threshold, ratio, silence, speech, padding, gap, target: CutOptions(
        threshold, threshold * ratio, silence, speech, padding, gap, target
    ),
    st.sampled_from([0.2, 0.4, 0.6]),
    st.sampled_from([0.3, 0.5, 1.0]),
    st.sampled_from([0.0, 0.1, 0.3, 1.0]),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([0.0, 0.05, 0.25, 3.0]),
    st.sampled_from([0.0, 0.3, 0.6, 2.0]),
    st.sampled_from([None, 0.5, 2.0, 5.0]),
)


class TestInvariants:
    @settings(max_examples=300, deadline=None)
    @given(probability_runs, st.sampled_from([1.0, 1.5, 3.3, 10.0]), cut_options, st.integers(0, FRAME - 1))
    def test_regions_are_true_pieces_that_never_overlap(
        self, probabilities: list[float], max_duration: float, options: CutOptions, tail: int
    ) -> None:
        regions, samples = cut_frames(probabilities, max_duration, options, tail=tail)
        for region in regions:
            assert 0 < region.duration <= max_duration
            np.testing.assert_array_equal(region.samples, samples[region.start : region.end])
            assert len(region.probabilities) == -(-len(region.samples) // FRAME)
            first = region.start // FRAME
            expected = np.array(probabilities[first : first + len(region.probabilities)], np.float32)
            np.testing.assert_array_equal(region.probabilities, expected)
        for before, after in itertools.pairwise(regions):
            assert before.end <= after.start

    @settings(max_examples=300, deadline=None)
    @given(probability_runs, st.sampled_from([1.0, 1.5, 3.3, 10.0]), cut_options)
    def test_no_speech_is_lost(
        self, probabilities: list[float], max_duration: float, options: CutOptions
    ) -> None:
        lenient = CutOptions(**{**_fields(options), "min_speech": 0.0})
        regions, _ = cut_frames(probabilities, max_duration, lenient)
        kept = np.zeros(len(probabilities), bool)
        for region in regions:
            kept[region.start // FRAME : -(-region.end // FRAME)] = True
        speech = np.array(probabilities) >= options.threshold
        assert kept[speech].all()

    @settings(max_examples=100, deadline=None)
    @given(probability_runs, st.sampled_from([1.0, 3.3, 10.0]), cut_options, st.integers(1, 200))
    def test_grouping_changes_nothing(
        self, probabilities: list[float], max_duration: float, options: CutOptions, group: int
    ) -> None:
        one, _ = cut_frames(probabilities, max_duration, options, group=1)
        other, _ = cut_frames(probabilities, max_duration, options, group=group)
        assert [(r.start, r.end) for r in one] == [(r.start, r.end) for r in other]


def _fields(options: CutOptions) -> dict[str, float | None]:
    return {name: getattr(options, name) for name in CutOptions.__slots__}


def seconds(*runs: tuple[float, float]) -> list[float]:
    """Frames from (probability, seconds)."""
    return [p for p, duration in runs for _ in range(round(duration * 16_000 / FRAME))]


class TestRules:
    def test_silence_holds_no_speech(self) -> None:
        assert cut_frames(seconds((0.01, 20)), 10, CutOptions())[0] == []

    def test_speech_is_padded_on_both_sides(self) -> None:
        (region,), _ = cut_frames(seconds((0, 2), (0.9, 1), (0, 2)), 10, CutOptions(padding=0.25))
        assert region.start / 16_000 == pytest.approx(1.75, abs=0.05)
        assert region.end / 16_000 == pytest.approx(3.25, abs=0.08)

    def test_doubt_prolongs_speech_but_does_not_begin_it(self) -> None:
        options = CutOptions(threshold=0.5, end_threshold=0.2, padding=0, join_gap=0)
        (region,), _ = cut_frames(seconds((0.3, 2), (0.9, 1), (0.3, 1), (0, 2)), 10, options)
        assert region.start / 16_000 == pytest.approx(2, abs=0.05)
        assert region.duration == pytest.approx(2, abs=0.05)

    def test_near_neighbours_join_and_keep_their_silence(self) -> None:
        runs = seconds((0, 1), (0.9, 1), (0, 0.5), (0.9, 1), (0, 2))
        (region,), samples = cut_frames(runs, 10, CutOptions(join_gap=0.6))
        assert region.duration > 2.4
        np.testing.assert_array_equal(region.samples, samples[region.start : region.end])

    def test_far_neighbours_stay_apart(self) -> None:
        runs = seconds((0, 1), (0.9, 1), (0, 1.5), (0.9, 1), (0, 2))
        assert len(cut_frames(runs, 10, CutOptions(join_gap=0.6))[0]) == 2

    def test_a_blip_is_no_speech(self) -> None:
        runs = seconds((0, 1), (0.9, 0.07), (0, 2))
        assert cut_frames(runs, 10, CutOptions(min_speech=0.1))[0] == []
        assert len(cut_frames(runs, 10, CutOptions(min_speech=0))[0]) == 1

    def test_packing_closes_at_the_last_pause_before_the_target(self) -> None:
        runs = seconds(*[(0.9, 1.5), (0, 0.4)] * 6, (0, 2))
        regions, _ = cut_frames(runs, 20, CutOptions(target_duration=5))
        assert [len(r.samples) // 16_000 for r in regions] == [3, 3, 3]
        assert all(r.duration <= 5 for r in regions)

    def test_long_speech_is_cut_where_it_is_quietest(self) -> None:
        rng = np.random.default_rng(1)
        samples = rng.uniform(-0.3, 0.3, 20 * 16_000).astype(np.float32)
        samples[int(7.4 * 16_000) : int(7.6 * 16_000)] *= 0.01
        cutter = SpeechCutter(10)
        known = np.full(len(samples) // FRAME, 0.9, np.float32)
        first = [*cutter.accept(samples, known), *cutter.finish(known[:0])][0]
        assert 7.4 <= first.end / 16_000 <= 7.6

    def test_the_end_of_a_cut_word_is_kept_however_short(self) -> None:
        options = CutOptions(min_speech=0.5, padding=0)
        regions, _ = cut_frames([0.9] * 35 + [0.0] * 100, 1.0, options)
        assert regions[0].end == regions[1].start
        assert regions[-1].end >= 35 * FRAME

    @pytest.mark.parametrize("duration", [0, 0.9, -1, float("nan"), float("inf")])
    def test_impossible_lengths_are_refused(self, duration: float) -> None:
        with pytest.raises(AudioError):
            list(cut_speech([], max_duration=duration))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"threshold": 1.1},
            {"end_threshold": 0.9},
            {"padding": -1},
            {"target_duration": 0},
            {"join_gap": np.nan},
        ],
    )
    def test_impossible_options_are_refused(self, wrong: dict[str, float]) -> None:
        with pytest.raises(AudioError):
            CutOptions(**wrong)


class TestRealSpeech:
    def test_block_sizes_change_nothing(self, sample: Audio) -> None:
        cuts = [
            [(r.start, r.end, r.speech_probability) for r in cut_speech(blocks, max_duration=3)]
            for blocks in (
                [sample.samples],
                blocks_of(sample.samples, 16_000),
                blocks_of(sample.samples, 517),
                [sample.samples[:0], *blocks_of(sample.samples, 4_001)],
            )
        ]
        assert cuts[0]
        assert all(cut == cuts[0] for cut in cuts)

    def test_speech_between_silences_is_found_at_its_place(self, sample: Audio) -> None:
        silence = np.zeros(3 * 16_000, np.float32)
        speech = sample.samples[16_000 : 5 * 16_000]
        regions = list(cut_speech([silence, speech, silence, speech, silence], max_duration=30))
        assert len(regions) == 2
        assert regions[0].start / 16_000 == pytest.approx(3, abs=0.4)
        assert regions[1].start / 16_000 == pytest.approx(10, abs=0.4)
        assert all(r.speech_probability > 0.5 for r in regions)

    def test_nothing_gives_nothing(self) -> None:
        assert list(cut_speech([], max_duration=10)) == []
        assert list(cut_speech([np.zeros(0, np.float32)], max_duration=10)) == []
        assert list(cut_speech([np.zeros(100, np.float32)], max_duration=10)) == []

    @pytest.mark.slow
    def test_no_loud_frame_of_read_speech_is_lost(self, librispeech: list[Clip]) -> None:
        lost = total = 0
        for clip in librispeech[::5]:
            audio = read_audio(clip.path)
            kept = np.zeros(len(audio.samples), bool)
            for region in cut_speech([audio.samples], max_duration=15):
                kept[region.start : region.end] = True
            loud = _loud(audio.samples)
            lost += int(np.count_nonzero(loud & ~kept[: len(loud)]))
            total += int(np.count_nonzero(loud))
        assert lost / total < 0.0005

    @pytest.mark.slow
    def test_most_noises_are_no_speech(self, speech: object) -> None:
        from pathlib import Path

        paths = sorted((Path(str(speech)) / "noise").rglob("*.opus"))
        heard = 0.0
        for path in paths:
            heard += sum(r.duration for r in cut_speech([read_audio(path).samples], max_duration=15))
        assert heard < 0.05 * sum(read_audio(path).duration for path in paths)


def _loud(samples: Samples) -> np.ndarray:
    """Samples whose surroundings of 50 ms are within 26 dB of the loudest twentieth."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    level = np.convolve(np.sqrt(np.mean(frames**2, axis=1)), np.full(5, 0.2), "same")
    return np.repeat(level > np.quantile(level, 0.95) * 10 ** (-26 / 20), 160)
