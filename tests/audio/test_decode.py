from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.audio.decode import SAMPLE_FORMATS, find_recordings, open_audio, open_pcm, read_audio
from earshot.core.errors import AudioError
from tests.audio.recordings import Frames, tone, write_av, write_sndfile

LOSSLESS_SNDFILE = [
    ("wav", "PCM_U8", 0.01),
    ("wav", "PCM_16", 1e-4),
    ("wav", "PCM_24", 1e-6),
    ("wav", "PCM_32", 1e-6),
    ("wav", "FLOAT", 1e-7),
    ("wav", "DOUBLE", 1e-7),
    ("wav", "ULAW", 0.03),
    ("w64", "PCM_16", 1e-4),
    ("rf64", "PCM_16", 1e-4),
    ("aiff", "PCM_S8", 0.01),
    ("aiff", "PCM_24", 1e-6),
    ("au", "FLOAT", 1e-7),
    ("caf", "PCM_16", 1e-4),
    ("flac", "PCM_S8", 0.01),
    ("flac", "PCM_16", 1e-4),
    ("flac", "PCM_24", 1e-6),
]
LOSSY_SNDFILE = [("ogg", "VORBIS"), ("ogg", "OPUS"), ("mp3", "MPEG_LAYER_III")]
AV_FORMATS = [
    ("m4a", "aac"),
    ("m4a", "alac"),
    ("mp4", "aac"),
    ("mov", "pcm_s16le"),
    ("webm", "libopus"),
    ("mkv", "libopus"),
    ("mka", "flac"),
    ("opus", "libopus"),
    ("mp3", "libmp3lame"),
    ("aac", "aac"),
    ("ac3", "ac3"),
    ("mp2", "mp2"),
    ("wv", "wavpack"),
    ("tta", "tta"),
    ("avi", "pcm_s16le"),
    ("ts", "aac"),
    ("flv", "aac"),
    ("3gp", "aac"),
]


def pitch(samples: Frames, rate: int) -> float:
    """Hz of the strongest component."""
    window = samples * np.hanning(len(samples))
    return float(np.argmax(np.abs(np.fft.rfft(window))) * rate / len(samples))


def level(samples: Frames) -> float:
    return float(np.sqrt(np.mean(np.square(samples), dtype=np.float64)))


class TestFormats:
    @pytest.mark.parametrize(("suffix", "subtype", "tolerance"), LOSSLESS_SNDFILE)
    def test_lossless_samples_come_back(
        self, tmp_path: Path, suffix: str, subtype: str, tolerance: float
    ) -> None:
        frames = tone(1.5, 16_000)
        path = write_sndfile(tmp_path / f"a.{suffix}", frames, 16_000, subtype=subtype)
        audio = read_audio(path)
        assert len(audio.samples) == len(frames)
        assert np.abs(audio.samples - frames[:, 0]).max() <= tolerance

    @pytest.mark.parametrize(("suffix", "subtype"), LOSSY_SNDFILE)
    def test_lossy_sound_comes_back(self, tmp_path: Path, suffix: str, subtype: str) -> None:
        path = write_sndfile(tmp_path / f"a.{suffix}", tone(1.5, 48_000), 48_000, subtype=subtype)
        self.check_tone(read_audio(path).samples)

    @pytest.mark.parametrize(("suffix", "codec"), AV_FORMATS)
    def test_whatever_ffmpeg_writes_is_read(self, tmp_path: Path, suffix: str, codec: str) -> None:
        path = write_av(tmp_path / f"a.{suffix}", tone(1.5), 48_000, codec)
        self.check_tone(read_audio(path).samples)
        with open_audio(path) as reader:
            assert reader.info.sample_rate == 48_000
            assert reader.info.num_channels == 1
            assert reader.info.duration is None or reader.info.duration == pytest.approx(1.5, abs=0.2)
            assert reader.info.codec

    def check_tone(self, samples: Frames) -> None:
        assert len(samples) / 16_000 == pytest.approx(1.5, abs=0.08)
        middle = samples[4_000:-4_000]
        assert pitch(middle, 16_000) == pytest.approx(440, abs=2)
        assert level(middle) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)

    @pytest.mark.parametrize("rate", [1_000, 8_000, 11_025, 44_100, 96_000, 192_000, 768_000])
    def test_any_rate(self, tmp_path: Path, rate: int) -> None:
        path = write_sndfile(tmp_path / "a.wav", tone(1.5, rate, frequency=200), rate)
        audio = read_audio(path)
        assert audio.sample_rate == 16_000
        assert len(audio.samples) == pytest.approx(24_000, abs=1)
        assert pitch(audio.samples, 16_000) == pytest.approx(200, abs=2)
        assert read_audio(path, sample_rate=None).sample_rate == rate

    def test_the_name_does_not_matter(self, tmp_path: Path) -> None:
        path = write_av(tmp_path / "a.m4a", tone(), 48_000, "aac")
        self.check_tone(read_audio(path.rename(tmp_path / "a.wav")).samples)
        plain = write_sndfile(tmp_path / "b.wav", tone(), 48_000).rename(tmp_path / "b.mp3")
        self.check_tone(read_audio(plain).samples)

    def test_a_video_gives_its_sound(self, tmp_path: Path) -> None:
        for suffix, codec in (("mp4", "aac"), ("mkv", "libopus"), ("avi", "pcm_s16le")):
            path = write_av(tmp_path / f"a.{suffix}", tone(), 48_000, codec, video=True)
            self.check_tone(read_audio(path).samples)

    def test_blocks_are_of_bounded_size_and_native_rate(self, tmp_path: Path) -> None:
        path = write_sndfile(tmp_path / "a.wav", tone(5, 44_100), 44_100)
        with open_audio(path) as reader:
            sizes = [len(block) for block in reader]
            assert reader.info.duration == pytest.approx(5)
            assert reader.num_samples == 5 * 44_100
        assert sum(sizes) == 5 * 44_100
        assert max(sizes) <= 44_100

    def test_a_recording_of_no_samples_is_no_error(self, tmp_path: Path) -> None:
        path = write_sndfile(tmp_path / "a.wav", np.zeros((0, 1), np.float32), 16_000)
        assert read_audio(path).duration == 0
        with open_audio(path) as reader:
            assert list(reader) == []
            assert reader.warnings == ("the recording is empty",)


