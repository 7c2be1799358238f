"""How far a batch is: a bar on a terminal, JSON lines and Prometheus where they are asked for, else nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

import click

from earshot.batch.progress import BatchProgress, MetricsServer, json_line, prometheus_text, write_textfile
from earshot.cli._progress import speed_text
from earshot.core.files import output_error

if TYPE_CHECKING:
    from rich.progress import Progress

    from earshot.batch import BatchResult
    from earshot.batch.ledger import PlanSummary

_PERIOD = 2.0
"""Seconds between lines for machines."""


class Reporter(Protocol):
    """Is told of a batch."""

    def plan(self, recipe: str, plan: PlanSummary) -> None:
        """What there is to do."""
        ...

    def progress(self, progress: BatchProgress) -> None:
        """How far it is; twice a second."""
        ...

    def notice(self, text: str) -> None:
        """Something that people should know."""
        ...

    def end(self, result: BatchResult) -> None:
        """It is over."""
        ...


class Reporters:
    """All of them at once."""

    def __init__(self, every: list[Reporter]) -> None:
        self._every = every

    def plan(self, recipe: str, plan: PlanSummary) -> None:
        """See Reporter."""
        for one in self._every:
            one.plan(recipe, plan)

    def progress(self, progress: BatchProgress) -> None:
        """See Reporter."""
        for one in self._every:
            one.progress(progress)

    def notice(self, text: str) -> None:
        """See Reporter."""
        for one in self._every:
            one.notice(text)

    def end(self, result: BatchResult) -> None:
        """See Reporter."""
        for one in self._every:
            one.end(result)


class Notices:
    """Warnings on standard error, where there is no bar."""

    def plan(self, recipe: str, plan: PlanSummary) -> None:
        """Nothing."""

    def progress(self, progress: BatchProgress) -> None:
        """Nothing."""

    def notice(self, text: str) -> None:
        """A line."""
        click.echo(f"earshot: {text}", err=True)

    def end(self, result: BatchResult) -> None:
        """Nothing."""


class Bar:
    """For people."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("planning", total=None, figures="")

    def plan(self, recipe: str, plan: PlanSummary) -> None:
        """What is to be done, as a line that stays."""
        many = f"{plan.num_files:,} recordings: {plan.num_done:,} done before, {plan.num_left:,} to do"
        if plan.num_quarantined:
            many += f", {plan.num_quarantined:,} quarantined"
        self._progress.console.print(f"{many} [dim]({recipe})[/dim]")
        self._progress.update(self._task, description="starting", total=max(1.0, plan.seconds_left))

    def progress(self, progress: BatchProgress) -> None:
        """The bar moves."""
        total = progress.seconds_done + progress.seconds_left
        self._progress.update(
            self._task,
            description=f"{progress.num_done:,} of {progress.num_files:,}",
            completed=progress.seconds_done,
            total=max(total, 1e-6),
            figures=_figures(progress),
        )

    def notice(self, text: str) -> None:
        """A line above the bar."""
        from rich.markup import escape

        self._progress.console.print(f"[yellow]{escape(text)}[/yellow]")

    def end(self, result: BatchResult) -> None:
        """A line that stays."""
        speed = speed_text(result.seconds, result.elapsed)
        many = f"{result.num_done:,} of {result.num_files:,} recordings are done"
        self._progress.console.print(f"{many} [dim]{result.seconds / 3600:.2f} hours now, {speed}[/dim]")


def _figures(progress: BatchProgress) -> str:
    parts = [f"{progress.seconds_done / 3600:.2f} h"]
    if progress.speed:
        parts.append(speed_text(progress.seconds_done, progress.elapsed))
    if progress.time_left is not None:
        left = round(progress.time_left)
        parts.append(f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
    if progress.num_quarantined:
        parts.append(f"{progress.num_quarantined:,} bad")
    if progress.price is not None:
        each = progress.price_per_hour
        parts.append(f"cost {progress.price:.2f}" + (f" ({each:.4f} an hour)" if each is not None else ""))
    parts.append(f"{progress.num_busy}/{progress.num_workers} workers")
    return " · ".join(parts)


class JsonLines:
    """For machines: a line every other second, and at each end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = 0.0

    def plan(self, recipe: str, plan: PlanSummary) -> None:
        """One line."""
        self._write(json_line("plan", recipe=recipe, **dataclasses.asdict(plan)))

    def progress(self, progress: BatchProgress) -> None:
        """A line now and then."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _PERIOD
            self._write(json_line("progress", **progress.to_json()))

    def notice(self, text: str) -> None:
        """One line."""
        self._write(json_line("notice", text=text))

    def end(self, result: BatchResult) -> None:
        """The last line."""
        fields = dataclasses.asdict(result)
        fields.pop("plan")
        self._write(json_line("end", **fields))

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class Prometheus:
    """A file for node_exporter, or a port of this machine."""

    def __init__(self, *, path: Path | None = None, server: MetricsServer | None = None) -> None:
        self._path = path
        self._server = server
        self._recipe = ""

    def plan(self, recipe: str, plan: PlanSummary) -> None:  # noqa: ARG002 - a Reporter
        """Remember what it is about."""
        self._recipe = recipe

    def progress(self, progress: BatchProgress) -> None:
        """The newest figures."""
        if self._path is not None:
            write_textfile(self._path, progress, self._recipe)
        if self._server is not None:
            self._server.text = prometheus_text(progress, self._recipe)

    def notice(self, text: str) -> None:
        """Nothing."""

    def end(self, result: BatchResult) -> None:
        """Nothing."""


@contextlib.contextmanager
def reporters(progress_json: str | None, prometheus: str | None) -> Iterator[Reporters]:
    """All that were asked for. Raises OutputError when a file or port cannot be had."""
    with contextlib.ExitStack() as stack:
        every: list[Reporter] = []
        if progress_json == "-":
            every.append(JsonLines(sys.stdout))
        elif progress_json is not None:
            try:
                every.append(JsonLines(stack.enter_context(Path(progress_json).open("a", encoding="utf-8"))))
            except OSError as error:
                raise output_error(progress_json, error) from error
        if prometheus is not None and prometheus.lstrip(":").isdigit():
            server = stack.enter_context(MetricsServer(int(prometheus.lstrip(":"))))
            every.append(Prometheus(server=server))
        elif prometheus is not None:
            every.append(Prometheus(path=Path(prometheus)))
        every.append(stack.enter_context(_bar()) if sys.stderr.isatty() else Notices())
        yield Reporters(every)


@contextlib.contextmanager
def _bar() -> Iterator[Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("[dim]{task.fields[figures]}[/dim]"),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as progress:
        yield Bar(progress)
