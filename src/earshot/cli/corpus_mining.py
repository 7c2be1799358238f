"""``earshot corpus mine`` and ``mark``."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from earshot.cli._corpus import MANIFEST, ask, bar, output_option, play, read, reading_options, write
from earshot.cli._options import engine_options, language_model_option
from earshot.cli._sound import complain
from earshot.core.errors import CorpusError, UnsupportedError
from earshot.corpora import Manifest
from earshot.corpora.findings import (
    Finding,
    Findings,
    count_verdicts,
    read_findings,
    with_verdicts,
    write_findings,
)
from earshot.corpora.letters import letters_of
from earshot.corpora.mining import Ears, Loss, Ranking, hears, mine, ranked
from earshot.corpora.sound import read_utterance
from earshot.text.error_rate import word_error_rate

if TYPE_CHECKING:
    from earshot.engines import EngineOptions, Recognizer


_QUESTION = "p: play · g: good · d: defective · c: type the right text · Enter: later · q: quit"


@click.command("mine")
@click.argument("manifest", type=MANIFEST)
@reading_options
@engine_options
@language_model_option
@click.option("--against", metavar="NAME", help="A second recognizer, to see where they disagree.")
@click.option(
    "--by",
    type=click.Choice(get_args(Ranking)),
    help="What is worst [cer; disagreement with --against]; loss asks a CTC net how likely the text is.",
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
    language_model: str | None,
    against: str | None,
    by: Ranking | None,
    top: int,
    output: Path,
    page: Path | None,
) -> int:
    """Find the utterances on which a recognizer stumbles: the worst first, to be judged by ear."""
    from earshot.corpora.versions import manifest_id
    from earshot.engines import EngineOptions, load_engine

    found = read(manifest, format_name=format_name, skip_bad=skip_bad, checks=False)
    options: EngineOptions = EngineOptions(model, language, threads, device, language_model=language_model)
    with ExitStack() as stack:
        recognizer = load_engine(engine, options)
        stack.callback(recognizer.close)
        second = None
        if against is not None:
            other = load_engine(against, replace(options, model=None, language_model=None))
            stack.callback(other.close)
            second = hears(other)
        ears = Ears(hears(recognizer), second, _loss(recognizer) if by == "loss" else None)
        progress = stack.enter_context(bar("listening"))
        findings, failures = mine(found, ears, progress=progress)
        name = recognizer.name
    if failures:
        first = failures[0]
        complain(f"{len(failures)} of {len(found)} cannot be recognized, the first: {first.failure}")
    worst = ranked(findings, by or ("disagreement" if against else "cer"))[:top]
    result = Findings(str(manifest), manifest_id(found, manifest), name, tuple(worst))
    write_findings(result, output)
    if page is not None:
        from earshot.corpora.judging_page import write_page

        write_page(result, page)
    for finding in worst[:10]:
        rate = "" if finding.error_rate is None else f"{100 * finding.error_rate:.0f} %"
        click.echo(f"{found.place(finding.index)}\t{rate}\t{finding.text}\t{finding.heard}")
    complain(
        f"the {len(worst)} worst of {len(findings)} are in {page or output}; judge them, then: corpus mark"
    )
    return 0


def _loss(recognizer: Recognizer) -> Loss:
    """What tells how likely a text is. Raises UnsupportedError where the engine has no CTC net."""
    from earshot.engines.scoring import CtcRecognizer, loss_per_token

    if not isinstance(recognizer, CtcRecognizer):
        raise UnsupportedError(f"{recognizer.name} has no CTC net", fix="use the engine ctc or wav2vec2")
    return partial(loss_per_token, recognizer)


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

    FINDINGS is the file of 'evaluate' or 'corpus mine', or the verdicts.json that their pages have saved.
    """
    found = read(manifest, format_name=format_name, skip_bad=skip_bad, checks=False)
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
    """Ask for a verdict of each that has none and is heard as other than written, until the end or a q."""
    judged = list(findings)
    open_ones = [
        (position, finding)
        for position, finding in enumerate(findings)
        if not finding.verdict and (finding.error_rate != 0 or finding.disagreement)
    ]
    for count, (position, finding) in enumerate(open_ones, start=1):
        place = f"{finding.audio} from {finding.start:.2f} s"
        click.echo(f"\n[{count} of {len(open_ones)}] {place}", err=True)
        _show(finding)
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
            click.echo(f"  now  > {finding.text}\n  text > ", nl=False, err=True)
            if text := " ".join(sys.stdin.readline().split()):
                judged[position] = replace(finding, verdict="corrected", corrected=text)
    return judged


def _show(finding: Finding) -> None:
    """The text above what was heard."""
    from rich.console import Console

    from earshot.cli._alignment import alignment_lines

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if finding.failure is not None:
        console.print(f"text   {finding.text}\nnot recognized: {finding.failure}", soft_wrap=True)
        return
    edits = word_error_rate(finding.text, finding.heard, normalise=letters_of).alignment
    for line in alignment_lines(edits, console.width):
        console.print(line, soft_wrap=True)
