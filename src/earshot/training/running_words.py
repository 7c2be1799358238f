"""From recordings of words and of speech without them to a net that finds the words within running speech.

Each recording is set in the midst of speech, at several levels and in noise, and parted from other speech by
a small net over the frozen encoder's frames (``nets.running``). Words and speech are dealt into four folds,
and for each two folds a net learns from the other two. What is used is the mean of the six nets. What the three
that did not learn from a fold say of it on average shows how often a voice is found that they never heard, and
how high speech scores (out-of-bag estimates: Breiman 1996); a single net scores speech much higher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from earshot.commands.augmentation import COLOURS, coloured_noise
from earshot.commands.classifier import Tail
from earshot.commands.clip_sounds import cut_at_random
from earshot.commands.dataset import UNKNOWN
from earshot.commands.front_ends import load_front_end
from earshot.commands.net import RUNNING
from earshot.commands.net_words import TAIL_FILE, NetTail, running_tails
from earshot.commands.running_net import FRONT_END, HOP, SPOKEN, WINDOW, RunningNet
from earshot.commands.trimming import PADDING, trim
from earshot.commands.windows import WindowCutter
from earshot.core.errors import TrainingError
from earshot.core.optional import require
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.training.export import write_net
from earshot.training.loop import decay_groups, seed_everything

if TYPE_CHECKING:
    from earshot.training.nets.running import RunningWordNet

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

NUM_FEATURES = 96
"""Principal components of the encoder's frames that are kept: nine tenths of their variance."""

LEAST_SPEECH = 600.0
"""Seconds of speech without the words: under them neither the words nor the false alarms can be learned."""

LONGEST_WORD = 1.2
"""Seconds; the rest of a window is for what stood before."""

LEAST_SPEAKERS = 8
"""Who said a word, at least: fewer are taught, not trained."""

_NUM_FOLDS = 4

_PIECE = 120 * SAMPLE_RATE
"""Longer recordings of speech are cut there, so that one long one can be dealt into folds, too."""

_CONTEXT = round(WINDOW * SAMPLE_RATE)
_LAG = (600, 3_600)
"""Samples from a word's end to the end of the window that teaches it: looks come each 2,560."""

_SETTINGS = ("speech",) * 6 + ("before", "before", "after", "alone")
_WORD_DB: tuple[float | None, ...] = (None, 25.0, 20.0, 15.0, 10.0, 10.0, 8.0, 5.0)
_SPEECH_DB: tuple[float | None, ...] = (None, None, 20.0, 15.0, 10.0, 8.0)
_POWER = 0.6
"""Of the deviations that components are divided by: wholly whitened, the last ones would be mostly noise."""


@dataclass(frozen=True, slots=True)
class RunningOptions:
    """How long. num_copies: settings of each recording. every: so-manieth look at speech is learned from."""

    num_copies: int = 8
    num_epochs: int = 10
    every: int = 2
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    word_weight: float = 2.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RunningProgress:
    """What is being done. step: words, speech or nets. done, total: of its recordings or nets."""

    step: str
    done: int
    total: int

    @property
    def text(self) -> str:
        """For a person."""
        if self.step == "nets":
            return f"net {self.done + 1} of {self.total}"
        return f"hearing {self.total} {'recordings of words' if self.step == 'words' else 'pieces of speech'}"


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """One recording, float32 (n,) at 16 kHz, by itself. label: ``UNKNOWN`` for another word, that is not meant.

    speaker: who; nobody is on both sides of a fold.
    """

    label: str
    speaker: str
    samples: Samples


@dataclass(slots=True)
class RunningOutcome:
    """The nets and what strangers and unheard speech made of them.

    mean, projection: of the encoder's frames, (d,) and (d, ``NUM_FEATURES``). hours: of speech; tails: of each
    label in it. found: of each label, the logits of its recordings, ``num_copies`` for each.
    """

    labels: tuple[str, ...]
    nets: list[RunningWordNet]
    mean: Array
    projection: Array
    hours: float
    tails: tuple[Tail, ...] = ()
    found: dict[str, Scores] = field(default_factory=dict)

    def recall(self, label: str, false_alarms_per_hour: float) -> float:
        """Of strangers, at the threshold for so many false alarms an hour, all words together."""
        share = false_alarms_per_hour / len(self.tails)
        threshold = self.tails[self.labels.index(label)].threshold(share)
        return float((self.found[label] >= threshold).mean())