class TestTimes:
    def test_a_sound_track_that_starts_late_is_led_by_silence(self, tmp_path: Path) -> None:
        path = write_av(tmp_path / "a.mkv", tone(), 48_000, "libopus", video=True, delay=1.0)
        audio = read_audio(path)
        assert audio.duration == pytest.approx(2.5, abs=0.1)
        assert level(audio.samples[:15_000]) < 1e-3
        assert level(audio.samples[18_000:30_000]) > 0.3

    def test_lost_packets_leave_silence_and_true_times(self, tmp_path: Path) -> None:
        path = write_av(tmp_path / "a.mkv", tone(4), 48_000, "libopus", drop=range(50, 100))
        audio = read_audio(path)
        assert audio.duration == pytest.approx(4, abs=0.1)
        assert level(audio.samples[int(1.2 * 16_000) : int(1.8 * 16_000)]) < 0.01
        assert level(audio.samples[int(2.2 * 16_000) : int(3.8 * 16_000)]) > 0.3


class TestChangesOnTheWay:
    def test_another_rate_and_layout_in_the_middle(self, tmp_path: Path) -> None:
        first = write_av(tmp_path / "a.mp3", tone(2, 48_000, 2), 48_000, "libmp3lame", layout="stereo")
        second = write_av(tmp_path / "b.mp3", tone(2, 24_000), 24_000, "libmp3lame")
        both = first.read_bytes() + second.read_bytes()
        for channel in (None, 1, 2):
            audio = read_audio(io.BytesIO(both), channel=channel)
            assert audio.duration == pytest.approx(4, abs=0.2)
            for part in (audio.samples[8_000:24_000], audio.samples[40_000:56_000]):
                assert pitch(part, 16_000) == pytest.approx(440, abs=2)
                assert level(part) > 0.15


class TestChannels:
    @pytest.mark.parametrize("num_channels", [2, 6, 8, 16])
    def test_channels_are_mixed_by_their_mean_or_chosen(self, tmp_path: Path, num_channels: int) -> None:
        frames = tone(1, 16_000, num_channels)
        path = write_sndfile(tmp_path / "a.wav", frames, 16_000, subtype="FLOAT")
        np.testing.assert_allclose(read_audio(path).samples, frames.mean(axis=1), atol=1e-6)
        for channel in (1, num_channels):
            np.testing.assert_array_equal(read_audio(path, channel=channel).samples, frames[:, channel - 1])

    @pytest.mark.parametrize(("suffix", "codec"), [("mka", "libopus"), ("m4a", "aac"), ("flac", "flac")])
    def test_eight_encoded_channels(self, tmp_path: Path, suffix: str, codec: str) -> None:
        path = write_av(tmp_path / f"a.{suffix}", tone(num_channels=8), 48_000, codec, layout="7.1")
        with open_audio(path) as reader:
            assert reader.info.num_channels == 8
        mixed = read_audio(path).samples[4_000:-4_000]
        assert pitch(mixed, 16_000) == pytest.approx(440, abs=2)
        assert level(read_audio(path, channel=1).samples[4_000:-4_000]) > level(mixed)

    @pytest.mark.parametrize("channel", [0, -1, 3])
    def test_a_channel_that_is_not_there(self, tmp_path: Path, channel: int) -> None:
        path = write_sndfile(tmp_path / "a.wav", tone(1, 16_000, 2), 16_000)
        with pytest.raises(AudioError, match="it has 2 channels"):
            read_audio(path, channel=channel)


