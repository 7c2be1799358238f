"""Grammars for engines that have grammars of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earshot.assistant import CommandRecognizer, Grammar, prompts, sample
from earshot.assistant.word_forms import jsgf, words
from earshot.core.errors import UnsupportedError
from earshot.core.optional import is_installed
from earshot.core.types import Audio
from earshot.core.types import Grammar as EngineGrammar
from earshot.engines import load_engine
from earshot.engines.jsgf import parse_jsgf
from tests.assistant.conftest import HOUSEHOLD

PLAIN = """
language: en
intents:
  A:
    data:
      - sentences:
          - "[please] turn(s|ed|ing) (on|off) [the] {room}"
          - "(turn;the) light[s]"
          - "<say> {1..12:n} time[s]"
expansion_rules:
  say: "say (it|that)"
lists:
  room: {values: [kitchen, "wine[ ]cellar", "living-room"]}
"""


def test_jsgf_holds_whole_words_only() -> None:
    grammar = Grammar.from_text(PLAIN)
    parsed = parse_jsgf(jsgf(grammar))
    assert parsed.public == ("sentence",)
    known = set(words(grammar))
    assert {"turns", "turned", "turning", "winecellar", "lights", "light", "twelve", "times"} <= known
    assert not known & {"s", "ed", "ing", "12"}
    assert set(parsed.words) == known
    for one in sample(grammar, 200):
        assert set(one.text.replace("-", " ").split()) <= known


def test_pocketsphinx_takes_the_grammar_and_every_sentence_of_it() -> None:
    recognizer = load_engine("pocketsphinx")
    grammar = EngineGrammar(jsgf=jsgf(Grammar.from_text(PLAIN.replace("wine[ ]cellar", "cellar"))))
    with recognizer.stream(grammar=grammar) as stream:
        assert stream.finish() == []


def test_wildcards_are_no_matter_for_such_grammars(household: Grammar) -> None:
    with pytest.raises(UnsupportedError, match=r"household\.yaml:\d+: \{title\} takes any words"):
        jsgf(household)
    heard = CommandRecognizer(household, "pocketsphinx").recognize(Audio(np.zeros(8_000, np.float32)))
    assert heard.intent is None


@pytest.mark.skipif(not is_installed("vosk"), reason="vosk is not installed: pip install 'earshot[vosk]'")
def test_vosk_gets_the_words(tmp_path: Path) -> None:
    from earshot.engines.vosk import VoskRecognizer
    from tests.engines.tiny_kaldi import sounds, write_tiny_vosk

    vosk = VoskRecognizer(write_tiny_vosk(tmp_path / "vosk-model-small-en-tiny", static=False))
    grammar = Grammar.from_text(
        "intents:\n  A:\n    data:\n      - sentences: ['hum [hum] {x}']\nlists:\n  x: {values: [hiss]}\n"
    )
    heard = CommandRecognizer(grammar, vosk).recognize(sounds("rest", "hum", "rest", "hiss", "rest"))
    assert (heard.intent, heard.slots, heard.accepted) == ("A", {"x": "hiss"}, True)
    lamp = Grammar.from_text("intents:\n  A:\n    data:\n      - sentences: [hum the lamp]\n")
    with pytest.raises(UnsupportedError, match="'lamp'"):
        CommandRecognizer(lamp, vosk)


def test_prompts_hold_every_alternative_and_every_value() -> None:
    grammar = Grammar.load(HOUSEHOLD)
    texts = [one.text for one in prompts(grammar, wildcards={"title": ["blue moon"]})]
    together = " | ".join(texts)
    for words_ in (
        "wine cellar",
        "beer cellar",
        "living room",
        "bed room",
        "bedroom",
        "switch",
        "lights on",
        "on lights",
    ):
        assert words_ in together
    assert {one.template.number for one in prompts(grammar)} == {t.number for t in grammar.templates}
    assert len(texts) < 60
    assert len(set(texts)) == len(texts)
    assert all(grammar.match(text) for text in texts)
