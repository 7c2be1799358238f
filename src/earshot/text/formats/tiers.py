"""Transcripts as tiers, as Praat and ELAN have them: one of segments and one of words for each speaker."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from earshot.core.types import Segment, Transcript, Word
from earshot.text.clean import clean_text
from earshot.text.timing import Span, group_words, segment_span_ms, separate, timed_words

SEGMENTS = "segments"
WORDS = "words"

# Names that tell what a tier is, not who speaks on it ("default" is ELAN's own first tier).
_NOBODY = frozenset({"", SEGMENTS, WORDS, "default", "utterances", "sentences", "transcript", "text"})
_WORD_TIERS = frozenset({"word", WORDS})


@dataclass(frozen=True, slots=True)
class SpeakerTiers:
    """The two tiers of a speaker (None when unknown). Spans of one tier are in order and never overlap;
    words lie within their segment.
    """

    speaker: str | None
    segments: tuple[Span, ...]
    words: tuple[Span, ...]

    @property
    def segments_name(self) -> str:
        """``Anna``, or ``segments``."""
        return self.speaker or SEGMENTS

    @property
    def words_name(self) -> str:
        """``Anna - words``, as the Montreal Forced Aligner names them, or ``words``."""
        return f"{self.speaker} - {WORDS}" if self.speaker else WORDS


def tiers_of(transcript: Transcript) -> list[SpeakerTiers]:
    """The tiers of each speaker, in order of their first words. Segments without text are left out.

    On one tier nothing overlaps: a segment begins where the one before ends.
    """
    by_speaker: dict[str | None, list[Segment]] = {}
    for segment in transcript.segments:
        if clean_text(segment.text):
            by_speaker.setdefault(clean_text(segment.speaker or "") or None, []).append(segment)
    return [_speaker_tiers(speaker, segments) for speaker, segments in by_speaker.items()]


def _speaker_tiers(speaker: str | None, segments: Sequence[Segment]) -> SpeakerTiers:
    segments = sorted(segments, key=lambda segment: segment.start)
    spans = separate(Span(*segment_span_ms(segment), clean_text(segment.text)) for segment in segments)
    starts = [span.start_ms for span in spans]
    words: dict[int, list[Span]] = {}
    for segment in segments:
        # The span that the segment became: the last that begins before the segment ends.
        index = max(0, bisect.bisect_right(starts, max(segment_span_ms(segment))) - 1)
        words.setdefault(index, []).extend(
            Span(word.start_ms, word.end_ms, word.text) for word in timed_words(segment)
        )
    placed: list[Span] = []
    for index, span in enumerate(spans):
        placed += separate(words.get(index, ()), start_ms=span.start_ms, end_ms=span.end_ms)
    return SpeakerTiers(speaker, tuple(spans), tuple(placed))


@dataclass(frozen=True, slots=True)
class ReadTier:
    """A tier as it was read; times in seconds, in order. speaker: where the file itself names one."""

    name: str
    spans: tuple[tuple[float, float, str], ...]
    speaker: str | None = None


def transcript_of(tiers: Sequence[ReadTier], duration: float | None = None) -> Transcript:
    """The transcript of tiers: those named ``words`` or ``Anna - words`` hold words, the others segments.

    A word belongs to the segment of its speaker within which its middle lies; words outside of all segments
    form segments of their own.
    """
    segments: list[Segment] = []
    names = {_role(tier) for tier in tiers}
    for speaker in sorted({speaker for speaker, _ in names}, key=lambda name: name or ""):
        spans = [s for tier in tiers if _role(tier) == (speaker, SEGMENTS) for s in tier.spans]
        words = [s for tier in tiers if _role(tier) == (speaker, WORDS) for s in tier.spans]
        segments += _with_words(sorted(spans), sorted(words), speaker)
    return Transcript(tuple(sorted(segments, key=lambda segment: segment.start)), duration=duration)


def _role(tier: ReadTier) -> tuple[str | None, str]:
    """Who speaks on a tier, and whether it holds words or segments."""
    name = tier.name.strip()
    owner, dash, kind = name.rpartition(" - ")
    is_words = name.lower() in _WORD_TIERS or (bool(dash) and kind.strip().lower() in _WORD_TIERS)
    speaker = tier.speaker if tier.speaker is not None else (owner if is_words else name)
    speaker = clean_text(speaker)
    return (None if speaker.lower() in _NOBODY else speaker), WORDS if is_words else SEGMENTS


def _with_words(
    spans: Sequence[tuple[float, float, str]], words: Sequence[tuple[float, float, str]], speaker: str | None
) -> list[Segment]:
    starts = [start for start, _, _ in spans]
    members: dict[int, list[Word]] = {}
    strays: list[Word] = []
    for start, end, text in words:
        middle = (start + end) / 2
        index = bisect.bisect_right(starts, middle) - 1
        word = Word(text, start, end)
        if index >= 0 and middle <= spans[index][1]:
            members.setdefault(index, []).append(word)
        else:
            strays.append(word)
    found = [
        Segment(text, start, end, tuple(members.get(index, ())), speaker)
        for index, (start, end, text) in enumerate(spans)
    ]
    return found + group_words(strays, speaker=speaker)
