"""What subtitles are set from: words (or East Asian characters), and what a break after each costs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from earshot.core.types import Segment, Transcript
from earshot.text.clean import BREAKING_SPACE, clean_text, display_width
from earshot.text.function_words import FunctionWords, function_words
from earshot.text.timing import spread, timed_words

_MAX_PAUSE_MS = 2000  # a longer silence always ends a cue


@dataclass(frozen=True, slots=True)
class Token:
    """What is never broken. width: columns. has_space: a space stands before it within a line.

    block: only tokens of one block may share a cue. cue_break, line_break: cost of ending a cue or a line
    after it; no_break: cost of letting a cue run on. label: what stands before the line if a cue begins here.
    """

    text: str
    start_ms: int
    end_ms: int
    width: int
    has_space: bool
    block: int
    speaker: str | None
    label: str
    cue_break: float
    line_break: float
    no_break: float


@dataclass(frozen=True, slots=True)
class _Piece:
    """A token before its surroundings are known. is_word_end: False inside a word broken by force."""

    text: str
    start_ms: int
    end_ms: int
    has_space: bool
    is_word_end: bool
    segment: int
    speaker: str | None
    words: FunctionWords


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a piece of text is to a break after or before it."""

    ends_sentence: bool
    ends_clause: bool
    is_article: bool
    is_leaning: bool
    is_opener: bool
    is_capitalised: bool


def subtitle_tokens(
    transcript: Transcript, max_width: int, *, has_labels: bool, prepare: Callable[[str], str] | None
) -> list[Token]:
    """All tokens of a transcript, in order of its segments' starts; each fits on a line with its label."""
    segments = sorted(transcript.segments, key=lambda segment: segment.start)
    labels = {
        speaker: _label(speaker, max_width)
        for speaker in {segment.speaker for segment in segments}
        if has_labels and speaker
    }
    limit = max_width - max(map(display_width, labels.values()), default=0)
    pieces: list[_Piece] = []
    for index, segment in enumerate(segments):
        words = function_words(segment.language or transcript.language)
        pieces += _pieces(segment, index, limit, words, prepare)
    return list(_judged(pieces, labels))


def _label(speaker: str, max_width: int) -> str:
    """``Anna: ``, cut so that half the line is left."""
    name = clean_text(speaker)
    if display_width(name) > max_width // 2 - 2:
        name = f"{_clip(name, max_width // 2 - 3)}…"
    return f"{name}: " if name else ""


