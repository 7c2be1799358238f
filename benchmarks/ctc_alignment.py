"""How near a trained net's word starts are to PocketSphinx's, and what finding them costs.

    python benchmarks/ctc_alignment.py MODEL MANIFEST [--most 200]

MODEL: a net for the engine ``ctc`` that knows English, by name or folder; MANIFEST: utterances that it did not
learn from. PocketSphinx's starts are within about 20 ms of the truth (``benchmarks/word_times.py``): what is
told here holds the errors of both.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earshot.core.types import Word
from earshot.corpora import read_manifest
from earshot.corpora.sound import read_utterance
from earshot.engines.alignment import PocketSphinxAligner, find_aligner


def differences(ours: tuple[Word, ...], theirs: tuple[Word, ...]) -> list[float]:
    """Seconds between the starts of words that both found."""
    return [
        one.start - other.start
        for one, other in zip(ours, theirs, strict=True)
        if one.start is not None
        and other.start is not None
        and one.time_source == other.time_source == "aligned"
    ]


def told(name: str, seconds: npt.NDArray[np.float64]) -> str:
    """One row: where the starts lie, how far they are off, how many are within 40 ms."""
    off = 1000 * np.abs(seconds)
    signed = 1000 * np.median(seconds)
    near = 100 * (off <= 40).mean()
    middle, most = np.median(off), np.percentile(off, 90)
    return f"| {name} | {len(off):,} | {signed:+.0f} ms | {middle:.0f} ms | {most:.0f} ms | {near:.0f} % |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--most", type=int, default=200)
    arguments = parser.parse_args()
    from earshot.engines.ctc_alignment import CtcAligner

    aligner = find_aligner("en", model=arguments.model)
    assert isinstance(aligner, CtcAligner), "the model does not know English"
    reference = PocketSphinxAligner()
    found: list[float] = []
    spent = heard = 0.0
    for utterance in list(read_manifest(arguments.manifest))[: arguments.most]:
        if not utterance.text:
            continue
        audio = read_utterance(utterance)
        begun = time.process_time()
        ours = aligner.align(audio, utterance.text)
        spent += time.process_time() - begun
        heard += audio.duration
        found += differences(ours, reference.align(audio, utterance.text))
    seconds = np.array(found)
    print("| | words | later by | median | 90 % within | within 40 ms |")
    print("|---|---|---|---|---|---|")
    print(told(f"lag {1000 * aligner.lag:.0f} ms taken off", seconds))
    print(told("as the net writes", seconds + aligner.lag))
    print(f"{1000 * spent / heard:.1f} ms of a core for a second of sound, {heard / 60:.1f} minutes")


if __name__ == "__main__":
    main()
