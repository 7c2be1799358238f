"""Where the sound of ``listen`` and ``record`` comes from, and what ends it."""

from __future__ import annotations

import contextlib
import io
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import click

from earshot.audio.capture import Microphone, Source
from earshot.audio.decode import SAMPLE_FORMATS, find_recordings
from earshot.audio.devices import find_device
from earshot.core.errors import AudioError, DeviceError
from earshot.core.types import SAMPLE_RATE
from earshot.live.preferences import remember_microphone, remembered_microphone
from earshot.live.sources import PacedFile, PcmStream, SocketListener

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class SoundOptions:
    """See ``sound_options``."""

    source: str | None
    device: str | None
    reconnect: bool
    channel: int | None
    from_file: Path | None
    speed: float
    from_socket: str | None
    raw_rate: int | None
    raw_channels: int | None
    raw_format: str | None


def sound_options(command: Command) -> Command:
    """Microphone, file, pipe or socket; the command gets one argument ``sound``."""

    def gathered(**values: Any) -> Any:
        sound = SoundOptions(**{name: values.pop(name) for name in SoundOptions.__dataclass_fields__})
        return command(sound=sound, **values)

    gathered.__doc__ = command.__doc__
    gathered.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    options = [
        click.argument("source", required=False, metavar="[-]"),
        click.option(
            "--device",
            "--input-device",
            metavar="NAME|N",
            help="The microphone, by number or a part of its name, remembered; 'default' for the system's.",
        ),
        click.option("--reconnect", is_flag=True, help="Wait for the microphone when it is unplugged."),
        click.option(
            "--channel", type=click.IntRange(min=1), metavar="N", help="Hear only channel N; else all mixed."
        ),
        click.option(
            "--from-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Hear a recording as if it were spoken now.",
        ),
        click.option(
            "--speed",
            type=click.FloatRange(min=0),
            default=1.0,
            show_default=True,
            metavar="X",
            help="Of --from-file; 0 for as fast as it goes.",
        ),
        click.option(
            "--from-socket",
            metavar="ADDRESS",
            help="Hear 16-bit PCM of a program that connects to tcp://HOST:PORT or unix:///PATH.",
        ),
        click.option(
            "--raw-rate", type=click.IntRange(1000, 768_000), metavar="HZ", help="Of PCM in '-' [16000]."
        ),
        click.option("--raw-channels", type=click.IntRange(1, 1024), metavar="N", help="Of PCM in '-' [1]."),
        click.option(
            "--raw-format",
            type=click.Choice(SAMPLE_FORMATS),
            metavar="KIND",
            help="Of PCM in '-', as FFmpeg names it [s16le].",
        ),
    ]
    wrapped: Any = gathered
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def open_source(sound: SoundOptions, note: Callable[[str], None]) -> Source:
    """The source that the options name. ``note`` is told where it is another one than the user may expect."""
    given = [sound.source is not None, sound.from_file is not None, sound.from_socket is not None]
    if sum([*given, sound.device is not None]) > 1:
        raise click.UsageError("one source at a time: a --device, --from-file, --from-socket or -")
    if sound.source is not None:
        if sound.source != "-":
            raise click.UsageError(f"to hear the recording {sound.source!r}, say --from-file {sound.source}")
        return _standard_input(sound)
    if sound.from_socket is not None:
        return SocketListener(sound.from_socket, sample_rate=sound.raw_rate or SAMPLE_RATE)
    if sound.from_file is not None:
        return PacedFile(sound.from_file, speed=sound.speed or math.inf, channel=sound.channel)
    return _microphone(sound, note)


def list_recordings(files: Iterable[Path]) -> list[Path]:
    """Folders stand for what is in them; each recording once. A folder without any is warned of."""
    found: list[Path] = []
    for path in files:
        inside = find_recordings(path) if path.is_dir() else [path]
        if not inside:
            complain(f"warning: there are no recordings in {path}")
        found += inside
    return list(dict.fromkeys(found))


def _standard_input(sound: SoundOptions) -> Source:
    if sys.stdin is None:
        raise AudioError("standard input is closed", fix="pipe raw PCM into this command")
    if sys.stdin.isatty():
        raise AudioError("standard input is the keyboard", fix="pipe raw PCM into this command")
    try:
        # A file of our own without a buffer: the reading thread may still wait in it when the program ends.
        stream: Any = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    except (OSError, io.UnsupportedOperation):
        stream = sys.stdin.buffer
    return PcmStream(
        stream,
        sample_rate=sound.raw_rate or SAMPLE_RATE,
        num_channels=sound.raw_channels or 1,
        sample_format=sound.raw_format or "s16le",
        channel=sound.channel,
    )


def _microphone(sound: SoundOptions, note: Callable[[str], None]) -> Source:
    wanted = sound.device
    if wanted is not None and wanted.strip().casefold() == "default":
        remember_microphone(None)
        wanted = None
    elif wanted is not None:
        remember_microphone(find_device(wanted).name)
    elif (last := remembered_microphone()) is not None:
        try:
            wanted = str(find_device(last).index)
        except DeviceError:
            note(f"the microphone {last!r} of last time is not there, using the system's")
    return Microphone(wanted, channel=sound.channel, reconnect=sound.reconnect)


class StopSignals:
    """While open, Ctrl-C and ``kill`` call ``stop`` for a clean end; Ctrl-C again ends at once.

    received: the number of the signal that came, None for none.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.received: int | None = None
        self._stop = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if (number := getattr(signal, name, None)) is not None:
                with contextlib.suppress(ValueError):  # not the main thread: whoever runs us sees to signals
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = number
        self._stop()

    @property
    def status(self) -> int:
        """The exit status: Ctrl-C is how one ends listening, so it is no failure."""
        return 0 if self.received in (None, signal.SIGINT) else 128 + (self.received or 0)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what PortAudio and ALSA print by themselves off the screen; EARSHOT_DEBUG shows it."""
    try:
        is_real = sys.stderr is not None and sys.stderr.fileno() == 2
    except (OSError, ValueError):
        is_real = False
    if not is_real or os.environ.get("EARSHOT_DEBUG"):
        yield
        return
    sys.stderr.flush()
    before = sys.stderr
    own = os.dup(2)
    sys.stderr = open(  # noqa: SIM115 - closed below
        own, "w", encoding=before.encoding, errors=before.errors, buffering=1, closefd=False
    )
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(own, 2)
        sys.stderr = before
        os.close(nothing)
        os.close(own)


def complain(text: str) -> None:
    """One line on standard error."""
    click.echo(f"earshot: {text}", err=True)
