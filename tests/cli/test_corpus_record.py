from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import TIMEOUT, assert_one_line_error, command, earshot
from tests.cli.live_command import PHRASES, write_phrases
from tests.live.virtual_microphone import VirtualMicrophone

BEST, BELIEF = PHRASES["times"][2], PHRASES["belief"][2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "home"))


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(f"{BELIEF.capitalize()}.\n\n{BEST.capitalize()}.\n")
    return path


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def order(folder: Path) -> list[str]:
    return [json.loads(line)["text"] for line in (folder / "prompts.jsonl").read_text().splitlines()]


def test_a_book_is_read_aloud(tmp_path: Path, book: Path) -> None:
    folder = tmp_path / "voice"
    earshot("corpus", "record", "-o", folder, "--text", book, "-l", "en", "--from-file", book)
    first = "times" if "best" in order(folder)[0] else "belief"
    other = "belief" if first == "times" else "times"
    # The first time the wrong phrase is read, then the right one; then it is enough.
    clip = write_phrases(tmp_path / "clip.wav", other, first, pause=2.0)
    sound = ("--from-file", clip, "--speed", "0")
    done = earshot("corpus", "record", "-o", folder, "-l", "en", "--speaker", "me", *sound, stdin=b"\n\nq\n")
    assert done.status == 0
    assert done.errors.count("perhaps not what is written") == 1
    assert [row["text"] for row in rows(folder)] == [order(folder)[0]]
    assert "1 of 2 phrases" in done.output
    # Another day: one back, and it is read anew.
    done = earshot("corpus", "record", "-o", folder, *sound, "--no-hearing", stdin=b"b\n\nq\n")
    assert "1 of 2 phrases" in done.output
    assert (rows(folder)[0]["speaker"], rows(folder)[0]["language"]) == ("me", "en")


def test_unattended(tmp_path: Path, book: Path) -> None:
    folder = tmp_path / "voice"
    earshot(
        "corpus", "record", "-o", folder, "--text", book, "-l", "en", "--speaker", "me", "--from-file", book
    )
    names = ["times" if "best" in text else "belief" for text in order(folder)]
    clip = write_phrases(tmp_path / "clip.wav", *names, pause=2.0)
    done = earshot(
        "corpus",
        "record",
        "-o",
        folder,
        "-l",
        "en",
        "--speaker",
        "me",
        "--auto",
        "--from-file",
        clip,
        "--speed",
        "0",
    )
    assert done.status == 0, done
    assert "2 of 2 phrases" in done.output
    assert [(row["text"], row["speaker"], row["language"]) for row in rows(folder)] == [
        (text, "me", "en") for text in order(folder)
    ]
    told = earshot("corpus", "record", "-o", folder, "--status").output
    letters = len(set(BEST + BELIEF) - {" "})
    assert f"letters {letters} of {letters}" in told


def test_a_typed_phrase(tmp_path: Path) -> None:
    folder = tmp_path / "voice"
    clip = write_phrases(tmp_path / "clip.wav", "times", pause=1.5)
    done = earshot("corpus", "record", "-o", folder, "--phrase", BEST, "--wav", clip, "-l", "en")
    assert done.status == 0
    assert rows(folder)[0]["text"] == BEST
    done = earshot(
        "corpus",
        "record",
        "-o",
        folder,
        "--phrase",
        BELIEF,
        "--no-hearing",
        "--from-file",
        clip,
        "--speed",
        "0",
        stdin=b"\n",
    )
    assert [row["text"] for row in rows(folder)] == [BEST, BELIEF]
    done = earshot(
        "corpus",
        "record",
        "-o",
        folder,
        "--phrase",
        "hello",
        "--no-hearing",
        "--from-file",
        clip,
        "--speed",
        "0",
        stdin=b"s\n",
    )
    assert "1 skipped" in done.output


def test_mistakes(tmp_path: Path, book: Path) -> None:
    assert_one_line_error(
        earshot("corpus", "record", "-o", tmp_path / "v", "--from-file", book), "nothing to read"
    )
    assert_one_line_error(
        earshot("corpus", "record", "-o", tmp_path / "v", "--wav", book), "--phrase", status=2
    )
    (tmp_path / "numbers.txt").write_text("1 2 3 4 5")
    assert_one_line_error(
        earshot("corpus", "record", "-o", tmp_path / "v", "--text", tmp_path / "numbers.txt"),
        "no phrase that can be read",
    )


@pytest.mark.slow
def test_into_a_microphone(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    folder = tmp_path / "voice"
    clip = write_phrases(tmp_path / "clip.wav", "times", pause=0.5)
    arguments = command("corpus", "record", "-o", folder, "--phrase", BEST, "--no-hearing")
    # EARSHOT_HOME is the virtual microphone's: the choice of a microphone is remembered there.
    with subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **virtual_microphone.environment},
    ) as running:
        assert running.stdin is not None
        assert running.stderr is not None
        running.stdin.write(b"\n")
        running.stdin.close()
        said = b""
        while b"speak" not in said and (part := os.read(running.stderr.fileno(), 4096)):
            said += part
        assert b"speak" in said
        virtual_microphone.play(clip)
        said += running.stderr.read()
        assert running.wait(TIMEOUT) == 0, said
    (row,) = rows(folder)
    assert row["text"] == BEST
    assert isinstance(row["duration"], float)
    assert 3.0 < row["duration"] < 6.0
