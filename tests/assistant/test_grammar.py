"""What sentences mean."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot.assistant import Grammar, assert_examples, check, sample
from earshot.decoding.network import spoken
from earshot.decoding.parsing import parse
from tests.assistant.conftest import HOUSEHOLD


def meaning(grammar: Grammar, text: str, **context: str) -> tuple[str, dict[str, object]] | None:
    match = grammar.match(text, context=context)
    return None if match is None else (match.intent, dict(match.slots))


def test_every_template_of_the_household_has_an_example_that_is_understood(household: Grammar) -> None:
    assert_examples(household)


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("Turn on the living-room lights.", {"domain": "light", "name": "living room"}),
        ("switch on bedroom light", {"domain": "light", "name": "bedroom"}),
        ("ON, lights, in the BEER cellar!", {"domain": "light", "name": "cellar"}),
    ],
)
def test_case_marks_and_hyphens_do_not_matter(household: Grammar, text: str, slots: dict[str, str]) -> None:
    assert meaning(household, text) == ("TurnOn", slots)


@pytest.mark.parametrize(
    "text", ["", "turn on", "turn on the kitchen", "turn on the kitchen lightss", "turnon the kitchen light"]
)
def test_what_is_no_sentence_has_no_meaning(household: Grammar, text: str) -> None:
    assert household.match(text) is None


def test_numbers_are_said_in_words_or_digits(household: Grammar) -> None:
    for text in ("set a timer for ninety-nine minutes", "set a timer for 99 minutes"):
        assert meaning(household, text) == ("SetTimer", {"minutes": 99})
    assert meaning(household, "set timer for one minute and two seconds") == (
        "SetTimer",
        {"minutes": 1, "seconds": 2},
    )
    assert household.match("set a timer for 101 minutes") is None


def test_words_without_meaning_may_stand_between_others_but_not_within(household: Grammar) -> None:
    text = "please turn um on the living room lights please"
    assert meaning(household, text) == ("TurnOn", {"domain": "light", "name": "living room"})
    assert household.match("turn on the kit um chen light") is None


def test_a_sentence_with_more_words_of_its_own_goes_before_a_wildcard(household: Grammar) -> None:
    match = household.match("Create a project called Blue Moon in PyCharm")
    assert match is not None
    assert match.slots == {"title": "Blue Moon", "app": "pycharm"}
    assert match.spoken["app"] == "PyCharm"


def test_wildcards_keep_the_words_as_they_were_written(household: Grammar) -> None:
    match = household.match("Create a new project called Don't Panic, please.")
    assert match is not None
    assert match.slots == {"title": "Don't Panic"}


def test_misheard_sentences_are_found_with_their_distance(household: Grammar) -> None:
    near = household.nearest("turn on the kitchin lied")
    far = household.nearest("set a thymer for 10 minits")
    assert near is not None
    assert (near.intent, near.slots["name"]) == ("TurnOn", "kitchen")
    assert far is not None
    assert far.slots == {"minutes": 10}
    assert 0 < near.distance < 0.2
    assert household.nearest("the weather was fine that day") is None
    exact = household.nearest("turn on the kitchen light")
    assert exact is not None
    assert exact.distance == 0


def test_values_of_lists_are_spelled_as_in_the_grammar_however_they_were_written() -> None:
    grammar = Grammar.from_text(
        "intents:\n  A:\n    data:\n      - sentences: ['tea with {x}']\n"
        "lists:\n  x: {values: ['[a bit of] (skim|soy) milk', lemon]}\n"
    )
    match = grammar.match("Tea with a bit of Skim Milk.")
    assert match is not None
    assert match.slots == {"x": "a bit of skim milk"}
    assert match.spoken == {"x": "a bit of Skim Milk"}
    assert meaning(grammar, "Tea with LEMON") == ("A", {"x": "lemon"})


CONTEXT = """
language: en
intents:
  Open:
    data:
      - sentences: ["open [the] {name}"]
        requires_context: {domain: cover}
  Lock:
    data:
      - sentences: ["open [the] {name}"]
        requires_context: {domain: lock}
  Here:
    data:
      - sentences: ["open it"]
        requires_context: {area: null}
        excludes_context: {mode: [night, away]}
