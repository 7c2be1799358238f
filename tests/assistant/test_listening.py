"""The whole of it from sound: what is said is done, asked about, or left alone."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from earshot.assistant import Grammar
from earshot.assistant.action_book import ActionBook
from earshot.assistant.actions.base import Surroundings
from earshot.assistant.dialogue import Dialogue
from earshot.assistant.listening import Ears, Listener
from earshot.assistant.performing import Performer
from earshot.assistant.playback import Player
from earshot.assistant.replies import DialogueOptions, Reply
from earshot.assistant.speaking import EspeakVoice, Mouth
from earshot.assistant.timers import Timers
from earshot.assistant.understanding import Understanding
from earshot.assistant.voices import identifier, keeper
from earshot.audio.capture import Notice
from earshot.commands import CommandStore, Embedder, Spotter, Teacher
from earshot.commands.teaching import load_classifier
from earshot.core.errors import DeviceError, SpeakerError
from earshot.core.types import Audio, Samples
from earshot.engines import EngineOptions, Recognizer, load_engine
from earshot.live import PacedSound
from earshot.speakers.encoder import SpeakerEncoder
from earshot.speakers.enrolment import describe_voice
from earshot.speakers.memory import SpeakerMemory
from tests.assistant.voices import made, player_of, spoken, tracing_program, with_pauses

SENTENCES = """
language: en
intents:
  Paint: {data: [{sentences: ["paint the kitchen [{colour}]"]}]}
  Forget: {data: [{sentences: ["forget everything now"]}]}
lists:
  colour: {values: [red, green, yellow]}
"""

ACTIONS = """
[actions.Paint]
do = "program.run"
argv = ["PROGRAM", "{colour}"]
risk = "low"
ask.colour = "Which colour?"
[actions.Forget]
do = "program.run"
argv = ["PROGRAM", "forgotten"]
destructive = true
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Recognizer]:
    loaded = load_engine("moonshine", EngineOptions(num_threads=1))
    yield loaded
    loaded.close()


class Room:
    """Sound that is made while we listen, as of a microphone: what is put in comes out."""

    name = "the room"
    is_live = True
    is_microphone = False
    num_overruns = 0

    def __init__(self) -> None:
        self.notices: deque[Notice] = deque()
        self._blocks: queue.Queue[Samples | None] = queue.Queue()

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def put(self, samples: Samples) -> None:
        for start in range(0, len(samples), 800):
            self._blocks.put(samples[start : start + 800])

    def stop(self) -> None:
        self._blocks.put(None)

    def __iter__(self) -> Iterator[Samples]:
        while (block := self._blocks.get()) is not None:
            yield block


class House:
    """An assistant with all its parts, in a folder of its own."""

    def __init__(self, folder: Path, engine: Recognizer | None, sentences: str = SENTENCES) -> None:
        self.folder = folder
        self.replies: list[Reply] = []
        self.notices: list[Notice] = []
        self.timers = Timers(folder / "timers.json")
        actions = folder / "actions.toml"
        actions.write_text(ACTIONS.replace("PROGRAM", str(tracing_program(folder))))
        self.surroundings = Surroundings(None, None, lambda _: None, lambda: (), folder, dict(os.environ))
        self.understanding = Understanding(Grammar.from_text(sentences), engine)
        self.book = ActionBook.load(actions)
        self.performer = Performer(self.book, self.surroundings)
        self.mouth = Mouth(None, None)

    def listener(
        self, source: PacedSound | Room, *, is_open: bool = True, ears: Ears | None = None
    ) -> Listener:
        dialogue = Dialogue(
            self.performer, self.understanding.grammar, options=DialogueOptions(is_open=is_open)
        )
        return Listener(
            source, ears or Ears(self.understanding), dialogue, self.tell, mouth=self.mouth, timers=self.timers
        )

    def tell(self, what: Reply | Notice) -> None:
        if isinstance(what, Reply):
            self.replies.append(what)
        else:
            self.notices.append(what)

    def hears(self, *clips: Samples, is_open: bool = True, ears: Ears | None = None) -> list[str]:
        """Played as fast as it goes. Returns the kinds of replies."""
        sound = PacedSound(with_pauses(*clips), speed=float("inf"))
        self.listener(sound, is_open=is_open, ears=ears).run()
        return [reply.kind for reply in self.replies]

    @property
    def made(self) -> list[str]:
        return made(self.folder)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_what_is_said_is_done(tmp_path: Path, engine: Recognizer) -> None:
    house = House(tmp_path, engine)
    assert house.hears(spoken("paint the kitchen yellow")) == ["heard", "done"]
    assert house.made == ["yellow"]


