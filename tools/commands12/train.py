"""Train one net of the twelve commands on the copies, by their labels or by what teachers hear in them.

    python tools/commands12/train.py WORK moonshine-conv --halves 0         (a teacher, from half the copies)
    python tools/commands12/train.py WORK residual --halves 0 1 --soft      (the pupil, after soften.py)

The last weights count, not the best: nothing is chosen by the speakers who judge. Writes WORK/NET-HALVES.pt.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from earshot.training.loop import LoopOptions, logits_of, train
from earshot.training.nets import NETS, build_net
from earshot.training.nets.residual import build
from material import Copies, as_twelve, features_of, labels_of, load_judges, membership_of, words_of

SOFT = "soft.npy"
"""What teachers hear in all copies."""


def build_named(name: str, num_classes: int, width: int | None) -> Any:
    """A net of the zoo; width: another one than it has there, of a residual net."""
    return build_net(name, num_classes) if width is None else build(num_classes, width=width)


def path_of(work: Path, name: str, halves: list[int]) -> Path:
    """Where a net's weights lie."""
    return work / f"{name}-{''.join(map(str, halves))}.pt"


def load_net(path: Path) -> tuple[Any, str, np.ndarray[Any, Any]]:
    """The net, its front end, and which words belong to which of the twelve."""
    saved = torch.load(path, weights_only=True)
    net = build_named(saved["net"], saved["classes"], saved["width"])
    net.load_state_dict(saved["state"])
    return net.eval(), NETS[saved["net"]].front_end, saved["membership"].numpy()


def main() -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("net")
    parser.add_argument("--halves", type=int, nargs="+", required=True)
    parser.add_argument("--soft", action="store_true")
    parser.add_argument("--width", type=int)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    work: Path = options.work
    torch.set_num_threads(1)
    words, front_end = words_of(work), NETS[options.net].front_end
    membership = membership_of(words, labels_of(work, options.halves))
    targets = np.load(work / SOFT) if options.soft else None
    copies = Copies(work, options.halves, front_end, seed=options.seed, targets=targets)
    judges = load_judges(work)
    groups = [features_of(clips, front_end) for clips in (judges.clips, *judges.in_noise(10.0, seed=7))]
    began = time.monotonic()

    def evaluate(net: Any) -> float:
        clean, noisy = (
            (as_twelve(logits_of(net, inputs), membership).argmax(1) == judges.truth).mean()
            for inputs in groups
        )
        print(
            f"{options.net} {options.halves} seed {options.seed}: {time.monotonic() - began:.0f} s,"
            f" clean {100 * clean:.2f} %, 10 dB {100 * noisy:.2f} %",
            flush=True,
        )
        return float(clean)

    torch.manual_seed(options.seed)
    net = build_named(options.net, len(words), options.width)
    loop = LoopOptions(
        num_steps=options.steps,
        batch_size=options.batch,
        evaluate_every=options.steps,
        learning_rate=options.rate,
        weight_decay=0.05,
        seed=options.seed,
    )
    learned = train(net, copies, evaluate, loop, is_soft=options.soft)
    torch.save(
        {
            "state": learned.net.state_dict(),
            "net": options.net,
            "width": options.width,
            "classes": len(words),
            "membership": torch.from_numpy(membership),
        },
        path_of(work, options.net, options.halves),
    )


if __name__ == "__main__":
    main()
