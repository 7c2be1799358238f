"""``earshot sessions``: what was listened to and recorded."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click

from earshot.cli._options import choose_formats
from earshot.cli._outputs import check_folder
from earshot.cli._screen import clock, spoken_line
from earshot.cli._sound import complain
from earshot.cli._voices import speaker_options
from earshot.core.errors import EarshotError, SessionError
from earshot.engines import DEFAULT_ENGINE
from earshot.live.export import AUDIO_FORMATS, export_audio
from earshot.live.stored import (
    StoredSession,
    find_session,
    list_sessions,
    recover,
    remove_session,
)
from earshot.text.clean import clean_text
from earshot.text.formats import FORMATS, find_format, write_transcript
from earshot.transcription import SpeakerOptions, Transcriber, TranscriptionOptions

_SESSION = click.argument("name", metavar="SESSION")


@click.group(subcommand_metavar="VERB [ARGUMENTS]")
def sessions() -> None:
    """What was listened to and recorded: list, show, recover after a crash, export, remove.

    SESSION is an id, the beginning of one, or 'last'.
    """


@sessions.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_command(as_json: bool) -> int:
    """List the sessions, the oldest first."""
    found, errors = list_sessions()
    if as_json:
        click.echo(json.dumps([_fields(session) for session in found], indent=2, ensure_ascii=False))
    else:
        for session in found:
            state = _state(session)
            click.echo(
                f"{session.id}  {clock(session.duration)}  {state:<9}  {clean_text(session.meta.source)}"
            )
    for error in errors:
        complain(f"warning: {error}")
    return 0


def _state(session: StoredSession) -> str:
    if session.is_running:
        return "recording"
    return "complete" if session.meta.is_complete else "cut off"


def _fields(session: StoredSession) -> dict[str, object]:
    state = {"id": session.id, "state": _state(session), "folder": str(session.folder)}
    return {**state, **dataclasses.asdict(session.meta), "duration": session.duration}


@sessions.command()
@_SESSION
def show(name: str) -> None:
    """Print what a session is, and its text."""
    session = find_session(name)
    meta = session.meta
    rows = {
        "session": session.id,
        "state": _state(session),
        "created": meta.created,
        "source": clean_text(meta.source),
        "duration": clock(session.duration),
        "engine": " ".join(part for part in (meta.engine, meta.model, meta.language) if part) or "none",
        "folder": str(session.folder),
    }
    for key, value in rows.items():
        click.echo(f"{key:<9} {value}")
    segments = session.transcript().segments
    if segments:
        click.echo()
    for segment in segments:
        click.echo(f"{clock(segment.start)}  {spoken_line(segment)}")


@sessions.command("recover")
@click.argument("name", metavar="[SESSION]", required=False)
@click.option("--all", "is_all", is_flag=True, help="Recognize all of it again, not only what is left.")
@click.option("--engine", metavar="NAME", help="The recognizer [the session's own].")
@click.option("--model", metavar="NAME", help="A name from 'earshot models list', or a folder.")
@click.option("--language", "-l", metavar="CODE", help="Spoken language, such as en, de or ru.")
@speaker_options
def recover_command(
    name: str | None,
    is_all: bool,
    engine: str | None,
    model: str | None,
    language: str | None,
    speakers: SpeakerOptions | None,
) -> int:
    """Recognize what a crash left unrecognized, in SESSION or in all that were cut off.

    Prints the text that is new.
    """
    if name is not None:
        chosen = [find_session(name)]
    else:
        found, errors = list_sessions()
        for error in errors:
            complain(f"warning: {error}")
        chosen = [session for session in found if session.is_unfinished]
        if not chosen:
            click.echo("no session was cut off")
    failures: list[EarshotError] = []
    for session in chosen:
        try:
            _recover(session, is_all, engine, model, language, speakers)
        except SessionError as error:
            failures.append(error)
    for failure in failures:
        complain(f"error: {failure}")
    return 1 if failures else 0


def _recover(
    session: StoredSession,
    is_all: bool,
    engine: str | None,
    model: str | None,
    language: str | None,
    speakers: SpeakerOptions | None,
) -> None:
    meta = session.meta
    if meta.is_complete and not (is_all or engine):
        raise SessionError(f"the session {session.id} is complete", fix="--all recognizes it again")
    if session.is_running:
        raise SessionError(f"the session {session.id} is being recorded right now", fix="end it first")
    # A recording has no engine; one that was cut off needs its file repaired, no text.
    wanted = engine or meta.engine or (DEFAULT_ENGINE if is_all else None)
    if wanted is None:
        recover(session, None)
        click.echo(f"{session.id}: {clock(session.duration)} of sound is whole")
        return
    options = TranscriptionOptions(
        engine=wanted,
        model=model or (meta.model if wanted == meta.engine else None),
        language=language or meta.language,
        punctuation=meta.punctuation,
        numbers=meta.numbers,
    )
    with Transcriber(options) as transcriber:
        segments = recover(
            session,
            transcriber,
            is_all=is_all,
            speakers=speakers,
            on_warning=None if speakers else lambda text: complain(f"warning: {text}"),
        )
    click.echo(f"{session.id}: {len(segments)} new utterance{'' if len(segments) == 1 else 's'}", err=True)
    for segment in segments:
        click.echo(spoken_line(segment))


@sessions.command()
@_SESSION
@click.option(
    "--output",
    "-o",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write there: a text format, or .wav or .flac for the sound; may be given again.",
)
@click.option(
    "--format", "-f", "name_of_format", metavar="NAME", help="Of the output, where its suffix does not tell."
)
def export(name: str, outputs: tuple[Path, ...], name_of_format: str | None) -> None:
    """Write a session's text in any format, or its sound.

    Without --output the text goes to standard output, as txt unless --format says else.
    """
    session = find_session(name)
    if name_of_format is not None and name_of_format.lower() not in AUDIO_FORMATS:
        choose_formats([name_of_format], tuple(FORMATS))
    if not outputs:
        if name_of_format in AUDIO_FORMATS:
            raise click.UsageError("sound goes to a file: add --output")
        write_transcript(session.transcript(), sys.stdout, name_of_format or "txt")
        return
    for path in outputs:
        check_folder(path.absolute().parent)
        wanted = name_of_format or path.suffix.removeprefix(".")
        if wanted.lower() in AUDIO_FORMATS:
            export_audio(session, path, name_of_format)
        else:
            find_format(name_of_format, path)
            write_transcript(session.transcript(), path, name_of_format)
        click.echo(path)


@sessions.command()
@click.argument("names", metavar="SESSION ...", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def remove(names: tuple[str, ...], yes: bool) -> None:
    """Delete sessions, sound and text, for good."""
    chosen = [find_session(name) for name in names]
    for session in dict.fromkeys(chosen):
        size = f"{clock(session.duration)}, {session.size / 1e6:.1f} MB"
        if yes or click.confirm(f"remove {session.id} ({size})?", err=True):
            remove_session(session)
            click.echo(f"{session.id} removed")
