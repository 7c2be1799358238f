"""Recognizers trained from a few hours of speech, and their error rates on what they never heard.

    python benchmarks/recognizers.py mboshi WORK         # an unwritten language, by utterance and by speaker
    python benchmarks/recognizers.py digits WORK         # strings of digits from a speaker kept apart
    python benchmarks/recognizers.py english WORK        # four readers

Data: the shared corpora ($EARSHOT_SPEECH, else ../shared/speech). Each writes its manifests (the digits also
their recordings) to WORK, trains what ``benchmarks/recognizers/`` describes for it, with language models of the
training's texts, and judges: rates with 95 % intervals. What WORK holds already is not done again, and a
training that was interrupted goes on. ``--prepare`` stops after the manifests; ``--only`` takes some splits.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.corpora.formats import read_manifest
from recognizer_data import (
    described,
    digit_folds,
    digit_strings,
    english,
    mboshi_by_speaker,
    mboshi_by_utterance,
)

CONFIGS = Path(__file__).with_name("recognizers")

Folders = Mapping[str, Path]
LanguageModels = Mapping[str, Path | None]


@dataclass(frozen=True)
class Subject:
    """prepare: writes the manifests of each split. normalisation: of ``earshot evaluate``. has_models: whether
    language models of the training's texts are tried; those of random digits know nothing.
    """

    prepare: Callable[[Path, Path], Folders]
    normalisation: str = "plain"
    has_models: bool = True


def main() -> None:
    """The command line."""
    default = Path(__file__).parents[2] / "shared" / "speech"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(SUBJECTS))
    parser.add_argument("work", type=Path, help="a folder for what is made")
    parser.add_argument("--speech", type=Path, default=Path(os.environ.get("EARSHOT_SPEECH", default)))
    parser.add_argument("--prepare", action="store_true", help="write the manifests, and no more")
    parser.add_argument("--only", action="append", metavar="SPLIT", help="of these splits (may be repeated)")
    parser.add_argument(
        "--config", action="append", type=Path, metavar="TOML", help="instead of the usual ones"
    )
    parser.add_argument("--minutes", type=float, help="of training, instead of what the TOML says")
    arguments = parser.parse_args()
    subject = SUBJECTS[arguments.what]
    folders = subject.prepare(arguments.speech, arguments.work / arguments.what)
    chosen = {name: folder for name, folder in folders.items() if not arguments.only or name in arguments.only}
    for folder in chosen.values():
        print(described(folder))
    if arguments.prepare:
        return
    configs = arguments.config or sorted(CONFIGS.glob(f"{arguments.what}*.toml"))
    rows = [
        row
        for name, folder in chosen.items()
        for row in figures(name, folder, configs, subject, arguments.minutes)
    ]
    show(rows)


# --- the data ----------------------------------------------------------------------------------------------


def prepare_mboshi(speech: Path, work: Path) -> Folders:
    """Both splits."""
    return {
        "utterance": mboshi_by_utterance(speech, work / "utterance"),
        "speaker": mboshi_by_speaker(speech, work / "speaker"),
    }


def prepare_digits(speech: Path, work: Path) -> Folders:
    """The strings, and a fold for each speaker. Strings that are there are taken as they are."""
    there = work / "strings" / "manifest.jsonl"
    strings = read_manifest(there) if there.is_file() else digit_strings(speech, work / "strings")
    return digit_folds(strings, work, speech)


def prepare_english(speech: Path, work: Path) -> Folders:
    """One split."""
    return {"english": english(speech, work)}


SUBJECTS: dict[str, Subject] = {
    "mboshi": Subject(prepare_mboshi),
    "digits": Subject(prepare_digits, has_models=False),
    "english": Subject(prepare_english, "english"),
}


# --- training and judging ----------------------------------------------------------------------------------


def figures(
    split: str, folder: Path, configs: list[Path], subject: Subject, minutes: float | None
) -> Iterator[dict[str, Any]]:
    """A row for each net and language model."""
    models: LanguageModels = {"none": None, **(language_models(folder) if subject.has_models else {})}
    for config in configs:
        run = folder / config.stem
        train(config, folder, run, minutes)
        for name, model in models.items():
            result = judge(run / "model", folder / "test.jsonl", run / f"test-{name}.json", model, subject)
            yield {"split": split, "net": config.stem, "lm": name, **result["figures"]}


def train(config: Path, folder: Path, run: Path, minutes: float | None) -> None:
    """Unless it is done already."""
    if (run / "model" / "card.json").is_file():
        return
    command = ["train", "recognizer", str(config), "--output", str(run)]
    command += ["--train", str(folder / "train.jsonl"), "--dev", str(folder / "dev.jsonl")]
    command += ["--minutes", f"{minutes:g}"] if minutes is not None else []
    command += ["--resume"] if (run / "last.ckpt").is_file() else []
    earshot(*command)


def language_models(folder: Path) -> dict[str, Path]:
    """Of the training's sentences: a 4-gram of words; an 8-gram of letters, which knows any word a little."""
    texts = folder / "train.txt"
    sentences = [one.text or "" for one in read_manifest(folder / "train.jsonl", checks_files=False)]
    texts.write_text("".join(f"{' '.join(one.split())}\n" for one in sentences), encoding="utf-8")
    models = {"words": folder / "words.arpa.gz", "letters": folder / "letters.arpa.gz"}
    for name, path in models.items():
        if not path.is_file():
            earshot("lm", "train", str(texts), "--lines", "-o", str(path), *["--letters"][: name == "letters"])
    return models


def judge(model: Path, manifest: Path, kept: Path, lm: Path | None, subject: Subject) -> Any:
    """What ``earshot evaluate`` finds."""
    command = ["evaluate", str(manifest), "--engine", "ctc", "--model", str(model), "--output", str(kept)]
    command += ["--normalise", subject.normalisation, "--json"]
    command += ["--lm", str(lm)] if lm is not None else []
    return json.loads(earshot(*command, is_read=True))


def earshot(*arguments: str, is_read: bool = False) -> str:
    """Run a command of ours, and show which; it must succeed."""
    print(f"$ earshot {shlex.join(arguments)}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "earshot", *arguments]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE if is_read else None)
    return done.stdout or ""


def show(rows: list[dict[str, Any]]) -> None:
    """The table, in Markdown."""
    print("\n| split | net | language model | letters wrong | words wrong | utterances |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        rates = [f"{told(row[of])} %" for of in ("letters", "words")]
        print(f"| {row['split']} | {row['net']} | {row['lm']} | {' | '.join(rates)} | {row['utterances']} |")


def told(rate: Mapping[str, Any]) -> str:
    """``12.3 (11.0 to 13.7)``."""
    low, high = rate["interval"]
    return f"{100 * rate['rate']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


if __name__ == "__main__":
    main()
