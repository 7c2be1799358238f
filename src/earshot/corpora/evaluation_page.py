"""An evaluation as one page: figures with intervals, letters, and the worst utterances to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Final

from earshot.corpora.evaluation import Evaluation, Group, Rate
from earshot.corpora.evaluation_figures import details, facts, interval_text, percent, spelling_rows
from earshot.corpora.judging_page import write_page
from earshot.corpora.manifest import Manifest

_MOST_GROUPS: Final = 40


def write_evaluation_page(
    evaluation: Evaluation, path: Path, *, manifest: Manifest, num_worst: int = 50
) -> None:
    """Write the page; the sound of the worst is within it. Raises OutputError.

    manifest: what was evaluated. num_worst: utterances to listen to, the worst ones that have errors.
    """
    findings = evaluation.findings
    wrong = [one for one in evaluation.utterances if one.words.num_errors]
    worst = wrong[:num_worst]
    write_page(
        replace(findings, findings=tuple(one.finding for one in worst)),
        path,
        title=f"{Path(findings.manifest).name}: how {findings.engine} does",
        head=_head(evaluation, len(wrong)),
        alignments=[one.words for one in worst],
        manifest=manifest,
    )


def _head(evaluation: Evaluation, num_wrong: int) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts(evaluation))
    many = len(evaluation.utterances)
    listed = f"{num_wrong} of {many} have errors, the worst first" if num_wrong else "Not one error"
    return "".join(
        [
            f'<dl class="facts">{rows}</dl>\n<div class="figures">',
            _figure("words wrong (WER)", evaluation.words),
            _figure("letters wrong (CER)", evaluation.letters),
            "</div>\n",
            _table("By speaker", evaluation.by_speaker) if len(evaluation.by_speaker) > 1 else "",
            _table("By length", evaluation.by_length),
            _letters(evaluation),
            f"<h2>{listed}</h2>\n",
        ]
    )


def _figure(name: str, rate: Rate) -> str:
    lines = [f"{interval_text(rate.interval)} (95 %)" if rate.interval else "too few for an interval"]
    if rate.over_speakers is not None:
        lines.append(f"{interval_text(rate.over_speakers)} for other speakers")
    told = "".join(f"<span>{escape(line)}</span>" for line in [*lines, details(rate)])
    return f"<div><span>{name}</span><strong>{percent(rate.value)}</strong>{told}</div>"


def _table(title: str, groups: Sequence[Group]) -> str:
    shown = groups[:_MOST_GROUPS]
    most = max((_highest(group.words) for group in shown), default=0.0) or 1.0
    rows = [
        f"<tr><td>{escape(group.name)}</td><td>{group.num_utterances}</td><td>{_minutes(group)}</td>"
        f"<td>{percent(group.words.value)}</td>"
        f'<td class="plot">{_bar(group.words, most)}</td><td>{percent(group.letters.value)}</td></tr>\n'
        for group in shown
    ]
    more = f"<p>… and {len(groups) - len(shown)} more</p>" if len(groups) > len(shown) else ""
    head = (
        "<tr><th></th><th>utterances</th><th>min</th><th>WER</th>"
        f'<th class="plot">0 to {percent(most)}, with 95 % intervals</th><th>CER</th></tr>\n'
    )
    return f"<h2>{title}</h2>\n<table>\n{head}{''.join(rows)}</table>\n{more}"


def _highest(rate: Rate) -> float:
    return max(rate.value or 0.0, rate.interval[1] if rate.interval else 0.0)


def _minutes(group: Group) -> str:
    return "" if group.seconds is None else f"{group.seconds / 60:.1f}"


def _bar(rate: Rate, most: float) -> str:
    """A bar as long as the rate, and its interval as a line."""
    if rate.value is None:
        return ""
    label = escape(" ".join([percent(rate.value), interval_text(rate.interval)]), quote=True)
    interval = ""
    if rate.interval is not None:
        low, high = (100 * one / most for one in rate.interval)
        interval = f'<path class="interval" d="M{low:.2f} 5H{high:.2f}M{low:.2f} 2V8M{high:.2f} 2V8"/>'
    return (
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<rect class="bar" x="0" y="1" width="{100 * rate.value / most:.2f}" height="8"/>{interval}</svg>'
    )


def _letters(evaluation: Evaluation) -> str:
    parts = [f"<h3>{name}</h3>{_items(rows)}" for name, rows in spelling_rows(evaluation)]
    return f"<h2>Letters</h2>\n{''.join(parts)}" if parts else ""


def _items(rows: Sequence[tuple[str, str]]) -> str:
    items = [f"<li><bdi>{escape(name)}</bdi><small>{escape(count)}</small></li>" for name, count in rows]
    return f'<ul class="letters">{"".join(items)}</ul>\n'
