"""Live recognition, paced in real time: delays, cuts, error rate and CPU; a peer on the same clips.

    python benchmarks/live.py [--clips 30] [--peer] [--unpaced] [--pause SECONDS]

Each LibriSpeech clip of ../shared/speech is trimmed to its speech and put between half a second and two seconds
of faint noise. Blocks of 64 ms go in at the pace of real time. Speech ends where the loudness of 10 ms frames
(smoothed over 30) last exceeds −35 dB of its peak; delays count from there to the return of the final event
that holds the last words, decoding included. ``--unpaced`` feeds as fast as it goes and counts a stream's own
CPU time as its delay: for busy machines and for tuning.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from earshot.audio.decode import read_audio
from earshot.core.types import SAMPLE_RATE, Final, Partial, Samples
from earshot.engines import EngineOptions, Recognizer, load_engine
from earshot.engines.moonshine import embedded_folder
from earshot.text.error_rate import total, word_error_rate
from earshot.text.normalise import normalise_english

SPEECH = Path(os.environ.get("EARSHOT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))
BLOCK = 1_024
BEFORE, AFTER = 0.5, 2.0


@dataclass(frozen=True)
class Clip:
    """samples: with silence around; start, end: of the speech, seconds."""

    samples: Samples
    text: str
    start: float
    end: float


@dataclass
class Run:
    """What one system did with one clip; times in seconds of the clip's clock."""

    first_partial: float | None = None
    finals: list[tuple[float, str]] = field(default_factory=list)
    cpu: float = 0.0
    num_changed: int = 0

    @property
    def text(self) -> str:
        """Finals joined."""
        return " ".join(text for _, text in self.finals)


class Clock(Protocol):
    """Paces blocks and tells the time at which something was known."""

    cpu: float

    def wait(self, seconds: float) -> None:
        """Let the clip come so far."""

    def work(self, task: Callable[[], None]) -> None:
        """Do it, counting CPU time."""

    def now(self) -> float:
        """Seconds of the clip's clock."""
        ...


class RealClock:
    """Real time."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.cpu = 0.0

    def wait(self, seconds: float) -> None:
        """Until the clip has come so far."""
        time.sleep(max(0.0, self._start + seconds - time.perf_counter()))

    def work(self, task: Callable[[], None]) -> None:
        """Do it, counting CPU time."""
        before = time.process_time()
        task()
        self.cpu += time.process_time() - before

    def now(self) -> float:
        """Seconds of the clip."""
        return time.perf_counter() - self._start


class WorkClock:
    """Simulated time: audio arrives at its pace, and work takes the CPU time that it took."""

    def __init__(self) -> None:
        self._now = 0.0
        self._before = 0.0
        self.cpu = 0.0

    def wait(self, seconds: float) -> None:
        """The clip has come so far."""
        self._now = max(self._now, seconds)

    def work(self, task: Callable[[], None]) -> None:
        """Do it and let its CPU time pass."""
        self._before = time.process_time()
        task()
        spent = time.process_time() - self._before
        self._now += spent
        self.cpu += spent
        self._before = time.process_time()

    def now(self) -> float:
        """Within or after work."""
        return self._now + (time.process_time() - self._before if self._before else 0.0)


def load_clips(num_clips: int) -> list[Clip]:
    """Clips spread over the corpus, 2 to 20 s long."""
    lines = (SPEECH / "librispeech" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if 2 < row["duration"] < 20]
    random = np.random.default_rng(0)
    return [trimmed(row, random) for row in rows[:: max(1, len(rows) // num_clips)][:num_clips]]


def trimmed(row: dict[str, Any], random: np.random.Generator) -> Clip:
    """A line of the manifest as a clip."""
    samples = read_audio(SPEECH / "librispeech" / row["audio"]).samples
    first, last = speech_edges(samples)
    speech = samples[int(first * SAMPLE_RATE) : int((last + 0.05) * SAMPLE_RATE)]
    before, after = (random.normal(0, 2e-4, int(seconds * SAMPLE_RATE)) for seconds in (BEFORE, AFTER))
    joined = np.concatenate([before, speech, after]).astype(np.float32)
    return Clip(joined, row["text"], BEFORE, BEFORE + last - first)


def speech_edges(samples: Samples) -> tuple[float, float]:
    """Seconds at which the loudness first and last is within 35 dB of its peak."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    loudness = 10 * np.log10(np.convolve(np.square(frames).mean(axis=1), np.ones(3) / 3, "same") + 1e-12)
    loud = np.flatnonzero(loudness > loudness.max() - 35)
    return float(loud[0]) * 0.01, float(loud[-1] + 1) * 0.01


def run_earshot(recognizer: Recognizer, clip: Clip, clock: Clock) -> Run:
    """One of our streams."""
    run = Run()
    stable: list[str] = []
    with recognizer.stream() as stream:

        def feed(block: Samples) -> None:
            nonlocal stable
            for event in stream.accept(block):
                if isinstance(event, Partial | Final):
                    words = event.segment.text.split()
                    run.num_changed += words[: len(stable)] != stable
                if isinstance(event, Partial):
                    run.first_partial = run.first_partial or clock.now()
                    stable = words[: event.num_stable]
                elif isinstance(event, Final):
                    run.finals.append((clock.now(), event.segment.text))
                    stable = []

        for start in range(0, len(clip.samples), BLOCK):
            block = clip.samples[start : start + BLOCK]
            clock.wait((start + len(block)) / SAMPLE_RATE)
            clock.work(lambda block=block: feed(block))  # type: ignore[misc]
    run.cpu = clock.cpu
    return run


