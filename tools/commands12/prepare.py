"""All sounds that the shipped model of twelve classes learns from, in memory-mapped arrays.

    python tools/commands12/prepare.py SPEECH WORK

SPEECH: a folder of corpora with manifests. WORK: where the arrays go.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from earshot.audio.decode import find_recordings, read_audio
from earshot.commands.clip_sounds import load_clips, pieces_of_speech
from earshot.commands.dataset import read_clips

RUNNING_SPEECH = (
    "librispeech",
    "librispeech_speakers",
    "ljspeech",
    "vctk_p239",
    "spoken_orders",
    "not_wake_words",
)
NUM_PIECES = 6_000
NUM_RECORDINGS = 1_400


def main() -> None:
    """Decode, cut, store."""
    speech, work = Path(sys.argv[1]), Path(sys.argv[2])
    clips, sounds, refused = load_clips(read_clips(speech / "speech_commands"))
    print(len(clips), "clips,", len(refused), "refused", flush=True)
    np.save(work / "sounds.npy", sounds.astype(np.float16))
    rows = [(clip.path.name, clip.label, clip.speaker, clip.part) for clip in clips]
    (work / "clips.json").write_text(json.dumps(rows))
    rng = np.random.default_rng(0)
    paths = [path for name in RUNNING_SPEECH for path in find_recordings(speech / name)]
    paths = [paths[index] for index in rng.permutation(len(paths))[:NUM_RECORDINGS]]
    pieces = pieces_of_speech(paths)
    pieces = pieces[rng.permutation(len(pieces))[:NUM_PIECES]]
    np.save(work / "pieces.npy", pieces.astype(np.float16))
    print(len(pieces), "pieces of running speech", flush=True)
    noise = {
        path.stem: read_audio(path).samples.astype(np.float16) for path in find_recordings(speech / "noise")
    }
    np.savez(work / "noise.npz", **noise)


if __name__ == "__main__":
    main()
