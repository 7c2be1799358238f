"""A voice taken from what somebody says in a transcript."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from earshot.cli._sound import complain
from earshot.core.errors import AudioError, SpeakerError
from earshot.core.types import SAMPLE_RATE, Samples, Segment, Transcript
from earshot.text.clean import clean_text

if TYPE_CHECKING:
    from earshot.speakers.encoder import SpeakerEncoder
    from earshot.speakers.memory import Enrolment


def voice_from_transcript(
    given: str,
    files: Sequence[Path],
    numbers: Sequence[int],
    label: str | None,
    encoders: Sequence[SpeakerEncoder],
    keeps: bool,
) -> Enrolment:
    """A voice as it is heard in parts of a transcript.

    given: a file, or a session's name. numbers: of segments, from 1. label: of a speaker. files: the recording,
    where it cannot be found by itself. Raises FormatError, SpeakerError, AudioError.
    """
    from earshot.speakers.enrolment import describe_voice

    transcript, recording = _transcript_and_recording(given, files)
    chosen = _chosen(transcript, numbers, label, given)
    what = f"{recording.name}, " + (f"segment {numbers[0]}" if len(numbers) == 1 else f"{len(chosen)} segments")
    return describe_voice(what, _excerpts(recording, chosen), encoders, keeps_clip=keeps)


def _transcript_and_recording(given: str, files: Sequence[Path]) -> tuple[Transcript, Path]:
    """Raises SpeakerError where the recording cannot be found."""
    from earshot.text.formats import read_transcript

    path = Path(given)
    if not path.exists() and not path.suffix:
        from earshot.live.stored import find_session

        session = find_session(given)
        return session.transcript(), files[0] if files else session.audio_path
    transcript = read_transcript(path)
    if files:
        return transcript, files[0]
    candidates = [*_named_in(path), *_beside(path)]
    if not candidates:
        raise SpeakerError(f"the recording of {path} is not beside it", fix=f"name it: … --from {path} FILE")
    return transcript, candidates[0]


def _named_in(path: Path) -> Sequence[Path]:
    from earshot.meetings.document import read_sources

    if path.suffix.lower() != ".json":
        return ()
    sources = read_sources(path)
    if len(sources) > 1:
        raise SpeakerError(
            f"{path} was made of {len(sources)} recordings", fix="enrol from the person's own file"
        )
    return sources


def _beside(path: Path) -> list[Path]:
    from earshot.audio.decode import RECORDING_SUFFIXES

    names = {path.stem, path.name.split(".")[0]}
    return sorted(
        other
        for other in path.absolute().parent.iterdir()
        if other.suffix.lower() in RECORDING_SUFFIXES and (other.stem in names or other.name in names)
    )


def _chosen(transcript: Transcript, numbers: Sequence[int], label: str | None, given: str) -> list[Segment]:
    segments = transcript.segments
    chosen = []
    for number in dict.fromkeys(numbers):
        if number > len(segments):
            raise SpeakerError(
                f"{given} has no segment {number}", fix=f"it has {len(segments)}; they count from 1"
            )
        chosen.append(segments[number - 1])
    if label is not None:
        own = [segment for segment in segments if _bare(segment.speaker) == _bare(label)]
        if not own:
            known = sorted({clean_text(segment.speaker) for segment in segments if segment.speaker})
            names = ", ".join(known) if known else "nobody: it was made without --diarize"
            raise SpeakerError(f"{given} has no speaker {label!r}", fix=f"it has {names}")
        chosen += own
    if any(segment.speaker != chosen[0].speaker for segment in chosen):
        complain("warning: the segments are of different speakers, as the transcript has it")
    return chosen


def _bare(label: str | None) -> str:
    """``S1`` and ``Speaker 1`` are the same."""
    folded = clean_text(label or "").casefold()
    number = re.fullmatch(r"(?:s|speaker )(\d+)", folded)
    return f"s{number[1]}" if number else folded


def _excerpts(recording: Path, segments: Sequence[Segment]) -> Iterator[Samples]:
    """The sound of the segments, in order, without reading all of it into memory."""
    from earshot.audio.decode import open_audio
    from earshot.audio.resample import resampled

    spans = sorted((round(one.start * SAMPLE_RATE), round(one.end * SAMPLE_RATE)) for one in segments)
    position = 0
    with open_audio(recording) as reader:
        for block in resampled(reader, reader.info.sample_rate):
            for start, end in spans:
                first, last = max(start - position, 0), min(end - position, len(block))
                if first < last:
                    yield block[first:last]
                if position <= end < position + len(block):
                    yield np.zeros(SAMPLE_RATE // 2, np.float32)  # words of two segments do not run together
            position += len(block)
            if position > max(end for _, end in spans):
                return
    if position < min(start for start, _ in spans):
        raise AudioError(
            f"{recording} ends at {position / SAMPLE_RATE:.1f} s, before what the transcript has",
            fix="name the recording that the transcript was made of",
        )
