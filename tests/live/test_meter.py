from __future__ import annotations

import math

import numpy as np
import pytest

from earshot.audio.meter import Meter


def tone(amplitude: float, seconds: float = 2.0) -> np.ndarray:
    times = np.arange(round(16_000 * seconds)) / 16_000
    return (amplitude * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


@pytest.mark.parametrize("amplitude", [1.0, 0.5, 0.01])
def test_a_tone_has_its_level(amplitude: float) -> None:
    meter = Meter()
    for block in np.split(tone(amplitude), 100):
        meter.accept(block)
    assert meter.level.peak_dbfs == pytest.approx(20 * math.log10(amplitude), abs=0.1)
    assert meter.level.rms_dbfs == pytest.approx(20 * math.log10(amplitude) - 3.01, abs=0.2)


def test_the_bar_falls_after_a_sound_and_the_loudest_stays() -> None:
    meter = Meter()
    meter.accept(tone(0.5))
    meter.accept(np.zeros(16_000, np.float32))
    assert meter.level.peak_dbfs < -30
    assert meter.loudest_dbfs == pytest.approx(-6.02, abs=0.1)


def test_digital_silence_is_counted_and_noise_of_one_step_is_silence_too() -> None:
    meter = Meter()
    assert meter.level.peak_dbfs == -math.inf
    meter.accept(np.zeros(16_000, np.float32))
    meter.accept(np.full(16_000, 1 / 32768, np.float32))
    assert meter.silence == 2.0
    meter.accept(np.full(100, 1e-3, np.float32))
    assert meter.silence == 0.0
