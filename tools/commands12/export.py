"""Measure the trained model of twelve commands, and write the folder that ships.

    python tools/commands12/export.py WORK src/earshot/commands/models/commands12

The figures are of the speakers that train.py kept out, heard by the exported model through its own door.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from earshot.commands.augmentation import overlay
from earshot.commands.dataset import TWELVE, fold_of
from earshot.commands.front_ends import load_front_end
from earshot.commands.net import CommandNet
from earshot.training.export import export
from earshot.training.measures import confusion, cost_of, latency, share_interval
from earshot.training.nets.residual import build
from train import NUM_FOLDS, is_heard_in_tests

FOLD = 0
DATA = (
    "Google Speech Commands v0.02 (Warden 2018), CC BY 4.0, of four fifths of the speakers",
    "LibriSpeech (Panayotov et al. 2015), CC BY 4.0, as speech that is no command",
    "LJ Speech (Ito), public domain, likewise",
    "VCTK (Veaux et al. 2017), speaker p239, ODC-By, likewise",
    "Picovoice speech-to-intent orders, Apache-2.0, likewise",
    "Mycroft Precise community data without wake words, public domain, likewise",
    "Background sounds and room responses were laid over clips as augmentation alone",
    "Guided by the frozen encoder of Moonshine tiny-en (MIT): see tools/commands12",
)


def main() -> None:
    """Export, measure, write the figures into the card."""
    work, folder = Path(sys.argv[1]), Path(sys.argv[2])
    model = work / sys.argv[3] if len(sys.argv) > 3 else work / f"model-{FOLD}.pt"
    torch.set_num_threads(1)
    saved = torch.load(model, weights_only=True)
    net = build(saved["classes"], width=saved["width"])
    net.load_state_dict(saved["state"])
    net.eval()
    example = load_front_end("log-mel")(np.zeros(16_000, np.float32))

    def write(card: dict[str, Any]) -> Path:
        return export(
            [net],
            folder,
            labels=TWELVE,
            front_end="log-mel",
            example=example,
            membership=saved["membership"].numpy(),
            card=card,
        )

    path = write({})
    figures = measure(work, CommandNet.load(folder))
    cost = cost_of(net, example)
    write(
        {
            "name": "commands12",
            "description": "Ten English commands, silence, and any other word, in one second of sound",
            "licence": "Apache-2.0",
            "data": DATA,
            "num_parameters": cost.num_parameters,
            "num_multiply_adds": cost.num_multiply_adds,
            **figures,
        }
    )
    print(path.stat().st_size, "bytes", json.dumps(figures, indent=1))
    print("one core:", round(1e3 * latency(CommandNet.load(folder)), 2), "ms a second of sound")


def measure(work: Path, net: CommandNet) -> dict[str, Any]:
    """Accuracy on official test clips of the speakers kept out: clean, in noise, and with test-time shifts."""
    rows = json.loads((work / "clips.json").read_text())
    sounds = np.load(work / "sounds.npy", mmap_mode="r")
    judged = [
        index
        for index, (_, _, speaker, part) in enumerate(rows)
        if part == "testing" and fold_of(speaker, NUM_FOLDS) == FOLD
    ]
    clips = [sounds[index].astype(np.float32) for index in judged]
    truth = np.array([TWELVE.index(rows[index][1]) for index in judged])
    with np.load(work / "noise.npz") as data:
        noises = [data[name].astype(np.float32) for name in data.files if is_heard_in_tests(name)]
    rng = np.random.default_rng(11)
    noisy: dict[int, list[Any]] = {20: [], 10: [], 5: []}
    for clip in clips:
        noise = noises[rng.integers(len(noises))]
        start = int(rng.integers(0, max(1, len(noise) - len(clip))))
        for decibels, group in noisy.items():
            group.append(overlay(clip, noise[start:], decibels))
    guesses = net.classify_all(clips).argmax(1)
    shifted = net.classify_all(clips, shifts=(-800, 0, 800)).argmax(1)
    accuracy = float((guesses == truth).mean())
    for label, counts in zip(TWELVE, confusion(truth.tolist(), guesses.tolist(), 12), strict=True):
        print(label.rjust(10), *(str(count).rjust(4) for count in counts))
    return {
        "num_judged": len(judged),
        "num_speakers_judged": len({rows[index][2] for index in judged}),
        "accuracy": round(accuracy, 4),
        "interval": [round(one, 4) for one in share_interval(accuracy, len(judged))],
        "accuracy_with_shifts": round(float((shifted == truth).mean()), 4),
        "accuracy_in_noise": {
            f"{decibels} dB": round(float((net.classify_all(group).argmax(1) == truth).mean()), 4)
            for decibels, group in noisy.items()
        },
    }


if __name__ == "__main__":
    main()
