"""What is made of a session's text: files of every format, a summary, a translation."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

from earshot.core.errors import EarshotError
from earshot.server import library_editing as editing
from earshot.server.library import Library
from earshot.server.library_types import LibrarySession
from earshot.text.formats import FORMATS, FormatOptions, find_format, write_transcript

_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "eaf": "application/xml",
}


def formats() -> list[dict[str, str]]:
    """All formats for a list to choose from."""
    return [
        {"name": entry.name, "suffix": entry.suffix, "summary": entry.summary} for entry in FORMATS.values()
    ]


def exported(
    library: Library, session: LibrarySession, format_name: str, *, is_corrected: bool
) -> tuple[bytes, str, str]:
    """The file's content, its type and its name. Raises FormatError, NoSessionError."""
    entry = find_format(format_name)
    transcript = editing.transcript(library, session.id, is_corrected=is_corrected)
    stream = io.StringIO()
    options = FormatOptions(recording=f"{_stem(session)}.wav")
    write_transcript(transcript, stream, entry.name, options)
    content = stream.getvalue().encode("utf-8", "backslashreplace")
    return content, _TYPES.get(entry.name, "text/plain; charset=utf-8"), _stem(session) + entry.suffix


def _stem(session: LibrarySession) -> str:
    """The title as a file name on any system."""
    kept = "".join(c if c.isalnum() or c in " -_.,()" else " " for c in session.title)
    return " ".join(kept.split()).strip(". ")[:80] or "transcript"


def summary(library: Library, session_id: str, num_sentences: int) -> dict[str, Any]:
    """The sentences that say most. Raises NoSessionError."""
    from earshot.text.summary import summarize

    transcript = editing.transcript(library, session_id)
    made = summarize(transcript, num_sentences=num_sentences, language=transcript.language)
    return {
        "num_sentences": made.num_sentences,
        "sentences": [
            {"text": sentence.text, "start": sentence.start, "speaker": sentence.speaker}
            for sentence in made.sentences
        ],
    }


def languages_from(source: str | None) -> list[str]:
    """Into what can be translated at once from that language; from any where it is unknown."""
    try:
        from earshot.text.translation import installed_pairs

        pairs = installed_pairs()
    except (EarshotError, ImportError):
        return []
    return sorted({pair.target for pair in pairs if source in (None, pair.source)} - {source or ""})


def translated(library: Library, session_id: str, target: str) -> Iterator[bytes]:
    """A line of JSON a sentence, as they are translated: ``start``, ``end``, ``speaker``, ``text``.

    Raises NoSessionError, and UnsupportedError for languages without a translator, before the first line.
    """
    from earshot.text.sentences import split_segments
    from earshot.text.translation import find_translator

    transcript = editing.transcript(library, session_id)
    translator = find_translator(transcript.language or "en", target)

    def lines() -> Iterator[bytes]:
        with translator:
            for sentence in split_segments(transcript.segments):
                fields: dict[str, Any] = {
                    "start": sentence.start,
                    "end": sentence.end,
                    "speaker": sentence.speaker,
                }
                try:
                    fields["text"] = translator.translate(" ".join(sentence.text.split()))
                except EarshotError as error:
                    fields["problem"] = error.message
                yield json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"

    return lines()
