"""ELAN's EAF, version 3.0: a tier a speaker, and its words on a tier below it."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO
from xml.parsers import expat

from earshot.core.errors import FormatError
from earshot.core.types import Transcript
from earshot.text.clean import clean_text
from earshot.text.formats.base import FormatOptions, Source, quoted
from earshot.text.formats.tiers import ReadTier, SpeakerTiers, tiers_of, transcript_of
from earshot.text.timing import Span

# --- writing -----------------------------------------------------------------------------------------------

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="{date}" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">{media}
        <PROPERTY NAME="lastUsedAnnotationId">{last_annotation}</PROPERTY>
    </HEADER>
    <TIME_ORDER>
"""

_TAIL = """    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="segment" TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Included_In" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="word" TIME_ALIGNABLE="true"/>
    <CONSTRAINT DESCRIPTION="Time alignable annotations within the parent annotation's time interval, gaps are allowed" STEREOTYPE="Included_In"/>
</ANNOTATION_DOCUMENT>
"""  # noqa: E501 - a line of XML


@dataclass(frozen=True, slots=True)
class _WrittenTier:
    """A tier with the numbers of its first time slot and annotation."""

    name: str
    speaker: str | None
    parent: str | None
    spans: tuple[Span, ...]
    first: int


def write_eaf(transcript: Transcript, stream: TextIO, options: FormatOptions) -> None:
    """Valid EAF 3.0 in whole milliseconds. ``options.recording``, a path, becomes the linked media file."""
    tiers = _written_tiers(tiers_of(transcript))
    spans = [span for tier in tiers for span in tier.spans]
    stream.write(
        _HEAD.format(
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            media=_media(options.recording),
            last_annotation=len(spans),
        )
    )
    slots = [(time, 2 * i + k) for i, span in enumerate(spans) for k, time in enumerate(_times(span))]
    # ELAN wants the slots in order of time; their names are free.
    for time, slot in sorted(slots):
        stream.write(f'        <TIME_SLOT TIME_SLOT_ID="ts{slot + 1}" TIME_VALUE="{time}"/>\n')
    stream.write("    </TIME_ORDER>\n")
    for tier in tiers:
        _write_tier(stream, tier)
    stream.write(_TAIL)


def _times(span: Span) -> tuple[int, int]:
    return span.start_ms, span.end_ms


def _written_tiers(speakers: list[SpeakerTiers]) -> list[_WrittenTier]:
    taken: set[str] = set()
    tiers: list[_WrittenTier] = []
    first = 0
    for tier in speakers or [SpeakerTiers(None, (), ())]:
        parent = _unique(tier.segments_name, taken)
        tiers.append(_WrittenTier(parent, tier.speaker, None, tier.segments, first))
        first += len(tier.segments)
        name = _unique(tier.words_name, taken)
        tiers.append(_WrittenTier(name, tier.speaker, parent, tier.words, first))
        first += len(tier.words)
    return tiers


def _unique(name: str, taken: set[str]) -> str:
    """Names of tiers are keys in EAF; a speaker may be called "words"."""
    numbered = itertools.chain([name], (f"{name} ({number})" for number in itertools.count(2)))
    unique = next(candidate for candidate in numbered if candidate not in taken)
    taken.add(unique)
    return unique


def _write_tier(stream: TextIO, tier: _WrittenTier) -> None:
    attributes = f"LINGUISTIC_TYPE_REF={_attribute('word' if tier.parent else 'segment')}"
    if tier.parent:
        attributes += f" PARENT_REF={_attribute(tier.parent)}"
    if tier.speaker:
        attributes += f" PARTICIPANT={_attribute(tier.speaker)}"
    stream.write(f"    <TIER {attributes} TIER_ID={_attribute(tier.name)}>\n")
    for number, span in enumerate(tier.spans, start=tier.first):
        stream.write(
            f'        <ANNOTATION>\n            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number + 1}"'
            f' TIME_SLOT_REF1="ts{2 * number + 1}" TIME_SLOT_REF2="ts{2 * number + 2}">\n'
            f"                <ANNOTATION_VALUE>{_escaped(span.text)}</ANNOTATION_VALUE>\n"
            "            </ALIGNABLE_ANNOTATION>\n        </ANNOTATION>\n"
        )
    stream.write("    </TIER>\n")


# Not xml.sax.saxutils: it imports urllib.request and with it half of what speaks HTTP, at every start.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_ATTRIBUTE_ESCAPES = {**_ESCAPES, ord('"'): "&quot;", 9: "&#9;", 10: "&#10;", 13: "&#13;"}


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _attribute(text: str) -> str:
    return f'"{text.translate(_ATTRIBUTE_ESCAPES)}"'


_MIME_TYPES = {".wav": "audio/x-wav", ".mp3": "audio/mpeg", ".mp4": "video/mp4", ".m4a": "audio/mp4"}


def _media(recording: Path | str | None) -> str:
    if not recording:
        return ""
    path = Path(recording)
    mime_type = _MIME_TYPES.get(path.suffix.lower(), "unknown")
    return (
        f"\n        <MEDIA_DESCRIPTOR MEDIA_URL={_attribute(clean_text(path.absolute().as_uri()))}"
        f' MIME_TYPE="{mime_type}" RELATIVE_MEDIA_URL={_attribute(clean_text("./" + path.name))}/>'
    )


