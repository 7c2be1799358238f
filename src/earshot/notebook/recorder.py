"""The widget: a thin face of ``Desk``."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anywidget
import traitlets

from earshot.core.types import Audio, Segment, Transcript
from earshot.engines import Recognizer
from earshot.live import PostProcessor
from earshot.notebook.desk import BROWSER, Desk, Message
from earshot.transcription import TranscriptionOptions

if TYPE_CHECKING:
    from earshot.text.translation import Translator

_HERE = Path(__file__).parent
_Callback = TypeVar("_Callback", bound=Callable[[Segment], object])


class Recorder(anywidget.AnyWidget):  # type: ignore[misc]
    """Record and Stop buttons and live text, in Jupyter, JupyterLab, Colab or VS Code.

        recorder = Recorder()
        recorder                       # as the last line of a cell: shows it

    The microphone is the browser's, which also works with a kernel on another machine, or the kernel's own
    sound card. Pressing Record again goes on with the same transcript. Sound and text are kept on disk as they
    come, so a crash loses less than a second (see ``earshot sessions``).

    engine, model, language: what to recognize with; the page can choose others. options: for all the rest,
    such as a grammar. recognizer: one that is loaded already and stays the caller's.
    microphone: ``browser``, or a number or part of a name as ``earshot devices`` lists them.
    processors: applied to each final, in order, after the marks and numbers that the options ask for.
    translator: for the translation's pane; None for Apertium, where it is installed. sessions: the folder for
    sound and text, None for the user's own.
    """

    # As text: of files anywidget waits for changes, and so keeps every widget for ever.
    _esm = (_HERE / "recorder.js").read_text(encoding="utf-8")
    _css = (_HERE / "recorder.css").read_text(encoding="utf-8")
    _saved = traitlets.Dict().tag(sync=True)
    """What a notebook that was saved shows without a kernel."""

    def __init__(
        self,
        engine: str | None = None,
        *,
        model: str | None = None,
        language: str | None = None,
        microphone: str | int = BROWSER,
        recognizer: Recognizer | None = None,
        options: TranscriptionOptions | None = None,
        processors: Sequence[PostProcessor] = (),
        translator: Translator | None = None,
        sessions: Path | str | None = None,
    ) -> None:
        options = options or TranscriptionOptions()
        given: dict[str, Any] = {"engine": engine, "model": model, "language": language}
        super().__init__()
        self._desk = Desk(
            replace(options, **{name: value for name, value in given.items() if value is not None}),
            _sender(self),
            recognizer=recognizer,
            microphone=microphone,
            processors=processors,
            translator=translator,
            sessions=Path(sessions) if sessions is not None else None,
            on_idle=_saver(self),
        )
        self._finalizer = weakref.finalize(self, self._desk.close)  # also at the interpreter's end
        self.on_msg(lambda _, content, buffers: self._desk.receive(content, buffers))

    @property
    def transcript(self) -> Transcript:
        """All that was said so far, with the times of words where they are known."""
        return self._desk.transcript

    @property
    def audio(self) -> Audio:
        """All sound so far, read from disk: 16 kHz. Raises SessionError when its file is gone."""
        return self._desk.notes.audio()

    @property
    def audio_paths(self) -> tuple[Path, ...]:
        """The WAV file of each stretch from Record to Stop."""
        return self._desk.notes.paths

    @property
    def status(self) -> str:
        """``idle``, ``starting``, ``recording``, or ``stopping`` while the last words are written down."""
        return self._desk.status

    def start(self) -> None:
        """Press Record. With the browser's microphone the page does, if it may and is visible.

        Raises EarshotError while a recording runs, or when there is no page or no such sound card.
        """
        self._desk.start()

    def stop(self) -> None:
        """Press Stop; returns at once, and ``wait`` waits for the last words."""
        self._desk.stop()

    def wait(self, timeout: float | None = 30.0) -> bool:
        """Wait until all is written down; False when that takes longer than ``timeout`` s.

        Where the kernel takes no messages while a cell runs, it cannot get the browser's last sound before
        this cell ends: then ask for ``transcript`` in the next one.
        """
        return self._desk.wait(timeout)

    def clear(self) -> None:
        """Empty the transcript; the files of the sound stay. Raises EngineError while recording."""
        self._desk.clear()

    def on_final(self, callback: _Callback) -> _Callback:
        """Have ``callback(segment)`` called for each finished utterance, on the recording's thread.

        Works as a decorator. What it raises is shown in the recorder and does not end the recording.
        """
        self._desk.callbacks.append(callback)
        return callback

    def close(self) -> None:
        """Stop, release the weights, and take the widget off all pages."""
        self._finalizer()
        super().close()


def _sender(recorder: Recorder) -> Callable[[Message], None]:
    """Sends without keeping the widget alive."""
    reference = weakref.ref(recorder)

    def send(message: Message) -> None:
        widget = reference()
        if widget is not None and widget.comm is not None:
            widget.send(message)

    return send


def _saver(recorder: Recorder) -> Callable[[Message], None]:
    reference = weakref.ref(recorder)

    def save(shown: Message) -> None:
        widget = reference()
        if widget is not None and widget.comm is not None:
            widget._saved = shown

    return save
