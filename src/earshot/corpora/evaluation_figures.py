"""An evaluation in words and in JSON: what the terminal, the page and other programs are told."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from earshot.corpora.evaluation import NORMALISATIONS, Comparison, Difference, Evaluation, Group, Rate
from earshot.corpora.letters import script_of

NUM_CONFUSIONS: Final = 20
"""Of letters, told at most."""


def percent(value: float | None) -> str:
    """``7.4 %``, ``-`` for unknown."""
    return "-" if value is None else f"{100 * value:.1f} %"


def interval_text(interval: tuple[float, float] | None) -> str:
    """``5.1 to 9.9``, in per cent; empty for none."""
    return "" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def details(rate: Rate) -> str:
    """The kinds of errors, and of how much."""
    errors = rate.errors
    return (
        f"{errors.num_errors} of {errors.reference_length}: {errors.substitutions} substituted, "
        f"{errors.deletions} left out, {errors.insertions} added"
    )


def facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """What was evaluated and how, by name."""
    count = len(evaluation.utterances)
    told = [f"{count} utterance{'' if count == 1 else 's'}"]
    if failures := len(evaluation.failures):
        told.append(f"{failures} not recognized, counted as left out")
    if evaluation.seconds is not None:
        told.append(f"{evaluation.seconds / 60:.1f} min")
    if evaluation.num_speakers:
        told.append(f"{evaluation.num_speakers} speaker{'' if evaluation.num_speakers == 1 else 's'}")
    settings = evaluation.findings.settings
    options = [f"--{name} {value}" for name, value in settings.items() if name not in ("engine", "hypotheses")]
    resampled = "whole utterances resampled 1,000 times"
    if evaluation.words.over_speakers is not None:
        resampled += ", and whole speakers"
    return [
        ("manifest", evaluation.findings.manifest),
        ("recognizer", " ".join([evaluation.findings.engine, *options])),
        ("of", ", ".join(told)),
        ("texts", NORMALISATIONS[evaluation.normalisation].description),
        ("intervals", f"95 %, {resampled}"),
    ]


def letter_name(letter: str) -> str:
    """A letter that can be seen: the space as ␣, a mark on a dotted circle."""
    if letter == " ":
        return "␣"
    return f"◌{letter}" if unicodedata.category(letter)[0] == "M" else letter


def spelling_rows(evaluation: Evaluation) -> list[tuple[str, list[tuple[str, str]]]]:
    """What became of letters: kind of mistake, and of which letters how often; without what did not happen."""
    spelling = evaluation.spelling
    rows = {
        "taken for another": [
            (_pair(letter, instead), str(count)) for (letter, instead), count in spelling.confused
        ],
        "left out": [(letter_name(letter), str(count)) for letter, count in spelling.left_out],
        "added": [(letter_name(letter), str(count)) for letter, count in spelling.added],
        "never written": [(letter_name(letter), f"of {count}") for letter, count in spelling.never],
    }
    most = NUM_CONFUSIONS
    return [
        (name, told[:most] + ([("…", "")] if len(told) > most else [])) for name, told in rows.items() if told
    ]


def _pair(letter: str, instead: str) -> str:
    """``c → k``; where both are letters of other scripts and may look alike, ``е (Cyrillic) → e (Latin)``."""
    scripts = [script_of(one) for one in (letter, instead)]
    are_told = letter.isalpha() and instead.isalpha() and scripts[0] != scripts[1]
    names = [
        f"{letter_name(one)} ({script.title()})" if are_told else letter_name(one)
        for one, script in zip((letter, instead), scripts, strict=True)
    ]
    return " → ".join(names)


# --- JSON --------------------------------------------------------------------------------------------------


def evaluation_fields(evaluation: Evaluation) -> dict[str, Any]:
    """Figures for other programs; rates as fractions."""
    spelling = evaluation.spelling
    return {
        "utterances": len(evaluation.utterances),
        "failed": len(evaluation.failures),
        "speakers": evaluation.num_speakers,
        "seconds": evaluation.seconds,
        "normalisation": evaluation.normalisation,
        "words": _rate_fields(evaluation.words),
        "letters": _rate_fields(evaluation.letters),
        "by_speaker": [_group_fields(group) for group in evaluation.by_speaker],
        "by_length": [_group_fields(group) for group in evaluation.by_length],
        "confused": [[*pair, count] for pair, count in spelling.confused],
        "left_out": dict(spelling.left_out),
        "added": dict(spelling.added),
        "never_written": dict(spelling.never),
    }


def comparison_fields(comparison: Comparison) -> dict[str, Any]:
    """The same for two recognizers."""
    return {
        "words": _difference_fields(comparison.words),
        "letters": _difference_fields(comparison.letters),
        "resampled": "speakers" if comparison.over_speakers else "utterances",
        "better": comparison.num_better,
        "worse": comparison.num_worse,
    }


def _rate_fields(rate: Rate) -> dict[str, Any]:
    errors = rate.errors
    return {
        "rate": rate.value,
        "interval": rate.interval,
        "interval_over_speakers": rate.over_speakers,
        "reference": errors.reference_length,
        "substitutions": errors.substitutions,
        "deletions": errors.deletions,
        "insertions": errors.insertions,
    }


def _group_fields(group: Group) -> Mapping[str, Any]:
    return {
        "name": group.name,
        "utterances": group.num_utterances,
        "seconds": group.seconds,
        "words": _rate_fields(group.words),
        "letters": _rate_fields(group.letters),
    }


def _difference_fields(difference: Difference) -> dict[str, Any]:
    return {
        "old": difference.old.value,
        "new": difference.new.value,
        "change": difference.change,
        "interval": difference.interval,
        "probability_of_improvement": difference.probability,
    }
