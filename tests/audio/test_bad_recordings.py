"""Every input from outside is hostile or broken until checked: one clear AudioError, or what can be saved."""

from __future__ import annotations

import io
import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earshot.audio.decode import open_audio, read_audio
from earshot.core.errors import AudioError
from tests.audio.recordings import tone, write_av, write_sndfile
from tests.audio.test_decode import OneWayStream, level
from tests.audio.unprivileged import as_nobody


def refused(source: object, message: str | None = None) -> None:
    """The error, which is one line with a fix."""
    with pytest.raises(AudioError, match=message) as caught:
        read_audio(source)  # type: ignore[arg-type]
    assert caught.value.fix
    assert "\n" not in str(caught.value)


def wav_header(
    *, rate: int = 16_000, num_channels: int = 1, bits: int = 16, kind: int = 1, data_bytes: int = 3_200
) -> bytes:
    align = num_channels * bits // 8
    chunk = struct.pack("<HHIIHH", kind, num_channels, rate, (rate * align) & 0xFFFFFFFF, align & 0xFFFF, bits)
    riff = b"RIFF" + struct.pack("<I", (36 + data_bytes) & 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16)
    return riff + chunk + b"data" + struct.pack("<I", data_bytes)


class TestPaths:
    def test_no_such_file(self, tmp_path: Path) -> None:
        refused(tmp_path / "a.wav", "there is no file")
        refused(tmp_path / "a.wav" / "b.wav", "there is no file")

    def test_a_folder(self, tmp_path: Path) -> None:
        refused(tmp_path, "is a folder")

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").write_bytes(b"")
        refused(tmp_path / "a.wav", "is empty")
        refused(io.BytesIO(), "is empty")
        refused(OneWayStream(b""), "is empty")

    def test_a_forbidden_file(self, tmp_path: Path) -> None:
        path = write_sndfile(tmp_path / "a.wav", tone(0.1, 16_000), 16_000)
        path.chmod(0)
        with as_nobody():
            refused(path, "permission denied")

    @pytest.mark.skipif(not Path("/dev/zero").exists(), reason="devices of POSIX")
    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
    def test_a_device(self, device: str) -> None:
        if not Path(device).exists():
            pytest.skip(f"no {device}")
        refused(device, "is a device")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")
    def test_a_pipe_without_a_writer_does_not_hang(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("earshot.audio._source._PATIENCE", 0.2)
        os.mkfifo(tmp_path / "pipe")
        refused(tmp_path / "pipe", "nothing comes out of the pipe")

    @pytest.mark.parametrize(
        "address", ["http://127.0.0.1:9/a.wav", "https://example.org/a.mp3", "rtsp://x/y", "concat://a|b"]
    )
    def test_an_address(self, address: str) -> None:
        refused(address, "is an address")

    @pytest.mark.parametrize("path", ["a\0b.wav", "", "x" * 5_000, "concat:a.wav|b.wav", "pipe:0"])
    def test_names_that_cannot_be(self, path: str) -> None:
        refused(path)

    @pytest.mark.parametrize("source", [None, 7, io.StringIO("text"), [b"x"]])
    def test_things_that_are_no_source(self, source: object) -> None:
        with pytest.raises(AudioError):
            read_audio(source)  # type: ignore[arg-type]

    def test_a_closed_stream(self) -> None:
        stream = io.BytesIO(b"RIFF")
        stream.close()
        with pytest.raises(AudioError):
            read_audio(stream)


class TestContents:
    @pytest.mark.parametrize(
        "content",
        [
            b"This is a text, not a recording.\n" * 50,
            b"<html><body>404</body></html>",
            b"\x89PNG\r\n\x1a\n" + bytes(500),
            b"%PDF-1.7\n" + bytes(500),
            b"PK\x03\x04" + bytes(500),
            bytes(10_000),
            b"\xff" * 10_000,
            b"x",
            random.Random(0).randbytes(50_000),
            b"RIFF",
            b"fLaC",
            b"OggS",
            b"ID3",
            b"\x00\x00\x00\x18ftypM4A ",
        ],
    )
    @pytest.mark.parametrize("suffix", ["wav", "mp3"])
    def test_what_is_no_recording(self, tmp_path: Path, content: bytes, suffix: str) -> None:
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(content)
        refused(path)
        refused(OneWayStream(content))

    def test_a_video_without_sound(self, tmp_path: Path) -> None:
        import av

        path = tmp_path / "silent.mp4"
        with av.open(str(path), "w") as container:
            picture = container.add_stream("mpeg4", rate=10)
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
            for index in range(5):
                image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                image.pts = index
                container.mux(picture.encode(image))
            container.mux(picture.encode(None))
        refused(path, "has no sound track")

    @pytest.mark.parametrize("kind", ["m3u8", "ffconcat", "sdp", "mpd"])
    def test_playlists_open_nothing(self, tmp_path: Path, kind: str) -> None:
        target = write_sndfile(tmp_path / "secret.wav", tone(1, 16_000), 16_000)
        text = {
            "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
            "ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
            "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
            "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        }[kind]
        for name in (f"a.{kind}", "a.wav"):
            (tmp_path / name).write_text(text)
            refused(tmp_path / name, "no recording")

    def test_encrypted_sound(self, tmp_path: Path) -> None:
        for mark in (b"drms", b"enca"):
            data = write_av(tmp_path / "a.m4a", tone(), 48_000, "aac").read_bytes()
            assert data.count(b"mp4a") == 1
            (tmp_path / "b.m4a").write_bytes(data.replace(b"mp4a", mark))
            with pytest.raises(AudioError):
                read_audio(tmp_path / "b.m4a")


class TestHeaders:
    @pytest.mark.parametrize("rate", [0, 1, 999, 768_001, 2**31 - 1, 2**32 - 1])
    def test_rates_that_cannot_be(self, rate: int) -> None:
        refused(io.BytesIO(wav_header(rate=rate) + bytes(3_200)))

    def test_no_channels(self) -> None:
        refused(io.BytesIO(wav_header(num_channels=0) + bytes(3_200)))

    @pytest.mark.parametrize("num_channels", [255, 1_024, 65_535])
    def test_absurdly_many_channels(self, num_channels: int) -> None:
        silence = bytes(2 * num_channels * 50)
        stream = io.BytesIO(wav_header(num_channels=num_channels, data_bytes=len(silence)) + silence)
        if num_channels > 1_024:
            refused(stream)
        else:
            assert len(read_audio(stream).samples) == 50

    @pytest.mark.parametrize("data_bytes", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF])
    def test_lengths_that_are_lies(self, data_bytes: int) -> None:
        """What recorders write that cannot go back; the samples count."""
        samples = (tone(1, 16_000)[:, 0] * 32_767).astype("<i2").tobytes()
        data = wav_header(data_bytes=data_bytes) + samples
        if data_bytes:  # by the header there is nothing to read in the other one
            assert read_audio(io.BytesIO(data)).duration == pytest.approx(1, abs=0.01)
        assert read_audio(OneWayStream(data)).duration <= 1.01

    def test_a_flac_that_promises_months(self, tmp_path: Path) -> None:
        data = bytearray(write_sndfile(tmp_path / "a.flac", tone(1, 16_000), 16_000).read_bytes())
        data[21] |= 0x0F  # the upper bits of STREAMINFO's 36-bit number of samples
        data[22:26] = b"\xff\xff\xff\xff"
        assert read_audio(io.BytesIO(bytes(data))).duration == pytest.approx(1, abs=0.3)


class TestDamage:
    @pytest.mark.parametrize(
        ("suffix", "codec"),
        [
            ("mp3", "libmp3lame"),
            ("webm", "libopus"),
            ("mkv", "libopus"),
            ("aac", "aac"),
            ("ts", "aac"),
            ("flac", "flac"),
            ("opus", "libopus"),
        ],
    )
    def test_a_cut_off_recording_is_read_as_far_as_it_goes(
        self, tmp_path: Path, suffix: str, codec: str
    ) -> None:
        data = write_av(tmp_path / f"a.{suffix}", tone(6), 48_000, codec).read_bytes()
        audio = read_audio(io.BytesIO(data[: len(data) // 2]))
        assert audio.duration == pytest.approx(3, abs=0.7)
        assert level(audio.samples[8_000:-8_000]) > 0.3

    def test_a_cut_off_wav_says_so(self, tmp_path: Path) -> None:
        data = write_sndfile(tmp_path / "a.wav", tone(6, 16_000), 16_000).read_bytes()
        with open_audio(io.BytesIO(data[: len(data) // 2])) as reader:
            assert sum(map(len, reader)) == pytest.approx(3 * 16_000, abs=50)
            assert reader.warnings == ("the file ends early: 3.0 s of the 6.0 s it promises",)

    def test_an_mp4_without_its_index(self, tmp_path: Path) -> None:
        data = write_av(tmp_path / "a.m4a", tone(), 48_000, "aac").read_bytes()
        cut = data[: data.index(b"moov") - 4]
        refused(io.BytesIO(cut), "lacks its index")
        refused(OneWayStream(cut), "lacks its index")

    def test_an_mp4_cut_off_behind_its_index(self, tmp_path: Path) -> None:
        path = write_av(tmp_path / "a.m4a", tone(6), 48_000, "aac", options={"movflags": "faststart"})
        data = path.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")
        with open_audio(io.BytesIO(data[: len(data) // 2])) as reader:
            seconds = sum(map(len, reader)) / 48_000
        assert 1.5 < seconds < 4.5
        assert f"the file ends early: {seconds:.1f} s of the 6.0 s it promises" in reader.warnings

    @pytest.mark.parametrize(
        ("suffix", "codec"), [("mp3", "libmp3lame"), ("flac", "flac"), ("mkv", "libopus"), ("m4a", "aac")]
    )
    def test_a_damaged_middle_does_not_lose_the_end(self, tmp_path: Path, suffix: str, codec: str) -> None:
        data = bytearray(write_av(tmp_path / f"a.{suffix}", tone(9), 48_000, codec).read_bytes())
        start = len(data) // 3
        data[start : start + len(data) // 9] = random.Random(1).randbytes(len(data) // 9)
        audio = read_audio(io.BytesIO(bytes(data)))
        assert audio.duration == pytest.approx(9, abs=1.2)
        assert level(audio.samples[-2 * 16_000 : -8_000]) > 0.3

    def test_a_stream_that_fails(self, tmp_path: Path) -> None:
        class Failing(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() > 5_000:
                    raise OSError("the cable was pulled")
                return super().read(min(size or 1_000, 1_000))

            read1 = read  # type: ignore[assignment]

        data = write_av(tmp_path / "a.mp3", tone(3), 48_000, "libmp3lame").read_bytes()
        with open_audio(Failing(data)) as reader:
            list(reader)
        assert any("cable was pulled" in line for line in reader.warnings)


CONTAINERS: dict[str, Callable[[Path], Path]] = {
    "wav": lambda folder: write_sndfile(folder / "a.wav", tone(0.5, 16_000, 2), 16_000),
    "w64": lambda folder: write_sndfile(folder / "a.w64", tone(0.5, 16_000), 16_000),
    "aiff": lambda folder: write_sndfile(folder / "a.aiff", tone(0.5, 16_000), 16_000),
    "au": lambda folder: write_sndfile(folder / "a.au", tone(0.5, 16_000), 16_000),
    "caf": lambda folder: write_sndfile(folder / "a.caf", tone(0.5, 16_000), 16_000),
    "vorbis": lambda folder: write_sndfile(folder / "a.ogg", tone(0.5, 16_000), 16_000),
    "flac": lambda folder: write_av(folder / "a.flac", tone(0.5), 48_000, "flac"),
    "opus": lambda folder: write_av(folder / "a.opus", tone(0.5), 48_000, "libopus"),
    "mp3": lambda folder: write_av(folder / "a.mp3", tone(0.5), 48_000, "libmp3lame"),
    "m4a": lambda folder: write_av(folder / "a.m4a", tone(0.5), 48_000, "aac"),
    "alac": lambda folder: write_av(folder / "a.m4a", tone(0.5), 48_000, "alac"),
    "mp4": lambda folder: write_av(folder / "a.mp4", tone(0.5), 48_000, "aac", video=True),
    "webm": lambda folder: write_av(folder / "a.webm", tone(0.5), 48_000, "libopus"),
    "mkv": lambda folder: write_av(folder / "a.mkv", tone(0.5), 48_000, "flac"),
    "aac": lambda folder: write_av(folder / "a.aac", tone(0.5), 48_000, "aac"),
    "ts": lambda folder: write_av(folder / "a.ts", tone(0.5), 48_000, "aac"),
    "avi": lambda folder: write_av(folder / "a.avi", tone(0.5), 48_000, "pcm_s16le"),
    "wv": lambda folder: write_av(folder / "a.wv", tone(0.5), 48_000, "wavpack"),
}


class TestFuzz:
    @pytest.fixture(params=sorted(CONTAINERS))
    def recording(self, request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
        return CONTAINERS[request.param](tmp_path).read_bytes()

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_mutated_recordings_are_read_or_refused(self, recording: bytes, data: st.DataObject) -> None:
        mutated = bytearray(recording)
        # Headers lie at the start, in MP4 also at the end; that is where a changed byte does most.
        places = st.one_of(
            st.integers(0, min(400, len(mutated) - 1)),
            st.integers(max(0, len(mutated) - 1_500), len(mutated) - 1),
            st.integers(0, len(mutated) - 1),
        )
        values = st.sampled_from([0, 1, 127, 128, 255]) | st.integers(0, 255)
        for place, value in data.draw(st.lists(st.tuples(places, values), max_size=12)):
            mutated[place] = value
        length = data.draw(st.just(len(mutated)) | st.integers(0, len(mutated)))
        stream = (
            io.BytesIO(bytes(mutated[:length]))
            if data.draw(st.booleans())
            else OneWayStream(bytes(mutated[:length]))
        )
        self.check(stream)

    def check(self, stream: object) -> None:
        started = time.monotonic()
        num_samples = 0
        try:
            with open_audio(stream) as reader:  # type: ignore[arg-type]
                for block in reader:
                    assert block.dtype == np.float32
                    assert block.ndim == 1
                    assert len(block)
                    assert np.abs(block).max() <= 1
                    num_samples += len(block)
                    if num_samples > 60 * reader.info.sample_rate or time.monotonic() - started > 20:
                        break  # a time stamp may ask for an hour of silence; that is progress, no hang
        except AudioError as error:
            message = str(error)
        else:
            message = ""
        assert "\n" not in message
