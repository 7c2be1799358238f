"""The words of a trained net in a stream: what is worth a look is shown to the net, and a threshold decides.

A net of clips (``CommandNet``) hears what stands between two pauses. In running speech the short words that
it knows are said all the time: a second that slides, with smoothed probabilities, had no threshold at which a
false alarm in two hours left more than 1 % of the words. A net of running speech (``RunningNet``) has learned
from words in the midst of speech, and hears them there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from earshot.commands.classifier import Tail, check_rate, tail_of
from earshot.commands.looks import Look, PauseCutter
from earshot.commands.running_net import HOP, SPOKEN, WINDOW, RunningNet
from earshot.commands.spotter import Cutter, Spotted
from earshot.commands.trimming import trim
from earshot.commands.windows import WindowCutter
from earshot.core.errors import CommandError, ModelError, nearest
from earshot.core.types import SAMPLE_RATE, Samples

SHORTEST, LONGEST = 0.2, 1.2
"""Seconds of sound between two pauses that may be a word."""

_STILL = 1.0
"""Seconds; a word that is over its threshold so soon again, and was not below it meanwhile, is the same one."""

_ALARM = 4
"""Looks that make one false alarm at most: those of 0.64 s, as a spotter is deaf for 0.6 s after each."""

TAIL_FILE = "tail.json"
"""Beside the net."""

NO_WORDS = ("silence", "unknown")
"""Classes of a net of clips that are no words, with or without underscores."""

Logits = npt.NDArray[np.float64]


class ClipNet(Protocol):
    """What is asked of a net of clips; ``CommandNet`` is one. labels: of classes. digest: of weights."""

    @property
    def labels(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def digest(self) -> str: ...  # noqa: D102

    def classify(self, samples: Samples) -> npt.NDArray[np.float32]:
        """Probabilities of the classes (classes,) of a clip, float32 (n,) at 16 kHz."""
        ...


class Words(Protocol):
    """What a net says of stretches of sound.

    labels: of its words. is_sliding: whether one word is seen in several looks. digest: of its weights.
    """

    labels: tuple[str, ...]
    is_sliding: bool

    @property
    def digest(self) -> str: ...  # noqa: D102

    def new_cutter(self) -> Cutter:
        """Finds what the net is shown of one stream."""
        ...

    def logits(self, look: Look) -> Logits | None:
        """Log-odds of each word (words,); None for what is no word by its length."""
        ...

    def tails(self, logits: Logits, hours: float) -> tuple[Tail, ...]:
        """Of background (n, words): one for each word, or one for all together."""
        ...


class ClipWords:
    """Words that are said by themselves, and a net of clips."""

    is_sliding = False

    def __init__(self, net: ClipNet) -> None:
        self._net = net
        self._indices = [index for index, label in enumerate(net.labels) if is_word(label)]
        self.labels = tuple(net.labels[index] for index in self._indices)

    @property
    def digest(self) -> str:
        """Of the weights."""
        return self._net.digest

    def new_cutter(self) -> Cutter:
        """Stretches of about a word's length between two pauses."""
        return PauseCutter(0.5 * SHORTEST, LONGEST)

    def logits(self, look: Look) -> Logits | None:
        """See ``Words``."""
        sound = trim(look.samples)
        if not SHORTEST <= len(sound) / SAMPLE_RATE <= LONGEST:
            return None
        probabilities = np.clip(self._net.classify(sound).astype(np.float64), 1e-9, 1 - 1e-9)[self._indices]
        return np.asarray(np.log(probabilities / (1 - probabilities)))

    def tails(self, logits: Logits, hours: float) -> tuple[Tail, ...]:
        """The net shares its certainty among the words, so the likeliest one counts."""
        # It is sure of nearly all of the background; the rest is the tail.
        return (tail_of(logits.max(axis=1).astype(np.float32), hours, share=0.02),)


def is_word(label: str) -> bool:
    """Whether a class of a net of clips is one."""
    return label.strip("_") not in NO_WORDS


class RunningWords:
    """Words in the midst of speech, and a net that was trained for that."""

    is_sliding = True

    def __init__(self, net: RunningNet) -> None:
        self._net = net
        self.labels = net.labels

    @property
    def digest(self) -> str:
        """Of the weights."""
        return self._net.digest

    def new_cutter(self) -> Cutter:
        """Windows of one length that slide wherever somebody speaks."""
        return WindowCutter((WINDOW,), hop=HOP, spoken=SPOKEN)

    def logits(self, look: Look) -> Logits | None:
        """See ``Words``."""
        return self._net.scores(look.samples).astype(np.float64)

    def tails(self, logits: Logits, hours: float) -> tuple[Tail, ...]:
        """One for each word: some are much more like other words than others."""
        return running_tails(logits, hours)


