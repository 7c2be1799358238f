"""The words of a net in a stream: a second slides over speech, and its probabilities are smoothed."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from earshot.audio.vad import FRAME
from earshot.commands.classifier import Tail, tail_of
from earshot.commands.looks import Look
from earshot.commands.spotter import Spotted
from earshot.commands.windows import HOP, WindowCutter
from earshot.core.errors import CommandError, ModelError
from earshot.core.types import SAMPLE_RATE, Samples

WIDTH = 1.0
"""Seconds that a net hears at once."""

SMOOTHING = 3
"""Windows whose probabilities are averaged: as many as see the whole of a usual word."""

CAUTION = 2.0
"""Other recordings bring so many times the false alarms of the background."""

TAILS = "tails.json"
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


class SmoothedNet:
    """A net's words in one stream, window by window."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self.indices = [i for i, label in enumerate(net.labels) if label.strip("_") not in NO_WORDS]
        self.words = tuple(net.labels[index] for index in self.indices)
        self._last: deque[npt.NDArray[np.float32]] = deque(maxlen=SMOOTHING)
        self._end = -1

    def logits(self, look: Look) -> npt.NDArray[np.float64]:
        """Log-odds of each word (words,), of the mean of the windows up to this one that follow each other."""
        if look.end - self._end != HOP * FRAME:
            self._last.clear()
        self._end = look.end
        self._last.append(self._net.classify(look.samples))
        mean = np.concatenate([row[None] for row in self._last]).sum(axis=0)[self.indices] / SMOOTHING
        mean = np.clip(mean.astype(np.float64), 1e-9, 1 - 1e-9)
        return np.asarray(np.log(mean / (1 - mean)))


@dataclass(frozen=True, slots=True)
class NetTails:
    """How high background scores: a tail for each word. digest: of the net that it was measured with."""

    digest: str
    tails: dict[str, Tail]

    def save(self, path: Path) -> None:
        """As JSON."""
        rows = {word: [tail.start, tail.rate, tail.scale] for word, tail in self.tails.items()}
        path.write_text(json.dumps({"digest": self.digest, "tails": rows}, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> NetTails:
        """Raises ModelError when the file cannot be read or is damaged."""
        try:
            document = json.loads(path.read_bytes())
            tails = {str(word): Tail(*map(float, row)) for word, row in document["tails"].items()}
            return cls(str(document["digest"]), tails)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(
                f"{path} cannot be read: {error}", fix="calibrate with --background FOLDER of speech"
            ) from error


def measure_tails(net: Net, recordings: Iterable[Samples]) -> NetTails:
    """Of recordings without the words, float32 (n,) at 16 kHz. Raises CommandError for under two minutes."""
    scores: list[npt.NDArray[np.float64]] = []
    num_samples = 0
    words: tuple[str, ...] = ()
    for samples in recordings:
        smoothed = SmoothedNet(net)
        words = smoothed.words
        num_samples += len(samples)
        cutter = WindowCutter((WIDTH,))
        scores += [smoothed.logits(look) for look in [*cutter.accept(samples), *cutter.finish()]]
    if num_samples < 120 * SAMPLE_RATE or len(scores) < 100:
        raise CommandError(
            "that is less than two minutes of speech", fix="give more background without the words"
        )
    rows = np.stack(scores).astype(np.float32)
    hours = num_samples / SAMPLE_RATE / 3600
    tails = {word: tail_of(rows[:, i], hours, caution=CAUTION) for i, word in enumerate(words)}
    return NetTails(net.digest, tails)


class NetEars:
    """Hears the words of a net; for ``Spotter``.

    false_alarms_per_hour: of speech without the words, all together. Raises CommandError where that is no rate,
    and ModelError where the tails are of another net.
    """

    def __init__(self, net: Net, tails: NetTails, *, false_alarms_per_hour: float = 0.5) -> None:
        if not 0 < false_alarms_per_hour < math.inf:
            raise CommandError(
                f"false alarms per hour are positive, not {false_alarms_per_hour:g}", fix="0.5 is usual"
            )
        if tails.digest != net.digest:
            raise ModelError(
                "the net's false alarms were measured with other weights",
                fix="calibrate with --background FOLDER of speech without the words",
            )
        self._smoothed = SmoothedNet(net)
        share = false_alarms_per_hour / len(self._smoothed.words)
        self.thresholds = np.array([tails.tails[word].threshold(share) for word in self._smoothed.words])
        self.cutter = WindowCutter((WIDTH,))
        self.num_looks = 0

    def judge(self, looks: list[Look]) -> Spotted | None:
        """The word that ends here, None for none. looks: the window with this end."""
        (look,) = looks
        self.num_looks += 1
        excess = self._smoothed.logits(look) - self.thresholds
        best = int(np.argmax(excess))
        if excess[best] < 0:
            return None
        confidence = 1 / (1 + math.exp(-min(50.0, float(excess[best]))))
        return Spotted(look.end / SAMPLE_RATE, self._smoothed.words[best], confidence, look.samples)