class TestStreams:
    @pytest.mark.parametrize(
        ("suffix", "codec"), [("wav", "pcm_s16le"), ("m4a", "aac"), ("webm", "libopus"), ("mp3", "libmp3lame")]
    )
    def test_seekable_or_not(self, tmp_path: Path, suffix: str, codec: str) -> None:
        path = write_av(tmp_path / f"a.{suffix}", tone(), 48_000, codec)
        expected = read_audio(path).samples
        with path.open("rb") as file:
            np.testing.assert_array_equal(read_audio(file).samples, expected)
            assert not file.closed
        np.testing.assert_array_equal(read_audio(io.BytesIO(path.read_bytes())).samples, expected)
        piped = read_audio(OneWayStream(path.read_bytes())).samples
        assert len(piped) == pytest.approx(len(expected), abs=1_600)
        assert pitch(piped[4_000:-4_000], 16_000) == pytest.approx(440, abs=2)

    def test_a_recording_may_begin_in_the_middle_of_a_stream(self, tmp_path: Path) -> None:
        for suffix, codec in (("wav", "pcm_s16le"), ("m4a", "aac")):
            path = write_av(tmp_path / f"a.{suffix}", tone(), 48_000, codec)
            stream = io.BytesIO(b"something else" * 9 + path.read_bytes())
            stream.seek(9 * 14)
            np.testing.assert_array_equal(read_audio(stream).samples, read_audio(path).samples)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")
    def test_a_named_pipe(self, tmp_path: Path) -> None:
        data = write_sndfile(tmp_path / "a.wav", tone(3, 16_000), 16_000).read_bytes()
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(data,))
        writer.start()
        assert read_audio(pipe).duration == pytest.approx(3)
        writer.join()


class OneWayStream(io.RawIOBase):
    """Bytes in short reads, without a way back: what a pipe gives."""

    def __init__(self, data: bytes, *, step: int = 1_000) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._data.read(min(len(buffer), self._step))
        buffer[: len(data)] = data
        return len(data)


_WIDTHS = {"u8": 1, "s8": 1, "s16": 2, "s24": 3, "s32": 4, "f32": 4, "f64": 8}


class TestPcm:
    def encode(self, frames: Frames, sample_format: str) -> bytes:
        kind, order = (
            (sample_format[:-2], sample_format[-2:]) if sample_format[-1] == "e" else (sample_format, "le")
        )
        sign = "<" if order == "le" else ">"
        if kind in ("f32", "f64"):
            return frames.astype(f"{sign}f{_WIDTHS[kind]}").tobytes()
        bits = 8 * _WIDTHS[kind]
        integers = np.clip(np.round(frames * 2.0 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if kind == "u8":
            return (integers + 128).astype("u1").tobytes()
        if kind == "s24":
            four = integers.astype("<i4").reshape(-1, 1).view("u1")[:, :3]
            return (four if order == "le" else four[:, ::-1]).tobytes()
        return integers.astype(f"{sign}i{_WIDTHS[kind]}").tobytes()

    @pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
    @pytest.mark.parametrize("num_channels", [1, 2])
    def test_every_format(self, sample_format: str, num_channels: int) -> None:
        frames = tone(0.3, 16_000, num_channels)
        stream = io.BytesIO(self.encode(frames, sample_format))
        with open_pcm(stream, num_channels=num_channels, sample_format=sample_format) as reader:
            got = np.concatenate(list(reader))
        tolerance = 0.005 if "8" in sample_format else 2e-5
        np.testing.assert_allclose(got, frames.mean(axis=1), atol=tolerance)

    def test_full_scale_is_one(self) -> None:
        stream = io.BytesIO(np.array([-32768, 0, 32767], "<i2").tobytes())
        assert np.concatenate(list(open_pcm(stream))).tolist() == [-1.0, 0.0, 32767 / 32768]

    @settings(max_examples=50, deadline=None)
    @given(
        st.integers(0, 5_000),
        st.integers(1, 400),
        st.sampled_from([1, 2, 3]),
        st.sampled_from(["s16le", "s24le"]),
    )
    def test_short_reads_and_odd_ends_lose_no_whole_sample(
        self, num_bytes: int, step: int, num_channels: int, sample_format: str
    ) -> None:
        data = np.random.default_rng(num_bytes).integers(0, 256, num_bytes, np.uint8).tobytes()
        whole = open_pcm(io.BytesIO(data), num_channels=num_channels, sample_format=sample_format)
        pieces = open_pcm(OneWayStream(data, step=step), num_channels=num_channels, sample_format=sample_format)  # type: ignore[arg-type]
        empty = np.zeros(0, np.float32)
        got = np.concatenate([empty, *pieces])
        np.testing.assert_array_equal(got, np.concatenate([empty, *whole]))
        width = {"s16le": 2, "s24le": 3}[sample_format] * num_channels
        assert len(got) == num_bytes // width
        assert any("no whole sample" in line for line in pieces.warnings) == bool(num_bytes % width)

    def test_live_pipes_are_not_held_back(self) -> None:
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as pipe:
            blocks = iter(open_pcm(stream))
            pipe.write(bytes(640))
            assert len(next(blocks)) == 320

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"sample_format": "s16"}, "did you mean 's16"),
            ({"sample_rate": 0}, "sample rate of 0 Hz"),
            ({"sample_rate": -8_000}, "sample rate of -8000 Hz"),
            ({"num_channels": 0}, "0 channels"),
            ({"channel": 2}, "no channel 2"),
        ],
    )
    def test_what_cannot_be_is_refused(self, wrong: dict[str, object], message: str) -> None:
        with pytest.raises(AudioError, match=message):
            open_pcm(io.BytesIO(b""), **wrong)  # type: ignore[arg-type]


