"""Long stretches of speech as sentences, where the engine writes punctuation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from earshot.core.types import Segment, Word

_ABBREVIATIONS = frozenset(
    """
    ca capt co col corp dr etc fig gen hon inc jr lt ltd mr mrs ms mt no prof rev sgt sr st vol vs
    """.split()  # noqa: SIM905 - a paragraph, not a column
)
_CLOSING = "\"'”’»)]"


def split_sentences(segment: Segment) -> tuple[Segment, ...]:
    """The segment cut after each sentence; itself where it is one, or where words lack times."""
    if len(segment.words) < 2 or any(word.start is None for word in segment.words):
        return (segment,)
    groups = list(_groups(segment.words))
    if len(groups) == 1:
        return (segment,)
    return tuple(
        replace(
            segment,
            text=" ".join(word.text for word in words),
            # The outer edges stay those of the speech that was found, inner ones are the words'.
            start=segment.start if index == 0 else words[0].start or segment.start,
            end=segment.end if index == len(groups) - 1 else words[-1].end or segment.end,
            words=tuple(words),
        )
        for index, words in enumerate(groups)
    )


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for index, word in enumerate(words):
        group.append(word)
        follower = words[index + 1].text if index + 1 < len(words) else ""
        if _ends_sentence(word.text, follower):
            yield group
            group = []
    if group:
        yield group


def _ends_sentence(word: str, follower: str) -> bool:
    """Whether a sentence ends with ``word``: "street." does before "He", "Mr." and "J." do not."""
    bare = word.rstrip(_CLOSING)
    if bare.endswith(("?", "!", "…", "。", "？", "！")):
        return True
    if not bare.endswith(".") or (follower and follower.lstrip("\"'“‘«([")[:1].islower()):
        return False
    stem = bare.rstrip(".").lstrip("\"'“‘«([")
    is_initial = len(stem) == 1 and stem.isupper() and stem != "I"
    return not (is_initial or stem.lower() in _ABBREVIATIONS)
