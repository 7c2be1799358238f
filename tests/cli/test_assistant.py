"""``earshot assistant``."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.command import assert_one_line_error, earshot, write_speech

if find_spec("yaml") is None:
    pytest.skip("no YAML reader: pip install 'earshot[assistant]'", allow_module_level=True)

GRAMMAR = """
language: en
intents:
  Times:
    data:
      - sentences: ["it was the {kind} of times it was the {other} of times"]
      - sentences: ["stop"]
lists:
  kind: {values: [best, worst]}
  other: {values: [best, worst]}
tests:
  - sentences: [it was the best of times it was the worst of times]
    intent: {name: Times, slots: {kind: best, other: worst}}
"""


@pytest.fixture
def grammar(tmp_path: Path) -> Path:
    folder = tmp_path / "grammar"
    folder.mkdir()
    (folder / "times.yaml").write_text(GRAMMAR)
    return folder


def test_hear_tells_intent_and_slots(grammar: Path, tmp_path: Path) -> None:
    clip = write_speech(tmp_path / "clip.wav", 4.7)
    plain = earshot("assistant", "hear", clip, "--grammar", grammar)
    assert plain.status == 0
    assert plain.output.split("\t")[:2] == [str(clip), "Times (kind: best, other: worst)"]
    row = json.loads(earshot("assistant", "hear", clip, "-g", grammar, "--json").output)
    assert row["accepted"]
    assert row["intent"] == "Times"
    assert row["slots"] == {"kind": "best", "other": "worst"}
    assert row["template"] == f"{grammar / 'times.yaml'}:6"


def test_a_recording_that_cannot_be_read_is_told_and_others_are_heard(grammar: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    clip = write_speech(tmp_path / "clip.wav", 4.7)
    result = earshot("assistant", "hear", tmp_path / "bad.wav", clip, "-g", grammar)
    assert_one_line_error(result, "bad.wav")
    assert "Times" in result.output


def test_check_tells_what_is_untested(grammar: Path) -> None:
    result = earshot("assistant", "check", "-g", grammar)
    assert result.status == 0
    assert result.output == "2 templates, 5 sentences, 1 examples: good\n"
    assert result.error_lines == [f"earshot: warning: no example: {grammar / 'times.yaml'}:7: stop"]
    assert earshot("assistant", "check", "-g", grammar, "--strict").status == 1


def test_check_fails_where_an_example_is_not_understood(grammar: Path) -> None:
    (grammar / "more.yaml").write_text("tests:\n  - sentences: [go]\n    intent: Times\n")
    result = earshot("assistant", "check", "-g", grammar, "--json")
    row = json.loads(result.output)
    assert result.status == 1
    assert not row["good"]
    assert row["failures"] == [f"{grammar / 'more.yaml'}:2: no template takes 'go'"]


def test_a_mistake_in_the_grammar_is_one_line(grammar: Path) -> None:
    (grammar / "more.yaml").write_text("intents:\n  A:\n    data:\n      - sentences: ['go {to}']\n")
    for verb in (["check"], ["sample"], ["hear", "x.wav"]):
        result = earshot("assistant", *verb, "-g", grammar)
        assert_one_line_error(result, "more.yaml:4", "{to}")


def test_sample_and_prompts(grammar: Path) -> None:
    few = earshot("assistant", "sample", "-g", grammar, "-n", "6").output.splitlines()
    assert len(few) == 6
    assert "stop" in few
    prompts = earshot("assistant", "sample", "-g", grammar, "--prompts", "--json").output.splitlines()
    texts = " ".join(json.loads(line)["text"] for line in prompts)
    assert all(word in texts for word in ("best", "worst", "stop"))


def test_context_is_a_name_and_a_value(grammar: Path) -> None:
    result = earshot("assistant", "hear", "x.wav", "-g", grammar, "--context", "kitchen")
    assert_one_line_error(result, "NAME=VALUE", status=2)
