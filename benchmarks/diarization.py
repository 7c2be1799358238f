"""Who spoke when, against moonshine-voice on the same recordings in the same run.

    python benchmarks/diarization.py [--peer] [--words] [--encoder NAME] [--online] [--hour]

Recordings: meetings_ami and two_speaker_mixes of ../shared/speech ($EARSHOT_SPEECH). Prints the diarization
error rate without a collar, overlap scored, and its parts, how often the number of speakers is right, and the
time taken. --words: words outside overlap given to the wrong speaker; their times come from forced alignment of
the known text. --hour: the time for one hour, made of the recordings. --each: a line a recording.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earshot.audio.decode import read_audio
from earshot.core.types import SAMPLE_RATE, Audio, Word
from earshot.engines.alignment import Aligner, find_aligner
from earshot.speakers.diarization import DEFAULT_ENCODER, DiarizationOptions, Diarizer
from earshot.speakers.encoder import SpeakerEncoder, find_encoder
from earshot.speakers.error_rate import (
    DiarizationErrors,
    WordSpeakerErrors,
    diarization_errors,
    speaker_between,
    word_speaker_errors,
)
from earshot.speakers.online import OnlineDiarizer
from earshot.speakers.rttm import read_rttm
from earshot.speakers.types import Turn

SPEECH = Path(os.environ.get("EARSHOT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))
CORPORA = ("meetings_ami", "two_speaker_mixes")
ASKED = 3.0
"""Seconds after which the online diarizer is asked who spoke in them."""

Labeller = Callable[[Audio], Sequence[Turn]]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """path: of the sound; truth: its turns."""

    path: Path
    audio: Audio
    truth: tuple[Turn, ...]


def read_corpus(corpus: str) -> list[Recording]:
    """The recordings of a corpus."""
    folder = SPEECH / corpus
    recordings = []
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        path = folder / json.loads(line)["audio"]
        truth = next(iter(read_rttm(path.with_suffix(".rttm")).values()))
        recordings.append(Recording(path, read_audio(path), truth))
    return recordings


def offline(encoder: SpeakerEncoder, options: DiarizationOptions) -> Labeller:
    """Our diarizer over whole recordings."""

    def label(audio: Audio) -> Sequence[Turn]:
        diarizer = Diarizer(options, encoder=encoder)
        diarizer.accept(audio.samples)
        return diarizer.finish().turns

    return label


def online(encoder: SpeakerEncoder, options: DiarizationOptions) -> Labeller:
    """Our diarizer as a live session uses it: what it said at once counts."""

    def label(audio: Audio) -> Sequence[Turn]:
        diarizer = OnlineDiarizer(options, encoder=encoder)
        turns: list[Turn] = []
        for start in np.arange(0, audio.duration, ASKED):
            end = min(start + ASKED, audio.duration)
            diarizer.accept(audio.samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)])
            turns += diarizer.turns(float(start), float(end))
        return turns

    return label


def peer() -> Labeller:
    """The diarizer of moonshine-voice, as its own command calls it."""
    from moonshine_voice import ModelArch, Transcriber, get_assets_path

    transcriber = Transcriber(
        str(Path(str(get_assets_path())) / "tiny-en"), ModelArch.TINY, options={"identify_speakers": "true"}
    )

    def label(audio: Audio) -> Sequence[Turn]:
        transcript = transcriber.transcribe_without_streaming(audio.samples.tolist(), SAMPLE_RATE)
        return [
            Turn(span.start_time, span.start_time + span.duration, str(span.speaker_id))
            for line in transcript.lines
            for span in line.speaker_spans or ()
        ]

    return label


def words_outside_overlap(recording: Recording, aligner: Aligner) -> list[tuple[Word, str]]:
    """The words, with their speakers, while nobody else speaks; times by forced alignment of each utterance."""
    words = []
    for row in json.loads(recording.path.with_suffix(".seglst.json").read_text(encoding="utf-8")):
        first, last = (int(float(row[key]) * SAMPLE_RATE) for key in ("start_time", "end_time"))
        clip = Audio(recording.audio.samples[first:last])
        others = [turn for turn in recording.truth if turn.speaker != row["speaker"]]
        for word in aligner.align(clip, row["words"], offset=float(row["start_time"])):
            if word.start is None or word.end is None or word.time_source != "aligned":
                continue
            start, end = word.start, word.end
            if all(turn.end <= start or turn.start >= end for turn in others):
                words.append((word, str(row["speaker"])))
    return words


def word_errors(words: Sequence[tuple[Word, str]], turns: Sequence[Turn]) -> WordSpeakerErrors:
    """How many of them get the wrong speaker."""
    found = [speaker_between(turns, word.start or 0.0, word.end or 0.0) for word, _ in words]
    return word_speaker_errors([speaker for _, speaker in words], found)


def measure(name: str, label: Labeller, recordings: Sequence[Recording], options: argparse.Namespace) -> None:
    """Print the figures of one labeller on one corpus."""
    total, words = DiarizationErrors(), WordSpeakerErrors()
    aligner = find_aligner("en") if options.words else None
    right, begun, seconds = 0, 0.0, 0.0
    for recording in recordings:
        begun = time.perf_counter()
        turns = label(recording.audio)
        seconds += time.perf_counter() - begun
        errors = diarization_errors(recording.truth, turns)
        total += errors
        count, truth = len({turn.speaker for turn in turns}), len({turn.speaker for turn in recording.truth})
        right += count == truth
        if aligner is not None and recording.path.with_suffix(".seglst.json").is_file():
            words += word_errors(words_outside_overlap(recording, aligner), turns)
        if options.each:
            parts = (
                f"missed {errors.missed:.2f} false {errors.false_alarm:.2f} confused {errors.confusion:.2f} s"
            )
            print(f"    {recording.path.stem:24} {errors.rate:7.1%} {parts}, {count} speakers of {truth}")
    duration = sum(recording.audio.duration for recording in recordings)
    shares = [part / total.total for part in (total.missed, total.false_alarm, total.confusion)]
    text = f"  {name:18} {total.rate:6.1%} = " + " + ".join(f"{share:.1%}" for share in shares)
    text += f"   speakers right {right} of {len(recordings)}   real-time factor {seconds / duration:.3f}"
    if words.rate is not None:
        text += f"   words wrong {words.rate:.1%} of {words.num_words}"
    print(text, flush=True)


def hour(label: Labeller, recordings: Sequence[Recording]) -> None:
    """Print the time for an hour made of the recordings, one after the other."""
    joined = np.concatenate([recording.audio.samples for recording in recordings])
    samples = np.resize(joined, 3600 * SAMPLE_RATE)
    begun = time.perf_counter()
    turns = label(Audio(samples))
    print(
        f"one hour: {time.perf_counter() - begun:.1f} s, {len({turn.speaker for turn in turns})} speakers found"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--peer", "--words", "--online", "--hour", "--each"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--encoder")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    encoder = find_encoder(options.encoder or DEFAULT_ENCODER, num_threads=options.threads)
    settings = DiarizationOptions(num_threads=options.threads)
    labellers = {encoder.name: offline(encoder, settings)}
    if options.online:
        labellers["the same, online"] = online(encoder, settings)
    if options.peer:
        labellers["moonshine-voice"] = peer()
    corpora = {corpus: read_corpus(corpus) for corpus in CORPORA}
    for corpus, recordings in corpora.items():
        print(f"{corpus}: {len(recordings)} recordings; error = missed + false alarm + confusion")
        for name, label in labellers.items():
            measure(name, label, recordings, options)
    if options.hour:
        hour(offline(encoder, settings), corpora["meetings_ami"])


if __name__ == "__main__":
    main()
