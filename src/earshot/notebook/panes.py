"""The panes beside the transcript: a running summary and a translation, each on a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from earshot.core.errors import EarshotError
from earshot.core.types import Segment

Follow: TypeAlias = Callable[[Segment], list[str] | None]
"""Takes the next final; returns all lines to be shown, or None where they stay as they are."""

Tell: TypeAlias = Callable[[dict[str, Any]], None]


class Pane:
    """What follows the transcript while it is open.

    make: loads what it needs, on the pane's thread; may raise EarshotError, which is shown.
    """

    def __init__(self, make: Callable[[str | None], Follow], tell: Tell) -> None:
        self.is_open = False
        self.lines: list[str] = []
        self.note = ""
        self._make = make
        self._tell = tell
        self._queue: queue.SimpleQueue[Segment | None] | None = None

    def open(self, segments: Sequence[Segment], language: str | None = None) -> None:
        """Begin with what was said already."""
        self.close()
        waiting: queue.SimpleQueue[Segment | None] = queue.SimpleQueue()
        for segment in segments:
            waiting.put(segment)
        self.is_open, self.lines, self.note = True, [], "" if segments else "Nothing was said yet."
        self._queue = waiting
        self._tell(self.state())
        threading.Thread(target=self._run, args=(waiting, language), name="earshot-pane", daemon=True).start()

    def put(self, segment: Segment) -> None:
        """The next final."""
        if self._queue is not None:
            self._queue.put(segment)

    def close(self) -> None:
        """Show it no longer; its thread ends after what it is at."""
        if self._queue is not None:
            self._queue.put(None)
        self.is_open, self._queue = False, None

    def state(self) -> dict[str, Any]:
        """For the page."""
        return {"is_available": True, "is_open": self.is_open, "lines": self.lines, "note": self.note}

    def _run(self, waiting: queue.SimpleQueue[Segment | None], language: str | None) -> None:
        try:
            follow = self._make(language)
            while (segment := waiting.get()) is not None and self._queue is waiting:
                if (lines := follow(segment)) is not None:
                    self._show(waiting, lines, "")
        except EarshotError as error:
            self._show(waiting, [], str(error))
        except Exception as error:  # shown in the pane; the transcript must not suffer from it
            self._show(waiting, self.lines, f"It has failed: {type(error).__name__}: {error}")

    def _show(self, waiting: queue.SimpleQueue[Segment | None], lines: list[str], note: str) -> None:
        if self._queue is waiting:
            self.lines, self.note = lines, note
            self._tell(self.state())


class Panes:
    """Both. tell: takes a pane's name and what has changed in it."""

    def __init__(self, tell: Callable[[str, dict[str, Any]], None]) -> None:
        self._language: str | None = None
        self._panes = {"summary": Pane(_summary, lambda changes: tell("summary", changes))}

    def state(self) -> dict[str, Any]:
        """All panes that there are."""
        return {name: pane.state() for name, pane in self._panes.items()}

    def open(self, name: str, is_open: bool, language: str | None, segments: Sequence[Segment]) -> None:
        """Show or hide one. language: to translate into."""
        pane = self._panes.get(name)
        if pane is None:
            return
        if is_open:
            pane.open(segments, language)
        else:
            pane.close()
            pane._tell(pane.state())

    def put(self, segment: Segment) -> None:
        """The next final."""
        for pane in self._panes.values():
            pane.put(segment)

    def clear(self) -> None:
        """Begin again where something is open."""
        for pane in self._panes.values():
            if pane.is_open:
                pane.open(())

    def close(self) -> None:
        """End the threads."""
        for pane in self._panes.values():
            pane.close()


def _summary(_: str | None) -> Follow:
    from earshot.text.summary import RunningSummary

    running = RunningSummary()

    def follow(segment: Segment) -> list[str] | None:
        summary = running.accept(segment)
        return None if summary is None else [sentence.text for sentence in summary.sentences]

    return follow
