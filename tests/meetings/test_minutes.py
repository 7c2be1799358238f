"""Action items: what each rule takes, what it leaves, and what it tells of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.core.types import Segment, Transcript
from earshot.meetings.minutes import RULES, find_actions
from earshot.meetings.types import ActionItem

NAMES = ("Anna Kovács", "Ben", "S3")


def items(text: str, speaker: str | None = "Ben", language: str | None = "en") -> tuple[ActionItem, ...]:
    return find_actions(Transcript((Segment(text, 1.0, 5.0, (), speaker, language),)), NAMES)


@pytest.mark.parametrize(
    ("text", "rule", "trigger", "owner", "due"),
    [
        ("I'll send the slides tomorrow.", "promise", "I'll", "Ben", "tomorrow"),
        ("I’ll send you the slides.", "promise", "I’ll", "Ben", None),
        ("OK, I will call them by Friday afternoon.", "promise", "I will", "Ben", "by Friday afternoon"),
        ("I can write that down for us.", "promise", "I can write", "Ben", None),
        ("Let me check the numbers before the end of the week.", "promise", "Let me", "Ben",
         "before the end of the week"),
        ("Anna will book the room.", "assigned", "Anna will", "Anna Kovács", None),
        ("Anna, could you book the room until March 3rd?", "assigned", "Anna, could you", "Anna Kovács",
         "until March 3rd"),
        ("Could you book the room, Anna?", "request", "Could you book", "Anna Kovács", None),
        ("Please send me the list within two days.", "request", "Please send", None, "within two days"),
        ("You need to sign this today, on Monday it is late.", "request", "You need to", None, "on Monday"),
        ("We have to paint the boat next week.", "shared", "We have to", "all", "next week"),
        ("Let's ask the yard for a price.", "shared", "Let's", "all", None),
        ("The next step is a test with real users.", "marked", "next step", None, None),
        ("Action item for Anna: order the paint.", "marked", "Action item", "Anna Kovács", None),
    ],
)  # fmt: skip
def test_what_the_rules_take(text: str, rule: str, trigger: str, owner: str | None, due: str | None) -> None:
    (item,) = items(text)
    assert (item.rule, item.trigger, item.owner, item.due) == (rule, trigger, owner, due)
    assert (item.text, item.speaker, item.start) == (text, "Ben", 1.0)


@pytest.mark.parametrize(
    "text",
    [
        "Can you hear me now?",
        "Could you all see my screen?",
        "I'll be honest with you here.",
        "I will not do that again.",
        "If I will be there, we talk.",
        "I'll never understand this machine.",
        "Let me think about that.",
        "Let's see what happens then.",
        "Let's begin with the first point.",
        "What should we do about it?",
        "If we have to wait, we wait.",
        "There is nothing to do here.",
        "We had nothing before us, we were all going direct to heaven.",
        "It was the best of times, it was the worst of times.",
        "She was pleased with the result of it.",
        "I'll go.",
    ],
)
def test_what_they_leave(text: str) -> None:
    assert items(text) == ()


def test_a_number_instead_of_a_name_is_never_taken_for_one() -> None:
    assert items("S3 will be the size of the shirt.") == ()


def test_other_languages_are_left_alone() -> None:
    assert items("Please send the list today.", language="de") == ()
    assert len(items("Please send the list today.", language=None)) == 1


def test_items_come_in_order_and_each_sentence_once() -> None:
    text = "Please send the list today. We should also paint it. The weather was fine. I'll do that on Monday."
    found = items(text)
    assert [item.rule for item in found] == ["request", "shared", "promise"]
    assert [item.start for item in found] == sorted(item.start for item in found)


def test_every_rule_explains_itself() -> None:
    for key, rule in RULES.items():
        assert key == rule.key
        assert rule.title
        assert rule.explanation.endswith((".", "…"))


@given(st.text(max_size=400), st.lists(st.text(max_size=30), max_size=4))
def test_no_text_and_no_name_breaks_the_rules(text: str, names: list[str]) -> None:
    for item in find_actions(Transcript((Segment(text, 0.0, 1.0, (), "x", "en"),)), names):
        assert item.rule in RULES
        assert item.trigger in item.text


def test_a_name_that_is_a_pattern_is_only_a_name() -> None:
    found = find_actions(
        Transcript((Segment("(a+)+$ will see to it all.", 0.0, 1.0, (), "x", "en"),)), ["(a+)+$"]
    )
    assert len(found) <= 1