def test_a_question_is_answered_by_voice(tmp_path: Path, engine: Recognizer) -> None:
    house = House(tmp_path, engine)
    kinds = house.hears(
        spoken("paint the kitchen"), spoken("yellow"), spoken("forget everything now"), spoken("yes")
    )
    assert kinds == ["heard", "question", "heard", "done", "heard", "question", "heard", "done"]
    assert house.made == ["forgotten", "yellow"]


def test_no_and_silence_leave_it_undone(tmp_path: Path, engine: Recognizer) -> None:
    house = House(tmp_path, engine)
    kinds = house.hears(spoken("forget everything now"), spoken("no"), spoken("forget everything now"))
    assert kinds == ["heard", "question", "heard", "cancelled", "heard", "question", "cancelled"]
    assert house.made == []


def test_other_speech_is_left_alone(tmp_path: Path, engine: Recognizer, sample: object) -> None:
    house = House(tmp_path, engine)
    samples = sample.samples[:80_000]  # type: ignore[attr-defined]
    assert set(house.hears(samples)) == {"ignored"}
    assert house.made == []


def test_asleep_nothing_is_recognized(tmp_path: Path, engine: Recognizer) -> None:
    house = House(tmp_path, engine)
    assert house.hears(spoken("paint the kitchen yellow"), is_open=False) == []
    assert house.made == []


def test_a_key_held_down_counts_from_a_moment_before_until_it_is_let_go(
    tmp_path: Path, engine: Recognizer
) -> None:
    house, room = House(tmp_path, engine), Room()
    listener = house.listener(room, is_open=False)
    thread = threading.Thread(target=listener.run)
    thread.start()
    order = with_pauses(spoken("paint the kitchen green"), pause=0.2)[4000:]
    room.put(order[:4000])
    until(lambda: room._blocks.empty())
    listener.ask(lambda on: on.push()).result(30)
    room.put(order[4000:])
    until(lambda: room._blocks.empty())
    listener.ask(lambda on: on.release()).result(30)
    until(lambda: house.made)
    listener.stop()
    thread.join(30)
    assert house.made == ["green"]
    assert [reply.kind for reply in house.replies] == ["listening", "heard", "done"]


def test_its_own_voice_is_not_obeyed_unless_a_key_interrupts(tmp_path: Path, engine: Recognizer) -> None:
    house, room = House(tmp_path, engine), Room()
    house.mouth = Mouth(Player(player_of(tmp_path, 60)), EspeakVoice("en"))
    listener = house.listener(room)
    thread = threading.Thread(target=listener.run)
    thread.start()
    house.mouth.say("paint the kitchen red")
    until(lambda: house.mouth.echo_until > time.monotonic())
    room.put(with_pauses(spoken("paint the kitchen red")))
    until(lambda: room._blocks.empty())
    listener.ask(lambda on: None).result(30)
    assert house.replies == []
    listener.ask(lambda on: on.push()).result(30)
    room.put(with_pauses(spoken("paint the kitchen green")))
    until(lambda: house.made)
    listener.stop()
    thread.join(30)
    house.mouth.close()
    assert house.made == ["green"]


