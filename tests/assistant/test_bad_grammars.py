"""Mistakes are told with file, line and what was expected."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.assistant import Grammar, check
from earshot.core.errors import GrammarError


def sentences(*templates: str, more: str = "") -> str:
    lines = "".join(f"          - '{template}'\n" for template in templates)
    return f"intents:\n  A:\n    data:\n      - sentences:\n{lines}{more}"


LIST = "lists:\n  room:\n    values: [kitchen]\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("intents:\n  A\n   data: [", ["g.yaml:"]),
        ("intents:\n\tA:\n", ["g.yaml:2", "spaces"]),
        (
            "intents:\n  A:\n    data:\n      - sentences:\n          - [please] turn on\n",
            ["g.yaml:5", "quotation marks"],
        ),
        ("intents: 3\n", ["g.yaml:1", "intents"]),
        ("intents:\n  A:\n    date: []\n", ["g.yaml:3", "data"]),
        ("intents:\n  A:\n    data:\n      - sentence: [go]\n", ["g.yaml:4", "'sentence'", "sentences"]),
        ("intents:\n  A:\n    data:\n      - sentences: go\n", ["g.yaml:4", "a list", "'go'"]),
        ("intents:\n  A:\n    data: []\n", ["no intent has a sentence"]),
        ("", ["no intent has a sentence"]),
        ("intent:\n  A: 1\n", ["g.yaml:1", "intents"]),
        (sentences("go") + "lists:\n  room: {}\n", ["g.yaml:7", "room", "values"]),
        (sentences("go") + "lists:\n  room:\n    values: []\n", ["g.yaml:8", "room", "empty"]),
        (sentences("go {n}") + "lists:\n  n:\n    range: {from: 5, to: 1}\n", ["g.yaml:8", "holds no number"]),
        (
            sentences("go {n}") + "lists:\n  n:\n    range: {from: a, to: 1}\n",
            ["g.yaml:8", "whole number", "'a'"],
        ),
        (
            sentences("go {n}") + "lists:\n  n:\n    range: {from: 1, to: 900000}\n",
            ["g.yaml:8", "900000", "10000"],
        ),
        (sentences("turn (on"), ["g.yaml:5", "character 6", "')' is expected"]),
        (sentences("turn on)"), ["g.yaml:5", "character 8", "closes nothing"]),
        (sentences("turn [on)"), ["g.yaml:5", "']' is expected"]),
        (sentences("turn {on"), ["g.yaml:5", "'}' is expected"]),
        (sentences("turn <on"), ["g.yaml:5", "'>' is expected"]),
        (sentences("turn () on"), ["g.yaml:5", "empty"]),
        (sentences("turn (a|b;c) on"), ["g.yaml:5", "| and ;"]),
        (sentences("turn on {rom}", more=LIST), ["g.yaml:5", "{rom}", "did you mean 'room'?"]),
        (sentences("turn on <r>", more="expansion_rules:\n  r: '{rom} now'\n" + LIST), ["g.yaml:7", "{rom}"]),
        (sentences("turn on <r>"), ["g.yaml:5", "<r>", "expansion_rules"]),
        (sentences("go <a>", more="expansion_rules:\n  a: 'x <b>'\n  b: 'y <a>'\n"), ["g.yaml:7", "a → b → a"]),
        (sentences("{x}", more="lists:\n  x: {wildcard: true}\n"), ["g.yaml:5", "matches everything"]),
        (sentences("[play] {x}", more="lists:\n  x: {wildcard: true}\n"), ["g.yaml:5", "matches everything"]),
        (sentences("[please]"), ["g.yaml:5", "without words"]),
        (sentences("..."), ["g.yaml:5", "without words"]),
        (sentences("(a;b;c;d;e;f;g;h)"), ["g.yaml:5", "any order"]),
        (sentences("go") + "language: [en]\n", ["g.yaml:6", "language"]),
        (sentences("go") + "tests:\n  - sentence: [go]\n", ["g.yaml:7", "sentences"]),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    (tmp_path / "g.yaml").write_text(text)
    with pytest.raises(GrammarError) as caught:
        Grammar.load(tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


def two(first: str, second: str, more: str = "") -> str:
    return (
        f"intents:\n  A:\n    data:\n      - sentences: ['{first}']\n"
        f"  B:\n    data:\n      - sentences: ['{second}']\n{more}"
    )


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ("turn on the light", "turn on [the] (light|fan)", "turn on the light"),
        ("(a;b) now", "b a now", "b a now"),
        ("light[s] on", "lights [please] on", "lights on"),
        ("go to {x}", "go to {y}", "go to work"),
        ("play {any}", "play {thing}", "play …"),
        ("set {1..20:n}", "set 7", "set 7"),
    ],
)
def test_two_templates_for_one_sentence_are_both_named(first: str, second: str, text: str) -> None:
    lists = (
        "lists:\n  x: {values: [bed, work]}\n  y: {values: [work, fun]}\n"
        "  any: {wildcard: true}\n  thing: {wildcard: true}\n"
    )
    with pytest.raises(GrammarError) as caught:
        Grammar.from_text(two(first, second, lists), name="g.yaml")
    message = str(caught.value)
    assert first in message
    assert second in message
    assert "g.yaml:4" in message
    assert "g.yaml:7" in message
    assert repr(text) in message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("turn on the light", "turn on the lights"),
        ("play {any}", "play {any} by {thing}"),
        ("play {any}", "play music"),
        ("set {1..20:n}", "set 21"),
    ],
)
def test_sentences_that_can_be_told_apart_are_no_conflict(first: str, second: str) -> None:
    lists = "lists:\n  any: {wildcard: true}\n  thing: {wildcard: true}\n"
    grammar = Grammar.from_text(two(first, second, lists))
    assert check(grammar).is_good


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(GrammarError, match="there is no grammar"):
        Grammar.load(tmp_path / "none")
    with pytest.raises(GrammarError, match=r"holds no \.yaml file"):
        Grammar.load(tmp_path)
    (tmp_path / "g.yaml").write_bytes(b"\xff\xfe\x00intents")
    with pytest.raises(GrammarError, match="no UTF-8"):
        Grammar.load(tmp_path)


def test_the_same_list_twice_and_two_languages(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("language: en\n" + sentences("go {x}") + "lists:\n  x: {wildcard: true}\n")
    (tmp_path / "b.yaml").write_text("lists:\n  x: {values: [a]}\n")
    with pytest.raises(GrammarError, match=r"b\.yaml:2.*a\.yaml:8"):
        Grammar.load(tmp_path)
    (tmp_path / "b.yaml").write_text("language: de\n")
    with pytest.raises(GrammarError, match=r"b\.yaml:1.*'de'.*'en'"):
        Grammar.load(tmp_path)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab ()[]{}<>|;\\:.,1%\n'\"-ж", max_size=30))
def test_no_template_brings_anything_but_a_grammar_or_an_error(template: str) -> None:
    import json

    text = f"intents:\n  A:\n    data:\n      - sentences: [{json.dumps(template)}]\n{LIST}"
    with contextlib.suppress(GrammarError):
        assert Grammar.from_text(text).match("") is None


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab:-[]{}|>&*!#%@'\" \n\tintslv", max_size=80))
def test_no_file_brings_anything_but_a_grammar_or_an_error(text: str) -> None:
    with pytest.raises(GrammarError):
        Grammar.from_text(text)
