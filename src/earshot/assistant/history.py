"""What can be taken back, newest last; kept in a file, so that another process can."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from earshot.assistant.actions.base import Action, Surroundings
from earshot.assistant.actions.reversal import Reversal, restored
from earshot.core.errors import ActionError
from earshot.core.files import atomic_text

MAX_STEPS = 50


@dataclass(frozen=True, slots=True)
class Done:
    """Something that was done. undo: takes it back. is_kept: whether the file may hold it."""

    words: str
    undo: Callable[[], str]
    is_kept: bool = True


class History:
    """A stack of what was done. path: the file; None for memory alone.

    Only reversals are kept in the file; what is undone otherwise can be undone by this process alone.
    """

    def __init__(self, path: Path | None, actions: Mapping[str, Action], surroundings: Surroundings) -> None:
        self._path = path
        self._actions = actions
        self._surroundings = surroundings
        self._done: list[Done] = self._read()

    def __len__(self) -> int:
        return len(self._done)

    def add(self, words: str, undo: Callable[[], str], *, is_kept: bool = True) -> None:
        """Remember it; the oldest is forgotten from MAX_STEPS on. is_kept: in the file too, unless secret."""
        self._done = [*self._done, Done(words, undo, is_kept)][-MAX_STEPS:]
        self._write()

    def last(self) -> Done | None:
        """The newest; None where nothing is left."""
        return self._done[-1] if self._done else None

    def drop_last(self) -> None:
        """Forget the newest."""
        self._done.pop()
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        rows = [
            {"words": done.words, **done.undo.record()}
            for done in self._done
            if done.is_kept and isinstance(done.undo, Reversal)
        ]
        with atomic_text(self._path) as stream:
            json.dump(rows, stream, ensure_ascii=False, default=str)

    def _read(self) -> list[Done]:
        """A file that is damaged holds nothing."""
        if self._path is None or not self._path.is_file():
            return []
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            return [
                Done(str(row["words"]), restored(row, self._actions, self._surroundings))
                for row in rows
                if row["do"] in self._actions
            ]
        except (OSError, ValueError, KeyError, TypeError, ActionError):
            return []
