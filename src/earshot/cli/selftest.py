"""``earshot selftest``: known speech through microphone and engine."""

from __future__ import annotations

import click

from earshot.audio.decode import read_audio
from earshot.cli import STATUS_FAILED
from earshot.cli._options import split_list
from earshot.cli._sample import sample_path
from earshot.cli._sound import complain, quiet_libraries
from earshot.core.types import SAMPLE_RATE
from earshot.engines import DEFAULT_ENGINE, find_engine
from earshot.live.self_test import (
    GAP,
    TOO_LOUD,
    TOO_QUIET,
    Phrase,
    SelfTestReport,
    run_internally,
    run_with_device,
)
from earshot.transcription import TranscriptionOptions

_PHRASES = (
    (1.05, 4.75, "it was the best of times it was the worst of times"),
    (4.85, 8.6, "it was the age of wisdom it was the age of foolishness"),
    (8.65, 13.0, "it was the epoch of belief it was the epoch of incredulity"),
    (21.05, 24.5, "we had everything before us we had nothing before us"),
)
"""Start and end in the sample recording, and what is said."""


@click.command()
@click.option("--device", "--input-device", metavar="NAME|N", help="The microphone [the system's].")
@click.option("--output-device", metavar="NAME|N", help="The loudspeaker [the system's].")
@click.option(
    "--loopback",
    type=click.Choice(["device", "internal"]),
    default="device",
    show_default=True,
    help="Through loudspeaker and microphone, or without any device.",
)
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="NAMES",
    help=f"With commas, or given again [{DEFAULT_ENGINE}].",
)
@click.option(
    "--phrases",
    "num_phrases",
    type=click.IntRange(1, len(_PHRASES)),
    default=len(_PHRASES),
    show_default=True,
    metavar="N",
    help="How many.",
)
@click.option(
    "--language", "-l", metavar="CODE", default="en", help="Of engines that ask; the phrases are English."
)
def selftest(
    device: str | None,
    output_device: str | None,
    loopback: str,
    engines: tuple[str, ...],
    num_phrases: int,
    language: str,
) -> int:
    """Play known English phrases, listen to them, and tell what came of it.

    Are first and last words whole, how late is the text, how loud is the sound, was anything lost? Ends with 1
    where something is wrong. With a virtual sink as loudspeaker and its monitor as microphone
    nothing is heard in the room.
    """
    names = split_list(engines) or (DEFAULT_ENGINE,)
    for name in names:
        find_engine(name)
    phrases = load_phrases()[:num_phrases]
    seconds = sum(len(phrase.samples) for phrase in phrases) / SAMPLE_RATE + GAP * (len(phrases) + 1)
    is_passed = True
    for name in names:
        complain(f"testing {name}: {seconds:.0f} s, keep quiet" if loopback == "device" else f"testing {name}")
        options = TranscriptionOptions(engine=name, language=language, word_times=False)
        with quiet_libraries():
            if loopback == "internal":
                report = run_internally(phrases, options)
            else:
                report = run_with_device(phrases, options, microphone=device, loudspeaker=output_device)
        _print(report)
        is_passed = is_passed and report.is_passed
    return 0 if is_passed else STATUS_FAILED


def load_phrases() -> list[Phrase]:
    """Raises AudioError when the sample recording is not installed."""
    sound = read_audio(sample_path()).samples
    return [
        Phrase(text, sound[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)])
        for start, end, text in _PHRASES
    ]


def _print(report: SelfTestReport) -> None:
    for number, phrase in enumerate(report.phrases, start=1):
        first = "whole" if phrase.has_first_word else f"LOST ({phrase.expected[0]!r})"
        last = "whole" if phrase.has_last_word else f"LOST ({phrase.expected[-1]!r})"
        delay = f"{phrase.delay:.2f} s" if phrase.delay is not None else "–"
        click.echo(f"phrase {number}: first word {first}, last word {last}, delay {delay}")
        if not (phrase.has_first_word and phrase.has_last_word):
            click.echo(f"  said:  {' '.join(phrase.expected)}")
            click.echo(f"  heard: {' '.join(phrase.heard) or 'nothing'}")
    click.echo(f"level: {_level(report.loudest_dbfs)}")
    click.echo(f"overruns: {report.num_overruns}")
    for notice in report.notices:
        click.echo(f"note: {notice.text}")
    verdict = "passed" if report.is_passed else "failed"
    click.echo(f"{report.engine} with {report.source}: {verdict}")


def _level(loudest: float) -> str:
    shown = "silence" if loudest == float("-inf") else f"peak {loudest:.1f} dBFS"
    if loudest < TOO_QUIET:
        return f"{shown}, TOO QUIET: turn the microphone up"
    return f"{shown}, TOO LOUD: turn the microphone down" if loudest > TOO_LOUD else shown