lists:
  name:
    values:
      - {in: blind, out: cover.blind, context: {domain: cover}}
      - {in: "[front] door", out: lock.door, context: {domain: lock}}
"""


def test_contexts_tell_which_template_is_meant() -> None:
    grammar = Grammar.from_text(CONTEXT)
    assert meaning(grammar, "open the blind") == ("Open", {"name": "cover.blind"})
    assert meaning(grammar, "open the front door") == ("Lock", {"name": "lock.door"})
    assert meaning(grammar, "open it") is None
    assert meaning(grammar, "open it", area="hall") == ("Here", {})
    assert meaning(grammar, "open it", area="hall", mode="night") is None


def test_lists_of_the_running_program_take_the_place_of_written_ones() -> None:
    grammar = Grammar.load(HOUSEHOLD, lists={"name": {"attic (left)": "light.attic"}})
    assert meaning(grammar, "turn on the attic left light") == (
        "TurnOn",
        {"domain": "light", "name": "light.attic"},
    )
    assert grammar.match("turn on the kitchen light") is None


RUSSIAN = """
language: ru
intents:
  Timer:
    data:
      - sentences: ["поставь таймер на {1..60:minutes} минут[у|ы]"]
  Play:
    data:
      - sentences: ["включи (музыку|ёлку) [в {room}]"]
lists:
  room: {values: [зале, кухне]}
"""


def test_other_languages_count_in_their_own_words_and_forms() -> None:
    grammar = Grammar.from_text(RUSSIAN)
    for said in ("двадцать одну минуту", "двадцать один минут", "21 минуту"):
        assert meaning(grammar, f"Поставь таймер на {said}!") == ("Timer", {"minutes": 21})
    assert meaning(grammar, "включи елку в зале") == ("Play", {"room": "зале"})
    near = grammar.nearest("включы мусику на кухне")
    assert near is None or near.intent == "Play"
    assert grammar.nearest("фключи музыку в кухне") is not None


def test_a_grammar_may_be_spread_over_files(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "a.yaml").write_text('intents:\n  A:\n    data:\n      - sentences: ["go to {x}"]\n')
    (folder / "sub").mkdir()
    (folder / "sub" / "b.yml").write_text("language: en\nlists:\n  x:\n    values: [bed]\n")
    (folder / "c.yaml").write_text("lists:\n  x:\n    values: [work]\n")
    grammar = Grammar.load(folder)
    assert grammar.language == "en"
    assert [meaning(grammar, f"go to {x}") for x in ("bed", "work")] == [
        ("A", {"x": "bed"}),
        ("A", {"x": "work"}),
    ]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 60), letter=st.sampled_from("aeit "))
def test_the_automaton_and_the_parser_agree_on_every_text(seed: int, cut: int, letter: str) -> None:
    grammar = Grammar.load(HOUSEHOLD)
    text = next(iter(sample(grammar, 1, seed=seed))).text
    for changed in (text, text[:cut], text[:cut] + letter + text[cut:], text[:cut] + text[cut + 1 :]):
        spelled = spoken(changed)
        accepts = grammar.automaton.is_accepting(grammar.automaton.walk(grammar.automaton.start, spelled))
        assert accepts == (parse(grammar.network, spelled) is not None)


def test_random_sentences_are_sentences(household: Grammar) -> None:
    texts = list(sample(household, 200, seed=3))
    assert all((match := household.match(one.text)) and match.intent == one.template.intent for one in texts)
    assert texts == list(sample(household, 200, seed=3))
    assert texts != list(sample(household, 200, seed=4))


def test_a_check_tells_what_is_not_understood_and_what_nobody_tried() -> None:
    grammar = Grammar.from_text(
        "intents:\n  A:\n    data:\n      - sentences: [go, 'stop it']\n"
        "tests:\n  - sentences: [go, run]\n    intent: A\n  - sentences: [go]\n    intent: B\n",
        name="x.yaml",
    )
    report = check(grammar)
    assert not report.is_good
    assert any("x.yaml:6" in line and "'run'" in line for line in report.failures)
    assert any("x.yaml:8" in line and "not B" in line for line in report.failures)
    assert [str(template.place) for template in report.untested] == ["x.yaml:4"]
    assert report.num_sentences == 2
    with pytest.raises(AssertionError, match="'stop it' has no example"):
        assert_examples(grammar)
