"""Train the model of twelve commands that ships with Earshot.

    python tools/commands12/train.py WORK --fold 0 --steps 7000

WORK: what prepare.py wrote. The speakers of one fold of the official test clips are kept out of everything:
the figures are theirs. Writes model.pt, curve.json and result.json into WORK.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from earshot.audio.decode import find_recordings, read_audio
from earshot.commands.augmentation import overlay
from earshot.commands.dataset import COMMANDS, SILENCE, TWELVE, UNKNOWN, fold_of
from earshot.commands.front_ends import load_front_end
from earshot.training.augmenter import Augmenter
from earshot.training.batches import Batches, Material
from earshot.training.loop import LoopOptions, logits_of, train
from earshot.training.nets.residual import build

NUM_FOLDS = 5


def is_heard_in_tests(name: str) -> bool:
    """Noises of one recording in five are for tests alone."""
    return fold_of(name.removesuffix(name[-2:]) if name[-2] == "-" else name, 5) == 0


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--speech", type=Path, default=Path("../shared/speech"))
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--steps", type=int, default=7_000)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--suffix", default="")
    parser.add_argument("--start", type=Path, help="weights to go on from")
    options = parser.parse_args()
    work: Path = options.work
    torch.set_num_threads(1)
    rows: list[Any] = json.loads((work / "clips.json").read_text())
    sounds, pieces = np.load(work / "sounds.npy"), np.load(work / "pieces.npy")
    guides = np.load(work / "guides.npy").astype(np.float32)

    labels = [label for _, label, _, _ in rows]
    is_kept_out = np.array([fold_of(speaker, NUM_FOLDS) == options.fold for _, _, speaker, _ in rows])
    is_judged = is_kept_out & np.array([part == "testing" for *_, part in rows])
    fine = sorted({*labels} - {SILENCE, UNKNOWN})
    fine += [SILENCE, UNKNOWN]
    coarse = [name if name in TWELVE else UNKNOWN for name in fine]
    belongs = np.array([[name == one for one in TWELVE] for name in coarse], np.float32)

    training = np.flatnonzero(~is_kept_out)
    unknown_row = np.array([name == UNKNOWN for name in coarse], np.float32)
    one_hot = np.eye(len(fine), dtype=np.float32)
    # A clip of the published unknown class may be any word that is no command.
    targets = [unknown_row if labels[row] == UNKNOWN else one_hot[fine.index(labels[row])] for row in training]
    targets += [one_hot[fine.index(UNKNOWN)]] * len(pieces)
    groups = [labels[row] for row in training] + ["running speech"] * len(pieces)
    weights = dict.fromkeys(fine, 0.2) | dict.fromkeys(COMMANDS, 1.0)
    for rare in ("bird", "dog", "four", "house", "marvin", "nine", "seven", "sheila", "six", "three", "tree"):
        weights[rare] = 0.08
    weights |= {SILENCE: 0.5, UNKNOWN: 1.2, "running speech": 2.0, "wow": 0.06, "two": 0.08}
    # Unknown sounds are drawn far more often than a command; every class of the twelve is to be as likely.
    drawn = {name: weights.get(name, 1.0) for name in set(groups)}
    masses = np.array([drawn.get(name, 0.0) for name in TWELVE])
    masses[TWELVE.index(UNKNOWN)] = sum(mass for one, mass in drawn.items() if one not in TWELVE[:-1])
    shares = 0.92 * masses / masses.sum()
    shares[TWELVE.index(SILENCE)] += 0.04
    shares[TWELVE.index(UNKNOWN)] += 0.04
    membership = (belongs / (12 * shares)).astype(np.float32)
    print({name: round(float(share), 3) for name, share in zip(TWELVE, shares, strict=True)})
    words = np.array([i for i, row in enumerate(training) if labels[row] not in (SILENCE, UNKNOWN)])
    material = Material(
        np.concatenate([sounds[training], pieces]),
        np.stack(targets),
        groups,
        weights,
        words,
        one_hot[fine.index(SILENCE)],
        one_hot[fine.index(UNKNOWN)],
    )
    guides = guides[np.concatenate([training, len(rows) + np.arange(len(pieces))])]
    guides = (guides - guides.mean(0)) / guides.std(0)
    _, _, axes = np.linalg.svd(guides[::4], full_matrices=False)
    guides = guides @ axes[:128].T
    guides = (guides / guides.std(0) ** 0.5).astype(np.float32)
    guides /= guides.std()

    with np.load(work / "noise.npz") as data:
        noises = {name: data[name].astype(np.float32) for name in data.files}
    heard = [noise for name, noise in noises.items() if not is_heard_in_tests(name)]
    unheard = [noise for name, noise in noises.items() if is_heard_in_tests(name)]
    rooms = [read_audio(path).samples for path in find_recordings(options.speech / "room_impulse_responses")]
    front_end = load_front_end("log-mel")
    augmenter = Augmenter(np.random.default_rng(1), backgrounds=heard, rooms=rooms)
    batches = Batches(material, front_end, augmenter, has_masks=True)

    judged = sounds[is_judged].astype(np.float32)
    truth = np.array([TWELVE.index(labels[row]) for row in np.flatnonzero(is_judged)])
    rng = np.random.default_rng(7)
    noisy = []
    for sound in judged:
        noise = unheard[rng.integers(len(unheard))]
        start = int(rng.integers(0, max(1, len(noise) - len(sound))))
        noisy.append(overlay(sound, noise[start:], 10.0))
    features = [np.stack([front_end(sound) for sound in group]) for group in (judged, noisy)]
    print(len(training), "clips to learn from,", len(judged), "of other speakers to be judged by", flush=True)

    def right(net: Any, inputs: Any) -> Any:
        logits = logits_of(net, inputs)
        probabilities = np.exp(logits - logits.max(1, keepdims=True))
        return (probabilities @ membership).argmax(1) == truth

    began = time.monotonic()

    def evaluate(net: Any) -> float:
        clean, in_noise = (right(net, inputs) for inputs in features)
        print(
            f"{time.monotonic() - began:6.0f} s  clean {clean.mean():.4f}  10 dB {in_noise.mean():.4f}",
            flush=True,
        )
        return float(clean.mean())

    torch.manual_seed(1)
    net = build(len(fine), width=options.width)
    if options.start:
        net.load_state_dict(torch.load(options.start, weights_only=True)["state"])
    loop = LoopOptions(
        num_steps=options.steps,
        batch_size=options.batch,
        evaluate_every=options.every,
        learning_rate=options.rate,
        seed=1,
    )

    def watch(progress: Any) -> None:
        print("      ", progress, flush=True)
        # The last weights count, not the best: nothing is chosen by the speakers who judge.
        torch.save(
            {
                "state": last[0].state_dict(),
                "classes": len(fine),
                "membership": torch.from_numpy(membership),
                "width": options.width,
            },
            work / f"model-{options.fold}{options.suffix}.pt",
        )

    last: list[Any] = []

    def evaluate_and_keep(net: Any) -> float:
        last[:] = [net]
        return evaluate(net)

    learned = train(net, batches, evaluate_and_keep, loop, guides=guides, watch=watch)
    (work / f"curve-{options.fold}.json").write_text(
        json.dumps([[one.step, one.loss, one.accuracy] for one in learned.curve])
    )


if __name__ == "__main__":
    main()
