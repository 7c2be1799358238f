"""What recognizers made of a manifest's utterances, and what people say of that; one file of JSON.

Verdicts are written into it, by the page, the terminal or by hand, and make a new version of the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from earshot.core.errors import ManifestError
from earshot.core.files import atomic_text
from earshot.corpora.manifest import Manifest
from earshot.corpora.versions import manifest_id

Verdict: TypeAlias = Literal["good", "defective", "corrected"]

_MAX_BYTES: Final = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """What a recognizer made of an utterance.

    index: its place in the manifest. error_rate: of characters against the text, None without a text.
    confidence: mean of the words', None where the engine tells none. disagreement: error rate of a second
    engine against the first. verdict: what a person says of it; corrected: the right text then. loss: CTC's of
    the text, nats a letter, None where the engine tells none; 1e9 for a recording too short for its text.
    failure: why nothing was recognized, one line.
    """

    index: int
    audio: str
    start: float
    duration: float | None
    text: str
    heard: str
    error_rate: float | None = None
    confidence: float | None = None
    heard_otherwise: str | None = None
    disagreement: float | None = None
    verdict: Verdict | None = None
    corrected: str | None = None
    speaker: str | None = None
    loss: float | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """manifest, id: which was recognized. engine: what listened. settings: how it was asked to, by option.

    findings: of some utterances or all, in any order.
    """

    manifest: str
    id: str
    engine: str
    findings: tuple[Finding, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


def write_findings(findings: Findings, path: Path) -> None:
    """The counterpart of ``read_findings``. Raises OutputError."""
    with atomic_text(path) as file:
        json.dump(asdict(findings), file, ensure_ascii=False, indent=1)
        file.write("\n")


def read_findings(path: Path) -> Findings:
    """Findings with their verdicts. Raises ManifestError where the file is none."""
    try:
        with path.open("rb") as file:
            row = json.loads(file.read(_MAX_BYTES))
        return Findings(
            str(row["manifest"]),
            str(row["id"]),
            str(row["engine"]),
            tuple(_finding(one) for one in row["findings"]),
            {str(name): str(value) for name, value in dict(row.get("settings", {})).items()},
        )
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}", fix="check the path") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        fix = "name a file of 'evaluate' or 'corpus mine'"
        raise ManifestError(f"{path} holds no findings: {error}", fix=fix) from error


def _finding(row: dict[str, Any]) -> Finding:
    finding = Finding(**row)
    if finding.verdict not in (None, *get_args(Verdict)):
        raise ValueError(f"the verdict {finding.verdict!r} is none of {', '.join(get_args(Verdict))}")
    if type(finding.index) is not int or finding.index < 0:
        raise TypeError("an index is a number from 0")
    texts = (finding.audio, finding.text, finding.heard)
    perhaps = (finding.corrected, finding.heard_otherwise, finding.speaker, finding.failure)
    if not all(isinstance(one, str) for one in texts) or not all(
        isinstance(one, str | None) for one in perhaps
    ):
        raise TypeError("texts are no texts")
    numbers = (finding.duration, finding.error_rate, finding.confidence, finding.disagreement, finding.loss)
    if not all(isinstance(one, int | float | None) for one in (finding.start, *numbers)):
        raise TypeError("figures are no numbers")
    return finding


def with_verdicts(manifest: Manifest, path: Path, findings: Findings) -> Manifest:
    """The manifest without what is defective, and with the texts that were corrected.

    path: where it lies. Raises ManifestError where it is not the one that was recognized.
    """
    if manifest_id(manifest, path) != findings.id:
        fix = "mine or evaluate it again"
        raise ManifestError(f"{path} is not what was mined, or has changed since", fix=fix)
    verdicts = {finding.index: finding for finding in findings.findings if finding.verdict}
    kept = [index for index in range(len(manifest)) if not _is_defective(verdicts.get(index))]
    utterances = []
    for index in kept:
        utterance, finding = manifest.utterances[index], verdicts.get(index)
        if finding is not None and finding.verdict == "corrected" and finding.corrected:
            utterance = replace(utterance, text=" ".join(finding.corrected.split()))
        utterances.append(utterance)
    return manifest.kept(kept).with_utterances(utterances)


def _is_defective(finding: Finding | None) -> bool:
    return finding is not None and finding.verdict == "defective"


def count_verdicts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many of each."""
    counts = dict.fromkeys(get_args(Verdict), 0)
    for finding in findings:
        if finding.verdict:
            counts[finding.verdict] += 1
    return counts
