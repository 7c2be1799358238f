from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from earshot.commands import CommandClassifier, CommandStore, Embedder, Spotted, Spotter, Teacher
from earshot.commands.teaching import load_classifier
from earshot.core.types import Samples
from tests.commands.conftest import FIRST, SECOND, THIRD, piece, stream, takes


@pytest.fixture
def classifier(teacher: Teacher, store: CommandStore, embedder: Embedder) -> CommandClassifier:
    teacher.teach("first", takes(FIRST))
    teacher.teach("second", takes(SECOND))
    return load_classifier(store, embedder)


def spotted(spotter: Spotter, samples: Samples, size: int) -> list[Spotted]:
    events = []
    for start in range(0, len(samples), size):
        events += spotter.accept(samples[start : start + size])
    return events + spotter.finish()


def test_commands_are_heard_in_order_and_other_speech_is_not(
    classifier: CommandClassifier, embedder: Embedder
) -> None:
    sound = stream(FIRST, THIRD, SECOND, FIRST)
    events = spotted(Spotter(classifier, embedder), sound, 1_600)
    assert [event.label for event in events] == ["first", "second", "first"]
    ends, position = [], 1.0
    for phrase in (FIRST, THIRD, SECOND, FIRST):
        position += phrase[1] - phrase[0]
        ends.append(position)
        position += 1.0
    for event, end in zip(events, [ends[0], *ends[2:]], strict=True):
        assert end - 0.3 < event.time < end + 0.2
        assert 0.5 <= event.confidence <= 1


@pytest.mark.parametrize("size", [160, 777, 100_000])
def test_events_do_not_depend_on_block_sizes(
    classifier: CommandClassifier, embedder: Embedder, size: int
) -> None:
    sound = stream(FIRST, SECOND)
    assert spotted(Spotter(classifier, embedder), sound, size) == spotted(
        Spotter(classifier, embedder), sound, 512
    )


def test_a_clip_of_the_command_alone_is_spotted_at_its_end(
    classifier: CommandClassifier, embedder: Embedder
) -> None:
    sound = piece(*SECOND)
    (event,) = spotted(Spotter(classifier, embedder), sound, 4_000)
    assert event.label == "second"
    assert event.time <= len(sound) / 16_000


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(160_000, np.float32),
        (1e-3 * np.random.default_rng(0).standard_normal(160_000)).astype(np.float32),
        np.full(16_000, np.nan, np.float32),
        np.empty(0, np.float32),
    ],
)
def test_without_speech_the_encoder_is_not_asked(
    classifier: CommandClassifier, embedder: Embedder, sound: Samples
) -> None:
    spotter = Spotter(classifier, embedder)
    assert spotted(spotter, sound, 1_600) == []
    assert spotter.num_looks == 0


def test_within_the_refractory_time_a_command_is_heard_once(
    classifier: CommandClassifier, embedder: Embedder
) -> None:
    events = spotted(Spotter(classifier, embedder, refractory=5.0), stream(FIRST, FIRST), 1_600)
    assert len(events) == 1


def test_what_was_heard_can_be_learned(
    classifier: CommandClassifier, teacher: Teacher, store: CommandStore, embedder: Embedder
) -> None:
    (event,) = spotted(Spotter(classifier, embedder), stream(FIRST), 1_600)
    teacher.learn(event.label, event.sound)
    assert len(store.find("first").positives) == 4


def test_a_sound_that_is_no_speech_is_spotted(
    teacher: Teacher, store: CommandStore, embedder: Embedder
) -> None:
    beep = 0.3 * np.sin(2 * np.pi * 1_000 * np.arange(6_400) / 16_000).astype(np.float32)
    noise = np.random.default_rng(0)
    lessons = [
        (f"beep {n}", np.pad(beep * level, 4_800) + 1e-3 * noise.standard_normal(16_000).astype(np.float32))
        for n, level in enumerate((1.0, 0.8, 0.6))
    ]
    teacher.teach("beep", lessons)
    sound = np.concatenate([np.zeros(32_000, np.float32), beep * 0.7, np.zeros(16_000, np.float32)])
    sound += 1e-3 * noise.standard_normal(len(sound)).astype(np.float32)
    events = spotted(Spotter(load_classifier(store, embedder), embedder), sound, 1_600)
    assert [event.label for event in events] == ["beep"]


def test_it_works_without_torch() -> None:
    code = "import sys; from earshot.commands import Embedder; Embedder(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
