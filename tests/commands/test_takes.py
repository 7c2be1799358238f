from __future__ import annotations

import numpy as np
import pytest

from earshot.commands.takes import check_take
from earshot.commands.trimming import trim
from earshot.core.errors import AudioError
from tests.commands.conftest import FIRST, piece, takes


def noisy(samples: np.ndarray, decibels: float) -> np.ndarray:
    padded = np.pad(samples, 6_400)
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-decibels / 20)
    return (padded + level * np.random.default_rng(0).standard_normal(len(padded))).astype(np.float32)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0, np.float32), "too short"),
        (0.1 * np.ones(1_500, np.float32), "too short"),
        (0.1 * np.ones(170_000, np.float32), "too long"),
        (np.zeros(16_000, np.float32), "digital silence"),
        (1e-4 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32), "silent"),
        (np.full(16_000, np.nan, np.float32), "no numbers"),
    ],
)
def test_what_nobody_could_learn_from_is_refused_with_the_reason(samples: np.ndarray, reason: str) -> None:
    with pytest.raises(AudioError, match=reason) as caught:
        check_take(samples, "a.wav")
    assert "a.wav" in caught.value.message
    assert caught.value.fix


def test_a_good_take_has_no_warning_and_is_speech() -> None:
    take = check_take(takes(FIRST)[0][1], "a.wav")
    assert take.warnings == ()
    assert take.is_speech


def test_a_clipped_take_is_accepted_with_a_warning() -> None:
    take = check_take(np.clip(20 * takes(FIRST)[0][1], -1, 1), "a.wav")
    assert any("clipped" in warning for warning in take.warnings)


def test_a_noisy_take_is_accepted_with_a_warning_that_names_its_noise() -> None:
    take = check_take(noisy(piece(*FIRST), 8), "a.wav")
    assert any("dB below" in warning for warning in take.warnings)


def test_a_tone_is_no_speech_and_is_said_so() -> None:
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(8_000) / 16_000).astype(np.float32)
    take = check_take(np.pad(tone, 4_000), "beep.wav")
    assert not take.is_speech
    assert any("not sound like speech" in warning for warning in take.warnings)


def test_trimming_leaves_the_sound_and_takes_the_silence() -> None:
    sound = piece(*FIRST)
    trimmed = trim(np.pad(sound, 16_000))
    assert 0.7 * len(sound) < len(trimmed) < len(sound) + 3_000
    assert len(trim(np.zeros(5_000, np.float32))) <= 5_000
