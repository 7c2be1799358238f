"""hassil, which the format comes from, understands the same sentences in the same way."""

from __future__ import annotations

from typing import Any

import pytest

from earshot.assistant import Grammar, sample
from tests.assistant.conftest import HOUSEHOLD


@pytest.fixture(scope="module")
def hassil() -> Any:
    return pytest.importorskip("hassil", reason="hassil compares: pip install hassil")


def hassil_meaning(hassil: Any, intents: Any, text: str) -> tuple[str, dict[str, str]] | None:
    result = hassil.recognize(text, intents)
    if result is None:
        return None
    return result.intent.name, {name: str(entity.value) for name, entity in result.entities.items()}


def test_random_sentences_mean_the_same(household: Grammar, hassil: Any) -> None:
    intents = hassil.Intents.from_files([HOUSEHOLD])
    wildcards = {"title": ["blue moon", "the second one"]}
    texts = [one.text for one in sample(household, 150, seed=5, wildcards=wildcards)]
    for text in texts:
        if "a hundred" in text:  # hassil's numbers are "one hundred" alone
            continue
        match = household.match(text)
        assert match is not None
        mine = match.intent, {name: str(value) for name, value in match.slots.items()}
        assert mine == hassil_meaning(hassil, intents, text), text


def test_neither_takes_what_is_no_sentence(household: Grammar, hassil: Any) -> None:
    intents = hassil.Intents.from_files([HOUSEHOLD])
    for text in (
        "turn on the",
        "set a timer for 500 minutes",
        "dim the kitchen to 32 percent",
        "lights kitchen",
    ):
        assert household.match(text) is None
        assert hassil_meaning(hassil, intents, text) is None
