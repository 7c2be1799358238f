"""Text invented where nobody spoke: every clip of ../shared/speech/noise, offline and live.

    python benchmarks/noise.py [--engine moonshine]

Prints each clip that got words, and how many of the isolated words of Speech Commands and of the spoken digits
were heard at all and heard right: a recognizer that never answers would invent nothing either.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from earshot.audio.decode import read_audio
from earshot.core.types import Audio, Final
from earshot.engines import Recognizer, load_engine
from earshot.text.normalise import normalise_english

SPEECH = Path(os.environ.get("EARSHOT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))


def rows(corpus: str) -> list[dict[str, str]]:
    """The lines of a corpus's manifest."""
    lines = (SPEECH / corpus / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def live_text(recognizer: Recognizer, audio: Audio) -> str:
    """What a live stream makes of a clip."""
    with recognizer.stream() as stream:
        events = [*stream.accept(audio.samples), *stream.finish()]
    return " ".join(event.segment.text for event in events if isinstance(event, Final))


def isolated_words() -> Iterator[tuple[Audio, str]]:
    """One word each, in near silence: every 100th of Speech Commands, every 40th digit."""
    random = np.random.default_rng(0)
    commands = [row for row in rows("speech_commands") if not row["label"].startswith("_")][::100]
    digits = rows("spoken_digits")[::40]
    for corpus, chosen in (("speech_commands", commands), ("spoken_digits", digits)):
        for row in chosen:
            word = read_audio(SPEECH / corpus / row["audio"]).samples
            hush = random.normal(0, 3e-4, (2, 9_000)).astype(np.float32)
            yield Audio(np.concatenate([hush[0], word, hush[1]])), row.get("label") or row["text"]


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="moonshine")
    recognizer = load_engine(parser.parse_args().engine)
    invented = {"offline": 0, "live": 0}
    clips = rows("noise")
    for row in clips:
        audio = read_audio(SPEECH / "noise" / row["audio"])
        for mode, text in (
            ("offline", recognizer.transcribe(audio).text),
            ("live", live_text(recognizer, audio)),
        ):
            if text:
                invented[mode] += 1
                print(f"  {mode:8} {row['audio']:28} {text!r}")
    print(f"noise clips with words, of {len(clips)}: {invented}")
    heard = right = count = 0
    for audio, label in isolated_words():
        text = recognizer.transcribe(audio).text
        count += 1
        heard += bool(text)
        right += normalise_english(text) == normalise_english(label)
    print(f"isolated words: {count}, heard {heard / count:.1%}, right {right / count:.1%}")


if __name__ == "__main__":
    main()