class TestSamples:
    def test_a_few_broken_samples_do_not_lose_the_rest(self, tmp_path: Path) -> None:
        frames = tone(3, 16_000)
        frames[20_000:20_010] = np.nan
        frames[20_010] = np.inf
        path = write_sndfile(tmp_path / "a.wav", frames, 16_000, subtype="FLOAT")
        with open_audio(path) as reader:
            got = np.concatenate(list(reader))
            assert reader.warnings == ("11 samples from 1.25 s on are not numbers, taken as silence",)
        assert (got[20_000:20_011] == 0).all()
        np.testing.assert_array_equal(got[30_000:], frames[30_000:, 0])

    def test_nothing_but_broken_samples_is_an_error(self, tmp_path: Path) -> None:
        frames = np.full((16_000, 2), np.nan, np.float32)
        path = write_sndfile(tmp_path / "a.wav", frames, 16_000, subtype="FLOAT")
        with pytest.raises(AudioError, match="none of its samples is a number"):
            read_audio(path)

    def test_beyond_full_scale_is_clipped_and_told(self, tmp_path: Path) -> None:
        frames = np.array([0.5, 1.5, -7.0, 1e30, 0.25] * 100, np.float64)
        path = write_sndfile(tmp_path / "a.wav", frames, 16_000, subtype="DOUBLE")
        with open_audio(path) as reader:
            got = np.concatenate(list(reader))
            assert reader.warnings == ("300 samples beyond full scale were clipped",)
        assert got[:5].tolist() == [0.5, 1.0, -1.0, 1.0, 0.25]


class TestFindRecordings:
    def test_all_recordings_sorted_and_nothing_else(self, tmp_path: Path) -> None:
        names = ["b.wav", "a.MP3", "deep/er/c.m4a", "talk.mkv"]
        others = [".hidden.wav", ".git/d.wav", "e.wav.partial", "notes.txt", "wav", "deep/picture.jpg"]
        for name in names + others:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        (tmp_path / "folder.wav").mkdir()
        expected = sorted(tmp_path / name for name in names)
        assert find_recordings(tmp_path) == expected

    def test_links_in_a_circle_and_dead_links(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").write_bytes(b"x")
        (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "dead.wav").symlink_to(tmp_path / "nowhere.wav")
        (tmp_path / "self.wav").symlink_to(tmp_path / "self.wav")
        assert find_recordings(tmp_path) == [tmp_path / "a.wav"]

    def test_a_folder_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").write_bytes(b"x")
        for path in (tmp_path / "nowhere", tmp_path / "a.wav"):
            with pytest.raises(AudioError, match="cannot look into the folder"):
                find_recordings(path)


def test_ffmpeg_is_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_av(tmp_path / "a.mp3", tone(3), 48_000, "libmp3lame")
    data = bytearray(path.read_bytes())
    data[9_000:20_000] = os.urandom(11_000)
    read_audio(io.BytesIO(bytes(data)))
    with pytest.raises(AudioError):
        read_audio(io.BytesIO(b"ID3 and then nothing that is music" * 100))
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_decoders_agree(sample_path: Path, tmp_path: Path) -> None:
    """The same flac through FFmpeg, and through libsndfile."""
    samples, rate = soundfile.read(sample_path, dtype="float32", frames=100_000)
    path = write_sndfile(tmp_path / "a.flac", samples[:, None], rate, subtype="PCM_16")
    expected, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(read_audio(path, sample_rate=None).samples, expected)
    assert av.__version__
