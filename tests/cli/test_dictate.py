"""``earshot dictate``: sound in, text in a real window, the clipboard or standard output."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.assistant.desktop.x11 import X11Desktop
from earshot.audio.decode import read_audio
from earshot.audio.journal import to_pcm
from earshot.cli._papers import Printed, TextPaper
from earshot.core.errors import ActionError
from tests.assistant.screens import focus, need, pad, x11_screen
from tests.cli.command import Result, assert_one_line_error, command, earshot, earshot_process
from tests.cli.live_command import phrase
from tests.live.virtual_microphone import wait_for

TIMES = "It was the best of times, it was the worst of times."
BEFORE = "We had everything before us, we had nothing before us."


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with x11_screen(tmp_path_factory.mktemp("screen")) as environment:
        yield environment


def write_said(path: Path, *said: str) -> Path:
    """Phrases of the sample by their names; all else is said by a voice of flite."""
    pieces = []
    for one in said:
        pieces += [phrase(one) if one in ("times", "wisdom", "before") else made(one, path.parent)]
        pieces += [np.zeros(24_000, np.float32)]
    soundfile.write(path, np.concatenate(pieces), 16_000)
    return path


def made(words: str, folder: Path) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    need("flite")
    path = folder / "made.wav"
    subprocess.run(
        ["flite", "-voice", "rms", "--setf", "duration_stretch=1.2", "-t", words, "-o", str(path)], check=True
    )
    return read_audio(path).samples


def dictate(path: Path, *arguments: str) -> Result:
    return earshot("dictate", "--from-file", path, "--speed", "0", *arguments)


class TestWindow:
    def test_a_real_voice_is_typed_and_commands_are_obeyed(
        self, screen: dict[str, str], tmp_path: Path
    ) -> None:
        clip = write_said(
            tmp_path / "clip.wav",
            *("times", "new line", "wisdom", "scratch that", "before", "new line", "stop dictation", "wisdom"),
        )
        with pad(tmp_path, screen, is_edited=True, desktop=X11Desktop(screen)) as window:
            done = earshot_process("dictate", "--from-file", clip, "--speed", "0", environment=screen)
            assert (done.status, done.errors) == (0, "")
            window.expect(f"{TIMES}\n{BEFORE}\n")

    @pytest.mark.slow
    def test_the_whole_recording_arrives_as_it_is_printed(
        self, screen: dict[str, str], tmp_path: Path, sample_path: Path
    ) -> None:
        printed = earshot_process("dictate", "--from-file", sample_path, "--speed", "0", "--into", "stdout")
        assert printed.output.startswith(TIMES)
        assert len(printed.output.split()) > 90
        with pad(tmp_path, screen, desktop=X11Desktop(screen)) as window:
            done = earshot_process("dictate", "--from-file", sample_path, "--speed", "0", environment=screen)
            assert (done.status, done.errors) == (0, "")
            window.expect(printed.output.rstrip("\n"))

    def test_another_window_loses_nothing(self, screen: dict[str, str], tmp_path: Path) -> None:
        """While "scratch that" is said, another window has the focus."""
        desktop = X11Desktop(screen)
        silence = np.zeros(24_000, np.float32)
        scratch = made("scratch that", tmp_path)
        with (
            pad(tmp_path, screen, "other", desktop=desktop) as other,
            pad(tmp_path, screen, "first", desktop=desktop) as first,
            subprocess.Popen(
                command("dictate", "-"), env=screen, stdin=subprocess.PIPE, stderr=subprocess.PIPE
            ) as process,
        ):
            assert process.stdin is not None
            process.stdin.write(to_pcm(np.concatenate([phrase("times"), silence])))
            process.stdin.flush()
            first.expect(TIMES)
            focus(screen, "other", desktop)
            desktop.type_text("Precious")
            _, errors = process.communicate(to_pcm(np.concatenate([scratch, silence])), timeout=120)
            assert "nothing was dictated into this window" in errors.decode()
            other.expect("Precious")
            first.expect(TIMES)


class TestElsewhere:
    def test_the_clipboard_holds_all(
        self, screen: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        need("xclip")
        clip = write_said(tmp_path / "clip.wav", "times", "new line", "before")
        for name, value in screen.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        done = dictate(clip, "--into", "clipboard")
        assert (done.status, done.errors) == (0, "")
        assert X11Desktop(screen).read_clipboard() == f"{TIMES}\n{BEFORE}"

    def test_what_is_scratched_is_not_printed(self, tmp_path: Path) -> None:
        clip = write_said(tmp_path / "clip.wav", "times", "wisdom", "scratch that", "before")
        assert dictate(clip, "--into", "stdout").output == f"{TIMES} {BEFORE}\n"

    def test_a_dry_run_tells_what_would_be_typed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        clip = write_said(tmp_path / "clip.wav", "times", "scratch that")
        assert dictate(clip, "--dry-run").output == f"type   {TIMES!r}\npress  backspace ×{len(TIMES)}\n"

    def test_a_signal_pauses_it(self, tmp_path: Path) -> None:
        clip = tmp_path / "clip.wav"
        soundfile.write(clip, np.zeros(16_000 * 60, np.float32), 16_000)
        process = subprocess.Popen(
            command("dictate", "--from-file", clip, "--dry-run", "--engine", "scripted"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            wait_until_it_catches(process, signal.SIGUSR1)
            process.send_signal(signal.SIGUSR1)
            assert process.stderr.readline() == b"earshot: dictation is paused\n"
            process.send_signal(signal.SIGUSR1)
            assert process.stderr.readline() == b"earshot: dictation goes on\n"
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)
            assert process.returncode == 0
        finally:
            process.kill()
            process.communicate()


def wait_until_it_catches(process: subprocess.Popen[bytes], number: int) -> None:
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("only Linux tells which signals a process catches")

    def catches() -> bool:
        line = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
        return bool(int(line.split()[1], 16) & 1 << (number - 1))

    assert wait_for(catches)


class TestPapers:
    def test_undo_and_selection_in_memory(self) -> None:
        paper = TextPaper()
        paper.type_text("one two")
        paper.press("shift+left", 3)
        paper.type_text("three")
        assert paper.text == "one three"
        paper.press("ctrl+z")
        assert paper.text == "one two"
        paper.press("backspace", 4)
        assert paper.text == "one"

    def test_what_is_printed_stays(self) -> None:
        printed: list[str] = []
        paper = Printed(printed.append)
        for text in ("one", " two"):
            paper.type_text(text)
            paper.settle()
        assert printed == ["one"]
        paper.press("backspace", 4)
        with pytest.raises(ActionError, match="printed already"):
            paper.press("backspace", 3)
        paper.finish()
        assert "".join(printed) == "one\n"


class TestMistakes:
    def test_no_display(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert_one_line_error(earshot("dictate"), "there is no display")

    @pytest.mark.parametrize(
        ("variable", "package"), [("DISPLAY", "xdotool"), ("WAYLAND_DISPLAY", "wtype or ydotool")]
    )
    def test_a_missing_program_is_named_with_its_package(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, package: str
    ) -> None:
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setenv(variable, ":9")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert_one_line_error(earshot("dictate"), f"apt install {package}")

    def test_a_display_that_is_gone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        need("xdotool", "xmodmap")
        clip = write_said(tmp_path / "clip.wav", "times")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setenv("DISPLAY", "/nowhere:1")
        assert_one_line_error(dictate(clip), "failed")