def running_tails(logits: Logits, hours: float, *, every: int = 1) -> tuple[Tail, ...]:
    """For each word of a net of running speech, from looks at it in their order (looks, words).

    Neighbours that score high are one false alarm. every: so-manieth look is among them. Other recordings are
    taken to bring twice as many.
    """
    size = max(1, round(_ALARM / every))
    padded = np.pad(logits, ((0, -len(logits) % size), (0, 0)), mode="edge")
    highest = padded.reshape(-1, size, logits.shape[1]).max(axis=1).astype(np.float32)
    return tuple(tail_of(column, hours, caution=2.0, share=0.02) for column in highest.T)


@dataclass(frozen=True, slots=True)
class NetTail:
    """How high background scores. digest: of the net that it was measured with.

    tails: one for each word, or one for the likeliest of all words.
    """

    digest: str
    tails: tuple[Tail, ...]

    def save(self, path: Path) -> None:
        """As JSON."""
        rows = [[tail.start, tail.rate, tail.scale] for tail in self.tails]
        path.write_text(json.dumps({"digest": self.digest, "tails": rows}, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> NetTail:
        """Raises ModelError when the file cannot be read or is damaged."""
        try:
            document = json.loads(path.read_bytes())
            tails = tuple(Tail(*map(float, row)) for row in document["tails"])
            if not tails:
                raise ValueError("no tail")
            return cls(str(document["digest"]), tails)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(
                f"{path} cannot be read: {error}", fix="calibrate with --background FOLDER of speech"
            ) from error

    def thresholds(self, false_alarms_per_hour: float) -> npt.NDArray[np.float64]:
        """For each word, or for all; the rate is of all words together."""
        share = false_alarms_per_hour / len(self.tails)
        return np.array([tail.threshold(share) for tail in self.tails])


def measure_tail(words: Words, recordings: Iterable[Samples]) -> NetTail:
    """Of recordings without the words, float32 (n,) at 16 kHz. Raises CommandError for under ten minutes."""
    logits: list[Logits] = []
    num_samples = 0
    for samples in recordings:
        num_samples += len(samples)
        cutter = words.new_cutter()
        found = (words.logits(look) for look in [*cutter.accept(samples), *cutter.finish()])
        logits += [row for row in found if row is not None]
    if num_samples < 600 * SAMPLE_RATE or len(logits) < 20:
        raise CommandError("that is under ten minutes of speech", fix="give more background without the words")
    hours = num_samples / SAMPLE_RATE / 3600
    return NetTail(words.digest, words.tails(np.stack(logits), hours))


class NetEars:
    """Hears the words of a net; for ``Spotter``.

    labels: of the words to hear, empty for all. false_alarms_per_hour: of speech without them, all together.
    Raises CommandError where that is no rate or a label none of the net's, and ModelError where the tail is of
    another net.
    """

    def __init__(
        self,
        words: Words,
        tail: NetTail,
        *,
        labels: Collection[str] = (),
        false_alarms_per_hour: float = 0.5,
    ) -> None:
        check_rate(false_alarms_per_hour)
        if tail.digest != words.digest or len(tail.tails) not in (1, len(words.labels)):
            raise ModelError(
                "the net's false alarms were measured with other weights",
                fix="calibrate with --background FOLDER of speech without the words",
            )
        for label in labels:
            if label not in words.labels:
                raise CommandError(f"the net knows no {label!r}", fix=nearest(label, words.labels))
        self._words = words
        is_heard = np.array([not labels or label in labels for label in words.labels])
        rate = false_alarms_per_hour / is_heard.mean()  # the share of those that are not listened for is free
        self.thresholds = np.where(is_heard, tail.thresholds(rate), math.inf)
        self.cutter = words.new_cutter()
        self.num_looks = 0
        self._told = np.full(
            len(words.labels), -math.inf
        )  # when each word was last over its threshold, once told

    def judge(self, looks: list[Look]) -> Spotted | None:
        """The first stretch with one end that is a word, None for none."""
        for look in looks:
            logits = self._words.logits(look)
            if logits is None:
                continue
            self.num_looks += 1
            excess = self._news(logits - self.thresholds, look.end / SAMPLE_RATE)
            best = int(np.argmax(excess))
            if excess[best] >= 0:
                self._told[best] = look.end / SAMPLE_RATE
                confidence = 1 / (1 + math.exp(-min(50.0, float(excess[best]))))
                label = self._words.labels[best]
                return Spotted(look.end / SAMPLE_RATE, label, confidence, trim(look.samples))
        return None

    def _news(self, excess: Logits, now: float) -> Logits:
        """Without words that were told and are still there: windows overlap."""
        if not self._words.is_sliding:
            return excess
        is_same = (excess >= 0) & (now - self._told < _STILL)
        self._told[is_same] = now
        self._told[excess < 0] = -math.inf
        return np.where(is_same, -math.inf, excess)
