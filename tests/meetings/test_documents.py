"""Minutes in files: what is in them, that other programs can read them, that words stay words."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.core.errors import FormatError
from earshot.core.optional import is_installed
from earshot.core.types import Transcript
from earshot.meetings import MEETING_FORMATS, MeetingOptions, build_meeting, write_meeting
from earshot.meetings.document import read_sources, write_meeting_json
from earshot.meetings.docx import write_docx
from earshot.meetings.markdown import escaped, write_markdown
from earshot.meetings.types import Meeting
from earshot.speakers.rttm import read_rttm
from earshot.text.formats import read_transcript
from tests.meetings.examples import DIALOGUE, meeting

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "]]>&amp;\"'><svg/onload=alert(1)>",
    "[link](javascript:alert(1)) *bold* `code` # heading | cell",
    "\x00\x1b[31m\ud800 ‮gnirts",
)


def hostile_meeting() -> Meeting:
    made = meeting([(name, f"I'll say {name} tomorrow to all.") for name in HOSTILE], title=HOSTILE[1])
    return replace(made, warnings=(HOSTILE[0],))


def markdown(made: Meeting) -> str:
    stream = io.StringIO()
    write_markdown(made, stream)
    return stream.getvalue()


def docx(made: Meeting) -> zipfile.ZipFile:
    file = io.BytesIO()
    write_docx(made, file)
    return zipfile.ZipFile(file)


def docx_text(archive: zipfile.ZipFile) -> str:
    root = ElementTree.fromstring(archive.read("word/document.xml"))
    space = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
    return "\n".join(
        "".join(text.text or "" for text in paragraph.iter(f"{space}t")) for paragraph in root.iter(f"{space}p")
    )


def test_every_format_is_written_and_named(tmp_path: Path) -> None:
    written = write_meeting(meeting(), tmp_path / "new" / "folder", tuple(MEETING_FORMATS))
    assert [path.name for path in written] == [f"meeting{entry.suffix}" for entry in MEETING_FORMATS.values()]
    assert all(path.stat().st_size > 300 for path in written)
    with pytest.raises(FormatError, match="did you mean 'docx'"):
        write_meeting(meeting(), tmp_path, ["doc"])


def test_what_is_read_back_is_what_was_said(tmp_path: Path) -> None:
    made = meeting()
    write_meeting(made, tmp_path, tuple(MEETING_FORMATS))
    assert read_transcript(tmp_path / "meeting.json") == made.transcript
    for suffix in ("eaf", "vtt"):
        found = read_transcript(tmp_path / f"meeting.{suffix}")
        assert {segment.speaker for segment in found.segments} == {name for name, _ in DIALOGUE}
        assert "rudder is worse" in found.text
    assert "Anna: Good morning everybody." in (tmp_path / "meeting.srt").read_text()
    (turns,) = read_rttm(tmp_path / "meeting.rttm").values()
    assert len(turns) == len(made.turns)
    assert {turn.speaker for turn in turns} == {"Anna", "Ben", "Chidi", "Speaker_4"}


def test_json_has_what_minutes_add(tmp_path: Path) -> None:
    write_meeting(meeting(), tmp_path, ["json"])
    more = json.loads((tmp_path / "meeting.json").read_text())["meeting"]
    assert [one["name"] for one in more["participants"]] == ["Anna", "Ben", "Chidi", "Speaker 4"]
    assert sum(one["share"] for one in more["participants"]) == pytest.approx(1, abs=1e-3)
    assert {item["rule"] for item in more["actions"]} <= set(more["rules"])
    assert len(more["summary"]) == 4
    assert more["turns"][0][2] == "Anna"


def test_the_recordings_of_a_meeting_are_found_again(tmp_path: Path) -> None:
    recording = tmp_path / "a b.wav"
    recording.touch()
    write_meeting(replace(meeting(), sources=(recording, tmp_path / "gone.wav")), tmp_path, ["json"])
    assert read_sources(tmp_path / "meeting.json") == (recording,)
    for text, answer in [("[1]", ()), ('{"meeting": {"sources": [1, "\\u0000", {}]}}', ())]:
        (tmp_path / "other.json").write_text(text)
        assert read_sources(tmp_path / "other.json") == answer
    (tmp_path / "other.json").write_text("[" * 100_000)
    with pytest.raises(FormatError):
        read_sources(tmp_path / "other.json")


def test_markdown_tells_who_what_and_why() -> None:
    text = markdown(meeting())
    assert text.startswith("# Boat club, planning\n\nSaturday 21 November 2026")
    assert re.search(r"\| Anna \| 0:28 \| 38 % \| 6 \|", text)
    assert (
        "- [ ] I'll call the yard tomorrow and ask for a price. — for Ben, due tomorrow, rule: promised" in text
    )
    assert "\n**Chidi** 0:20  \nThe insurance pays half of it." in text


def test_markdown_shows_hostile_text_as_it_is() -> None:
    text = markdown(hostile_meeting())
    assert not re.search(r"(?<!\\)<", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    assert not re.search(r"(?<!\\)`", text)
    assert "\x1b" not in text
    table = text.split("## Who spoke")[1].split("##")[0].strip().splitlines()
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in table)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It's fine, isn't it? (Yes.)", "It's fine, isn't it? (Yes.)"),
        ("1. a list", r"1\. a list"),
        ("- no list", r"\- no list"),
        ("# no heading", r"\# no heading"),
        ("see www.example.org", r"see www\.example.org"),
        ("see http://a.b", r"see http\://a.b"),
        ("mail a@b.c", r"mail a\@b.c"),
        ("2) two", r"2\) two"),
        ("a\nb", "a b"),
    ],
)
def test_prose_stays_readable_in_markdown(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(st.text(max_size=80))
def test_markdown_of_any_text_is_one_line_without_markup(text: str) -> None:
    made = escaped(text)
    assert "\n" not in made
    assert not re.search(r"(?<!\\)(\\\\)*[<`*|\[]", made)


def test_a_word_document_has_its_parts_and_says_it_all() -> None:
    archive = docx(meeting())
    assert archive.testzip() is None
    assert archive.namelist()[0] == "[Content_Types].xml"
    for name in archive.namelist():
        ElementTree.fromstring(archive.read(name))
    listed = ElementTree.fromstring(archive.read("[Content_Types].xml"))
    for part in listed:
        if name := part.get("PartName"):
            assert name.removeprefix("/") in archive.namelist()
    text = docx_text(archive)
    for expected in (
        "Boat club, planning",
        "Who spoke",
        "Action items",
        "The rudder is worse than we thought.",
    ):
        assert expected in text


def test_a_word_document_of_hostile_text_says_that_text() -> None:
    text = docx_text(docx(hostile_meeting()))
    assert "<script>alert(1)</script>" in text
    assert "]]>&amp;\"'><svg/onload=alert(1)>" in text


def test_a_word_document_opens_in_a_library_that_knows_them(tmp_path: Path) -> None:
    if not is_installed("docx"):
        pytest.skip("no python-docx: pip install python-docx")
    import docx as library

    for made in (meeting(), hostile_meeting(), build_meeting(Transcript(), (), MeetingOptions())):
        (path,) = write_meeting(made, tmp_path, ["docx"])
        opened = library.Document(str(path))
        assert opened.paragraphs[0].text == made.title
        assert opened.core_properties.title == made.title
        assert len(opened.tables) == bool(made.participants)


def test_hostile_text_survives_json_exactly() -> None:
    made = hostile_meeting()
    stream = io.StringIO()
    write_meeting_json(made, stream)
    read = json.loads(stream.getvalue())
    assert [segment["text"] for segment in read["segments"]] == [s.text for s in made.transcript.segments]


def test_an_empty_meeting_is_written_in_every_format(tmp_path: Path) -> None:
    made = build_meeting(Transcript(duration=3600.0), (), MeetingOptions())
    assert made.warnings == ("no speech was recognized",)
    assert made.title == "Meeting"
    for path in write_meeting(made, tmp_path, tuple(MEETING_FORMATS)):
        assert path.is_file()
    assert read_transcript(tmp_path / "meeting.json") == made.transcript
