"""``earshot evaluate``: how well a recognizer does, and whether another one does better."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from earshot.cli import STATUS_FAILED
from earshot.cli._corpus import MANIFEST, bar, read, reading_options
from earshot.cli._options import engine_options, language_model_option
from earshot.cli._sound import complain
from earshot.core.errors import CorpusError
from earshot.corpora.evaluation import NORMALISATIONS

if TYPE_CHECKING:
    from earshot.corpora import Manifest
    from earshot.corpora.evaluation import Evaluation
    from earshot.corpora.findings import Finding, Findings
    from earshot.engines import EngineOptions

    _Keep = Callable[[Finding], None]

_FILE = click.Path(path_type=Path)
_MOST_FAILURES: Final = 10
_SAVED_EVERY: Final = 10.0
"""Seconds of work that ``kill -9`` may cost."""

_EXAMPLES = """\b
Examples:
  earshot evaluate test.jsonl --engine ctc --model mine -o mine.json --report mine.html
  earshot evaluate test.jsonl --hypotheses theirs.txt -o theirs.json
  earshot evaluate --compare theirs.json mine.json"""


@click.command(epilog=_EXAMPLES)
@click.argument("manifest", type=MANIFEST, required=False)
@reading_options
@engine_options
@language_model_option
@click.option("--hypotheses", type=_FILE, metavar="FILE",
              help="Score these texts instead: a manifest, or lines of a name and a text.")  # fmt: skip
@click.option("--normalise", "normalisation", type=click.Choice(list(NORMALISATIONS)), default="plain",
              show_default=True, help="How texts become comparable; english unifies numbers too.")  # fmt: skip
@click.option("--output", "-o", type=_FILE, metavar="FILE",
              help="Keep what was heard, as JSON. What is there already is not recognized again.")  # fmt: skip
@click.option(
    "--report", type=_FILE, metavar="FILE", help="A page with figures, and the worst to judge, as html."
)
@click.option("--top", type=click.IntRange(min=0), default=50, show_default=True, metavar="N",
              help="Utterances on the page.")  # fmt: skip
@click.option("--worst", type=click.IntRange(min=0), default=5, show_default=True, metavar="N",
              help="Utterances to print.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; it can be compared too.")
@click.option("--compare", type=_FILE, nargs=2, metavar="OLD NEW", help="Two results of one manifest.")
def evaluate(
    manifest: Path | None,
    format_name: str | None,
    skip_bad: bool,
    engine: str,
    model: str | None,
    language: str | None,
    device: str,
    threads: int | None,
    language_model: str | None,
    hypotheses: Path | None,
    normalisation: str,
    output: Path | None,
    report: Path | None,
    top: int,
    worst: int,
    as_json: bool,
    compare: tuple[Path, Path] | None,
) -> int:
    """Recognize the utterances of MANIFEST and tell word and letter error rates, with 95 % intervals.

    Also by speaker and by length, with the worst utterances and the letters that are taken for others.
    """
    from earshot.corpora.evaluation import evaluate as score
    from earshot.corpora.findings import write_findings
    from earshot.engines import EngineOptions

    if compare is not None:
        if manifest is not None:
            raise click.UsageError("--compare takes two results and no manifest")
        return _compare(compare, normalisation, as_json=as_json)
    if manifest is None:
        raise click.UsageError("no manifest is given")
    found = read(manifest, format_name=format_name, skip_bad=skip_bad, checks=False)
    _check_texts(found, manifest)
    if hypotheses is not None:
        from earshot.corpora.hypotheses import read_hypotheses

        findings = read_hypotheses(found, manifest, hypotheses)
    else:
        options = EngineOptions(model, language, threads, device, language_model=language_model)
        findings = _recognized(found, manifest, engine, options, output)
    evaluation = score(findings, normalisation)
    if len(evaluation.failures) == len(evaluation.utterances):
        reason = evaluation.failures[0].failure
        raise CorpusError(
            f"nothing of {manifest} was recognized: {reason}", fix="see whether others fail alike"
        )
    if output is not None:
        write_findings(replace(findings, findings=tuple(one.finding for one in evaluation.utterances)), output)
    if report is not None:
        from earshot.corpora.evaluation_page import write_evaluation_page

        write_evaluation_page(evaluation, report, manifest=found, num_worst=top)
    _tell(evaluation, worst=worst, as_json=as_json)
    if output is not None and evaluation.words.errors.num_errors:
        complain(f"judge what went wrong: earshot corpus mark {manifest} {output} --ask -o NEW")
    return _tell_failures(evaluation, found)


def _check_texts(found: Manifest, path: Path) -> None:
    if not len(found):
        raise CorpusError(f"{path} has no utterances", fix="name a manifest that has some")
    without = sum(one.text is None for one in found)
    if without == len(found):
        raise CorpusError(
            f"{path} has no texts to compare with", fix="write them down, or name another manifest"
        )
    if without:
        complain(f"{without} of {len(found)} utterances have no text, and are left out")


def _tell(evaluation: Evaluation, *, worst: int, as_json: bool) -> None:
    if as_json:
        from earshot.corpora.evaluation_figures import evaluation_fields

        row = {**asdict(evaluation.findings), "figures": evaluation_fields(evaluation)}
        click.echo(json.dumps(row, ensure_ascii=False, indent=1))
        return
    from earshot.cli._evaluation import show_evaluation

    show_evaluation(evaluation, worst)


def _tell_failures(evaluation: Evaluation, found: Manifest) -> int:
    """Name what was not recognized. Returns the exit status."""
    failures = sorted(evaluation.failures, key=lambda one: one.index)
    for one in failures[:_MOST_FAILURES]:
        complain(f"error: {found.place(one.index)}: {one.failure}")
    if len(failures) > _MOST_FAILURES:
        complain(f"… and {len(failures) - _MOST_FAILURES} more")
    return STATUS_FAILED if failures else 0


def _compare(paths: tuple[Path, Path], normalisation: str, *, as_json: bool) -> int:
    from earshot.corpora.evaluation import compare, evaluate
    from earshot.corpora.evaluation_figures import comparison_fields
    from earshot.corpora.findings import read_findings

    old, new = (evaluate(read_findings(path), normalisation) for path in paths)
    comparison = compare(old, new)
    if as_json:
        click.echo(json.dumps(comparison_fields(comparison), indent=1))
        return 0
    from earshot.cli._evaluation import show_comparison

    show_comparison(comparison, old, new)
    return 0


# --- recognizing -------------------------------------------------------------------------------------------


def _recognized(
    found: Manifest, path: Path, engine: str, options: EngineOptions, output: Path | None
) -> Findings:
    """What is heard in all utterances with a text; those that ``output`` holds are not recognized again."""
    from earshot.corpora.findings import Findings
    from earshot.corpora.mining import Ears, hears, listen
    from earshot.corpora.versions import manifest_id
    from earshot.engines import load_engine

    asked = {
        "engine": engine,
        "model": options.model,
        "language": options.language,
        "lm": options.language_model,
    }
    settings = {name: value for name, value in asked.items() if value is not None}
    before = _before(output, Findings(str(path), manifest_id(found, path), engine, (), settings))
    heard = {one.index: one for one in before.findings if one.failure is None or one.verdict}
    todo = [index for index, one in enumerate(found) if one.text is not None and index not in heard]
    if not todo:
        return before
    recognizer = load_engine(engine, options)
    whole = replace(before, engine=recognizer.name)
    total = len(heard) + len(todo)
    try:
        with _kept(heard, whole, output) as keep, bar("listening") as progress:
            for finding in listen(found, Ears(hears(recognizer)), todo):
                keep(finding)
                if progress:
                    progress(len(heard), total)
    except KeyboardInterrupt as interruption:
        told = f"{len(heard)} of {total} utterances are in {output}; the same command does the rest"
        raise KeyboardInterrupt(told if output else "with --output the next run would go on") from interruption
    finally:
        recognizer.close()
    return replace(whole, findings=tuple(heard.values()))


def _before(output: Path | None, wanted: Findings) -> Findings:
    """What an earlier run has left. Raises CorpusError where that was another one."""
    from earshot.corpora.findings import read_findings

    if output is None or not output.exists():
        return wanted
    before = read_findings(output)
    if before.id != wanted.id or before.settings != wanted.settings:
        what = "another manifest" if before.id != wanted.id else "another recognizer"
        raise CorpusError(f"{output} is of {what}", fix="name another file with --output, or delete it")
    return before


@contextmanager
def _kept(heard: dict[int, Finding], whole: Findings, output: Path | None) -> Iterator[_Keep]:
    """Takes findings as they come, into ``heard`` and, now and then and however it ends, into ``output``."""
    from earshot.corpora.findings import write_findings

    saved = time.monotonic()

    def write() -> None:
        if output is not None:
            write_findings(replace(whole, findings=tuple(heard.values())), output)

    def keep(finding: Finding) -> None:
        nonlocal saved
        heard[finding.index] = finding
        if time.monotonic() - saved > _SAVED_EVERY:
            write()
            saved = time.monotonic()

    try:
        yield keep
    finally:
        write()
