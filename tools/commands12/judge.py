"""What trained nets hear together, on the speakers of whom none has learned.

    python tools/commands12/judge.py WORK residual-01 speech-embedding-01

The mean of their probabilities, each net by its file in WORK.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from earshot.training.loop import logits_of
from earshot.training.measures import share_interval
from material import Array, as_twelve, features_of, load_judges
from train import load_net


def main() -> None:
    """Seconds for each net."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("names", nargs="+", metavar="NET-HALVES")
    options = parser.parse_args()
    judge(options.work, [options.work / f"{name}.pt" for name in options.names])


def judge(work: Path, paths: Sequence[Path]) -> None:
    """Print how many of the clips their mean gets right, clean and in noise."""
    judges = load_judges(work)
    groups = {"clean": judges.clips, "10 dB": judges.in_noise(10.0, seed=7)[0]}
    features: dict[tuple[str, str], Array] = {}
    heard: dict[str, list[Array]] = {label: [] for label in groups}
    for path in paths:
        net, front_end, membership = load_net(path)
        for label, clips in groups.items():
            if (front_end, label) not in features:
                features[front_end, label] = features_of(clips, front_end)
            heard[label].append(as_twelve(logits_of(net, features[front_end, label]), membership))
    for label, parts in heard.items():
        right = float((np.sum(parts, axis=0).argmax(1) == judges.truth).mean())
        low, high = share_interval(right, len(judges.truth))
        print(
            f"{len(paths)} nets, {label}: {100 * right:.2f} % ({100 * low:.1f} to {100 * high:.1f})", flush=True
        )


if __name__ == "__main__":
    main()
