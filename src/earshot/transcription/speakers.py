"""Transcripts that tell who speaks: what is asked for, and how it is put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from earshot.core.types import Transcript

if TYPE_CHECKING:
    from earshot.speakers.diarization import Diarizer
    from earshot.speakers.types import Diarization


@dataclass(frozen=True, slots=True)
class SpeakerOptions:
    """How to tell speakers apart.

    num_speakers: how many there are, None to find out, within min_speakers and max_speakers. encoder: see
    ``earshot.speakers.encoder.find_encoder``. has_names: who is in the speaker memory is called by name, all
    others "S1", "S2" … in order of their first words.
    """

    num_speakers: int | None = None
    min_speakers: int = 1
    max_speakers: int = 20
    encoder: str | None = None
    has_names: bool = True

    def __post_init__(self) -> None:
        if self.num_speakers is not None and self.num_speakers < 1:
            raise ValueError(f"the number of speakers is at least 1, not {self.num_speakers}")
        if not 1 <= self.min_speakers <= self.max_speakers:
            raise ValueError(f"speakers from {self.min_speakers} to {self.max_speakers} are none")

    def diarizer(self, num_threads: int | None = None) -> Diarizer:
        """One for one recording. Raises MissingExtraError where no encoder is installed."""
        from earshot.speakers.diarization import DiarizationOptions, Diarizer

        return Diarizer(
            DiarizationOptions(
                num_speakers=self.num_speakers,
                min_speakers=self.min_speakers,
                max_speakers=self.max_speakers,
                encoder=self.encoder,
                num_threads=num_threads,
            )
        )


def named(transcript: Transcript, names: Mapping[str, str]) -> Transcript:
    """The same with labels replaced by names; labels that have none stay."""
    segments = tuple(
        replace(segment, speaker=names.get(segment.speaker, segment.speaker)) if segment.speaker else segment
        for segment in transcript.segments
    )
    return replace(transcript, segments=segments)


def remembered_names(diarization: Diarization) -> dict[str, str]:
    """Who of the speakers is in the user's speaker memory. Raises SpeakerError where that is damaged."""
    from earshot.speakers.memory import SpeakerMemory

    return SpeakerMemory().name_speakers(diarization)
