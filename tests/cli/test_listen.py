"""``earshot listen`` as users start it, with a microphone that plays recordings."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from earshot.audio.capture import Notice
from earshot.audio.decode import read_audio
from earshot.audio.journal import to_pcm
from earshot.audio.meter import Level
from earshot.cli._screen import Terminal, level_bar, status_line
from earshot.core.types import Final, Partial, Segment
from earshot.live.preferences import remember_microphone, remembered_microphone
from earshot.live.session import SessionStatus
from earshot.live.stored import find_session, list_sessions
from earshot.text.formats import read_transcript
from earshot.text.normalise import normalise
from tests.cli.command import (
    Result,
    assert_one_line_error,
    command,
    earshot,
    earshot_process,
    read_aloud,
    write_speech,
)
from tests.cli.live_command import PHRASES, Running, json_lines, phrase, write_phrases
from tests.live.virtual_microphone import VirtualMicrophone, wait_for

SCRIPTED = ("--engine", "scripted", "--no-punctuate")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "earshot"))
    return tmp_path / "earshot"


def listen(*arguments: str | Path, stdin: bytes = b"") -> Result:
    return earshot("listen", *SCRIPTED, *arguments, stdin=stdin)


class TestMicrophone:
    def test_first_and_last_words_are_whole(
        self, virtual_microphone: VirtualMicrophone, tmp_path: Path
    ) -> None:
        names = ("times", "wisdom", "before")
        clip = write_phrases(tmp_path / "clip.wav", *names)
        running = Running("listen", "-o", tmp_path / "a.json", environment=virtual_microphone.environment)
        # At once, while the engine is still being loaded: nobody waits for a program before speaking.
        running.wait_until_it_records()
        virtual_microphone.play(clip)
        assert wait_for(lambda: "nothing before us" in heard_so_far(running))
        result = running.interrupt()
        assert result.status == 0
        assert result.errors == ""
        said = normalise(result.output)
        for name in names:
            words = PHRASES[name][2].split()
            assert " ".join(words[:3]) in said
            assert " ".join(words[-2:]) in said
        assert said.startswith("it was the best of times")
        assert said.endswith("nothing before us")
        transcript = read_transcript(tmp_path / "a.json")
        assert normalise(transcript.text) == said
        assert all(word.start is not None for word in transcript.words)
        starts = [segment.start for segment in transcript.segments]
        assert starts == sorted(starts)

    def test_ctrl_c_in_the_middle_of_a_word_keeps_what_was_said(
        self, virtual_microphone: VirtualMicrophone, tmp_path: Path
    ) -> None:
        clip = write_phrases(tmp_path / "clip.wav", "before")
        running = Running("listen", "-o", tmp_path / "a.txt", environment=virtual_microphone.environment)
        running.wait_until_it_records()
        player = virtual_microphone.start_playing(clip)
        time.sleep(2.2)  # behind "everything before us"
        result = running.interrupt()
        player.wait()
        assert result.status == 0
        assert "had everything" in normalise(result.output)
        assert (tmp_path / "a.txt").read_text() == result.output
        assert find_session("last", running.home / "sessions").meta.is_complete

    def test_unplugged_in_the_middle_of_a_sentence_everything_is_kept(
        self, virtual_microphone: VirtualMicrophone, tmp_path: Path
    ) -> None:
        clip = write_phrases(tmp_path / "clip.wav", "times", "before", pause=0.8)
        running = Running("listen", "-o", tmp_path / "a.txt", environment=virtual_microphone.environment)
        running.wait_until_it_records()
        player = virtual_microphone.start_playing(clip)
        assert wait_for(lambda: "worst of times" in heard_so_far(running))
        time.sleep(1.0)
        virtual_microphone.unplug()
        result = running.end()
        player.kill()
        player.wait()
        assert_one_line_error(result, "was disconnected", "what was said is kept")
        assert normalise(result.output).startswith("it was the best of times")
        assert (tmp_path / "a.txt").read_text() == result.output
        session = find_session("last", running.home / "sessions")
        assert session.duration > 3.7
        assert session.meta.is_complete
        assert read_audio(session.audio_path).duration == pytest.approx(session.duration)

    @pytest.mark.slow
    def test_a_microphone_that_comes_back_is_taken_up_again(
        self, virtual_microphone: VirtualMicrophone, tmp_path: Path
    ) -> None:
        environment = virtual_microphone.environment
        running = Running("listen", "--reconnect", environment=environment)
        running.wait_until_it_records()
        virtual_microphone.play(write_phrases(tmp_path / "a.wav", "times"))
        virtual_microphone.unplug()
        time.sleep(2.0)
        virtual_microphone.plug_in()
        before = size_of_sound(running)
        assert wait_for(lambda: size_of_sound(running) > before + 64_000)
        virtual_microphone.play(write_phrases(tmp_path / "b.wav", "before"))
        assert wait_for(lambda: "nothing before us" in heard_so_far(running))
        result = running.interrupt()
        assert result.status == 0
        told = [line for line in result.error_lines if "muted?" not in line]  # nobody played for a while
        assert [re.sub(r"^earshot: \S+ ", "", line) for line in told] == [
            "is disconnected; waiting for it",
            "is back",
        ]
        said = normalise(result.output)
        assert said.startswith("it was the best of times")
        assert said.endswith("we had nothing before us")

    def test_a_muted_microphone_is_told_once(self, virtual_microphone: VirtualMicrophone) -> None:
        running = Running("listen", *SCRIPTED, "--json", environment=virtual_microphone.environment)
        running.wait_until_it_records()
        time.sleep(4.5)
        events = json_lines(running.interrupt())
        notices = [event for event in events if event["type"] == "notice"]
        assert [notice["kind"] for notice in notices] == ["muted"]
        assert "is the microphone muted?" in notices[0]["text"]

    def test_a_name_that_no_microphone_has_is_told_with_those_there_are(
        self, virtual_microphone: VirtualMicrophone
    ) -> None:
        result = earshot_process("listen", "--device", "purse", environment=virtual_microphone.environment)
        assert_one_line_error(result, "there is no sound input 'purse'", "pulse")

    @pytest.mark.slow
    def test_a_chosen_microphone_is_remembered_by_name(self, virtual_microphone: VirtualMicrophone) -> None:
        environment = virtual_microphone.environment
        arguments = ("listen", *SCRIPTED, "--duration", "0.3", "--json")
        chosen = earshot_process(*arguments, "--device", "PUL", environment=environment)
        assert json_lines(chosen)[0]["source"] == "pulse"
        assert json_lines(earshot_process(*arguments, environment=environment))[0]["source"] == "pulse"
        forgotten = earshot_process(*arguments, "--device", "default", environment=environment)
        assert json_lines(forgotten)[0]["source"] == "default"
        assert json_lines(earshot_process(*arguments, environment=environment))[0]["source"] == "default"

    def test_a_remembered_microphone_that_is_gone_gives_way_with_a_word(
        self, virtual_microphone: VirtualMicrophone, home: Path
    ) -> None:
        remember_microphone("my old headset")
        environment = {**virtual_microphone.environment, "EARSHOT_HOME": str(home)}
        result = earshot_process("listen", *SCRIPTED, "--duration", "0.3", environment=environment)
        assert result.status == 0
        assert result.error_lines == [
            "earshot: the microphone 'my old headset' of last time is not there, using the system's"
        ]

    def test_a_sound_service_that_is_gone_is_one_line(self, virtual_microphone: VirtualMicrophone) -> None:
        virtual_microphone.unplug()
        result = earshot_process("listen", *SCRIPTED, environment=virtual_microphone.environment)
        assert_one_line_error(result, "cannot be opened")
        assert list_sessions(Path(virtual_microphone.environment["EARSHOT_HOME"]) / "sessions")[0] == []


def size_of_sound(running: Running) -> int:
    return max(path.stat().st_size for path in running.home.glob("sessions/*/audio.wav"))


def heard_so_far(running: Running) -> str:
    session = find_session("last", running.home / "sessions")
    return normalise(session.transcript().text)


class TestWithoutMicrophone:
    def test_without_any_device(self, home: Path) -> None:
        code = (
            "import sys, sounddevice; sounddevice.query_devices = lambda: sounddevice.DeviceList()\n"
            "from earshot.cli import run; sys.exit(run(['listen']))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if "PortAudio library not found" in done.stderr:
            pytest.skip("no PortAudio: apt install libportaudio2")
        assert_one_line_error(
            Result(done.returncode, done.stdout, done.stderr), "there is no sound input", "connect a microphone"
        )
        assert not home.exists()

    def test_without_portaudio(self) -> None:
        code = (
            "import ctypes.util, sys; ctypes.util.find_library = lambda name: None\n"
            "sys.platform = 'linux'\n"
            "from earshot.cli import run; sys.exit(run(['listen']))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            "earshot: error: the system library PortAudio is not installed: apt install libportaudio2"
        ]


class TestFile:
    def test_finals_are_lines(self, tmp_path: Path) -> None:
        result = listen("--from-file", write_speech(tmp_path / "a.wav", 8.0), "--speed", "0")
        assert result.status == 0
        assert result.errors == ""
        assert result.output.splitlines() == [
            "the quick brown fox jumps over the lazy dog",
            "the quick brown fox jumps over the lazy dog",
            "the quick",
        ]

    def test_every_event_is_a_line_of_json(self, tmp_path: Path) -> None:
        result = listen("--json", "--from-file", write_speech(tmp_path / "a.wav", 8.0), "--speed", "0")
        events = json_lines(result)
        assert events[0] == {"type": "listening", "source": "a.wav", "session": find_session("last").id}
        assert {event["type"] for event in events[1:]} == {"speech_started", "partial", "final", "speech_ended"}
        final = next(event for event in events if event["type"] == "final")
        assert final["text"] == "the quick brown fox jumps over the lazy dog"
        assert final["words"][0] == {
            "text": "the",
            "start": 0.0,
            "end": 0.4,
            "confidence": 1.0,
            "time_source": "engine",
        }

    def test_it_is_heard_in_real_time(self, tmp_path: Path) -> None:
        started = time.monotonic()
        assert listen("--from-file", write_speech(tmp_path / "a.wav", 2.0)).status == 0
        assert time.monotonic() - started >= 2.0

    def test_saved_in_any_format(self, tmp_path: Path) -> None:
        clip = write_speech(tmp_path / "a.wav", 8.0)
        saves = [tmp_path / "out" / "a.srt", tmp_path / "out" / "a.json"]
        result = listen("--from-file", clip, "--speed", "0", "-o", saves[0], "--save", saves[1])
        assert result.status == 0
        assert read_transcript(saves[0]).segments
        transcript = read_transcript(saves[1])
        assert transcript.duration == 8.0
        assert len(transcript.words) == 20

    def test_numbers_are_written_as_asked(self, tmp_path: Path) -> None:
        clip = write_speech(tmp_path / "a.wav", 4.0)
        arguments = ("--model", "we have twenty one dogs", "--from-file", clip, "--speed", "0", "-l", "en")
        assert "we have 21 dogs" in listen(*arguments, "--numbers", "digits").output
        assert "we have twenty one dogs" in listen(*arguments).output

    def test_bare_text_gets_marks_and_capitals(self, tmp_path: Path) -> None:
        clip = write_speech(tmp_path / "a.wav", 4.0)
        words = "how are you i am fine thank you"
        arguments = ("--engine", "scripted", "--model", words, "--from-file", clip, "--speed", "0", "-l", "en")
        dressed = earshot("listen", *arguments).output
        assert dressed.startswith("How are you")
        assert normalise(dressed) == normalise(listen(*arguments).output)

    def test_a_summary_stands_at_the_end(self, sample_path: Path) -> None:
        result = earshot("listen", "--from-file", sample_path, "--speed", "0", "--duration", "30", "--summary")
        assert result.status == 0
        *text, empty, summary = result.output.splitlines()
        assert empty == ""
        assert summary.startswith("Summary: ")
        first = summary.removeprefix("Summary: ").split(". ")[0]
        assert first in " ".join(text)

    def test_nothing_is_kept_without_a_journal(self, tmp_path: Path, home: Path) -> None:
        clip = write_speech(tmp_path / "a.wav", 8.0)
        result = listen("--no-journal", "--from-file", clip, "--speed", "0", "-o", tmp_path / "a.txt")
        assert result.output == (tmp_path / "a.txt").read_text() != ""
        assert not home.exists()

    def test_an_unfinished_session_is_offered(self, tmp_path: Path, home: Path) -> None:
        clip = write_speech(tmp_path / "a.wav", 8.0)
        listen("--from-file", clip, "--speed", "0")
        meta = next(home.glob("sessions/*/meta.json"))
        meta.write_text(meta.read_text().replace("true", "false"))
        result = listen("--from-file", clip, "--speed", "0")
        assert result.status == 0
        assert len(result.error_lines) == 1
        assert "was cut off: 'earshot sessions recover'" in result.errors
        assert meta.parent.name in result.errors

    def test_the_terminal_closing_ends_it_cleanly(self, tmp_path: Path, home: Path) -> None:
        clip = write_speech(tmp_path / "a.wav", 60.0)
        running = Running("listen", *SCRIPTED, "--from-file", clip, environment={"EARSHOT_HOME": str(home)})
        running.wait_until_it_records()
        time.sleep(1.0)
        result = running.interrupt(signal.SIGTERM)
        assert result.status == 128 + signal.SIGTERM
        assert result.errors == ""
        assert find_session("last").meta.is_complete

    def test_a_reader_that_leaves_ends_it_cleanly(self, tmp_path: Path, home: Path) -> None:
        clip = write_speech(tmp_path / "a.wav", 400.0)
        line = command("listen", *SCRIPTED, "--from-file", clip, "--speed", "5")
        environment = {**os.environ, "EARSHOT_HOME": str(home)}
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 128 + 13
        assert process.stderr is not None
        with process.stderr:
            errors = process.stderr.read().decode()
        assert "error" not in errors
        assert "Traceback" not in errors
        assert find_session("last").meta.is_complete


class TestStandardInput:
    def test_pcm_of_a_pipe(self) -> None:
        result = earshot_process("listen", *SCRIPTED, "-", stdin=to_pcm(read_aloud()[: 8 * 16_000]))
        assert result.status == 0
        assert len(result.output.split()) == 20

    def test_another_rate(self) -> None:
        arguments = ("-", "--raw-rate", "8000", "--raw-format", "f32le")
        result = earshot_process("listen", *SCRIPTED, *arguments, stdin=read_aloud()[: 8 * 8_000].tobytes())
        assert len(result.output.split()) == 20

    def test_real_speech(self) -> None:
        silence = np.zeros(16_000, np.float32)
        pcm = to_pcm(np.concatenate([silence, phrase("wisdom"), silence]))
        result = earshot_process("listen", "-", stdin=pcm)
        assert normalise(result.output) == PHRASES["wisdom"][2]

    def test_no_sound_at_all(self) -> None:
        result = earshot_process("listen", *SCRIPTED, "-", stdin=b"")
        assert (result.status, result.output) == (0, "")


class TestMistakes:
    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        assert_one_line_error(listen("--from-file", tmp_path / "a.wav"), "there is no file")
        assert list_sessions()[0] == []

    def test_a_file_without_its_option(self) -> None:
        result = listen("talk.wav")
        assert_one_line_error(result, "--from-file talk.wav", status=2)

    def test_two_sources(self, tmp_path: Path) -> None:
        result = listen("-", "--from-file", tmp_path / "a.wav")
        assert_one_line_error(result, "one source at a time", status=2)

    def test_an_unknown_engine_before_anything_is_opened(self) -> None:
        assert_one_line_error(earshot("listen", "--engine", "moonshin"), "moonshin", "'moonshine'")
        assert list_sessions()[0] == []

    def test_a_suffix_that_tells_no_format(self, tmp_path: Path) -> None:
        result = listen("-", "-o", tmp_path / "a.xyz")
        assert_one_line_error(result, "a.xyz", "tells no format")

    def test_a_grammar_that_the_engine_cannot_take(self, tmp_path: Path) -> None:
        (tmp_path / "g.txt").write_text("yes\nno\n")
        clip = write_speech(tmp_path / "a.wav", 1.0)
        result = listen("--grammar", tmp_path / "g.txt", "--from-file", clip, "--speed", "0")
        assert_one_line_error(result, "takes no grammar")

    def test_a_model_that_is_not_there_leaves_nothing_behind(self, tmp_path: Path, home: Path) -> None:
        clip, out = write_speech(tmp_path / "a.wav", 1.0), tmp_path / "a.txt"
        out.write_text("what was there")
        result = earshot("listen", "--model", "nonsense", "--from-file", clip, "-o", out)
        assert_one_line_error(result, "nonsense")
        assert out.read_text() == "what was there"
        assert list_sessions()[0] == []

    def test_a_recording_that_is_damaged_is_told_after_its_text(self, tmp_path: Path) -> None:
        whole = write_speech(tmp_path / "a.flac", 20.0).read_bytes()
        (tmp_path / "b.flac").write_bytes(whole[: len(whole) // 2])
        result = listen("--from-file", tmp_path / "b.flac", "--speed", "0")
        assert result.output.startswith("the quick brown fox")
        assert "the file ends early: 10.0 s of the 20.0 s it promises" in result.errors


class TestScreen:
    def test_finals_stay_and_the_open_utterance_moves(self) -> None:
        written = io.StringIO()
        console = Console(file=written, force_terminal=True, width=80, color_system="standard")
        status = make_status()
        with Terminal(lambda: status, console=console) as screen:
            screen.show(Partial(Segment("good morn", 0.0, 0.5)))
            screen._live.refresh()
            screen.show(Final(Segment("Good morning.", 0.0, 1.0)))
            screen.show(Notice("muted", "is the microphone [muted]?"))
        shown = plain(written.getvalue())
        assert "good morn" in shown
        assert shown.index("good morn") < shown.index("Good morning.") < shown.index("[muted]?")
        last_frame = shown.rstrip().splitlines()[-1]
        assert "good morn" not in last_frame

    def test_the_status_tells_level_delay_and_losses(self) -> None:
        line = status_line(make_status()).plain
        assert line.startswith("● 1:01:01 ")
        assert "−12 dB" in line
        assert "delay 0.4 s" in line
        assert "2 overruns" in line
        assert line.endswith("USB microphone")
        assert "loading" in status_line(make_status(is_ready=False)).plain

    @pytest.mark.parametrize(
        ("peak", "filled"), [(float("-inf"), 0), (-90.0, 0), (-30.0, 6), (-0.1, 12), (3.0, 12)]
    )
    def test_the_bar_is_as_long_as_the_sound_is_loud(self, peak: float, filled: int) -> None:
        assert level_bar(Level(peak, peak)).plain.count("▮") == filled


def make_status(*, is_ready: bool = True) -> SessionStatus:
    return SessionStatus(
        source="USB microphone",
        level=Level(-12.0, -20.0),
        loudest_dbfs=-6.0,
        recorded=3661.0,
        backlog=0.1,
        delay=0.41,
        num_overruns=2,
        num_finals=3,
        is_ready=is_ready,
        is_behind=False,
    )


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_damaged_memory_of_the_microphone_is_forgotten(home: Path) -> None:
    remember_microphone("usb")
    assert remembered_microphone() == "usb"
    for content in ("", "[]", '{"version": 9, "name": "usb"}', '{"version": 1, "name": 5}', "\0"):
        (home / "microphone.json").write_text(content)
        assert remembered_microphone() is None
    remember_microphone(None)
    assert json.loads(json.dumps(list(home.iterdir()))) == []
