"""Where does a recognizer stumble? Those are the utterances worth a person's ear.

Either the text is wrong (correct it), the recording is (leave it out), or the recognizer has something to
learn. What was found lies in a file of JSON; verdicts are written into it, by the page, the terminal or by
hand, and make a new version of the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from earshot.core.errors import AudioError, ManifestError
from earshot.core.files import atomic_text
from earshot.core.progress import ProgressCallback
from earshot.core.types import Audio, Transcript
from earshot.corpora.letters import letters_of
from earshot.corpora.manifest import Manifest
from earshot.corpora.sound import read_utterance
from earshot.corpora.versions import manifest_id
from earshot.text.error_rate import character_error_rate

Verdict: TypeAlias = Literal["good", "defective", "corrected"]
Ranking: TypeAlias = Literal["cer", "confidence", "disagreement"]

Hear: TypeAlias = Callable[[Audio], Transcript]

_MAX_BYTES: Final = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """What a recognizer made of an utterance.

    index: its place in the manifest. error_rate: of characters against the text, None without a text.
    confidence: mean of the words', None where the engine tells none. disagreement: error rate of a second
    engine against the first. verdict: what a person says of it; corrected: the right text then.
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


@dataclass(frozen=True, slots=True)
class Findings:
    """manifest, id: which was mined. engine: what listened. findings: the worst first."""

    manifest: str
    id: str
    engine: str
    findings: tuple[Finding, ...]


def mine(
    manifest: Manifest, hear: Hear, second: Hear | None = None, *, progress: ProgressCallback | None = None
) -> list[Finding]:
    """Have every utterance recognized, in the manifest's order; what cannot be read is left to ``check``.

    progress: utterances. Raises EngineError as the recognizer does.
    """
    found = []
    for index, utterance in enumerate(manifest):
        try:
            audio = read_utterance(utterance)
        except AudioError:
            continue
        transcript = hear(audio)
        other = second(audio).text if second is not None else None
        sure = [word.confidence for word in transcript.words if word.confidence is not None]
        found.append(
            Finding(
                index,
                str(utterance.audio),
                utterance.start,
                utterance.duration,
                utterance.text or "",
                transcript.text,
                _rate(utterance.text or "", transcript.text),
                sum(sure) / len(sure) if sure else None,
                other,
                None if other is None else _rate(transcript.text, other),
            )
        )
        if progress:
            progress(index + 1, len(manifest))
    return found


def _rate(reference: str, hypothesis: str) -> float | None:
    return character_error_rate(reference, hypothesis, normalise=letters_of).rate


def ranked(findings: Iterable[Finding], by: Ranking = "cer") -> list[Finding]:
    """The worst first; those of which nothing is known last."""

    def badness(finding: Finding) -> float:
        value = {
            "cer": finding.error_rate,
            "confidence": None if finding.confidence is None else -finding.confidence,
            "disagreement": finding.disagreement,
        }[by]
        return float("-inf") if value is None else value

    return sorted(findings, key=badness, reverse=True)


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
        )
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}", fix="check the path") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ManifestError(f"{path} holds no findings: {error}", fix="name a file of 'corpus mine'") from error


def _finding(row: dict[str, Any]) -> Finding:
    finding = Finding(**row)
    if finding.verdict not in (None, "good", "defective", "corrected"):
        raise ValueError(f"the verdict {finding.verdict!r} is none of good, defective, corrected")
    if not isinstance(finding.index, int) or not isinstance(finding.corrected, str | None):
        raise TypeError("an index is a number, a correction a text")
    return finding


def with_verdicts(manifest: Manifest, path: Path, findings: Findings) -> Manifest:
    """The manifest without what is defective, and with the texts that were corrected.

    path: where it lies. Raises ManifestError where it is not the one that was mined.
    """
    if manifest_id(manifest, path) != findings.id:
        raise ManifestError(f"{path} is not what was mined, or has changed since", fix="mine it again")
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
    counts = {"good": 0, "defective": 0, "corrected": 0}
    for finding in findings:
        if finding.verdict:
            counts[finding.verdict] += 1
    return counts
