"""Voices that the page makes known: from what somebody said in a session, when the user asks for it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import Any

from earshot.audio.pieces import read_pieces
from earshot.core.errors import EarshotError, SpeakerError
from earshot.core.types import SAMPLE_RATE, Segment
from earshot.server import library_editing as editing
from earshot.server.library_types import UNDER_WAY, NoSessionError
from earshot.server.page_state import PageState
from earshot.speakers.enrolment import check_same_voice, describe_voice, enrolment_encoders
from earshot.speakers.memory import fold

_ENOUGH = 60.0
"""Seconds of speech after which more adds nothing to a voice."""

_SHORTEST = 0.6
"""Seconds; what is shorter holds as much of the neighbours' voices as of this one."""


def known_names(state: PageState) -> list[str]:
    """Whoever is in the memory; none where that is damaged."""
    with contextlib.suppress(EarshotError):
        return [speaker.name for speaker in state.pool.memory.list()]
    return []


def enrol(state: PageState, session_id: str, label: str) -> dict[str, Any]:
    """Know the voice of that speaker by its name from now on; the sound itself is not kept.

    Somebody of that name who is known already is known by this, too. Blocking: a second or two.
    Raises NoSessionError, and SpeakerError where he says too little, or it is another voice than before.
    """
    session = state.library.get(session_id)
    if session.state in UNDER_WAY:
        raise SpeakerError("the session is still under way", fix="wait until it is finished")
    names = editing.speakers(state.library, session_id)
    if label not in names:
        raise NoSessionError("there is no such speaker")
    path = state.audio_path(session)
    if path is None:
        raise SpeakerError("the sound of this session is not there any more", fix="choose another one")
    said = [entry.segment for entry in editing.segments(state.library, session_id)]
    spans = chosen_spans([segment for segment in said if segment.speaker == label], session.duration)
    if not spans:
        raise SpeakerError(f"{names[label]} says too little here", fix="choose a session in which he says more")
    source = f"{session.title} ({session.id})"
    enrolment = describe_voice(source, read_pieces(path, spans), enrolment_encoders())
    memory, name = state.pool.memory, names[label]
    known = next((speaker for speaker in memory.list() if fold(speaker.name) == fold(name)), None)
    if known is not None:
        check_same_voice([enrolment], known.vectors)
    speaker = memory.enrol(name, [enrolment], adds=known is not None)
    return {"name": speaker.name, "seconds": round(enrolment.seconds, 1), "is_new": known is None}


def chosen_spans(segments: Sequence[Segment], duration: float | None = None) -> list[tuple[int, int]]:
    """First sample and length of the longest passages, in order, as much as is needed.

    duration: of the recording, beyond which nothing is taken.
    """
    last = math.inf if duration is None else int(duration * SAMPLE_RATE)
    chosen: list[Segment] = []
    seconds = 0.0
    for segment in sorted(segments, key=lambda segment: segment.start - segment.end):
        if segment.end - segment.start < _SHORTEST or seconds >= _ENOUGH:
            break
        chosen.append(segment)
        seconds += segment.end - segment.start
    spans = []
    end = 0
    for segment in sorted(chosen, key=lambda segment: segment.start):
        start = max(end, round(segment.start * SAMPLE_RATE))
        end = max(start, int(min(segment.end * SAMPLE_RATE, last)))
        if end > start:
            spans.append((start, end - start))
    return spans
