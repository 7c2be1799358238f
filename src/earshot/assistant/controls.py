"""The assistant's own sentences as a grammar, and whether a misheard text may have been meant as an order."""

from __future__ import annotations

from earshot.assistant.grammar import NEAR, Grammar, Match
from earshot.assistant.slot_grammar import slot_grammar
from earshot.assistant.wording import CONTROLS, Wording
from earshot.decoding.network import spoken

PREFIX = "earshot."
"""Of the intents that are the dialogue's own."""


def is_plausible(grammar: Grammar, near: Match, text: str) -> bool:
    """Whether a misheard text may have been meant so.

    Any words fit a wildcard, so they prove nothing: they must have been heard, and what differs is weighed
    against the sentence's own words alone.
    """
    heard = spoken(text)
    own = len(heard)
    for slot, words in near.spoken.items():
        if slot_grammar(grammar, near.intent, slot) is None:
            if f"{spoken(words)} " not in f"{heard} ":
                return False
            own -= len(spoken(words))
    return near.distance * len(heard) <= NEAR * own


def control_grammar(wording: Wording) -> Grammar:
    """The assistant's own sentences, as a grammar of intents such as ``earshot.yes``."""
    return Grammar.from_text(control_text(wording, CONTROLS), name="the assistant's own sentences")


def control_text(wording: Wording, names: tuple[str, ...]) -> str:
    """Some of them as a grammar file."""
    lines = [f"language: {wording.language}", "intents:"]
    for name in names:
        lines += [f"  {PREFIX}{name}:", "    data:", "      - sentences:"]
        lines += [f'          - "{template}"' for template in wording.controls[name]]
    return "\n".join([*lines, ""])
