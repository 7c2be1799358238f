"""A meeting that was never held, for looking at what minutes become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from earshot.core.types import Segment, Transcript, Word
from earshot.meetings.building import MeetingOptions, build_meeting
from earshot.meetings.types import Meeting
from earshot.speakers.types import Turn

DIALOGUE: tuple[tuple[str, str], ...] = (
    ("Anna", "Good morning everybody. Let's begin with the boat, because the harbour master called yesterday."),
    ("Ben", "The rudder is worse than we thought. I looked at it on Sunday, and the lower bearing is gone."),
    ("Anna", "Can we still sail in May?"),
    ("Ben", "If the part comes by Friday, yes. I'll call the yard tomorrow and ask for a price."),
    ("Chidi", "The insurance pays half of it. I can send the form to everybody tonight."),
    ("Anna", "Ben, could you also ask them about the mast? The paint comes off in large flakes."),
    ("Ben", "Sure, no problem at all."),
    ("Speaker 4", "Sorry that I am late. The train from Leeds stood in a field for half an hour."),
    ("Anna", "Welcome. We need to decide about the summer tour before the end of the month."),
    ("Chidi", "Last year the islands were too far for a week, and half of us were seasick on the way home."),
    ("Speaker 4", "What about the river? My brother has a cottage near the second lock, with a landing stage."),
    ("Anna", "I like that. Chidi will write to the lock keeper and find out when they open."),
    ("Chidi", "Next step is the food, then. Who cooks?"),
    ("Ben", "Not me, please. The last time the pan caught fire and we ate bread for three days."),
    ("Anna", "Then we should ask Maria, she loves it. That is all for today, thank you everybody."),
)


def meeting(
    dialogue: Sequence[tuple[str, str]] = DIALOGUE, *, title: str = "Boat club, planning", pace: float = 0.34
) -> Meeting:
    """Each word takes ``pace`` seconds; turns follow one another, every fourth begins before the last ends."""
    segments: list[Segment] = []
    turns: list[Turn] = []
    time = 0.8
    for number, (speaker, text) in enumerate(dialogue):
        start = time - (0.9 if number % 4 == 3 else 0)
        words = tuple(
            Word(word, start + index * pace, start + (index + 0.9) * pace, 0.93, "aligned")
            for index, word in enumerate(text.split())
        )
        end = start + len(words) * pace
        segments.append(Segment(text, start, end, words, speaker, "en"))
        turns.append(Turn(start, end, speaker))
        time = end + 0.5
    transcript = Transcript(tuple(segments), "en", time, "moonshine/tiny-en")
    options = MeetingOptions(title=title, date="Saturday 21 November 2026", num_sentences=4)
    made = build_meeting(transcript, turns, options, known=frozenset({"Anna", "Ben", "Chidi"}))
    return replace(made, sources=(Path("boat club.wav"),))