@dataclass(slots=True)
class _Heard:
    """Windows: features (n, t, d), which word each holds (−1 for none), and of which fold it is."""

    features: list[Array] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    folds: list[int] = field(default_factory=list)

    def add(self, features: Array, word: int, fold: int) -> None:
        self.features.append(features.astype(np.float16))
        self.words.append(word)
        self.folds.append(fold)


def train_running(
    words: Sequence[Word],
    speech: Sequence[Samples],
    *,
    backgrounds: Sequence[Samples] = (),
    options: RunningOptions | None = None,
    watch: Callable[[RunningProgress], object] = lambda _: None,
) -> RunningOutcome:
    """Learn words from recordings of them, each by itself, and speech in which nobody says them.

    speech: float32 (n,) at 16 kHz, ten minutes in all at least; hours are better. backgrounds: noises to lay
    below. Raises TrainingError when there is too little of something, MissingExtraError without torch.
    """
    require("torch", extra="train", purpose="training")
    options = options or RunningOptions()
    pieces = [part for one in speech for part in _cut(one) if len(part) >= 2 * SAMPLE_RATE]
    labels = _check(words, pieces)
    truth_of = {label: index for index, label in enumerate(labels)}
    rng = np.random.default_rng(options.seed)
    piece_folds = rng.permutation(len(pieces)) % _NUM_FOLDS
    speakers = sorted({word.speaker for word in words})
    fold_of_speaker = dict(zip(speakers, rng.permutation(len(speakers)) % _NUM_FOLDS, strict=True))

    front_end = load_front_end(FRONT_END)
    mean, projection = _components(front_end, pieces, rng)

    def features(window: Samples) -> Array:
        return np.asarray((front_end(window) - mean) @ projection, np.float32)

    stage = _Stage(pieces, piece_folds, backgrounds, rng)
    heard = _Heard()
    for index, word in enumerate(words):
        watch(RunningProgress("words", index, len(words)))
        fold = int(fold_of_speaker[word.speaker])
        clip = trim(word.samples)
        for _ in range(options.num_copies):
            heard.add(features(stage.around(clip, fold)), truth_of.get(word.label, -1), fold)
        for half in _halves(clip):
            heard.add(features(stage.around(half, fold)), -1, fold)
    for index, (piece, fold) in enumerate(zip(pieces, piece_folds, strict=True)):
        watch(RunningProgress("speech", index, len(pieces)))
        for window in _looks(stage.noisy(piece), options.every, int(rng.integers(options.every))):
            heard.add(features(window), -1, int(fold))

    inputs, truth, folds = np.stack(heard.features), np.array(heard.words), np.array(heard.folds)
    is_speech = np.arange(len(truth)) >= len(words) * options.num_copies + 2 * len(words)
    hours = sum(map(len, pieces)) / SAMPLE_RATE / 3600
    outcome = RunningOutcome(labels, [], mean, projection, hours)
    unheard = np.zeros((len(truth), len(labels)))
    pairs = list(combinations(range(_NUM_FOLDS), 2))
    for number, pair in enumerate(pairs):
        watch(RunningProgress("nets", number, len(pairs)))
        is_kept = np.isin(folds, pair)
        seed = len(pairs) * options.seed + number
        net = _learn(inputs[~is_kept], truth[~is_kept], len(labels), options, seed=seed)
        outcome.nets.append(net)
        unheard[is_kept] += _scores(net, inputs[is_kept]) / (_NUM_FOLDS - 1)
    outcome.tails = running_tails(unheard[is_speech], outcome.hours, every=options.every)
    outcome.found = {label: unheard[truth == index, index] for index, label in enumerate(labels)}
    return outcome


