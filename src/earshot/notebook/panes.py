"""The panes beside the transcript: a running summary and a translation, each on a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from earshot.core.errors import EarshotError
from earshot.core.types import Segment
from earshot.notebook.wording import plain

if TYPE_CHECKING:
    from earshot.text.translation import LanguagePair, LiveTranslation, Translator


class Follower(Protocol):
    """Reads along."""

    def follow(self, segment: Segment) -> list[str] | None:
        """Take the next final; all lines to be shown, or None where they stay as they are."""
        ...

    def close(self) -> None:
        """Release what was loaded."""
        ...


Tell: TypeAlias = Callable[[dict[str, Any]], None]


class Pane:
    """What follows the transcript while it is open.

    make: loads what it needs, on the pane's thread; may raise EarshotError, which is shown.
    """

    def __init__(self, make: Callable[[str | None], Follower], tell: Tell) -> None:
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
        was_open, self.is_open = self.is_open, False
        if self._queue is not None:
            self._queue.put(None)
            self._queue = None
        if was_open:
            self._tell(self.state())

    def state(self) -> dict[str, Any]:
        """For the page."""
        return {"is_available": True, "is_open": self.is_open, "lines": self.lines, "note": self.note}

    def _run(self, waiting: queue.SimpleQueue[Segment | None], language: str | None) -> None:
        try:
            with contextlib.closing(self._make(language)) as follower:
                while (segment := waiting.get()) is not None and self._queue is waiting:
                    if (lines := follower.follow(segment)) is not None:
                        self._show(waiting, lines, "")
        except EarshotError as error:
            self._show(waiting, [], plain(error))
        except Exception as error:  # shown in the pane; the transcript must not suffer from it
            self._show(waiting, self.lines, f"This has failed: {type(error).__name__}: {error}.")

    def _show(self, waiting: queue.SimpleQueue[Segment | None], lines: list[str], note: str) -> None:
        if self._queue is waiting:
            self.lines, self.note = lines, note
            self._tell(self.state())


class Panes:
    """Both. tell: takes a pane's name and what has changed in it. translator: the caller's own.

    language: what is spoken, None where that is not known.
    """

    def __init__(
        self,
        tell: Callable[[str, dict[str, Any]], None],
        translator: Translator | None = None,
        language: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._translator = translator
        self._language = language
        self._pairs = pairs_of_translation() if translator is None else ()
        self._target = translator.target if translator else None
        self._panes = {
            "summary": Pane(_Summary, lambda changes: tell("summary", changes)),
            "translation": Pane(
                self._translation, lambda changes: tell("translation", self._with_targets(changes))
            ),
        }

    def state(self) -> dict[str, Any]:
        """All panes."""
        states = {name: pane.state() for name, pane in self._panes.items()}
        return {**states, "translation": self._with_targets(states["translation"])}

    def open(self, name: str, is_open: bool, language: str | None, segments: Sequence[Segment]) -> None:
        """Show or hide one. language: to translate into; None for the one before."""
        pane = self._panes[name]
        if name == "translation" and language is not None:
            self._target = language
        if is_open:
            pane.open(segments, self._target if name == "translation" else None)
        else:
            pane.close()

    def put(self, segment: Segment) -> None:
        """The next final."""
        for pane in self._panes.values():
            pane.put(segment)

    def clear(self) -> None:
        """Begin again where something is open."""
        for name, pane in self._panes.items():
            if pane.is_open:
                self.open(name, True, None, ())

    def close(self) -> None:
        """End the threads."""
        for pane in self._panes.values():
            pane.close()

    def _with_targets(self, state: dict[str, Any]) -> dict[str, Any]:
        targets = self._targets()
        return {**state, "is_available": bool(targets), "languages": targets, "language": self._chosen(targets)}

    def _targets(self) -> list[str]:
        """Into what can be translated from what is spoken; from anything while that is not known."""
        if self._translator is not None:
            return [self._translator.target]
        spoken = self._language()
        return sorted({pair.target for pair in self._pairs if spoken in (None, pair.source)} - {spoken})

    def _chosen(self, targets: list[str]) -> str | None:
        wished = [language for language in (self._target, *_WIDELY_READ, *targets) if language in targets]
        return wished[0] if wished else None

    def _translation(self, target: str | None) -> _Translation:
        return _Translation(self._translator, self._language, target or self._chosen(self._targets()) or "en")


_WIDELY_READ = ("en", "es", "fr", "de", "pt", "it", "ru")


def pairs_of_translation() -> tuple[LanguagePair, ...]:
    """What can be translated here, nothing where that cannot be told."""
    try:
        from earshot.text.translation import installed_pairs

        return installed_pairs()
    except (EarshotError, ImportError):
        return ()


class _Summary:
    """The sentences that say most, as they were said."""

    def __init__(self, _: str | None) -> None:
        from earshot.text.summary import RunningSummary

        self._running = RunningSummary()

    def follow(self, segment: Segment) -> list[str] | None:
        """See ``Follower``."""
        summary = self._running.accept(segment)
        return None if summary is None else [sentence.text for sentence in summary.sentences]

    def close(self) -> None:
        """Nothing is open."""


class _Translation:
    """A line a final. The translator is found at the first one: then it is known what is spoken."""

    def __init__(self, translator: Translator | None, language: Callable[[], str | None], target: str) -> None:
        self._is_own = translator is None
        self._translator = translator
        self._language = language
        self._live: LiveTranslation | None = None
        self._target = target
        self._lines: list[str] = []

    def follow(self, segment: Segment) -> list[str] | None:
        """See ``Follower``. Raises EarshotError where the languages have no translator."""
        from earshot.text.translation import LiveTranslation, find_translator

        if self._live is None:
            spoken = segment.language or self._language() or "en"
            self._translator = self._translator or find_translator(spoken, self._target)
            self._live = LiveTranslation(self._translator)
        sentences = self._live.accept(segment)
        self._lines.append(" ".join(s.text if s.text is not None else f"[{s.problem}]" for s in sentences))
        return list(self._lines)

    def close(self) -> None:
        """Release the translator, unless it is the caller's."""
        if self._is_own and self._translator is not None:
            self._translator.close()
