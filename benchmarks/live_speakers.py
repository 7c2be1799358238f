"""What telling speakers apart costs a live session: delays of finals with and without; how often it is right.

    python benchmarks/live_speakers.py [--clips 16] [--encoder NAME] [--rounds 1]

LibriSpeech clips of ../shared/speech, the readers taking turns, trimmed and put between faint noise as in
``live.py``, are one conversation that is played in real time to a session of ``earshot.live``: once without and
once with speakers. Speech ends as in ``live.py``; delays count from there to the final that holds the clip's
last words, as the user gets it. A final is right when its label is that which the reader has most often.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from earshot.core.types import SAMPLE_RATE, Final, Samples, Segment
from earshot.engines import Recognizer, load_engine
from earshot.live import PacedSound, Session, SpeakerKnown
from earshot.live.speakers import TrackerFactory, online_tracker
from earshot.speakers.encoder import find_encoder
from earshot.text.error_rate import total, word_error_rate
from earshot.text.normalise import normalise_english
from earshot.transcription import SpeakerOptions, TranscriptionOptions
from live import SPEECH, Clip, percentiles, trimmed


@dataclass(frozen=True)
class Part:
    """One clip of the conversation. start: of its first sample, seconds."""

    clip: Clip
    reader: str
    start: float


@dataclass
class Run:
    """What a session did: when each final came, in seconds of the conversation. cpu: seconds.

    late: for finals whose speaker came later, by how many seconds.
    """

    finals: list[tuple[float, Segment]] = field(default_factory=list)
    late: dict[int, float] = field(default_factory=dict)
    cpu: float = 0.0


class Clocked(PacedSound):
    """Remembers when it began."""

    begun = 0.0

    def __iter__(self) -> Iterator[Samples]:
        self.begun = time.monotonic()
        yield from super().__iter__()


def conversation(num_clips: int) -> list[Part]:
    """Clips of 2 to 15 s, the readers taking turns."""
    lines = (SPEECH / "librispeech" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if 2 < row["duration"] < 15]
    readers = sorted({row["speaker"] for row in rows})
    random = np.random.default_rng(0)
    parts: list[Part] = []
    start = 0.0
    for number in range(num_clips):
        reader = readers[number % len(readers)]
        own = [row for row in rows if row["speaker"] == reader]
        row = own[(number // len(readers)) * len(own) // (num_clips // len(readers) + 1)]
        clip = trimmed(row, random)
        parts.append(Part(clip, reader, start))
        start += len(clip.samples) / SAMPLE_RATE
    return parts


def run(recognizer: Recognizer, sound: Samples, tracker: TrackerFactory | None) -> Run:
    """One session."""
    done = Run()
    source = Clocked(sound)
    options = TranscriptionOptions(speakers=SpeakerOptions(has_names=False) if tracker else None)
    before = time.process_time()
    with Session(source, options, recognizer=recognizer, has_journal=False, tracker=tracker) as session:
        for event in session:
            now = time.monotonic() - source.begun
            if isinstance(event, Final):
                done.finals.append((now, event.segment))
            elif isinstance(event, SpeakerKnown):
                when, segment = done.finals[event.index]
                done.finals[event.index] = (when, replace(segment, speaker=event.speaker))
                done.late[event.index] = now - when
    done.cpu = time.process_time() - before
    return done


def report(name: str, parts: Sequence[Part], runs: Sequence[Run]) -> None:
    """One block of the table."""
    delays = []
    errors = []
    labels: Counter[tuple[str, str | None]] = Counter()
    for done in runs:
        for index, part in enumerate(parts):
            until = parts[index + 1].start if index + 1 < len(parts) else np.inf
            own = [(when, one) for when, one in done.finals if part.start <= (one.start + one.end) / 2 < until]
            if own:
                delays.append(max(when for when, _ in own) - part.start - part.clip.end)
            text = " ".join(one.text for _, one in own)
            errors.append(word_error_rate(normalise_english(part.clip.text), normalise_english(text)))
            labels.update((part.reader, one.speaker) for _, one in own)
    seconds = len(runs) * (parts[-1].start + len(parts[-1].clip.samples) / SAMPLE_RATE)
    print(f"\n{name}: {len(parts)} clips, {seconds / 60:.1f} minutes")
    print("  end of speech → final     p50 {:.0f} ms  p95 {:.0f} ms".format(*percentiles(delays)))
    print(f"  word error rate           {total(errors).rate or 0:.2%}")
    print(f"  CPU                       {sum(done.cpu for done in runs) / seconds:.3f} of one core")
    if any(label for _, label in labels):
        right = sum(
            max((count for (reader, label), count in labels.items() if reader == wanted and label), default=0)
            for wanted in {part.reader for part in parts}
        )
        late = [seconds for done in runs for seconds in done.late.values()]
        print(f"  labels that came later    {len(late) / labels.total():.1%}", end="")
        print("  by p50 {:.0f} ms  p95 {:.0f} ms".format(*percentiles(late)) if late else "")
        print(f"  finals with the right one {right / labels.total():.1%} of {labels.total()}")


def main() -> None:
    """Print a block a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--encoder", help="as of earshot.speakers.encoder.find_encoder")
    arguments = parser.parse_args()
    parts = conversation(arguments.clips)
    sound = np.concatenate([part.clip.samples for part in parts])
    recognizer = load_engine("moonshine")
    encoder = find_encoder(arguments.encoder, num_threads=1)
    tracker = online_tracker(SpeakerOptions(has_names=False), encoder=encoder)
    plain, diarized = [], []
    for _ in range(arguments.rounds):
        plain.append(run(recognizer, sound, None))
        diarized.append(run(recognizer, sound, tracker))
    report("without speakers", parts, plain)
    report(f"with speakers ({encoder.name})", parts, diarized)


if __name__ == "__main__":
    main()
