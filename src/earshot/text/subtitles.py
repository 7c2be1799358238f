"""Subtitles that people can read: cues and lines chosen together, as the best of all ways to cut the text.

Where a greedy writer fills a line and takes what comes, we weigh every way to cut the words into cues and
lines and take the cheapest, as Knuth and Plass set paragraphs ("Breaking paragraphs into lines", Software:
Practice and Experience 11, 1981). The costs follow what the guidelines of broadcasters agree on: 42 columns
and two lines, 5/6 s to 7 s a cue, 17 to 20 characters a second, a gap of two frames (Netflix Timed Text Style
Guide; the BBC Subtitle Guidelines ask for 160 to 180 words a minute), breaks at the ends of sentences and
clauses, then before conjunctions and prepositions, never after an article.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earshot.core.types import Transcript
from earshot.text.clean import display_width
from earshot.text.subtitle_tokens import Token, subtitle_tokens

_Costs = npt.NDArray[np.float64]

# Costs are in one made-up unit: a cue cut in the middle of a clause costs 60 (see subtitle_tokens).
_CUE = 15.0  # each cue: few full ones read better than many short ones
_LINE = 8.0  # each further line: a text that fits on one line stays on one (balance saves 5 at most)
_BALANCE = 10.0  # times the square of a line's share of the width: the sum is least for equal lines
_PAUSE_PER_SECOND = 40.0  # silence inside a cue beyond 0.3 s
_SHORT = 60.0  # a cue for which there is no time at all; in proportion
_FAST = 60.0  # a text twice as fast as the reading speed; in proportion

_MIN_STEP_MS = 40  # one frame at 25 frames a second: what two cues are apart even if their times are equal


@dataclass(frozen=True, slots=True)
class SubtitleOptions:
    """What a cue may be.

    max_line_width: columns; a wide East Asian character takes two. Only a word that is itself wider than a
    line is ever broken. max_line_count: lines a cue. min_duration: seconds, reached by staying on screen in
    the silence that follows, where there is some. max_duration: seconds, never exceeded. reading_speed:
    columns a second that a viewer can follow; kept where the silence allows, for speech may be faster.
    min_gap: seconds between two cues, where the earlier stays long enough without them.
    """

    max_line_width: int = 42
    max_line_count: int = 2
    min_duration: float = 1.0
    max_duration: float = 7.0
    reading_speed: float = 17.0
    min_gap: float = 0.083

    def __post_init__(self) -> None:
        if not 8 <= self.max_line_width <= 200:
            raise ValueError(f"a line is 8 to 200 columns wide, not {self.max_line_width}")
        if not 1 <= self.max_line_count <= 4:
            raise ValueError(f"a cue has 1 to 4 lines, not {self.max_line_count}")
        if not 0 <= self.min_duration <= self.max_duration or not 0.5 <= self.max_duration < math.inf:
            raise ValueError("durations keep 0 ≤ min_duration ≤ max_duration and max_duration ≥ 0.5 s")
        if not self.reading_speed > 0 or not 0 <= self.min_gap <= 1:
            raise ValueError("the reading speed is positive and the gap 0 to 1 s")


@dataclass(frozen=True, slots=True)
class Cue:
    """What stands on the screen from start to end (milliseconds). Lines are clean and never empty.

    speaker: who speaks, None when unknown. label: what a format without speakers shows before the first
    line, as in ``Anna: ``; empty unless the speaker changed.
    """

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None
    label: str = ""


def make_cues(
    transcript: Transcript,
    options: SubtitleOptions | None = None,
    *,
    has_labels: bool = False,
    prepare: Callable[[str], str] | None = None,
) -> list[Cue]:
    """Cues in order, none overlapping, none empty.

    has_labels: keep room for, and fill in, the label of the speaker. prepare: applied to each word first, to
    take out what a format cannot say. Words without times get their share of the segment's.
    Raises FormatError when a time is not finite.
    """
    options = options or SubtitleOptions()
    tokens = subtitle_tokens(transcript, options.max_line_width, has_labels=has_labels, prepare=prepare)
    if not tokens:
        return []
    cuts = _best_cuts(tokens, options)
    cues = [_draft(tokens[start:end], options) for start, end in cuts]
    return _place(cues, options, transcript.duration)


def _draft(tokens: Sequence[Token], options: SubtitleOptions) -> Cue:
    end_ms = max(token.end_ms for token in tokens)
    return Cue(tokens[0].start_ms, end_ms, _lines(tokens, options), tokens[0].speaker, tokens[0].label)


# --- cutting into cues -------------------------------------------------------------------------------------


def _best_cuts(tokens: Sequence[Token], options: SubtitleOptions) -> list[tuple[int, int]]:
    """The cheapest cut of tokens into cues, as (first, one after the last)."""
    num_tokens = len(tokens)
    by_end = _cue_costs(tokens, options)
    longest = by_end.shape[1]
    best = np.zeros(num_tokens + 1)
    lengths = np.zeros(num_tokens + 1, np.int64)
    for end in range(1, num_tokens + 1):
        reach = min(longest, end)
        costs = by_end[end, :reach] + best[end - reach : end][::-1]
        choice = int(costs.argmin())
        best[end] = costs[choice]
        lengths[end] = choice + 1
    cuts = []
    end = num_tokens
    while end:
        start = end - int(lengths[end])
        cuts.append((start, end))
        end = start
    return cuts[::-1]


def _cue_costs(tokens: Sequence[Token], options: SubtitleOptions) -> _Costs:
    """Cost of every possible cue, (n + 1, longest): by the token after its last, by its length less one.

    A cue that cannot be is infinite; one of a single token always can.
    """
    num_tokens = len(tokens)
    layouts = _layout_costs(tokens, options)
    starts = np.array([token.start_ms for token in tokens]) / 1000
    ends = np.array([token.end_ms for token in tokens]) / 1000
    blocks = np.array([token.block for token in tokens])
    widths = np.concatenate([[0], np.cumsum([token.width + token.has_space for token in tokens])])
    cuts = np.array([token.cue_break for token in tokens])
    joins = np.array([token.no_break for token in tokens])
    joins[:-1] += _PAUSE_PER_SECOND * np.maximum(0.0, starts[1:] - ends[:-1] - 0.3)
    inside = np.concatenate([[0.0], np.cumsum(joins)])
    until = np.append(starts[1:] - options.min_gap, np.inf)  # how long a cue may stay on screen

    by_end = np.full((num_tokens + 1, len(layouts)), np.inf)
    for length, layout in enumerate(layouts, start=1):
        last = slice(length - 1, num_tokens)
        count = num_tokens - length + 1
        duration = ends[last] - starts[:count]
        room = np.maximum(until[last] - starts[:count], 0.001)
        wanted = (widths[length:] - widths[:count]) / options.reading_speed
        cost = layout[:count] + cuts[last] + _CUE + inside[length - 1 : -1] - inside[:count]
        cost += _SHORT * np.maximum(0.0, 1 - room / max(options.min_duration, 0.001))
        cost += _FAST * np.clip(wanted / np.maximum(room, duration) - 1, 0.0, 3.0)
        if length > 1:
            cost[(duration > options.max_duration) | (blocks[:count] != blocks[last])] = np.inf
        by_end[length:, length - 1] = cost
    return by_end


def _layout_costs(tokens: Sequence[Token], options: SubtitleOptions) -> list[_Costs]:
    """For each number of tokens, the cost of the best lines from each token on, (n,); infinite if too wide."""
    widths = np.concatenate([[0], np.cumsum([token.width + token.has_space for token in tokens])])
    spaces = np.array([token.has_space for token in tokens], np.int64)
    labels = np.array([display_width(token.label) for token in tokens])
    breaks = np.array([token.line_break for token in tokens]) + _LINE
    plain = _line_costs(widths, spaces, np.zeros_like(labels), options.max_line_width)
    first = _line_costs(widths, spaces, labels, options.max_line_width)
    rest = plain
    for _ in range(options.max_line_count - 2):
        rest = _add_line(plain, rest, breaks)
    return _add_line(first, rest, breaks) if options.max_line_count > 1 else first


def _line_costs(
    widths: npt.NDArray[np.int64], spaces: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], limit: int
) -> list[_Costs]:
    """For each number of tokens, the cost of one line of so many from each token on."""
    num_tokens = len(spaces)
    costs: list[_Costs] = []
    for length in range(1, num_tokens + 1):
        count = num_tokens - length + 1
        width = widths[length:] - widths[:count] - spaces[:count] + labels[:count]
        cost = np.full(num_tokens, np.inf)
        cost[:count] = np.where(width <= limit, _BALANCE * (width / limit) ** 2, np.inf)
        if not np.isfinite(cost).any():
            break
        costs.append(cost)
    return costs


def _add_line(first: list[_Costs], rest: list[_Costs], breaks: _Costs) -> list[_Costs]:
    """The best of one line alone, and of one line before the lines of ``rest``."""
    num_tokens = len(breaks)
    costs: list[_Costs] = []
    for length in range(1, min(len(first) + len(rest), num_tokens) + 1):
        cost = first[length - 1].copy() if length <= len(first) else np.full(num_tokens, np.inf)
        for head in range(max(1, length - len(rest)), min(length - 1, len(first)) + 1):
            count = num_tokens - head
            split = first[head - 1][:count] + breaks[head - 1 : -1] + rest[length - head - 1][head:]
            np.minimum(cost[:count], split, out=cost[:count])
        if not np.isfinite(cost).any():
            break
        costs.append(cost)
    return costs


# --- lines of one cue --------------------------------------------------------------------------------------


def _lines(tokens: Sequence[Token], options: SubtitleOptions) -> tuple[str, ...]:
    """The best lines for the tokens of one cue, by the same costs as above."""
    limit = options.max_line_width
    label = display_width(tokens[0].label)

    def line_cost(start: int, end: int) -> float:
        width = sum(token.width + token.has_space for token in tokens[start:end]) - tokens[start].has_space
        width += label if start == 0 else 0
        return _BALANCE * (width / limit) ** 2 if width <= limit else math.inf

    @functools.cache
    def best(start: int, num_lines: int) -> tuple[float, tuple[int, ...]]:
        """Cost of the lines from ``start`` on, and where the later ones begin."""
        choices: list[tuple[float, tuple[int, ...]]] = [(line_cost(start, len(tokens)), ())]
        if num_lines > 1:
            for cut in range(start + 1, len(tokens)):
                head = line_cost(start, cut)
                if head == math.inf:
                    break
                tail, cuts = best(cut, num_lines - 1)
                choices.append((head + tokens[cut - 1].line_break + _LINE + tail, (cut, *cuts)))
        return min(choices)

    _, cuts = best(0, options.max_line_count)
    edges = (0, *cuts, len(tokens))
    return tuple(_join(tokens[start:end]) for start, end in itertools.pairwise(edges))


def _join(tokens: Sequence[Token]) -> str:
    return "".join(f" {token.text}" if token.has_space else token.text for token in tokens).strip()


# --- times on screen ---------------------------------------------------------------------------------------


def _place(cues: list[Cue], options: SubtitleOptions, duration: float | None) -> list[Cue]:
    """The cues in order of time, each long enough to read where there is room, none overlapping the next."""
    cues = sorted(cues, key=lambda cue: cue.start_ms)
    starts: list[int] = []
    for cue in cues:
        starts.append(max(cue.start_ms, starts[-1] + _MIN_STEP_MS) if starts else cue.start_ms)
    placed: list[Cue] = []
    speaker: str | None = None
    for index, (cue, start) in enumerate(zip(cues, starts, strict=True)):
        following = starts[index + 1] if index + 1 < len(cues) else None
        end = _end_on_screen(cue, start, following, options, duration)
        label = cue.label if cue.speaker != speaker else ""
        speaker = cue.speaker
        placed.append(Cue(start, end, cue.lines, cue.speaker, label))
    return placed


def _end_on_screen(
    cue: Cue, start: int, following: int | None, options: SubtitleOptions, duration: float | None
) -> int:
    min_ms, max_ms = round(options.min_duration * 1000), round(options.max_duration * 1000)
    read_ms = math.ceil(1000 * sum(map(display_width, cue.lines)) / options.reading_speed)
    end = max(cue.end_ms, start + min(max(min_ms, read_ms), max_ms))
    if duration is not None and math.isfinite(duration):
        end = min(end, max(cue.end_ms, round(duration * 1000)))  # the picture ends there
    end = min(end, start + max_ms)
    if following is not None:
        with_gap = following - round(options.min_gap * 1000)
        end = min(end, with_gap if with_gap - start >= min_ms else following)
    return max(end, start + 1)
