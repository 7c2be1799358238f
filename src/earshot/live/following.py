"""What follows a session without delaying it: its translation, a summary of what was said so far."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from earshot.audio.capture import Notice
from earshot.core.types import Event, Partial

if TYPE_CHECKING:
    from earshot.text.translation import Translator

_MOST_PARTIALS = 3
"""Events that may wait; beyond that partials are left out, which a final makes good."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that follows from what was said. start, end: seconds, None where it is about all of it.

    A summary takes the place of the one before; a translation stands behind what it translates.
    """

    kind: Literal["summary", "translation"]
    text: str
    language: str | None = None
    start: float | None = None
    end: float | None = None


Follower: TypeAlias = Callable[[Event], Iterable[Remark]]
"""Gets each event in order, on a thread aside, and gives the remarks that follow from it."""


class Followers:
    """Runs followers on a thread of their own. One that fails is told and left out.

    remarks, notices: where what they say is put.
    """

    def __init__(self, followers: Sequence[Follower], remarks: deque[Remark], notices: deque[Notice]) -> None:
        self._followers = list(followers)
        self._remarks = remarks
        self._notices = notices
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if self._followers:
            self._thread = threading.Thread(target=self._run, name="earshot-following", daemon=True)
            self._thread.start()

    def put(self, event: Event) -> None:
        """The next event."""
        if self._thread is None or (isinstance(event, Partial) and self._queue.qsize() >= _MOST_PARTIALS):
            return
        self._queue.put(event)

    def close(self) -> None:
        """Let them finish what waits."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            for follower in list(self._followers):
                try:
                    self._remarks.extend(follower(event))
                except Exception as error:  # what was said matters more than what follows from it
                    self._followers.remove(follower)
                    reason = " ".join(str(error).split()) or type(error).__name__
                    self._notices.append(Notice("text", f"a follower fails and is left out: {reason}"))


def translation(translator: Translator) -> Follower:
    """Sentence by sentence, as soon as one is complete."""
    from earshot.text.translation import LiveTranslation

    live = LiveTranslation(translator)

    def follow(event: Event) -> list[Remark]:
        return [
            Remark(
                "translation",
                sentence.text or f"[{sentence.problem}]",
                sentence.language,
                sentence.source.start,
                sentence.source.end,
            )
            for sentence in live.accept(event)
        ]

    return follow


def summary(language: str | None, *, num_sentences: int = 5) -> Follower:
    """Whenever it changes."""
    from earshot.text.summary import RunningSummary

    running = RunningSummary(num_sentences=num_sentences, language=language)

    def follow(event: Event) -> list[Remark]:
        changed = running.accept(event)
        return [Remark("summary", changed.text, language)] if changed is not None else []

    return follow
