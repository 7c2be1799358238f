"""Wyoming over TCP or a Unix socket, as Home Assistant speaks it: speech to text, and text to intents."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
from wyoming.intent import Recognize
from wyoming.ping import Ping, Pong

from earshot import __version__
from earshot.core.errors import EarshotError, ServerError
from earshot.core.types import SAMPLE_RATE, Final
from earshot.core.types import Event as SpeechEvent
from earshot.server.errors import RequestError, TooLongError
from earshot.server.language_names import language_code
from earshot.server.pcm_input import WIDTHS, PcmInput
from earshot.server.pool import RecognizerPool, ServedStream
from earshot.server.settings import ServerOptions, is_loopback
from earshot.server.wyoming_events import line_limit, read_event, text_of
from earshot.server.wyoming_intents import IntentService

_log = logging.getLogger("earshot.server")

_WRITE_TIMEOUT = 30.0


class WyomingService:
    """Listens while it is entered; leaving finishes what is in flight.

    stopping: set when clients shall come to their end. Raises ServerError where the address cannot be had.
    """

    def __init__(self, options: ServerOptions, pool: RecognizerPool, stopping: asyncio.Event) -> None:
        assert options.wyoming is not None
        self._options = options
        self._pool = pool
        self._stopping = stopping
        self._intents = IntentService(options) if options.grammar is not None else None
        self._listener = bind_uri(options.wyoming, options)
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._allowed = [ipaddress.ip_network(text, strict=False) for text in options.wyoming_clients]

    @property
    def port(self) -> int | None:
        """None for a Unix socket."""
        name = self._listener.getsockname()
        return int(name[1]) if isinstance(name, tuple) else None

    async def start(self) -> None:
        """Begin to answer."""
        self._server = await asyncio.start_server(self._serve, sock=self._listener, limit=line_limit())

    def close(self) -> None:
        """Give the address back. Calling it twice is harmless."""
        if self._server is not None:
            self._server.close()
        self._listener.close()
        uri = urlsplit(self._options.wyoming or "")
        if uri.scheme == "unix":
            with contextlib.suppress(OSError):
                Path(uri.path).unlink()

    async def stop(self) -> None:
        """No new clients; those that are there come to their end."""
        self.close()
        if self._clients:
            await asyncio.wait(set(self._clients), timeout=self._options.stop_timeout)
        for client in set(self._clients):
            client.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            if self._is_welcome(writer):
                await _Client(reader, writer, self._options, self._pool, self._stopping, self._intents).run()
        except (OSError, TimeoutError):
            pass  # the client is gone
        except Exception as error:
            _log.exception("a Wyoming client met a fault: %s", type(error).__name__)
        finally:
            self._clients.discard(task)
            writer.close()

    def _is_welcome(self, writer: asyncio.StreamWriter) -> bool:
        """Programs of this computer are, and whoever was allowed; the protocol knows no tokens."""
        if len(self._clients) > self._options.max_connections:
            return False
        peer = writer.get_extra_info("peername")
        if not isinstance(peer, tuple) or is_loopback(peer[0]):
            return True
        address = ipaddress.ip_address(peer[0].split("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._allowed)


class _Client:
    """One connection; it may hold one utterance after the other."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        options: ServerOptions,
        pool: RecognizerPool,
        stopping: asyncio.Event,
        intents: IntentService | None,
    ) -> None:
        self._intents = intents
        self._reader = reader
        self._writer = writer
        self._options = options
        self._pool = pool
        self._stopping = stopping
        self._wish = Transcribe()
        self._utterance: _Utterance | None = None

    async def run(self) -> None:
        try:
            while (event := await self._next()) is not None:
                await self._handle(event)
            if self._stopping.is_set() and self._utterance is not None:
                await self._end()
        except EarshotError as error:
            code = error.code if isinstance(error, RequestError) else "server_error"
            await self._write(Error(str(error), code))
        finally:
            if self._utterance is not None:
                self._utterance.close()

    async def _next(self) -> Event | None:
        """The next event; None when the client is done, silent too long, or the server stops."""
        received = asyncio.ensure_future(read_event(self._reader))
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            done, _ = await asyncio.wait(
                {received, stopped}, timeout=self._options.idle_timeout, return_when=asyncio.FIRST_COMPLETED
            )
            return received.result() if received in done else None
        finally:
            received.cancel()
            stopped.cancel()

    async def _handle(self, event: Event) -> None:
        if Describe.is_type(event.type):
            await self._write(self._info())
        elif Ping.is_type(event.type):
            await self._write(Pong(text=text_of(event, "text")))
        elif Transcribe.is_type(event.type):
            self._wish = Transcribe(name=text_of(event, "name"), language=text_of(event, "language"))
        elif AudioStart.is_type(event.type):
            if self._utterance is not None:
                self._utterance.close()
            self._utterance = _Utterance(self._pool, self._wish)
        elif AudioChunk.is_type(event.type):
            await self._hear(event)
        elif AudioStop.is_type(event.type):
            await self._end()
        elif self._intents is not None and (Recognize.is_type(event.type) or Transcript.is_type(event.type)):
            # Home Assistant asks by a transcript, other clients by what the protocol has for it.
            await self._write(await self._intents.answer(event))
        # What else there is belongs to other services; a client may send it and expects no answer.

    async def _hear(self, event: Event) -> None:
        if self._utterance is None:
            self._utterance = _Utterance(self._pool, self._wish)
        await self._tell(await self._utterance.hear(event))

    async def _end(self) -> None:
        utterance = self._utterance or _Utterance(self._pool, self._wish)
        self._utterance = None
        try:
            await self._tell(await utterance.finish(), utterance)
            if not utterance.has_begun:
                await self._write(TranscriptStart(language=utterance.language))
            await self._write(Transcript(text=" ".join(utterance.texts), language=utterance.language))
            await self._write(TranscriptStop())
        finally:
            utterance.close()

    async def _tell(self, texts: list[str], utterance: _Utterance | None = None) -> None:
        """Chunks joined are the transcript."""
        utterance = utterance or self._utterance
        assert utterance is not None
        for text in texts:
            if not utterance.has_begun:
                utterance.has_begun = True
                await self._write(TranscriptStart(language=utterance.language))
            await self._write(TranscriptChunk(text=text))

    async def _write(self, event: Eventable) -> None:
        await asyncio.wait_for(async_write_event(event.event(), self._writer), _WRITE_TIMEOUT)

    def _info(self) -> Info:
        credit = Attribution(name="Earshot", url="")
        models = [
            AsrModel(
                name=served.name,
                attribution=credit,
                installed=True,
                description=served.name,
                version=__version__,
                languages=sorted(served.capabilities.languages) or [served.language or "en"],
            )
            for served in self._pool.served
        ]
        program = AsrProgram(
            name="earshot",
            attribution=credit,
            installed=True,
            description="Speech recognition that never leaves earshot",
            version=__version__,
            models=models,
            supports_transcript_streaming=True,
        )
        info = Info(asr=[program])
        if self._intents is not None:
            self._intents.add_to(info)
        return info


