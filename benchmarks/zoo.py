"""The zoo of nets of spoken commands, in one table: three seeds each, the same small budget, strangers judge.

    OMP_NUM_THREADS=1 python benchmarks/zoo.py WORK --steps 300

Data: ../shared/speech/speech_commands, or --clips FOLDER. The twelve classes of the benchmark; speakers are cut
into five folds by a hash. The official test clips of the first fold are the test, the other folds are learned
from; of each clip a few changed copies are made once, for all nets. Results are added to WORK/zoo.json, run by
run; without --steps they are only printed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from earshot.audio.decode import find_recordings, read_audio
from earshot.commands.dataset import Clip, Split, fold_of, read_clips, twelve_classes
from earshot.commands.net import CommandNet
from earshot.training.command_nets import (
    Loaded,
    Outcome,
    export_outcome,
    load_split,
    train_commands,
    with_copies,
)
from earshot.training.loop import LoopOptions
from earshot.training.measures import interval, latency, share_interval
from earshot.training.nets import NETS


def folded(clips: list[Clip]) -> Split:
    """Official test clips of one fold of speakers judge, all others teach.

    Nothing is chosen by those who judge: the last weights count.
    """
    mine: list[Clip] = []
    others: list[Clip] = []
    for clip in twelve_classes(clips):
        (mine if fold_of(clip.speaker, 5) == 0 else others).append(clip)
    return Split(tuple(others), (), tuple(clip for clip in mine if clip.part == "testing"))


def run(data: Loaded, name: str, options: LoopOptions, seeds: list[int]) -> dict[str, Any]:
    """One row of the table."""
    began = time.monotonic()
    outcome: Outcome = train_commands(data, name, options, seeds=seeds, has_masks=True)
    seconds = (time.monotonic() - began) / len(seeds)
    with tempfile.TemporaryDirectory() as folder:
        one = Outcome(**{**_fields(outcome), "nets": outcome.nets[:1]})
        path = export_outcome(one, name, Path(folder), description="of the benchmark")
        delay, size = latency(CommandNet.load(Path(folder))), path.stat().st_size
    return {
        "net": name,
        "accuracies": outcome.accuracies,
        "ensemble": outcome.accuracy,
        "num_judged": outcome.num_judged,
        "parameters": outcome.cost.num_parameters,
        "multiply_adds": outcome.cost.num_multiply_adds,
        "latency": delay,
        "bytes": size,
        "steps": options.num_steps,
        "batch": options.batch_size,
        "seconds_per_seed": seconds,
    }


def _fields(outcome: Outcome) -> dict[str, Any]:
    return {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}


def show(rows: list[dict[str, Any]]) -> None:
    """The table, in Markdown."""
    print("| net | accuracy, 3 seeds | ensemble | parameters | multiply-adds | one core | training |")
    print("|---|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda one: -float(np.mean(one["accuracies"]))):
        accuracies = 100 * np.array(row["accuracies"])
        print(
            f"| {row['net']} | {accuracies.mean():.1f} ± {interval(accuracies.tolist()):.1f} % "
            f"| {100 * row['ensemble']:.1f} % | {row['parameters'] / 1e3:.0f} k "
            f"| {row['multiply_adds'] / 1e6:.1f} M | {1e3 * row['latency']:.1f} ms "
            f"| {row['seconds_per_seed']:.0f} s |"
        )
    missing = [name for name in NETS if name not in {row["net"] for row in rows}]
    if rows:
        low, high = share_interval(0.9, rows[0]["num_judged"])
        print(f"\n{rows[0]['num_judged']} test clips: 90 % of them is {100 * low:.1f} to {100 * high:.1f} %.")
    print(f"Not run: {', '.join(missing) or 'none'}.")


def main() -> None:
    """Run what is asked for, one net after the other, then print all there is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--clips", type=Path, default=Path("../shared/speech/speech_commands"))
    parser.add_argument("--backgrounds", type=Path, default=Path("../shared/speech/noise"))
    parser.add_argument("--nets", nargs="*", default=list(NETS))
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    options = parser.parse_args()
    table = options.work / "zoo.json"
    rows = json.loads(table.read_text()) if table.is_file() else []
    if options.steps:
        backgrounds = [read_audio(path).samples for path in find_recordings(options.backgrounds)]
        data = load_split(folded(read_clips(options.clips)), backgrounds)
        data = with_copies(data, options.copies)
        print(len(data.training.clips), len(data.validation.clips), len(data.testing.clips), flush=True)
        for name in options.nets:
            loop = LoopOptions(
                num_steps=options.steps,
                batch_size=options.batch,
                evaluate_every=options.steps,
                average=0.99,
            )
            rows = [row for row in rows if row["net"] != name] + [run(data, name, loop, options.seeds)]
            table.write_text(json.dumps(rows, indent=1))
            print(json.dumps(rows[-1]), flush=True)
    show(rows)


if __name__ == "__main__":
    main()
