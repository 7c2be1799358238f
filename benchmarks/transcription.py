"""Moonshine here against the moonshine-voice library on the same weights: speed, error rate, word confidence.

    python benchmarks/transcription.py [--minutes 10] [--repeats 3] [--clips 249]

Throughput: LibriSpeech clips of ../shared/speech joined with half a second between them, voice activity
included, both systems in turn, medians of wall and CPU seconds. Error rate: each clip by itself, English
normalisation, bootstrap intervals over clips. Confidence: the area under the ROC curve of telling right words
from wrong ones.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from earshot.audio.decode import read_audio
from earshot.core.types import SAMPLE_RATE, Audio, Samples, Word
from earshot.engines.moonshine import embedded_folder
from earshot.text.error_rate import align, confidence_interval, total, word_error_rate
from earshot.text.normalise import normalise_english
from earshot.transcription import Transcriber, TranscriptionOptions

SPEECH = Path(os.environ.get("EARSHOT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))


def clips(num_clips: int) -> list[tuple[Audio, str]]:
    """LibriSpeech clips, spread over the corpus."""
    lines = (SPEECH / "librispeech" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    chosen = rows[:: max(1, len(rows) // num_clips)][:num_clips]
    return [(read_audio(SPEECH / "librispeech" / row["audio"]), row["text"]) for row in chosen]


def joined(recordings: list[tuple[Audio, str]], seconds: float) -> Samples:
    """Clips with half a second of silence after each, as long as asked."""
    parts: list[Samples] = []
    while sum(map(len, parts)) < seconds * SAMPLE_RATE:
        for audio, _ in recordings:
            parts += [audio.samples, np.zeros(SAMPLE_RATE // 2, np.float32)]
    return np.concatenate(parts)[: int(seconds * SAMPLE_RATE)]


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


class Peer:
    """The library that the weights come with."""

    def __init__(self) -> None:
        from moonshine_voice import ModelArch
        from moonshine_voice.transcriber import Transcriber as PeerTranscriber

        self._transcriber = PeerTranscriber(str(embedded_folder()), ModelArch.TINY)

    def text(self, samples: Samples) -> str:
        """What it makes of a recording."""
        transcript = self._transcriber.transcribe_without_streaming(samples.tolist(), SAMPLE_RATE)
        return " ".join(line.text for line in transcript.lines)


def print_throughput(
    ours: Transcriber, aligned: Transcriber, peer: Peer, samples: Samples, repeats: int
) -> None:
    """Interleaved runs; ratios of medians."""
    seconds = len(samples) / SAMPLE_RATE
    systems: dict[str, Callable[[], object]] = {
        "earshot": lambda: ours.transcribe(Audio(samples)),
        "earshot, word times": lambda: aligned.transcribe(Audio(samples)),
        "moonshine-voice": lambda: peer.text(samples),
    }
    for work in systems.values():
        work()
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in systems}
    for _ in range(repeats):
        for name, work in systems.items():
            figures[name].append(timed(work))
    base = [statistics.median(column) for column in zip(*figures["moonshine-voice"], strict=True)]
    print(f"\n{seconds / 60:.0f} minutes of speech, medians of {repeats}")
    print(f"{'system':22}{'wall RTF':>10}{'x':>7}{'CPU RTF':>10}{'x':>7}")
    for name, runs in figures.items():
        wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:22}{wall / seconds:10.4f}{base[0] / wall:7.2f}{cpu / seconds:10.4f}{base[1] / cpu:7.2f}")


def print_error_rates(ours: Transcriber, peer: Peer, recordings: list[tuple[Audio, str]]) -> None:
    """WER of both, and how well confidence tells right from wrong."""
    references = [normalise_english(text) for _, text in recordings]
    print(f"\n{'system':22}{'WER':>8}   95 % interval   words {sum(len(r.split()) for r in references)}")
    transcripts = [ours.transcribe(audio) for audio, _ in recordings]
    texts = {
        "earshot": [transcript.text for transcript in transcripts],
        "moonshine-voice": [peer.text(audio.samples) for audio, _ in recordings],
    }
    for name, said in texts.items():
        errors = [
            word_error_rate(reference, normalise_english(text))
            for reference, text in zip(references, said, strict=True)
        ]
        low, high = confidence_interval(errors) or (0.0, 0.0)
        print(f"{name:22}{total(errors).rate or 0.0:8.2%}   {low:.2%} to {high:.2%}")
    scores, verdicts = [], []
    for reference, transcript in zip(references, transcripts, strict=True):
        for word, is_right in judged(reference.split(), transcript.words):
            if word.confidence is not None:
                scores.append(word.confidence)
                verdicts.append(is_right)
    print(
        f"\nword confidence: AUC {area(scores, verdicts):.3f} over {len(scores)} words, "
        f"{verdicts.count(False)} of them wrong"
    )


def judged(reference: list[str], words: tuple[Word, ...]) -> list[tuple[Word, bool]]:
    """Words that stay one word under normalisation, each with whether the reference has it there."""
    kept = [(word, normalise_english(word.text)) for word in words]
    single = [(word, text) for word, text in kept if len(text.split()) == 1]
    edits = [edit for edit in align(reference, [text for _, text in single]) if edit.hypothesis is not None]
    return [(word, edit.kind == "hit") for (word, _), edit in zip(single, edits, strict=True)]


def area(scores: list[float], verdicts: list[bool]) -> float:
    """Area under the ROC curve: the chance that a right word scores above a wrong one (ties count half)."""
    right = np.array([s for s, v in zip(scores, verdicts, strict=True) if v])
    wrong = np.array([s for s, v in zip(scores, verdicts, strict=True) if not v])
    ranks = np.searchsorted(np.sort(right), wrong, side="left") + np.searchsorted(
        np.sort(right), wrong, "right"
    )
    return float(1 - ranks.mean() / 2 / len(right))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clips", type=int, default=249)
    arguments = parser.parse_args()
    recordings = clips(arguments.clips)
    peer = Peer()
    with Transcriber(TranscriptionOptions(word_times=False)) as ours, Transcriber() as aligned:
        print_error_rates(ours, peer, recordings)
        if arguments.repeats:
            samples = joined(recordings, arguments.minutes * 60)
            print_throughput(ours, aligned, peer, samples, arguments.repeats)


if __name__ == "__main__":
    main()
