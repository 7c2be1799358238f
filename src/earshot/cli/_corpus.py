"""What the verbs of ``earshot corpus`` share."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from earshot.cli._sound import complain
from earshot.core.errors import CorpusError
from earshot.core.progress import ProgressCallback
from earshot.core.types import Audio
from earshot.corpora import FORMATS, Manifest, read_manifest
from earshot.corpora.versions import Version, write_version

Command = TypeVar("Command", bound=Callable[..., Any])

MANIFEST = click.Path(path_type=Path)


def reading_options(command: Command) -> Command:
    """``--format`` and ``--skip-bad``."""
    command = click.option(
        "--format", "format_name", type=click.Choice(sorted(FORMATS)), help="Of MANIFEST [found out]."
    )(command)
    return click.option("--skip-bad", is_flag=True, help="Leave bad lines out, and count them.")(command)


def output_option(help_text: str, *, required: bool = True) -> Callable[[Command], Command]:
    """``--output``."""
    return click.option(
        "--output", "-o", type=click.Path(path_type=Path), required=required, metavar="MANIFEST", help=help_text
    )


def read(
    path: Path, *, format_name: str | None = None, skip_bad: bool = False, checks: bool = True
) -> Manifest:
    """A manifest; bad lines that are left out are told. Raises ManifestError."""
    manifest = read_manifest(path, format_name=format_name, skips_bad=skip_bad, checks_files=checks)
    if count := len(manifest.bad_lines):
        first = manifest.bad_lines[0]
        complain(f"{count} bad line{'s' if count > 1 else ''} left out, the first: {first}")
    return manifest


def write(
    manifest: Manifest,
    path: Path,
    change: str,
    parents: Sequence[tuple[Manifest, Path]],
    *,
    format_name: str | None = None,
) -> Version:
    """Write a new version and tell of it in one line. Raises CorpusError rather than write over its parent."""
    if not len(manifest):
        raise CorpusError(f"nothing is left for {path}", fix="ask for less")
    if any(path.resolve() == place.resolve() for _, place in parents):
        raise CorpusError(f"{path} is what it is made of", fix="give another name with --output")
    version = write_version(manifest, path, change=change, parents=parents, format_name=format_name)
    click.echo(f"{path}\t{len(manifest)} utterances\t{hours(manifest.duration)}\tversion {version.id}")
    return version


def play(audio: Audio) -> None:
    """Let it be heard, to its end."""
    from earshot.assistant.playback import Player

    if not Player(os.environ).play(audio.samples, audio.sample_rate):
        complain("no loudspeaker was found")


def hours(seconds: float) -> str:
    """``1:02:03``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


@contextlib.contextmanager
def bar(label: str, *, waits: bool = False) -> Iterator[ProgressCallback | None]:
    """A bar on a terminal until all is done, nothing in a pipe. waits: it comes when something is done."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True, highlight=False), transient=True) as progress:
        task = progress.add_task(label, total=None, visible=not waits)

        def show(done: float, total: float | None) -> None:
            progress.update(task, completed=done, total=total, visible=total is None or done < total)

        yield show


def ask(question: str) -> str:
    """The first letter of a line from the keyboard, lower case; the end of input is a q."""
    click.echo(f"  {question} > ", nl=False, err=True)
    line = sys.stdin.readline()
    return line.strip().lower()[:1] if line else "q"
