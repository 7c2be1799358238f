"""Training of a recognizer against a plain Keras loop, in the same run: same net, data, batch and cores.

    python benchmarks/training_throughput.py --keras-python /tmp/keras/bin/python --threads 1

Both learn 2 × BLSTM-128 under CTC on 13 MFCC of the first utterances of Mboshi ($EARSHOT_SPEECH, else
../shared/speech), decoded to wav files beforehand; Adam 1e-4, 16 utterances a batch, no augmentation. The peer
(``keras_ctc.py``) computes its features for each batch and takes files in their order; it needs an environment
of its own: pip install keras tensorflow-cpu python_speech_features soundfile. Rounds of one epoch alternate,
each process bound to the same cores. "First epoch" has everything that only happens once: ours decodes and
stores features, TensorFlow traces its graph. Losses are of 64 further utterances, after equal steps.
"""

# ruff: noqa: E402 - the thread counts must be set before the libraries load
from __future__ import annotations

import argparse
import os
import sys

_parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
_parser.add_argument("--keras-python", metavar="PATH", help="the peer's Python; without it ours runs alone")
_parser.add_argument("--utterances", type=int, default=192, help="about ten minutes (default: %(default)s)")
_parser.add_argument("--rounds", type=int, default=6, help="epochs of each (default: %(default)s)")
_parser.add_argument("--threads", type=int, default=1)
_parser.add_argument("--batch", type=int, default=16)
ARGUMENTS = _parser.parse_args()
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = str(ARGUMENTS.threads)

import json
import math
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from earshot.core.types import SAMPLE_RATE
from earshot.corpora.formats import read_manifest
from earshot.corpora.letters import letters_of
from earshot.corpora.manifest import Manifest
from earshot.corpora.sound import read_utterance
from earshot.corpora.utterance import Utterance
from earshot.decoding.alphabet import Alphabet
from earshot.engines.ctc_front_ends import front_end_facts, num_frames
from earshot.training.recognition import feeding
from earshot.training.recognition.batching import padding_waste, plan_batches
from earshot.training.recognition.corpus import load_corpus
from earshot.training.recognition.judging import Judge, Judged
from earshot.training.recognition.module import RecognizerTraining, fit
from earshot.training.recognition.nets import build_net
from earshot.training.recognition.options import AugmentationOptions, DataOptions, LearningOptions

RATE = 1e-4
NUM_JUDGED = 64
Data = tuple[list[Utterance], list[Utterance]]
"""What is learned from, and what the losses are of."""

PLAIN = AugmentationOptions(speeds=(1.0,), time_masks=0, band_masks=0)


@dataclass(frozen=True)
class Epoch:
    """Seconds on the clock, and of the processor."""

    wall: float
    cpu: float


