"""``earshot listen --diarize`` and what ``earshot sessions`` makes of it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from earshot.cli._screen import InOrder, SpeakerColours, Terminal
from earshot.core.types import Final, Segment
from earshot.live.speakers import SpeakerKnown
from earshot.live.stored import find_session
from earshot.speakers.enrolment import describe_voice, enrolment_encoders
from earshot.speakers.memory import SpeakerMemory
from earshot.text.formats import read_transcript
from tests.cli.command import Result, assert_one_line_error, earshot
from tests.cli.test_listen import make_status
from tests.speech import FIRST_SENTENCES, MORE_SENTENCES, TWO_LINES, three_voices


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path / "earshot"))
    return tmp_path / "earshot"


@pytest.fixture(scope="module")
def talk(sample_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """9 s of one voice, from 9.6 to 16.1 s another, the first again."""
    first, second, _ = three_voices(sample_path)
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    pause = np.zeros(16_000, np.float32)
    parts = [first[FIRST_SENTENCES], pause, second[TWO_LINES], pause, first[MORE_SENTENCES], pause]
    soundfile.write(path, np.concatenate(parts), 16_000)
    return path


def listen(talk: Path, *arguments: str | Path) -> Result:
    result = earshot("listen", "--from-file", talk, "--speed", "0", *arguments)
    assert result.status == 0, result.errors
    return result


def test_each_line_says_who_speaks_and_so_do_files_and_sessions(
    talk: Path, voices: object, tmp_path: Path
) -> None:
    result = listen(talk, "--diarize", "-o", tmp_path / "a.json", "-o", tmp_path / "a.txt")
    lines = result.output.splitlines()
    speakers = [line.partition(": ")[0] for line in lines]
    assert set(speakers) == {"S1", "S2"}
    # The first speaks, the second, and the first again.
    assert [who for who, before in zip(speakers, [None, *speakers], strict=False) if who != before] == [
        *("S1", "S2", "S1")
    ]
    assert lines[0].startswith("S1: It was the best of times")
    assert (tmp_path / "a.txt").read_text() == result.output
    assert [segment.speaker for segment in read_transcript(tmp_path / "a.json").segments] == speakers
    shown = earshot("sessions", "show", "last").output.splitlines()
    assert [line.split("  ", 1)[1] for line in shown[-len(lines) :]] == lines
    assert earshot("sessions", "export", "last").output == result.output


def test_who_is_enrolled_goes_by_name(talk: Path) -> None:
    samples, _ = soundfile.read(talk, dtype="float32")
    memory = SpeakerMemory()
    memory.enrol("Анна [2]", [describe_voice("a", [samples[153_600:257_600]], enrolment_encoders())])
    lines = listen(talk, "--diarize", "--json").output.splitlines()
    finals = [event for event in map(json.loads, lines) if event["type"] == "final"]
    assert {final["speaker"] for final in finals} == {"S1", "Анна [2]"}
    assert {final["speaker"] for final in finals if 9.6 < (final["start"] + final["end"]) / 2 < 16.1} == {
        "Анна [2]"
    }


def test_a_session_that_was_cut_off_goes_on_with_its_labels(talk: Path, voices: object) -> None:
    listen(talk, "--diarize")
    stored = find_session("last")
    whole = [(segment.speaker, segment.start) for segment in stored.transcript().segments]
    # As a crash after the second final would leave it, which had named the speakers the other way round.
    events = stored.folder / "events.jsonl"
    kept = [json.loads(line) for line in events.read_text().splitlines()]
    finals = [event for event in kept if event["type"] == "final"]
    second = next(event["index"] for event in finals if event["speaker"] == "S2")
    swapped = {"S1": "S2", "S2": "S1"}
    left = [{**event, "speaker": swapped[event["speaker"]]} for event in finals if event["index"] <= second]
    events.write_text("".join(json.dumps(event) + "\n" for event in left))
    meta = stored.folder / "meta.json"
    meta.write_text(meta.read_text().replace('"is_complete": true', '"is_complete": false'))
    result = earshot("sessions", "recover")
    assert result.status == 0, result.errors
    recovered = find_session("last").transcript().segments
    assert recovered[-1].speaker == swapped[whole[-1][0] or ""]
    assert {segment.speaker for segment in recovered} == {"S1", "S2"}
    assert result.output.splitlines()[-1].startswith(f"{recovered[-1].speaker}: ")


def test_recovery_can_tell_speakers_apart_in_a_session_that_did_not(talk: Path, voices: object) -> None:
    listen(talk)
    assert {segment.speaker for segment in find_session("last").transcript().segments} == {None}
    result = earshot("sessions", "recover", "last", "--all", "--diarize", "--num-speakers", "2")
    assert result.status == 0, result.errors
    stored = find_session("last")
    assert {segment.speaker for segment in stored.transcript().segments} == {"S1", "S2"}
    assert (stored.meta.diarize, stored.meta.num_speakers) == (True, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--num-speakers", "0"), ["num-speakers"]),
        (("--num-speakers", "two"), ["num-speakers"]),
        (("--num-speakers", "2", "--max-speakers", "3"), ["--num-speakers says it all"]),
        (("--min-speakers", "4", "--max-speakers", "3"), ["at least 4 and at most 3"]),
        (("--max-speakers", "1000"), ["max-speakers"]),
    ],
)
def test_numbers_that_cannot_be_are_refused(talk: Path, arguments: tuple[str, ...], words: list[str]) -> None:
    result = earshot("listen", "--from-file", talk, "--diarize", *arguments)
    assert_one_line_error(result, *words, status=2)


def test_a_damaged_memory_is_told_and_nothing_is_lost(talk: Path, voices: object, home: Path) -> None:
    home.mkdir()
    (home / "speakers.sqlite").write_bytes(b"no database" * 500)
    result = earshot("listen", "--from-file", talk, "--speed", "0", "--diarize")
    assert_one_line_error(result, "speakers.sqlite", "damaged")


# --- the terminal -------------------------------------------------------------------------------------------


def test_names_have_colours_that_stay() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80, color_system="standard")
    with Terminal(make_status, console=console) as screen:
        for index, name in enumerate(["Anna", "S1", "Anna", None]):
            screen.show(Final(Segment(f"words {index}", index, index + 1.0, (), name)))
    lines = re.findall(r"((?:\x1b\[[0-9;]*m)*)(Anna|S1)\x1b\[0m  (words \d)", written.getvalue())
    assert [(name, text) for _, name, text in lines] == [
        *(("Anna", "words 0"), ("S1", "words 1"), ("Anna", "words 2"))
    ]
    colours = [colour for colour, _, _ in lines]
    assert colours[0] == colours[2] != colours[1]
    assert "words 3" in written.getvalue()


def test_a_line_waits_for_its_name_and_what_follows_waits_for_the_line() -> None:
    shown: list[tuple[str | None, str]] = []
    order = InOrder(lambda segment: shown.append((segment.speaker, segment.text)), has_speakers=True)
    order.final(Segment("one", 0, 1, (), "Anna"))
    order.final(Segment("two", 1, 2))
    order.other(lambda: shown.append((None, "translation of two")))
    order.final(Segment("three", 2, 3))
    order.final(Segment("four", 3, 4, (), "Anna"))
    assert shown == [("Anna", "one")]
    assert order.held_text == "two three four"
    order.known(SpeakerKnown(2, None))
    assert len(shown) == 1
    order.known(SpeakerKnown(1, "Bob"))
    assert shown[1:] == [("Bob", "two"), (None, "translation of two"), (None, "three"), ("Anna", "four")]
    order.final(Segment("five", 4, 5))
    order.known(SpeakerKnown(99, "Nobody"))
    assert len(shown) == 5
    order.finish()
    assert shown[5:] == [(None, "five")]
    assert order.held_text == ""


def test_a_line_that_waits_is_read_at_once() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80, color_system="standard")
    with Terminal(make_status, console=console, has_speakers=True) as screen:
        screen.show(Final(Segment("Good morning.", 0.0, 1.0)))
        screen._live.refresh()
        before = written.getvalue()
        screen.show(SpeakerKnown(0, "Anna"))
    assert "Good morning." in before
    assert "Anna" not in before
    assert re.search(r"Anna\x1b\[0m  Good morning\.", written.getvalue())


def test_more_speakers_than_colours_is_no_harm() -> None:
    colours = SpeakerColours()
    given = [colours.of(f"S{number}") for number in range(40)]
    assert given == [colours.of(f"S{number}") for number in range(40)]
    assert len(set(given[:6])) == 6
