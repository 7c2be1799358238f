"""Makes a corpus of a language that nobody speaks, to try ``earshot train recognizer`` with.

    python examples/toy_language.py FOLDER [--sentences 400]

Forty invented words, sentences of two to five of them, read by espeak-ng (which must be installed) in twelve
voices; FOLDER/manifest.jsonl tells who reads what. Take your own recordings for anything else than a trial.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_VOICES = ("m1", "m2", "m3", "m4", "m5", "m7", "f1", "f2", "f3", "f4", "f5", "croak")


def invented_words(rng: random.Random, num_words: int) -> list[str]:
    """Words of two or three open syllables, as Swahili's are, whose voice reads them."""
    words: set[str] = set()
    while len(words) < num_words:
        syllables = [rng.choice("bdfgklmnpstvz") + rng.choice("aeiou") for _ in range(rng.choice((2, 2, 3)))]
        words.add("".join(syllables))
    return sorted(words)


def speak(text: str, voice: str, speed: int, pitch: int, path: Path) -> float:
    """Writes a WAV file; returns its seconds."""
    command = ["espeak-ng", "-v", f"sw+{voice}", "-s", str(speed), "-p", str(pitch), "-w", str(path), text]
    subprocess.run(command, check=True, capture_output=True)
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sentences", type=int, default=400)
    arguments = parser.parse_args()
    rng = random.Random(0)
    words = invented_words(rng, 40)
    (arguments.folder / "audio").mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(arguments.sentences):
        voice = _VOICES[number % len(_VOICES)]
        text = " ".join(rng.choices(words, k=rng.randint(2, 5)))
        path = Path("audio") / f"{number:04}.wav"
        lines.append((text, voice, rng.randint(130, 190), rng.randint(30, 70), path))
    try:
        with ThreadPoolExecutor(2) as pool:
            durations = list(pool.map(lambda one: speak(*one[:4], arguments.folder / one[4]), lines))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"espeak-ng cannot be run: {error}; apt-get install espeak-ng", file=sys.stderr)
        return 1
    with (arguments.folder / "manifest.jsonl").open("w", encoding="utf-8") as file:
        for (text, voice, _, _, path), duration in zip(lines, durations, strict=True):
            facts = {"audio": str(path), "duration": duration, "text": text, "speaker": voice}
            file.write(json.dumps({**facts, "language": "qaa"}) + "\n")  # a code that means no language
    print(f"{arguments.folder / 'manifest.jsonl'}: {len(lines)} sentences, {sum(durations) / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
