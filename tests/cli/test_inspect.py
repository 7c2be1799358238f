"""``earshot inspect``: the summary, the picture, and what can go wrong."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.cli import run
from earshot.core.types import Audio, Samples, Segment, Transcript, Word
from tests.cli.command import assert_one_line_error, earshot, earshot_process

needs_matplotlib = pytest.mark.skipif(
    find_spec("matplotlib") is None, reason="no matplotlib: pip install 'earshot[plot]'"
)


def write(path: Path, samples: Samples, sample_rate: int = 16_000) -> Path:
    soundfile.write(path, samples, sample_rate)
    return path


@pytest.fixture
def talk(sample: Audio, tmp_path: Path) -> Path:
    return write(tmp_path / "talk.wav", sample.samples)


def inspect(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[dict[str, str], list[str]]:
    """The summary by its labels, and its warnings."""
    assert run(["inspect", *map(str, arguments)]) == 0, capsys.readouterr().err
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    warnings = [row[1] for row in rows if row[0] == "warning"]
    return {row[0]: row[1] for row in rows if row[0] != "warning"}, warnings


def pixels(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return np.asarray(imread(path))


def test_the_summary_of_real_speech(capsys: pytest.CaptureFixture[str], sample_path: Path) -> None:
    summary, warnings = inspect(capsys, sample_path)
    assert summary["file"] == "two_cities.wav"
    assert summary["format"] == "WAV/PCM_16, 48 kHz, mono"
    assert summary["duration"] == "44.37 s"
    assert summary["level"].startswith("peak -16.1 dBFS, RMS -36.3 dBFS")
    assert summary["clipping"] == "none"
    assert 60 < int(summary["speech"].split()[0]) < 90
    assert "about 20 dB" in summary["noise"]
    assert summary["bandwidth"] == "up to 7.7 kHz"
    assert warnings == []


def test_a_part_of_it(capsys: pytest.CaptureFixture[str], sample_path: Path) -> None:
    summary, _ = inspect(capsys, sample_path, "--start", "0:05", "--duration", "2.5")
    assert summary["duration"] == "2.50 s from 0:05 on"


def test_one_channel_and_the_mix(capsys: pytest.CaptureFixture[str], sample: Audio, tmp_path: Path) -> None:
    both = np.stack([sample.samples, np.zeros_like(sample.samples)], axis=1)
    path = write(tmp_path / "stereo.wav", both)
    assert inspect(capsys, path)[0]["format"].endswith("stereo, mixed")
    summary, warnings = inspect(capsys, path, "--channel", "2")
    assert summary["format"].endswith("stereo, channel 2")
    assert warnings == ["the recording is digital silence: check the microphone's mute switch"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x: np.clip(x * 20, -1, 1), "peaks are clipped"),
        (lambda x: x * 0.02, "very quiet"),
        (lambda x: x + 0.05, "off centre"),
        (lambda x: np.where((np.arange(len(x)) // 8_000) % 4 == 1, 0, x), "digital silence"),
        (lambda x: x + 0.01 * np.random.default_rng(0).standard_normal(len(x)), "background is loud"),
        (lambda x: np.convolve(x, np.sinc(np.arange(-40, 41) * 0.3) * np.hanning(81) * 0.3), "telephone"),
        (lambda x: 1e-4 * np.random.default_rng(0).standard_normal(len(x)), "no speech"),
    ],
)
def test_what_is_wrong_is_told(
    capsys: pytest.CaptureFixture[str], sample: Audio, tmp_path: Path, change: object, told: str
) -> None:
    path = write(tmp_path / "bad.wav", change(sample.samples))  # type: ignore[operator]
    assert any(told in warning for warning in inspect(capsys, path)[1])


def test_an_empty_recording_is_no_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    summary, warnings = inspect(capsys, write(tmp_path / "empty.wav", np.zeros(0, np.float32)))
    assert summary["speech"] == "none"
    assert warnings == ["the recording is empty"]


@needs_matplotlib
@pytest.mark.parametrize("num_samples", [0, 1])
def test_of_nothing_there_is_no_picture(tmp_path: Path, num_samples: int) -> None:
    path = write(tmp_path / "short.wav", np.zeros(num_samples, np.float32), 192_000)
    picture = tmp_path / "short.png"
    assert_one_line_error(earshot("inspect", path, "-o", picture), "too few to draw")
    assert not picture.exists()


@needs_matplotlib
@pytest.mark.parametrize("suffix", [".png", ".PDF", ".svg"])
def test_a_picture_is_written(
    capsys: pytest.CaptureFixture[str], talk: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"new folder/picture{suffix}"
    summary, _ = inspect(capsys, talk, "-o", path, "--duration", "3")
    assert summary["picture"] == str(path)
    head = {".png": b"\x89PNG", ".PDF": b"%PDF", ".svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(head)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@needs_matplotlib
def test_words_of_a_transcript_stand_under_the_picture(
    capsys: pytest.CaptureFixture[str], talk: Path, tmp_path: Path
) -> None:
    from earshot.text.formats import write_transcript

    words = (Word("It", 1.2, 1.3), Word("was", 1.3, 1.5), Word("$best$", 1.5, 1.9), Word("最好", 2, 2.4))
    transcript = Transcript((Segment("It was $best$ 最好", 1.2, 2.4, words),))
    write_transcript(transcript, tmp_path / "talk.json")
    inspect(capsys, talk, "-o", tmp_path / "with.png", "--transcript", tmp_path / "talk.json")
    inspect(capsys, talk, "-o", tmp_path / "without.png")
    assert pixels(tmp_path / "with.png").shape[0] > pixels(tmp_path / "without.png").shape[0]


@needs_matplotlib
def test_words_are_recognized_if_asked(capsys: pytest.CaptureFixture[str], talk: Path, tmp_path: Path) -> None:
    summary, _ = inspect(
        capsys, talk, "--words", "--engine", "scripted", "--start", "2", "-o", tmp_path / "talk.png"
    )
    assert summary["words"].startswith("The quick brown fox")
    assert pixels(tmp_path / "talk.png").std() > 0.1


@needs_matplotlib
@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(16_000, np.float32),
        np.ones(16_000, np.float32),
        np.zeros(20, np.float32),
        np.full(399, 0.1, np.float32),
        np.tile(np.array([1, -1], np.float32), 8_000),
    ],
    ids=["silence", "constant", "hardly any", "short", "square"],
)
@pytest.mark.parametrize("sample_rate", [8_000, 192_000])
def test_odd_sound_is_drawn_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, samples: Samples, sample_rate: int
) -> None:
    path = write(tmp_path / "odd $name$ [1].wav", samples, sample_rate)
    inspect(capsys, path, "-o", tmp_path / "odd.png")
    assert pixels(tmp_path / "odd.png").std() > 0.01


def test_the_summary_needs_no_matplotlib(talk: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "__init__.py").write_text("raise ImportError('broken')")
    environment = {"PYTHONPATH": str(tmp_path)}
    assert earshot_process("inspect", talk, environment=environment).status == 0
    refused = earshot_process("inspect", talk, "-o", tmp_path / "talk.png", environment=environment)
    assert_one_line_error(refused, "matplotlib", "pip install 'earshot[plot]'")
    assert refused.output == ""


@needs_matplotlib
def test_without_a_screen_a_file_is_advised(talk: Path) -> None:
    result = earshot_process("inspect", talk, "--show", environment={"MPLBACKEND": "agg"})
    assert_one_line_error(result, "no screen", "--output")


@needs_matplotlib
def test_a_folder_that_may_not_be_written_is_one_line(talk: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_one_line_error(earshot("inspect", talk, "-o", tmp_path / "file" / "talk.png"), "talk.png")


@pytest.mark.parametrize(
    ("arguments", "told", "status"),
    [
        (["missing.wav"], "missing.wav", 1),
        (["notes.txt"], "notes.txt", 1),
        (["tone.wav", "-o", "tone.wav"], "picture format", 1),
        (["tone.wav", "-o", "picture"], "png", 1),
        (["tone.wav", "--start", "1:00"], "--start", 1),
        (["tone.wav", "--start", "soon"], "is no time", 2),
        (["tone.wav", "--start", "-1"], "is no time", 2),
        (["tone.wav", "--duration", "0"], "positive", 2),
        (["tone.wav", "--channel", "3"], "channel", 1),
        (["tone.wav", "--words", "--transcript", "notes.txt"], "leave out one", 2),
        (["tone.wav", "--transcript", "missing.json"], "missing.json", 1),
        (["tone.wav", "--words", "--engine", "mooshine"], "moonshine", 1),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str, status: int
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "tone.wav", 0.3 * np.sin(np.arange(32_000) / 10).astype(np.float32))
    (tmp_path / "notes.txt").write_text("not a recording")
    before = (tmp_path / "tone.wav").read_bytes()
    assert_one_line_error(earshot("inspect", *arguments), told, status=status)
    assert (tmp_path / "tone.wav").read_bytes() == before


@needs_matplotlib
def test_what_a_net_of_commands_saw_is_told_and_drawn(
    capsys: pytest.CaptureFixture[str], sample: Audio, tmp_path: Path
) -> None:
    pause = np.zeros(16_000, np.float32)
    # A word of a story, cut out: whatever the net takes it for.
    word = sample.samples[int(4.92 * 16_000) : int(5.5 * 16_000)]
    path = write(tmp_path / "word.wav", np.concatenate([pause, word, pause]))
    plain, seen = tmp_path / "plain.png", tmp_path / "seen.png"
    inspect(capsys, path, "-o", plain)
    summary, _ = inspect(capsys, path, "--net", "commands12", "-o", seen)
    time, label, probability = summary["commands"].split()
    assert 1 <= float(time) <= 1.6
    assert label in {
        "yes",
        "no",
        "up",
        "down",
        "left",
        "right",
        "on",
        "off",
        "stop",
        "go",
        "silence",
        "unknown",
    }
    assert 0 < float(probability) <= 1
    assert len(pixels(seen)) > len(pixels(plain)) + 150
    summary, _ = inspect(capsys, write(tmp_path / "silence.wav", pause), "--net", "commands12")
    assert summary["commands"].startswith("nothing")
    assert_one_line_error(earshot("inspect", path, "--net", tmp_path / "absent"), "absent")
