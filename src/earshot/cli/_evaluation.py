"""An evaluation on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from earshot.cli._alignment import alignment_lines
from earshot.corpora.evaluation_figures import details, facts, interval_text, percent, spelling_rows

if TYPE_CHECKING:
    from rich.console import Console

    from earshot.corpora.evaluation import Comparison, Difference, Evaluation, Group, Scored

_MOST_GROUPS: Final = 15
_NAME: Final = 14


def _console() -> Console:
    """Colours on a terminal that wants them (NO_COLOR), plain text in a pipe."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def show_evaluation(evaluation: Evaluation, num_worst: int) -> None:
    """Print figures, tables, letters and the worst utterances."""
    from rich.columns import Columns
    from rich.text import Text

    console = _console()
    for name, value in facts(evaluation):
        console.print(f"{name:<{_NAME}}{value}", soft_wrap=True)
    console.print()
    for name, rate in (("WER", evaluation.words), ("CER", evaluation.letters)):
        over = rate.over_speakers
        intervals = [interval_text(rate.interval) or "too few for an interval"]
        if over is not None:
            intervals.append(f"for other speakers {interval_text(over)}")
        told = f"{percent(rate.value):<8}({'; '.join(intervals)})  {details(rate)}"
        console.print(f"{name:<{_NAME}}", end="")
        console.print(told, style="bold" if name == "WER" else None, soft_wrap=True)
    if len(evaluation.by_speaker) > 1:
        _show_groups(console, "by speaker", evaluation.by_speaker)
    _show_groups(console, "by length", evaluation.by_length)
    for name, rows in spelling_rows(evaluation):
        console.print(f"\n{name}", style="bold")
        cells = [Text(f"{letters} {count}".strip(), no_wrap=True) for letters, count in rows]
        console.print(Columns(cells, padding=(0, 3)))
    worst = [one for one in evaluation.utterances if one.words.num_errors or one.finding.failure]
    for one in worst[:num_worst]:
        _show_utterance(console, one)


def _show_groups(console: Console, title: str, groups: Sequence[Group]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(title)
    for name in ("utterances", "min", "WER", "95 %", "CER"):
        table.add_column(name, justify="right")
    for group in groups[:_MOST_GROUPS]:
        minutes = "" if group.seconds is None else f"{group.seconds / 60:.1f}"
        table.add_row(
            Text(group.name),
            str(group.num_utterances),
            minutes,
            percent(group.words.value),
            interval_text(group.words.interval),
            percent(group.letters.value),
        )
    console.print()
    console.print(table)
    if len(groups) > _MOST_GROUPS:
        console.print(f"… and {len(groups) - _MOST_GROUPS} more: --json")


def _show_utterance(console: Console, one: Scored) -> None:
    finding = one.finding
    start = f" from {finding.start:.2f} s" if finding.start else ""
    console.print()
    console.print(
        f"{finding.audio}{start}  WER {percent(one.words.rate)}, CER {percent(one.letters.rate)}",
        style="bold",
        soft_wrap=True,
    )
    if finding.failure is not None:
        console.print(f"not recognized: {finding.failure}", style="red", soft_wrap=True)
        return
    for line in alignment_lines(one.words.alignment, console.width):
        console.print(line, soft_wrap=True)


def show_comparison(comparison: Comparison, old: Evaluation, new: Evaluation) -> None:
    """Print how two recognizers differ."""
    console = _console()
    console.print(f"{'old':<{_NAME}}{_told(old)}", soft_wrap=True)
    console.print(f"{'new':<{_NAME}}{_told(new)}", soft_wrap=True)
    console.print()
    for name, difference in (("WER", comparison.words), ("CER", comparison.letters)):
        console.print(f"{name:<{_NAME}}{_difference(difference)}", soft_wrap=True)
    count = len(new.utterances)
    rest = count - comparison.num_better - comparison.num_worse
    console.print(
        f"{'utterances':<{_NAME}}{comparison.num_better} better, {comparison.num_worse} worse, {rest} alike"
    )
    drawn = "speakers" if comparison.over_speakers else "utterances"
    console.print(f"{'intervals':<{_NAME}}95 %, {drawn} resampled 1,000 times, the same for both")


def _told(evaluation: Evaluation) -> str:
    return ", ".join(value for name, value in facts(evaluation) if name in ("recognizer", "of"))


def _difference(difference: Difference) -> str:
    change = 100 * difference.change
    before = difference.old.value
    relative = f", relative {change / before:+.0f} %" if before else ""
    # A thousand resamples cannot tell more than that.
    probability = min(max(difference.probability, 0.001), 0.999)
    return (
        f"{percent(before)} → {percent(difference.new.value)}: {change:+.1f} points "
        f"({interval_text(difference.interval)}){relative}; new is better with probability {probability:.3f}"
    )
