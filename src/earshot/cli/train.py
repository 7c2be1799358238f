"""``earshot train``: nets of one's own, from folders of labelled recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earshot.cli._outputs import check_folder
from earshot.cli.train_recognizer import recognizer
from earshot.core.errors import AudioError

if TYPE_CHECKING:
    from earshot.commands.dataset import Split
    from earshot.core.types import Samples
    from earshot.training.command_nets import Outcome
    from earshot.training.loop import Progress
    from earshot.training.running_words import RunningProgress

_EXAMPLES = """\b
Examples:
  earshot train commands --list
  earshot train commands --data my-words/ --output my-net/
  earshot train commands --data speech_commands/ --twelve --net bc-resnet-3 --seeds 3 --output net/
  earshot train commands --data my-words/ --net cnn-4 --seeds 5 --distill cnn-1 --output small/
  earshot train commands --running --data wake-words/ --speech talks/ --output my-wake/"""


@click.group()
def train() -> None:
    """Train a net from labelled recordings, on this machine."""


train.add_command(recognizer)


@train.command(epilog=_EXAMPLES)
@click.option("--data", type=click.Path(path_type=Path), metavar="FOLDER", help="Clips: FOLDER/word/clip.wav.")
@click.option("--net", default="cnn-4", show_default=True, metavar="NAME", help="Which net; see --list.")
@click.option("--list", "is_list", is_flag=True, help="Tell the nets there are.")
@click.option("--twelve", is_flag=True, help="Ten commands, silence, and all other words as unknown.")
@click.option(
    "--seeds", type=click.IntRange(1, 20), default=1, show_default=True, help="Nets, and average them."
)
@click.option("--distill", "pupil", metavar="NAME", help="Put what the nets of all seeds know into one net.")
@click.option(
    "--steps", type=click.IntRange(1), default=2_000, show_default=True, help="Batches a net learns from."
)
@click.option("--batch-size", type=click.IntRange(2), default=64, show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0, 1, min_open=True), default=3e-3, show_default=True)
@click.option("--patience", type=click.IntRange(1), help="End after so many tenths of it without a better net.")
@click.option(
    "--background", type=click.Path(path_type=Path), metavar="FOLDER", help="Noise to lay below clips."
)
@click.option(
    "--copies",
    type=click.IntRange(0, 100),
    default=4,
    show_default=True,
    help="Changed copies of each clip: for nets on Moonshine's frozen encoder, their pupils, and --running.",
)
@click.option(
    "--running",
    "is_running",
    is_flag=True,
    help="Words to be found within running speech, as wake words are; see --speech.",
)
@click.option(
    "--speech",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Of --running: ten minutes or more, better hours, of speech in which nobody says the words.",
)
@click.option("--output", type=click.Path(path_type=Path), metavar="FOLDER", help="Where the net goes.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write a page: errors, curves.")
def commands(
    data: Path | None,
    net: str,
    is_list: bool,
    twelve: bool,
    seeds: int,
    pupil: str | None,
    steps: int,
    batch_size: int,
    learning_rate: float,
    patience: int | None,
    background: Path | None,
    copies: int,
    is_running: bool,
    speech: Path | None,
    output: Path | None,
    report: Path | None,
) -> int:
    """Learn spoken commands from recordings of many people; judged by people who were not learned from."""
    from earshot.training.command_nets import Teachers, export_outcome, load_split, train_commands
    from earshot.training.loop import LoopOptions
    from earshot.training.nets import NETS, find_net
    from earshot.training.report import write_report

    if is_list:
        for name, spec in NETS.items():
            click.echo(f"{name:<12}  {spec.help}")
        return 0
    if data is None or output is None:
        raise click.UsageError("name the clips with --data and a folder for the net with --output")
    if is_running != (speech is not None):
        raise click.UsageError("--running needs --speech FOLDER, and --speech is of --running")
    if is_running and (twelve or pupil is not None or report is not None):
        raise click.UsageError("--running makes a net of its own kind: without --twelve, --distill, --report")
    spec = find_net(net)
    if pupil is not None:
        find_net(pupil)
    for path in (output.parent, report.parent if report is not None else output.parent):
        check_folder(path.absolute())
    if speech is not None:
        return _train_running(data, speech, _backgrounds(data, background), output, copies)
    loaded = load_split(_split(data, is_twelve=twelve), _backgrounds(data, background))
    for item in loaded.refused:
        click.echo(f"left out: {item.path}: {item.reason}", err=True)
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    options = LoopOptions(
        num_steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        evaluate_every=max(1, steps // 10),
        patience=patience,
    )
    outcome = train_commands(loaded, net, options, seeds=range(seeds), num_copies=copies, watch=_watch(steps))
    _tell(outcome, "an ensemble" if seeds > 1 else "the net")
    if pupil is not None:
        net, teachers = pupil, Teachers(outcome.nets, spec.front_end)
        outcome = train_commands(
            loaded, net, options, teachers=teachers, num_copies=copies, watch=_watch(steps)
        )
        _tell(outcome, "the distilled net")
    path = export_outcome(outcome, net, output, description=f"{net}, learned from {data.name}")
    click.echo(f"written       {path} ({path.stat().st_size / 1e6:.2f} MB)")
    if report is not None:
        write_report(outcome, report, title=f"{net} on {data.name}")
        click.echo(f"report        {report}")
    return 0


def _train_running(data: Path, speech: Path, backgrounds: list[Samples], output: Path, num_copies: int) -> int:
    """Words that are found within running speech."""
    from earshot.audio.decode import find_recordings, read_audio
    from earshot.commands.dataset import SILENCE, read_clips
    from earshot.commands.takes import check_take
    from earshot.training.running_words import RunningOptions, Word, save_running, train_running

    words = []
    for clip in read_clips(data):
        if clip.label == SILENCE:
            continue
        try:
            take = check_take(read_audio(clip.path).samples, clip.path.name)
        except AudioError as error:
            click.echo(f"left out: {clip.path}: {error.message}", err=True)
        else:
            words.append(Word(clip.label, clip.speaker, take.samples))
    recordings = (read_audio(path).samples for path in find_recordings(speech))
    told: list[str] = []

    def watch(progress: RunningProgress) -> None:
        if progress.step == "nets" or progress.step not in told:
            told.append(progress.step)
            click.echo(progress.text, err=True)

    outcome = train_running(
        words,
        list(recordings),
        backgrounds=backgrounds,
        options=RunningOptions(num_copies=max(1, num_copies)),
        watch=watch,
    )
    for label in outcome.labels:
        shares = [f"{100 * outcome.recall(label, rate):.1f}" for rate in (0.1, 0.5, 5.0)]
        click.echo(
            f"{label}: {', '.join(shares)} % found of people never heard, in speech and noise, "
            "at 0.1, 0.5 and 5 false alarms an hour of speech, all words together"
        )
    save_running(outcome, output, description=f"words within running speech, learned from {data.name}")
    click.echo(f"written       {output}")
    click.echo(f"try           earshot spot --model {output}")
    return 0


def _split(folder: Path, *, is_twelve: bool) -> Split:
    from earshot.commands.dataset import read_clips, split_by_speaker, twelve_classes

    clips = read_clips(folder)
    return split_by_speaker(twelve_classes(clips) if is_twelve else clips)


def _backgrounds(data: Path, folder: Path | None) -> list[Samples]:
    from earshot.audio.decode import find_recordings, read_audio
    from earshot.commands.dataset import backgrounds_of

    paths = backgrounds_of(data) if folder is None else find_recordings(folder)
    if folder is not None and not paths:
        raise AudioError(f"{folder} holds no recordings", fix="name a folder of background sounds")
    return [read_audio(path).samples for path in paths]


def _watch(num_steps: int) -> Callable[[int, Progress], None]:
    def watch(seed: int, progress: Progress) -> None:
        click.echo(
            f"seed {seed}, step {progress.step} of {num_steps}: loss {progress.loss:.3f}, "
            f"{100 * progress.accuracy:.1f} % on other speakers",
            err=True,
        )

    return watch


def _tell(outcome: Outcome, what: str) -> None:
    from earshot.training.measures import interval, share_interval

    low, high = share_interval(outcome.accuracy, outcome.num_judged)
    click.echo(
        f"accuracy      {100 * outcome.accuracy:.1f} % of {outcome.num_judged} clips of people never heard, "
        f"{what} (95 %: {100 * low:.1f} to {100 * high:.1f} %)"
    )
    if len(outcome.accuracies) > 1:
        each = [100 * one for one in outcome.accuracies]
        click.echo(f"seeds         {sum(each) / len(each):.1f} ± {interval(each):.1f} %")
    click.echo(
        f"cost          {outcome.cost.num_parameters:,} parameters, "
        f"{outcome.cost.num_multiply_adds:,} multiply-adds a second of sound"
    )
    for clip in outcome.worst[:3]:
        click.echo(f"worst         {clip.path.name}: {clip.label}, heard as {clip.guess}")