class Peer:
    """The library that the weights come with, at the same interval between updates."""

    def __init__(self, update_interval: float) -> None:
        from moonshine_voice import ModelArch
        from moonshine_voice.transcriber import Transcriber

        self._transcriber = Transcriber(str(embedded_folder()), ModelArch.TINY, update_interval=update_interval)

    def run(self, clip: Clip, clock: Clock) -> Run:
        """One stream."""
        from moonshine_voice.transcriber import TranscriptEventListener

        run = Run()

        class Listener(TranscriptEventListener):  # type: ignore[misc]
            def on_line_text_changed(self, event: object) -> None:  # noqa: ARG002 - the time is all
                run.first_partial = run.first_partial or clock.now()

            def on_line_completed(self, event: object) -> None:
                text = event.line.text  # type: ignore[attr-defined]
                if text:
                    run.finals.append((clock.now(), text))

        stream = self._transcriber.create_stream()
        stream.add_listener(Listener())
        stream.start()
        for start in range(0, len(clip.samples), BLOCK):
            block = clip.samples[start : start + BLOCK]
            clock.wait((start + len(block)) / SAMPLE_RATE)
            clock.work(lambda block=block: stream.add_audio(block.tolist(), SAMPLE_RATE))  # type: ignore[misc]
        stream.stop()
        stream.close()
        run.cpu = clock.cpu
        return run


def report(name: str, clips: Sequence[Clip], runs: Sequence[Run], whole: Sequence[str]) -> None:
    """One column of the table. whole: each clip's text when it is recognized at once, with marks."""
    seconds = sum(len(clip.samples) for clip in clips) / SAMPLE_RATE
    done = [run.finals[-1][0] - clip.end for clip, run in zip(clips, runs, strict=True) if run.finals]
    first = [run.first_partial - clip.start for clip, run in zip(clips, runs, strict=True) if run.first_partial]
    errors = [
        word_error_rate(normalise_english(clip.text), normalise_english(run.text))
        for clip, run in zip(clips, runs, strict=True)
    ]
    num_cuts = sum(len(run.finals) - 1 for run in runs if run.finals)
    mid, wrong, sentences = sentence_cuts(runs, whole)
    print(f"\n{name}: {len(clips)} clips, {seconds / 60:.1f} minutes")
    print("  end of speech → final     p50 {:.0f} ms  p95 {:.0f} ms".format(*percentiles(done)))
    print("  speech → first partial    p50 {:.0f} ms  p95 {:.0f} ms".format(*percentiles(first)))
    print(f"  cuts inside clips         {num_cuts} in {sum(len(run.finals) > 1 for run in runs)} clips")
    print(f"  pauses taken for ends     {mid / max(1, sentences):.1%} of {sentences} sentences")
    print(f"  ... and written as ends   {wrong / max(1, sentences):.1%}")
    print(f"  word error rate           {total(errors).rate or 0:.2%}")
    print(f"  CPU                       {sum(run.cpu for run in runs) / seconds:.3f} of one core")
    print(f"  committed text changed    {sum(run.num_changed for run in runs)}")


def sentence_cuts(runs: Sequence[Run], whole: Sequence[str]) -> tuple[int, int, int]:
    """Cuts where the text of the whole clip has no sentence end within a word; those that are written as a
    sentence's end; the sentences in all.
    """
    mid = wrong = sentences = 0
    for run, text in zip(runs, whole, strict=True):
        words = text.split()
        ends = [index for index, word in enumerate(words) if word.endswith((".", "?", "!"))]
        sentences += max(1, len(ends))
        said = 0
        for _, final in run.finals[:-1]:
            said += len(final.split())
            is_mid = not any(abs(end + 1 - said) <= 1 for end in ends)
            mid += is_mid
            wrong += is_mid and final.endswith((".", "?", "!"))
    return mid, wrong, sentences


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds."""
    return tuple(1000 * np.percentile(values, [50, 95])) if values else (float("nan"), float("nan"))


def main() -> None:
    """Print a block a system."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=30)
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--update-interval", type=float, default=0.4, help="of the peer, seconds")
    parser.add_argument("--unpaced", action="store_true")
    parser.add_argument("--pause", type=float, help="as of earshot listen")
    arguments = parser.parse_args()
    clock = WorkClock if arguments.unpaced else RealClock
    clips = load_clips(arguments.clips)
    recognizer = load_engine(arguments.engine, EngineOptions(max_pause=arguments.pause))
    from earshot.core.types import Audio

    whole = [recognizer.transcribe(Audio(clip.samples)).text for clip in clips]
    offline = [
        word_error_rate(normalise_english(clip.text), normalise_english(text))
        for clip, text in zip(clips, whole, strict=True)
    ]
    print(f"offline word error rate of the same clips: {total(offline).rate or 0:.2%}")
    report(
        f"earshot {recognizer.name}", clips, [run_earshot(recognizer, clip, clock()) for clip in clips], whole
    )
    if arguments.peer:
        peer = Peer(arguments.update_interval)
        report("moonshine-voice", clips, [peer.run(clip, clock()) for clip in clips], whole)


if __name__ == "__main__":
    main()
