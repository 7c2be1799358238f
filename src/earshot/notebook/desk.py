"""What a recorder knows and does, however it is shown: messages in, messages out, one recording at a time."""

from __future__ import annotations

import dataclasses
import io
import math
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earshot.audio.capture import Microphone, Notice, Source
from earshot.audio.devices import find_device, list_devices
from earshot.core.errors import EarshotError, EngineError
from earshot.core.types import Final, Partial, Segment, Transcript
from earshot.engines import Recognizer
from earshot.live import PostProcessor, SessionEvent, SessionStatus
from earshot.notebook import protocol
from earshot.notebook.engine import KeptEngine, choice_value, engine_choices, with_choice
from earshot.notebook.notes import Notes, Part
from earshot.notebook.panes import Panes
from earshot.notebook.protocol import BatchOrder
from earshot.notebook.recording import Recording
from earshot.notebook.source import BrowserSource, Pulse
from earshot.notebook.wording import plain, sentence
from earshot.text.formats import find_format, write_transcript
from earshot.transcription import TranscriptionOptions

if TYPE_CHECKING:
    from earshot.text.translation import Translator

BROWSER = "browser"
EXPORTS = {"txt": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt", "json": "application/json"}

_PAGE_PATIENCE = 5.0
"""Seconds that a page has for sending its last sound after ``stop`` in Python."""

Message = dict[str, Any]


class Desk:
    """The state of one recorder. Pages, the user's cells and the recording's threads may all call at once.

    send: takes a message for all pages. microphone: ``browser``, or a number or part of the name of the
    kernel's sound card. on_idle: told when a recording has ended, with what a saved notebook shall show.
    """

    def __init__(
        self,
        options: TranscriptionOptions,
        send: Callable[[Message], None],
        *,
        recognizer: Recognizer | None = None,
        microphone: str | int = BROWSER,
        processors: Sequence[PostProcessor] = (),
        translator: Translator | None = None,
        sessions: Path | None = None,
        on_idle: Callable[[Message], None] = lambda _: None,
    ) -> None:
        self.notes = Notes()
        self.status = "idle"
        self.callbacks: list[Callable[[Segment], object]] = []
        self._options = options
        self._send_message = send
        self._microphone = microphone
        self._processors = tuple(processors)
        self._sessions = sessions
        self._on_idle = on_idle
        self._engine = KeptEngine(options, recognizer, loading=self._tell_loading)
        self._panes = Panes(self._tell_pane, translator, lambda: self._engine.language)
        self._pulse = Pulse()
        self._lock = threading.RLock()
        self._clients: dict[str, None] = {}  # in the order in which they came
        self._recording: Recording | None = None
        self._part: Part | None = None
        self._order: BatchOrder | None = None  # of a recording that a page sends …
        self._identity: str | None = None  # … and its name
        self._client: str | None = None
        self._message: Message | None = None
        self._partial = ""
        self._is_listing = False
        self._is_closed = False
        self._has_ended = threading.Event()
        self._has_ended.set()

    # ---- for the user's cells

    @property
    def transcript(self) -> Transcript:
        """All finals so far."""
        return self.notes.transcript(self._engine.name, self.seconds)

    @property
    def seconds(self) -> float:
        """Of all sound so far."""
        with self._lock:
            if self._recording is None or self._part is None:
                return self.notes.seconds
            return self._part.start + self._recording.seconds

    def start(self) -> None:
        """Begin to record with the microphone that was chosen in Python.

        Raises EarshotError while a recording runs, without a page for the browser's microphone, or without
        such a sound card.
        """
        with self._lock:
            self._check_open()
            if self._recording is not None:
                raise EngineError("this recorder is recording already", fix="stop it first")
            if self._microphone == BROWSER:
                if not self._clients:
                    raise EngineError(
                        "no page shows this recorder yet",
                        fix="display it in a cell of its own, or choose the kernel's microphone",
                    )
                self._send({"type": "start", "client": list(self._clients)[-1]})
                return
            device = find_device(self._microphone)
            self._begin(Microphone(device.index))

    def stop(self) -> None:
        """End the recording soon: what was said until now is still written down."""
        with self._lock:
            if self._recording is None:
                return
            source = self._recording.source
            if isinstance(source, BrowserSource) and self._client in self._clients:
                # The page still holds the last moments; it sends them and then says that they are the last.
                self._send({"type": "stop", "recording": self._identity})
                source.end_within(_PAGE_PATIENCE)
                return
            self._stop_recording()

    def wait(self, timeout: float | None) -> bool:
        """Until nothing is recorded or recognized any more; whether that came within ``timeout`` s."""
        return self._has_ended.wait(timeout)

    def clear(self) -> None:
        """Forget what was written down. Raises EngineError while it is being added to."""
        with self._lock:
            if self._recording is not None:
                raise EngineError("what is being recorded cannot be cleared", fix="stop it first")
            self.notes.clear()
            self._panes.clear()
            self._message = None
            self._send(self._snapshot())
            self._on_idle({})

    def close(self, timeout: float = 5.0) -> None:
        """End everything and release the weights; calling it twice is harmless."""
        with self._lock:
            self._is_closed = True
            recording = self._recording
            if recording is not None:
                self._stop_recording()
        self._panes.close()
        if recording is None or recording.join(timeout):
            self._engine.close()

    # ---- for the pages

    def receive(self, content: object, buffers: Sequence[object] | None = ()) -> None:
        """Do what a page asks. What is no message of ours is told to the user and otherwise ignored."""
        if self._is_closed:
            return
        try:
            self._obey(protocol.parse(content, buffers))
        except protocol.MessageError as error:
            self._say("warning", f"The page sent something unexpected: {error.message}.")
        except EarshotError as error:
            self._say("error", plain(error))

    def _obey(self, message: protocol.Message) -> None:
        match message:
            case protocol.Batch():
                self._take(message)
            case protocol.Hello(client):
                self._greet(client)
            case protocol.BeginBrowser():
                self._begin_browser(message)
            case protocol.BeginKernel(client, device):
                self._begin_kernel(client, device)
            case protocol.Stop():
                with self._lock:
                    self._stop_recording()
            case protocol.Choose(engine, language):
                self._choose(engine, language)
            case protocol.OpenPane(pane, is_open, language):
                self._panes.open(pane, is_open, language, self.notes.segments)
            case protocol.Export(client, name):
                self._export(client, name)
            case protocol.Clear():
                self.clear()
            case protocol.AskDevices():
                self._list_devices()
            case protocol.Bye(client):
                self._forget(client)

    def _greet(self, client: str) -> None:
        with self._lock:
            self._clients.pop(client, None)
            self._clients[client] = None
            self._send(self._snapshot())
        self._list_devices()

    def _forget(self, client: str) -> None:
        """Nobody sees the recorder on that page any more, so nobody could stop it there."""
        with self._lock:
            self._clients.pop(client, None)
            if client == self._client or not self._clients:
                self._stop_recording()
            if not self._clients and self._recording is None:
                self._engine.close()

    def _begin_browser(self, message: protocol.BeginBrowser) -> None:
        with self._lock:
            if self._recording is not None:
                self._send({"type": "ended", "recording": message.recording})
                self._send(self._snapshot())
                return
            source = BrowserSource(message.label, is_responsive=self._pulse.is_free)
            self._identity, self._order = message.recording, BatchOrder()
            self._client = message.client
            self._begin(source)

    def _begin_kernel(self, client: str, device: int) -> None:
        with self._lock:
            if self._recording is None:
                self._client = client
                self._begin(Microphone(device))

    def _begin(self, source: Source) -> None:
        self._check_open()
        self._has_ended.clear()
        self._part = self.notes.begin()
        self._partial = ""
        self._recording = Recording(
            source,
            self._engine,
            self._options,
            self,
            processors=self._processors,
            sessions=self._sessions,
        )
        self._set_status("starting")
        self._recording.start()

    def _take(self, batch: protocol.Batch) -> None:
        with self._lock:
            order, recording = self._order, self._recording
            if order is None or recording is None or batch.recording != self._identity:
                self._send({"type": "ended", "recording": batch.recording})
                return
            samples = order.accept(batch)
            assert isinstance(recording.source, BrowserSource)
            if samples is not None:
                recording.source.put(samples)
            if order.is_complete:
                self._stop_recording()
            self._send(
                {
                    "type": "ack",
                    "recording": batch.recording,
                    "expected": order.expected,
                    "is_behind": order.is_behind,
                }
            )

    def _stop_recording(self) -> None:
        if self._recording is not None and self.status != "stopping":
            self._recording.stop()
            self._set_status("stopping")

    def _choose(self, value: str, language: str | None) -> None:
        with self._lock:
            if self._recording is not None or self._engine.is_given:
                return
            if value not in [choice.value for choice in engine_choices(self._options)]:
                raise EngineError(f"there is no engine {value!r}", fix="choose one of the list")
            self._engine.close()
            self._options = with_choice(self._options, value, language)
            self._engine = KeptEngine(self._options, loading=self._tell_loading)
            self._send(self._snapshot())

    def _export(self, client: str, name: str) -> None:
        if name not in EXPORTS:
            raise EngineError(f"there is no format {name!r}", fix=f"choose one of {', '.join(EXPORTS)}")
        stream = io.StringIO()
        write_transcript(self.transcript, stream, name)
        file_name = f"transcript-{datetime.now():%Y%m%d-%H%M%S}{find_format(name).suffix}"
        document = {"name": file_name, "text": stream.getvalue(), "media_type": EXPORTS[name]}
        self._send({"type": "document", "client": client, **document})

    def _list_devices(self) -> None:
        """On a thread: the sound system may take its time."""

        def look() -> None:
            try:
                found = [device for device in list_devices() if device.has("input")]
                devices = [{"index": device.index, "name": device.name} for device in found]
                problem = None
            except EarshotError as error:
                devices, problem = [], plain(error)
            self._is_listing = False
            self._send({"type": "devices", "devices": devices, "problem": problem})

        with self._lock:
            if self._is_listing or self._is_closed:
                return
            self._is_listing = True
        threading.Thread(target=look, name="earshot-devices", daemon=True).start()

    # ---- for the recording, on its threads (see ``recording.Listener``)

    def begun(self, path: Path | None) -> None:
        """The microphone is open."""
        with self._lock:
            if self._part is not None:
                self._part.path = path
            if self.status == "starting":
                self._set_status("recording")

    def heard(self, event: SessionEvent) -> None:
        """Show it."""
        if isinstance(event, Notice):
            if event.kind == "muted":
                return  # the page says so itself, and takes it back when there is sound again
            self._say("warning", sentence(event.text))
        elif isinstance(event, Partial):
            self._partial = event.segment.text
            self._send({"type": "partial", "text": self._partial})
        elif isinstance(event, Final):
            self._add(event.segment)

    def timed(self, index: int, segment: Segment) -> None:
        """The words of a final have their times."""
        if self._part is not None:
            self.notes.give_words(self._part, index, segment)

    def measured(self, status: SessionStatus) -> None:
        """The level of the kernel's sound card."""
        level = 10 ** (status.level.rms_dbfs / 20) if math.isfinite(status.level.rms_dbfs) else 0.0
        self._send({"type": "level", "level": level, "seconds": status.recorded})

    def ended(self, seconds: float, problem: EarshotError | None) -> None:
        """All is written down."""
        with self._lock:
            identity = self._identity
            if self._part is not None:
                self.notes.end(self._part, seconds)
            self._recording = self._part = self._order = self._identity = self._client = None
            self._partial = ""
            if problem is not None:
                self._message = {"kind": "error", "text": plain(problem)}
            if identity is not None:
                self._send({"type": "ended", "recording": identity})
            self._set_status("idle", keeps_message=True)
            if not self._clients or self._is_closed:
                self._engine.close()  # nobody sees it; the next recording loads it again
            if not self._is_closed:
                self._on_idle({"finals": self._finals(), "seconds": self.notes.seconds})
            self._has_ended.set()

    def _add(self, segment: Segment) -> None:
        assert self._part is not None, "finals come while a recording runs"
        with self._lock:
            index, placed = self.notes.add(self._part, segment)
            self._partial = ""
            self._send({"type": "final", "index": index, "segment": _fields(placed)})
        self._panes.put(placed)
        for callback in list(self.callbacks):
            try:
                callback(placed)
            except Exception as error:  # the user's own code; the recording goes on
                self._say("warning", f"A function given to on_final fails: {type(error).__name__}: {error}")

    # ---- out

    def _send(self, message: Message) -> None:
        with self._lock:  # so that messages leave in the order of what they tell
            if not self._is_closed:
                self._send_message(message)

    def _say(self, kind: str, text: str) -> None:
        with self._lock:
            self._message = {"kind": kind, "text": text}
            self._send(self._status_message())

    def _set_status(self, status: str, *, keeps_message: bool = False) -> None:
        self.status = status
        if not keeps_message:
            self._message = None
        self._send(self._status_message())

    def _tell_loading(self, is_loading: bool) -> None:
        if is_loading:
            self._say("info", f"Loading {self._engine.name} … what is said meanwhile is kept.")
        else:
            with self._lock:
                self._message = None
                self._send(self._status_message())

    def _tell_pane(self, pane: str, changes: Message) -> None:
        self._send({"type": "pane", "pane": pane, "changes": changes})

    def _status_message(self) -> Message:
        return {
            "type": "status",
            "status": self.status,
            "message": self._message,
            "seconds": self._part.start if self._part is not None else self.notes.seconds,
        }

    def _snapshot(self) -> Message:
        choices = [] if self._engine.is_given else engine_choices(self._options)
        given = {"value": self._engine.name, "title": self._engine.name, "languages": []}
        return {
            **self._status_message(),
            "type": "snapshot",
            "recording": self._identity,
            "source": self._source_wish(),
            "finals": self._finals(),
            "partial": self._partial,
            "formats": list(EXPORTS),
            "engines": [dataclasses.asdict(choice) for choice in choices] or [given],
            "engine": self._engine.name if self._engine.is_given else choice_value(self._options),
            "language": self._options.language,
            "panes": self._panes.state(),
        }

    def _source_wish(self) -> str:
        """What the page's list of microphones begins with."""
        if self._microphone == BROWSER:
            return f"{BROWSER}:"
        try:
            return f"kernel:{find_device(self._microphone).index}"
        except EarshotError as error:
            self._message = {"kind": "error", "text": plain(error)}
            return f"{BROWSER}:"

    def _finals(self) -> list[Message]:
        return [_fields(segment) for segment in self.notes.segments]

    def _check_open(self) -> None:
        if self._is_closed:
            raise EngineError("this recorder is closed", fix="make a new one")


def _fields(segment: Segment) -> Message:
    return {
        "text": segment.text,
        "start": segment.start,
        "end": segment.end,
        "speaker": segment.speaker,
        "language": segment.language,
    }
