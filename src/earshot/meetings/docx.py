"""Minutes as a Word document: the few parts of Office Open XML (ECMA-376) that one needs, without a library."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from earshot.meetings.types import Meeting
from earshot.meetings.wording import NOTHING_SAID, action_note, clock, facts, share, speaker_name
from earshot.text.clean import clean_text

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"

_CONTENT_TYPES = (
    f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
    f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{_TYPE}.document.main+xml"/>'
    f'<Override PartName="/word/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
    '<Override PartName="/docProps/core.xml"'
    ' ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>'
    "</Types>"
)
_RELATIONS = (
    f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/>'
    f'<Relationship Id="rId2" Type="{_PACKAGE}/relationships/metadata/core-properties"'
    ' Target="docProps/core.xml"/>'
    "</Relationships>"
)
_DOCUMENT_RELATIONS = (
    f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>'
)
# Not xml.sax.saxutils: it imports half of what speaks HTTP.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same meeting gives the same bytes."""


def write_docx(meeting: Meeting, file: BinaryIO) -> None:
    """Title, facts, participants, summary, action items, dialogue with times."""
    parts = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _RELATIONS,
        "word/_rels/document.xml.rels": _DOCUMENT_RELATIONS,
        "word/document.xml": _document(meeting),
        "word/styles.xml": _styles(),
        "docProps/core.xml": _properties(meeting),
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text.encode("utf-8"), zipfile.ZIP_DEFLATED)


def _document(meeting: Meeting) -> str:
    page = (
        '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/>'
        '<w:pgMar w:top="1134" w:right="1134" w:bottom="1134" w:left="1134" w:header="567" w:footer="567"'
        ' w:gutter="0"/></w:sectPr>'
    )
    body = "".join(_body(meeting))
    return f'{_HEAD}<w:document xmlns:w="{_W}"><w:body>{body}{page}</w:body></w:document>'


def _body(meeting: Meeting) -> Iterator[str]:
    yield _paragraph(_run(meeting.title), style="Title")
    yield _paragraph(_run(" · ".join(facts(meeting))), style="Subtitle")
    if meeting.participants:
        yield _paragraph(_run("Who spoke"), style="Heading1")
        yield _participants(meeting)
    if meeting.summary.sentences:
        yield _paragraph(_run("Summary"), style="Heading1")
        for sentence in meeting.summary.sentences:
            where = f"  {speaker_name(sentence.speaker)}, {clock(sentence.start or 0)}"
            yield _paragraph(_run(f"• {clean_text(sentence.text)}"), _run(where, is_grey=True))
    if meeting.actions:
        yield _paragraph(_run("Action items"), style="Heading1")
        for item in meeting.actions:
            note = f"  {action_note(item)}, {clock(item.start)}"
            yield _paragraph(_run(f"☐ {clean_text(item.text)}"), _run(note, is_grey=True))
    yield _paragraph(_run("Transcript"), style="Heading1")
    dialogue = meeting.dialogue()
    if not dialogue:
        yield _paragraph(_run(NOTHING_SAID))
    for turn in dialogue:
        yield _paragraph(
            _run(speaker_name(turn.speaker), is_bold=True),
            _run(f"  {clock(turn.start)}", is_grey=True),
            keeps_next=True,
        )
        yield _paragraph(_run(turn.text))


def _participants(meeting: Meeting) -> str:
    rows = [("", "time", "share", "turns")]
    rows += [
        (
            speaker_name(one.name),
            clock(one.seconds),
            f"{100 * share(meeting, one.seconds):.0f} %",
            str(one.num_turns),
        )
        for one in meeting.participants
    ]
    widths = (4800, 1400, 1400, 1400)
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    cells = [
        "".join(
            f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/></w:tcPr>'
            f"{_paragraph(_run(text, is_bold=number == 0))}</w:tc>"
            for text, width in zip(row, widths, strict=True)
        )
        for number, row in enumerate(rows)
    ]
    table = "".join(f"<w:tr>{row}</w:tr>" for row in cells)
    return (
        '<w:tbl><w:tblPr><w:tblW w:w="9000" w:type="dxa"/></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid>{table}</w:tbl>{_paragraph()}"
    )


def _paragraph(*runs: str, style: str | None = None, keeps_next: bool = False) -> str:
    settings = f'<w:pStyle w:val="{style}"/>' if style else ""
    settings += "<w:keepNext/>" if keeps_next else ""
    properties = f"<w:pPr>{settings}</w:pPr>" if settings else ""
    return f"<w:p>{properties}{''.join(runs)}</w:p>"


def _run(text: str, *, is_bold: bool = False, is_grey: bool = False) -> str:
    settings = "<w:b/>" if is_bold else ""
    settings += '<w:color w:val="666666"/>' if is_grey else ""
    properties = f"<w:rPr>{settings}</w:rPr>" if settings else ""
    return f'<w:r>{properties}<w:t xml:space="preserve">{_text(text)}</w:t></w:r>'


def _text(text: str) -> str:
    """Without what XML forbids (control characters, lone surrogates), spaces at the ends kept."""
    before = " " * (len(text) - len(text.lstrip(" ")))
    return before + clean_text(text).translate(_ESCAPES)


def _styles() -> str:
    def style(
        name: str, shown: str, size: int, *, is_bold: bool = False, before: int = 0, level: str = ""
    ) -> str:
        return (
            f'<w:style w:type="paragraph" w:styleId="{name}"><w:name w:val="{shown}"/>'
            f'<w:basedOn w:val="Normal"/><w:next w:val="Normal"/><w:qFormat/>'
            f'<w:pPr><w:spacing w:before="{before}" w:after="120"/>{level}</w:pPr>'
            f'<w:rPr>{"<w:b/>" if is_bold else ""}<w:sz w:val="{size}"/></w:rPr></w:style>'
        )

    normal = (
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:qFormat/>'
        '<w:pPr><w:spacing w:after="100"/></w:pPr><w:rPr><w:rFonts w:ascii="Calibri" w:hAnsi="Calibri"'
        ' w:cs="Calibri"/><w:sz w:val="22"/></w:rPr></w:style>'
    )
    styles = [
        normal,
        style("Title", "Title", 40, is_bold=True),
        style("Subtitle", "Subtitle", 22),
        style("Heading1", "heading 1", 28, is_bold=True, before=320, level='<w:outlineLvl w:val="0"/>'),
    ]
    return f'{_HEAD}<w:styles xmlns:w="{_W}">{"".join(styles)}</w:styles>'


def _properties(meeting: Meeting) -> str:
    return (
        f'{_HEAD}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{_text(meeting.title)}</dc:title><dc:creator>Earshot</dc:creator></cp:coreProperties>"
    )
