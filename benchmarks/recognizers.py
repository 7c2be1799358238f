"""Recognizers trained from a few hours of speech, and their figures.

    python benchmarks/recognizers.py mboshi WORK         # an unwritten language, by utterance and by speaker
    python benchmarks/recognizers.py digits WORK         # strings of digits from a speaker never heard
    python benchmarks/recognizers.py english WORK        # four readers

Data: the shared corpora ($EARSHOT_SPEECH, else ../shared/speech). Each writes its manifests (the digits also
their recordings) to WORK and tells what there is.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from recognizer_data import (
    described,
    digit_folds,
    digit_strings,
    english,
    mboshi_by_speaker,
    mboshi_by_utterance,
)

Folders = Mapping[str, Path]


def main() -> None:
    """The command line."""
    default = Path(__file__).parents[2] / "shared" / "speech"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(PREPARED))
    parser.add_argument("work", type=Path, help="a folder for what is made")
    parser.add_argument("--speech", type=Path, default=Path(os.environ.get("EARSHOT_SPEECH", default)))
    arguments = parser.parse_args()
    for folder in PREPARED[arguments.what](arguments.speech, arguments.work / arguments.what).values():
        print(described(folder))


# --- the data ----------------------------------------------------------------------------------------------


def prepare_mboshi(speech: Path, work: Path) -> Folders:
    """Both splits."""
    return {
        "utterance": mboshi_by_utterance(speech, work / "utterance"),
        "speaker": mboshi_by_speaker(speech, work / "speaker"),
    }


def prepare_digits(speech: Path, work: Path) -> Folders:
    """The strings, and a fold for each speaker."""
    return digit_folds(digit_strings(speech, work / "strings"), work)


def prepare_english(speech: Path, work: Path) -> Folders:
    """One split."""
    return {"english": english(speech, work)}


PREPARED: dict[str, Callable[[Path, Path], Folders]] = {
    "mboshi": prepare_mboshi,
    "digits": prepare_digits,
    "english": prepare_english,
}


if __name__ == "__main__":
    main()
