"""Recordings to a meeting: who said what, named where the voice is known, with summary and action items."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from earshot.core.errors import AudioError, MissingExtraError
from earshot.core.progress import ProgressCallback
from earshot.core.types import Samples, Transcript
from earshot.meetings.minutes import find_actions
from earshot.meetings.tracks import Track, hear_track, merge_tracks
from earshot.meetings.types import UNKNOWN, Meeting, Participant
from earshot.speakers.memory import SpeakerMemory
from earshot.speakers.types import Diarization, Turn
from earshot.text.clean import clean_text
from earshot.text.summary import summarize
from earshot.transcription import SpeakerOptions, Transcriber, TranscriptionOptions
from earshot.transcription.speakers import named

if TYPE_CHECKING:
    from earshot.speakers.diarization import Diarizer
    from earshot.speakers.encoder import SpeakerEncoder

MAX_TITLE = 200

_MANY = 12
"""Speakers above which a wrong count is likelier than so large a round."""


@dataclass(frozen=True, slots=True)
class Source:
    """A recording. name: of the person who is alone on it, None where that is not known. channel: from 1."""

    path: Path
    name: str | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class MeetingOptions:
    """What minutes are to be.

    title: None for the name of the recording. date: as it is to be shown. num_sentences: of the summary, at
    most. memory: where names come from, None for nowhere.
    """

    title: str | None = None
    date: str | None = None
    num_sentences: int = 6
    memory: SpeakerMemory | None = None


def make_meeting(
    sources: Sequence[Source],
    transcription: TranscriptionOptions | None = None,
    options: MeetingOptions | None = None,
    *,
    transcriber: Transcriber | None = None,
    progress: ProgressCallback | None = None,
    on_warning: Callable[[str], None] | None = None,
) -> Meeting:
    """Listen to a meeting.

    sources: one recording of all, in which voices are told apart; or several that begin together, one a
    person. transcription: its ``speakers`` says how many to look for. transcriber: one that is loaded already.
    progress: told the seconds done and in all. on_warning: told what is wrong with a damaged recording.
    Raises AudioError where a recording cannot be read, MissingExtraError where voices cannot be told apart.
    """
    if not sources:
        raise ValueError("a meeting is made of at least one recording")
    options = options or MeetingOptions()
    wanted = transcription or TranscriptionOptions(speakers=SpeakerOptions())
    wanted = replace(wanted, word_times=True)
    warnings: list[str] = []

    def warn(line: str) -> None:
        warnings.append(line)
        if on_warning is not None:
            on_warning(line)

    with contextlib.ExitStack() as stack:
        listener = transcriber or stack.enter_context(Transcriber(wanted))
        if len(sources) == 1 and sources[0].name is None:
            source = sources[0]
            transcript, diarization = listener.diarized(
                source.path, channel=source.channel, progress=progress, on_warning=warn
            )
            names, known = _names(diarization, options.memory, warn)
        else:
            plain = replace(wanted, speakers=None)
            if listener.options.speakers is not None:
                listener = Transcriber(plain, recognizer=listener.recognizer)
            transcript, turns, names, known = _hear_tracks(sources, listener, options.memory, progress, warn)
            diarization = Diarization(turns)
    title = options.title or _title(sources)
    meeting = build_meeting(
        transcript, diarization.turns, replace(options, title=title), names=names, known=known
    )
    return replace(
        meeting,
        sources=tuple(dict.fromkeys(source.path for source in sources)),
        warnings=(*warnings, *meeting.warnings),
    )


def meeting_of_transcript(
    transcript: Transcript, blocks: Iterable[Samples], diarizer: Diarizer, options: MeetingOptions
) -> Meeting:
    """A meeting whose words are known already, as those of a live session. blocks: all of its sound, 16 kHz."""
    from earshot.speakers.assignment import assign_speakers

    for block in blocks:
        diarizer.accept(block)
    diarization = diarizer.finish()
    warnings: list[str] = []
    names, known = _names(diarization, options.memory, warnings.append)
    labelled = assign_speakers(transcript, diarization.turns)
    meeting = build_meeting(labelled, diarization.turns, options, names=names, known=known)
    return replace(meeting, warnings=(*warnings, *meeting.warnings))


def build_meeting(
    transcript: Transcript,
    turns: Sequence[Turn],
    options: MeetingOptions,
    *,
    names: Mapping[str, str] | None = None,
    known: frozenset[str] = frozenset(),
) -> Meeting:
    """A meeting of a transcript whose segments bear the labels of the turns.

    names: what labels are called; "S1" without one becomes "Speaker 1". known: labels named by their voice.
    """
    ordered = sorted(turns, key=lambda turn: (turn.start, turn.end))
    labels = list(dict.fromkeys(turn.speaker for turn in ordered))
    labels += [label for label in _speakers(transcript) if label not in labels]
    shown = {label: clean_text((names or {}).get(label, "")) or _shown(label) for label in labels}
    told = named(transcript, shown)
    meeting = Meeting(
        title=clean_text(options.title or "")[:MAX_TITLE] or "Meeting",
        transcript=told,
        turns=_joined(replace(turn, speaker=shown[turn.speaker]) for turn in ordered),
        date=clean_text(options.date or "") or None,
    )
    participants = _participants(meeting, shown, known)
    return replace(
        meeting,
        participants=participants,
        summary=summarize(told, num_sentences=options.num_sentences),
        actions=find_actions(told, [participant.name for participant in participants]),
        warnings=tuple(_doubts(meeting, participants)),
    )


def _hear_tracks(
    sources: Sequence[Source],
    listener: Transcriber,
    memory: SpeakerMemory | None,
    progress: ProgressCallback | None,
    warn: Callable[[str], None],
) -> tuple[Transcript, tuple[Turn, ...], dict[str, str], frozenset[str]]:
    encoder = _encoder(memory, warn)
    tracks: list[Track] = []
    done = 0.0
    for source in sources:
        before = done

        def told(seconds: float, total: float | None, before: float = before) -> None:
            if progress is not None:
                progress(before + seconds, None if len(sources) > 1 else total)

        transcript = listener.transcribe(
            source.path, channel=source.channel, progress=told, on_warning=_about(source, warn)
        )
        label = _unique(source.name or _stem(source), [track.label for track in tracks])
        tracks.append(hear_track(label, source.path, source.channel, transcript, encoder))
        done += transcript.duration or 0.0
    names: dict[str, str] = {}
    if memory is not None and encoder is not None:
        voices = {
            track.label: track.voice
            for source, track in zip(sources, tracks, strict=True)
            if track.voice is not None and source.name is None
        }
        names = memory.name_speakers(Diarization((), voices, encoder.name))
    transcript, turns = merge_tracks(tracks)
    return transcript, turns, names, frozenset(names)


def _about(source: Source, warn: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: warn(f"{source.path.name}: {line}")


def _encoder(memory: SpeakerMemory | None, warn: Callable[[str], None]) -> SpeakerEncoder | None:
    """None where nobody is known, or no encoder is installed: then the files' names are used."""
    if memory is None or not memory.list():
        return None
    from earshot.speakers.encoder import find_encoder

    try:
        return find_encoder(None)
    except MissingExtraError as error:
        warn(f"nobody is known by voice: {error}")
        return None