def save_running(outcome: RunningOutcome, folder: Path, *, description: str) -> RunningNet:
    """Write the net, its card and its tail, which ``load_net_spotters`` takes; returns it as it is used."""
    torch = require("torch", extra="train", purpose="training")
    from earshot.training.nets.running import ProjectedNets

    for net in outcome.nets:
        net.eval()
    module = ProjectedNets(torch.from_numpy(outcome.mean), torch.from_numpy(outcome.projection), outcome.nets)
    card = {
        "hears": RUNNING,
        "description": description,
        "labels": list(outcome.labels),
        "front_end": FRONT_END,
        "hours_of_speech": round(outcome.hours, 3),
        "recall_at_a_tenth_an_hour": {
            label: round(outcome.recall(label, 0.1 * len(outcome.labels)), 4) for label in outcome.labels
        },
    }
    example = load_front_end(FRONT_END)(np.zeros(_CONTEXT, np.float32))
    write_net(module, folder, example=example, output="scores", card=card)
    saved = RunningNet(folder)
    NetTail(saved.digest, outcome.tails).save(folder / TAIL_FILE)
    return saved


def _check(words: Sequence[Word], speech: Sequence[Samples]) -> tuple[str, ...]:
    """The labels, sorted."""
    labels = tuple(sorted({word.label for word in words} - {UNKNOWN}))
    if not labels:
        raise TrainingError(
            "there is no word to learn", fix="name a folder with recordings: word/speaker_1.wav"
        )
    for label in labels:
        mine = [word for word in words if word.label == label]
        if len({word.speaker for word in mine}) < LEAST_SPEAKERS:
            raise TrainingError(
                f"{label!r} was said by {len({word.speaker for word in mine})} people, "
                f"{LEAST_SPEAKERS} are needed to learn from some and be judged by others",
                fix=f"record more, or teach it from three recordings: earshot teach {label!r}",
            )
        length = float(np.median([len(trim(word.samples)) - 2 * PADDING for word in mine])) / SAMPLE_RATE
        if length > LONGEST_WORD:
            raise TrainingError(
                f"{label!r} lasts {length:.1f} s, and at most {LONGEST_WORD} s fit into what the net hears",
                fix="choose a shorter word",
            )
    seconds = sum(map(len, speech)) / SAMPLE_RATE
    if seconds < LEAST_SPEECH:
        raise TrainingError(
            f"that is {seconds / 60:.1f} minutes of speech without the words, in recordings of two seconds "
            f"or more, and {LEAST_SPEECH / 60:g} are needed",
            fix="give more recordings of people who speak, an hour or more: any talk, podcast or audio book",
        )
    return labels


def _cut(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples), _PIECE):
        yield samples[start : start + _PIECE]


def _components(
    front_end: Callable[[Samples], Array], pieces: Sequence[Samples], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Mean (d,) of the encoder's frames of speech, and the projection (d, ``NUM_FEATURES``) of what differs."""
    chosen = rng.choice(len(pieces), min(len(pieces), 300), replace=False)
    frames = np.concatenate(
        [front_end(cut_at_random(pieces[row], rng, num_samples=_CONTEXT)) for row in chosen]
    )
    mean = frames.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((frames - mean).T.astype(np.float64)))
    order = np.argsort(values)[::-1][:NUM_FEATURES]
    projection = vectors[:, order] * values[order] ** (-0.5 * _POWER)
    projection /= float(np.std((frames - mean) @ projection))
    return mean.astype(np.float32), projection.astype(np.float32)


