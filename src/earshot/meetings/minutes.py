"""Action items by rules that anybody can read: each item says which rule found it, and by which words.

English. The rules look at sentences, not at meaning: they miss what is agreed upon by a nod, and take a figure
of speech for a promise. That is why every item shows the sentence itself and its rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from earshot.core.types import Segment, Transcript
from earshot.meetings.types import ActionItem
from earshot.text.clean import clean_text
from earshot.text.sentences import split_segments

Owner: TypeAlias = Literal["speaker", "addressed", "named", "all", "none"]

LANGUAGES = frozenset({"en"})
"""Whose sentences the rules know."""


@dataclass(frozen=True, slots=True)
class Rule:
    """pattern: what a sentence must hold. unless: what it must not hold then. owner: who is to do it:
    the speaker, the person spoken to by name, the person named, all, or nobody known.
    """

    key: str
    title: str
    explanation: str
    pattern: re.Pattern[str]
    owner: Owner
    unless: re.Pattern[str] | None = None


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace("'", "['’]"), re.IGNORECASE)


_SAYING = (
    r"(?:be|say|said|tell|admit|bet|guess|assume|see|think|know|wait|never|have to say|give you an example)\b"
)

_RULES = (
    Rule(
        "marked",
        "marked as an action",
        "The sentence itself says “action item”, “action point”, “to do” or “next step”.",
        _pattern(
            r"\b(?:action (?:items?|points?)|to-?do(?: list)?|next steps?|follow-?up item)\b(?! with that)"
        ),
        "named",
        _pattern(r"\b(?:nothing|anything|what|have|has|had|something|much|lot|a lot|want|wants|going) to do\b"),
    ),
    Rule(
        "assigned",
        "given to somebody by name",
        "A participant's name is followed by “will”, “should”, “needs to”, “is going to”, “can you” …",
        _pattern(
            r"\bNAME\b,?\s+(?:will|should|needs? to|has to|must|is going to|is to|shall|can you|could you|"
            r"will you|would you|please)\b"
        ),
        "named",
        _pattern(
            r"\bNAME\b,?\s+(?:will be (?:happy|glad|away|there)|should be|will know|will have (?:seen|heard))\b"
        ),
    ),
    Rule(
        "promise",
        "promised by the speaker",
        "The speaker says “I will”, “I'll”, “I am going to”, “I can take”, “let me” with something to do.",
        _pattern(
            rf"\b(?:I'll|I will|I shall|I'm going to|I am going to|I'm gonna|I can (?:take|do|send|write|"
            rf"check|ask|prepare|look|make|set|call|fix|get|bring|talk)|let me)\b"
            rf"(?!\s+(?:not\b|also be\b|just be\b|(?:just |quickly |also |really )*{_SAYING}))"
        ),
        "speaker",
        _pattern(r"\b(?:if|when|whenever|where) I(?:'ll| will|'m| am| can)\b"),
    ),
    Rule(
        "request",
        "asked of somebody",
        "Somebody is asked: “can you”, “could you”, “would you”, “please”, “you need to”, “you should”.",
        _pattern(
            r"\b(?:(?:can|could|would|will) you (?:please |also |maybe |just )?(?!(?:all |still )?(?:hear|see|"
            r"imagine|believe|understand|think|say that again|repeat|tell me|explain|be)\b)\w+|"
            r"please (?!note|wait|excuse|forgive|do not|don't|go on|continue)\w+|"
            r"you (?:need to|have to|must|should)(?! be\b)\b)"
        ),
        "addressed",
        _pattern(
            r"\b(?:pleased|please me|if you (?:need|have|must|should)|you (?:need|have) to (?:know|understand|"
            r"imagine|remember|say|admit))\b"
        ),
    ),
    Rule(
        "shared",
        "for all of us",
        "Something is needed of all: “we need to”, “we have to”, “we should”, “we must”, “let's”, “we'll”.",
        _pattern(
            rf"\b(?:we (?:need to|have to|should|must|ought to|will|are going to)|we'll|we're going to|let's|"
            rf"let us)\b(?!\s+(?:(?:all |now |then |just )?(?:not|be|begin|start|go|move|see|say|stop|wait|"
            rf"continue)\b|{_SAYING}))"
        ),
        "all",
        _pattern(r"\b(?:if|when|whether|what|how|why|where|do|should|shall) we\b"),
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.key: rule for rule in _RULES})
"""All rules by key, in the order in which they are tried; the first that fits a sentence names it."""

_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
_DATE = rf"(?:{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?|(?:the )?\d{{1,2}}(?:st|nd|rd|th)(?: of {_MONTH})?)"
_PART = "(?: (?:morning|afternoon|evening|night))?"
_WHEN = "|".join(
    [
        rf"(?:next |this )?{_DAY}{_PART}",
        f"tomorrow{_PART}",
        "today|tonight|noon|midnight|lunch|then",
        _DATE,
        "(?:the )?end of (?:the|this|next) (?:day|week|month|quarter|year)",
        "(?:the )?next (?:week|month|quarter|meeting|sprint)",
        "this (?:week|month|afternoon|evening)",
        r"\d{1,2}(?::\d\d)?(?: ?[ap]\.?m\.?| o'clock)",
    ]
)
_DUE = _pattern(
    r"\b(?:"
    + "|".join(
        [
            rf"(?:by|until|till|before|on|at|no later than) (?:{_WHEN})",
            f"tomorrow{_PART}",
            rf"tonight|(?:next|this) (?:week|month|quarter|{_DAY})",
            r"within (?:an?|the|two|three|four|five|\d+) (?:next )?(?:hour|day|week|month)s?",
            "as soon as possible|right after (?:this|the meeting)",
            "end of (?:the )?(?:day|week|month)",
        ]
    )
    + r")\b"
)

_MAX_LENGTH = 320
"""Characters; a longer stretch without a mark is no sentence of which a rule could say what it means."""

_MIN_WORDS = 4


def find_actions(transcript: Transcript, names: Sequence[str] = ()) -> tuple[ActionItem, ...]:
    """The action items of a transcript, in order of time. names: of the participants.

    Empty for languages that the rules do not know.
    """
    items: list[ActionItem] = []
    for sentence in split_segments(transcript.segments):
        language = (sentence.language or transcript.language or "en").lower()[:2]
        if language in LANGUAGES and (item := _item(sentence, names)) is not None:
            items.append(item)
    return tuple(items)


def _item(sentence: Segment, names: Sequence[str]) -> ActionItem | None:
    text = clean_text(sentence.text)
    if len(text) > _MAX_LENGTH or len(text.split()) < _MIN_WORDS:
        return None
    for rule in RULES.values():
        if (found := _trigger(rule, text, names)) is not None:
            trigger, name = found
            due = _DUE.search(text)
            owner = _owner(rule, text, sentence.speaker, name, names)
            return ActionItem(
                text,
                rule.key,
                trigger,
                sentence.start,
                sentence.end,
                owner,
                due.group() if due else None,
                sentence.speaker,
            )
    return None


def _trigger(rule: Rule, text: str, names: Sequence[str]) -> tuple[str, str | None] | None:
    """The words that the rule goes by, and the name among them; None where it does not fit."""
    for pattern, unless, name in _with_names(rule, names):
        if (match := pattern.search(text)) and not (unless and unless.search(text)):
            return match.group(), name
    return None


def _with_names(
    rule: Rule, names: Sequence[str]
) -> Iterator[tuple[re.Pattern[str], re.Pattern[str] | None, str | None]]:
    """The rule's patterns, once for each way to call a participant where they speak of names."""
    if "NAME" not in rule.pattern.pattern:
        yield rule.pattern, rule.unless, None
        return
    for name in names:
        for called in _ways_to_call(name):
            own = re.escape(called)
            yield (
                re.compile(rule.pattern.pattern.replace("NAME", own), re.IGNORECASE),
                re.compile(rule.unless.pattern.replace("NAME", own), re.IGNORECASE) if rule.unless else None,
                name,
            )


def _ways_to_call(name: str) -> list[str]:
    """The name, and its first word. "S1" is no name that anybody says."""
    if re.fullmatch(r"S\d+", name):
        return []
    first = name.split()[0] if name.split() else name
    return list(dict.fromkeys(way for way in (name, first) if len(way) > 1))


def _owner(rule: Rule, text: str, speaker: str | None, name: str | None, names: Sequence[str]) -> str | None:
    if rule.owner == "speaker":
        return speaker
    if rule.owner == "all":
        return "all"
    if name is not None:
        return name
    for other in names:
        if other != speaker and any(
            re.search(rf"\b{re.escape(called)}\b", text, re.IGNORECASE) for called in _ways_to_call(other)
        ):
            return other
    return None
