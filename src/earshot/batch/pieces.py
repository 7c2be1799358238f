"""Units of a long recording: how they are cut, and how what was heard in them is kept until it is whole.

A unit is a run of whole windows, those that ``recognize_blocks`` would make of the recording, so that every
region is recognized in the company that it would have had on one machine: joined results equal that run
exactly.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from earshot.audio.cutting import CutOptions, SpeechRegion
from earshot.audio.reader import AudioReader
from earshot.audio.resample import resampled
from earshot.batch.tasks import Spans
from earshot.core.clock import to_seconds
from earshot.core.types import SAMPLE_RATE, Samples, Segment, Word
from earshot.engines.offline import RecognizedRegion, speech_windows


def cut_units(
    reader: AudioReader, longest_region: float, options: CutOptions, unit_seconds: float
) -> Iterator[tuple[Spans, float, Samples]]:
    """The units of a recording: their regions, the seconds since the unit before, and the regions' samples.

    unit_seconds: of speech; a unit ends with the first window that brings it there.
    """
    held: list[list[SpeechRegion]] = []
    speech, before = 0.0, 0
    for window in speech_windows(resampled(reader, reader.info.sample_rate), longest_region, options):
        held.append(window)
        speech += sum(region.duration for region in window)
        if speech >= unit_seconds:
            yield _unit(held, before)
            speech, before, held = 0.0, window[-1].end, []
    if held:
        yield _unit(held, before)


def _unit(windows: Sequence[Sequence[SpeechRegion]], before: int) -> tuple[Spans, float, Samples]:
    spans = [[(region.start, len(region.samples)) for region in window] for window in windows]
    samples = np.concatenate([region.samples for window in windows for region in window])
    return spans, to_seconds(windows[-1][-1].end - before, SAMPLE_RATE), samples


def packed_regions(regions: Iterable[RecognizedRegion]) -> bytes:
    """What was heard, without its sound. All numbers keep all their digits."""
    rows = [
        [
            region.region.start,
            len(region.region.samples),
            region.language,
            [_segment(s) for s in region.segments],
        ]
        for region in regions
    ]
    return zlib.compress(json.dumps(rows).encode(), 6)


def unpacked_regions(data: bytes) -> list[RecognizedRegion]:
    """The same regions; where their sound was there is silence that takes no memory."""
    return [
        RecognizedRegion(
            SpeechRegion(start, np.broadcast_to(np.float32(0), length), np.empty(0, np.float32)),
            tuple(_read_segment(row) for row in segments),
            language,
        )
        for start, length, language, segments in json.loads(zlib.decompress(data))
    ]


def _segment(segment: Segment) -> list[Any]:
    words = [[word.text, word.start, word.end, word.confidence, word.time_source] for word in segment.words]
    return [segment.text, segment.start, segment.end, words, segment.speaker, segment.language]


def _read_segment(row: list[Any]) -> Segment:
    text, start, end, words, speaker, language = row
    return Segment(text, start, end, tuple(Word(*word) for word in words), speaker, language)
