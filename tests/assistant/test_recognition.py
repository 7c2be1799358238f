"""From sound to meaning, with real speech and the embedded engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from earshot.assistant import CommandRecognizer, Grammar
from earshot.audio.decode import read_audio
from earshot.core.types import Audio
from earshot.engines import Recognizer, load_engine

TIMES = """
language: en
intents:
  Times:
    data:
      - sentences: ["it was the {kind} of times [it was the {other} of times]"]
  Age:
    data:
      - sentences: ["it was the age of {what}"]
lists:
  kind: {values: [{in: best, out: good}, {in: worst, out: bad}, first, last]}
  other: {values: [{in: best, out: good}, {in: worst, out: bad}, first, last]}
  what: {wildcard: true}
"""


@pytest.fixture(scope="module")
def moonshine() -> Iterator[Recognizer]:
    recognizer = load_engine("moonshine")
    yield recognizer
    recognizer.close()


@pytest.fixture(scope="module")
def times(sample: Audio) -> Audio:
    """It was the best of times, it was the worst of times."""
    return Audio(sample.samples[: int(4.7 * 16_000)])


def test_speech_becomes_intent_and_slots(moonshine: Recognizer, times: Audio) -> None:
    recognition = CommandRecognizer(Grammar.from_text(TIMES), moonshine).recognize(times)
    assert recognition.accepted
    assert recognition.intent == "Times"
    assert recognition.slots == {"kind": "good", "other": "bad"}
    assert recognition.spoken == {"kind": "best", "other": "worst"}
    assert recognition.confidence > 0.8
    assert recognition.template == "grammar:6"


def test_batches_and_rates_do_not_matter(moonshine: Recognizer, times: Audio) -> None:
    recognizer = CommandRecognizer(Grammar.from_text(TIMES), moonshine)
    slow = Audio(np.repeat(times.samples, 2), 32_000)
    heard = recognizer.recognize_batch([times, slow, times])
    assert [one.slots for one in heard] == [{"kind": "good", "other": "bad"}] * 3


def test_what_the_grammar_lacks_is_heard_but_not_accepted(moonshine: Recognizer, times: Audio) -> None:
    other = Grammar.from_text(
        "intents:\n  A:\n    data:\n      - sentences: [turn on the kitchen light, stop]\n"
    )
    recognition = CommandRecognizer(other, moonshine).recognize(times)
    assert not recognition.accepted
    assert "best of times" in recognition.open_text


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0), np.zeros(16_000), np.zeros(200), np.random.default_rng(0).normal(0, 0.01, 32_000)],
    ids=["nothing", "silence", "a click", "hiss"],
)
@pytest.mark.parametrize("engine", ["moonshine", "pocketsphinx"])
def test_no_speech_is_no_command(engine: str, moonshine: Recognizer, samples: np.ndarray) -> None:
    grammar = Grammar.from_text("intents:\n  A:\n    data:\n      - sentences: [stop, go]\n")
    recognizer = CommandRecognizer(grammar, moonshine if engine == "moonshine" else engine)
    assert not recognizer.recognize(Audio(samples.astype(np.float32))).accepted


def test_recordings_longer_than_any_command_are_not_accepted(moonshine: Recognizer, times: Audio) -> None:
    long = Audio(np.tile(times.samples, 6))
    assert not CommandRecognizer(Grammar.from_text(TIMES), moonshine).recognize(long).accepted


def test_pocketsphinx_gets_the_grammar_in_its_own_form(times: Audio) -> None:
    grammar = Grammar.from_text(TIMES.split("  Age:")[0] + TIMES[TIMES.index("lists:") :])
    recognition = CommandRecognizer(grammar, "pocketsphinx").recognize(times)
    assert recognition.accepted
    assert recognition.slots == {"kind": "good", "other": "bad"}


def test_an_engine_without_grammars_is_matched_forgivingly(times: Audio) -> None:
    from earshot.engines.scripted import ScriptedRecognizer

    heard = ScriptedRecognizer().transcribe(times).text
    misheard = heard.replace("quick", "quic").replace("brown", "browne")
    grammar = Grammar.from_text(f"intents:\n  A:\n    data:\n      - sentences: [{misheard}]\n")
    recognition = CommandRecognizer(grammar, ScriptedRecognizer()).recognize(times)
    assert misheard != heard
    assert recognition.accepted
    assert recognition.intent == "A"
    assert 0.5 < recognition.confidence < 1


def test_orders_of_strangers(speech: Path, moonshine: Recognizer) -> None:
    """A few of the real orders; benchmarks/assistant.py asks all of them."""
    folder = speech / "spoken_orders"
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    rows = [row for row in rows if "intent" in row][:8]
    grammar = Grammar.load(Path(__file__).parents[2] / "benchmarks" / "coffee_orders")
    heard = CommandRecognizer(grammar, moonshine).recognize_batch(
        [read_audio(folder / r["audio"]) for r in rows]
    )
    right = [
        one.accepted and {name: str(value) for name, value in one.slots.items()} == stripped(row["slots"])
        for one, row in zip(heard, rows, strict=True)
    ]
    assert sum(right) >= 7


def stripped(slots: dict[str, str]) -> dict[str, str]:
    return {name: value.strip() for name, value in slots.items()}
