"""From the end of speech to the start of what is done: real orders played in real time to the whole assistant.

The part ``latency`` of ``benchmarks/assistant.py``. The action is a program that writes down when it runs. When
speech ends is told by forced alignment of what was said, which has no part in the assistant.
"""

from __future__ import annotations

import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earshot.assistant import Grammar
from earshot.assistant.action_book import ActionBook
from earshot.assistant.actions.base import Surroundings
from earshot.assistant.dialogue import Dialogue
from earshot.assistant.hearing import OPTIONS
from earshot.assistant.listening import Ears, Listener
from earshot.assistant.performing import Performer
from earshot.assistant.replies import DialogueOptions, Expectation, Reply
from earshot.assistant.speaking import Mouth
from earshot.assistant.understanding import Understanding
from earshot.audio.decode import read_audio
from earshot.commands import CommandStore, Embedder, Spotter, Teacher
from earshot.commands.teaching import load_classifier
from earshot.core.types import SAMPLE_RATE, Audio, Samples
from earshot.engines import EngineOptions, load_engine
from earshot.engines.alignment import find_aligner
from earshot.live.sources import PacedSound

_AFTER = 1.6
"""Seconds of silence that are played after the last word."""

_ACTIONS = """
[actions.orderDrink]
do = "program.run"
argv = ["{program}", "{drink}"]
risk = "low"
"""


class _TimedSound(PacedSound):
    """Knows when it began, by the clock of the day."""

    begun = 0.0

    def __iter__(self) -> Iterator[Samples]:
        self.begun = time.time()
        yield from super().__iter__()


@dataclass(frozen=True, slots=True)
class Played:
    """One order. delay: seconds from the end of speech to the program, None where it never ran."""

    delay: float | None
    replies: tuple[Reply, ...]


def measure(grammar: Path, recordings: Sequence[Path]) -> list[Played]:
    """Play recordings of one order each, one after the other, and print a line for each."""
    engine = load_engine("moonshine", EngineOptions(num_threads=1))
    understanding = Understanding(Grammar.load(grammar), engine)
    aligner = find_aligner("en")
    assert aligner is not None, "forced alignment of English is installed with Earshot"
    played = []
    with tempfile.TemporaryDirectory() as name:
        book, noted = _actions(Path(name))
        for path in recordings:
            samples = read_audio(path).samples
            said = understanding.hear(samples, Expectation())
            words = aligner.align(Audio(samples), said.text or said.open_text)
            end = words[-1].end or 0.0
            noted.unlink(missing_ok=True)
            source = _TimedSound(samples[: round((end + _AFTER) * SAMPLE_RATE)])
            replies = _run(source, understanding, book, Path(name))
            times = noted.read_text().split() if noted.exists() else []
            delay = float(times[-1]) - source.begun - end if times else None
            shown = f"{delay:.3f} s" if delay is not None else "not done"
            parts = f" in {len(times)} parts" if len(times) > 1 else ""
            print(f"  {shown}{parts}: {said.text}", flush=True)
            played.append(Played(delay, tuple(replies)))
    return played


def tell(played: Sequence[Played]) -> None:
    """Percentiles."""
    delays = [one.delay for one in played if one.delay is not None]
    low, high = statistics.median(delays), float(np.percentile(delays, 95))
    print(
        f"end of speech → action started: p50 {1000 * low:.0f} ms, p95 {1000 * high:.0f} ms"
        f" ({len(delays)} of {len(played)} orders done; silence waited for:"
        f" {1000 * OPTIONS.min_silence:.0f} to {1000 * OPTIONS.max_silence:.0f} ms)"
    )


def waiting(grammar: Path, speech: Path) -> None:
    """Share of one core while it is asleep in quiet and in speech, and while it listens to everything."""
    engine = load_engine("moonshine", EngineOptions(num_threads=1))
    understanding = Understanding(Grammar.load(grammar), engine)
    quiet = np.random.default_rng(1).normal(0, 1e-3, 60 * SAMPLE_RATE).astype(np.float32)
    reading = np.concatenate(
        [
            read_audio(path).samples
            for path in sorted((speech / "librispeech").rglob("*"))
            if path.suffix in (".opus", ".flac", ".wav")
        ][:6]
    )
    with tempfile.TemporaryDirectory() as name:
        store, embedder = CommandStore(Path(name) / "commands"), Embedder(num_threads=1)
        clips = [
            read_audio(path).samples for path in sorted((speech / "wake_words" / "computer").iterdir())[:3]
        ]
        Teacher(store, embedder).teach("computer", [(str(n), clip) for n, clip in enumerate(clips)])
        classifier = load_classifier(store, embedder)
        for what, sound in (("quiet", quiet), ("speech", reading)):
            for how, spotted, is_open in (
                ("asleep, key alone", None, False),
                ("asleep, wake phrase", lambda: Spotter(classifier, embedder), False),
                ("open microphone", None, True),
            ):
                ears = Ears(understanding, spotted, ["computer"])
                book, _ = _actions(Path(name))
                begun = time.process_time()
                source = PacedSound(sound, speed=math.inf)
                _run(source, understanding, book, Path(name), ears=ears, is_open=is_open)
                share = (time.process_time() - begun) / (len(sound) / SAMPLE_RATE)
                print(f"{what}, {how}: {100 * share:.2f} % of a core", flush=True)


def _actions(folder: Path) -> tuple[ActionBook, Path]:
    program, noted = folder / "note-time", folder / "times"
    program.write_text(f'#!/bin/sh\ndate +%s.%N >> "{noted}"\n')
    program.chmod(0o755)
    actions = folder / "actions.toml"
    actions.write_text(_ACTIONS.replace("{program}", str(program)).replace("{drink}", "{coffeeDrink}"))
    return ActionBook.load(actions), noted


def _run(
    source: PacedSound,
    understanding: Understanding,
    book: ActionBook,
    home: Path,
    *,
    ears: Ears | None = None,
    is_open: bool = True,
) -> list[Reply]:
    replies: list[Reply] = []
    surroundings = Surroundings(None, None, lambda _: None, lambda: (), home, dict(os.environ))
    dialogue = Dialogue(
        Performer(book, surroundings), understanding.grammar, options=DialogueOptions(is_open=is_open)
    )
    mouth = Mouth(None, None)
    listener = Listener(
        source,
        ears or Ears(understanding),
        dialogue,
        lambda reply: replies.append(reply) if isinstance(reply, Reply) else None,
        mouth=mouth,
    )
    listener.run()
    mouth.close()
    return replies
