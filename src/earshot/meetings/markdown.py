"""Minutes in Markdown: what people said stays text, whatever it looks like."""

from __future__ import annotations

import re
from typing import TextIO

from earshot.meetings.types import Meeting
from earshot.meetings.wording import action_note, clock, facts, share, speaker_name
from earshot.text.clean import clean_text

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&$:@^=\"'])")
_HARMLESS = re.compile(r"\\([.!'\"():-])(?=\s|$|\w)")


def write_markdown(meeting: Meeting, stream: TextIO) -> None:
    """Title, facts, participants, summary, action items, dialogue with times."""
    stream.write(f"# {escaped(meeting.title)}\n\n{escaped(' · '.join(facts(meeting)))}\n")
    if meeting.participants:
        stream.write("\n## Who spoke\n\n| | time | share | turns |\n|---|---|---|---|\n")
        for one in meeting.participants:
            portion = f"{100 * share(meeting, one.seconds):.0f} %"
            stream.write(
                f"| {escaped(speaker_name(one.name))} | {clock(one.seconds)} | {portion} | {one.num_turns} |\n"
            )
    if meeting.summary.sentences:
        stream.write("\n## Summary\n\n")
        for sentence in meeting.summary.sentences:
            stream.write(
                f"- {escaped(sentence.text)} ({escaped(speaker_name(sentence.speaker))},"
                f" {clock(sentence.start or 0)})\n"
            )
    if meeting.actions:
        stream.write("\n## Action items\n\n")
        for item in meeting.actions:
            stream.write(f"- [ ] {escaped(item.text)} — {escaped(action_note(item))} ({clock(item.start)})\n")
    stream.write("\n## Transcript\n")
    for turn in meeting.dialogue():
        stream.write(
            f"\n**{escaped(speaker_name(turn.speaker))}** {clock(turn.start)}  \n{escaped(turn.text)}\n"
        )


def escaped(text: str) -> str:
    """One line that Markdown (and the HTML in it) shows as it is.

    Marks of ordinary prose stay bare where they mean nothing: within a line, not at its beginning.
    """
    text = clean_text(text)
    marked = _SPECIAL.sub(r"\\\1", text)
    bare = _HARMLESS.sub(r"\1", marked)
    # "1." and "-" at the beginning would begin a list; "http:" and "www." would become links.
    if re.match(r"\d+\.|[-:]", bare):
        bare = re.sub(r"[-.:]", lambda found: "\\" + found.group(), bare, count=1)
    bare = re.sub(r"(?i)\b(https?|ftp|mailto):", r"\1\\:", bare)
    return re.sub(r"(?i)\bwww\.", r"www\\.", bare)