def main() -> None:
    """The table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: ARGUMENTS.threads])
    speech = Path(os.environ.get("EARSHOT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))
    whole = read_manifest(speech / "mboshi" / "manifest.jsonl")
    tell_waste(whole)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = decoded(whole.utterances[: ARGUMENTS.utterances + NUM_JUDGED], folder)
        data = chosen[: ARGUMENTS.utterances], chosen[ARGUMENTS.utterances :]
        hours = math.fsum(one.duration or 0 for one in data[0]) / 3600
        print(f"{60 * hours:.1f} min in {ARGUMENTS.utterances} utterances, {ARGUMENTS.threads} thread(s)")
        peer = Peer(data, folder) if ARGUMENTS.keras_python else None
        if peer is None:
            print("Keras is not there: name the Python that has it with --keras-python")
        ours = Ours(data, folder, peer.epoch if peer else lambda: None)
        ours.run(ARGUMENTS.rounds)
        show(ours.epochs, peer.epochs if peer else [], hours)
        num_steps = ARGUMENTS.rounds * -(-ARGUMENTS.utterances // ARGUMENTS.batch)
        print(f"\nloss of {NUM_JUDGED} others, nats a letter, before and after {num_steps} steps:")
        print(f"  ours  {ours.losses[0]:.3f} → {ours.losses[1]:.3f}")
        if peer:
            print(f"  Keras {peer.first_loss:.3f} → {peer.loss():.3f}")
            peer.close()


def decoded(utterances: tuple[Utterance, ...], folder: Path) -> list[Utterance]:
    """The same as wav files, so that neither pays for the codec."""
    found = []
    for number, one in enumerate(utterances):
        path, samples = folder / f"{number:05d}.wav", read_utterance(one).samples
        soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
        found.append(Utterance(path, duration=len(samples) / SAMPLE_RATE, text=letters_of(one.text or "")))
    return found


def letters_in(data: Data) -> str:
    """All that occur, the space too."""
    return "".join(sorted({letter for part in data for one in part for letter in one.text or ""}))


def tell_waste(whole: Manifest) -> None:
    """Padding of all of Mboshi, in our batches and in file order."""
    rng, seconds = np.random.default_rng(0), LearningOptions().batch_seconds
    durations = [one.duration or 0.0 for one in whole]
    spoken = [duration / rng.choice(AugmentationOptions().speeds) for duration in durations]
    planned = padding_waste(spoken, plan_batches(spoken, batch_seconds=seconds, rng=rng))
    in_order = [np.arange(at, min(at + 16, len(durations))) for at in range(0, len(durations), 16)]
    print(
        f"padding of {len(whole)} utterances: {100 * planned:.1f} % in our batches of {seconds:g} s at several "
        f"speeds, {100 * padding_waste(durations, in_order):.1f} % by 16 in file order"
    )


# --- ours --------------------------------------------------------------------------------------------------


class Ours:
    """Our trainer, as the command runs it. between: called after each epoch, not counted."""

    def __init__(self, data: Data, folder: Path, between: Callable[[], object]) -> None:
        self.epochs: list[Epoch] = []
        self.losses: list[float] = []
        self._data, self._folder, self._between = data, folder, between
        self._mark = _now()

    def run(self, num_epochs: int) -> None:
        """Learn."""
        self._mark = _now()
        facts = front_end_facts("mfcc")
        alphabet = Alphabet.of_letters(letters_in(self._data))
        manifests = Manifest(tuple(self._data[0])), Manifest(tuple(self._data[1]))
        cache = self._folder / "cache"
        corpus = load_corpus(
            manifests, DataOptions(), alphabet, cache, frames_of=lambda count: num_frames(facts, count)
        )
        sources = [feeding.feature_source(side, facts, PLAIN, cache) for side in (corpus.train, corpus.dev)]
        judge = Judge(corpus.dev, sources[1], alphabet)
        options = LearningOptions(
            epochs=num_epochs,
            batch_seconds=math.inf,
            batch_size=ARGUMENTS.batch,
            optimizer="adam",
            learning_rate=RATE,
            schedule="constant",
            clip=0,
            average=0,
            patience=None,
            precision="float32",
        )
        net = build_net("blstm", {}, len(alphabet), *feeding.statistics(sources[0], len(corpus.train)))
        begin_as_keras(net)
        self.losses.append(judge(net.eval()).loss)
        feed = feeding.Feed(corpus.train, sources[0], PLAIN, options)
        training = RecognizerTraining(net, feed, self._epoch_is_over, alphabet, options)  # type: ignore[arg-type]
        fit(training, self._folder)
        self.losses.append(judge(net.eval()).loss)

    def _epoch_is_over(self, net: object) -> Judged:  # noqa: ARG002 - in the place of a judge
        now = _now()
        self.epochs.append(Epoch(now.wall - self._mark.wall, now.cpu - self._mark.cpu))
        self._between()
        self._mark = _now()
        return Judged(0, 0, 0, ())


def _now() -> Epoch:
    return Epoch(time.perf_counter(), time.process_time())


def begin_as_keras(net: Any) -> None:
    """Weights drawn as Keras draws them, so that both begin alike: Glorot, orthogonal, forget gates open."""
    for name, weights in net.named_parameters():
        if "bias" in name:
            torch.nn.init.zeros_(weights)
        elif "weight_hh" in name:
            torch.nn.init.orthogonal_(weights)
        else:
            torch.nn.init.xavier_uniform_(weights)
        if "bias_ih" in name:
            size = len(weights) // 4
            weights.data[size : 2 * size] = 1


# --- the peer ----------------------------------------------------------------------------------------------


class Peer:
    """The plain loop, in a process of its own that waits between its epochs."""

    def __init__(self, data: Data, folder: Path) -> None:
        self.epochs: list[Epoch] = []
        self._num_letters = sum(len(one.text or "") for one in data[1])
        train, judge = ([[str(one.audio), one.text] for one in part] for part in data)
        settings = {"batch": ARGUMENTS.batch, "rate": RATE, "threads": ARGUMENTS.threads}
        job = folder / "job.json"
        job.write_text(json.dumps({"train": train, "judge": judge, "letters": letters_in(data), **settings}))
        script = Path(__file__).with_name("keras_ctc.py")
        # It ends with its stdin.
        self._process = subprocess.Popen(
            [ARGUMENTS.keras_python, str(script), str(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.first_loss = self.loss()

    def epoch(self) -> None:
        """One more."""
        row = self._ask("epoch")
        self.epochs.append(Epoch(row["wall"], row["cpu"]))

    def loss(self) -> float:
        """Nats a letter."""
        return math.fsum(self._ask("judge")["losses"]) / self._num_letters

    def _ask(self, command: str) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(command + "\n")
            stdin.flush()
            return json.loads(stdout.readline())
        except (OSError, ValueError):
            sys.exit(f"{ARGUMENTS.keras_python} does not run keras_ctc.py: has it keras and tensorflow-cpu?")

    def close(self) -> None:
        """End its process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(60)


# --- the table ---------------------------------------------------------------------------------------------


def show(ours: Sequence[Epoch], peer: Sequence[Epoch], hours: float) -> None:
    """Medians of the later epochs, and the first one by itself."""
    print(f"\n{'':30}{'ours':>10}{'Keras':>10}{'ratio':>8}")
    for name, part in (("first epoch", slice(1)), ("median of later ones", slice(1, None))):
        for kind in ("wall", "cpu"):
            mine, theirs = ([getattr(one, kind) for one in epochs[part]] for epochs in (ours, peer))
            told(f"{name}, {kind} s", mine, theirs)
            if kind == "wall" and mine:
                rates = [hours / statistics.median(seconds) if seconds else None for seconds in (mine, theirs)]
                print(
                    f"{'  audio-hours / s':30}" + "".join(f"{rate:10.4f}" for rate in rates if rate is not None)
                )


def told(name: str, mine: Sequence[float], theirs: Sequence[float]) -> None:
    """One line."""
    if not mine:
        return
    line = f"{name:30}{statistics.median(mine):10.2f}"
    if theirs:
        ratio = statistics.median(theirs) / statistics.median(mine)
        line += f"{statistics.median(theirs):10.2f}{ratio:7.1f}×"
    print(line)


if __name__ == "__main__":
    main()
