"""``earshot teach``: a spoken command from a few recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earshot.cli._sound import SoundOptions, StopSignals, complain, open_source, quiet_libraries, sound_options
from earshot.core.errors import AudioError
from earshot.core.types import SAMPLE_RATE, Samples

if TYPE_CHECKING:
    from earshot.audio.capture import Source
    from earshot.commands import CommandStore, TeachingReport

_PATIENCE = 30
"""Seconds in which a word is waited for."""

_MAX_WARNINGS = 12
"""Of hundreds of recordings, that are told."""

_EXAMPLES = """\b
Examples:
  earshot teach "light on"                       (say it three times)
  earshot teach "light on" one.wav two.wav three.wav
  earshot teach "light on" four.wav --more
  earshot teach computer --from recordings/computer
  earshot teach --was-wrong 12
  earshot teach "light on" --rename "lamp on"
  earshot teach --list"""


@click.command(epilog=_EXAMPLES)
@click.argument("label", required=False, metavar="WORD")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@sound_options
@click.option(
    "--recordings",
    type=click.IntRange(1, 20),
    default=3,
    show_default=True,
    metavar="N",
    help="How often the word is said into the microphone.",
)
@click.option("--more", is_flag=True, help="Add recordings to a word that is taught already.")
@click.option("--reject", is_flag=True, help="The recordings were taken for the word and are not it.")
@click.option(
    "--from",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Learn from all fit recordings in it: of hundreds, by many voices, a better line is learned.",
)
@click.option("--heard", is_flag=True, help="List the last events of 'earshot spot', by number.")
@click.option(
    "--was-right",
    type=click.IntRange(min=1),
    metavar="N",
    help="Event N was right, or was WORD: learn from it.",
)
@click.option("--was-wrong", type=click.IntRange(min=1), metavar="N", help="Event N was no command at all.")
@click.option(
    "--background",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Ten minutes or more of speech without the commands: taught words' thresholds hold for it, too.",
)
@click.option("--no-background", is_flag=True, help="Forget that speech.")
@click.option("--list", "is_list", is_flag=True, help="Tell what is taught.")
@click.option("--forget", is_flag=True, help="Forget the word and delete its recordings.")
@click.option("--rename", "new_label", metavar="NAME", help="Call the word otherwise.")
def teach(
    label: str | None,
    files: tuple[Path, ...],
    sound: SoundOptions,
    recordings: int,
    more: bool,
    reject: bool,
    folder: Path | None,
    heard: bool,
    was_right: int | None,
    was_wrong: int | None,
    background: Path | None,
    no_background: bool,
    is_list: bool,
    forget: bool,
    new_label: str | None,
) -> int:
    """Teach a spoken command: a word, a phrase in any language, a sound; then 'earshot spot' hears it.

    From recordings, each of the word alone, or from the microphone. Recordings stay on this machine.
    """
    from earshot.commands.heard import HeardLog
    from earshot.commands.store import CommandStore

    if sound.source is not None and sound.source != "-":
        files, sound = (*files, Path(sound.source)), replace(sound, source=None)
    store = CommandStore()
    asked = [is_list, heard, forget, new_label is not None, more, reject]
    asked += [was_right is not None, was_wrong is not None, background is not None, no_background]
    if sum(asked) > 1:
        raise click.UsageError(
            "one thing at a time: --list, --heard, --forget, --rename, --more, --reject, "
            "--was-right, --was-wrong, --background or --no-background"
        )
    if background is not None or no_background:
        if label is not None:
            raise click.UsageError("background is of all taught words; name none with it")
        return _set_background(store, background)
    if is_list:
        return _list(store)
    if heard:
        return _list_heard(store)
    if was_right is not None:
        return _learn_event(store, was_right, label, is_right=True)
    if was_wrong is not None:
        return _learn_event(store, was_wrong, None, is_right=False)
    if label is None:
        raise click.UsageError("name the word to teach")
    if Path(label).suffix and Path(label).is_file():
        raise click.UsageError(f"{label} is a recording; name the word first: earshot teach WORD {label} …")
    if forget:
        store.forget(label)
        HeardLog(store).forget(label)
        click.echo(f"forgot {label}")
        return 0
    if new_label is not None:
        click.echo(f"{label} is now {store.rename(label, new_label).label}")
        return 0
    return _teach(store, label, files, folder, sound, recordings, more=more, reject=reject)


def _set_background(store: CommandStore, folder: Path | None) -> int:
    """Of the user's own, None for none."""
    from earshot.audio.decode import read_audio
    from earshot.commands import Embedder
    from earshot.commands.own_background import describe_background, save_background

    if folder is None:
        store.background_path.unlink(missing_ok=True)
        click.echo("thresholds of taught words are from the speech that ships alone")
        return 0

    def recordings(paths: Sequence[Path]) -> Iterator[Samples]:
        for path in paths:
            try:
                yield read_audio(path).samples
            except AudioError as error:
                complain(f"left out: {path}: {error.message}")

    paths = _recordings_in(folder)
    complain(f"listening to {len(paths)} recordings; an hour of them takes two minutes or so")
    embedder = Embedder()
    own = describe_background(recordings(paths), embedder)
    save_background(own, store, embedder)
    click.echo(f"{60 * own.hours:.0f} minutes of speech described: thresholds of taught words hold for it now")
    return 0


