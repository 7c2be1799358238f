from __future__ import annotations

import contextlib
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earshot.audio.decode import read_audio
from earshot.audio.journal import (
    HEADER_BYTES,
    AppendedFile,
    AudioJournal,
    JournalWriter,
    from_pcm,
    open_journal_audio,
    repair_audio,
    to_pcm,
)
from earshot.core.errors import OutputError, SessionError
from tests.live.virtual_microphone import wait_for


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.5, 0.5, round(16_000 * seconds)).astype(np.float32)


def fill(path: Path) -> None:
    """Until nothing is left of the disk."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4_096))


def test_at_every_sync_the_file_is_a_whole_recording(tmp_path: Path) -> None:
    sound = noise(3)
    journal = AudioJournal(tmp_path / "audio.wav")
    for second in range(3):
        journal.append(sound[second * 16_000 : (second + 1) * 16_000])
        journal.sync()
        with wave.open(str(journal.path)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
            assert file.getnframes() == (second + 1) * 16_000
    journal.close()
    np.testing.assert_allclose(read_audio(tmp_path / "audio.wav").samples, sound, atol=1 / 32768)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 32_044), garbage=st.binary(max_size=44))
def test_whatever_a_crash_leaves_opens_after_repair(tmp_path: Path, cut: int, garbage: bytes) -> None:
    path = tmp_path / "audio.wav"
    path.unlink(missing_ok=True)
    sound = noise(1)
    journal = AudioJournal(path)
    journal.append(sound)
    journal.sync()
    journal.close()
    data = path.read_bytes()
    path.write_bytes((garbage + data[len(garbage) :])[:cut])
    num_samples = repair_audio(path)
    assert num_samples == max(0, cut - HEADER_BYTES) // 2
    with wave.open(str(path)) as file:
        assert file.getnframes() == num_samples
        np.testing.assert_allclose(from_pcm(file.readframes(num_samples)), sound[:num_samples], atol=1 / 32768)


def test_reading_goes_on_while_it_is_written(tmp_path: Path) -> None:
    sound = noise(2)
    journal = AudioJournal(tmp_path / "audio.wav")
    journal.append(sound[:16_000])
    journal.sync()
    journal.append(sound[16_000:])
    np.testing.assert_allclose(journal.read(8_000, 16_000), sound[8_000:24_000], atol=1 / 32768)
    np.testing.assert_allclose(journal.read(24_000, 16_000), sound[24_000:], atol=1 / 32768)
    with open_journal_audio(journal.path, 4_000) as reader:
        heard = np.concatenate(list(reader))
    np.testing.assert_allclose(heard, sound[4_000:16_000], atol=1 / 32768)
    journal.close()


def test_16_bits_are_kept_exactly() -> None:
    every = np.arange(-32768, 32768).astype("<i2").tobytes()
    assert to_pcm(from_pcm(every)) == every
    assert from_pcm(to_pcm(np.array([2.0, -2.0], np.float32))).tolist() == [32767 / 32768, -1.0]


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "audio.wav").write_bytes(b"precious")
    with pytest.raises(OutputError):
        AudioJournal(tmp_path / "audio.wav")
    assert (tmp_path / "audio.wav").read_bytes() == b"precious"


def test_a_file_that_is_not_there_cannot_be_repaired(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"audio\.wav"):
        repair_audio(tmp_path / "audio.wav")


def test_a_full_disk_costs_nothing_once_there_is_room_again(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(700_000))
    sound = noise(20)  # 640 kB, of which about 320 kB find room
    journal = AudioJournal(small_disk / "audio.wav")
    told: list[OSError | None] = []
    writer = JournalWriter([journal], told.append)
    for second in range(20):
        journal.append(sound[second * 16_000 : (second + 1) * 16_000])
    assert wait_for(lambda: told)
    assert isinstance(told[0], OSError)
    assert journal.waiting > 5
    with wave.open(str(journal.path)) as file:  # what fits is there, and opens
        assert file.getnframes() > 5 * 16_000
    filler.unlink()
    assert wait_for(lambda: len(told) == 2)
    assert told[1] is None
    assert writer.close()
    journal.close()
    np.testing.assert_allclose(read_audio(journal.path).samples, sound, atol=1 / 32768)


def test_beyond_the_limit_sound_is_lost_but_none_moves(small_disk: Path) -> None:
    filler = small_disk / "filler"
    file = AppendedFile(small_disk / "data", limit=1_000)
    fill(filler)
    file.append(b"a" * 900)
    file.append(b"b" * 900)
    file.append(b"c" * 100)
    with pytest.raises(OSError, match="No space"):
        file.sync()
    assert file.num_lost == 900
    assert file.read(800, 1_100) == b"a" * 100 + bytes(900) + b"c" * 100
    filler.unlink()
    file.sync()
    file.close()
    assert file.path.read_bytes() == b"a" * 900 + bytes(900) + b"c" * 100
