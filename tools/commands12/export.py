"""Measure the trained model of twelve commands, and write the folder that ships.

    python tools/commands12/export.py WORK src/earshot/commands/models/commands12

The figures are of the speakers whom nothing was learned of, heard by the exported model through its own door.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from earshot.commands.dataset import TWELVE
from earshot.commands.front_ends import load_front_end
from earshot.commands.net import CommandNet
from earshot.training.export import export
from earshot.training.measures import confusion, cost_of, latency, share_interval
from material import Array, Judges, load_judges
from train import load_net, path_of

DATA = (
    "Google Speech Commands v0.02 (Warden 2018), CC BY 4.0, of four fifths of the speakers",
    "LibriSpeech (Panayotov et al. 2015), CC BY 4.0, as speech that is no command",
    "LJ Speech (Ito), public domain, likewise",
    "VCTK (Veaux et al. 2017), speaker p239, ODC-By, likewise",
    "Picovoice speech-to-intent orders, Apache-2.0, likewise",
    "Mycroft Precise community data without wake words, public domain, likewise",
    "Background sounds and room responses were laid over clips as augmentation alone",
    "Taught by four larger nets, two of them on the frozen encoder of Moonshine tiny-en (MIT)",
)


def main() -> None:
    """Export, measure, write the figures into the card."""
    work, folder = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    net, front_end, membership = load_net(path_of(work, "residual", [0, 1]))
    example = load_front_end(front_end)(np.zeros(16_000, np.float32))

    def write(card: dict[str, Any]) -> Path:
        return export(
            [net],
            folder,
            labels=TWELVE,
            front_end=front_end,
            example=example,
            membership=membership,
            card=card,
        )

    path = write({})
    figures = measure(load_judges(work), CommandNet.load(folder))
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


def measure(judges: Judges, net: CommandNet) -> dict[str, Any]:
    """Accuracy on official test clips of the speakers kept out: clean, in noise, and with test-time shifts."""
    levels = (20.0, 10.0, 5.0)
    truth = judges.truth

    def accuracy(probabilities: Array) -> float:
        return float((probabilities.argmax(1) == truth).mean())

    clean = net.classify_all(judges.clips)
    shifted = net.classify_all(judges.clips, shifts=(-800, 0, 800))
    counted = confusion(truth.tolist(), clean.argmax(1).tolist(), len(TWELVE))
    for label, counts in zip(TWELVE, counted, strict=True):
        print(label.rjust(10), *(str(count).rjust(4) for count in counts))
    return {
        "num_judged": len(truth),
        "num_speakers_judged": len(set(judges.speakers)),
        "accuracy": round(accuracy(clean), 4),
        "interval": [round(one, 4) for one in share_interval(accuracy(clean), len(truth))],
        "accuracy_with_shifts": round(accuracy(shifted), 4),
        "accuracy_in_noise": {
            f"{level:g} dB": round(accuracy(net.classify_all(clips)), 4)
            for level, clips in zip(levels, judges.in_noise(*levels, seed=11), strict=True)
        },
    }


if __name__ == "__main__":
    main()
