"""Commands in a stream: what stands between two pauses is looked at, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from earshot.commands.classifier import LONGEST, SHORTEST, CommandClassifier
from earshot.commands.embedding import Embedder
from earshot.commands.looks import Look, PauseCutter
from earshot.commands.trimming import trim
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


class Spotter:
    """One stream at 16 kHz. What is spotted, and when, does not depend on the sizes of the blocks.

    refractory: seconds after an event in which nothing is spotted.
    """

    def __init__(self, classifier: CommandClassifier, embedder: Embedder, *, refractory: float = 0.6) -> None:
        self._classifier = classifier
        self._embedder = embedder
        self._refractory = round(refractory * SAMPLE_RATE)
        examples = [example for command in classifier.commands for example in command.positives]
        durations = [command.duration for command in classifier.commands] or [1.0]
        self._least, self._most = SHORTEST * min(durations), LONGEST * max(durations)
        self._cutter = PauseCutter(
            # The cutter's frames are coarse; the sound within is measured below.
            0.5 * self._least,
            self._most,
            hears_noises=any(not example.is_speech for example in examples),
        )
        self._quiet_until = 0
        self._num_samples = 0
        self.num_looks = 0
        """How often the encoder was asked."""

    def accept(self, samples: Samples) -> list[Spotted]:
        """Take float32 (n,), any n. Returns what was spotted in it, in order."""
        self._num_samples += len(samples)
        return self._spot(self._cutter.accept(samples))

    def finish(self) -> list[Spotted]:
        """No more comes: what the last moment holds. Use the spotter no more."""
        end = self._num_samples / SAMPLE_RATE
        return [replace(event, time=min(event.time, end)) for event in self._spot(self._cutter.finish())]

    def _spot(self, looks: list[Look]) -> list[Spotted]:
        events: list[Spotted] = []
        for look in looks:
            if look.end < self._quiet_until:
                continue
            sound = trim(look.samples)
            if not self._least <= len(sound) / SAMPLE_RATE <= self._most:
                continue
            self.num_looks += 1
            embedding = self._embedder.embed([sound])[0]
            decision = self._classifier.decide(embedding, len(sound) / SAMPLE_RATE)
            if decision.label is not None:
                self._quiet_until = look.end + self._refractory
                events.append(Spotted(look.end / SAMPLE_RATE, decision.label, decision.confidence, sound))
        return events
