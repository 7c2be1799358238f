"""What a live session looks like: moving on a terminal, a line an utterance in a pipe, or JSON lines."""

from __future__ import annotations

import json
import math
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import click

from earshot.audio.capture import Notice
from earshot.audio.meter import Level
from earshot.core.types import Final, Partial, Segment, SpeechEnded, SpeechStarted
from earshot.live.following import Remark
from earshot.live.journal import event_fields, segment_fields
from earshot.live.session import Session, SessionEvent, SessionStatus
from earshot.live.speakers import SpeakerKnown
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


class InOrder:
    """Shows one thing after the other; a final whose speaker comes a moment later holds back what follows it.

    show_final: shows one. has_speakers: whether each final without a speaker is followed by a SpeakerKnown.
    """

    def __init__(self, show_final: Callable[[Segment], None], *, has_speakers: bool) -> None:
        self._show_final = show_final
        self._has_speakers = has_speakers
        self._num_finals = 0
        self._held: deque[tuple[int, Segment] | Callable[[], None]] = deque()
        self._waiting: set[int] = set()

    @property
    def held_text(self) -> str:
        """What is said in the finals that are not shown yet."""
        return " ".join(clean_text(item[1].text) for item in self._held if isinstance(item, tuple))

    def final(self, segment: Segment) -> None:
        """The next final."""
        if self._has_speakers and segment.speaker is None:
            self._waiting.add(self._num_finals)
        self._held.append((self._num_finals, segment))
        self._num_finals += 1
        self._go_on()

    def other(self, show: Callable[[], None]) -> None:
        """What comes after the finals so far."""
        self._held.append(show)
        self._go_on()

    def known(self, event: SpeakerKnown) -> None:
        """Who said a final."""
        self._waiting.discard(event.index)
        for place, item in enumerate(self._held):
            if isinstance(item, tuple) and item[0] == event.index:
                self._held[place] = (event.index, replace(item[1], speaker=event.speaker))
        self._go_on()

    def finish(self) -> None:
        """Nobody will be known any more."""
        self._waiting.clear()
        self._go_on()

    def _go_on(self) -> None:
        while self._held:
            item = self._held[0]
            if isinstance(item, tuple) and item[0] in self._waiting:
                return
            self._held.popleft()
            if isinstance(item, tuple):
                self._show_final(item[1])
            else:
                item()


class Lines:
    """A line an utterance on standard output, after who says it; its translation below, the summary at the end.

    Notices go to standard error. has_speakers: see ``InOrder``.
    """

    def __init__(self, *, has_speakers: bool = False) -> None:
        self._summary = ""
        self._order = InOrder(lambda segment: click.echo(spoken_line(segment)), has_speakers=has_speakers)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exception: object) -> None:
        self._order.finish()
        if self._summary:
            click.echo(f"\nSummary: {self._summary}")

    def show(self, event: SessionEvent) -> None:
        """See above; partials are left out."""
        match event:
            case Final(segment):
                self._order.final(segment)
            case SpeakerKnown():
                self._order.known(event)
            case Remark("translation", text):
                self._order.other(partial(click.echo, f"  {clean_text(text)}"))  # which flushes
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
        self._num_finals = 0

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
            case Final(segment):
                self._print({"type": "final", "index": self._num_finals, **segment_fields(segment)})
                self._num_finals += 1
            case SpeakerKnown():
                self._print({"type": "speaker", **asdict(event)})
            case SpeechStarted() | SpeechEnded():
                self._print(event_fields(event))

    def _print(self, fields: object) -> None:
        click.echo(json.dumps(fields, ensure_ascii=False))


class Terminal:
    """Finals scroll up, the open utterance moves in grey, a status line tells level, delay and losses.

    status: asked several times a second. console: where; None for standard output. has_speakers: see
    ``InOrder``.
    """

    def __init__(
        self,
        status: Callable[[], SessionStatus],
        *,
        console: Console | None = None,
        has_speakers: bool = False,
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self._status = status
        self._partial = ""
        self._summary = ""
        self._colours = SpeakerColours()
        self._order = InOrder(self._show_final, has_speakers=has_speakers)
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
        self._order.finish()
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
                self._order.final(segment)
            case SpeakerKnown():
                self._order.known(event)
            case Remark("translation", text):
                line = Text(f"  {clean_text(text)}", style="cyan")
                self._order.other(lambda: self._console.print(line))
            case Remark("summary", text):
                self._summary = clean_text(text)
            case Notice(_, text):
                self._console.print(Text(text, style="yellow"))
            case SpeechEnded():
                self._partial = ""

    def _show_final(self, segment: Segment) -> None:
        from rich.text import Text

        line = Text(clean_text(segment.text))
        if segment.speaker is not None:
            name = clean_text(segment.speaker)
            line = Text.assemble((name, f"bold {self._colours.of(name)}"), "  ", line)
        self._console.print(line)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        rows: list[RenderableType] = []
        if held := self._order.held_text:
            rows.append(Text(self._end_of(held)))
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
    has_speakers = session.options.speakers is not None
    if not sys.stdout.isatty():
        return Lines(has_speakers=has_speakers)
    return Terminal(lambda: session.status, has_speakers=has_speakers)
