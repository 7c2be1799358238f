"""The words of a net in a stream: what stands between two pauses is shown to the net.

In running speech the short words that a net knows are said all the time: a second that slides, with smoothed
probabilities, had no threshold at which a false alarm in two hours left more than 1 % of the words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from earshot.commands.classifier import Tail, check_rate, tail_of
from earshot.commands.looks import Look, PauseCutter
from earshot.commands.spotter import Spotted
from earshot.commands.trimming import trim
from earshot.core.errors import CommandError, ModelError
from earshot.core.types import SAMPLE_RATE, Samples

SHORTEST, LONGEST = 0.2, 1.2
"""Seconds of sound between two pauses that may be a word."""

TAIL = 0.02
"""Share of the background whose scores are taken for the tail; a net is sure of nearly all the rest."""

TAIL_FILE = "tail.json"
"""Beside the net."""

NO_WORDS = ("silence", "unknown")


class Net(Protocol):
    """What is asked of a net; ``CommandNet`` is one. labels: of its classes. digest: of its weights."""

    @property
    def labels(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def digest(self) -> str: ...  # noqa: D102

    def classify(self, samples: Samples) -> npt.NDArray[np.float32]:
        """Probabilities of the classes (classes,) of a clip, float32 (n,) at 16 kHz."""
        ...


class Words:
    """What a net says of a stretch of sound."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._indices = [i for i, label in enumerate(net.labels) if label.strip("_") not in NO_WORDS]
        self.labels = tuple(net.labels[index] for index in self._indices)

    def logits(self, look: Look) -> npt.NDArray[np.float64] | None:
        """Log-odds of each word (words,); None for what is too short or too long."""
        sound = trim(look.samples)
        if not SHORTEST <= len(sound) / SAMPLE_RATE <= LONGEST:
            return None
        probabilities = np.clip(self._net.classify(sound).astype(np.float64), 1e-9, 1 - 1e-9)[self._indices]
        return np.asarray(np.log(probabilities / (1 - probabilities)))


def new_cutter() -> PauseCutter:
    """Finds stretches of about a word's length."""
    return PauseCutter(0.5 * SHORTEST, LONGEST)


@dataclass(frozen=True, slots=True)
class NetTail:
    """How high the likeliest word of background scores. digest: of the net that it was measured with."""

    digest: str
    tail: Tail

    def save(self, path: Path) -> None:
        """As JSON."""
        document = {"digest": self.digest, "tail": [self.tail.start, self.tail.rate, self.tail.scale]}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> NetTail:
        """Raises ModelError when the file cannot be read or is damaged."""
        try:
            document = json.loads(path.read_bytes())
            return cls(str(document["digest"]), Tail(*map(float, document["tail"])))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(
                f"{path} cannot be read: {error}", fix="calibrate with --background FOLDER of speech"
            ) from error


def measure_tail(net: Net, recordings: Iterable[Samples]) -> NetTail:
    """Of recordings without the words, float32 (n,) at 16 kHz. Raises CommandError for under ten minutes."""
    words = Words(net)
    scores: list[npt.NDArray[np.float64]] = []
    num_samples = 0
    for samples in recordings:
        num_samples += len(samples)
        cutter = new_cutter()
        found = (words.logits(look) for look in [*cutter.accept(samples), *cutter.finish()])
        scores += [row for row in found if row is not None]
    if num_samples < 600 * SAMPLE_RATE or len(scores) < 20:
        raise CommandError("that is under ten minutes of speech", fix="give more background without the words")
    highest = np.stack(scores).max(axis=1).astype(np.float32)
    hours = num_samples / SAMPLE_RATE / 3600
    return NetTail(net.digest, tail_of(highest, hours, caution=1.0, share=TAIL))


class NetEars:
    """Hears the words of a net; for ``Spotter``.

    false_alarms_per_hour: of speech without the words, all together. Raises CommandError where that is no rate,
    and ModelError where the tail is of another net.
    """

    def __init__(self, net: Net, tail: NetTail, *, false_alarms_per_hour: float = 0.5) -> None:
        check_rate(false_alarms_per_hour)
        if tail.digest != net.digest:
            raise ModelError(
                "the net's false alarms were measured with other weights",
                fix="calibrate with --background FOLDER of speech without the words",
            )
        self._words = Words(net)
        self.threshold = tail.tail.threshold(false_alarms_per_hour)
        self.cutter = new_cutter()
        self.num_looks = 0

    def judge(self, looks: list[Look]) -> Spotted | None:
        """The first stretch with one end that is a word, None for none."""
        for look in looks:
            logits = self._words.logits(look)
            if logits is None:
                continue
            self.num_looks += 1
            excess = logits - self.threshold
            best = int(np.argmax(excess))
            if excess[best] >= 0:
                confidence = 1 / (1 + math.exp(-min(50.0, float(excess[best]))))
                label = self._words.labels[best]
                return Spotted(look.end / SAMPLE_RATE, label, confidence, trim(look.samples))
        return None
