"""What the teachers make of the copies: of each half those who learned from the other half.

    python tools/commands12/soften.py WORK

Six parts of ten are the teachers' mean, four the same where only what is right may count: a teacher's doubt is
kept, his errors are not. Also judges the mean of all teachers. After Hinton, Vinyals and Dean 2015.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from earshot.training.command_nets import Teachers
from judge import judge
from material import Array, labels_of
from train import SOFT, load_net, path_of

TEACHERS = ("moonshine-conv", "residual")
DOUBT = 0.6


def main() -> None:
    """Writes WORK/soft.npy."""
    work = Path(sys.argv[1])
    judge(work, [path_of(work, name, [half]) for name in TEACHERS for half in (0, 1)])
    soft = []
    for half in (0, 1):
        heard = sum(probabilities(work, name, half) for name in TEACHERS) / len(TEACHERS)
        right = heard * (labels_of(work, [half]) > 0)
        mass = right.sum(1, keepdims=True)
        print(f"half {half}: {100 * float(mass.mean()):.1f} % of the mean on what is right", flush=True)
        soft.append(DOUBT * heard + (1 - DOUBT) * right / np.maximum(mass, 1e-6))
    np.save(work / SOFT, np.concatenate(soft).astype(np.float32))


def probabilities(work: Path, name: str, half: int) -> Array:
    """Of all copies of a half, by the teacher of the other: (copies, words)."""
    net, front_end, _ = load_net(path_of(work, name, [1 - half]))
    teacher = Teachers([net], front_end)
    stored = np.load(work / f"{front_end}-{half}.npy", mmap_mode="r")
    # All at once they would take 4 GB.
    parts = (stored[start : start + 512].astype(np.float32) for start in range(0, len(stored), 512))
    return np.concatenate([teacher.probabilities(part) for part in parts])


if __name__ == "__main__":
    main()
