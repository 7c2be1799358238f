"""Sentences: found in running text, and in segments with their times.

Where speech is written without marks (Vosk, most CTC models), an utterance stands for a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from earshot.core.types import Segment
from earshot.text.clean import clean_text

MAX_LENGTH = 400
"""Characters; text that goes on for longer without an end is cut at its longest pause, else near its middle."""

_ABBREVIATION_TEXT = (
    "a.m ca capt cf co col corp dr e.g etc fig gen hon i.e inc jr lt ltd mr mrs ms mt p.m prof rev sgt sr "
    "st u.k u.s vol vs bzw d.h nr usw z.b mme mlle sra srta ud uds dott sig т.д т.е т.п г ул"
)
_ABBREVIATIONS = frozenset(_ABBREVIATION_TEXT.split())
_OPENING = "\"'“‘«„‚([{¿¡「『（"
_CLOSING = "\"'”’»“)]}」』）"
_STRONG_ENDS = ("?", "!", "…", "。", "？", "！", "．", "｡", "؟", "۔", "।", "॥", "።", "။", "។")

# A token with the white space after it. Chinese and Japanese set none, so their marks end a token as well.
_TOKEN = re.compile(
    r"(?:[^\s。？！｡]|(?<=[。？！｡])[」』）”’])+[。？！｡]*[」』）”’]*\s*|[。？！｡]+[」』）”’]*\s*"
)
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")


@dataclass(frozen=True, slots=True)
class _Token:
    """text: with the white space that follows it; start, end: seconds; owner: its segment's place."""

    text: str
    start: float
    end: float
    owner: int


def ends_sentence(word: str, follower: str = "") -> bool:
    """Whether a sentence ends with ``word``: "street." does before "He", "Mr." and "J." do not."""
    bare = word.strip().rstrip(_CLOSING)
    if bare.endswith(_STRONG_ENDS):
        return not follower.lstrip(_OPENING)[:1].islower()  # "Oh!" said he
    if not bare.endswith(".") or follower.lstrip(_OPENING)[:1].islower():
        return False
    stem = bare.rstrip(".").lstrip(_OPENING)
    is_initial = len(stem) == 1 and stem.isupper() and stem != "I"
    return not (is_initial or (stem.lower() in _ABBREVIATIONS and not bare.endswith("..")))


def split_text(text: str) -> list[str]:
    """The sentences of a text, each on one line, none empty, none over ``MAX_LENGTH`` by much.

    A blank line ends a sentence; a single newline does not.
    """
    found: list[str] = []
    for paragraph in _PARAGRAPH.split(text):
        tokens = _text_tokens(clean_text(paragraph))
        found += [_written(group) for group in _sentences(tokens)]
    return [sentence for sentence in found if sentence]


def split_segments(segments: Iterable[Segment], *, joins: bool = True) -> list[Segment]:
    """The sentences of segments, with their times; words are left out.

    joins: a sentence that goes on in the next segment (as in subtitles) is put together, where the speaker is
    the same and the marks show where sentences end.
    """
    segments = [segment for segment in segments if clean_text(segment.text)]
    has_marks = joins and _has_marks(segments)
    found: list[Segment] = []
    for _, turn in groupby(enumerate(segments), key=lambda item: (item[1].speaker, item[1].language)):
        tokens: list[_Token] = []
        for place, segment in turn:
            if tokens and not has_marks:
                found += _as_segments(tokens, segments)
                tokens = []
            tokens += _segment_tokens(segment, place)
        found += _as_segments(tokens, segments)
    return found


def _as_segments(tokens: Sequence[_Token], segments: Sequence[Segment]) -> Iterator[Segment]:
    for group in _sentences(tokens):
        if text := _written(group):
            owner = segments[group[0].owner]
            end = max(token.end for token in group)
            yield Segment(text, group[0].start, end, speaker=owner.speaker, language=owner.language)


def _has_marks(segments: Sequence[Segment]) -> bool:
    """Whether sentences end with marks: at least one in 300 characters."""
    tokens = [token for segment in segments for token in segment.text.split()]
    num_ends = sum(ends_sentence(word, follower) for word, follower in pairwise([*tokens, ""]))
    return num_ends * 300 >= sum(map(len, tokens))


def _text_tokens(text: str) -> list[_Token]:
    return [_Token(found, 0.0, 0.0, 0) for found in _TOKEN.findall(text)]


def _segment_tokens(segment: Segment, owner: int) -> list[_Token]:
    """With the words' times where each word is one token, else with shares of the segment's by length."""
    pieces = _TOKEN.findall(clean_text(segment.text) + " ")
    if len(pieces) == len(segment.words) and all(
        word.start is not None and word.end is not None for word in segment.words
    ):
        return [
            _Token(piece, word.start or 0.0, word.end or 0.0, owner)
            for piece, word in zip(pieces, segment.words, strict=True)
        ]
    num_characters = sum(map(len, pieces)) or 1
    rate = (segment.end - segment.start) / num_characters
    tokens, position = [], 0
    for piece in pieces:
        start = segment.start + position * rate
        position += len(piece)
        tokens.append(_Token(piece, start, min(segment.end, segment.start + position * rate), owner))
    return tokens


def _sentences(tokens: Sequence[_Token]) -> Iterator[Sequence[_Token]]:
    begin = 0
    for index, token in enumerate(tokens):
        follower = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if not follower or ends_sentence(token.text, follower):
            yield from _shortened(tokens[begin : index + 1])
            begin = index + 1


def _shortened(tokens: Sequence[_Token]) -> list[Sequence[_Token]]:
    """Cut in two until no piece is over the limit, in order; without recursion, for text may be endless."""
    done: list[Sequence[_Token]] = []
    # Blocks first: 1 MB without a mark takes 1 s so, and 3.4 s when it is halved from the top.
    waiting = [tokens[at : at + 500] for at in range(0, len(tokens), 500)][::-1]
    while waiting:
        group = waiting.pop()
        if sum(len(token.text) for token in group) <= MAX_LENGTH:
            done.append(group)
        elif len(group) == 1:
            text = group[0].text
            done += [
                [_Token(text[at : at + MAX_LENGTH], group[0].start, group[0].end, group[0].owner)]
                for at in range(0, len(text), MAX_LENGTH)
            ]
        else:
            cut = _best_cut(group)
            waiting += [group[cut:], group[:cut]]
    return done


def _best_cut(tokens: Sequence[_Token]) -> int:
    """Where to cut: the longest pause of the middle half, a comma there else, the one nearest the middle."""
    middle = len(tokens) / 2
    low, high = max(1, len(tokens) // 4), max(2, len(tokens) - len(tokens) // 4)

    def goodness(index: int) -> tuple[float, bool, float]:
        pause = round(tokens[index].start - tokens[index - 1].end, 1)
        is_clause = tokens[index - 1].text.rstrip().endswith((",", ";", ":", "，", "、", "；"))
        return pause, is_clause, -abs(index - middle)

    return max(range(low, high), key=goodness)


def _written(tokens: Sequence[_Token]) -> str:
    return "".join(token.text for token in tokens).strip()
