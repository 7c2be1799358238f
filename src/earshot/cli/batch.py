"""``earshot batch``: a folder, an archive, a bucket to transcripts and one table, on one machine or a
thousand.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earshot.cli import STATUS_FAILED
from earshot.cli._batch_progress import reporters
from earshot.cli._options import (
    aligner_option,
    choose_formats,
    chosen_model,
    language_model_option,
    read_grammar,
    split_list,
    text_options,
)
from earshot.cli._voices import speaker_options
from earshot.core.errors import OutputError
from earshot.engines import DEFAULT_ENGINE, find_engine
from earshot.text.formats import FORMATS, FormatOptions
from earshot.transcription import SpeakerOptions, TranscriptionOptions

if TYPE_CHECKING:
    from earshot.batch import BatchOptions, BatchRequest, BatchResult
    from earshot.batch.check import RecipeStatus
    from earshot.text.numbers import NumberForm

_MOST_ERRORS = 20
"""Lines; more are told by export-errors."""

_EXAMPLES = """\b
Examples:
  earshot batch calls/ --out results
  earshot batch 's3://archive/2024/**/*.flac' --out s3://archive/text --cluster auto
  earshot batch list.jsonl --out results -f json,srt --cluster ray://head:10001
  earshot batch status results
  earshot batch retry results"""


class BatchGroup(click.Group):
    """``batch INPUT`` is short for ``batch run INPUT``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """What is no verb is an INPUT."""
        if args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Options may stand before INPUT."""
        if args and args[0].startswith("-") and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=BatchGroup, subcommand_metavar="INPUT --out OUTPUT | VERB OUTPUT", epilog=_EXAMPLES)
def batch() -> None:
    """Write down thousands of hours: transcripts, and one table of all that was said.

    'earshot batch run --help' tells all options. Run again, a batch does only what is missing or changed.
    """


@batch.command()
@click.argument("source", metavar="INPUT")
@click.option("--out", "-o", "output", required=True, metavar="OUTPUT", help="A folder, or an address.")
@click.option(
    "--cluster",
    default="local",
    show_default=True,
    metavar="WHERE",
    help="local (all cores of this machine), none (one worker, without Ray), auto (the Ray that runs here),"
    " HOST:PORT or ray://HOST:PORT.",
)
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="[one for each core or accelerator]")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Of each worker.")
@click.option(
    "--gpus-per-worker", type=click.FloatRange(min=0), metavar="X", help="[1 where --device is not cpu]"
)
@click.option("--engine", default=DEFAULT_ENGINE, show_default=True, metavar="NAME", help="The recognizer.")
@click.option("--model", metavar="NAME", help="A name from 'earshot models list', or a folder.")
@click.option("--language", "-l", metavar="CODE", help="Spoken language, such as en, de or ru.")
@click.option("--device", default="cpu", show_default=True, metavar="NAME", help="What computes.")
@click.option(
    "--output-format",
    "-f",
    "formats",
    multiple=True,
    metavar="NAMES",
    help=f"Of the transcripts: any of {', '.join(FORMATS)}, or all [json].",
)
@click.option("--word-timestamps/--no-word-timestamps", default=True, help="Find the time of each word [yes].")
@text_options
@speaker_options
@click.option("--hot-words", multiple=True, metavar="WORDS", help="Words to expect, with commas.")
@click.option("--grammar", type=click.Path(path_type=Path), metavar="FILE", help="Only these phrases.")
@language_model_option
@aligner_option
@click.option("--channel", type=click.IntRange(min=1), metavar="N", help="Hear only channel N; else all mixed.")
@click.option(
    "--unit-minutes",
    type=click.FloatRange(0.1, 60.0),
    default=4.0,
    show_default=True,
    metavar="X",
    help="Speech in a piece of a long recording, and in a handful of short ones.",
)
@click.option("--join", "joins", is_flag=True, help="Work beside another batch on the same OUTPUT.")
@click.option(
    "--progress-json", type=click.Path(allow_dash=True), metavar="FILE|-", help="Progress as JSON lines."
)
@click.option("--prometheus", metavar="FILE|PORT", help="Metrics in a file, or on a port of this machine.")
@click.option(
    "--price-per-hour", type=click.FloatRange(min=0), metavar="X", help="Of one worker: tells the cost."
)
@click.option(
    "--store-mb",
    type=click.IntRange(min=80),
    default=512,
    show_default=True,
    metavar="N",
    help="Memory for sound on its way, on a local cluster.",
)
@click.option("--dashboard", is_flag=True, help="Start Ray's dashboard on a local cluster.")
def run(
    source: str,
    output: str,
    cluster: str,
    workers: int | None,
    threads: int,
    gpus_per_worker: float | None,
    engine: str,
    model: str | None,
    language: str | None,
    device: str,
    formats: tuple[str, ...],
    word_timestamps: bool,
    is_punctuated: bool,
    numbers: NumberForm | None,
    speakers: SpeakerOptions | None,
    hot_words: tuple[str, ...],
    grammar: Path | None,
    language_model: str | None,
    aligner: str | None,
    channel: int | None,
    unit_minutes: float,
    joins: bool,
    progress_json: str | None,
    prometheus: str | None,
    price_per_hour: float | None,
    store_mb: int,
    dashboard: bool,
) -> int:
    """Transcribe all that INPUT stands for into OUTPUT.

    INPUT: a folder, a glob in quotes, a manifest (txt, jsonl, csv), a Parquet table, one recording, or the
    address of any of these, such as s3://bucket/prefix. OUTPUT gets transcripts/, the Parquet table segments/,
    and the ledger of what is done.
    """
    from earshot.batch import BatchOptions, BatchRequest, ClusterOptions

    find_engine(engine)
    options = BatchOptions(
        TranscriptionOptions(
            engine=engine,
            model=chosen_model(engine, model, language),
            language=language,
            num_threads=threads,
            device=device,
            word_times=word_timestamps or speakers is not None,
            punctuation=is_punctuated,
            numbers=numbers,
            grammar=read_grammar(grammar) if grammar else None,
            hot_words=split_list(hot_words),
            speakers=_without_names(speakers),
            language_model=None if language_model is None else str(Path(language_model).absolute()),
            aligner=aligner,
        ),
        choose_formats(formats, tuple(FORMATS)) or ("json",),
        FormatOptions(),
        channel,
        60 * unit_minutes,
    )
    gpus = gpus_per_worker if gpus_per_worker is not None else float(device != "cpu")
    place = ClusterOptions(
        cluster, workers, float(threads), gpus, store_bytes=store_mb * 2**20, has_dashboard=dashboard
    )
    request = BatchRequest(source, output, options, place, joins, price_per_hour)
    return _run(request, progress_json=progress_json, prometheus=prometheus)


def _without_names(speakers: SpeakerOptions | None) -> SpeakerOptions | None:
    """Labels alone, which mean something within one recording: machines of a cluster know nobody's voice.

    The encoder is settled here, so that all machines use the same one.
    """
    if speakers is None:
        return None
    from earshot.speakers.encoder import find_encoder

    return dataclasses.replace(speakers, encoder=find_encoder(speakers.encoder).name, has_names=False)


def _run(request: BatchRequest, *, progress_json: str | None = None, prometheus: str | None = None) -> int:
    from earshot.batch import run_batch

    with reporters(progress_json, prometheus) as shown:
        try:
            result = run_batch(request, on_plan=shown.plan, on_progress=shown.progress, on_notice=shown.notice)
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt("what is done is kept; the same command goes on") from error
        shown.end(result)
    return _report(request, result)


def _report(request: BatchRequest, result: BatchResult) -> int:
    """A line for each recording that could not be done, at the end, where it is seen. Returns the exit
    status.
    """
    from earshot.batch.inputs import shown_name
    from earshot.batch.run import read_output

    if not result.num_quarantined:
        return 0
    with read_output(request.output) as (_, ledger):
        for number, row in enumerate(ledger.rows(state="quarantined", recipe=result.recipe)):
            if number < _MOST_ERRORS:
                click.echo(f"earshot: error: {shown_name(row.name)}: {row.error}", err=True)
    many = f"{result.num_quarantined} of {result.num_files} recordings could not be done"
    click.echo(f"earshot: {many}: earshot batch export-errors {request.output}", err=True)
    return STATUS_FAILED


@batch.command()
@click.argument("output", metavar="OUTPUT")
@click.option("--json", "is_json", is_flag=True, help="As JSON.")
def status(output: str, is_json: bool) -> int:
    """Tell how far the batches on OUTPUT are."""
    from earshot.batch.check import recipe_status
    from earshot.batch.lock import local_owners
    from earshot.batch.run import read_output
    from earshot.batch.storage import LocalStorage

    with read_output(output) as (storage, ledger):
        found = [recipe_status(ledger, recipe) for recipe in ledger.recipes()]
        owners = local_owners(storage.folder) if isinstance(storage, LocalStorage) else []
    if is_json:
        about = {
            "recipes": [dataclasses.asdict(one) for one in found],
            "at_work": [{"owner": name, **more} for name, more in owners],
        }
        click.echo(json.dumps(about, indent=2))
        return 0
    for one in found:
        click.echo(_status_text(one))
    for _, more in owners:
        click.echo(f"at work: process {more.get('pid')} on {more.get('host')} since {more.get('started')}")
    return 0


def _status_text(one: RecipeStatus) -> str:
    left = one.num_planned + one.num_running
    lines = [
        one.recipe,
        f"  done         {one.num_done:,} recordings, {one.seconds_done / 3600:,.1f} hours of sound,"
        f" {one.work_seconds / 3600:,.1f} hours of work",
        f"  left         {left:,} recordings, about {one.seconds_left / 3600:,.1f} hours of sound",
        f"  quarantined  {one.num_quarantined:,} recordings",
        f"  table        {one.num_segments:,} segments in {one.num_parts:,} parts",
    ]
    if one.num_gone:
        lines.append(f"  gone         {one.num_gone:,} recordings that are not in INPUT any more")
    return "\n".join(lines)


@batch.command()
@click.argument("output", metavar="OUTPUT")
@click.option("--cluster", default="local", show_default=True, metavar="WHERE", help="As for a batch.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="As for a batch.")
def retry(output: str, cluster: str, workers: int | None) -> int:
    """Try what was quarantined again, and go on with what is left."""
    from earshot.batch import BatchRequest, ClusterOptions
    from earshot.batch.run import open_output
    from earshot.batch.settings import from_plain

    with open_output(output) as opened:
        command = json.loads(opened.ledger.meta("command") or "null")
        if command is None:
            raise OutputError(f"{output} holds no ledger of a batch", fix="give the --out of a batch")
        opened.ledger.retry(recipe=opened.ledger.meta("recipe"))
    options: BatchOptions = from_plain(command["options"])
    threads = float(options.transcription.num_threads or 1)
    gpus = float(options.transcription.device != "cpu")
    place = ClusterOptions(cluster, workers, threads, gpus)
    return _run(BatchRequest(command["source"], output, options, place))


@batch.command()
@click.argument("output", metavar="OUTPUT")
@click.option("--mend", "is_mending", is_flag=True, help="Let the next batch do again what is damaged.")
def verify(output: str, is_mending: bool) -> int:
    """Read all results and compare them with the ledger; tell what is missing, changed or double."""
    from earshot.batch import check
    from earshot.batch.run import open_output, read_output

    with contextlib.ExitStack() as stack:
        if is_mending:
            opened = stack.enter_context(open_output(output))
            storage, ledger = opened.storage, opened.ledger
        else:
            storage, ledger = stack.enter_context(read_output(output))
        problems = list(check.verify(storage, ledger))
        for problem in problems:
            click.echo(problem.what)
        if is_mending and problems:
            many = check.mend(storage, ledger, problems)
            click.echo(f"earshot: the next batch does {many} recordings again", err=True)
    return STATUS_FAILED if problems else 0


@batch.command("export-errors")
@click.argument("output", metavar="OUTPUT")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
def export_errors(output: str, form: str) -> int:
    """List what was quarantined and why, on standard output; a jsonl may be the INPUT of another batch."""
    from earshot.batch.inputs import shown_name
    from earshot.batch.run import read_output

    with read_output(output) as (_, ledger):
        writer = csv.writer(_Echo())
        if form == "csv":
            writer.writerow(["file", "address", "error", "recipe"])
        for row in ledger.rows(state="quarantined"):
            if form == "csv":
                writer.writerow([shown_name(row.name), shown_name(row.address), row.error, row.recipe])
            else:
                about = {"audio": row.address, "file": row.name, "error": row.error, "recipe": row.recipe}
                click.echo(json.dumps(about))
    return 0


class _Echo:
    """What csv writes to."""

    def write(self, text: str) -> None:
        click.echo(text, nl=False)
