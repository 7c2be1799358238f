"""Who said which word: words of a transcript given to the speakers whose turns they lie in."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from earshot.core.types import Segment, Transcript, Word
from earshot.speakers.types import Turn
from earshot.text.sentences import ends_sentence
from earshot.text.timing import timed_words

MAX_GAP = 1.0
"""Seconds from a word to the nearest turn beyond which nobody is known to have said it. Recognizers and
diarizers place the edges of speech differently, by some tenths of a second."""

_MAX_SHIFT = 0.8
"""Seconds by which a change of speakers is moved to the end of a sentence or to a pause: turns come from
windows of a second or more, so their edges are no surer than that."""

_PAUSE = 0.25
"""Seconds between words that count as a pause."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A word as written, and where it lies in seconds. word: None where the segment has text alone."""

    text: str
    start: float
    end: float
    word: Word | None


def assign_speakers(transcript: Transcript, turns: Sequence[Turn]) -> Transcript:
    """The same words, each with the speaker within whose turns it lies; ``segment.speaker`` tells who.

    A word goes to the speaker who has most of its time; where several have all of it (they speak at once), it
    stays with the one who spoke before. A word outside of all turns goes to the nearest within MAX_GAP, else
    to nobody (None). Segments are split where the speaker changes, and a change that falls a word or two beside
    the end of a sentence or a pause is moved there. Words without times get their share of the time between
    their neighbours. No word is lost, changed or moved.
    """
    lookup = _Turns(turns)
    segments = [piece for segment in transcript.segments for piece in _split(segment, lookup)]
    return replace(transcript, segments=tuple(segments))


class _Turns:
    """Finds the turns around a time quickly, however many there are."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = sorted(turns, key=lambda turn: (turn.start, turn.end))
        self._starts = [turn.start for turn in self._turns]
        self._latest_ends: list[float] = []  # of all turns up to each
        latest = 0.0
        for turn in self._turns:
            latest = max(latest, turn.end)
            self._latest_ends.append(latest)

    def shares(self, start: float, end: float) -> dict[str, float]:
        """Seconds of each speaker within a stretch; empty where nobody speaks."""
        shares: dict[str, float] = {}
        for turn in self._around(start, end):
            if (common := min(end, turn.end) - max(start, turn.start)) > 0:
                shares[turn.speaker] = shares.get(turn.speaker, 0.0) + common
        return shares

    def nearest(self, start: float, end: float) -> str | None:
        """The speaker of the nearest turn within MAX_GAP."""
        gaps = [
            (max(turn.start - end, start - turn.end, 0.0), index, turn.speaker)
            for index, turn in enumerate(self._around(start - MAX_GAP, end + MAX_GAP))
        ]
        return min(gaps)[2] if gaps and min(gaps)[0] <= MAX_GAP else None

    def _around(self, start: float, end: float) -> list[Turn]:
        stop = bisect.bisect_right(self._starts, end)
        begin = stop
        while begin > 0 and self._latest_ends[begin - 1] >= start:
            begin -= 1
        return [turn for turn in self._turns[begin:stop] if turn.end >= start]


def _split(segment: Segment, turns: _Turns) -> list[Segment]:
    placed = _placed(segment)
    if not placed:
        return [replace(segment, speaker=turns.nearest(segment.start, segment.end))]
    speakers = _moved_to_borders(placed, _speakers(placed, turns))
    if len(set(speakers)) == 1:
        return [replace(segment, speaker=speakers[0])]
    runs = [
        (speaker, [placed[index] for index in indices])
        for speaker, indices in groupby(range(len(placed)), key=speakers.__getitem__)
    ]
    pieces = []
    for number, (speaker, words) in enumerate(runs):
        start = segment.start if number == 0 else words[0].start
        end = segment.end if number == len(runs) - 1 else words[-1].end
        pieces.append(
            replace(
                segment,
                text=" ".join(word.text for word in words),
                start=start,
                end=max(start, end),
                words=tuple(word.word for word in words if word.word is not None),
                speaker=speaker,
            )
        )
    return pieces


def _placed(segment: Segment) -> list[_Placed]:
    """Every word with a time, known or shared out."""
    timed = timed_words(segment)
    words = [word for word in segment.words if word.text.strip()]
    # timed_words leaves out words of which nothing can be shown; where it did, the times are not one to one.
    own: Sequence[Word | None] = words if len(words) == len(timed) else [None] * len(timed)
    if segment.words and len(words) != len(timed):
        return _shared_out(segment)
    return [
        _Placed(word.text if word else time.text, time.start_ms / 1000, time.end_ms / 1000, word)
        for word, time in zip(own, timed, strict=True)
    ]


def _shared_out(segment: Segment) -> list[_Placed]:
    """For words that are strange: each with its own times where it has them, else those of the segment."""
    return [
        _Placed(
            word.text,
            segment.start if word.start is None else word.start,
            segment.end if word.end is None else word.end,
            word,
        )
        for word in segment.words
    ]


def _speakers(words: Sequence[_Placed], turns: _Turns) -> list[str | None]:
    speakers: list[str | None] = []
    for word in words:
        # A word of no length still lies somewhere.
        shares = turns.shares(word.start, max(word.end, word.start + 0.01))
        before = speakers[-1] if speakers else None
        if not shares:
            speakers.append(turns.nearest(word.start, word.end))
        elif before in shares and shares[before] >= 0.99 * max(shares.values()):
            speakers.append(before)
        else:
            speakers.append(max(shares, key=lambda name: shares[name]))
    return speakers


def _moved_to_borders(words: Sequence[_Placed], speakers: list[str | None]) -> list[str | None]:
    """Changes of speaker moved to a better place nearby; each word is moved once at most."""
    moved = list(speakers)
    for index in range(1, len(words)):
        if speakers[index] == speakers[index - 1] or None in speakers[index - 1 : index + 1]:
            continue
        best = max(_candidates(words, index), key=lambda place: (_goodness(words, place), -abs(place - index)))
        if best < index and all(speakers[i] == speakers[index - 1] for i in range(best, index)):
            moved[best:index] = [speakers[index]] * (index - best)
        elif best > index and all(speakers[i] == speakers[index] for i in range(index, best)):
            moved[index:best] = [moved[index - 1]] * (best - index)
    return moved


def _candidates(words: Sequence[_Placed], index: int) -> list[int]:
    """Where the change before word ``index`` may be moved: two words either way, not far in time."""
    edge = words[index].start
    near = range(max(1, index - 2), min(len(words), index + 3))
    return [place for place in near if abs(words[place].start - edge) <= _MAX_SHIFT or place == index]


def _goodness(words: Sequence[_Placed], place: int) -> int:
    """How well a speaker may change before this word: after a sentence, after a pause, in the middle."""
    before, after = words[place - 1], words[place]
    if ends_sentence(before.text, after.text):
        return 2
    return 1 if after.start - before.end >= _PAUSE else 0
