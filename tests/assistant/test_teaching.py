"""Sentences of one's own: added to the file that a person keeps, checked before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from earshot.assistant import Grammar, assert_examples
from earshot.assistant.action_book import ActionBook
from earshot.assistant.grammar_editing import with_sentence
from earshot.assistant.starter_set import starter_grammar
from earshot.assistant.teaching import add_sentence
from earshot.core.errors import ActionError, GrammarError

OWN = """\
# my sentences
language: en

intents:
  # music
  StartMusic:
    data:
      - sentences:
          - "tunes please"   # as my brother says
  Mute:
    data:
    - sentences: ["hush"]

lists:
  room:
    values: [attic]   # cold

tests:
  - sentences: ["tunes please"]
    intent: {name: StartMusic}
  - sentences: ["hush"]
    intent: {name: Mute}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    return tmp_path / "assistant"


def test_a_sentence_and_its_example_are_added(home: Path) -> None:
    lesson = add_sentence("bring the noise", "media.play", language="en")
    assert lesson.intent == "StartMusic"
    assert lesson.grammar_file == home / "en" / "added.yaml"
    grammar = starter_grammar()
    match = grammar.match("Bring the noise!")
    assert match is not None
    assert match.intent == "StartMusic"
    assert_examples(Grammar.load(home / "en"))


def test_more_sentences_and_what_a_person_wrote_stays(home: Path) -> None:
    file = home / "en" / "added.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(OWN)
    add_sentence("bring the noise", "StartMusic", language="en")
    add_sentence("silence now", "Mute", language="en")
    add_sentence("half as loud", "SetVolume", language="en", slots={"level": 50})
    text = file.read_text()
    lines = iter(text.splitlines())
    assert all(line in lines for line in OWN.splitlines())  # in their order
    grammar = Grammar.load(file)
    assert_examples(grammar)
    match = grammar.match("half as loud")
    assert match is not None
    assert (match.intent, dict(match.slots)) == ("SetVolume", {"level": 50})


@pytest.mark.parametrize("text", ["", "language: en\n", "language: en\nintents:\n", OWN, OWN.rstrip()])
def test_files_of_any_layout_are_added_to(text: str) -> None:
    said = {"one thing": "One", "two things": "Two", "one thing more": "One"}
    for sentence, intent in said.items():
        text = with_sentence(text, sentence, intent, language="en")
    grammar = Grammar.from_text(text)
    assert {sentence: match.intent for sentence in said if (match := grammar.match(sentence))} == said
    assert_examples(grammar)


@pytest.mark.parametrize("text", ["intents: {}\n", "intents: {One: {data: []}}\n", "tests: []\nintents:\n"])
def test_brackets_are_told_instead_of_torn(text: str) -> None:
    with pytest.raises(GrammarError, match="lines of its own"):
        with_sentence(text, "one thing", "One", language="en")


def test_two_meanings_of_one_sentence_are_both_named_and_nothing_is_written(home: Path) -> None:
    with pytest.raises(GrammarError, match=r"Mute.*StartMusic|StartMusic.*Mute") as told:
        add_sentence("start the music", "Mute", language="en")
    assert "media.yaml" in told.value.message
    assert "added.yaml" in told.value.message
    assert not home.exists()


def test_what_is_understood_already_is_not_written_again(home: Path) -> None:
    lesson = add_sentence("включи музыку", "media.play", language="ru")
    assert lesson.grammar_file is None
    assert lesson.intent == "StartMusic"
    assert not home.exists()


def test_a_language_of_which_nothing_is_shipped(home: Path) -> None:
    add_sentence("washa taa", "StartMusic", language="sw")
    match = starter_grammar("sw").match("washa taa")
    assert match is not None
    assert match.intent == "StartMusic"


def test_an_action_with_settings_becomes_an_intent_of_its_own(home: Path) -> None:
    lesson = add_sentence("my page", "program.run", language="en", settings=["argv = ['firefox']"])
    assert lesson.actions_file == home / "actions.toml"
    bound = ActionBook.load().for_intent(lesson.intent)
    assert bound is not None
    assert bound.action.name == "program.run"
    second = add_sentence("your page", "program.run", language="en", settings=["argv = ['chromium']"])
    assert second.intent != lesson.intent


@pytest.mark.parametrize(
    ("do", "settings", "message"),
    [
        ("media.pla", [], "did you mean 'media.play'"),
        ("volume.change", [], "several do volume.change: Louder, Quieter"),
        ("program.run", ["argv = ["], "is no setting"),
        ("program.run", ["argv = 'a b'"], "argv"),
        ("program.run", ["args = ['a']"], "did you mean 'argv'"),
    ],
)
def test_wrong_actions_are_told_and_nothing_is_written(
    home: Path, do: str, settings: list[str], message: str
) -> None:
    with pytest.raises(ActionError, match=message):
        add_sentence("do the thing", do, language="en", settings=settings)
    assert not home.exists()


@pytest.mark.parametrize("sentence", ["", "  ", "x" * 501, "turn (on", "{nothing} please", "[all] [optional]"])
def test_sentences_that_are_none(home: Path, sentence: str) -> None:
    with pytest.raises(GrammarError):
        add_sentence(sentence, "StartMusic", language="en")
    assert not home.exists()


@pytest.mark.parametrize("language", ["../en", "", "en/..", "english!"])
def test_a_language_names_no_other_folder(home: Path, language: str) -> None:
    with pytest.raises(GrammarError, match="no language code"):
        add_sentence("do it", "StartMusic", language=language)
