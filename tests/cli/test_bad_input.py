"""Whatever is thrown at it, ``earshot transcribe`` answers in one line and keeps what is finished."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.command import (
    Result,
    assert_one_line_error,
    command,
    earshot,
    earshot_process,
    install_engine,
    names_in,
    read_aloud,
    write_speech,
)

SCRIPTED = ("--engine", "scripted", "--no-punctuate")


def transcribe(*arguments: str | Path) -> Result:
    return earshot("transcribe", *SCRIPTED, *arguments)


def decode(recording: Path) -> Result:
    """In a process of its own, where nothing that a decoder prints by itself can hide."""
    return earshot_process("transcribe", *SCRIPTED, recording)


def test_a_missing_file(tmp_path: Path) -> None:
    assert_one_line_error(decode(tmp_path / "talk.wav"), "there is no file", "talk.wav")


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to hear")
    assert_one_line_error(transcribe(tmp_path), str(tmp_path), "holds no recordings")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "talk.wav").touch()
    assert_one_line_error(decode(tmp_path / "talk.wav"), "talk.wav", "empty")


def test_text_that_is_named_wav(tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_text("These are the minutes of the meeting.\n" * 100)
    assert_one_line_error(decode(tmp_path / "talk.wav"), "talk.wav")


def test_noise_that_is_named_mp3(tmp_path: Path) -> None:
    (tmp_path / "talk.mp3").write_bytes(np.random.default_rng(1).bytes(100_000))
    result = decode(tmp_path / "talk.mp3")
    assert result.status in (0, 1)  # a decoder may take random bytes for a frame of sound
    assert "Traceback" not in result.errors
    assert len(result.error_lines) <= 1


def make_mp4(path: Path, seconds: int = 20) -> Path:
    import av

    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        samples = read_aloud()[: seconds * 16_000]
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def test_a_truncated_mp4_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    whole = make_mp4(tmp_path / "whole.mp4")
    data = whole.read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[: len(data) // 2])
    (tmp_path / "head.mp4").write_bytes(data[:200])
    result = decode(tmp_path / "half.mp4")
    assert "Traceback" not in result.errors
    assert len(result.error_lines) == 1
    assert "half.mp4" in result.errors
    if result.status == 0:
        num_words = len(result.output.split())
        assert 10 <= num_words < len(decode(whole).output.split())
    assert_one_line_error(decode(tmp_path / "head.mp4"), "head.mp4")


def test_samples_that_are_not_numbers(tmp_path: Path) -> None:
    samples = np.full(32_000, np.nan, np.float32)
    soundfile.write(tmp_path / "nothing.wav", samples, 16_000, subtype="FLOAT")
    assert_one_line_error(decode(tmp_path / "nothing.wav"), "nothing.wav")
    samples[:16_000] = 0.1
    soundfile.write(tmp_path / "half.wav", samples, 16_000, subtype="FLOAT")
    result = decode(tmp_path / "half.wav")
    assert result.status == 0
    assert "half.wav" in result.errors
    assert "not numbers" in result.errors


def test_an_unknown_engine_names_the_nearest(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav")
    result = earshot("transcribe", "--engine", "moonshin", recording)
    assert_one_line_error(result, "'moonshin'", "did you mean 'moonshine'?")


def test_an_unknown_format_names_the_nearest(tmp_path: Path) -> None:
    result = transcribe(write_speech(tmp_path / "talk.wav"), "-f", "txt,srtt")
    assert_one_line_error(result, "'srtt'", "did you mean 'srt'?", status=2)


def test_an_engine_that_is_not_installed_names_the_command(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav")
    # None in sys.modules is Python's own way to say that a module cannot be imported.
    code = "import sys; sys.modules['vosk'] = None\nfrom earshot.cli import run; sys.exit(run(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "transcribe", "--engine", "vosk", recording],
        capture_output=True, text=True,
    )  # fmt: skip
    result = Result(done.returncode, done.stdout, done.stderr)
    assert_one_line_error(result, "'vosk'", "pip install 'earshot[vosk]'")


@pytest.mark.parametrize("engine", ["moonshine", "whisper", "vosk", "sherpa", "wav2vec2"])
def test_a_model_of_another_engine(tmp_path: Path, engine: str) -> None:
    recording = write_speech(tmp_path / "talk.wav")
    model = tmp_path / "model"
    model.mkdir()
    (model / "card.json").write_text('{"name": "other", "engine": "another"}')
    (model / "weights.bin").write_bytes(bytes(100))
    result = earshot("transcribe", "--engine", engine, "--model", model, recording)
    if "pip install" in result.errors:
        pytest.skip(result.errors.strip())
    assert_one_line_error(result, "model")


def test_an_unknown_model(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav")
    result = earshot("transcribe", "--model", "not-there", recording)
    assert_one_line_error(result, "not-there")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "cannot be read"),
        (b"", "holds no phrase"),
        (b"# only\n\n", "holds no phrase"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_a_grammar_that_is_none(tmp_path: Path, content: bytes | None, part: str) -> None:
    grammar = tmp_path / "orders.jsgf"
    if content is not None:
        grammar.write_bytes(content)
    result = transcribe(write_speech(tmp_path / "talk.wav"), "--grammar", grammar)
    assert_one_line_error(result, "orders.jsgf", part)


def test_one_bad_recording_does_not_stop_the_others(tmp_path: Path) -> None:
    write_speech(tmp_path / "talks" / "a.wav")
    (tmp_path / "talks" / "b.wav").write_text("no sound")
    write_speech(tmp_path / "talks" / "c.wav")
    missing = tmp_path / "missing.wav"
    result = transcribe(tmp_path / "talks", missing, "-o", tmp_path / "out")
    assert result.status == 1
    assert names_in(tmp_path / "out") == ["a.txt", "c.txt"]
    assert len(result.error_lines) == 3
    assert "missing.wav" in result.error_lines[0]
    assert "b.wav" in result.error_lines[1]
    assert result.error_lines[2] == "earshot: 2 of 4 inputs failed"


def test_empty_standard_input() -> None:
    assert_one_line_error(transcribe("-"), "standard input is empty")


def test_standard_input_that_is_no_recording() -> None:
    result = earshot("transcribe", *SCRIPTED, "-", stdin=b"hello world\n" * 1000)
    assert_one_line_error(result, "standard input", "--raw-rate")


def test_nothing_to_do_is_a_usage_error() -> None:
    assert_one_line_error(transcribe(), "--sample", status=2)


def test_resume_without_a_folder_is_a_usage_error(tmp_path: Path) -> None:
    assert_one_line_error(transcribe(write_speech(tmp_path / "a.wav"), "--resume"), "--output-dir", status=2)


def test_several_documents_need_a_folder(tmp_path: Path) -> None:
    recordings = write_speech(tmp_path / "a.wav"), write_speech(tmp_path / "b.wav")
    assert_one_line_error(transcribe(*recordings, "-f", "srt"), "--output-dir", status=2)
    assert_one_line_error(transcribe(recordings[0], "-f", "srt,vtt"), "--output-dir", status=2)


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    assert_one_line_error(transcribe(write_speech(tmp_path / "a.wav"), "-o", tmp_path / "out"), "it is a file")
    assert (tmp_path / "out").read_text() == "mine"


def in_own_mount(folder: Path, options: str, line: list[str], *, then: str) -> Result:
    """Run a command where ``folder`` is a small file system of its own, then a line of shell there.

    Works with and without rights, as it has a user and mount namespace of its own; nothing remains of it.
    """
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(folder)], capture_output=True
        ).returncode
    ):
        pytest.skip("no mount namespaces here: needs Linux, the program unshare and the right to use them")
    script = f'mount -t tmpfs -o "$1" none "$2"; cd "$2"; shift 2; "$@"; status=$?; {then}; exit $status'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", options, str(folder), *line],
        capture_output=True,
        text=True,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_a_read_only_folder_is_told_before_the_work(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav")
    out = tmp_path / "out"
    out.mkdir()
    line = command("transcribe", *SCRIPTED, recording, "-o", out)
    result = in_own_mount(out, "ro", line, then="true")
    assert_one_line_error(result, str(out), "read-only", "--output-dir")


def test_a_folder_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("permissions do not hold for root")
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    result = transcribe(write_speech(tmp_path / "a.wav"), "-o", out)
    assert_one_line_error(result, str(out), "permission denied")


def test_a_full_disk_keeps_what_is_finished(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write_speech(tmp_path / "talks" / f"{name}.wav")
    out = tmp_path / "out"
    out.mkdir()
    line = command("transcribe", *SCRIPTED, tmp_path / "talks", "-o", out)
    # Four pages of 4 KiB: two results, the record of what is done, and the folder's own.
    result = in_own_mount(out, "size=16k", line, then="ls -A; cat a.txt")
    assert_one_line_error(result, "the disk is full")
    *names, text = result.output.splitlines()
    assert text == "the quick brown fox jumps"
    assert "a.txt" in names
    assert "d.txt" not in names
    assert not [
        name for name in names if "partial" in name or (name.startswith(".earshot-") and "done" not in name)
    ]


def test_an_engine_that_fails_at_one_recording_does_the_others(tmp_path: Path) -> None:
    code = """
from earshot.engines import Engine
from earshot.engines.scripted import ScriptedRecognizer

class Fragile(ScriptedRecognizer):
    def transcribe(self, audio, **options):
        if abs(audio.samples).max() == 1:
            raise ZeroDivisionError("too loud")
        return super().transcribe(audio, **options)

ENGINE = Engine("fragile", "fails at loud ones", lambda options: Fragile(), has_default_model=True)
"""
    environment = install_engine(tmp_path / "plugin", "fragile", code)
    write_speech(tmp_path / "talks" / "a.wav")
    write_speech(tmp_path / "talks" / "b.wav", gain=20)
    write_speech(tmp_path / "talks" / "c.wav")
    arguments = ("transcribe", "--engine", "fragile", tmp_path / "talks", "-o", tmp_path / "out")
    result = earshot_process(*arguments, environment=environment)
    assert result.status == 1
    assert names_in(tmp_path / "out") == ["a.txt", "c.txt"]
    assert "b.wav" in result.errors
    assert "ZeroDivisionError: too loud" in result.errors
