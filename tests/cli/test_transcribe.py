"""``earshot transcribe`` does what it says: where text goes, under which names, and how it goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.text.formats import FORMATS
from tests.cli.command import (
    SCRIPT,
    SLOW_ENGINE,
    command,
    earshot,
    earshot_process,
    install_engine,
    names_in,
    read_aloud,
    write_speech,
)

SCRIPTED = ("--engine", "scripted", "--no-punctuate")


def test_the_first_command_needs_no_recording() -> None:
    result = earshot_process("transcribe", "--sample")
    assert result.status == 0, result.errors
    assert "it was the best of times" in result.output.lower()
    assert result.errors == ""


def test_text_goes_to_standard_output(tmp_path: Path) -> None:
    result = earshot("transcribe", *SCRIPTED, write_speech(tmp_path / "talk.wav", 8))
    assert result.status == 0
    assert result.output.startswith(f"{SCRIPT}\n")
    assert len(result.output.splitlines()) == 2
    assert result.errors == ""
    assert names_in(tmp_path) == ["talk.wav"]


def test_several_recordings_have_headings(tmp_path: Path) -> None:
    first, second = write_speech(tmp_path / "one.wav"), write_speech(tmp_path / "two.wav", 2)
    result = earshot("transcribe", *SCRIPTED, first, second)
    assert result.output == (f"==> {first} <==\nthe quick brown fox jumps\n\n==> {second} <==\nthe quick\n")


def test_one_format_goes_to_standard_output(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav")
    result = earshot("transcribe", *SCRIPTED, recording, "-f", "srt")
    assert result.output.startswith("1\n00:00:0")
    assert result.output.endswith("the quick brown fox jumps\n\n")
    assert json.loads(earshot("transcribe", *SCRIPTED, recording, "-f", "json").output)


def test_files_are_named_after_the_recording_and_the_format(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.v2.wav")
    out = tmp_path / "new" / "out"
    result = earshot("transcribe", *SCRIPTED, recording, "-o", out, "-f", "srt,txt", "-f", "json")
    assert (result.status, result.output, result.errors) == (0, "", "")
    assert names_in(out) == ["talk.v2.json", "talk.v2.srt", "talk.v2.txt"]
    assert (out / "talk.v2.txt").read_text() == "the quick brown fox jumps\n"


def test_all_formats_have_files_of_their_own(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav")
    assert earshot("transcribe", *SCRIPTED, recording, "-o", tmp_path / "out", "-f", "all").status == 0
    assert len(names_in(tmp_path / "out")) == len(FORMATS)


def test_a_folder_keeps_its_sub_folders(tmp_path: Path) -> None:
    write_speech(tmp_path / "talks" / "monday" / "a.wav")
    write_speech(tmp_path / "talks" / "tuesday" / "a.wav")
    (tmp_path / "talks" / "notes.txt").write_text("no recording")
    assert earshot("transcribe", *SCRIPTED, tmp_path / "talks", "-o", tmp_path / "out").status == 0
    assert names_in(tmp_path / "out") == ["monday/a.txt", "tuesday/a.txt"]


def test_recordings_of_one_name_do_not_overwrite_one_another(tmp_path: Path) -> None:
    recordings = [
        write_speech(tmp_path / "x" / "a.wav", 2),
        write_speech(tmp_path / "y" / "a.wav", 3),
        write_speech(tmp_path / "y" / "a.flac", 4),
        write_speech(tmp_path / "z" / "A.wav", 6),
    ]
    assert earshot("transcribe", *SCRIPTED, *recordings, "-o", tmp_path / "out").status == 0
    texts = [path.read_text() for path in (tmp_path / "out").glob("*.txt")]
    assert len(set(texts)) == 4
    assert {"the quick\n", "the quick brown fox jumps\n"} < set(texts)


def test_a_recording_that_is_named_twice_is_done_once(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "in" / "a.wav")
    result = earshot("transcribe", *SCRIPTED, recording, tmp_path / "in", "-o", tmp_path / "out")
    assert result.status == 0
    assert names_in(tmp_path / "out") == ["a.txt"]


def test_standard_input_may_be_a_file_of_any_format(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.flac")
    result = earshot("transcribe", *SCRIPTED, "-", stdin=recording.read_bytes())
    assert (result.status, result.output) == (0, "the quick brown fox jumps\n")
    assert (
        earshot("transcribe", *SCRIPTED, "-", "-o", tmp_path / "out", stdin=recording.read_bytes()).status == 0
    )
    assert names_in(tmp_path / "out") == ["stdin.txt"]


def test_standard_input_may_be_raw_samples() -> None:
    mono_at_8_khz = read_aloud()[: 3 * 16_000 : 2]
    stereo_at_8_khz = np.stack([mono_at_8_khz, mono_at_8_khz], axis=1).astype("<f4").tobytes()
    result = earshot(
        "transcribe", *SCRIPTED, "-", "--raw-rate", "8000", "--raw-channels", "2", "--raw-format", "f32le",
        stdin=stereo_at_8_khz,
    )  # fmt: skip
    assert result.status == 0
    assert result.output.startswith("the quick brown")


def test_one_channel_can_be_heard_alone(tmp_path: Path) -> None:
    left = write_speech(tmp_path / "left.wav")
    samples, rate = soundfile.read(left)
    soundfile.write(tmp_path / "both.wav", np.stack([samples, np.zeros_like(samples)], axis=1), rate)
    result = earshot("transcribe", *SCRIPTED, tmp_path / "both.wav", "--channel", "1")
    assert (result.status, result.output) == (0, "the quick brown fox jumps\n")
    result = earshot("transcribe", *SCRIPTED, tmp_path / "both.wav", "--channel", "2")
    assert (result.status, result.output) == (0, "")
    result = earshot("transcribe", *SCRIPTED, tmp_path / "both.wav", "--channel", "3")
    assert result.status == 1
    assert "channel 3" in result.errors


def test_lines_of_subtitles_are_as_wide_as_asked(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav", 8)
    result = earshot("transcribe", *SCRIPTED, recording, "-f", "srt", "--max-line-width", "16")
    lines = [line for line in result.output.splitlines() if line and "-->" not in line and not line.isdigit()]
    assert " ".join(lines).startswith(f"{SCRIPT} the quick brown")
    assert max(map(len, lines)) <= 16


def test_bare_text_is_punctuated_and_numbers_are_written_as_asked(tmp_path: Path) -> None:
    words = "it is twenty five years since i was here"
    recording = write_speech(tmp_path / "talk.wav", 5)
    arguments = ("transcribe", "--engine", "scripted", "--model", words, recording)
    said = earshot(*arguments).output
    assert said.startswith("It is twenty")
    assert said != said.lower()
    assert earshot(*arguments, "--no-punctuate", "--numbers", "digits").output.startswith(
        "it is 25 years since i"
    )
    assert earshot(*arguments, "--numbers", "roman").status == 2


def test_a_grammar_is_handed_to_the_engine(tmp_path: Path) -> None:
    grammar = tmp_path / "orders.txt"
    grammar.write_text("# what may be said\nlights on\n\nlights off\n")
    result = earshot("transcribe", *SCRIPTED, write_speech(tmp_path / "a.wav"), "--grammar", grammar)
    assert result.status == 1
    assert "scripted takes no grammar" in result.errors


class TestResume:
    @pytest.fixture
    def talks(self, tmp_path: Path) -> Path:
        for name in ("a", "b", "c"):
            write_speech(tmp_path / "talks" / f"{name}.wav")
        return tmp_path / "talks"

    def run(self, talks: Path, *more: str | Path) -> dict[str, int]:
        """Transcribe again; returns which file was written when."""
        out = talks.parent / "out"
        assert earshot("transcribe", *SCRIPTED, talks, "-o", out, *more).status == 0
        return {path.name: path.stat().st_mtime_ns for path in out.glob("*.*") if path.suffix != ".jsonl"}

    def test_what_is_done_is_left_alone(self, talks: Path) -> None:
        before = self.run(talks)
        assert self.run(talks, "--resume") == before
        assert self.run(talks) != before

    def test_what_is_missing_or_new_is_done(self, talks: Path) -> None:
        before = self.run(talks)
        (talks.parent / "out" / "b.txt").unlink()
        write_speech(talks / "d.wav")
        after = self.run(talks, "--resume")
        assert sorted(after) == ["a.txt", "b.txt", "c.txt", "d.txt"]
        assert {name for name in before if after[name] != before[name]} == {"b.txt"}

    def test_a_recording_that_changed_is_done_again(self, talks: Path) -> None:
        before = self.run(talks)
        write_speech(talks / "b.wav", 2)
        after = self.run(talks, "--resume")
        assert {name for name in before if after[name] != before[name]} == {"b.txt"}
        assert (talks.parent / "out" / "b.txt").read_text() == "the quick\n"

    def test_other_options_do_it_again(self, talks: Path) -> None:
        before = self.run(talks)
        after = self.run(talks, "--resume", "--model", "other words")
        assert not set(before.items()) & set(after.items())

    def test_another_format_is_added(self, talks: Path) -> None:
        before = self.run(talks, "--word-timestamps")
        after = self.run(talks, "--resume", "--word-timestamps", "-f", "srt")
        assert before.items() <= after.items()
        assert sorted(set(after) - set(before)) == ["a.srt", "b.srt", "c.srt"]

    def test_a_result_of_another_recording_is_not_taken_for_this_one(self, tmp_path: Path) -> None:
        first, second = write_speech(tmp_path / "x" / "a.wav", 2), write_speech(tmp_path / "y" / "a.wav", 3)
        earshot("transcribe", *SCRIPTED, first, "-o", tmp_path / "out")
        earshot("transcribe", *SCRIPTED, second, "-o", tmp_path / "out", "--resume")
        assert (tmp_path / "out" / "a.txt").read_text() == "the quick brown fox jumps\n"

    def test_a_damaged_record_is_no_obstacle(self, talks: Path) -> None:
        before = self.run(talks)
        record = talks.parent / "out" / ".earshot-done.jsonl"
        lines = record.read_bytes().splitlines(keepends=True)
        record.write_bytes(b"\xff{[\n3\n" + lines[0] + lines[1][:20] + b"\n" + lines[2])
        after = self.run(talks, "--resume")
        assert {name for name in before if after[name] != before[name]} == {"b.txt"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_what_is_done_and_nothing_else(tmp_path: Path, number: signal.Signals) -> None:
    for name in ("a", "b", "c"):
        write_speech(tmp_path / "talks" / f"{name}.wav")
    slow = install_engine(tmp_path / "plugin", "slow", SLOW_ENGINE.format(seconds=2))
    out = tmp_path / "out"
    arguments = ("transcribe", "--engine", "slow", "--no-punctuate", tmp_path / "talks", "-o", out)
    with subprocess.Popen(
        command(*arguments), env={**os.environ, **slow}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 60
        while not (out / "a.txt").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert output == b""
    assert errors.decode().splitlines() == (
        ["earshot: interrupted: 1 of 3 recordings are done; --resume does the rest"]
        if number == signal.SIGINT
        else []
    )
    assert names_in(out) == ["a.txt"]
    written = (out / "a.txt").stat().st_mtime_ns
    assert earshot_process(*arguments, "--resume", environment=slow).status == 0
    assert names_in(out) == ["a.txt", "b.txt", "c.txt"]
    assert (out / "a.txt").stat().st_mtime_ns == written


def test_of_two_processes_that_write_one_file_one_wins_whole(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav", 60)
    out = tmp_path / "out"
    texts = {}
    for word in ("alpha", "omega"):
        earshot("transcribe", *SCRIPTED, "--model", word, recording, "-o", tmp_path / word)
        texts[(tmp_path / word / "talk.txt").read_text()] = word
    assert len(texts) == 2
    processes = [
        subprocess.Popen(command("transcribe", *SCRIPTED, "--model", word, recording, "-o", out))
        for word in ("alpha", "omega")
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert (out / "talk.txt").read_text() in texts
    assert names_in(out) == ["talk.txt"]


def test_a_result_replaces_the_old_one(tmp_path: Path) -> None:
    recording = write_speech(tmp_path / "talk.wav")
    out = tmp_path / "out"
    out.mkdir()
    (out / "talk.txt").write_text("old")
    assert earshot("transcribe", *SCRIPTED, recording, "-o", out).status == 0
    assert (out / "talk.txt").read_text() == "the quick brown fox jumps\n"


def test_progress_is_shown_on_a_terminal_and_nowhere_else(tmp_path: Path) -> None:
    if shutil.which("script") is None:
        pytest.skip("a terminal is made by the program script, of util-linux: apt install bsdutils")
    for name in ("a", "b"):
        write_speech(tmp_path / "talks" / f"{name}.wav")
    line = " ".join(command("transcribe", *SCRIPTED, tmp_path / "talks", "-o", tmp_path / "out"))
    on_terminal = subprocess.run(
        ["script", "-qec", line, "/dev/null"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "300"},  # wide enough for the path
    )
    assert on_terminal.returncode == 0
    assert "a.txt" in on_terminal.stdout
    assert "2 of 2" in on_terminal.stdout
    assert "real time" in on_terminal.stdout
    in_pipe = earshot("transcribe", *SCRIPTED, tmp_path / "talks", "-o", tmp_path / "out")
    assert (in_pipe.output, in_pipe.errors) == ("", "")
