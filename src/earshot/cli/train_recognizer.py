"""``earshot train recognizer``: from recordings with texts to a model that is at once usable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earshot.cli._corpus import bar
from earshot.cli._outputs import check_folder
from earshot.models.names import check_model_name

if TYPE_CHECKING:
    from earshot.training.recognition.judging import Judged
    from earshot.training.recognition.module import EpochResult
    from earshot.training.recognition.options import RunOptions

_EXAMPLES = """\b
Examples:
  earshot train recognizer --train my-corpus/train.jsonl --output runs/first --minutes 30 --deploy mine
  earshot train recognizer run.toml --output runs/second
  earshot train recognizer run.toml --output runs/second --resume
  earshot train recognizer --train new.jsonl --init-from runs/second --output runs/third --epochs 20
  torchrun --nproc-per-node 2 -m earshot train recognizer run.toml --output runs/fourth --processes 2"""


@click.command(epilog=_EXAMPLES)
@click.argument("config", type=click.Path(path_type=Path), required=False, metavar="[TOML]")
@click.option(
    "--train", "train_paths", multiple=True, metavar="MANIFEST", help="To learn from; may be repeated."
)
@click.option("--dev", "dev_paths", multiple=True, metavar="MANIFEST", help="To judge by [a tenth of --train].")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FOLDER", help="Of this run.")
@click.option("--net", metavar="NAME", help="Which net; see --list [moonshine].")
@click.option("--list", "is_list", is_flag=True, help="Tell the nets and features there are.")
@click.option("--features", metavar="NAME", help="What the net hears; see --list [the usual of the net].")
@click.option("--language", metavar="CODE", help="ISO 639 [as the manifests say].")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Stop after so many.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Stop after so many [60 without --epochs].",
)
@click.option("--resume", is_flag=True, help="Go on where this run stopped.")
@click.option(
    "--init-from", type=click.Path(path_type=Path), metavar="FOLDER", help="Begin with another run's net."
)
@click.option("--deploy", metavar="NAME", help="Install the model under this name when done.")
@click.option("--licence", metavar="NAME", help="Of the model, for its card.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="That share the work, on each machine.",
)
@click.option("--skip-bad", is_flag=True, help="Leave bad lines of manifests out, and count them.")
def recognizer(
    config: Path | None,
    train_paths: tuple[str, ...],
    dev_paths: tuple[str, ...],
    output: Path | None,
    net: str | None,
    is_list: bool,
    features: str | None,
    language: str | None,
    epochs: int | None,
    minutes: float | None,
    resume: bool,
    init_from: Path | None,
    deploy: str | None,
    licence: str | None,
    processes: int,
    skip_bad: bool,
) -> int:
    """Learn to write down a language from recordings with texts; judged by recordings never learned from."""
    if is_list:
        _list()
        return 0
    if output is None:
        raise click.UsageError("name a folder for the run with --output")
    from earshot.training.recognition.options import RunOptions
    from earshot.training.recognition.run import train_recognizer

    options = RunOptions() if config is None else RunOptions.from_toml(config)
    changes = {"train": train_paths, "dev": dev_paths, "language": language, "skip_bad": skip_bad}
    options = _with(options, "data", **changes)
    options = _with(options, "learning", epochs=epochs, minutes=minutes)
    options = _with(options, "net", name=net)
    options = _with(options, "features", name=features)
    if options.learning.epochs is None and options.learning.minutes is None:
        options = _with(options, "learning", minutes=60.0)
    if not options.data.train:
        raise click.UsageError("name training data with --train, or a TOML that does")
    if deploy is not None:
        check_model_name(deploy)
    check_folder(output.absolute().parent)
    with bar("reading recordings", waits=True) as progress:
        trained = train_recognizer(
            options,
            output,
            name=deploy or output.name,
            licence=licence,
            is_resumed=resume,
            init_from=init_from,
            num_processes=processes,
            tell=_tell,
            watch=_watch(),
            progress=progress,
        )
    if not trained.is_first:
        return 0
    click.echo(
        f"errors        {100 * trained.best.character_error_rate:.1f} % of letters, "
        f"{100 * trained.best.word_error_rate:.1f} % of words, on the {trained.num_judged} "
        "utterances that chose the weights"
    )
    click.echo(f"model         {trained.folder}")
    if deploy is not None:
        from earshot.engines.ctc import deploy as install

        install(trained.folder, deploy, replace=True)
        click.echo(f"deployed      try: earshot transcribe --engine ctc --model {deploy} FILE")
    return 0


def _with(options: RunOptions, part: str, **values: object) -> RunOptions:
    """Those of the command line over those of the TOML, where they were given."""
    given = {key: value for key, value in values.items() if value not in (None, (), False)}
    changed = dataclasses.replace(getattr(options, part), **given)
    return dataclasses.replace(options, **{part: changed})


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _watch() -> Callable[[EpochResult, Judged], None]:
    def watch(result: EpochResult, judged: Judged) -> None:
        click.echo(
            f"epoch {result.epoch:<4} {result.minutes:6.1f} min  "
            f"loss {result.loss:.3f} / {result.dev_loss:.3f}  "
            f"letters {100 * result.character_error_rate:5.1f} %  words {100 * result.word_error_rate:5.1f} %",
            err=True,
        )
        for sample in judged.samples[:: max(1, len(judged.samples) // 2)][:2]:
            click.echo(f"    said   {sample.wanted}\n    heard  {sample.heard}", err=True)

    return watch


def _list() -> None:
    from earshot.engines.ctc_front_ends import FRONT_ENDS
    from earshot.training.recognition.nets import NETS

    for name, spec in NETS.items():
        click.echo(f"{name:<15} {spec.help} ({spec.features})")
    click.echo(f"features        {', '.join(FRONT_ENDS)}")
