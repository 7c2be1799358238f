"""Orders are done, asked about or refused, written down, and taken back."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earshot.assistant import Grammar, assert_examples
from earshot.assistant.actions.base import Order, Risk, Surroundings
from earshot.assistant.actions.registry import Registry
from earshot.assistant.audit import AuditLog, Entry
from earshot.assistant.homes import STARTER
from earshot.assistant.performing import ActionBook, Performer
from earshot.assistant.safety import decide
from earshot.assistant.starter_set import examples_of, starter_grammar, starter_languages
from earshot.core.errors import ActionError, GrammarError

ACTIONS = """
[actions.Low]
do = "note.add"
file = "~/n.md"
text = "{word}"

[actions.Confirm]
do = "note.add"
file = "~/n.md"
text = "confirmed"
risk = "confirm"

[actions.Never]
do = "note.add"
file = "~/n.md"
text = "never"
risk = "never-by-voice"

[actions.Lost]
do = "note.add"
file = "~/n.md"
text = "lost"
destructive = true

[actions.Secret]
do = "note.add"
file = "~/n.md"
text = "{pin}"
slots.pin = { type = "number", secret = true }

[actions.Asked]
do = "note.add"
file = "~/n.md"
text = "{word} {place}"
ask.word.en = "Which word?"
ask.word.ru = "Какое слово?"
answer.ru = "Записано: {word}"
answer.en = "{message} {word}"
slots.place = { default = "here" }

