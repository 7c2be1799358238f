"""Where does a recognizer stumble? Those are the utterances worth a person's ear.

Either the text is wrong (correct it), the recording is (leave it out), or the recognizer has something to
learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from earshot.core.errors import EarshotError
from earshot.core.progress import ProgressCallback
from earshot.core.types import Audio, Transcript
from earshot.corpora.findings import Finding
from earshot.corpora.letters import letters_of
from earshot.corpora.manifest import Manifest
from earshot.corpora.sound import read_utterance
from earshot.corpora.utterance import Utterance
from earshot.engines.base import Recognizer
from earshot.engines.offline import LONGEST_REGION
from earshot.text.error_rate import character_error_rate

Ranking: TypeAlias = Literal["cer", "loss", "confidence", "disagreement"]

Hear: TypeAlias = Callable[[Audio], Transcript]
Loss: TypeAlias = Callable[[Audio, str], float | None]
"""Of a text, as ``engines.scoring.loss_per_token`` tells it."""

_INFINITE: Final = 1e9
"""Stands for an infinite loss, which JSON has no way to write."""


@dataclass(frozen=True, slots=True)
class Ears:
    """What listens. second: another recognizer, to see where they disagree. loss: of the text."""

    hear: Hear
    second: Hear | None = None
    loss: Loss | None = None


def hears(recognizer: Recognizer) -> Hear:
    """How a recognizer hears utterances: whole, as somebody has cut them, where it bears their length.

    Looked through for speech first, strings of digits lost the soft ones beside loud ones, and 2.2 % instead of
    0.2 % of one speaker's digits were wrong.
    """
    longest = recognizer.capabilities.max_duration or LONGEST_REGION

    def hear(audio: Audio) -> Transcript:
        if audio.duration > longest:
            return recognizer.transcribe(audio)
        return recognizer.transcribe_batch([audio])[0]

    return hear


def listen(manifest: Manifest, ears: Ears, indices: Iterable[int] | None = None) -> Iterator[Finding]:
    """Have utterances recognized one after the other, all or those at ``indices``.

    An utterance that cannot be read, or on which the recognizer fails, is one that tells its ``failure``.
    """
    for index in range(len(manifest)) if indices is None else indices:
        yield _heard(index, manifest.utterances[index], ears)


def finding_of(index: int, utterance: Utterance, heard: str = "", *, failure: str | None = None) -> Finding:
    """What is known of an utterance by its text and what was heard."""
    text = utterance.text or ""
    return Finding(
        index,
        str(utterance.audio),
        utterance.start,
        utterance.duration,
        text,
        heard,
        _rate(text, heard),
        speaker=utterance.speaker,
        failure=failure,
    )


def _heard(index: int, utterance: Utterance, ears: Ears) -> Finding:
    try:
        return _recognized(index, utterance, ears)
    # Whatever goes wrong within an engine on one recording is no reason to lose the others.
    except Exception as error:
        reason = str(error) if isinstance(error, EarshotError) else f"{type(error).__name__}: {error}"
        return finding_of(index, utterance, failure=" ".join(reason.split()))


def _recognized(index: int, utterance: Utterance, ears: Ears) -> Finding:
    audio = read_utterance(utterance)
    if not len(audio.samples):
        return finding_of(index, utterance, failure=f"{utterance.audio} ends before {utterance.start:g} s")
    transcript = ears.hear(audio)
    found = finding_of(index, utterance, transcript.text)
    sure = [word.confidence for word in transcript.words if word.confidence is not None]
    other = ears.second(audio).text if ears.second is not None else None
    loss = ears.loss(audio, found.text) if ears.loss is not None else None
    return replace(
        found,
        duration=utterance.duration or round(audio.duration, 3),
        confidence=sum(sure) / len(sure) if sure else None,
        heard_otherwise=other,
        disagreement=None if other is None else _rate(transcript.text, other),
        loss=None if loss is None else min(loss, _INFINITE),
    )


def _rate(reference: str, hypothesis: str) -> float | None:
    return character_error_rate(reference, hypothesis, normalise=letters_of).rate


def mine(
    manifest: Manifest, ears: Ears, *, progress: ProgressCallback | None = None
) -> tuple[list[Finding], list[Finding]]:
    """Have every utterance recognized, in the manifest's order. Returns what was found, and what failed.

    progress: utterances.
    """
    found: list[Finding] = []
    failed: list[Finding] = []
    for finding in listen(manifest, ears):
        (found if finding.failure is None else failed).append(finding)
        if progress:
            progress(finding.index + 1, len(manifest))
    return found, failed


def ranked(findings: Iterable[Finding], by: Ranking = "cer") -> list[Finding]:
    """The worst first; those of which nothing is known last."""

    def badness(finding: Finding) -> float:
        value = {
            "cer": finding.error_rate,
            "loss": finding.loss,
            "confidence": None if finding.confidence is None else -finding.confidence,
            "disagreement": finding.disagreement,
        }[by]
        return float("-inf") if value is None else value

    return sorted(findings, key=badness, reverse=True)
