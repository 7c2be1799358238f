"""A page to listen, correct, mark as defective, and save the verdicts; it needs nothing but a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from earshot.audio.opus import data_url, write_opus
from earshot.core.errors import AudioError
from earshot.core.files import atomic_text
from earshot.corpora.findings import Finding, Findings
from earshot.corpora.letters import letters_of
from earshot.corpora.manifest import Manifest
from earshot.corpora.sound import read_utterance
from earshot.text.error_rate import Edit, ErrorRate, word_error_rate, wrong_letters

MAX_EMBEDDED: Final = 32_000_000
"""Bytes of sound within a page; browsers open larger ones slowly."""


def write_page(
    findings: Findings,
    path: Path,
    *,
    title: str | None = None,
    head: str = "",
    alignments: Sequence[ErrorRate] | None = None,
    manifest: Manifest | None = None,
) -> None:
    """Write a page of these findings, in their order.

    head: HTML that stands before them. alignments: of their words, None to find them. manifest: what they are
    of, to put its sound into the page, up to ``MAX_EMBEDDED``; else recordings are played from where they lie.
    Raises OutputError.
    """
    aligned = alignments or [
        word_error_rate(one.text, one.heard, normalise=letters_of) for one in findings.findings
    ]
    embedded = [] if manifest is None else _sounds(findings, manifest)
    sources = [*embedded, *(_address(one, path.parent) for one in findings.findings[len(embedded) :])]
    extras = [
        {"source": source, "columns": [_column(edit) for edit in one.alignment]}
        for source, one in zip(sources, aligned, strict=True)
    ]
    style, script = _asset("judging.css"), _asset("judging.js")
    shown = html.escape(title or f"{Path(findings.manifest).name}: where {findings.engine} stumbles")
    command = html.escape(f"earshot corpus mark {findings.manifest} verdicts.json -o NEW")
    with atomic_text(path) as file:
        file.write(
            f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{shown}</title>\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">\n'
            f'<meta name="viewport" content="width=device-width">\n<style>{style}</style>\n'
            f"<h1>{shown}</h1>\n{head}"
            '<header><button id="save">Save verdicts.json</button> <span id="count"></span> judged; then: '
            f'<code>{command}</code></header>\n<main id="list"></main>\n'
            f'<script type="application/json" id="findings">{_json(asdict(findings))}</script>\n'
            f'<script type="application/json" id="extras">{_json(extras)}</script>\n'
            f"<script>{script}</script>\n</html>\n"
        )


def _column(edit: Edit) -> list[Any]:
    """Of an alignment: kind, word of the text, pieces of what was heard and whether they are wrong."""
    return [edit.kind, edit.reference, wrong_letters(edit)]


def _sounds(findings: Findings, manifest: Manifest) -> list[str | None]:
    """Of the first findings, as many as a page holds; None for one that cannot be read."""
    sources: list[str | None] = []
    room = MAX_EMBEDDED
    for finding in findings.findings:
        source = _sound(finding, manifest)
        room -= len(source or "")
        if room < 0:
            break
        sources.append(source)
    return sources


def _sound(finding: Finding, manifest: Manifest) -> str | None:
    try:
        audio = read_utterance(manifest.utterances[finding.index])
    except AudioError:
        return None
    if not len(audio.samples):
        return None
    buffer = io.BytesIO()
    write_opus([audio.samples], buffer)
    return data_url(buffer.getvalue())


def _address(finding: Finding, folder: Path) -> str:
    """Relative to the page where that can be; the fragment plays only the stretch (W3C Media Fragments)."""
    try:
        path = Path(os.path.relpath(finding.audio, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return Path(finding.audio).absolute().as_uri()
    end = "" if finding.duration is None else f",{finding.start + finding.duration:.3f}"
    return f"{quote(path)}#t={finding.start:.3f}{end}"


def _asset(name: str) -> str:
    return (files("earshot.corpora") / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """The page asks nothing of any network, and runs nothing but its own script, whatever a text in it says."""
    digests = [
        base64.b64encode(hashlib.sha256(one.encode()).digest()).decode("ascii") for one in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "media-src 'self' file: data:"
    )


def _json(value: Any) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
