"""``earshot speakers``: whose voices are known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earshot.cli._enrolment import voice_from_transcript
from earshot.cli._sound import SoundOptions, StopSignals, complain, open_source, quiet_libraries, sound_options
from earshot.core.errors import AudioError, SpeakerError
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.text.clean import clean_text

if TYPE_CHECKING:
    from earshot.audio.capture import Source
    from earshot.speakers.encoder import SpeakerEncoder
    from earshot.speakers.memory import Enrolment, Speaker

_WANTED = 10.0
"""Seconds of speech that are recorded with --live."""

_PATIENCE = 60.0
"""Seconds in which they are waited for."""

_FILES = click.Path(path_type=Path)

_EXAMPLES = """\b
Examples:
  earshot speakers enrol Anna anna1.wav anna2.m4a
  earshot speakers enrol Ben --live
  earshot speakers enrol Chidi --from minutes/meeting.json --speaker "Speaker 3"
  earshot speakers enrol Chidi --from talk.json --segment 4 --segment 9 --more
  earshot speakers identify unknown.wav"""


@click.group(subcommand_metavar="VERB [ARGUMENTS]", epilog=_EXAMPLES)
def speakers() -> None:
    """Whose voices are known: enrol, list, rename, merge, forget, identify.

    What is kept is a vector a recording, in one file on this machine, EARSHOT_HOME/speakers.sqlite; no sound,
    unless --keep-sound says so. Transcripts, meetings and live sessions call known voices by name.
    """


@speakers.command("enrol", epilog=_EXAMPLES)
@click.argument("name", metavar="NAME")
@click.argument("files", nargs=-1, type=_FILES, metavar="[FILE]...")
@sound_options
@click.option("--live", is_flag=True, help=f"Record about {_WANTED:.0f} s of speech from the microphone.")
@click.option(
    "--from",
    "transcript",
    metavar="TRANSCRIPT",
    help="Take the voice from what is said in a transcript (json) or a session of 'earshot listen'.",
)
@click.option(
    "--segment",
    "segments",
    multiple=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="With --from: which segments, from 1; may be given again.",
)
@click.option("--speaker", "label", metavar="LABEL", help="With --from: all segments of this speaker.")
@click.option("--more", is_flag=True, help="Add recordings to somebody who is known already.")
@click.option("--force", is_flag=True, help="Take recordings that sound like different people.")
@click.option("--keep-sound", is_flag=True, help="Keep the speech itself, too.")
@click.option("--encoder", metavar="NAME", help="ge2e, earshot or sherpa:FILE [the best that is there].")
def enrol(
    name: str,
    files: tuple[Path, ...],
    sound: SoundOptions,
    live: bool,
    transcript: str | None,
    segments: tuple[int, ...],
    label: str | None,
    more: bool,
    force: bool,
    keep_sound: bool,
    encoder: str | None,
) -> int:
    """Make a voice known by NAME: from recordings of that person alone, the microphone, or a transcript.

    With --from, FILE is the recording of the transcript; a meeting's json knows it, and one of the same name
    beside the transcript is found.
    """
    from earshot.speakers.enrolment import check_same_voice, enrolment_encoders
    from earshot.speakers.memory import SpeakerMemory, check_name

    if sound.source is not None and sound.source != "-":
        files, sound = (*files, Path(sound.source)), replace(sound, source=None)
    is_live = live or sound.source == "-" or any([sound.device, sound.from_file, sound.from_socket])
    _check_usage(files, is_live, transcript, segments, label)
    name = check_name(name)
    memory = SpeakerMemory()
    if more:
        memory.find(name)  # a mistyped name is told before anything is recorded
    else:
        memory.check_is_new(name)
    encoders = enrolment_encoders(encoder)
    with ExitStack() as stack:
        if transcript is not None:
            found = [voice_from_transcript(transcript, files, segments, label, encoders, keep_sound)]
        elif is_live:
            found = [_from_microphone(name, sound, stack, encoders, keep_sound)]
        else:
            found = _from_files(files, sound.channel, encoders, keep_sound)
    if not force:
        check_same_voice(found, memory.find(name).vectors if more else None)
    _warn_of_likeness(name, found)
    speaker = memory.enrol(name, found, adds=more)
    click.echo(_line(speaker))
    return 0


def _check_usage(
    files: Sequence[Path], is_live: bool, transcript: str | None, segments: Sequence[int], label: str | None
) -> None:
    if (segments or label is not None) and transcript is None:
        raise click.UsageError("--segment and --speaker belong to --from TRANSCRIPT")
    if transcript is not None and not segments and label is None:
        raise click.UsageError("say which part of the transcript: --segment N or --speaker LABEL")
    if transcript is not None and is_live:
        raise click.UsageError("one source at a time: --from or the microphone")
    if transcript is not None and len(files) > 1:
        raise click.UsageError("a transcript has one recording")
    if transcript is None and is_live == bool(files):
        raise click.UsageError("give recordings of the person, or --live, or --from TRANSCRIPT")


def _from_files(
    files: Sequence[Path], channel: int | None, encoders: Sequence[SpeakerEncoder], keeps: bool
) -> list[Enrolment]:
    from earshot.audio.decode import open_audio
    from earshot.audio.resample import resampled
    from earshot.speakers.enrolment import describe_voice

    found = []
    for path in dict.fromkeys(files):
        with open_audio(path, channel=channel) as reader:
            blocks = resampled(reader, reader.info.sample_rate)
            found.append(describe_voice(path.name, blocks, encoders, keeps_clip=keeps))
    return found


def _from_microphone(
    name: str, sound: SoundOptions, stack: ExitStack, encoders: Sequence[SpeakerEncoder], keeps: bool
) -> Enrolment:
    from earshot.speakers.enrolment import describe_voice

    stack.enter_context(quiet_libraries())
    source = stack.enter_context(open_source(sound, complain))
    signals = stack.enter_context(StopSignals(source.stop))
    click.echo(f"{name}, please speak for ten seconds, about anything; Ctrl-C ends earlier", err=True)
    blocks = list(_until_enough(source))
    if signals.received not in (None, 2):
        raise KeyboardInterrupt
    return describe_voice(
        "microphone" if source.is_microphone else source.name, blocks, encoders, keeps_clip=keeps
    )


def _until_enough(source: Source) -> Iterator[Samples]:
    """The blocks of a source until enough was said, or nobody said anything for long."""
    from earshot.audio.vad import FRAME, VoiceActivityDetector

    detector = VoiceActivityDetector()
    num_spoken = num_samples = 0
    for block in source:
        yield block
        num_samples += len(block)
        num_spoken += FRAME * int((detector.probabilities(block) > 0.5).sum())
        if num_spoken > _WANTED * SAMPLE_RATE or num_samples > _PATIENCE * SAMPLE_RATE:
            return


def _warn_of_likeness(name: str, found: Sequence[Enrolment]) -> None:
    """A voice that is known under another name already makes both uncertain."""
    from earshot.speakers.memory import SpeakerMemory, fold

    memory = SpeakerMemory()
    for enrolment in found:
        for space, vector in enrolment.vectors.items():
            for match in memory.ranking(vector, space.name):
                if fold(match.name) != fold(name) and match.similarity >= match.threshold:
                    complain(
                        f"warning: this voice is like that of {match.name} (similarity {match.similarity:.2f});"
                        f" if it is the same person: earshot speakers merge {name!r} {match.name!r}"
                    )
                    return
            break


def _line(speaker: Speaker) -> str:
    many = "s" if speaker.num_recordings != 1 else ""
    kept = ", sound kept" if speaker.num_clips else ""
    encoders = ", ".join(sorted(speaker.vectors))
    return (
        f"{speaker.name}\t{speaker.num_recordings} recording{many}, {speaker.seconds:.0f} s of speech{kept}"
        f"\t{encoders}"
    )


@speakers.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_command(as_json: bool) -> int:
    """List who is known."""
    from earshot.speakers.memory import SpeakerMemory

    known = SpeakerMemory().list()
    if as_json:
        click.echo(json.dumps([_fields(speaker) for speaker in known], indent=2, ensure_ascii=False))
        return 0
    for speaker in known:
        click.echo(_line(speaker))
    if not known:
        complain("nobody is enrolled yet: earshot speakers enrol NAME FILE")
    return 0


def _fields(speaker: Speaker) -> dict[str, object]:
    return {
        "name": speaker.name,
        "created": speaker.created,
        "recordings": speaker.num_recordings,
        "seconds": round(speaker.seconds, 2),
        "clips": speaker.num_clips,
        "encoders": sorted(speaker.vectors),
    }


@speakers.command()
@click.argument("name", metavar="NAME")
@click.argument("new_name", metavar="NEW")
def rename(name: str, new_name: str) -> int:
    """Call somebody otherwise."""
    from earshot.speakers.memory import SpeakerMemory

    click.echo(f"{clean_text(name)} is now {SpeakerMemory().rename(name, new_name).name}")
    return 0


@speakers.command()
@click.argument("name", metavar="NAME")
@click.argument("into", metavar="OTHER")
def merge(name: str, into: str) -> int:
    """Make one of two: the recordings of NAME belong to OTHER from now on, and NAME is no more."""
    from earshot.speakers.memory import SpeakerMemory

    click.echo(_line(SpeakerMemory().merge(name, into)))
    return 0


@speakers.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def forget(names: tuple[str, ...]) -> int:
    """Forget somebody: vectors, and sound where it was kept. Sessions that run forget them, too."""
    from earshot.speakers.memory import SpeakerMemory

    memory = SpeakerMemory()
    for name in names:
        memory.forget(name)
        click.echo(f"forgot {clean_text(name)}")
    return 0


@speakers.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILES)
@click.option("--encoder", metavar="NAME", help="ge2e, earshot or sherpa:FILE [the best that is there].")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON a recording.")
def identify(files: tuple[Path, ...], encoder: str | None, as_json: bool) -> int:
    """Tell whose voice each FILE holds: a name, or 'unknown' for a stranger, and how similar it is to whom.

    Recordings of several people: 'earshot meeting', or 'earshot transcribe --diarize'.
    """
    from earshot.audio.decode import open_audio
    from earshot.audio.resample import resampled
    from earshot.speakers.encoder import find_encoder
    from earshot.speakers.enrolment import has_two_voices, speech_of
    from earshot.speakers.memory import SpeakerMemory

    memory = SpeakerMemory()
    if not memory.list():
        raise SpeakerError("nobody is enrolled yet", fix="earshot speakers enrol NAME FILE")
    loaded = find_encoder(encoder)
    if strangers := memory.unknown_to(loaded.name):
        complain(f"warning: enrolled for another encoder than {loaded.name}: {', '.join(strangers)}")
    failures = 0
    for path in files:
        try:
            with open_audio(path) as reader:
                speech = speech_of(resampled(reader, reader.info.sample_rate))
            if len(speech) < SAMPLE_RATE // 2:
                raise AudioError(f"{path} holds no speech", fix="give a recording in which somebody speaks")
        except AudioError as error:
            complain(f"error: {error}")
            failures += 1
            continue
        if has_two_voices(speech, loaded):
            complain(f"warning: {path} seems to hold more than one voice: earshot meeting tells them apart")
        ranking = memory.ranking(loaded.embed([speech])[0], loaded.name)
        best = ranking[0] if ranking else None
        is_known = best is not None and best.similarity >= best.threshold
        if as_json:
            fields = {
                "file": str(path),
                "name": best.name if best and is_known else None,
                "nearest": best.name if best else None,
                "similarity": round(best.similarity, 4) if best else None,
                "threshold": round(best.threshold, 4) if best else None,
                "seconds": round(len(speech) / SAMPLE_RATE, 2),
            }
            click.echo(json.dumps(fields, ensure_ascii=False))
        elif best is None:
            click.echo(f"{path}\tunknown")
        elif is_known:
            click.echo(f"{path}\t{best.name}\t{best.similarity:.2f}")
        else:
            click.echo(
                f"{path}\tunknown\tnearest is {best.name}, {best.similarity:.2f} of {best.threshold:.2f}"
            )
    return 1 if failures else 0
