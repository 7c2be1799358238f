"""A recording for each person: put together, without what a microphone heard of the others."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from earshot.audio.cutting import CutOptions, cut_speech
from earshot.audio.decode import open_audio
from earshot.audio.resample import resampled
from earshot.core.types import SAMPLE_RATE, Samples, Segment, Transcript, Word
from earshot.speakers.types import Turn, Vector

if TYPE_CHECKING:
    from earshot.speakers.encoder import SpeakerEncoder

FRAME = 0.05
"""Seconds of one value of a track's level."""

_FRAME_SAMPLES = round(FRAME * SAMPLE_RATE)

_CROSSTALK = 6.0
"""Decibels: who is that much further below his own level than somebody else is below his is only overheard."""

_QUIETEST = -25.0
"""Decibels below the loudest person at which the level of speech is taken to be, at least: a track on which
nobody speaks has none of its own."""

_REACH = 0.25
"""Seconds."""

_MIN_TURN, _MIN_GAP = 0.2, 0.5
"""Seconds: shorter turns are dropped, shorter gaps are bridged."""

_VOICE_SECONDS = 60.0
"""Of speech, by which a person is known."""

_MIN_VOICE = 2.0

Levels = npt.NDArray[np.float64]
Frames = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person's recording. levels: decibels of full scale for each FRAME; is_speech: of the same length.

    voice: None where nobody asked, or too little is said.
    """

    label: str
    transcript: Transcript
    levels: Levels
    is_speech: Frames
    voice: Vector | None = None

    @property
    def speech_level(self) -> float:
        """Decibels: the level of the louder half of the speech; -inf without speech."""
        heard = self.levels[self.is_speech]
        return float(np.percentile(heard, 75)) if len(heard) else -math.inf


def hear_track(
    label: str, path: Path, channel: int | None, transcript: Transcript, encoder: SpeakerEncoder | None
) -> Track:
    """Measure a recording whose transcript is known. Raises AudioError where it cannot be read."""
    meter = _LevelMeter()
    regions: list[tuple[int, int]] = []
    voice: list[Samples] = []
    with open_audio(path, channel=channel) as reader:
        blocks = meter.passing(resampled(reader, reader.info.sample_rate))
        for region in cut_speech(blocks, max_duration=30.0, options=CutOptions(padding=0.1, join_gap=0.3)):
            regions.append((region.start, region.end))
            if encoder is not None and sum(map(len, voice)) < _VOICE_SECONDS * SAMPLE_RATE:
                voice.append(region.samples)
    levels = meter.levels()
    return Track(label, transcript, levels, _frames(regions, len(levels)), _voice(voice, encoder))


def merge_tracks(tracks: Sequence[Track]) -> tuple[Transcript, tuple[Turn, ...]]:
    """One transcript, segments in order of start with the tracks' labels as speakers; and who spoke when."""
    relative = _relative_levels(tracks)
    segments: list[Segment] = []
    turns: list[Turn] = []
    for index, track in enumerate(tracks):
        own = relative[index]
        others = np.delete(relative, index, axis=0).max(axis=0, initial=-np.inf)
        is_own = _widened(own >= others - _CROSSTALK)
        kept = [part for segment in track.transcript.segments for part in _own_words(segment, is_own)]
        kept = [segment for segment in kept if not _is_echo(segment, index, tracks)]
        segments += [replace(segment, speaker=track.label) for segment in kept]
        speech = np.zeros(relative.shape[1], np.bool_)
        speech[: len(track.is_speech)] = track.is_speech
        turns += _turns(speech & is_own, track.label)
    transcripts = [track.transcript for track in tracks]
    return (
        Transcript(
            tuple(sorted(segments, key=lambda segment: (segment.start, segment.end))),
            next((one.language for one in transcripts if one.language), None),
            max((one.duration or 0.0 for one in transcripts), default=0.0),
            next((one.engine for one in transcripts), None),
        ),
        tuple(sorted(turns, key=lambda turn: (turn.start, turn.end))),
    )


class _LevelMeter:
    """Levels of a stream that passes."""

    def __init__(self) -> None:
        self._parts: list[Levels] = []
        self._rest = np.empty(0, np.float32)

    def passing(self, blocks: Iterator[Samples]) -> Iterator[Samples]:
        for block in blocks:
            samples = np.concatenate([self._rest, block])
            num_frames = len(samples) // _FRAME_SAMPLES
            frames = samples[: num_frames * _FRAME_SAMPLES].reshape(num_frames, _FRAME_SAMPLES)
            self._rest = samples[num_frames * _FRAME_SAMPLES :]
            power = (frames.astype(np.float64) ** 2).mean(axis=1)
            self._parts.append(10 * np.log10(power + 1e-10))
            yield block

    def levels(self) -> Levels:
        return np.concatenate([np.empty(0), *self._parts])