def _names(
    diarization: Diarization, memory: SpeakerMemory | None, warn: Callable[[str], None]
) -> tuple[dict[str, str], frozenset[str]]:
    if memory is None:
        return {}, frozenset()
    if strangers := memory.unknown_to(diarization.encoder):
        shown = ", ".join(strangers[:5])
        warn(f"{shown} cannot be known by voice: enrolled for another encoder than {diarization.encoder}")
    names = memory.name_speakers(diarization)
    return names, frozenset(names)


def _speakers(transcript: Transcript) -> list[str]:
    return list(dict.fromkeys(segment.speaker for segment in transcript.segments if segment.speaker))


def _shown(label: str) -> str:
    """``S1`` as readers like it."""
    digits = label[1:]
    return f"Speaker {digits}" if label.startswith("S") and digits.isdecimal() else clean_text(label) or UNKNOWN


def _joined(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """In order, none of one speaker overlapping: two labels may have become one name."""
    done: dict[str, list[Turn]] = {}
    for turn in turns:
        own = done.setdefault(turn.speaker, [])
        if own and turn.start <= own[-1].end:
            own[-1] = replace(own[-1], end=max(own[-1].end, turn.end))
        elif turn.end > turn.start:
            own.append(turn)
    return tuple(
        sorted((turn for own in done.values() for turn in own), key=lambda turn: (turn.start, turn.end))
    )


def _participants(meeting: Meeting, shown: Mapping[str, str], known: frozenset[str]) -> tuple[Participant, ...]:
    dialogue = meeting.dialogue()
    people: dict[str, Participant] = {}
    for label, name in shown.items():
        if name in people:  # a second label of the same voice
            continue
        own = [turn for turn in dialogue if turn.speaker == name]
        people[name] = Participant(
            label,
            name,
            label in known,
            sum(turn.duration for turn in meeting.turns if turn.speaker == name),
            len(own),
            sum(len(turn.text.split()) for turn in own),
        )
    return tuple(people.values())


def _doubts(meeting: Meeting, participants: Sequence[Participant]) -> list[str]:
    if not meeting.transcript.text.strip():
        return ["no speech was recognized"]
    if not participants:
        return ["no voices could be told apart"]
    if len(participants) > _MANY:
        return [f"{len(participants)} voices were found: say --num-speakers if there were fewer"]
    return []


def _title(sources: Sequence[Source]) -> str:
    return _stem(sources[0]) if len(sources) == 1 else "Meeting"


def _stem(source: Source) -> str:
    name = " ".join(source.path.stem.replace("_", " ").split()) or source.path.name
    return name if source.channel is None else f"{name} {source.channel}"


def _unique(name: str, taken: Sequence[str]) -> str:
    number, unique = 2, name
    while unique in taken:
        unique, number = f"{name} ({number})", number + 1
    return unique


def parse_source(given: str, channel: int | None = None) -> Source:
    """``talk.wav`` or ``Anna=talk.wav``. Raises AudioError where neither names a file."""
    path = Path(given)
    name, equals, rest = given.partition("=")
    if equals and name.strip() and rest and not _exists(path):
        if not clean_text(name):
            raise AudioError(f"{given!r} names nobody", fix="write Anna=FILE")
        return Source(Path(rest), clean_text(name), channel)
    return Source(path, None, channel)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
