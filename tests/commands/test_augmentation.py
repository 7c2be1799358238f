from __future__ import annotations

import numpy as np
import pytest

from earshot.commands.augmentation import (
    COLOURS,
    at_shifts,
    change_pitch,
    change_volume,
    coloured_noise,
    mask_features,
    mixup,
    overlay,
    quiet_margins,
    random_shift,
    reverberate,
    shift,
    stretch,
)
from earshot.core.types import Samples


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def tone(frequency: float, num_samples: int = 16_000) -> Samples:
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(num_samples) / 16_000)).astype(np.float32)


def peak_frequency(samples: Samples) -> float:
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    return float(np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle)))))) * 16_000 / len(middle)


def test_volume_is_70_to_130_percent_and_sometimes_30_to_50(rng: np.random.Generator) -> None:
    factors = np.array([change_volume(np.ones(1, np.float32), rng)[0] for _ in range(2_000)])
    soft = factors < 0.6
    assert 0.05 < soft.mean() < 0.15
    assert factors[soft].min() >= 0.3
    assert factors[soft].max() <= 0.5
    assert factors[~soft].min() >= 0.7
    assert factors.max() <= 1.3


def test_a_shift_stays_within_the_quiet_margins(rng: np.random.Generator) -> None:
    samples = np.zeros(16_000, np.float32)
    samples[6_000:9_000] = tone(400, 3_000)
    before, after = quiet_margins(samples)
    assert 6_000 <= before < 6_050
    assert 6_900 < after <= 7_050
    energies = [np.square(random_shift(samples, rng)).sum() for _ in range(50)]
    assert np.allclose(energies, np.square(samples).sum(), rtol=0.02)
    assert len({int(np.argmax(np.abs(random_shift(samples, rng)))) for _ in range(20)}) > 5


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.4])
def test_stretching_keeps_the_pitch(speed: float) -> None:
    stretched = stretch(tone(500), speed)
    assert len(stretched) == round(16_000 / speed)
    assert abs(peak_frequency(stretched) - 500) < 5
    level = np.sqrt(np.mean(np.square(stretched[2_000:-2_000])))
    assert abs(level / (0.3 / np.sqrt(2)) - 1) < 0.15


def test_pitch_moves_by_semitones_and_length_stays() -> None:
    higher = change_pitch(tone(500), 12)
    assert len(higher) == 16_000
    assert abs(peak_frequency(higher) - 1_000) < 10
    assert abs(peak_frequency(change_pitch(tone(500), -12)) - 250) < 5


@pytest.mark.parametrize(("colour", "slope"), list(zip(COLOURS, (0.0, -3.0, -6.0, 3.0, 6.0), strict=True)))
def test_noise_has_the_slope_of_its_colour(colour: str, slope: float, rng: np.random.Generator) -> None:
    noise = coloured_noise(1 << 17, colour, rng)  # type: ignore[arg-type]
    assert abs(np.sqrt(np.mean(np.square(noise))) - 1) < 0.01
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [10 * np.log10(power[1 << k : 1 << (k + 1)].mean()) for k in range(8, 15)]
    assert abs(np.polyfit(range(len(octaves)), octaves, 1)[0] - slope) < 0.5


def test_unknown_colours_and_speeds_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="pink"):
        coloured_noise(10, "green", rng)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="positive"):
        stretch(tone(100), 0)


@pytest.mark.parametrize("decibels", [-5.0, 10.0])
def test_background_lies_at_the_asked_ratio(decibels: float, rng: np.random.Generator) -> None:
    clip, noise = tone(300), rng.standard_normal(7_000).astype(np.float32)
    added = overlay(clip, noise, decibels) - clip
    ratio = 10 * np.log10(np.mean(np.square(clip)) / np.mean(np.square(added)))
    assert abs(ratio - decibels) < 0.01
    assert np.array_equal(overlay(clip, np.zeros(5, np.float32), 3.0), clip)


def test_a_room_of_one_sample_changes_nothing_and_an_echo_is_heard() -> None:
    click = np.zeros(1_000, np.float32)
    click[100] = 1
    direct = np.zeros(600, np.float32)
    direct[50] = 1
    assert np.allclose(reverberate(click, direct), click, atol=1e-6)
    direct[350] = 0.5
    wet = reverberate(click, direct)
    assert wet[400] == pytest.approx(0.5 * wet[100], rel=1e-4)


def test_masks_cover_bands_and_frames_and_leave_the_rest(rng: np.random.Generator) -> None:
    features = rng.standard_normal((98, 40)).astype(np.float32)
    before = features.copy()
    masked = mask_features(features, rng, fill=99.0)
    changed = masked != features
    assert 0 < changed.mean() < 0.8
    assert (masked[changed] == 99).all()
    assert np.array_equal(before, features)


def test_mixup_mixes_targets_as_it_mixes_inputs(rng: np.random.Generator) -> None:
    targets = np.eye(6, dtype=np.float32)
    inputs, mixed = mixup(targets.copy(), targets, rng, alpha=1.0)
    assert np.allclose(inputs, mixed)
    assert np.allclose(mixed.sum(1), 1)


def test_test_time_shifts_go_both_ways() -> None:
    clip = tone(200, 100)
    earlier, same, later = at_shifts(clip, (-10, 0, 10))
    assert np.array_equal(same, clip)
    assert np.array_equal(earlier[:90], clip[10:])
    assert np.array_equal(later[10:], clip[:90])
    assert not earlier[90:].any()
    assert not later[:10].any()
    assert not shift(clip, 500).any()