def _frames(regions: Sequence[tuple[int, int]], num_frames: int) -> Frames:
    frames = np.zeros(num_frames, np.bool_)
    for start, end in regions:
        frames[start // _FRAME_SAMPLES : math.ceil(end / _FRAME_SAMPLES)] = True
    return frames


def _voice(parts: Sequence[Samples], encoder: SpeakerEncoder | None) -> Vector | None:
    if encoder is None or sum(map(len, parts)) < _MIN_VOICE * SAMPLE_RATE:
        return None
    voice: Vector = encoder.embed([np.concatenate(parts)])[0]
    return voice


def _relative_levels(tracks: Sequence[Track]) -> Levels:
    """(tracks, frames): decibels against the person's own level of speech; -inf behind a track's end."""
    num_frames = max((len(track.levels) for track in tracks), default=0)
    loudest = max((track.speech_level for track in tracks), default=-math.inf)
    relative = np.full((len(tracks), num_frames), -np.inf)
    for index, track in enumerate(tracks):
        level = max(track.speech_level, loudest + _QUIETEST)
        if math.isfinite(level):
            relative[index, : len(track.levels)] = track.levels - level
    return relative


def _widened(frames: Frames) -> Frames:
    """Each run longer by _REACH at both ends: between two syllables everybody else is louder."""
    reach = round(_REACH / FRAME)
    wide: Frames = np.convolve(frames, np.ones(2 * reach + 1), "same") > 0.5 if len(frames) else frames
    return wide[: len(frames)]


def _own_words(segment: Segment, is_own: Frames) -> list[Segment]:
    """The segment without words that are only overheard; cut where such words were."""
    if not segment.words:
        return [segment] if _mostly(is_own, segment.start, segment.end) else []
    runs: list[list[Word]] = []
    was_own = False
    for word in segment.words:
        own = word.start is None or word.end is None or _mostly(is_own, word.start, word.end)
        if own and was_own:
            runs[-1].append(word)
        elif own:
            runs.append([word])
        was_own = own
    if len(runs) == 1 and len(runs[0]) == len(segment.words):
        return [segment]
    return [_part(segment, words) for words in runs]


def _part(segment: Segment, words: Sequence[Word]) -> Segment:
    starts = [word.start for word in words if word.start is not None]
    ends = [word.end for word in words if word.end is not None]
    return replace(
        segment,
        text=" ".join(word.text for word in words),
        start=min(starts, default=segment.start),
        end=max(ends, default=segment.end),
        words=tuple(words),
    )


def _mostly(is_own: Frames, start: float, end: float) -> bool:
    first = max(0, int(start / FRAME))
    frames = is_own[first : max(first + 1, math.ceil(end / FRAME))]
    return not len(frames) or float(frames.mean()) >= 0.5


def _is_echo(segment: Segment, index: int, tracks: Sequence[Track]) -> bool:
    """Whether another track has the same words at the same time, louder: somebody else's voice, overheard.

    Needed for a person who never speaks: the levels of that track are those of the others.
    """
    own = _bare(segment.text)
    for place, other in enumerate(tracks):
        if place == index or len(own) < 2:  # "yes" is said by many at once
            continue
        around = [
            word
            for one in other.transcript.segments
            if one.start < segment.end + 0.5 and one.end > segment.start - 0.5
            for word in _bare(one.text)
        ]
        share = sum(word in around for word in own) / len(own)
        louder = _level(other, segment) - _level(tracks[index], segment)
        if share >= 0.6 and louder >= 3.0:
            return True
    return False


def _level(track: Track, segment: Segment) -> float:
    first = int(segment.start / FRAME)
    levels = track.levels[first : max(first + 1, math.ceil(segment.end / FRAME))]
    return float(np.percentile(levels, 75)) if len(levels) else -math.inf


def _bare(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def _turns(frames: Frames, label: str) -> Iterator[Turn]:
    """Runs of frames as turns, small gaps bridged and small runs dropped."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], frames, [False]]).astype(np.int8)))
    runs: list[list[int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if runs and (start - runs[-1][1]) * FRAME < _MIN_GAP:
            runs[-1][1] = end
        else:
            runs.append([start, end])
    for start, end in runs:
        if (end - start) * FRAME >= _MIN_TURN:
            yield Turn(start * FRAME, end * FRAME, label)
