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
from earshot.training.loop import logits_of
from earshot.training.nets import NETS
from material import Array, as_twelve, features_of, labels_of, load_judges
from train import SOFT, load_net, path_of

TEACHERS = ("moonshine-conv", "residual")
DOUBT = 0.6


def main() -> None:
    """Writes WORK/soft.npy."""
    work = Path(sys.argv[1])
    judge(work)
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


def judge(work: Path) -> None:
    """All teachers together, on the speakers of whom none has heard."""
    judges = load_judges(work)
    groups = {"clean": judges.clips, "10 dB": judges.in_noise(10.0, seed=7)[0]}
    heard: dict[str, list[Array]] = {label: [] for label in groups}
    for name in TEACHERS:
        nets = [load_net(path_of(work, name, [half])) for half in (0, 1)]
        for label, clips in groups.items():
            features = features_of(clips, NETS[name].front_end)
            heard[label] += [as_twelve(logits_of(net, features), membership) for net, _, membership in nets]
    for label, parts in heard.items():
        right = (np.sum(parts, axis=0).argmax(1) == judges.truth).mean()
        print(f"{2 * len(TEACHERS)} teachers, {label}: {100 * right:.2f} %", flush=True)


if __name__ == "__main__":
    main()
