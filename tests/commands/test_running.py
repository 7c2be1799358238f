"""Commands in the midst of speech, wake words, and what is learned of events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earshot.commands import CommandStore, Embedder, Spotter, Teacher
from earshot.commands.discriminant import fit
from earshot.commands.gate import WakeGate, wake_words
from earshot.commands.heard import MAX_HEARD, HeardLog
from earshot.commands.loading import load_spotters, load_words, net_folder, shipped_nets, words_of
from earshot.commands.running import (
    RunningBackground,
    RunningClassifier,
    in_context,
    load_running_background,
)
from earshot.commands.windows import WindowCutter
from earshot.core.errors import CommandError, ModelError
from earshot.core.types import Samples
from earshot.live.sources import PacedSound
from earshot.live.waking import GatedSource
from tests.commands.conftest import FIRST, SECOND, piece, stream, takes


def in_a_sentence() -> tuple[Samples, float]:
    """FIRST with other speech right before and after it, and the second at which it ends."""
    before, after = piece(0.0, 2.0), piece(10.0, 12.0)
    return np.concatenate([before, piece(*FIRST), after]), 2.0 + FIRST[1] - FIRST[0]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> CommandStore:
    store = CommandStore(tmp_path_factory.mktemp("taught") / "commands")
    teacher = Teacher(store, embedder)
    teacher.teach("first", takes(FIRST))
    teacher.teach("second", takes(SECOND))
    return store


def heard(spotter: Spotter | WakeGate, samples: Samples, size: int = 1_600) -> list[tuple[str, float]]:
    events = []
    for start in range(0, len(samples), size):
        events += spotter.accept(samples[start : start + size])
    return [(event.label, event.time) for event in events]


def test_a_command_is_heard_within_a_sentence_where_that_is_asked_for(
    taught: CommandStore, embedder: Embedder
) -> None:
    sound, end = in_a_sentence()
    assert heard(load_spotters(taught, embedder)(), sound) == []
    ((label, time),) = heard(load_spotters(taught, embedder, is_running=True)(), sound)
    assert label == "first"
    assert end - 0.5 < time < end + 0.4


@pytest.mark.slow
@pytest.mark.parametrize("size", [333, 100_000])
def test_what_is_heard_in_running_speech_does_not_depend_on_block_sizes(
    taught: CommandStore, embedder: Embedder, size: int
) -> None:
    new_spotter = load_spotters(taught, embedder, is_running=True)
    sound = np.concatenate([in_a_sentence()[0], stream(SECOND, FIRST)])
    assert heard(new_spotter(), sound, size) == heard(new_spotter(), sound)


def test_only_what_is_named_is_heard(taught: CommandStore, embedder: Embedder) -> None:
    spotter = load_spotters(taught, embedder, names=["second"])()
    assert [label for label, _ in heard(spotter, stream(FIRST, SECOND))] == ["second"]
    with pytest.raises(CommandError, match="no command"):
        load_spotters(taught, embedder, names=["third"])
    with pytest.raises(CommandError, match="nothing is taught"):
        load_spotters(CommandStore(taught.root.parent / "none"), embedder)


def test_a_wake_word_opens_the_gate_and_another_command_does_not(
    taught: CommandStore, embedder: Embedder
) -> None:
    gate = WakeGate(taught, ["FIRST"], embedder=embedder)
    assert gate.names == ("first",)
    assert heard(gate, stream(SECOND)) == []
    gate.reset()
    assert [label for label, _ in heard(gate, in_a_sentence()[0])] == ["first"]


def test_two_wake_words_ship_and_one_that_nobody_knows_is_refused(store: CommandStore) -> None:
    gate = WakeGate(store, ["Jarvis", "jarvis"])
    assert gate.names == ("jarvis",)
    assert heard(gate, stream(FIRST, SECOND)) == []
    with pytest.raises(CommandError, match="'jarvi'") as refusal:
        WakeGate(store, ["jarvi"])
    assert "computer, jarvis" in str(refusal.value)


def test_the_words_of_a_net_are_told_by_its_card_alone(store: CommandStore, tmp_path: Path) -> None:
    for name in shipped_nets():
        assert words_of(net_folder(name)) == load_words(net_folder(name)).labels
    (tmp_path / "card.json").write_text(
        '{"labels": ["go", "_silence_", "unknown"], "front_end": "log-mel", "sha256": ""}'
    )
    assert wake_words(store, [str(tmp_path)]) == ([], {tmp_path: ("go",)})
    with pytest.raises(ModelError, match="cannot be read"):
        WakeGate(store, [str(tmp_path)])


def test_what_follows_a_wake_word_goes_through_until_a_pause(taught: CommandStore, embedder: Embedder) -> None:
    quiet = np.zeros(16_000, np.float32)
    order = piece(10.0, 12.0)
    sound = np.concatenate([piece(0.0, 2.0), stream(FIRST), order, *[quiet] * 5, piece(14.0, 16.0), quiet])
    gate = WakeGate(taught, ["first"], embedder=embedder)
    with GatedSource(PacedSound(sound, speed=np.inf), gate, patience=3.0, pause=1.0) as source:
        passed = np.concatenate(list(source))
    assert source.num_wakes == 1
    assert [notice.kind for notice in source.notices] == ["awake"]
    # The order with the pauses around it; neither what came before the word nor what came after the pause.
    assert len(order) < len(passed) < len(order) + 5 * 16_000
    kept = np.correlate(passed, order[8_000:9_000], "valid").max()
    assert kept > 0.9 * float(np.sum(np.square(order[8_000:9_000])))


@pytest.mark.slow
def test_a_line_is_learned_once_and_again_when_recordings_come(
    teacher: Teacher, store: CommandStore, embedder: Embedder
) -> None:
    teacher.teach("first", takes(FIRST))
    load_spotters(store, embedder, is_running=True)
    path = store.line_path(store.find("first"))
    before = path.read_bytes()
    load_spotters(store, embedder, is_running=True)
    assert path.read_bytes() == before
    path.write_bytes(before[:100])
    load_spotters(store, embedder, is_running=True)
    assert path.read_bytes() == before
    teacher.teach("first", takes(FIRST, 1), is_added=True)
    load_spotters(store, embedder, is_running=True)
    assert path.read_bytes() != before
    store.forget("first")
    assert not path.parent.exists()


@pytest.mark.slow
def test_what_was_rejected_in_a_sentence_is_not_heard_again(
    teacher: Teacher, store: CommandStore, embedder: Embedder
) -> None:
    teacher.teach("first", takes(FIRST))
    (event,) = load_spotters(store, embedder, is_running=True)().accept(in_a_sentence()[0])
    teacher.learn("first", event.sound, "rejected")
    again = load_spotters(store, embedder, is_running=True)().accept(in_a_sentence()[0])
    assert [one for one in again if abs(one.time - event.time) < 0.05] == []


def test_windows_slide_over_speech_alone() -> None:
    windows = WindowCutter([0.48, 1.056]).accept(
        np.concatenate([np.zeros(32_000, np.float32), piece(0.0, 3.0)])
    )
    assert {window.width for window in windows} == {0.48, 1.056}
    assert all(len(window.samples) == round(16_000 * (window.width or 0) / 512) * 512 for window in windows)
    assert min(window.end for window in windows) > 32_000
    assert WindowCutter([0.48]).accept(np.zeros(160_000, np.float32)) == []


def test_a_word_is_set_in_other_sound() -> None:
    clips = [samples for _, samples in takes(SECOND)]
    windows = in_context(clips, 0.704)
    assert len(windows) == 24
    assert {len(window) for window in windows} == {round(0.704 * 16_000)}
    assert all(np.isfinite(window).all() and window.any() for window in windows)
    assert len(in_context([clips[0]] * 30, 0.704)) == 60


def test_the_background_that_ships(tmp_path: Path) -> None:
    background: RunningBackground = load_running_background()
    assert len(background.widths) == len(background.vectors) == len(background.rates)
    assert background.widths[background.nearest(0.7)] == pytest.approx(0.704)
    for vectors in background.vectors:
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    (tmp_path / "running.npz").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read"):
        load_running_background(tmp_path / "running.npz")


def test_a_background_of_other_windows_is_refused() -> None:
    nothing: list[np.ndarray] = [np.zeros((1, 1), np.float32)] * 2
    own = RunningBackground("own", (0.5, 1.0), tuple(nothing), (1.0, 1.0))
    RunningClassifier([], [], (0.5, 1.0), own=own)
    with pytest.raises(CommandError, match=r"another version.*--background"):
        RunningClassifier([], [], (0.5, 1.1), own=own)


def test_a_line_parts_two_kinds() -> None:
    rng = np.random.default_rng(0)
    here = (rng.standard_normal((50, 8)) + 2).astype(np.float32)
    there = rng.standard_normal((500, 8)).astype(np.float32)
    line = fit(here, there, ridge=1.0, balance=0.1)
    assert (line.logits(here) > 0).mean() > 0.9
    assert (line.logits(there) < 0).mean() > 0.98
    # Many times over, what lies far apart on a line still has a finite answer.
    apart = fit(here + 50, there - 50, ridge=1.0, balance=0.1)
    assert np.isfinite(apart.weights).all()
    assert apart.logits(here + 50).min() > apart.logits(there - 50).max()


def test_events_are_kept_for_a_while_and_forgotten_with_their_command(
    taught: CommandStore, embedder: Embedder, tmp_path: Path
) -> None:
    (event,) = load_spotters(taught, embedder)().accept(stream(FIRST))
    log = HeardLog(CommandStore(tmp_path / "commands"))
    for _ in range(MAX_HEARD + 2):
        log.add(event)
    kept = log.events()
    assert [one.number for one in kept] == list(range(3, MAX_HEARD + 3))
    found, samples = log.find(MAX_HEARD + 2)
    assert found.label == "first"
    assert np.abs(samples - event.sound).max() < 1e-3
    with pytest.raises(CommandError, match="event 1 is not kept"):
        log.find(1)
    log.forget("First")
    assert log.events() == []


def test_a_command_is_told_once_though_it_is_heard_in_two_ways(
    taught: CommandStore, embedder: Embedder
) -> None:
    new_spotter = load_spotters(taught, embedder, is_running=True)
    assert [label for label, _ in heard(new_spotter(), stream(FIRST))] == ["first"]
    assert [label for label, _ in heard(new_spotter(), stream(FIRST, FIRST))] == ["first", "first"]
