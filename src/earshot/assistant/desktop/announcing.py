"""Replies as notifications of the desktop, for those who look at another window."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from earshot.assistant.desktop.common import Notifier
from earshot.core.errors import ActionError

_MOST_WAITING = 5
"""Notifications that may wait for a slow desktop; what comes then is not worth showing any more."""


class Announcer:
    """Shows notifications one after the other on a thread of its own: a desktop that hangs holds up nobody.

    warn: told once, when the first cannot be shown; after that no more are tried.
    """

    def __init__(self, notifier: Notifier, warn: Callable[[str], None]) -> None:
        self._notifier = notifier
        self._warn = warn
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="announcer")
        self._num_waiting = 0
        self._has_failed = False

    def announce(self, title: str, text: str = "") -> None:
        """Soon, unless too many wait."""
        if self._has_failed or self._num_waiting >= _MOST_WAITING:
            return
        self._num_waiting += 1
        self._worker.submit(self._show, title, text)

    def _show(self, title: str, text: str) -> None:
        try:
            if not self._has_failed:
                self._notifier.notify(title, text)
        except ActionError as error:
            self._has_failed = True
            self._warn(f"no notifications are shown: {error}")
        finally:
            self._num_waiting -= 1

    def close(self) -> None:
        """Wait for what is being shown."""
        self._worker.shutdown()
