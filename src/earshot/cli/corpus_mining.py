"""``earshot corpus mine`` and ``mark``."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from earshot.cli._corpus import MANIFEST, ask, bar, output_option, play, read, reading_options, write
from earshot.cli._options import engine_options
from earshot.cli._sound import complain
from earshot.core.errors import CorpusError
from earshot.corpora import Manifest
from earshot.corpora.mining import (
    Finding,
    Findings,
    Ranking,
    count_verdicts,
    mine,
    ranked,
    read_findings,
    with_verdicts,
    write_findings,
)
from earshot.corpora.sound import read_utterance

if TYPE_CHECKING:
    from earshot.engines import EngineOptions


_QUESTION = "p: play · g: good · d: defective · c: type the right text · Enter: later · q: quit"


@click.command("mine")
@click.argument("manifest", type=MANIFEST)
@reading_options
@engine_options
@click.option("--against", metavar="NAME", help="A second recognizer, to see where they disagree.")
@click.option(
    "--by", type=click.Choice(get_args(Ranking)), help="What is worst [cer; disagreement with --against]."
)
@click.option("--top", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="Keep N.")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, metavar="FILE",
              help="What was found, such as mined.json.")  # fmt: skip
@click.option(
    "--page", type=click.Path(path_type=Path), metavar="FILE", help="A page to listen and judge, as html."
)
def mine_command(
    manifest: Path,
    format_name: str | None,
    skip_bad: bool,
    engine: str,
    model: str | None,
    language: str | None,
    device: str,
    threads: int | None,
    against: str | None,
    by: Ranking | None,
    top: int,
    output: Path,
    page: Path | None,
) -> int:
    """Find the utterances on which a recognizer stumbles: the worst first, to be judged by ear."""
    from earshot.corpora.versions import manifest_id
    from earshot.engines import EngineOptions, load_engine

    found = read(manifest, format_name=format_name, skip_bad=skip_bad)
    options: EngineOptions = EngineOptions(model, language, threads, device)
    with ExitStack() as stack:
        recognizer = load_engine(engine, options)
        stack.callback(recognizer.close)
        second = None
        if against is not None:
            other = load_engine(against, replace(options, model=None))
            stack.callback(other.close)
            second = other.transcribe
        progress = stack.enter_context(bar("listening"))
        findings = mine(found, recognizer.transcribe, second, progress=progress)
        name = recognizer.name
    worst = ranked(findings, by or ("disagreement" if against else "cer"))[:top]
    result = Findings(str(manifest), manifest_id(found, manifest), name, tuple(worst))
    write_findings(result, output)
    if page is not None:
        from earshot.corpora.mining_page import write_page

        write_page(result, page)
    for finding in worst[:10]:
        rate = "" if finding.error_rate is None else f"{100 * finding.error_rate:.0f} %"
        click.echo(f"{found.place(finding.index)}\t{rate}\t{finding.text}\t{finding.heard}")
    complain(
        f"the {len(worst)} worst of {len(findings)} are in {page or output}; judge them, then: corpus mark"
    )
    return 0


@click.command()
@click.argument("manifest", type=MANIFEST)
@click.argument("findings", type=click.Path(path_type=Path), metavar="FINDINGS")
@reading_options
@output_option("The new version.", required=False)
@click.option(
    "--ask", "asks", is_flag=True, help="Judge them here, one after the other; verdicts go into FINDINGS."
)
def mark(
    manifest: Path, findings: Path, format_name: str | None, skip_bad: bool, output: Path | None, asks: bool
) -> int:
    """Make a new version by the verdicts: without what is defective, with corrected texts.

    FINDINGS is the file of 'corpus mine', or the verdicts.json that its page has saved.
    """
    found = read(manifest, format_name=format_name, skip_bad=skip_bad)
    result = read_findings(findings)
    if asks:
        with_verdicts(found, manifest, result)  # another manifest is told before anything is judged
        result = replace(result, findings=tuple(_judge(result.findings, found)))
        write_findings(result, findings)
    changed = with_verdicts(found, manifest, result)
    counts = count_verdicts(result.findings)
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    if output is None:
        click.echo(told)
        return 0
    if not any(counts.values()):
        raise CorpusError(f"{findings} has no verdicts", fix="judge them on the page, or with --ask")
    write(changed, output, f"marked: {told}", [(found, manifest)])
    return 0


def _judge(findings: tuple[Finding, ...], manifest: Manifest) -> list[Finding]:
    """Ask for a verdict of each that has none, until the end or a q."""
    judged = list(findings)
    for position, finding in enumerate(findings):
        if finding.verdict:
            continue
        click.echo(
            f"\n[{position + 1} of {len(findings)}] {finding.audio} from {finding.start:.2f} s", err=True
        )
        click.echo(f"  text   {finding.text}\n  heard  {finding.heard}", err=True)
        key = ask(_QUESTION)
        while key == "p":
            play(read_utterance(manifest.utterances[finding.index]))
            key = ask(_QUESTION)
        if key == "q":
            break
        if key == "g":
            judged[position] = replace(finding, verdict="good")
        elif key == "d":
            judged[position] = replace(finding, verdict="defective")
        elif key == "c":
            click.echo("  text > ", nl=False, err=True)
            if text := " ".join(sys.stdin.readline().split()):
                judged[position] = replace(finding, verdict="corrected", corrected=text)
    return judged