class _Utterance:
    """From ``audio-start`` to ``audio-stop``. texts: what was said so far, a piece an utterance."""

    def __init__(self, pool: RecognizerPool, wish: Transcribe) -> None:
        language = language_code(wish.language)
        self._stream: ServedStream = pool.open_stream(wish.name, language=language)
        self._max_samples = pool.options.max_duration * SAMPLE_RATE
        self._input: PcmInput | None = None
        self._format: tuple[int, int, int] | None = None
        self.language = language or self._stream.served.language
        self.texts: list[str] = []
        self.has_begun = False

    async def hear(self, event: Event) -> list[str]:
        """A chunk; returns the pieces that became final, the later ones with their space."""
        if self._stream.num_samples > self._max_samples:
            raise TooLongError("the audio is longer than the server allows")
        wanted = _format(event)
        events: list[SpeechEvent] = []
        if self._input is None or wanted != self._format:
            if self._input is not None:
                events += await self._stream.accept(self._input.finish())
            self._format, self._input = wanted, PcmInput(*wanted)
        events += await self._stream.accept(self._input.accept(event.payload or b""))
        return self._new_texts(events)

    async def finish(self) -> list[str]:
        events: list[SpeechEvent] = []
        if self._input is not None:
            events += await self._stream.accept(self._input.finish())
        events += await self._stream.finish()
        return self._new_texts(events)

    def close(self) -> None:
        self._stream.close()

    def _new_texts(self, events: list[SpeechEvent]) -> list[str]:
        new = [event.segment.text for event in events if isinstance(event, Final)]
        spaced = [text if not (self.texts or index) else f" {text}" for index, text in enumerate(new)]
        self.texts += new
        return spaced


def bind_uri(uri: str, options: ServerOptions) -> socket.socket:
    """A listening socket for ``tcp://HOST:PORT`` or ``unix:///PATH``.

    Raises ServerError where it cannot be had, or others could reach it and nobody said which of them may.
    """
    from earshot.server.runner import bind

    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme == "tcp" and parts.hostname and port is not None:
        if not is_loopback(parts.hostname) and not options.wyoming_clients:
            raise ServerError(
                f"{uri} can be reached by others, and Wyoming knows no tokens",
                fix="name those that may with --wyoming-client ADDRESS",
            )
        return bind(parts.hostname, port, option="--wyoming")
    if parts.scheme == "unix" and parts.path and hasattr(socket, "AF_UNIX"):
        return _bind_unix(Path(parts.path))
    raise ServerError(f"{uri!r} is no address for Wyoming", fix="give tcp://HOST:PORT or unix:///PATH")


def _bind_unix(path: Path) -> socket.socket:
    """A socket that only its owner can reach. One that nobody listens on any more is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        if path.is_socket() and not _is_answered(path):
            path.unlink()
        listener.bind(str(path))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ServerError(
            f"cannot listen on {path}: {error.strerror or error}", fix="choose another --wyoming"
        ) from error
    finally:
        os.umask(before)
    return listener


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(path)) == 0


def _format(event: Event) -> tuple[int, int, int]:
    """Rate, bytes of a sample and channels of a chunk."""
    rate, width, channels = (event.data.get(name) for name in ("rate", "width", "channels"))
    is_good = (
        isinstance(rate, int)
        and isinstance(channels, int)
        and 1_000 <= rate <= 768_000
        and width in WIDTHS
        and 1 <= channels <= 64
    )
    if not is_good:
        raise RequestError("audio has a rate, a width of 1, 2 or 4 bytes, and channels")
    assert isinstance(rate, int)
    assert isinstance(width, int)
    assert isinstance(channels, int)
    return rate, width, channels
