"""Meetings: a recording becomes minutes with names, and a page that plays them."""

from earshot.meetings.building import MeetingOptions, Source, build_meeting, make_meeting
from earshot.meetings.types import ActionItem, Meeting, Participant
from earshot.meetings.writing import MEETING_FORMATS, write_meeting

__all__ = [
    "MEETING_FORMATS",
    "ActionItem",
    "Meeting",
    "MeetingOptions",
    "Participant",
    "Source",
    "build_meeting",
    "make_meeting",
    "write_meeting",
]
