"""A recording for each person, and what the microphones heard of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.core.types import SAMPLE_RATE, Segment, Transcript, Word
from earshot.meetings.tracks import Track, hear_track, merge_tracks
from tests.cli.command import read_aloud

FIRST, SECOND = (1.0, 4.7), (4.9, 8.6)
"""Where the sample says its first two sentences."""


def words(text: str, span: tuple[float, float]) -> Segment:
    listed = text.split()
    pace = (span[1] - span[0]) / len(listed)
    made = tuple(Word(word, span[0] + i * pace, span[0] + (i + 0.9) * pace) for i, word in enumerate(listed))
    return Segment(text, *span, made, None, "en")


TIMES = words("it was the best of times", FIRST)
WISDOM = words("it was the age of wisdom", SECOND)


def sound(*spans: tuple[tuple[float, float], float]) -> np.ndarray:
    """The sample's stretches at their places, each with its gain; else a little noise."""
    made = np.random.default_rng(0).normal(0, 1e-4, 10 * SAMPLE_RATE).astype(np.float32)
    for (start, end), gain in spans:
        first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        made[first:last] += gain * read_aloud()[first:last]
    return made


def track(path: Path, label: str, samples: np.ndarray, *segments: Segment) -> Track:
    soundfile.write(path / f"{label}.wav", samples, SAMPLE_RATE)
    return hear_track(label, path / f"{label}.wav", None, Transcript(segments, "en", 10.0, "test"), None)


def told(tracks: list[Track]) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text) for segment in merge_tracks(tracks)[0].segments]


def test_people_take_turns(tmp_path: Path) -> None:
    anna = track(tmp_path, "Anna", sound((FIRST, 0.9)), TIMES)
    ben = track(tmp_path, "Ben", sound((SECOND, 0.9)), WISDOM)
    transcript, turns = merge_tracks([ben, anna])
    assert told([ben, anna]) == [("Anna", TIMES.text), ("Ben", WISDOM.text)]
    assert (transcript.language, transcript.duration, transcript.engine) == ("en", 10.0, "test")
    assert {turn.speaker for turn in turns if (turn.start + turn.end) / 2 < 4.8} == {"Anna"}
    assert {turn.speaker for turn in turns if (turn.start + turn.end) / 2 > 4.8} == {"Ben"}


@pytest.mark.parametrize("bleed", [0.02, 0.1, 0.25])
def test_what_is_only_overheard_is_left_out(tmp_path: Path, bleed: float) -> None:
    anna = track(tmp_path, "Anna", sound((FIRST, 0.9), (SECOND, 0.9 * bleed)), TIMES, WISDOM)
    ben = track(tmp_path, "Ben", sound((FIRST, 0.9 * bleed), (SECOND, 0.9)), TIMES, WISDOM)
    assert told([anna, ben]) == [("Anna", TIMES.text), ("Ben", WISDOM.text)]


def test_a_quiet_microphone_of_somebody_who_speaks_counts_in_full(tmp_path: Path) -> None:
    anna = track(tmp_path, "Anna", sound((FIRST, 0.9), (SECOND, 0.01)), TIMES, WISDOM)
    ben = track(tmp_path, "Ben", sound((SECOND, 0.12)), WISDOM)
    assert told([anna, ben]) == [("Anna", TIMES.text), ("Ben", WISDOM.text)]


def test_who_never_speaks_gets_no_words_of_the_others(tmp_path: Path) -> None:
    anna = track(tmp_path, "Anna", sound((FIRST, 0.9), (SECOND, 0.9)), TIMES, WISDOM)
    ben = track(tmp_path, "Ben", sound((FIRST, 0.2), (SECOND, 0.2)), TIMES, WISDOM)
    assert told([anna, ben]) == [("Anna", TIMES.text), ("Anna", WISDOM.text)]


def test_both_at_once_are_both_kept(tmp_path: Path) -> None:
    other = words("so they say and so it is", FIRST)
    anna = track(tmp_path, "Anna", sound((FIRST, 0.9)), TIMES)
    shifted = np.roll(sound((SECOND, 0.9)), -round((SECOND[0] - FIRST[0]) * SAMPLE_RATE))
    ben = track(tmp_path, "Ben", shifted, other)
    assert sorted(told([anna, ben]), key=str) == [("Anna", TIMES.text), ("Ben", other.text)]


def test_silence_and_a_shorter_recording(tmp_path: Path) -> None:
    anna = track(tmp_path, "Anna", sound((FIRST, 0.9)), TIMES)
    ben = track(tmp_path, "Ben", np.zeros(SAMPLE_RATE, np.float32))
    _, turns = merge_tracks([anna, ben])
    assert told([anna, ben]) == [("Anna", TIMES.text)]
    assert {turn.speaker for turn in turns} == {"Anna"}
    silent, none = merge_tracks([ben])
    assert (silent.segments, none) == ((), ())
    assert merge_tracks([]) == (Transcript((), None, 0.0, None), ())