class _Stage:
    """Sets words in the midst of speech of their own fold, so that nothing of one fold is heard in another."""

    def __init__(
        self,
        pieces: Sequence[Samples],
        folds: Indices,
        backgrounds: Sequence[Samples],
        rng: np.random.Generator,
    ) -> None:
        self._pieces, self._backgrounds, self._rng = pieces, backgrounds, rng
        self._of_fold = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]

    def around(self, clip: Samples, fold: int) -> Samples:
        """A window that ends soon after a clip (trimmed) with speech, or nothing, about it: float32 (n,)."""
        rng = self._rng
        setting = _SETTINGS[rng.integers(len(_SETTINGS))]
        level = _rms(clip)
        before = self._speech(fold, _CONTEXT, level, is_quiet=setting in ("after", "alone"))
        after = self._speech(fold, _LAG[1], level, is_quiet=setting in ("before", "alone"))
        end = len(before) + len(clip) - PADDING + int(rng.integers(*_LAG))
        scene = np.concatenate([before, clip, after])[end - _CONTEXT : end].astype(np.float32)
        return self._in_noise(scene, _WORD_DB[int(rng.integers(len(_WORD_DB)))], level)

    def noisy(self, piece: Samples) -> Samples:
        """A recording of speech, some of them in noise."""
        level = 1.3 * max(_rms(piece), 1e-3)
        return self._in_noise(piece, _SPEECH_DB[int(self._rng.integers(len(_SPEECH_DB)))], level)

    def _speech(self, fold: int, size: int, level: float, *, is_quiet: bool) -> Samples:
        """So much of somebody else's speech, about as loud; or next to nothing."""
        if is_quiet:
            return np.asarray(self._rng.standard_normal(size) * 0.01 * level, np.float32)
        mine = self._of_fold[fold]
        piece = self._pieces[int(mine[self._rng.integers(len(mine))])]
        sound = cut_at_random(piece, self._rng, num_samples=size)
        loudest = _rms(sound[-SAMPLE_RATE:])
        return sound * np.float32(level / loudest * 10 ** (self._rng.uniform(-4, 4) / 20))

    def _in_noise(self, sound: Samples, decibels: float | None, level: float) -> Samples:
        if decibels is None:
            return sound
        rng = self._rng
        if self._backgrounds and rng.random() < 0.75:
            background = self._backgrounds[int(rng.integers(len(self._backgrounds)))]
            noise = cut_at_random(background, rng, num_samples=len(sound))
        else:
            noise = coloured_noise(len(sound), COLOURS[rng.integers(len(COLOURS))], rng)
        return np.asarray(sound + noise * np.float32(level * 10 ** (-decibels / 20) / _rms(noise)), np.float32)


def _halves(clip: Samples) -> tuple[Samples, Samples]:
    """Beginnings and ends of a word are no word."""
    middle = len(clip) // 2
    return clip[:middle], clip[middle:]


def _looks(samples: Samples, every: int, first: int) -> Iterator[Samples]:
    """The windows that a spotter would look at, so-manieth of them."""
    cutter = WindowCutter((WINDOW,), hop=HOP, spoken=SPOKEN)
    looks = [*cutter.accept(samples), *cutter.finish()]
    return (look.samples for look in looks[first::every])


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) + 1e-9


def _learn(
    inputs: Array, truth: Indices, num_words: int, options: RunningOptions, *, seed: int
) -> RunningWordNet:
    """One net. inputs: float16 (n, t, d); truth: (n,), −1 for none of the words."""
    torch = require("torch", extra="train", purpose="training")
    from earshot.training.nets.running import RunningWordNet

    seed_everything(seed)
    rng = np.random.default_rng(seed)
    net = RunningWordNet(inputs.shape[2], num_words)
    optimizer = torch.optim.AdamW(decay_groups(list(net.parameters()), options.weight_decay))
    num_batches = max(1, len(inputs) // options.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=options.num_epochs * num_batches
    )
    wanted = (truth[:, None] == np.arange(num_words)).astype(np.float32)
    weights = np.where(truth >= 0, options.word_weight, 1.0).astype(np.float32)
    net.train()
    for _ in range(options.num_epochs):
        for rows in np.array_split(rng.permutation(len(inputs)), num_batches):
            frames = _changed(inputs[rows].astype(np.float32), rng)
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                net(torch.from_numpy(frames)), torch.from_numpy(wanted[rows]), reduction="none"
            )
            loss = (losses.sum(1) * torch.from_numpy(weights[rows])).mean()
            if not torch.isfinite(loss):
                raise TrainingError("the loss is no number", fix="choose a lower learning rate")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net


def _changed(frames: Array, rng: np.random.Generator) -> Array:
    """Of a batch (n, t, d): begun a little later, a few frames masked, and disturbed."""
    frames = frames[:, int(rng.integers(0, 5)) :]
    start, length = int(rng.integers(0, 40)), int(rng.integers(0, 5))
    frames[:, start : start + length] = 0
    return np.asarray(frames + 0.1 * rng.standard_normal(frames.shape, np.float32), np.float32)


def _scores(net: RunningWordNet, inputs: Array) -> Array:
    """(n, words) in evaluation mode."""
    torch = require("torch", extra="train", purpose="training")
    net.eval()
    with torch.inference_mode():
        parts = [
            net(torch.from_numpy(inputs[start : start + 512].astype(np.float32))).numpy()
            for start in range(0, len(inputs), 512)
        ]
    return np.concatenate(parts)
