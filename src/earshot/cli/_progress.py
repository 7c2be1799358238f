"""How far a long job is: bars on a terminal, nothing in a pipe."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


_NAME_WIDTH = 24  # leaves a terminal of 80 columns room for the bar and the figures


class BatchProgress(Protocol):
    """Told of each recording in turn."""

    def start(self, index: int, label: str) -> None:
        """The recording at ``index`` begins."""
        ...

    def update(self, done: float, total: float | None) -> None:
        """Seconds of it that are recognized, of all that it has (None while unknown)."""
        ...

    def finish(self, note: str) -> None:
        """The recording is done; ``note`` stays on the screen."""
        ...


class Silence:
    """Shows nothing."""

    def start(self, index: int, label: str) -> None:
        """Nothing."""

    def update(self, done: float, total: float | None) -> None:
        """Nothing."""

    def finish(self, note: str) -> None:
        """Nothing."""


class Bars:
    """A bar for the recording at hand and, with several, one for all.

    sizes: bytes of each recording. They stand for its share of the work: the durations of a thousand files
    are not known before each has been opened.
    """

    def __init__(self, progress: Progress, sizes: Sequence[int]) -> None:
        self._progress = progress
        self._sizes = [max(size, 1) for size in sizes]
        self._index = 0
        self._seconds_before = 0.0  # of audio, in the recordings that are finished
        self._seconds = 0.0
        self._fraction = 0.0
        self._started = self._file_started = time.monotonic()
        self._total: TaskID | None = None
        self._file = progress.add_task("", total=1.0, speed="", left="", visible=False)
        if len(sizes) > 1:
            self._total = progress.add_task(self._count(), total=1.0, speed="", left="")

    def _count(self) -> str:
        return f"{self._index} of {len(self._sizes)}"

    def start(self, index: int, label: str) -> None:
        """Its bar begins at nothing."""
        from rich.markup import escape

        self._index, self._seconds, self._fraction = index, 0.0, 0.0
        self._file_started = time.monotonic()
        name = Path(label).name
        short = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"
        self._progress.reset(self._file, description=escape(short), visible=True, speed="", left="")
        self._show_total()

    def update(self, done: float, total: float | None) -> None:
        """Both bars move on."""
        self._seconds = done
        self._fraction = min(done / total, 1.0) if total else 0.0
        elapsed = time.monotonic() - self._file_started
        self._progress.update(
            self._file,
            completed=self._fraction,
            speed=speed_text(done, elapsed),
            left=left_text(self._fraction, elapsed),
        )
        self._show_total()

    def finish(self, note: str) -> None:
        """The line that stays."""
        from rich.markup import escape

        self._seconds_before += self._seconds
        speed = speed_text(self._seconds, time.monotonic() - self._file_started)
        self._progress.console.print(escape(note), f"[dim]{speed}[/dim]" if speed else "")
        self._index += 1
        self._seconds = self._fraction = 0.0
        self._show_total()

    def _show_total(self) -> None:
        if self._total is None:
            return
        done = sum(self._sizes[: self._index])
        if self._index < len(self._sizes):
            done += self._fraction * self._sizes[self._index]  # type: ignore[assignment]
        fraction = done / sum(self._sizes)
        elapsed = time.monotonic() - self._started
        self._progress.update(
            self._total,
            completed=fraction,
            description=self._count(),
            speed=speed_text(self._seconds_before + self._seconds, elapsed),
            left=left_text(fraction, elapsed),
        )


def speed_text(seconds_done: float, elapsed: float) -> str:
    """``31× real time``; empty while there is nothing to tell."""
    if seconds_done <= 0 or elapsed <= 0:
        return ""
    speed = seconds_done / elapsed
    return f"{speed:.0f}× real time" if speed >= 10 else f"{speed:.1f}× real time"


def left_text(fraction: float, elapsed: float) -> str:
    """``0:03:10 left``, at the pace so far; empty before a hundredth is done."""
    if not 0.01 <= fraction < 1:
        return ""
    left = round(elapsed * (1 - fraction) / fraction)
    return f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"


@contextlib.contextmanager
def batch_progress(sizes: Sequence[int], *, is_wanted: bool = True) -> Iterator[BatchProgress]:
    """Progress over recordings of these sizes in bytes, on standard error where that is a terminal."""
    if not (is_wanted and sys.stderr.isatty()):
        yield Silence()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("[dim]{task.fields[left]}[/dim]"),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as progress:
        yield Bars(progress, sizes)
