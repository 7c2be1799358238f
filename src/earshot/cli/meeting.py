"""``earshot meeting``: a recording of several people to minutes with names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earshot.cli._options import (
    choose_formats,
    chosen_model,
    language_model_option,
    live_engine_options,
    split_list,
    text_options,
)
from earshot.cli._outputs import check_folder
from earshot.cli._progress import batch_progress
from earshot.cli._sound import SoundOptions, StopSignals, complain, open_source, quiet_libraries, sound_options
from earshot.cli._voices import speaker_options
from earshot.core.errors import AudioError, SessionError
from earshot.engines import find_engine
from earshot.meetings import MEETING_FORMATS, Meeting, MeetingOptions, Source, make_meeting, write_meeting
from earshot.meetings.building import parse_source
from earshot.transcription import SpeakerOptions, TranscriptionOptions

if TYPE_CHECKING:
    from earshot.speakers.diarization import Diarizer
    from earshot.speakers.memory import SpeakerMemory
    from earshot.text.numbers import NumberForm

_EXAMPLES = """\b
Examples:
  earshot meeting team.m4a --out minutes
  earshot meeting team.m4a --out minutes -f html,docx,srt --num-speakers 4 --title "Boat club"
  earshot meeting Anna=anna.wav Ben=ben.wav --out minutes
  earshot meeting --live --out minutes
  earshot meeting --session last --out minutes"""


@click.command(epilog=_EXAMPLES)
@click.argument("files", nargs=-1, metavar="[FILE|NAME=FILE]...")
@click.option(
    "--out",
    "-o",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write there.",
)
@click.option(
    "--format",
    "-f",
    "formats",
    multiple=True,
    metavar="NAMES",
    help=f"Any of {', '.join(MEETING_FORMATS)}, or all; with commas, or given again [html].",
)
@click.option("--title", metavar="TEXT", help="Of the meeting [the name of the recording].")
@click.option("--date", metavar="TEXT", help="When it was, as it is to be shown.")
@speaker_options
@click.option("--names/--no-names", default=True, help="Call those by name whose voices are enrolled [yes].")
@click.option("--by-channel", is_flag=True, help="Each channel of the one FILE is a person's own microphone.")
@click.option("--audio/--no-audio", default=True, help="The sound in the page, beside it if long [yes].")
@click.option("--sentences", type=click.IntRange(1, 50), default=6, show_default=True, help="Of the summary.")
@live_engine_options
@text_options
@click.option("--hot-words", multiple=True, metavar="WORDS", help="Words to expect, with commas.")
@language_model_option
@click.option("--live", is_flag=True, help="Record until Ctrl-C, then make the minutes.")
@click.option("--session", metavar="NAME", help="Of what was listened to before; see 'earshot sessions list'.")
@sound_options
def meeting(
    files: tuple[str, ...],
    folder: Path,
    formats: tuple[str, ...],
    title: str | None,
    date: str | None,
    speakers: SpeakerOptions | None,
    names: bool,
    by_channel: bool,
    audio: bool,
    sentences: int,
    engine: str,
    model: str | None,
    language: str | None,
    compute: str,
    threads: int | None,
    is_punctuated: bool,
    numbers: NumberForm | None,
    hot_words: tuple[str, ...],
    language_model: str | None,
    live: bool,
    session: str | None,
    sound: SoundOptions,
) -> int:
    """Make minutes of a meeting: who said what and when, summary, action items, and a page that plays it.

    One FILE is a recording of all: voices are told apart. Several FILEs that begin together are one a person,
    called by NAME, by voice, or by the name of the file. With --live the meeting is heard from the microphone
    (or what else --from-file, --from-socket or - name); the recording stays among 'earshot sessions'.
    """
    if sound.source is not None and sound.source != "-":
        files, sound = (*files, sound.source), replace(sound, source=None)
    is_live = live or sound.source == "-" or any([sound.device, sound.from_file, sound.from_socket])
    if [is_live, bool(files), session is not None].count(True) != 1:
        raise click.UsageError("give the recording of a meeting, or --live, or --session NAME")
    chosen = choose_formats(formats, tuple(MEETING_FORMATS)) or ("html",)
    find_engine(engine)
    check_folder(folder)
    options = TranscriptionOptions(
        engine=engine,
        model=chosen_model(engine, model, language),
        language=language,
        num_threads=threads,
        device=compute,
        punctuation=is_punctuated,
        numbers=numbers,
        hot_words=split_list(hot_words),
        speakers=speakers or SpeakerOptions(),
        language_model=language_model,
    )
    wanted = MeetingOptions(title, date, sentences, _memory() if names else None)
    if session is not None:
        _write_session(session, _diarizer(options), wanted, folder, chosen, has_audio=audio)
        return 0
    if is_live:
        return _live(sound, options, wanted, folder, chosen, has_audio=audio)
    sources = _sources(files, sound.channel, by_channel, speakers)
    size = sum(_size(source.path) for source in sources)
    with batch_progress([size]) as progress:
        progress.start(0, sources[0].path.name)
        made = make_meeting(sources, options, wanted, progress=progress.update)
        progress.finish(f"{made.title}: {len(made.participants)} speakers")
    _write(made, sources, folder, chosen, has_audio=audio)
    return 0


def _memory() -> SpeakerMemory:
    """Read once at the beginning, so that a damaged file is told before an hour of work."""
    from earshot.speakers.memory import SpeakerMemory

    memory = SpeakerMemory()
    memory.list()
    return memory


def _sources(
    files: Sequence[str], channel: int | None, by_channel: bool, speakers: SpeakerOptions | None
) -> list[Source]:
    """What is heard. Raises AudioError, before any model is loaded, for what cannot be opened."""
    from earshot.audio.decode import open_audio

    sources = list(
        {_key(source): source for source in (parse_source(given, channel) for given in files)}.values()
    )
    counts = []
    for source in sources:
        with open_audio(source.path, channel=source.channel) as reader:
            counts.append(reader.info.num_channels)
    if by_channel:
        if len(sources) != 1 or sources[0].name is not None or channel is not None:
            raise click.UsageError("--by-channel is for one recording of all, all its channels")
        if counts[0] < 2:
            raise AudioError(f"{sources[0].path} has one channel", fix="leave out --by-channel")
        sources = [replace(sources[0], channel=number + 1) for number in range(counts[0])]
    if len(sources) > 1 and speakers is not None:
        raise click.UsageError("a recording for each person tells how many there are: leave out --num-speakers")
    return sources


def _key(source: Source) -> str:
    """The same recording twice is one."""
    return os.path.realpath(source.path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _write(
    made: Meeting, sources: Sequence[Source], folder: Path, formats: Sequence[str], *, has_audio: bool
) -> None:
    for warning in made.warnings:
        complain(f"warning: {warning}")
    sound = [(source.path, source.channel) for source in sources] if has_audio else None
    for path in write_meeting(made, folder, formats, sound=sound):
        click.echo(path)


def _live(
    sound: SoundOptions,
    options: TranscriptionOptions,
    wanted: MeetingOptions,
    folder: Path,
    formats: Sequence[str],
    *,
    has_audio: bool,
) -> int:
    """Listen as ``earshot listen`` does, show the text as it comes, then tell the voices apart in the whole."""
    from earshot.cli._screen import choose_screen
    from earshot.live.session import Session

    diarizer = _diarizer(options)  # what lacks is told before anything is said
    with ExitStack() as stack:
        stack.enter_context(quiet_libraries())
        session = Session(open_source(sound, complain), replace(options, speakers=None))
        signals = stack.enter_context(StopSignals(session.stop))
        with session, choose_screen(session, is_json=False) as screen:
            for event in session:
                screen.show(event)
    assert session.journal is not None, "the session keeps its sound"
    name = session.journal.folder.name
    complain(f"the recording is kept: {name}; making the minutes")
    try:
        _write_session(name, diarizer, wanted, folder, formats, has_audio=has_audio)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"earshot meeting --session {name} makes the minutes") from error
    return signals.status


def _diarizer(options: TranscriptionOptions) -> Diarizer:
    assert options.speakers is not None, "a meeting tells speakers apart"
    return options.speakers.diarizer(options.num_threads)


def _write_session(
    name: str,
    diarizer: Diarizer,
    wanted: MeetingOptions,
    folder: Path,
    formats: Sequence[str],
    *,
    has_audio: bool,
) -> None:
    """The words that were heard live, given to the voices of the whole recording."""
    from earshot.audio.journal import open_journal_audio
    from earshot.live.stored import find_session
    from earshot.meetings.building import meeting_of_transcript

    session = find_session(name)
    if session.is_running:
        raise SessionError(f"the session {session.id} is being recorded right now", fix="end it first")
    if session.is_unfinished:
        raise SessionError(
            f"the session {session.id} was cut off", fix=f"earshot sessions recover {session.id}"
        )
    if not session.duration:
        raise AudioError("nothing was recorded", fix="check the microphone: earshot selftest")
    begun = session.meta.created[:16].replace("T", " ")
    dated = replace(wanted, title=wanted.title or f"Meeting of {begun[:10]}", date=wanted.date or begun)
    with open_journal_audio(session.audio_path) as reader:
        made = meeting_of_transcript(session.transcript(), reader, diarizer, dated)
    made = replace(made, sources=(session.audio_path,))
    _write(made, [Source(session.audio_path)], folder, formats, has_audio=has_audio)
