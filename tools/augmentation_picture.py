"""Draw docs/images/augmentation.png: one word after each augmentation, as log-mel features.

    python tools/augmentation_picture.py CLIP BACKGROUND ROOM docs/images/augmentation.png

CLIP: a word; BACKGROUND: noise; ROOM: an impulse response.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

from earshot.audio.decode import read_audio
from earshot.commands.augmentation import (
    COLOURS,
    change_pitch,
    change_volume,
    coloured_noise,
    mask_features,
    mixup,
    overlay,
    random_shift,
    reverberate,
    stretch,
)
from earshot.commands.clip_sounds import one_second, spliced
from earshot.commands.front_ends import load_front_end

mpl.use("Agg")
from matplotlib import pyplot


def main() -> None:
    """A grid of four by five."""
    clip_path, background_path, room_path, target = (Path(argument) for argument in sys.argv[1:5])
    clip, background = one_second(read_audio(clip_path).samples), read_audio(background_path).samples
    room = read_audio(room_path).samples
    rng = np.random.default_rng(4)
    front_end = load_front_end("log-mel")
    sounds = {
        "as recorded": clip,
        "volume 30–50 %": change_volume(clip, rng, soft_share=1.0),
        "shift in the quiet margin": random_shift(clip, rng),
        "stretch, 1.3 × faster": one_second(stretch(clip, 1.3)),
        "stretch, 1.3 × slower": one_second(stretch(clip, 1 / 1.3)),
        "4 semitones higher": change_pitch(clip, 4),
        "4 semitones lower": change_pitch(clip, -4),
        **{
            f"{colour} noise, 10 dB": overlay(clip, coloured_noise(16_000, colour, rng), 10)
            for colour in COLOURS
        },
        "background, 10 dB": overlay(clip, background, 10),
        "background, 0 dB": overlay(clip, background, 0),
        "room": reverberate(clip, room),
        "spliced with itself, reversed": spliced(clip, clip[::-1], rng),
    }
    pictures = {name: front_end(sound)[0] for name, sound in sounds.items()}
    pictures["SpecAugment"] = mask_features(pictures["as recorded"], rng)
    both = np.stack([pictures["as recorded"], pictures["4 semitones lower"][::-1]])
    mixed, _ = mixup(both, np.eye(2, dtype=np.float32), np.random.default_rng(1), alpha=8)
    pictures["mixup with another clip"] = mixed[0]
    figure, axes = pyplot.subplots(3, 6, figsize=(15, 6), layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    low, high = np.percentile(pictures["as recorded"], [2, 99.8])
    for axis, (name, picture) in zip(axes.flat, pictures.items(), strict=False):
        axis.imshow(picture.T, origin="lower", aspect="auto", vmin=low, vmax=high, cmap="magma")
        axis.set_title(name, fontsize=10)
    figure.savefig(target, dpi=80)


if __name__ == "__main__":
    main()
