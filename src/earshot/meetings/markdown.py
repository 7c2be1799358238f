"""Minutes in Markdown: what people said stays text, whatever it looks like."""

from __future__ import annotations

import re
from typing import TextIO

from earshot.meetings.types import Meeting
from earshot.meetings.wording import NOTHING_SAID, action_note, clock, facts, share, speaker_name
from earshot.text.clean import clean_text

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$^])")
"""What means something anywhere in a line. Round brackets and "!" do only beside square ones."""

_BEGINNING = re.compile(r"(\d+[.)]|[-+=:])")
"""What means something at the beginning of one: lists, rules, underlined headings."""

_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(?=:)|\bwww(?=\.)|(?<=\w)(?=@\w)")
"""What becomes a link by itself."""


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
    dialogue = meeting.dialogue()
    if not dialogue:
        stream.write(f"\n{NOTHING_SAID}\n")
    for turn in dialogue:
        stream.write(
            f"\n**{escaped(speaker_name(turn.speaker))}** {clock(turn.start)}  \n{escaped(turn.text)}\n"
        )


def escaped(text: str) -> str:
    """One line that Markdown (and the HTML in it) shows as it is."""
    bare = _SPECIAL.sub(r"\\\1", clean_text(text))
    if found := _BEGINNING.match(bare):
        at = found.end() - 1
        bare = f"{bare[:at]}\\{bare[at:]}"
    return _ADDRESS.sub(lambda found: f"{found.group()}\\", bare)
