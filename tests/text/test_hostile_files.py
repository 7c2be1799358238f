"""Whatever a file holds, a reader gives a sane transcript or one FormatError, and soon."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.core.errors import FormatError
from earshot.core.types import Transcript
from earshot.text.formats import FORMATS, read_transcript
from earshot.text.formats.base import MAX_BYTES, Source
from tests.text.transcripts import examples, transcripts, written

READABLE = sorted(name for name in FORMATS if FORMATS[name].read)

PIECES = (
    "1",
    "-1",
    "99999999999999999999",
    "1e999",
    "nan",
    "inf",
    "0.5",
    "00:00:01,000 --> 00:00:02,000",
    "00:00:02.000 --> 00:00:01.000",
    "-->",
    "WEBVTT",
    "NOTE",
    "<v Anna>",
    "<",
    "&#x110000;",
    "start",
    "end",
    "text",
    "\t",
    ",",
    '"',
    '""',
    "\n",
    "\n\n",
    "\r",
    "{",
    "}",
    "[",
    "]",
    '"segments":',
    '"start":',
    "null",
    'File type = "ooTextFile"\n',
    'Object class = "TextGrid"\n',
    "<exists>",
    '"IntervalTier"',
    "<ANNOTATION_DOCUMENT>",
    "<TIER>",
    "<TIME_SLOT TIME_VALUE='-1'/>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]>",
    "&b;",
    ";;",
    "rec A 0.0 0.5 word",
    "* * <ALT>",
    "\\",
    "\0",
    "é",
)


def outcome(read: Callable[[], Transcript]) -> Transcript | FormatError:
    """What a reader gives; any other error fails the test."""
    try:
        return read()
    except FormatError as error:
        return error


def check(name: str, text: str) -> None:
    """A transcript whose times make sense, or a FormatError that names the file in one line."""
    reader = FORMATS[name].read
    assert reader is not None
    transcript = outcome(lambda: reader(Source("hostile.file", text)))
    if isinstance(transcript, FormatError):
        assert "hostile.file" in transcript.message
        assert "\n" not in str(transcript)
        assert len(str(transcript)) < 400
        return
    for segment in transcript.segments:
        assert 0 <= segment.start <= segment.end < math.inf
        for word in segment.words:
            assert word.start is None or 0 <= word.start < math.inf
    for other in ("srt", "json", "textgrid"):
        written(transcript, other)  # what was read can be written


@pytest.mark.parametrize("name", READABLE)
@examples
@given(
    text=st.one_of(
        st.text(),
        st.lists(st.sampled_from(PIECES)).map(" ".join),
        st.lists(st.sampled_from(PIECES)).map("".join),
    )
)
def test_any_text(name: str, text: str) -> None:
    check(name, text)


@pytest.mark.parametrize("name", READABLE)
@examples
@given(transcript=transcripts, data=st.data())
def test_truncated_and_damaged_files(name: str, transcript: Transcript, data: st.DataObject) -> None:
    text = written(transcript, name)
    cut = data.draw(st.integers(0, len(text)))
    check(name, text[:cut])
    piece = data.draw(st.sampled_from(PIECES))
    check(name, text[:cut] + piece + text[cut + data.draw(st.integers(0, 5)) :])


@pytest.mark.parametrize("name", READABLE)
@examples
@given(data=st.binary(max_size=200))
def test_any_bytes(name: str, data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"a{FORMATS[name].suffix}"
    path.write_bytes(data)
    result = outcome(lambda: read_transcript(path))
    assert isinstance(result, Transcript) or path.name in result.message


@pytest.mark.parametrize("name", READABLE)
def test_a_line_of_many_megabytes(name: str) -> None:
    for text in ("x" * 5_000_000, "1 " * 2_500_000, '"' * 5_000_001, "start,end,text\n" + "a" * 5_000_000):
        check(name, text)


@pytest.mark.parametrize("name", READABLE)
def test_a_file_of_blank_lines(name: str) -> None:
    check(name, "\n" * 2_000_000)


@pytest.mark.parametrize("name", READABLE)
def test_files_that_are_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot read"):
        read_transcript(tmp_path / "absent", name)
    with pytest.raises(FormatError, match="cannot read"):
        read_transcript(tmp_path, name)
    with pytest.raises(FormatError, match="cannot read"):
        read_transcript("nul\0name", name)
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(FormatError, match="larger than"):
        read_transcript(huge, name)
    binary = tmp_path / "binary"
    binary.write_bytes(b"RIFF\x00\x00\x00\x00WAVE\xff\xfe")
    with pytest.raises(FormatError, match="a binary file"):
        read_transcript(binary, name)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(f'<!ENTITY lol{i} "{f"&lol{i - 1};" * 10}">'.replace("lol0", "lol") for i in range(1, 10))
    + "]><ANNOTATION_DOCUMENT>&lol9;</ANNOTATION_DOCUMENT>"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOMB, "a document type"),
        (
            '<!DOCTYPE a SYSTEM "file:///etc/passwd"><ANNOTATION_DOCUMENT/>',
            "a document type",
        ),
        ("<ANNOTATION_DOCUMENT>&secret;</ANNOTATION_DOCUMENT>", "no XML"),
        ("<html/>", "expected ANNOTATION_DOCUMENT"),
        ("<ANNOTATION_DOCUMENT>" + "<A>" * 1000, "nested deeper"),
        ('<ANNOTATION_DOCUMENT><TIME_SLOT TIME_VALUE="1e9"/></ANNOTATION_DOCUMENT>', "whole milliseconds"),
        ('<ANNOTATION_DOCUMENT><TIME_SLOT TIME_VALUE="-5"/></ANNOTATION_DOCUMENT>', "not within"),
        (
            '<ANNOTATION_DOCUMENT><TIER TIER_ID="a">'
            '<ALIGNABLE_ANNOTATION TIME_SLOT_REF1="x" TIME_SLOT_REF2="y">'
            "<ANNOTATION_VALUE>hi</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></TIER></ANNOTATION_DOCUMENT>",
            "no time slot",
        ),
    ],
)
def test_xml_that_attacks(text: str, expected: str) -> None:
    reader = FORMATS["eaf"].read
    assert reader is not None
    with pytest.raises(FormatError, match=expected):
        reader(Source("a.eaf", text))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("srt", "hello\n", "line 1: expected a cue"),
        ("srt", "1\n00:00:01 --> 00:00:02\nhi\n", "line 2: expected times"),
        ("srt", "1\n00:00:05,000 --> 00:00:02,000\nhi\n", "line 2: the end 2 s comes before the start 5 s"),
        ("vtt", "00:01.000 --> 00:02.000\nhi\n", "begins without WEBVTT"),
        ("tsv", "a\tb\n1\t2\n", "expected the columns"),
        ("tsv", "start\tend\ttext\n1.5\t2\thi\n", "line 2: '1.5' is no time"),
        ("tsv", "start\tend\ttext\n-5\t2\thi\n", "line 2: the time '-5' is not within"),
        ("csv", "start,end,text\n1.0,2.0\n", "line 2: expected 3 cells, found 2"),
        ("csv", 'start,end,text\n1.0,2.0,"open\n', "no CSV"),
        ("json", "[1]", "the document is no JSON object"),
        ("json", '{"segments": [{"text": "a", "start": NaN, "end": 1}]}', "no JSON"),
        ("json", '{"segments": [{"text": "a", "start": 2, "end": 1}]}', "comes before"),
        ("json", '{"segments": [{"text": "a", "start": true, "end": 1}]}', "start is no number"),
        ("json", '{"format": "earshot-transcript", "version": 2, "segments": []}', "version '2'"),
        ("json", "[" * 200_000, "no JSON"),
        ("json", json.dumps({"segments": []})[:-1], "line 1"),
        ("json", '{"segments": [{"text": "a", "start": ' + "9" * 5000 + ', "end": 1}]}', "no JSON"),
        ("json", '{"segments": [{"text": "a", "start": 1e400, "end": 1}]}', "no number"),
        ("ctm", "rec 1 0.0 word\n", "line 1: expected recording"),
        ("ctm", "a 1 0.0 0.5 x\nb 1 0.0 0.5 y\n", "line 2: a second recording 'b'"),
        ("ctm", "a 1 0.0 0.5 x 1.5\n", "confidence 1.5"),
        ("rttm", "SPEAKER a 1 0.0\n", "line 1: expected SPEAKER"),
        ("rttm", "SPEAKER a 1 0 nan <NA> <NA> x <NA> <NA>\n", "'nan' is no time"),
        ("rttm", "SPEAKER a 1 0 1 <NA> <NA> x\nSPEAKER b 1 0 1 <NA> <NA> x\n", "a second recording 'b'"),
        ("textgrid", "ooBinaryFile\x08TextGrid", "binary TextGrid"),
        ("textgrid", '"ooTextFile" "Sound" 0 1', "found a 'Sound'"),
        ("textgrid", '"ooTextFile" "TextGrid" 0 1 <exists> 999999999 ', "the class of a tier"),
        ("textgrid", '"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "open', "has no end"),
        ("audacity", "hello\n", "line 1: expected start, end and label"),
        ("audacity", "-1.0\t2.0\thi\n", "line 1: the time '-1.0' is not within"),
    ],
)
def test_errors_say_what_was_expected_and_where(name: str, text: str, expected: str) -> None:
    reader = FORMATS[name].read
    assert reader is not None
    with pytest.raises(FormatError) as caught:
        reader(Source(f"a.{name}", text))
    assert f"a.{name}" in caught.value.message
    assert expected in caught.value.message
