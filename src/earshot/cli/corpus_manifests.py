"""``earshot corpus import``, ``check``, ``stats``, ``export``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earshot.cli._corpus import MANIFEST, bar, hours, output_option, read, reading_options, write
from earshot.cli._sound import complain
from earshot.corpora import FORMATS, Manifest, write_manifest
from earshot.corpora.checking import UNUSABLE, Defect
from earshot.corpora.versions import history, is_as_written

if TYPE_CHECKING:
    from earshot.corpora.checking import CheckReport
    from earshot.corpora.statistics import Statistics

_MOST_ISSUES = 20
_MOST_LETTERS = 100


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|MANIFEST")
@output_option("Where to write our own manifest, such as all.jsonl.")
@reading_options
@click.option("--language", "-l", metavar="CODE", help="Of what has none.")
@click.option("--speaker", metavar="NAME", help="Of what has none: when one person speaks in all of it.")
@click.option("--no-durations", is_flag=True, help="Do not look into recordings whose duration is not told.")
def import_command(
    source: Path,
    output: Path,
    format_name: str | None,
    skip_bad: bool,
    language: str | None,
    speaker: str | None,
    no_durations: bool,
) -> int:
    """Make a manifest of a folder of recordings with texts, or of another tool's manifest.

    A folder holds a.wav beside a.txt, maybe in one folder a speaker; or it is Kaldi's, or lhotse's.
    Corpora that are known by name: 'earshot corpus get'.
    """
    found = read(source, format_name=format_name, skip_bad=skip_bad)
    utterances = [
        replace(one, language=one.language or language, speaker=one.speaker or speaker) for one in found
    ]
    manifest = found.with_utterances(utterances)
    if not no_durations and any(one.duration is None for one in utterances):
        from earshot.corpora.durations import with_durations

        with bar("durations") as progress:
            manifest = with_durations(manifest, progress=progress)
    write(manifest, output, f"imported from {source}", [])
    return 0


@click.command()
@click.argument("manifest", type=MANIFEST)
@reading_options
@output_option("Write what can be used, with durations as measured.", required=False)
@click.option(
    "--drop",
    "drop",
    multiple=True,
    type=click.Choice([str(defect) for defect in Defect]),
    help="With -o: leave out what has this defect; may be given again "
    f"[{', '.join(sorted(map(str, UNUSABLE)))}].",
)
@click.option("--alphabet", metavar="LETTERS", help="The letters that may occur [found out].")
@click.option("--frame-shift", type=click.FloatRange(0.001, 1), default=0.02, show_default=True, metavar="S",
              help="Seconds between two outputs of the net that is to learn.")  # fmt: skip
@click.option("--all", "shows_all", is_flag=True, help=f"Tell every defect, not the first {_MOST_ISSUES}.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON a defect.")
def check(
    manifest: Path,
    format_name: str | None,
    skip_bad: bool,
    output: Path | None,
    drop: tuple[str, ...],
    alphabet: str | None,
    frame_shift: float,
    shows_all: bool,
    as_json: bool,
) -> int:
    """Listen to everything, and tell what is wrong: status 1 where something is.

    Missing and damaged recordings, wrong durations, empty texts, foreign letters, clipping, silence, the same
    sound twice, and recordings too short for their texts.
    """
    from earshot.corpora.checking import CheckOptions, check_manifest, cleaned

    found = read(manifest, format_name=format_name, skip_bad=skip_bad, checks=False)
    letters = frozenset(alphabet) if alphabet is not None else None
    with bar("listening") as progress:
        report = check_manifest(found, CheckOptions(letters, frame_shift), progress=progress)
    _tell(report, found, shows_all=shows_all, as_json=as_json)
    if output is not None:
        defects = frozenset(map(Defect, drop)) if drop else UNUSABLE
        kept = cleaned(found, report, defects)
        change = f"checked: {len(found) - len(kept)} of {len(found)} left out ({', '.join(sorted(defects))})"
        write(kept, output, change, [(found, manifest)])
    return 1 if report.issues else 0


def _tell(report: CheckReport, manifest: Manifest, *, shows_all: bool, as_json: bool) -> None:
    if as_json:
        for issue in report.issues:
            row = {"place": issue.place, "defect": str(issue.defect), "detail": issue.detail}
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    shown = report.issues if shows_all else report.issues[:_MOST_ISSUES]
    for issue in shown:
        click.echo(str(issue))
    if rest := len(report.issues) - len(shown):
        click.echo(f"… and {rest} more: --all")
    if report.foreign:
        counts = ", ".join(f"{letter} {count}" for letter, count in report.foreign.most_common())
        click.echo(f"letters outside the alphabet: {counts}")
    told = ", ".join(f"{defect} {count}" for defect, count in report.counts.most_common())
    complain(f"{len(manifest)} utterances: {told or 'nothing is wrong'}")


@click.command()
@click.argument("manifest", type=MANIFEST)
@reading_options
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw a picture: png, svg or pdf."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def stats(manifest: Path, format_name: str | None, skip_bad: bool, plot: Path | None, as_json: bool) -> int:
    """Hours, speakers, words and letters, and what the manifest was made of."""
    from earshot.corpora.statistics import describe

    found = read(manifest, format_name=format_name, skip_bad=skip_bad)
    statistics = describe(found)
    if plot is not None:
        from earshot.corpora.plots import plot_statistics

        plot_statistics(statistics, plot)
    if as_json:
        click.echo(json.dumps(_fields(statistics), ensure_ascii=False, indent=2))
        return 0
    for name, value in _lines(statistics):
        click.echo(f"{name:<12}{value}")
    for place, version in history(manifest):
        note = ""
        if place == str(manifest) and not is_as_written(found, manifest, version):
            note = ", changed by hand since"
        click.echo(f"{'version':<12}{version.id}  {place}: {version.change}{note}")
    return 0


def _lines(statistics: Statistics) -> list[tuple[str, str]]:
    rows = [("utterances", f"{statistics.num_utterances} in {statistics.num_recordings} recordings")]
    untimed = statistics.num_utterances - statistics.num_timed
    rows.append(
        ("duration", hours(statistics.duration) + (f", {untimed} of unknown length" if untimed else ""))
    )
    for name, values, unit in (
        ("length", statistics.durations, "s"),
        ("speed", statistics.rates, "letters a second"),
    ):
        if (quantiles := statistics.quantiles(values)) is not None:
            low, middle, high = quantiles
            rows.append((name, f"{middle:.1f} {unit}; of 90 % {low:.1f} to {high:.1f}"))
    rows.append(("words", f"{statistics.num_words}, {statistics.vocabulary} different"))
    letters = statistics.letters.most_common()
    told = " ".join(f"{name}{count}" for name, count in letters[:_MOST_LETTERS])
    more = f" … {len(letters)} in all: --json" if len(letters) > _MOST_LETTERS else ""
    rows.append(("letters", told + more))
    rows.append(("speakers", _shares(statistics.speakers)))
    rows.append(("languages", _shares(statistics.languages)))
    if statistics.labels:
        rows.append(("labels", ", ".join(f"{name} {count}" for name, count in statistics.labels.most_common())))
    return rows


def _shares(seconds: Mapping[str | None, float]) -> str:
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    told = ", ".join(f"{name or 'unknown'} {hours(value)}" for name, value in ranked[:12])
    return f"{len(seconds)}: {told}" + (", …" if len(ranked) > 12 else "")


def _fields(statistics: Statistics) -> dict[str, Any]:
    return {
        "utterances": statistics.num_utterances,
        "recordings": statistics.num_recordings,
        "seconds": round(statistics.duration, 3),
        "timed": statistics.num_timed,
        "words": statistics.num_words,
        "vocabulary": statistics.vocabulary,
        "length": statistics.quantiles(statistics.durations),
        "letters_a_second": statistics.quantiles(statistics.rates),
        "speakers": {name or "": round(value, 3) for name, value in statistics.speakers.items()},
        "languages": {name or "": round(value, 3) for name, value in statistics.languages.items()},
        "labels": dict(statistics.labels),
        "letters": dict(statistics.letters.most_common()),
    }


@click.command()
@click.argument("manifest", type=MANIFEST)
@click.option("--to", "target", type=click.Choice(sorted(FORMATS)), required=True, help="For which tool.")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, metavar="FILE|FOLDER")
@reading_options
def export(manifest: Path, target: str, output: Path, format_name: str | None, skip_bad: bool) -> int:
    """Write it for another tool: NeMo, lhotse, Kaldi, a table, or a folder of recordings and texts."""
    found = read(manifest, format_name=format_name, skip_bad=skip_bad)
    write_manifest(found, output, format_name=target)
    click.echo(f"{output}\t{len(found)} utterances\t{hours(found.duration)}")
    return 0