# --- reading -----------------------------------------------------------------------------------------------

_MAX_DEPTH = 32  # EAF needs 6
_MAX_VALUE = 1_000_000  # characters of one annotation


@dataclass(slots=True)
class _ElanTier:
    """A tier while it is read."""

    name: str
    parent: str | None
    linguistic_type: str
    speaker: str | None
    spans: list[tuple[str, str, str]] = field(default_factory=list)  # two slots and a text


class _Handler:
    """Collects tiers and time slots; refuses what no EAF holds."""

    def __init__(self, source: Source, parser: expat.XMLParserType) -> None:
        self.source = source
        self.slots: dict[str, float | None] = {}
        self.tiers: list[_ElanTier] = []
        self._parser = parser
        self._depth = 0
        self._annotation: tuple[str, str] | None = None
        self._value: list[str] | None = None
        self._length = 0
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        # Entities can only be declared in a document type, and EAF has none: no bombs, no external files.
        parser.StartDoctypeDeclHandler = self._doctype

    def error(self, message: str) -> FormatError:
        return self.source.error(message, line=self._parser.CurrentLineNumber)

    def _doctype(self, *_: object) -> None:
        raise self.error("a document type, which EAF has not")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self.error(f"elements nested deeper than {_MAX_DEPTH}")
        if self._depth == 1 and name != "ANNOTATION_DOCUMENT":
            raise self.error(f"expected ANNOTATION_DOCUMENT, found {quoted(name)}")
        match name:
            case "TIME_SLOT":
                value = attributes.get("TIME_VALUE")
                line = self._parser.CurrentLineNumber
                seconds = None if value is None else self.source.milliseconds(value, line=line)
                self.slots[attributes.get("TIME_SLOT_ID", "")] = seconds
            case "TIER":
                self.tiers.append(_tier(attributes))
            case "ALIGNABLE_ANNOTATION":
                self._annotation = (
                    attributes.get("TIME_SLOT_REF1", ""),
                    attributes.get("TIME_SLOT_REF2", ""),
                )
            case "ANNOTATION_VALUE":
                self._value, self._length = [], 0

    def _characters(self, text: str) -> None:
        if self._value is None:
            return
        self._length += len(text)
        if self._length > _MAX_VALUE:
            raise self.error(f"an annotation of over {_MAX_VALUE:,} characters")
        self._value.append(text)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == "ALIGNABLE_ANNOTATION":
            self._annotation = None
        if name != "ANNOTATION_VALUE" or self._value is None:
            return
        text = clean_text("".join(self._value))
        self._value = None
        if self._annotation and self.tiers and text:
            self.tiers[-1].spans.append((*self._annotation, text))


def _tier(attributes: dict[str, str]) -> _ElanTier:
    return _ElanTier(
        attributes.get("TIER_ID", ""),
        attributes.get("PARENT_REF"),
        attributes.get("LINGUISTIC_TYPE_REF", ""),
        attributes.get("PARTICIPANT") or None,
    )


def read_eaf(source: Source) -> Transcript:
    """Top tiers give segments, their speaker being the participant, else the tier's name; of the tiers below
    them those of words give words. Annotations without times of their own are left out.
    """
    parser = expat.ParserCreate("UTF-8")  # the text is decoded; what its head declares is past
    parser.buffer_text = True
    handler = _Handler(source, parser)
    try:
        parser.Parse(source.text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise source.error(
            f"no XML ({expat.ErrorString(error.code)})", line=error.lineno, fix="save it again in ELAN"
        ) from error
    _fill_slots(handler.slots)
    return transcript_of(list(_read_tiers(handler)))


def _fill_slots(slots: dict[str, float | None]) -> None:
    """Times for the slots without any, evenly between their timed neighbours, as ELAN shows them."""
    names = list(slots)
    waiting: list[str] = []
    before = 0.0
    for name in names:
        after = slots[name]
        if after is None:
            waiting.append(name)
            continue
        for index, empty in enumerate(waiting, start=1):
            slots[empty] = before + max(after - before, 0.0) * index / (len(waiting) + 1)
        waiting, before = [], after
    for empty in waiting:
        slots[empty] = before


def _read_tiers(handler: _Handler) -> Iterator[ReadTier]:
    speakers = {tier.name: tier.speaker or tier.name for tier in handler.tiers}
    for tier in handler.tiers:
        is_words = bool(re.search(r"(?i)\bwords?\b", f"{tier.linguistic_type} {tier.name}"))
        if tier.parent is not None and not is_words:
            continue  # translations, glosses, phones
        spans = tuple(sorted(_span(handler, *span) for span in tier.spans))
        speaker = speakers.get(tier.parent, tier.parent) if tier.parent is not None else None
        if tier.parent is not None:
            yield ReadTier("words", spans, tier.speaker or speaker)
        else:
            yield ReadTier(tier.name, spans, tier.speaker)


def _span(handler: _Handler, first: str, second: str, text: str) -> tuple[float, float, str]:
    times = [handler.slots.get(slot) for slot in (first, second)]
    if times[0] is None or times[1] is None:
        raise handler.source.error(f"the annotation {quoted(text)} refers to no time slot")
    return (*handler.source.span(times[0], times[1]), text)
