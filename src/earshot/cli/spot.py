"""``earshot spot``: taught commands in the microphone or in recordings."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earshot.cli._outputs import check_folder
from earshot.cli._sound import (
    SoundOptions,
    StopSignals,
    complain,
    list_recordings,
    open_source,
    quiet_libraries,
    sound_options,
)
from earshot.core.errors import AudioError
from earshot.core.files import atomic_text
from earshot.core.types import Samples

if TYPE_CHECKING:
    from earshot.commands import Spotted, Spotter
    from earshot.commands.heard import HeardLog

_EXAMPLES = """\b
Examples:
  earshot spot
  earshot spot --json --false-alarms-per-hour 0.1
  earshot spot meeting.m4a --running
  earshot spot --model commands12
  earshot spot clips/ --csv clips.csv"""


@click.command(epilog=_EXAMPLES)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE|FOLDER]...")
@sound_options
@click.option(
    "--false-alarms-per-hour",
    "rate",
    type=click.FloatRange(min=0, min_open=True, max=1000),
    default=0.5,
    show_default=True,
    metavar="X",
    help="How many mistakes an hour of speech may bring: fewer means that more commands are missed.",
)
@click.option(
    "--running", "is_running", is_flag=True, help="Also within running speech, with no pause before and after."
)
@click.option(
    "--only", "names", multiple=True, metavar="WORD", help="Hear this command alone; may be given again."
)
@click.option(
    "--keep/--no-keep",
    "is_kept",
    default=True,
    help="Keep the sound of the last 50 live events, to learn [yes].",
)
@click.option(
    "--model",
    metavar="NAME|FOLDER",
    help="Hear a trained net's words, not what is taught: commands12 (yes, no, up, …) and wake-words ship.",
)
@click.option(
    "--background",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Of --model: ten minutes or more of speech without the words, to measure its false alarms anew.",
)
@click.option("--json", "is_json", is_flag=True, help="Print every event as a line of JSON.")
@click.option(
    "--csv", "csv_path", type=click.Path(path_type=Path), metavar="FILE", help="Write a table of recordings."
)
def spot(
    files: tuple[Path, ...],
    sound: SoundOptions,
    rate: float,
    is_running: bool,
    names: tuple[str, ...],
    is_kept: bool,
    model: str | None,
    background: Path | None,
    is_json: bool,
    csv_path: Path | None,
) -> int:
    """Tell when a taught command is said: in the microphone, until Ctrl-C, or in recordings.

    A command is said by itself, with a short pause before and after it; with --running also in a sentence.
    """
    if sound.source is not None and sound.source != "-":
        files, sound = (*files, Path(sound.source)), replace(sound, source=None)
    if csv_path is not None:
        if not files:
            raise click.UsageError("--csv is a table of recordings; name some")
        check_folder(csv_path.absolute().parent)
    if model is None and background is not None:
        raise click.UsageError("--background measures the false alarms of a --model")
    if model is not None and is_running:
        raise click.UsageError("--running is of taught commands; a --model hears its words anywhere")
    log = None
    if model is None:
        from earshot.commands import CommandStore, Embedder
        from earshot.commands.heard import HeardLog
        from earshot.commands.loading import load_spotters

        store = CommandStore()
        log = HeardLog(store) if is_kept else None
        embedder = Embedder(num_threads=1)
        new_spotter = load_spotters(
            store, embedder, names=names, false_alarms_per_hour=rate, is_running=is_running
        )
    else:
        new_spotter = _net_spotters(model, background, rate, names)
    if files:
        return _spot_files(list_recordings(files), new_spotter, is_json=is_json, csv_path=csv_path)
    return _spot_live(sound, new_spotter(), log, is_json=is_json)


def _net_spotters(
    model: str, background: Path | None, rate: float, names: Sequence[str]
) -> Callable[[], Spotter]:
    """Of a net that ships, or of a folder; measured on background where such is given."""
    from earshot.audio.decode import read_audio
    from earshot.commands.loading import load_net_spotters, load_words, net_folder
    from earshot.commands.net_words import measure_tail

    folder = net_folder(model)
    if background is None:
        return load_net_spotters(folder, names=names, false_alarms_per_hour=rate)
    words = load_words(folder)
    tail = measure_tail(words, (read_audio(path).samples for path in list_recordings([background])))
    return load_net_spotters(folder, names=names, words=words, tail=tail, false_alarms_per_hour=rate)


def _spot_live(sound: SoundOptions, spotter: Spotter, log: HeardLog | None, *, is_json: bool) -> int:
    with ExitStack() as stack:
        stack.enter_context(quiet_libraries())
        source = stack.enter_context(open_source(sound, complain))
        signals = stack.enter_context(StopSignals(source.stop))
        for block in source:
            _show(spotter.accept(block), None, is_json=is_json, log=log)
            while source.notices:
                complain(source.notices.popleft().text)
        _show(spotter.finish(), None, is_json=is_json, log=log)
    return signals.status


def _spot_files(
    paths: list[Path], new_spotter: Callable[[], Spotter], *, is_json: bool, csv_path: Path | None
) -> int:
    """Each recording by itself; one that cannot be read is told and left out."""
    table: list[tuple[Path, list[Spotted]]] = []
    status = 0
    for path in paths:
        events: list[Spotted] = []
        try:
            spotter = new_spotter()
            for block in _blocks(path):
                found = spotter.accept(block)
                _show(found, path, is_json=is_json)
                events += [_without_sound(event) for event in found]
            found = spotter.finish()
            _show(found, path, is_json=is_json)
            events += [_without_sound(event) for event in found]
            table.append((path, events))
        except AudioError as error:
            complain(f"error: {error}")
            status = 1
    if csv_path is not None:
        _write_table(csv_path, table)
    return status


def _blocks(path: Path) -> Iterable[Samples]:
    from earshot.audio.decode import open_audio
    from earshot.audio.resample import resampled

    with open_audio(path) as reader:
        yield from resampled(reader, reader.info.sample_rate)
        for warning in reader.warnings:
            complain(f"warning: {path}: {warning}")


def _without_sound(event: Spotted) -> Spotted:
    """For tables of many hours."""
    return replace(event, sound=event.sound[:0])


def _show(events: Iterable[Spotted], path: Path | None, *, is_json: bool, log: HeardLog | None = None) -> None:
    """On standard output, at once; with a number by which 'earshot teach' learns from it."""
    for event in events:
        number = log.add(event).number if log is not None else None
        if is_json:
            row = {"type": "spotted", "time": round(event.time, 3), "label": event.label}
            row["confidence"] = round(event.confidence, 3)
            if number is not None:
                row["number"] = number
            if path is not None:
                row["file"] = str(path)
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            where = f"{path}\t" if path is not None else ""
            after = f"\t{number}" if number is not None else ""
            click.echo(f"{where}{event.time:.2f}\t{event.label}\t{event.confidence:.2f}{after}")


def _write_table(target: Path, table: Iterable[tuple[Path, list[Spotted]]]) -> None:
    """A row an event; a recording without one has a row with empty cells."""
    with atomic_text(target) as file:
        writer = csv.writer(file)
        writer.writerow(["file", "time", "label", "confidence"])
        for path, events in table:
            for event in events:
                writer.writerow([path, f"{event.time:.3f}", event.label, f"{event.confidence:.3f}"])
            if not events:
                writer.writerow([path, "", "", ""])