def _list(store: CommandStore) -> int:
    commands = store.commands()
    if not commands:
        complain('nothing is taught yet: earshot teach "light on"')
    for command in commands:
        count = len(command.positives)
        click.echo(
            f"{command.label}\t{count} recording{'s' if count != 1 else ''}\t{command.duration:.2f} s"
            + (f"\t{len(command.negatives)} rejected" if command.negatives else "")
        )
    return 0


def _list_heard(store: CommandStore) -> int:
    from earshot.commands.heard import HeardLog

    events = HeardLog(store).events()
    if not events:
        complain("nothing was heard yet: earshot spot")
    for event in events:
        moment = datetime.fromtimestamp(event.moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        click.echo(f"{event.number}\t{moment}\t{event.label}\t{event.confidence:.2f}")
    return 0


def _learn_event(store: CommandStore, number: int, label: str | None, *, is_right: bool) -> int:
    """Learn from what was heard: that it was right, that it was another command, or none."""
    from earshot.commands import Embedder, Teacher
    from earshot.commands.heard import HeardLog

    event, samples = HeardLog(store).find(number)
    heard = store.find(event.label).label
    meant = store.find(label).label if label is not None else heard
    teacher = Teacher(store, Embedder())
    if not is_right:
        teacher.learn(heard, samples, "rejected")
        click.echo(f"{heard}: event {number} rejected")
        return 0
    if meant != heard:
        teacher.learn(heard, samples, "rejected")
    teacher.learn(meant, samples, "accepted" if meant == heard else "corrected")
    click.echo(f"{meant}: learned from event {number}")
    return 0


def _recordings_in(folder: Path, otherwise: str = "name one with recordings") -> list[Path]:
    """otherwise: what to do where it is no folder."""
    from earshot.audio.decode import find_recordings

    if not folder.is_dir():
        raise click.UsageError(f"{folder} is no folder; {otherwise}")
    found = find_recordings(folder)
    if not found:
        raise AudioError(f"there are no recordings in {folder}", fix="name a folder of sound files")
    return found


def _takes_in(folder: Path) -> list[tuple[str, Samples]]:
    """What a word can be taught from in a folder; of hundreds a bad one is told and left out."""
    from earshot.commands.takes import fit_recordings

    read, refusals = [], []
    paths = _recordings_in(folder, "name recordings without --from")
    for path in paths:
        try:
            read += read_takes((path,))
        except AudioError as error:
            refusals.append(error)
    fit, unfit = fit_recordings(read)
    refusals += unfit
    if not fit:
        raise AudioError(
            f"a word can be taught from none of {len(paths)} recordings in {folder}: {refusals[0].message}",
            fix=refusals[0].fix,
        )
    complain_of([f"left out: {error.message}" for error in refusals])
    return fit


def complain_of(warnings: Sequence[str]) -> None:
    """Tell the first of them, and how many more there are."""
    for warning in warnings[:_MAX_WARNINGS]:
        complain(f"warning: {warning}")
    if len(warnings) > _MAX_WARNINGS:
        complain(f"warning: and {len(warnings) - _MAX_WARNINGS} more")


def _teach(
    store: CommandStore,
    label: str,
    files: tuple[Path, ...],
    folder: Path | None,
    sound: SoundOptions,
    count: int,
    *,
    more: bool,
    reject: bool,
) -> int:
    from earshot.commands import Embedder, Teacher

    if more or reject:
        store.find(label)  # a mistyped word is told before anything is recorded
    teacher = Teacher(store, Embedder())
    if not more and not reject:
        teacher.check_is_new(label)
    if files or folder is not None:
        takes = [*read_takes(files), *(_takes_in(folder) if folder is not None else [])]
    else:
        with ExitStack() as stack:
            takes = record_takes(label, sound, count, stack)
    if reject:
        for _, samples in takes:
            teacher.learn(label, samples, "rejected")
        click.echo(f"{label}: {len(takes)} rejected")
        return 0
    report = teacher.teach(label, takes, is_added=more)
    complain_of(report.warnings)
    for line in report_lines(report):
        click.echo(line)
    return 0


def report_lines(report: TeachingReport) -> Iterator[str]:
    """What a person wants to know of a lesson."""
    count = report.num_recordings
    yield f"{report.label}: learned from {count} recording{'s' if count != 1 else ''}"
    if report.agreement is not None:
        yield f"agreement     {report.agreement:.2f} of 1 between recordings"
    if report.nearest is not None:
        yield f"nearest       {report.nearest.label} ({report.nearest.similarity:.2f} of 1)"
    if report.false_alarms_per_hour is not None:
        rate = _rate(report.false_alarms_per_hour)
        yield f"false alarms  {rate} an hour of speech, if each of these is to be heard"


def _rate(rate: float) -> str:
    return "less than 0.01" if rate < 0.01 else f"about {rate:.2g}"


def read_takes(files: tuple[Path, ...]) -> list[tuple[str, Samples]]:
    """The recordings; of a long one only as much as shows that it is too long."""
    from earshot.audio.decode import open_audio
    from earshot.audio.resample import resampled

    takes = []
    for path in files:
        blocks: list[Samples] = []
        with open_audio(path) as reader:
            for block in resampled(reader, reader.info.sample_rate):
                blocks.append(block)
                if sum(map(len, blocks)) > 11 * SAMPLE_RATE:
                    break
        takes.append((str(path), joined(blocks)))
    return takes


def joined(blocks: list[Samples]) -> Samples:
    """One array of many."""
    import numpy as np

    return np.concatenate([np.empty(0, np.float32), *blocks])


def record_takes(label: str, sound: SoundOptions, count: int, stack: ExitStack) -> list[tuple[str, Samples]]:
    """Ask for the word and wait until it was said so often. Raises AudioError where it is not."""
    from earshot.audio.cutting import CutOptions, cut_speech

    stack.enter_context(quiet_libraries())
    source = stack.enter_context(open_source(sound, complain))
    signals = stack.enter_context(StopSignals(source.stop))
    takes: list[tuple[str, Samples]] = []
    click.echo(f"say {label!r}, {count} times, with a pause after each: 1", err=True)
    for region in cut_speech(_patient(source, takes), max_duration=12.0, options=CutOptions(padding=0.3)):
        takes.append((f"recording {len(takes) + 1}", region.samples))
        if len(takes) == count:
            break
        click.echo(f"heard; again: {len(takes) + 1}", err=True)
    if signals.received is not None:
        raise KeyboardInterrupt
    if len(takes) < count:
        raise AudioError(
            f"only {len(takes)} of {count} recordings were made", fix="check the microphone: earshot selftest"
        )
    return takes


def _patient(source: Source, takes: list[tuple[str, Samples]]) -> Iterator[Samples]:
    """The blocks of a source until nothing was said for long."""
    num_waited, num_takes = 0, 0
    for block in source:
        num_waited = num_waited + len(block) if len(takes) == num_takes else 0
        num_takes = len(takes)
        yield block
        if num_waited > _PATIENCE * SAMPLE_RATE:
            return
