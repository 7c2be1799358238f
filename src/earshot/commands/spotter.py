"""Commands in a stream: what stands between two pauses is looked at, and if asked for also running speech."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Protocol

from earshot.commands.classifier import LONGEST, SHORTEST, CommandClassifier
from earshot.commands.embedding import Embedder
from earshot.commands.looks import Look, PauseCutter
from earshot.commands.running import RunningClassifier
from earshot.commands.trimming import trim
from earshot.commands.windows import WindowCutter
from earshot.core.types import SAMPLE_RATE, Samples


@dataclass(frozen=True, slots=True)
class Spotted:
    """A command was said. time: seconds from the stream's start to 0.1 s after its end.

    confidence: in [0.5, 1]; 0.5 is at the threshold of the false alarms that were allowed.
    sound: what was heard, float32 (n,) at 16 kHz: ``Teacher.learn`` takes it when the user says how it was.
    """

    time: float
    label: str
    confidence: float
    sound: Samples = field(repr=False, compare=False)


class Cutter(Protocol):
    """Finds what is worth a look in one stream."""

    def accept(self, samples: Samples) -> list[Look]: ...  # noqa: D102

    def finish(self) -> list[Look]: ...  # noqa: D102


class Ears(Protocol):
    """One way to hear commands in one stream. num_looks: how much was looked at."""

    num_looks: int

    @property
    def cutter(self) -> Cutter: ...  # noqa: D102

    def judge(self, looks: list[Look]) -> Spotted | None:
        """The command that ends where these looks end, None for none."""
        ...


class Spotter:
    """One stream at 16 kHz. What is spotted, and when, does not depend on the sizes of the blocks.

    classifier: of what stands between pauses; None for nothing. running: of what is said in running speech;
    None for nothing. nets: the ears of trained nets. refractory: seconds after an event in which nothing is
    spotted.
    """

    def __init__(
        self,
        classifier: CommandClassifier | None = None,
        embedder: Embedder | None = None,
        *,
        running: RunningClassifier | None = None,
        nets: Iterable[Ears] = (),
        refractory: float = 0.6,
    ) -> None:
        self._refractory = round(refractory * SAMPLE_RATE)
        self._ears: list[Ears] = list(nets)
        if classifier is not None or running is not None:
            embedder = embedder or Embedder(num_threads=1)
            if classifier is not None:
                self._ears.append(_PauseEars(classifier, embedder))
            if running is not None:
                self._ears.append(_RunningEars(running, embedder))
        self._quiet_until = 0
        self._last = ("", 0)
        self._num_samples = 0

    @property
    def num_looks(self) -> int:
        """How often the encoder was asked."""
        return sum(ears.num_looks for ears in self._ears)

    def accept(self, samples: Samples) -> list[Spotted]:
        """Take float32 (n,), any n. Returns what was spotted in it, in order."""
        self._num_samples += len(samples)
        return self._spot([(ears, ears.cutter.accept(samples)) for ears in self._ears])

    def finish(self) -> list[Spotted]:
        """No more comes: what the last moment holds. Use the spotter no more."""
        end = self._num_samples / SAMPLE_RATE
        found = self._spot([(ears, ears.cutter.finish()) for ears in self._ears])
        return [replace(event, time=min(event.time, end)) for event in found]

    def _spot(self, heard: Iterable[tuple[Ears, list[Look]]]) -> list[Spotted]:
        places = [
            (end, rank, ears, list(looks))
            for rank, (ears, all_looks) in enumerate(heard)
            for end, looks in groupby(all_looks, key=lambda look: look.end)
        ]
        events: list[Spotted] = []
        for end, _, ears, looks in sorted(places, key=lambda place: place[:2]):
            if end < self._quiet_until:
                continue
            event = ears.judge(looks)
            if event is None:
                continue
            # Within running speech a long command may be told before all of it was said.
            label, told = self._last
            if event.label == label and end - len(event.sound) < told:
                continue
            self._quiet_until, self._last = end + self._refractory, (event.label, end)
            events.append(event)
        return events


class _PauseEars:
    """Hears commands that are said by themselves."""

    def __init__(self, classifier: CommandClassifier, embedder: Embedder) -> None:
        self._classifier = classifier
        self._embedder = embedder
        examples = [example for command in classifier.commands for example in command.positives]
        durations = [command.duration for command in classifier.commands] or [1.0]
        self._least, self._most = SHORTEST * min(durations), LONGEST * max(durations)
        self.cutter = PauseCutter(
            # The cutter's frames are coarse; the sound within is measured below.
            0.5 * self._least,
            self._most,
            hears_noises=any(not example.is_speech for example in examples),
        )
        self.num_looks = 0

    def judge(self, looks: list[Look]) -> Spotted | None:
        """The first of stretches with one end that is a command."""
        for look in looks:
            sound = trim(look.samples)
            duration = len(sound) / SAMPLE_RATE
            if not self._least <= duration <= self._most:
                continue
            self.num_looks += 1
            decision = self._classifier.decide(self._embedder.embed([sound])[0], duration)
            if decision.label is not None:
                return Spotted(look.end / SAMPLE_RATE, decision.label, decision.confidence, sound)
        return None


class _RunningEars:
    """Hears commands within running speech."""

    def __init__(self, classifier: RunningClassifier, embedder: Embedder) -> None:
        self._classifier = classifier
        self._embedder = embedder
        self.cutter = WindowCutter(classifier.widths)
        self.num_looks = 0

    def judge(self, looks: list[Look]) -> Spotted | None:
        """Windows of all widths with one end."""
        self.num_looks += len(looks)
        vectors = self._embedder.embed([look.samples for look in looks])
        decision = self._classifier.decide(
            {look.width: vector for look, vector in zip(looks, vectors, strict=True) if look.width is not None}
        )
        if decision is None:
            return None
        label, confidence, width = decision
        window = next(look for look in looks if look.width == width)
        return Spotted(window.end / SAMPLE_RATE, label, confidence, trim(window.samples))
