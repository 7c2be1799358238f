"""What a live session looks like: moving on a terminal, a line an utterance in a pipe, or JSON lines."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

import click

from earshot.audio.capture import Notice
from earshot.audio.meter import Level
from earshot.core.types import Final, Partial, Segment, SpeechEnded, SpeechStarted
from earshot.live.following import Remark
from earshot.live.journal import event_fields, segment_fields
from earshot.live.session import Session, SessionEvent, SessionStatus
from earshot.text.clean import clean_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text


class Screen(Protocol):
    """Told of each event; a context manager."""

    def __enter__(self) -> Screen: ...

    def __exit__(self, *exception: object) -> None: ...

    def show(self, event: SessionEvent) -> None:
        """Show what is new."""
        ...


class Lines:
    """A line an utterance on standard output, after who says it; its translation below, the summary at the end.

    Notices go to standard error.
    """

    def __init__(self) -> None:
        self._summary = ""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._summary:
            click.echo(f"\nSummary: {self._summary}")

    def show(self, event: SessionEvent) -> None:
        """See above; partials are left out."""
        match event:
            case Final(segment):
                click.echo(spoken_line(segment))  # which flushes
            case Remark("translation", text):
                click.echo(f"  {clean_text(text)}")
            case Remark("summary", text):
                self._summary = clean_text(text)
            case Notice(_, text):
                click.echo(f"earshot: {text}", err=True)


class JsonLines:
    """Every event as an object on a line, the first of type ``listening``.

    session: its id, None where nothing is kept.
    """

    def __init__(self, source: str, session: str | None) -> None:
        self._head = {"type": "listening", "source": source, "session": session}

    def __enter__(self) -> JsonLines:
        self._print(self._head)
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def show(self, event: SessionEvent) -> None:
        """All of them."""
        match event:
            case Partial(segment, num_stable):
                self._print({"type": "partial", "num_stable": num_stable, **segment_fields(segment)})
            case Notice():
                self._print({"type": "notice", **asdict(event)})
            case Remark():
                fields = asdict(event)
                self._print({"type": fields.pop("kind"), **fields})
            case Final() | SpeechStarted() | SpeechEnded():
                self._print(event_fields(event))

    def _print(self, fields: object) -> None:
        click.echo(json.dumps(fields, ensure_ascii=False))


class Terminal:
    """Finals scroll up, the open utterance moves in grey, a status line tells level, delay and losses.

    status: asked several times a second. console: where; None for standard output.
    """

    def __init__(self, status: Callable[[], SessionStatus], *, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._status = status
        self._partial = ""
        self._summary = ""
        self._colours = SpeakerColours()
        self._console = console or Console(highlight=False, soft_wrap=False)
        self._live = Live(
            get_renderable=self._render, console=self._console, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> Terminal:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        from rich.text import Text

        self._partial = ""
        self._live.stop()
        if self._summary:
            self._console.print(Text.assemble("\n", ("Summary ", "bold"), self._summary))

    def show(self, event: SessionEvent) -> None:
        """See ``Screen``."""
        from rich.text import Text

        match event:
            case Partial(segment):
                self._partial = clean_text(segment.text)
            case Final(segment):
                self._partial = ""
                self._console.print(self._line(segment))
            case Remark("translation", text):
                self._console.print(Text(f"  {clean_text(text)}", style="cyan"))
            case Remark("summary", text):
                self._summary = clean_text(text)
            case Notice(_, text):
                self._console.print(Text(text, style="yellow"))
            case SpeechEnded():
                self._partial = ""

    def _line(self, segment: Segment) -> Text:
        from rich.text import Text

        text = clean_text(segment.text)
        if segment.speaker is None:
            return Text(text)
        name = clean_text(segment.speaker)
        return Text.assemble((name, f"bold {self._colours.of(name)}"), "  ", text)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        rows: list[RenderableType] = []
        if self._partial:
            rows.append(Text(self._end_of(self._partial), style="bright_black"))
        if self._summary:
            rows.append(Text.assemble(("Summary ", "bold"), self._end_of(self._summary), style="dim"))
        return Group(*rows, status_line(self._status()))

    def _end_of(self, text: str) -> str:
        """What has room on three lines: what is taller than the screen could not be taken back."""
        room = max(20, self._console.width * 3 - 10)
        return text if len(text) <= room else f"…{text[-room:]}"


class SpeakerColours:
    """A colour for each speaker, kept from his first word on. Those of the sixteen that read well on black and
    on white; with more speakers than colours they begin anew.
    """

    _CYCLE = ("blue", "magenta", "green", "red", "yellow", "bright_black")

    def __init__(self) -> None:
        self._colours: dict[str, str] = {}

    def of(self, name: str) -> str:
        """As rich calls it."""
        return self._colours.setdefault(name, self._CYCLE[len(self._colours) % len(self._CYCLE)])


def spoken_line(segment: Segment) -> str:
    """``Anna: Good morning.``, or the text alone where nobody knows who says it."""
    text = clean_text(segment.text)
    return text if segment.speaker is None else f"{clean_text(segment.speaker)}: {text}"


def status_line(status: SessionStatus) -> Text:
    """``● 0:01:23 ▮▮▮▮▮▯▯▯▯▯ −23 dB · delay 0.4 s · USB microphone``, and what is wrong where something is."""
    from rich.text import Text

    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("● " if status.is_ready else "○ ", style="red" if status.is_ready else "yellow")
    line.append(clock(status.recorded))
    line.append(" ")
    line.append_text(level_bar(status.level))
    for text, style in _parts(status):
        line.append(" · ", style="dim")
        line.append(text, style=style)
    return line


def _parts(status: SessionStatus) -> list[tuple[str, str]]:
    parts = []
    if not status.is_ready:
        parts.append(("loading the engine, the sound is kept", "yellow"))
    if status.delay is not None:
        parts.append((f"delay {max(0.0, status.delay):.1f} s", ""))
    if status.is_ready and status.backlog >= 1:
        parts.append((f"{status.backlog:.0f} s behind", "yellow"))
    if status.num_overruns:
        parts.append((f"{status.num_overruns} overrun{'s' if status.num_overruns > 1 else ''}", "red"))
    parts.append((clean_text(status.source), "dim"))
    return parts


_BAR_WIDTH = 12
_BAR_FLOOR = -60.0


def level_bar(level: Level) -> Text:
    """A bar from −60 dBFS to full scale, and the peak in figures."""
    from rich.text import Text

    peak = level.peak_dbfs
    filled = round(_BAR_WIDTH * (1 - max(_BAR_FLOOR, min(0.0, peak)) / _BAR_FLOOR))
    style = "red" if peak > -1 else "green" if peak > -40 else "yellow"
    bar = Text()
    bar.append("▮" * filled, style=style)
    bar.append("▯" * (_BAR_WIDTH - filled), style="dim")
    bar.append("  −∞ dB" if math.isinf(peak) else f" {peak:>3.0f} dB".replace("-", "−"))
    return bar


def clock(seconds: float) -> str:
    """``0:01:23``."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def choose_screen(session: Session, *, is_json: bool) -> Screen:
    """JSON where asked for, the moving screen on a terminal, lines elsewhere. session: entered."""
    if is_json:
        return JsonLines(session.status.source, session.journal.id if session.journal else None)
    return Terminal(lambda: session.status) if sys.stdout.isatty() else Lines()
