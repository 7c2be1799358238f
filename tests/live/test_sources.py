from __future__ import annotations

import io
import math
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.audio.capture import Source
from earshot.audio.journal import to_pcm
from earshot.core.errors import AudioError, DeviceError
from earshot.core.types import Samples
from earshot.live.sources import PacedFile, PacedSound, PcmStream, SocketListener


def noise(seconds: float, rate: int = 16_000) -> Samples:
    return np.random.default_rng(2).uniform(-0.5, 0.5, round(rate * seconds)).astype(np.float32)


def heard(source: Source) -> Samples:
    with source:
        return np.concatenate([*source, np.empty(0, np.float32)])


def test_a_file_comes_whole_and_no_faster_than_it_was_spoken(tmp_path: Path) -> None:
    sound = noise(0.6)
    soundfile.write(tmp_path / "a.wav", sound, 16_000, subtype="FLOAT")
    started = time.monotonic()
    np.testing.assert_array_equal(heard(PacedFile(tmp_path / "a.wav")), sound)
    assert time.monotonic() - started >= 0.59
    np.testing.assert_array_equal(heard(PacedFile(tmp_path / "a.wav", speed=math.inf)), sound)


def test_a_file_of_any_rate_comes_at_16_khz(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(1.0, 44_100), 44_100)
    assert len(heard(PacedFile(tmp_path / "a.wav", speed=math.inf))) == 16_000


def test_a_missing_file_is_told_on_entering(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="there is no file"):
        PacedFile(tmp_path / "a.wav").__enter__()


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(AudioError, match="speed is positive"):
        PacedSound(noise(0.1), speed=speed)


def test_stopping_ends_a_source_at_once() -> None:
    source = PacedSound(noise(60.0))
    threading.Timer(0.2, source.stop).start()
    assert len(heard(source)) < 10 * 16_000


def test_pcm_of_a_pipe_comes_whole() -> None:
    sound = noise(2.0)
    stream = io.BytesIO(to_pcm(sound))
    np.testing.assert_allclose(heard(PcmStream(stream)), sound, atol=1 / 32768)


def test_a_silent_pipe_can_be_stopped() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as stream, os.fdopen(writing, "wb") as other_end:
        source = PcmStream(stream)
        threading.Timer(0.2, source.stop).start()
        assert len(heard(source)) == 0
        other_end.close()


def test_a_broken_pipe_is_an_audio_error() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            raise OSError("the cable is out")

    with pytest.raises(AudioError, match="the cable is out"):
        heard(PcmStream(Broken()))


def test_sound_comes_through_a_socket_until_the_sender_leaves() -> None:
    sound = noise(1.5)
    source = SocketListener("tcp://127.0.0.1:0")
    with source:
        assert source.port is not None

        def send() -> None:
            with socket.create_connection(("127.0.0.1", source.port or 0)) as connection:
                connection.sendall(to_pcm(sound))

        threading.Thread(target=send).start()
        np.testing.assert_allclose(np.concatenate(list(source)), sound, atol=1 / 32768)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no unix sockets here")
def test_a_unix_socket_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with SocketListener(f"unix://{path}") as source:

        def send() -> None:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(to_pcm(noise(0.5)))

        threading.Thread(target=send).start()
        assert len(np.concatenate(list(source))) == 8_000
    assert not path.exists()


def test_a_socket_to_which_nobody_comes_can_be_stopped() -> None:
    with SocketListener("tcp://127.0.0.1:0") as source:
        threading.Timer(0.2, source.stop).start()
        assert list(source) == []


@pytest.mark.parametrize(
    "address",
    ["", "9000", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "http://127.0.0.1:80", "unix://"],
)
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(DeviceError, match="cannot listen at") as caught:
        SocketListener(address).__enter__()
    assert caught.value.fix
