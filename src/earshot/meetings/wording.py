"""What the documents of a meeting have in common: clocks, shares, lines."""

from __future__ import annotations

from earshot.meetings.minutes import RULES
from earshot.meetings.types import UNKNOWN, ActionItem, Meeting
from earshot.text.clean import clean_text

NOTHING_SAID = "No words were recognized."


def clock(seconds: float) -> str:
    """``4:07``, ``1:04:07``."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def speaker_name(speaker: str | None) -> str:
    """As shown, on one line, never empty."""
    return clean_text(speaker or "") or UNKNOWN


def share(meeting: Meeting, seconds: float) -> float:
    """Of all that everybody spoke, in [0, 1]."""
    total = sum(participant.seconds for participant in meeting.participants)
    return seconds / total if total > 0 else 0.0


def facts(meeting: Meeting) -> list[str]:
    """Date, length, people; what stands under the title."""
    lines = [meeting.date] if meeting.date else []
    lines.append(clock(meeting.duration))
    count = len(meeting.participants)
    lines.append("1 speaker" if count == 1 else f"{count} speakers")
    spoken = sum(participant.seconds for participant in meeting.participants)
    if spoken > 0 and count > 1:
        lines.append(f"{100 * meeting.overlap / spoken:.0f} % of the speech at once")
    return lines


def action_note(item: ActionItem) -> str:
    """Who, when and why this is an item."""
    parts = []
    if item.owner:
        parts.append("everybody" if item.owner == "all" else f"for {speaker_name(item.owner)}")
    if item.due:
        parts.append(f"due {clean_text(item.due)}")
    parts.append(f"rule: {RULES[item.rule].title} (“{clean_text(item.trigger)}”)")
    return ", ".join(parts)
