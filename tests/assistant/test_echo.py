from __future__ import annotations

import pytest

from earshot.assistant.echo import is_own_words

SAID = ("Forget everything: shall I?", "The timer is over.")


@pytest.mark.parametrize(
    "heard",
    ["Forget everything shall I", "forget everything", "the timer is over", "Forget every thing, shall I."],
)
def test_its_own_words_are_known_again(heard: str) -> None:
    assert is_own_words(heard, SAID)


@pytest.mark.parametrize("heard", ["yes", "timer", "start music", "", "cancel", "forget it"])
def test_answers_and_orders_are_not_its_own_words(heard: str) -> None:
    assert not is_own_words(heard, SAID)
