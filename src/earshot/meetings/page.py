"""A meeting as one HTML file that asks nothing of any network: player, colours, search, names to be given.

Names, words and titles are hostile until escaped. Three walls: every text is escaped where it is put in;
the data block is JSON without a single ``<``; and the page's own policy lets no script run but the one whose
hash it names, no style but its own, and no connection at all.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import TextIO

from earshot.core.types import Segment
from earshot.meetings.document import meeting_fields
from earshot.meetings.minutes import RULES
from earshot.meetings.types import UNKNOWN, ActionItem, DialogueTurn, Meeting
from earshot.meetings.wording import NOTHING_SAID, clock, facts, share, speaker_name
from earshot.text.clean import clean_text
from earshot.text.formats.json_document import FORMAT, VERSION
from earshot.text.timing import TimedWord, timed_words

NUM_COLOURS = 8
"""Distinct colours; from the ninth speaker on they come again, striped."""

_LANE = 15
"""Pixels of a speaker's lane in the timeline."""

_LANES_WIDTH = 10_000


def write_page(meeting: Meeting, stream: TextIO, *, sound: str | None = None) -> None:
    """The whole page. sound: what ``<audio src>`` takes, a data: URL or a relative address; None for none."""
    people = _People(meeting)
    style, script = _asset("page.css"), _asset("page.js")
    stream.write("<!doctype html>\n")
    stream.write(f'<html lang="{_language(meeting)}">\n<head>\n<meta charset="utf-8">\n')
    stream.write(f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">\n')
    stream.write('<meta name="viewport" content="width=device-width, initial-scale=1">\n')
    stream.write('<meta name="referrer" content="no-referrer">\n')
    stream.write(f"<title>{_text(meeting.title)}</title>\n<style>{style}</style>\n</head>\n<body>\n")
    for part in _body(meeting, people, sound):
        stream.write(part)
    stream.write(f'<script type="application/json" id="data">{_data(meeting, people)}</script>\n')
    stream.write(f"<script>{script}</script>\n</body>\n</html>\n")


class _People:
    """Who is who on the page: a number for each name that is shown."""

    def __init__(self, meeting: Meeting) -> None:
        names = [speaker_name(one.name) for one in meeting.participants]
        spoken = [speaker_name(segment.speaker) for segment in meeting.transcript.segments]
        turned = [speaker_name(turn.speaker) for turn in meeting.turns]
        self.names = list(dict.fromkeys([*names, *turned, *spoken]))
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def number(self, speaker: str | None) -> int:
        return self._numbers[speaker_name(speaker)]

    def has(self, speaker: str | None) -> bool:
        return speaker_name(speaker) in self._numbers

    def style(self, speaker: str | None) -> str:
        """Classes that give a speaker's colour."""
        number = self.number(speaker)
        if speaker_name(speaker) == UNKNOWN:
            return "nobody"
        return f"p{number % NUM_COLOURS}" + (" is-striped" if number >= NUM_COLOURS else "")


def _policy(style: str, script: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {_digest(script)}",
            f"style-src {_digest(style)}",
            "media-src data: blob: file: 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _asset(name: str) -> str:
    return (files("earshot.meetings") / name).read_text(encoding="utf-8")


def _text(text: str) -> str:
    """Safe within an element and within an attribute in double quotes."""
    return html.escape(clean_text(text), quote=True)


def _language(meeting: Meeting) -> str:
    code = meeting.transcript.language or ""
    return code if re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", code) else ""


# --- what is seen ------------------------------------------------------------------------------------------


def _body(meeting: Meeting, people: _People, sound: str | None) -> Iterator[str]:
    yield '<a class="skip" href="#transcript">Skip to the transcript</a>\n'
    yield from _head(meeting)
    yield '<main>\n<div class="beside">\n'
    yield from _people_section(meeting, people)
    yield from _summary_section(meeting, people)
    yield from _actions_section(meeting, people)
    yield '</div>\n<div class="spoken" id="transcript">\n'
    dialogue = meeting.dialogue()
    for turn in dialogue:
        yield from _turn(turn, people)
    if not dialogue:
        yield f'<p class="nothing">{NOTHING_SAID}</p>\n'
    yield "</div>\n</main>\n"
    yield from _player(meeting, people, sound)
    yield (
        '<footer class="foot">Made by Earshot on the machine that recorded it. Recognizers mishear: listen'
        " before you rely on a word. Names you give and items you tick are kept in this browser.</footer>\n"
    )
    yield _HELP


def _head(meeting: Meeting) -> Iterator[str]:
    yield (
        f'<header class="top"><div><h1>{_text(meeting.title)}</h1>'
        f'<p class="facts">{_text(" · ".join(facts(meeting)))}</p></div>\n'
        '<div class="tools needs-script" hidden>'
        '<input id="search" type="search" placeholder="Search what was said" aria-label="Search what was said"'
        ' autocomplete="off" spellcheck="false"><span class="found" role="status" aria-live="polite"></span>'
        '<button class="button" id="download" type="button">Download JSON</button>'
        '<button class="button" id="print" type="button">Print</button>'
        '<button class="button" id="keys" type="button" aria-label="Keys">?</button></div></header>\n'
    )
    if meeting.warnings:
        lines = "".join(f"<p>{_text(line)}</p>" for line in meeting.warnings[:20])
        yield f'<div class="notes" role="note">{lines}</div>\n'


def _badge(people: _People, speaker: str | None) -> str:
    number, style = people.number(speaker), people.style(speaker)
    return f'<span class="badge {style}" data-person="{number}" aria-hidden="true"></span>'


def _who(people: _People, speaker: str | None) -> str:
    name = speaker_name(speaker)
    if not people.has(speaker):
        return f'<span class="who">{_text(name)}</span>'
    return f'<span class="who" data-person="{people.number(speaker)}">{_text(name)}</span>'


def _at(seconds: float) -> str:
    return f'<button class="at" type="button" data-time="{seconds:.2f}">{clock(seconds)}</button>'


def _people_section(meeting: Meeting, people: _People) -> Iterator[str]:
    if not meeting.participants:
        return
    yield '<section aria-labelledby="people"><h2 id="people">Who spoke</h2>\n<ul class="people">\n'
    for one in meeting.participants:
        portion = 100 * share(meeting, one.seconds)
        known = '<span class="known" title="by the voice">known</span>' if one.is_known else ""
        yield (
            f'<li class="{people.style(one.name)}">{_badge(people, one.name)}'
            f'<span class="name">{_who(people, one.name)}{known}'
            f'<button class="rename needs-script" type="button" hidden data-rename="{people.number(one.name)}"'
            ' aria-label="Rename" title="Rename">✎</button></span>'
            f'<span class="time-told">{clock(one.seconds)} · {portion:.0f} %</span>'
            '<svg class="bar" viewBox="0 0 100 7" preserveAspectRatio="none" role="img"'
            f' aria-label="{portion:.0f} percent of the speech">'
            f'<rect width="100" height="7"/><rect class="share" width="{portion:.2f}" height="7"/></svg></li>\n'
        )
    yield "</ul></section>\n"


def _summary_section(meeting: Meeting, people: _People) -> Iterator[str]:
    if not meeting.summary.sentences:
        return
    yield '<section aria-labelledby="summary"><h2 id="summary">Summary</h2>\n<ul class="summary">\n'
    for sentence in meeting.summary.sentences:
        who = _who(people, sentence.speaker) if sentence.speaker else ""
        yield (
            f'<li><span class="said">{_text(sentence.text)}</span>'
            f'<span class="about">{_at(sentence.start or 0)}{who}</span></li>\n'
        )
    yield (
        f'</ul><p class="about">{len(meeting.summary.sentences)} of {meeting.summary.num_sentences} sentences,'
        " as they were said.</p></section>\n"
    )


def _actions_section(meeting: Meeting, people: _People) -> Iterator[str]:
    yield '<section aria-labelledby="actions"><h2 id="actions">Action items</h2>\n'
    if not meeting.actions:
        yield '<p class="about">The rules found none.</p>'
    else:
        yield '<ul class="actions">\n'
        for number, item in enumerate(meeting.actions):
            yield _action(number, item, people)
        yield "</ul>"
    yield "<details><summary>The rules</summary><dl>"
    for rule in RULES.values():
        yield f"<dt>{_text(rule.title)}</dt><dd>{_text(rule.explanation)}</dd>"
    yield "</dl></details></section>\n"


def _action(number: int, item: ActionItem, people: _People) -> str:
    owner = ""
    if item.owner == "all":
        owner = '<span class="tag">everybody</span>'
    elif item.owner:
        owner = f'<span class="tag">{_who(people, item.owner)}</span>'
    due = f'<span class="tag">{_text(item.due)}</span>' if item.due else ""
    rule = RULES[item.rule]
    return (
        f'<li><input type="checkbox" data-item="{number}" aria-label="done"><div>'
        f'<span class="said">{_marked(item)}</span>'
        f'<span class="about">{_at(item.start)}{owner}{due}'
        f'<span class="rule" title="{_text(rule.explanation)}">{_text(rule.title)}</span></span></div></li>\n'
    )


def _marked(item: ActionItem) -> str:
    """The sentence with the words that the rule goes by."""
    text, trigger = clean_text(item.text), clean_text(item.trigger)
    at = text.find(trigger) if trigger else -1
    if at < 0:
        return _text(text)
    before, after = text[:at], text[at + len(trigger) :]
    parts = (html.escape(part, quote=True) for part in (before, trigger, after))
    return "{}<mark>{}</mark>{}".format(*parts)


def _turn(turn: DialogueTurn, people: _People) -> Iterator[str]:
    yield (
        f'<article class="turn {people.style(turn.speaker)}">{_at(turn.start)}'
        f"<header>{_badge(people, turn.speaker)}{_who(people, turn.speaker)}</header>"
        f'<p class="words" dir="auto">'
    )
    words = [word for segment in turn.segments for word in timed_words(segment)]
    yield " ".join(f"<span>{_text(word.text)}</span>" for word in words)
    yield "</p></article>\n"


def _player(meeting: Meeting, people: _People, sound: str | None) -> Iterator[str]:
    yield '<div class="player" role="region" aria-label="Player and timeline">\n'
    yield from _timeline(meeting, people)
    yield '<p class="notes" id="sound-note" role="status" hidden></p>\n'
    if sound is not None:
        speeds = "".join(
            f'<option value="{speed}"{" selected" if speed == 1 else ""}>{speed}×</option>'
            for speed in (0.75, 1, 1.25, 1.5, 2)
        )
        yield (
            '<div class="controls" hidden>'
            '<button class="play" type="button" aria-label="Play">▶</button>'
            '<button class="button" id="back" type="button" aria-label="5 seconds back">−5</button>'
            '<button class="button" id="ahead" type="button" aria-label="5 seconds ahead">+5</button>'
            f'<span class="clock">0:00 / {clock(meeting.duration)}</span>'
            f'<input class="seek" type="range" min="0" max="{meeting.duration:.2f}" step="0.1" value="0"'
            ' aria-label="Position">'
            f'<label>Speed <select id="speed">{speeds}</select></label>'
            '<label><input type="checkbox" id="follow" checked> Follow</label></div>\n'
            f'<audio id="sound" controls preload="metadata" src="{html.escape(sound, quote=True)}"></audio>\n'
        )
    yield "</div>\n"


def _timeline(meeting: Meeting, people: _People) -> Iterator[str]:
    lanes = [one.name for one in meeting.participants]
    if not lanes or meeting.duration <= 0:
        return
    height = _LANE * len(lanes)
    scale = _LANES_WIDTH / meeting.duration
    yield '<div class="lanes">'
    for name in lanes:
        yield _who(people, name)
    yield (
        f'<div class="drawn"><svg viewBox="0 0 {_LANES_WIDTH} {height}" height="{height}"'
        ' preserveAspectRatio="none" role="img" aria-label="Who spoke when">'
    )
    rows = {speaker_name(name): row for row, name in enumerate(lanes)}
    for turn in meeting.turns:
        row = rows.get(speaker_name(turn.speaker))
        if row is None:
            continue
        x, width = turn.start * scale, max((turn.end - turn.start) * scale, 4)
        yield (
            f'<rect class="{people.style(turn.speaker)}" x="{x:.1f}" y="{row * _LANE + 2}" width="{width:.1f}"'
            f' height="{_LANE - 6}"/>'
        )
    yield '</svg><span class="head"></span></div></div>\n'


_HELP = """<dialog id="help" aria-labelledby="help-title"><h2 id="help-title">Keys</h2><table>
<tr><td><kbd>Space</kbd> <kbd>k</kbd></td><td>play, pause</td></tr>
<tr><td><kbd>←</kbd> <kbd>→</kbd> <kbd>j</kbd> <kbd>l</kbd></td><td>5 seconds back, ahead</td></tr>
<tr><td><kbd>/</kbd></td><td>search; <kbd>Enter</kbd> next, <kbd>Esc</kbd> end</td></tr>
<tr><td><kbd>Tab</kbd> to a word</td><td><kbd>←</kbd> <kbd>→</kbd> words, <kbd>↑</kbd> <kbd>↓</kbd> speakers,
 <kbd>Enter</kbd> hear it</td></tr>
</table><form method="dialog"><button class="button">Close</button></form></dialog>
"""


# --- what the script works on --------------------------------------------------------------------------------


def _data(meeting: Meeting, people: _People) -> str:
    """JSON that no HTML parser can end: ``<`` is written as an escape."""
    transcript = _transcript_fields(meeting)
    words: list[TimedWord] = [
        word for turn in meeting.dialogue() for segment in turn.segments for word in timed_words(segment)
    ]
    identity = json.dumps([meeting.title, meeting.date, transcript["segments"]], sort_keys=True)
    fields = {
        "id": hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest()[:16],
        "duration": meeting.duration,
        "people": people.names,
        "words": [[word.start_ms / 1000, word.end_ms / 1000] for word in words],
        "transcript": transcript,
    }
    text = json.dumps(fields, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _transcript_fields(meeting: Meeting) -> dict[str, object]:
    """As ``write_json`` has it, with what minutes add; where the sound lies is nobody else's business."""
    transcript = meeting.transcript
    return {
        "format": FORMAT,
        "version": VERSION,
        "language": transcript.language,
        "duration": transcript.duration,
        "engine": transcript.engine,
        "text": transcript.text,
        "segments": [_segment_fields(segment) for segment in transcript.segments],
        "meeting": {**meeting_fields(meeting), "sources": [path.name for path in meeting.sources]},
    }


def _segment_fields(segment: Segment) -> dict[str, object]:
    return {
        "text": segment.text,
        "start": segment.start,
        "end": segment.end,
        "speaker": segment.speaker,
        "language": segment.language,
        "words": [
            {
                "text": word.text,
                "start": word.start,
                "end": word.end,
                "confidence": word.confidence,
                "time_source": word.time_source,
            }
            for word in segment.words
        ],
    }
