"""Changed copies of the clips, made once for all nets, as features of all kinds that the nets hear.

    python tools/commands12/copies.py WORK 0 --speech SPEECH        (and 1, beside it)

The copies are in two halves: teachers who learned from one half tell the pupil what they hear in the other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from earshot.audio.decode import find_recordings, read_audio
from earshot.commands.front_ends import load_front_end
from earshot.training.augmenter import Augmenter
from earshot.training.batches import Batches
from material import load_material, load_noises, words_of

FRONT_ENDS = ("log-mel", "moonshine-frames", "speech-embedding")


def main() -> None:
    """A quarter of an hour for each half, on a core."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("half", type=int, choices=(0, 1))
    parser.add_argument("--speech", type=Path, default=Path("../shared/speech"))
    parser.add_argument("--num", type=int, default=60_000)
    options = parser.parse_args()
    work: Path = options.work
    rooms = [read_audio(path).samples for path in find_recordings(options.speech / "room_impulse_responses")]
    rng = np.random.default_rng(100 + options.half)
    augmenter = Augmenter(rng, backgrounds=load_noises(work, is_heard=True), rooms=rooms)
    draws = Batches(load_material(work), lambda samples: samples, augmenter)
    functions = {name: load_front_end(name) for name in FRONT_ENDS}
    silence = np.zeros(16_000, np.float32)
    stored = {
        name: np.lib.format.open_memmap(
            work / f"{name}-{options.half}.npy", "w+", np.float16, (options.num, *function(silence).shape)
        )
        for name, function in functions.items()
    }
    labels = np.zeros((options.num, len(words_of(work))), np.float16)
    for place in range(options.num):
        batch = draws.draw(1)
        labels[place] = batch.targets[0]
        for name, function in functions.items():
            stored[name][place] = function(batch.inputs[0])
        if place % 5_000 == 0:
            print(place, flush=True)
    np.save(work / f"labels-{options.half}.npy", labels)


if __name__ == "__main__":
    main()
