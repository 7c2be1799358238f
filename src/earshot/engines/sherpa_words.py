"""From sherpa-onnx's tokens to words with times and confidences.

Vocabularies mark words in three ways: pieces that open a word with "▁" or a space; pieces that go on with "@@";
or neither, where characters of Chinese and Japanese stand beside whole words. Those scripts put no spaces
between words: a run of such characters is one word here, up to a pause or a punctuation mark, so that the text
is the text as written and each run still has its times.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from earshot.core.types import Word

_LONGEST_TAIL = 0.3
"""Seconds. CTC and transducers tell when a token begins to be sure, not when the word ends: it ends where the
next token begins, but no later than this after its last token."""

_PAUSE = 0.4
"""Seconds between two characters that part a run of them."""

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPECIAL = re.compile(r"<(?!0x)[^<>]+>|\[(?:UNK|PAD|CLS|SEP)\]|SIL")
_UNSPACED = re.compile(r"[\u2e80-\u312f\u3190-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_RUN_END = "。，、！？；："


@dataclass(frozen=True, slots=True)
class TokenStyle:
    """How a vocabulary spells. joins: pieces ending in "@@" go on. capitals: it has no lower-case letters, so
    its capitals say nothing and words are given in lower case.
    """

    joins: bool
    capitals: bool


@dataclass(slots=True)
class _Draft:
    spelled: bytearray = field(default_factory=bytearray)
    tokens: list[int] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.spelled.decode("utf-8", "replace")


def token_style(tokens: Collection[str]) -> TokenStyle:
    """How the vocabulary of a ``tokens.txt`` spells words."""
    spelled = [token for token in tokens if not _SPECIAL.fullmatch(token) and not _BYTE.fullmatch(token)]
    letters = "".join(spelled)
    return TokenStyle(
        joins=any(token.endswith("@@") for token in spelled),
        capitals=any(c.isupper() for c in letters) and not any(c.islower() for c in letters),
    )


def words_from_tokens(
    tokens: Sequence[str],
    style: TokenStyle,
    *,
    times: Sequence[float] = (),
    durations: Sequence[float] = (),
    log_probs: Sequence[float] = (),
    end: float,
) -> tuple[Word, ...]:
    """Words of one result.

    times: seconds at which each token begins; durations: seconds, where the model tells; log_probs: natural
    logarithms. Each is used when it has one value a token, else unknown. end: of the audio, seconds; no word
    lasts longer.
    """
    known_times = times if len(times) == len(tokens) else ()
    drafts = _spell(tokens, style, known_times)
    known_durations = durations if len(durations) == len(tokens) else ()
    known_probs = log_probs if len(log_probs) == len(tokens) else ()
    words: list[Word] = []
    for draft in drafts:
        text = draft.text.lower() if style.capitals else draft.text
        start, stop = _span(draft.tokens, known_times, known_durations, end)
        confidence = _confidence([known_probs[i] for i in draft.tokens] if known_probs else [])
        source = None if start is None else "engine"
        words.append(Word(text, start, stop, confidence, source))  # type: ignore[arg-type]
    return tuple(words)


def plain_words(text: str, style: TokenStyle) -> tuple[Word, ...]:
    """Words of a text without tokens."""
    return tuple(Word(word) for word in (text.lower() if style.capitals else text).split())


def _spell(tokens: Sequence[str], style: TokenStyle, times: Sequence[float]) -> list[_Draft]:
    drafts: list[_Draft] = []
    starts_word = True
    previous = ""
    for index, token in enumerate(tokens):
        if _SPECIAL.fullmatch(token):
            continue
        bare = token.lstrip("▁ ")
        starts_word = starts_word or bare != token or _parts(previous, bare, style)
        if previous and times and _UNSPACED.match(bare) and _is_pause(drafts, index, times):
            starts_word = True
        ends_open = style.joins and bare.endswith("@@")
        spelled = _bytes(bare.removesuffix("@@") if ends_open else bare)
        if spelled.strip():
            if starts_word or not drafts:
                drafts.append(_Draft())
            drafts[-1].spelled += spelled.strip()
            drafts[-1].tokens.append(index)
            starts_word = spelled.endswith((b" ", b"\n"))
            previous = token
    return drafts


def _parts(previous: str, token: str, style: TokenStyle) -> bool:
    """Whether a word begins at ``token`` although nothing marks it."""
    if not previous or not token:
        return False
    is_unspaced, was_unspaced = bool(_UNSPACED.match(token)), bool(_UNSPACED.match(previous.lstrip("▁ ")))
    if is_unspaced and was_unspaced:
        return previous[-1] in _RUN_END
    if is_unspaced != was_unspaced:
        return token[0] not in _RUN_END and not _BYTE.fullmatch(token) and not _BYTE.fullmatch(previous)
    return style.joins and not previous.endswith("@@")


def _is_pause(drafts: list[_Draft], index: int, times: Sequence[float]) -> bool:
    return bool(drafts) and times[index] - times[drafts[-1].tokens[-1]] > _PAUSE


def _bytes(token: str) -> bytes:
    found = _BYTE.fullmatch(token)
    return bytes([int(found[1], 16)]) if found else token.encode()


def _span(
    tokens: Sequence[int], times: Sequence[float], durations: Sequence[float], end: float
) -> tuple[float | None, float | None]:
    if not times:
        return None, None
    first, last = tokens[0], tokens[-1]
    start = min(max(0.0, times[first]), end)
    stop = times[last] + (durations[last] if durations else _LONGEST_TAIL)
    if last + 1 < len(times):
        stop = min(stop, times[last + 1])
    return start, min(max(stop, start), end)


def _confidence(log_probs: Sequence[float]) -> float | None:
    """Probability of a word: that of its least certain token. None where these are no log-probabilities."""
    if not log_probs or not all(math.isfinite(value) for value in log_probs) or max(log_probs) > 0.01:
        return None
    return math.exp(min(0.0, min(log_probs)))
