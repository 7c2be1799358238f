"""What a text means and has done, asked by Wyoming's own client."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from earshot.core.errors import GrammarError
from earshot.engines.scripted import ScriptedRecognizer
from earshot.server.settings import ServerOptions
from tests.cli.command import assert_one_line_error, earshot
from tests.server.conftest import running

if TYPE_CHECKING:
    from earshot.server.runner import Server

pytest.importorskip("wyoming", reason="wyoming is not installed: pip install 'earshot[serve]'")
pytest.importorskip("yaml", reason="PyYAML is not installed: pip install 'earshot[assistant]'")
from wyoming.asr import Transcript
from wyoming.client import AsyncClient
from wyoming.event import Event
from wyoming.handle import Handled, NotHandled
from wyoming.info import Describe, Info
from wyoming.intent import Intent, NotRecognized, Recognize
from wyoming.ping import Ping, Pong

GRAMMAR = """
language: en
intents:
  TurnOn:
    data:
      - sentences: ["(turn|switch) on the {room} light [at {0..100:brightness} percent]"]
  Touch:
    data:
      - sentences: ["touch the {thing}"]
  Wipe:
    data:
      - sentences: ["wipe the slate"]
lists:
  room: {values: [kitchen, {in: living room, out: lounge}]}
  thing: {wildcard: true}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("intents")
    (folder / "grammar.yaml").write_text(GRAMMAR)
    touch = shutil.which("touch")
    common = f'do = "program.run"\nfolder = "{folder}"\n'
    (folder / "actions.toml").write_text(
        f'[actions.Touch]\n{common}argv = ["{touch}", "--", "{{thing}}"]\nrisk = "low"\n'
        f'[actions.Wipe]\n{common}argv = ["{touch}", "--", "wiped"]\nrisk = "confirm"\n'
    )
    return folder


@pytest.fixture(scope="module")
def asked(folder: Path) -> Iterator[Callable[..., list[Event]]]:
    with serving(folder) as server:
        yield lambda *events: asyncio.run(talk(server, *events))


def serving(folder: Path, **options: Any) -> Any:
    return running(
        ServerOptions(
            port=0,
            engine="scripted",
            wyoming="tcp://127.0.0.1:0",
            data_folder=folder,
            grammar=folder / "grammar.yaml",
            **options,
        ),
        {"scripted": ScriptedRecognizer()},
    )


async def talk(server: Server, *events: Any) -> list[Event]:
    """One answer each."""
    async with AsyncClient.from_uri(f"tcp://127.0.0.1:{server.wyoming_port}") as client:
        answers = []
        for event in events:
            await client.write_event(event.event())
            answer = await asyncio.wait_for(client.read_event(), 30)
            assert answer is not None
            answers.append(answer)
        return answers


def test_it_tells_that_it_recognizes_intents(asked: Callable[..., list[Event]]) -> None:
    info = Info.from_event(asked(Describe())[0])
    assert [model.languages for model in info.intent[0].models] == [["en"]]
    assert not info.handle
    assert info.asr


@pytest.mark.parametrize("kind", [Recognize, Transcript])
def test_a_sentence_becomes_an_intent_with_its_slots(asked: Callable[..., list[Event]], kind: Any) -> None:
    """Home Assistant sends a transcript, the protocol's own word is recognize."""
    (answer,) = asked(kind(text="Switch on the living room light at twenty percent.", context={"id": "7"}))
    intent = Intent.from_event(answer)
    assert Intent.is_type(answer.type)
    assert intent.name == "TurnOn"
    assert {entity.name: entity.value for entity in intent.entities} == {"room": "lounge", "brightness": 20}
    assert intent.context == {"id": "7"}


def test_a_misheard_sentence_is_understood(asked: Callable[..., list[Event]]) -> None:
    (answer,) = asked(Recognize(text="turn on the kitchin light"))
    assert Intent.from_event(answer).entities[0].value == "kitchen"


@pytest.mark.parametrize("text", ["", "what is the time", "turn " * 10_000, "\x00"])
def test_what_is_no_sentence_is_not_recognized(asked: Callable[..., list[Event]], text: str) -> None:
    answers = asked(Recognize(text=text), Ping())
    assert NotRecognized.is_type(answers[0].type)
    assert Pong.is_type(answers[1].type)


def test_an_event_without_a_text_is_not_recognized(asked: Callable[..., list[Event]]) -> None:
    class Odd:
        def event(self) -> Event:
            return Event("recognize", {"text": 7, "context": "x"})

    assert NotRecognized.is_type(asked(Odd())[0].type)


def test_orders_are_carried_out_only_when_they_are_harmless(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARSHOT_HOME", str(folder / "home"))
    with serving(folder, acts=True, actions=folder / "actions.toml") as server:
        info, done, asks, unknown, nothing = asyncio.run(
            talk(
                server,
                Describe(),
                Recognize(text="touch the $(reboot) moon"),
                Transcript(text="wipe the slate"),
                Recognize(text="sing"),
                Recognize(text="turn on the kitchen light"),
            )
        )
    assert Info.from_event(info).handle
    assert Handled.is_type(done.type), done
    assert (folder / "$ reboot moon").exists()  # as the grammar hears it: a name, and no shell to read it
    assert NotHandled.is_type(asks.type)
    assert not (folder / "wiped").exists()
    assert NotHandled.is_type(unknown.type)
    assert NotHandled.is_type(nothing.type)  # nothing is to be done for it
    assert NotHandled.from_event(nothing).text


def test_nothing_is_recognized_unless_asked_for(tmp_path: Path) -> None:
    options = ServerOptions(port=0, engine="scripted", wyoming="tcp://127.0.0.1:0", data_folder=tmp_path)
    with running(options, {"scripted": ScriptedRecognizer()}) as server:
        described, answer = asyncio.run(unanswered(server))
    assert not Info.from_event(described).intent
    assert Pong.is_type(answer.type)


async def unanswered(server: Server) -> tuple[Event, Event]:
    """What comes first after a question that is none of the server's business, and a ping."""
    async with AsyncClient.from_uri(f"tcp://127.0.0.1:{server.wyoming_port}") as client:
        answers = []
        for events in ((Describe(),), (Recognize(text="touch the moon"), Ping())):
            for event in events:
                await client.write_event(event.event())
            answer = await asyncio.wait_for(client.read_event(), 30)
            assert answer is not None
            answers.append(answer)
        return answers[0], answers[1]


def test_a_wrong_grammar_is_told_before_anything_listens(tmp_path: Path) -> None:
    from earshot.server.runner import Server

    (tmp_path / "grammar.yaml").write_text(
        "language: en\nintents:\n  A:\n    data:\n      - sentences: ['(a']\n"
    )
    options = ServerOptions(
        port=0, wyoming="tcp://127.0.0.1:0", data_folder=tmp_path, grammar=tmp_path / "grammar.yaml"
    )
    with pytest.raises(GrammarError, match="never closed"):
        Server(options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grammar", "g"], "give --wyoming"),
        (["--wyoming-port", "0", "--act"], "needs --grammar"),
        (["--wyoming-port", "0", "--grammar", "g", "--actions", "a.toml"], "needs --act"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], message: str) -> None:
    assert_one_line_error(earshot("serve", *arguments), message, status=2)