def _clip(text: str, width: int) -> str:
    while display_width(text) > width:
        text = text[: max(len(text) // 2, 1)] if len(text) > 4 * width else text[:-1]
    return text


# --- splitting ---------------------------------------------------------------------------------------------

# Scripts written without spaces between words, where a line may end after almost any character.
_EAST_ASIAN = (
    "\u2e80-\u2fdf\u3000-\u303f\u3041-\u30ff\u3105-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff01-\uff60\uffe0-\uffe6\U00020000-\U0003ffff"
)
_HAS_EAST_ASIAN = re.compile(f"[{_EAST_ASIAN}]")
_EAST_ASIAN_UNIT = re.compile(f"[{_EAST_ASIAN}]|[^{_EAST_ASIAN}]+")
_NOT_AT_START = frozenset(
    "、。，．！？：；）」』】〉》〕］｝・ー々〻ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ’”…‥.,!?:;)]}%"
)
_NOT_AT_END = frozenset("（「『【〈《〔［｛‘“([{$£€")


def _pieces(
    segment: Segment, index: int, limit: int, words: FunctionWords, prepare: Callable[[str], str] | None
) -> Iterator[_Piece]:
    text = clean_text(segment.text)
    cursor = 0
    for word in timed_words(segment):
        cursor, has_space = _find_next(text, word.text, cursor)
        written = prepare(word.text) if prepare else word.text
        if written == word.text and written.isascii() and len(written) <= limit:
            # Nearly all words of European languages: one piece as it is.
            span = (word.start_ms, word.end_ms)
            yield _Piece(word.text, *span, has_space, True, index, segment.speaker, words)
            continue
        units: list[tuple[str, bool, bool]] = []
        for part in BREAKING_SPACE.split(clean_text(written)):
            if not display_width(part):
                continue  # nothing that could be seen
            for unit, is_word_end in _units(part, limit):
                units.append((unit, has_space, is_word_end))
                has_space = False
            has_space = True
        times = spread([unit for unit, _, _ in units], word.start_ms, word.end_ms)
        for (unit, space, is_word_end), (start, end) in zip(units, times, strict=True):
            yield _Piece(unit, start, end, space, is_word_end, index, segment.speaker, words)


def _find_next(text: str, word: str, cursor: int) -> tuple[int, bool]:
    """Where the word after ``cursor`` ends, and whether white space precedes it.

    Engines give the words of Chinese or Japanese one by one though the text has no spaces. Where the text
    says something else than its words, the words count and stand apart.
    """
    has_space = cursor == 0 or text[cursor : cursor + 1] == " "
    begin = cursor + (cursor > 0 and has_space)
    if cursor >= 0 and text.startswith(word, begin):
        return begin + len(word), has_space
    return -1, True


def _units(text: str, limit: int) -> Iterator[tuple[str, bool]]:
    """Parts of a text without spaces between which a line may break, and whether a break there is natural."""
    for unit in _east_asian_units(text) if _HAS_EAST_ASIAN.search(text) else (text,):
        if display_width(unit) <= limit:
            yield unit, True
            continue
        parts = _chopped(unit, limit)
        for number, part in enumerate(parts, start=1):
            yield part, number == len(parts)


def _east_asian_units(text: str) -> list[str]:
    units: list[str] = []
    for unit in _EAST_ASIAN_UNIT.findall(text):
        sticks = units and (unit[0] in _NOT_AT_START or _extends(unit[0]) or units[-1][-1] in _NOT_AT_END)
        if sticks:
            units[-1] += unit
        else:
            units.append(unit)
    return units


def _extends(character: str) -> bool:
    """Whether it belongs to the character before: marks, joiners, variation selectors, skin tones."""
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf") or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _chopped(text: str, limit: int) -> list[str]:
    """A word wider than a line, in parts that fit; marks stay with their letters."""
    clusters: list[str] = []
    for character in text:
        joins = bool(clusters) and (_extends(character) or clusters[-1].endswith("\u200d"))
        # A chain of joined emoji may be wider than the screen: then even it is cut.
        if joins and display_width(clusters[-1][-limit:] + character) <= limit:
            clusters[-1] += character
        else:
            clusters.append(character)
    parts = [""]
    width = 0
    for cluster in clusters:
        wide = display_width(cluster)
        if parts[-1] and width + wide > limit:
            parts.append("")
            width = 0
        parts[-1] += cluster
        width += wide
    return parts


# --- what a break costs ------------------------------------------------------------------------------------

_CLOSING = "\"'”’»)]}›」』"
_SENTENCE_END = frozenset(".!?…。！？．؟।։")
_CLAUSE_END = frozenset(",;:—–、，；：،؛")
_PUNCTUATION = "\"'“”‘’«»()[]{}.,!?;:…—–-"
_TITLES = frozenset(("mr", "mrs", "ms", "dr", "st", "prof", "gen", "col", "capt", "sgt", "rev", "hon", "vs"))


def _judged(pieces: list[_Piece], labels: dict[str, str]) -> Iterator[Token]:
    """Tokens with costs, each seen with the piece that follows it."""
    kinds: dict[tuple[str, int], _Kind] = {}
    block = 0
    before: _Piece | None = None
    for index, piece in enumerate(pieces):
        after = pieces[index + 1] if index + 1 < len(pieces) else None
        kind = _cached_kind(kinds, piece)
        cue_break, line_break = _break_costs(piece, kind, None if after is None else _cached_kind(kinds, after))
        is_end = after is None or _must_part(piece, after)
        ends_segment = after is not None and after.segment != piece.segment
        if ends_segment:
            cue_break, line_break = min(cue_break, 5.0), min(line_break, 2.0)
        elif after is not None:
            pause_ms = min(max(after.start_ms - piece.end_ms, 0), 1000)
            cue_break = max(0.0, cue_break - 30 * pause_ms / 1000)
        yield Token(
            text=piece.text,
            start_ms=piece.start_ms,
            end_ms=piece.end_ms,
            width=display_width(piece.text),
            has_space=piece.has_space and not _are_written_together(before, piece),
            block=block,
            speaker=piece.speaker,
            label=labels.get(piece.speaker or "", ""),
            cue_break=0.0 if is_end else cue_break,
            line_break=line_break,
            # Without a full stop between them, two utterances on one cue read as one sentence.
            no_break=25.0 if ends_segment and not kind.ends_sentence else 0.0,
        )
        before = piece
        block += is_end


def _must_part(piece: _Piece, after: _Piece) -> bool:
    """Whether two pieces may never share a cue: another voice, a long silence, overlapping speech."""
    return (
        piece.speaker != after.speaker
        or after.start_ms - piece.end_ms > _MAX_PAUSE_MS
        or after.start_ms < piece.start_ms
    )


def _are_written_together(before: _Piece | None, piece: _Piece) -> bool:
    """Whether two segments join without a space, as East Asian sentences do."""
    return (
        before is not None
        and before.segment != piece.segment
        and bool(_HAS_EAST_ASIAN.match(before.text[-1]) and _HAS_EAST_ASIAN.match(piece.text[0]))
    )


def _break_costs(piece: _Piece, kind: _Kind, after: _Kind | None) -> tuple[float, float]:
    """Cost of ending a cue, and of ending a line, after a piece."""
    if not piece.is_word_end:
        return 200.0, 100.0
    if kind.ends_sentence:
        return 0.0, 0.0
    if kind.ends_clause:
        return 15.0, 2.0
    if kind.is_article:
        return 400.0, 200.0
    if kind.is_leaning:
        return 120.0, 40.0
    if after is not None and after.is_opener:
        return 45.0, 15.0
    if after is not None and kind.is_capitalised and after.is_capitalised:
        return 90.0, 35.0  # probably a name
    return 60.0, 25.0


def _cached_kind(kinds: dict[tuple[str, int], _Kind], piece: _Piece) -> _Kind:
    key = (piece.text, id(piece.words))
    if key not in kinds:
        kinds[key] = _kind(piece.text, piece.words)
    return kinds[key]


def _kind(text: str, words: FunctionWords) -> _Kind:
    core = text.strip(_PUNCTUATION).lower().replace("’", "'")
    last = text.rstrip(_CLOSING)[-1:]
    # "Mr.", and an initial as in "J. Austen", end no sentence.
    is_abbreviation = last == "." and (core in _TITLES or (len(core) == 1 and core.isalpha() and core != "i"))
    return _Kind(
        ends_sentence=last in _SENTENCE_END and not is_abbreviation,
        ends_clause=last in _CLAUSE_END or text in ("-", "--"),
        is_article=core in words.articles or is_abbreviation,
        is_leaning=core in words.leaning,
        is_opener=core in words.openers,
        is_capitalised=text[:1].isupper(),
    )