[actions.Undone]
do = "say.text"
text = "{word}"
undo = { do = "say.text", text = "not {word}" }
"""

Made = Callable[..., Performer]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def make(*, language: str = "en", toml: str = ACTIONS, **options: Any) -> Performer:
        path = tmp_path / "actions.toml"
        path.write_text(toml, encoding="utf-8")
        surroundings = Surroundings(None, None, print, list, tmp_path, dict(os.environ), language)
        return Performer(ActionBook.load(path), surroundings, **options)

    return make


def order(intent: str, confidence: float = 1.0, **more: Any) -> Order:
    return Order(intent, more.pop("slots", {}), intent.lower(), confidence, **more)


@pytest.mark.parametrize(
    ("risk", "confidence", "kind"),
    [
        (Risk.LOW, 0.99, "do"),
        (Risk.LOW, 0.5, "do"),
        (Risk.LOW, 0.4, "ask"),
        (Risk.LOW, 0.1, "refuse"),
        (Risk.LOW, float("nan"), "refuse"),
        (Risk.CONFIRM, 0.99, "do"),
        (Risk.CONFIRM, 0.9, "ask"),
        (Risk.CONFIRM, 0.1, "refuse"),
        (Risk.NEVER, 1.0, "refuse"),
    ],
)
def test_risk_and_confidence_decide(risk: Risk, confidence: float, kind: str) -> None:
    assert decide(risk, confidence).kind == kind


@pytest.mark.parametrize("risk", list(Risk))
def test_what_cannot_be_taken_back_is_always_asked_about(risk: Risk) -> None:
    assert decide(risk, 0.0, is_typed=True, is_destructive=True).kind == "ask"
    assert decide(risk, 1.0, is_destructive=True).kind in ("ask", "refuse")


def test_what_is_not_confirmed_is_not_done(made: Made, tmp_path: Path) -> None:
    performer = made()
    for one in (order("Confirm", 0.8), order("Lost"), order("Never"), order("Nothing")):
        assert performer.perform(one).status == "failed"
    assert performer.perform(order("Never"), is_confirmed=True).status == "failed"
    assert not (tmp_path / "n.md").exists()
    assert performer.perform(order("Confirm", 0.8), is_confirmed=True).status == "done"
    assert performer.perform(order("Never", is_typed=True), is_confirmed=True).status == "done"
    assert performer.perform(order("Confirm", 0.96)).status == "done"


def test_only_my_voice(made: Made) -> None:
    performer = made(allowed_speakers={"anna"})
    slots = {"word": "x"}
    for speaker in (None, "bert"):
        assert performer.decide(order("Low", slots=slots, speaker=speaker)).kind == "refuse"
    assert performer.decide(order("Low", slots=slots, speaker="anna")).kind == "do"
    assert performer.decide(order("Low", slots=slots, is_typed=True)).kind == "do"


def test_missing_slots_are_asked_for_in_the_language(made: Made) -> None:
    performer = made(language="ru")
    assert performer.missing(order("Asked")) == ("word",)
    assert performer.ask_for("word", order("Asked")) == "Какое слово?"
    assert "word is missing" in performer.perform(order("Asked")).message
    assert performer.perform(order("Asked", slots={"word": "луна"})).message == "Записано: луна"
    assert made().perform(order("Asked", slots={"word": "moon"})).message == "Noted. moon"


def test_a_dry_run_tells_and_does_nothing(made: Made, tmp_path: Path) -> None:
    outcome = made(is_dry_run=True).perform(order("Low", slots={"word": "x"}))
    assert outcome.status == "dry-run"
    assert outcome.argv[0] == "note.add"
    assert not (tmp_path / "n.md").exists()


def test_the_file_may_say_what_takes_it_back(made: Made) -> None:
    performer = made()
    assert performer.perform(order("Undone", slots={"word": "yes"})).message == "yes"
    assert performer.undo().message == "not yes"
    assert performer.undo().status == "failed"


def test_what_was_done_can_be_taken_back_later(made: Made, tmp_path: Path) -> None:
    history = tmp_path / "undo.json"
    made(history=history).perform(order("Low", slots={"word": "a"}))
    made(history=history).perform(order("Low", slots={"word": "b"}))
    assert made(history=history).undo(is_dry_run=True).status == "dry-run"
    assert made(history=history).undo().status == "done"
    assert (tmp_path / "n.md").read_text().endswith(" a\n")
    (tmp_path / "n.md").write_text("other\n")
    assert "was changed since" in made(history=history).undo().message
    history.write_text("{ torn")
    assert made(history=history).undo().status == "failed"


# --- the log ---


def test_all_is_written_down_for_the_owner_alone(made: Made, tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "log" / "log.jsonl")
    performer = made(audit=audit)
    performer.perform(order("Low", 0.7, slots={"word": "a"}, audio="clip.wav", speaker="anna"))
    performer.perform(order("Confirm", 0.6))
    performer.perform(order("Never"))
    rows = list(audit.read())
    assert [(row["decision"], row["status"]) for row in rows] == [
        ("do", "done"),
        ("ask", "asked"),
        ("refuse", "refused"),
    ]
    assert rows[0]["argv"][0] == "note.add"
    assert [rows[0][key] for key in ("audio", "speaker", "confidence")] == ["clip.wav", "anna", 0.7]
    if os.name == "posix":
        assert stat.S_IMODE(audit.path.stat().st_mode) == 0o600


def test_secrets_are_never_written(made: Made, tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "log.jsonl")
    history = tmp_path / "undo.json"
    performer = made(audit=audit, history=history)
    outcome = performer.perform(Order("Secret", {"pin": 481516}, "my pin is 481516", 1.0))
    assert outcome.status == "done"
    assert "481516" not in audit.path.read_text() + history.read_text()
    assert performer.undo().status == "done"


def test_the_log_is_turned_over_by_size(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "log.jsonl", max_bytes=2_000)
    for number in range(100):
        audit.write(Entry("now", f"order {number}\u2028\udce4", "Low", {}, 1.0, "do", "", "done"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "log.jsonl",
        "log.jsonl.1",
        "log.jsonl.2",
        "log.jsonl.3",
    ]
    assert all(path.stat().st_size <= 2_000 for path in tmp_path.iterdir())
    words = [row["words"] for row in audit.read()]
    assert words[-1].startswith("order 99")
    assert len(words) == len(audit.path.read_bytes().splitlines()) + sum(
        len((tmp_path / f"log.jsonl.{n}").read_bytes().splitlines()) for n in (1, 2, 3)
    )


def test_without_a_log_nothing_is_done(made: Made, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    performer = made(audit=AuditLog(tmp_path / "file" / "log.jsonl"))
    with pytest.raises(ActionError, match="nothing is done without a log"):
        performer.perform(order("Low", slots={"word": "x"}))
    assert not (tmp_path / "n.md").exists()


def test_a_torn_line_of_the_log_is_left_out(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "log.jsonl")
    audit.write(Entry("now", "whole", "Low", {}, 1.0, "do", "", "done"))
    with audit.path.open("a") as stream:
        stream.write('{"words": "to')
    assert [row["words"] for row in audit.read()] == ["whole"]


# --- files of actions ---


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[actions.A]\ndo = "media.plai"', 2, "did you mean 'media.play'?"),
        ('[actions.A]\n\nargv = ["x"]', 1, "do is missing"),
        ('[actions.A]\ndo = "program.run"\nargs = ["x"]', 3, "did you mean 'argv'?"),
        ('[actions.A]\ndo = "program.run"', 1, "program.run needs argv"),
        ('[actions.A]\ndo = "program.run"\nargv = "x {y}"', 3, "a list of texts"),
        ('[actions.A]\ndo = "program.run"\nargv = ["{x}"]', 3, "the program itself cannot be a slot"),
        ('[actions.A]\ndo = "program.run"\nargv = ["sh", "-c", "echo {x}"]', 3, "sh would run what is said"),
        ('[actions.A]\ndo = "program.run"\nargv = ["python3.11", "{x}"]', 3, "would run what is said"),
        ('[actions.A]\ndo = "program.run"\nargv = ["x", "a {y}"]', 3, "a slot must be a whole argument"),
        ('[actions.A]\ndo = "program.run"\nargv = ["x"]\ntime_limit = "long"', 4, "a number from 0.1 to 3600"),
        ('[actions.A]\ndo = "undo"\nrisk = "none"', 3, "there is no risk 'none'"),
        ('[actions.A]\ndo = "say.text"\ntext = "{x"', 3, "the bracket '{' stands alone"),
        ('[actions.A]\ndo = "say.text"\nslots.x = {type = "nmber"}', 3, "did you mean 'number'?"),
        ('[actions.A]\ndo = "say.text"\nslots.x = {type = "number", form = 1}', 3, "did you mean 'from'?"),
        ('[actions.A]\ndo = "say.text"\nslots.x = {type = "path"}', 3, "the type path needs below"),
        ('[actions.A]\ndo = "undo"\nslots.x = {type = "number", from = 9, to = 1}', 3, "no number is allowed"),
        ('[actions.A]\ndo = "open.site"\naddress = "https://{host}/"', 3, "the host of an address"),
        ('[actions.A]\ndo = "open.site"\naddress = "file:///etc"', 3, "an address http(s)://"),
        ('[actions.A]\ndo = "volume.set"\nlevel = 200', 3, "a whole number from 0 to 100"),
        ('[actions.A]\ndo = "sequence"\nsteps = [{do = "undoo"}]', 3, "did you mean 'undo'?"),
        ('[actions.SetVolume]\n\nlevle = 3', 3, "did you mean 'level'?"),
        ('[actions]\nA = 1', 2, "A must say what is done"),
        ('[action.A]\ndo = "undo"', 1, "did you mean 'actions'?"),
        ('[actions.A]\ndo = undo', 2, "Invalid value"),
        ('[actions.A', 1, "Expected"),
        ('[actions.A]\ndo = "undo"\ndo = "undo"', 3, "Cannot overwrite a value"),
        ('[actions.A]\ndo = "undo"\nenabled = 1', 3, "enabled is true or false"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ActionError) as caught:
        ActionBook.load(path)
    assert str(caught.value).startswith(f"{path}:{line}: "), caught.value
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("actions:\n  A:\n    do: media.plai\n", 3, "did you mean 'media.play'?"),
        ("actions:\n  A:\n    do: undo\n   x: 1\n", 4, "quotation marks"),
        ("- a\n", 1, "names with what they hold"),
    ],
)
def test_yaml_will_do_as_well(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ActionError) as caught:
        ActionBook.load(path)
    assert str(caught.value).startswith(f"{path}:{line}: "), caught.value
    assert words in str(caught.value)
    path.write_text("actions:\n  A:\n    do: say.text\n    text: hello\n")
    assert ActionBook.load(path).for_intent("A") is not None


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "a.txt").write_text("")
    for name, words in {"none.toml": "cannot be read", "a.toml": "no UTF-8", "a.txt": "neither"}.items():
        with pytest.raises(ActionError, match=words):
            ActionBook.load(tmp_path / name)


def test_an_own_entry_adds_to_the_shipped_one_or_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[actions.NewProject]\nroot = "~/work"\n[actions.Help]\ndo = "say.text"\ntext = "no"\n'
        "[actions.ShutDown]\nenabled = false\n"
    )
    book = ActionBook.load(path)
    project, helped = book.for_intent("NewProject"), book.for_intent("Help")
    assert project is not None
    assert project.written["root"] == "~/work"
    assert "pycharm" in project.written["editors"]
    assert helped is not None
    assert helped.action.name == "say.text"
    assert book.for_intent("ShutDown") is None


# --- the starter set ---


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_shipped_sentence_has_an_example_and_an_action(language: str) -> None:
    grammar = Grammar.load(STARTER / language)
    assert_examples(grammar)
    book = ActionBook.load(examples=examples_of(grammar))
    assert set(grammar.intents) == set(book.names())
    assert len(book.help_lines()) == len(book.names())
    for template in grammar.templates:
        action = book.for_intent(template.intent)
        assert action is not None


def test_both_languages_are_shipped_and_own_sentences_and_applications_join_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert starter_languages() == ("en", "ru")
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    own = tmp_path / "assistant" / "en"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(
        'language: en\nintents:\n  Lamp:\n    data:\n      - sentences: ["lamp {lamp_state}"]\n'
        "lists: {lamp_state: {values: [bright, dark]}}\n"
    )
    menu = tmp_path / ".local" / "share" / "applications"
    menu.mkdir(parents=True)
    for name in ("Star Chart", "Odd & Name 7", "Terminal"):
        (menu / f"{name}.desktop").write_text(f"[Desktop Entry]\nType=Application\nName={name}\nExec=x\n")
    grammar = starter_grammar("en", environment={"XDG_DATA_DIRS": "/nowhere"}, home=tmp_path)
    lamp, chart, music = (grammar.match(text) for text in ("lamp bright", "open star chart", "start music"))
    assert lamp is not None
    assert lamp.intent == "Lamp"
    assert chart is not None
    assert chart.slots == {"application": "Star Chart"}
    assert music is not None
    (own / "clash.yaml").write_text(
        'language: en\nintents:\n  Sky:\n    data:\n      - sentences: ["open star chart"]\n'
    )
    clash = starter_grammar("en", environment={"XDG_DATA_DIRS": "/nowhere"}, home=tmp_path).match(
        "open star chart"
    )
    assert clash is not None
    assert clash.intent == "Sky"
    with pytest.raises(GrammarError, match="choose one of en, ru"):
        starter_grammar("xx")


def test_a_slot_in_a_path_is_a_name_and_leads_nowhere(made: Made, tmp_path: Path) -> None:
    toml = '[actions.Low]\ndo = "note.add"\nfile = "~/notes/{word}.md"\ntext = "x"'
    performer = made(toml=toml)
    for word in ("../n", "a/b", "..", ".hidden", "~", "a\u202eb"):
        assert performer.perform(order("Low", slots={"word": word})).status == "failed"
    assert performer.perform(order("Low", slots={"word": "blue moon"})).status == "done"
    assert [path.name for path in tmp_path.rglob("*.md")] == ["blue moon.md"]
    with pytest.raises(ActionError, match=r"toml:3: file: the slot word could be any path: write slots\.word"):
        made(toml=toml.replace("~/notes/{word}.md", "{word}"))


def test_a_sequence_is_taken_back_in_another_process(made: Made, tmp_path: Path) -> None:
    history = tmp_path / "undo.json"
    step = 'do = "note.add", file = "~/n.md", text ='
    toml = f'[actions.Low]\ndo = "sequence"\nsteps = [{{ {step} "one" }}, {{ {step} "two" }}]'
    assert made(toml=toml, history=history).perform(order("Low")).status == "done"
    assert made(history=history).undo().message == "The note is removed. The note is removed."
    assert (tmp_path / "n.md").read_text() == ""


def test_a_sequence_tells_of_its_slots_once(made: Made) -> None:
    step = '{do = "say.text", text = "{word}", slots.word = {type = "name"}}'
    with pytest.raises(ActionError, match=r"say\.text has no 'slots'"):
        made(toml=f'[actions.Low]\ndo = "sequence"\nsteps = [{step}]')
    step = '{do = "say.text", text = "{word}"}'
    toml = f'[actions.Low]\ndo = "sequence"\nsteps = [{step}]\nslots.word = {{type = "name"}}'
    assert made(toml=toml).perform(order("Low", slots={"word": "moon"})).message == "moon"
    assert made(toml=toml).perform(order("Low", slots={"word": "../moon"})).status == "failed"


def test_the_entries_of_the_page_are_what_they_say(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "assistant_actions.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "page.toml"
    path.write_text("\n".join(block for block in blocks if "[actions." in block), encoding="utf-8")
    book = ActionBook.load(path)
    tea, light = book.for_intent("MakeTea"), book.for_intent("LightOn")
    assert tea is not None
    assert tea.needed() == ("minutes",)
    assert light is not None
    assert light.needed() == ("room",)
    for name in Registry():
        stem, _, end = name.partition(".")
        is_told = f"`{name}`" in page or (f"`{stem}." in page and f"`.{end}`" in page)
        assert is_told or end in ("take-back", "discard"), f"{name} is not on the page"
