"""Conversations, word by word, without sound and without a clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from earshot.assistant import Grammar, Recognition
from earshot.assistant.action_book import ActionBook
from earshot.assistant.actions.base import Surroundings
from earshot.assistant.dialogue import Dialogue
from earshot.assistant.performing import Performer
from earshot.assistant.replies import DialogueOptions, Expectation, Phase, Reply
from earshot.assistant.understanding import Understanding
from earshot.core.errors import ActionError

SENTENCES = """
language: en
intents:
  Note: {data: [{sentences: ["make a note [saying {text}]"]}]}
  Forget: {data: [{sentences: ["forget everything"]}]}
  Wake: {data: [{sentences: ["wake me in {5..50,5:minutes} minutes"]}]}
  Paint: {data: [{sentences: ["paint it [{colour}]"]}]}
lists:
  text: {wildcard: true}
  colour: {values: [red, green, {in: navy, out: blue}]}
"""

ACTIONS = """
[actions.Note]
do = "program.run"
argv = ["{folder}/leave", "{text}"]
ask.text = "What shall I note?"
[actions.Forget]
do = "program.run"
argv = ["{folder}/leave", "forgotten"]
risk = "confirm"
destructive = true
[actions.Paint]
do = "program.run"
argv = ["{folder}/leave", "{colour}"]
ask.colour = "Which colour?"
"""

RUSSIAN = """
language: ru
intents:
  Forget: {data: [{sentences: ["забудь всё"]}]}
