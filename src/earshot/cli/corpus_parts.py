"""``earshot corpus split``, ``filter``, ``merge``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import click

from earshot.cli._corpus import MANIFEST, output_option, read, reading_options, write
from earshot.cli._sound import complain
from earshot.corpora.manifest import merged
from earshot.corpora.selection import FilterOptions, SplitBy, SplitOptions, filter_manifest, split_manifest


@click.command()
@click.argument("manifest", type=MANIFEST)
@reading_options
@click.option("--parts", default="train=0.8,dev=0.1,test=0.1", show_default=True, metavar="NAME=SHARE,…")
@click.option("--by", type=click.Choice(get_args(SplitBy)), help="What stays on one side [speaker, if known].")
@click.option("--speakers", "named", multiple=True, metavar="PART=NAME,…",
              help="Who goes to a part in any case; may be given again.")  # fmt: skip
@click.option("--seed", default="", metavar="TEXT", help="Another one gives another split.")
@click.option("--output-dir", "-o", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Where the parts go [beside MANIFEST].")  # fmt: skip
def split(
    manifest: Path,
    format_name: str | None,
    skip_bad: bool,
    parts: str,
    by: SplitBy | None,
    named: tuple[str, ...],
    seed: str,
    output_dir: Path | None,
) -> int:
    """Part it, so that no speaker is on two sides: MANIFEST-train.jsonl and so on.

    Where a speaker goes depends on the name alone, so a corpus that grows moves nobody from the training to the
    test. With few speakers the shares are far from what was asked for; name them with --speakers then.
    """
    found = read(manifest, format_name=format_name, skip_bad=skip_bad)
    options = SplitOptions(_shares(parts), by, seed, _named(named))
    done = split_manifest(found, options)
    if done.by == "recording":
        why = "no speaker is known" if done.num_nameless == len(found) else "as asked"
        complain(f"split by recording ({why}): the same voice may be on two sides")
    elif done.num_nameless:
        complain(f"{done.num_nameless} utterances without a speaker are split by recording")
    folder = output_dir or (manifest if manifest.is_dir() else manifest.parent)
    for name, part in done.parts.items():
        change = f"split by {done.by}, part {name} of {parts}" + (f", seed {seed}" if seed else "")
        write(part, folder / f"{manifest.stem}-{name}.jsonl", change, [(found, manifest)])
    return 0


def _shares(parts: str) -> dict[str, float]:
    shares: dict[str, float] = {}
    for part in parts.split(","):
        name, _, share = part.strip().partition("=")
        if not re.fullmatch(r"[\w.-]+", name) or not re.fullmatch(r"\d*\.?\d+", share) or name in shares:
            raise click.UsageError(f"--parts is like train=0.9,test=0.1, not {parts!r}")
        shares[name] = float(share)
    return shares


def _named(named: tuple[str, ...]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for entry in named:
        part, _, names = entry.partition("=")
        if not names:
            raise click.UsageError(f"--speakers is like test=anna,ben, not {entry!r}")
        chosen |= {name.strip(): part.strip() for name in names.split(",")}
    return chosen


@click.command("filter")
@click.argument("manifest", type=MANIFEST)
@reading_options
@output_option("Where to write what fits.")
@click.option("--min-duration", type=float, metavar="S")
@click.option("--max-duration", type=float, metavar="S")
@click.option("--min-rate", type=float, metavar="R", help="Letters a second; fewer, and words are missing.")
@click.option("--max-rate", type=float, metavar="R", help="Letters a second; more, and sound is missing.")
@click.option("--max-letters", type=int, metavar="N")
@click.option("--text", metavar="PATTERN", help="A regular expression that occurs in the text.")
@click.option("--speaker", "speakers", multiple=True, metavar="NAME", help="May be given again.")
@click.option("--not-speaker", "not_speakers", multiple=True, metavar="NAME", help="May be given again.")
@click.option("--language", "-l", "languages", multiple=True, metavar="CODE", help="May be given again.")
@click.option("--label", "labels", multiple=True, metavar="LABEL", help="May be given again.")
def filter_command(
    manifest: Path,
    format_name: str | None,
    skip_bad: bool,
    output: Path,
    min_duration: float | None,
    max_duration: float | None,
    min_rate: float | None,
    max_rate: float | None,
    max_letters: int | None,
    text: str | None,
    speakers: tuple[str, ...],
    not_speakers: tuple[str, ...],
    languages: tuple[str, ...],
    labels: tuple[str, ...],
) -> int:
    """Keep what fits all that is asked for."""
    found = read(manifest, format_name=format_name, skip_bad=skip_bad)
    try:
        pattern = re.compile(text) if text is not None else None
    except re.error as error:
        raise click.UsageError(f"--text is no regular expression: {error}") from error
    limits = {
        "min_duration": min_duration,
        "max_duration": max_duration,
        "min_rate": min_rate,
        "max_rate": max_rate,
        "max_letters": max_letters,
    }
    sets = {"speakers": speakers, "not_speakers": not_speakers, "languages": languages, "labels": labels}
    options = FilterOptions(
        min_duration, max_duration, min_rate, max_rate, max_letters, pattern, *map(frozenset, sets.values())
    )
    asked = {**limits, "text": text, **{name: ",".join(values) or None for name, values in sets.items()}}
    change = ", ".join(f"{name} {value}" for name, value in asked.items() if value is not None)
    write(filter_manifest(found, options), output, f"filtered: {change or 'nothing'}", [(found, manifest)])
    return 0


@click.command()
@click.argument("manifests", type=MANIFEST, nargs=-1, required=True, metavar="MANIFEST...")
@reading_options
@output_option("Where to write all of them.")
@click.option("--prefix-speakers", is_flag=True, help="Put the manifest's name before its speakers' names.")
def merge(
    manifests: tuple[Path, ...], format_name: str | None, skip_bad: bool, output: Path, prefix_speakers: bool
) -> int:
    """Make one of several; what is in two of them is taken once."""
    found = [(read(path, format_name=format_name, skip_bad=skip_bad), path) for path in manifests]
    parts = [manifest for manifest, _ in found]
    if prefix_speakers:
        parts = [
            part.with_utterances(
                [replace(one, speaker=f"{path.stem}-{one.speaker}") if one.speaker else one for one in part]
            )
            for part, path in found
        ]
    whole = merged(parts)
    change = f"merged {len(found)}, {sum(map(len, parts)) - len(whole)} double left out"
    write(whole, output, change, found)
    return 0