def test_timers_ring_aloud_and_late_ones_say_since_when(tmp_path: Path, engine: Recognizer) -> None:
    house = House(tmp_path, engine)
    past = datetime.now(UTC) - timedelta(hours=2)
    Timers(tmp_path / "timers.json", clock=lambda: past).add(600, "tea")
    assert house.hears() == ["timer"]
    assert house.replies[0].is_spoken
    assert "tea was over at" in house.replies[0].text


def test_the_microphone_breaks_off(tmp_path: Path, engine: Recognizer) -> None:
    class Broken(Room):
        def __iter__(self) -> Iterator[Samples]:
            yield np.zeros(800, np.float32)
            raise DeviceError("the room was unplugged")

    with pytest.raises(DeviceError, match="unplugged"):
        House(tmp_path, engine).listener(Broken()).run()


# --- taught sounds ---

_MANNERS = ((150, 50), (140, 45), (165, 58))


def taught(folder: Path, labels: Sequence[str], voice: str) -> Callable[[], Spotter]:
    store, embedder = CommandStore(folder / "commands"), Embedder(num_threads=1)
    for label in labels:
        takes = [
            (f"take {pitch}", with_pauses(spoken(label, voice=voice, speed=speed, pitch=pitch), pause=0.3))
            for speed, pitch in _MANNERS
        ]
        Teacher(store, embedder).teach(label, takes)
    classifier = load_classifier(store, embedder)
    return lambda: Spotter(classifier, embedder)


def test_a_wake_phrase_wakes_it(tmp_path: Path, engine: Recognizer) -> None:
    house = House(tmp_path, engine)
    ears = Ears(house.understanding, taught(tmp_path, ["computer"], "en-us"), ["computer"])
    order, wake = spoken("paint the kitchen red"), spoken("computer", speed=155, pitch=52)
    assert house.hears(order, is_open=False, ears=ears) == []
    assert house.hears(wake, order, is_open=False, ears=ears) == ["listening", "heard", "done"]
    assert house.made == ["red"]


def test_a_taught_sound_is_an_order_in_a_language_that_no_engine_knows(tmp_path: Path) -> None:
    sentences = "language: sw\nintents:\n  Forget: {data: [{sentences: ['futa kumbukumbu']}]}\n"
    house = House(tmp_path, None, sentences)
    ears = Ears(house.understanding, taught(tmp_path, ["futa kumbukumbu"], "sw"))
    kinds = house.hears(spoken("futa kumbukumbu", voice="sw", speed=155, pitch=52), ears=ears)
    assert kinds[:2] == ["heard", "question"]


def test_only_a_known_voice_is_obeyed(
    tmp_path: Path, engine: Recognizer, voices: SpeakerEncoder, sample: Audio
) -> None:
    memory = SpeakerMemory(tmp_path / "speakers.sqlite")
    memory.enrol("Ann", [describe_voice("ann.wav", [sample.samples], [voices])])
    identify = identifier(["ann"], memory)
    assert identify(sample.samples[48_000:112_000]) == "Ann"
    house = House(tmp_path, engine)
    house.performer = Performer(house.book, house.surroundings, allowed_speakers={"Ann"})
    ears = Ears(house.understanding, identify=identify)
    assert house.hears(spoken("paint the kitchen red"), ears=ears) == ["heard", "refused"]
    assert house.made == []
    with pytest.raises(SpeakerError, match="Bob"):
        identifier(["Bob"], memory)


def test_a_full_disk_keeps_no_sound_and_stops_nothing(tmp_path: Path, engine: Recognizer) -> None:
    (tmp_path / "audio").write_text("no folder")
    house = House(tmp_path, engine)
    ears = Ears(house.understanding, keep=keeper(tmp_path / "audio"))
    assert house.hears(spoken("paint the kitchen red"), ears=ears) == ["heard", "done"]
    assert len(house.notices) == 1


def test_damaged_timers_are_told_once_and_stop_nothing(tmp_path: Path, engine: Recognizer) -> None:
    (tmp_path / "timers.json").write_text("oh")
    house = House(tmp_path, engine)
    assert house.hears(spoken("paint the kitchen red")) == ["heard", "done"]
    assert len(house.notices) == 1