"""


class Table:
    """A dialogue, and the folder in which its actions leave files."""

    def __init__(self, folder: Path, sentences: str = SENTENCES, **options: object) -> None:
        self.folder = folder
        actions, program = folder / "actions.toml", folder / "leave"
        program.write_text('#!/bin/sh\ntouch "$(dirname "$0")/made-$1"\n')
        program.chmod(0o755)
        actions.write_text(ACTIONS.replace("{folder}", str(folder)))
        surroundings = Surroundings(None, None, lambda _: None, lambda: (), folder, {"PATH": "/usr/bin:/bin"})
        self.understanding = Understanding(Grammar.from_text(sentences), None)
        self.dialogue = Dialogue(
            Performer(ActionBook.load(actions), surroundings),
            self.understanding.grammar,
            options=DialogueOptions(**options),  # type: ignore[arg-type]
        )

    def says(
        self, text: str, now: float = 0.0, *, confidence: float = 0.99, speaker: str | None = None
    ) -> list[Reply]:
        """As if it were heard."""
        read = self.understanding.read(text, self.dialogue.expected)
        heard = Recognition(read.intent, read.slots, read.text, confidence, read.accepted, text, read.spoken)
        return self.dialogue.heard(heard, now, speaker=speaker)

    @property
    def made(self) -> list[str]:
        return sorted(path.name.removeprefix("made-") for path in self.folder.glob("made-*"))


def kinds(replies: Sequence[Reply]) -> list[str]:
    return [reply.kind for reply in replies]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


def test_asleep_nothing_is_done(table: Table) -> None:
    assert kinds(table.says("make a note saying hello")) == ["ignored"]
    assert table.made == []


def test_awake_an_order_is_done_and_another_may_follow(table: Table) -> None:
    table.dialogue.woken(0.0)
    assert kinds(table.says("paint it red", 1.0)) == ["heard", "done"]
    assert kinds(table.says("paint it navy", 5.0)) == ["heard", "done"]
    assert table.made == ["blue", "red"]
    assert kinds(table.dialogue.timed_out(12.0)) == ["asleep"]
    assert kinds(table.says("paint it green", 13.0)) == ["ignored"]


def test_a_missing_slot_is_asked_for_and_any_words_fill_a_wildcard(table: Table) -> None:
    table.dialogue.woken(0.0)
    asked = table.says("make a note")
    assert asked[-1].kind == "question"
    assert asked[-1].text == "What shall I note?"
    assert table.dialogue.expected == Expectation("value", "Note", "text")
    assert kinds(table.says("Buy milk.", 2.0)) == ["heard", "done"]
    assert table.made == ["Buy milk"]


def test_a_missing_slot_of_a_list_is_filled_by_the_lists_own_words(table: Table) -> None:
    table.dialogue.woken(0.0)
    table.says("paint it")
    table.says("navy", 1.0)
    assert table.made == ["blue"]


@pytest.mark.parametrize("word", ["cancel", "never mind", "Forget it."])
def test_cancel_ends_a_question(table: Table, word: str) -> None:
    table.dialogue.woken(0.0)
    table.says("make a note")
    assert kinds(table.says(word, 1.0))[-1] == "cancelled"
    assert table.dialogue.phase is Phase.LISTENING
    assert table.made == []


def test_what_cannot_be_taken_back_is_asked_about(table: Table) -> None:
    table.dialogue.woken(0.0)
    assert table.says("forget everything")[-1].kind == "question"
    assert table.made == []
    assert kinds(table.says("yes", 2.0)) == ["heard", "done"]
    assert table.made == ["forgotten"]


@pytest.mark.parametrize("answer", ["no", "cancel"])
def test_no_is_no(table: Table, answer: str) -> None:
    table.dialogue.woken(0.0)
    table.says("forget everything")
    table.says(answer, 1.0)
    assert table.dialogue.phase is Phase.LISTENING
    assert kinds(table.says("yes", 2.0)) == ["ignored"]
    assert table.made == []


def test_a_confirmation_that_never_comes_is_a_no(table: Table) -> None:
    table.dialogue.woken(0.0)
    table.says("forget everything", 0.0)
    assert table.dialogue.timed_out(11.0) == []
    late = table.dialogue.timed_out(13.0)
    assert kinds(late) == ["cancelled"]
    assert late[0].is_spoken
    table.says("yes", 14.0)
    assert table.made == []


def test_the_time_to_answer_begins_when_the_question_was_spoken(table: Table) -> None:
    table.dialogue.woken(0.0)
    table.says("forget everything", 0.0)
    table.dialogue.resumed(10.0)
    assert table.dialogue.timed_out(13.0) == []
    assert kinds(table.dialogue.timed_out(23.0)) == ["cancelled"]


@pytest.mark.parametrize("words", ["yes but later", "oh yes it was nice", "certainly not yes", "blue moon yes"])
def test_only_a_plain_yes_is_a_yes(table: Table, words: str) -> None:
    table.dialogue.woken(0.0)
    table.says("forget everything")
    assert kinds(table.says(words, 1.0)) == ["ignored"]
    assert table.made == []


def test_a_yes_inside_a_slot_confirms_nothing(table: Table) -> None:
    table.dialogue.woken(0.0)
    table.says("make a note")
    table.says("yes do forget everything", 1.0)
    assert table.made == ["yes do forget everything"]


def test_another_voice_cannot_confirm(table: Table) -> None:
    table.dialogue.woken(0.0)
    table.says("forget everything", speaker="ann")
    assert kinds(table.says("yes", 1.0, speaker="bob")) == ["heard", "ignored"]
    assert table.made == []
    table.says("yes", 2.0, speaker="ann")
    assert table.made == ["forgotten"]


def test_a_tap_confirms_and_a_tap_without_question_does_nothing(table: Table) -> None:
    table.dialogue.woken(0.0)
    assert kinds(table.dialogue.confirmed(True, 0.0)) == ["ignored"]
    table.says("forget everything")
    assert kinds(table.dialogue.confirmed(True, 1.0)) == ["done"]


def test_a_misheard_order_is_asked_about_never_done(table: Table) -> None:
    table.dialogue.woken(0.0)
    replies = table.says("pained it red")
    assert kinds(replies) == ["heard", "question"]
    assert table.made == []
    table.says("yes", 1.0)
    assert table.made == ["red"]


def test_words_that_a_wildcard_would_swallow_are_no_misheard_order(table: Table) -> None:
    table.dialogue.woken(0.0)
    replies = table.says("nobody has a note saying so", 1.0)
    assert kinds(replies) == ["heard", "not-understood"]


def test_what_was_not_understood_gets_the_nearest_sentence(table: Table) -> None:
    table.dialogue.woken(0.0)
    replies = table.says("forget all of these things")
    assert kinds(replies) == ["heard", "not-understood"]
    assert replies[-1].is_spoken
    assert "forget everything" in replies[-1].text


def test_an_open_microphone_says_nothing_to_what_was_not_meant_for_it(tmp_path: Path) -> None:
    table = Table(tmp_path, is_open=True)
    assert kinds(table.says("it was the best of times")) == ["ignored"]
    assert kinds(table.says("paint it red")) == ["heard", "done"]


def test_keys(table: Table) -> None:
    assert kinds(table.dialogue.toggled(0.0)) == ["listening"]
    assert kinds(table.dialogue.toggled(1.0)) == ["asleep"]
    table.dialogue.pressed(2.0)
    assert table.dialogue.timed_out(100.0) == []
    table.dialogue.released(100.0)
    assert kinds(table.says("paint it red", 100.5)) == ["heard", "done"]
    assert kinds(table.dialogue.timed_out(200.0)) == ["asleep"]


def test_stop_listening(table: Table) -> None:
    table.dialogue.woken(0.0)
    assert kinds(table.says("stop listening")) == ["heard", "asleep"]


def test_an_order_without_an_action_is_refused_aloud(table: Table) -> None:
    table.dialogue.woken(0.0)
    replies = table.says("wake me in ten minutes")
    assert kinds(replies) == ["heard", "refused"]
    assert replies[-1].tone == "refused"


def test_a_user_sentence_wins_over_our_own(tmp_path: Path) -> None:
    table = Table(tmp_path, RUSSIAN.replace("забудь всё", "хорошо"))
    table.dialogue.woken(0.0)
    assert table.says("хорошо")[-1].kind == "question"


def test_russian_and_languages_without_words(tmp_path: Path) -> None:
    table = Table(tmp_path, RUSSIAN)
    table.dialogue.woken(0.0)
    table.says("забудь всё")
    assert kinds(table.says("отмена", 1.0)) == ["heard", "cancelled"]
    table.says("забудь всё", 2.0)
    table.says("да", 3.0)
    assert table.made == ["forgotten"]
    assert table.dialogue.wording.is_spoken
    other = Table(tmp_path, SENTENCES.replace("language: en", "language: sw"))
    assert not other.dialogue.wording.is_spoken


class Typist:
    def __init__(self) -> None:
        self.typed: list[str] = []
        self.is_over = False

    def accept(self, text: str) -> None:
        if text == "lock":
            raise ActionError("the window is gone")
        self.typed.append(text)


def test_dictation_takes_what_the_grammar_does_not(tmp_path: Path) -> None:
    table, typist = Table(tmp_path), Typist()
    table.dialogue._new_dictation = lambda: typist
    table.dialogue.woken(0.0)
    assert kinds(table.says("start dictation")) == ["heard", "dictation"]
    assert table.dialogue.timed_out(1000.0) == []
    assert kinds(table.says("dear all", 1000.0)) == ["dictated"]
    assert kinds(table.says("paint it red", 1001.0)) == ["heard", "done"]
    table.says("stop dictation", 1002.0)
    assert not table.dialogue.is_dictating
    assert typist.typed == ["dear all"]


def test_dictation_ends_with_the_reason_when_it_cannot_go_on(tmp_path: Path) -> None:
    table, typist = Table(tmp_path), Typist()
    table.dialogue._new_dictation = lambda: typist
    table.dialogue.woken(0.0)
    table.says("start dictation")
    assert table.says("lock", 1.0)[-1].text == "the window is gone"
    assert not table.dialogue.is_dictating
