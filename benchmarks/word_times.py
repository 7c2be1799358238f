"""How near word starts are to the truth, and what finding them costs.

    python benchmarks/word_times.py [--clips 60] [--speech FOLDER]

There is no hand-made alignment here, so three references that justify themselves:

commands recordings of single words by one speaker (Speech Commands), joined with their own background between
         them. A word starts at its onset: the first of three blocks of 5 ms that rise 12 dB above the pause
         before it. Only recordings with one such onset, 25 dB above the pause, count.
pauses   real read sentences (LibriSpeech, LJSpeech, VCTK): the same onsets after pauses of 200 ms. Which word
         begins there the reference cannot tell, so the nearest start that a system gives is compared.
espeak   continuous speech from eSpeak NG, which tells at which sample each word starts. An artificial voice.

Systems: ours; PocketSphinx's own decoder on the same model (``set_align_text``); even spread by letters.
A word more than a second off is a blunder: part of the percentiles, and counted.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earshot.audio.decode import read_audio
from earshot.audio.resample import resample
from earshot.core.types import Audio, Samples
from earshot.engines.alignment import PocketSphinxAligner
from earshot.engines.extents import filled, speech_extent
from earshot.text.spoken_form import spoken_forms

Starts = list[float | None]


@dataclass(frozen=True)
class Clip:
    """starts: where words truly start, seconds, None where the reference cannot tell."""

    audio: Audio
    words: list[str]
    starts: Starts


# --- references ---------------------------------------------------------------------------------------------


def commands(speech: Path, num_clips: int, chance: random.Random) -> Iterator[Clip]:
    """Six recordings of single words by one speaker, joined; each shows clearly where its word starts."""
    voices: dict[str, list[dict[str, str]]] = {}
    for line in (speech / "speech_commands" / "manifest.jsonl").open():
        row = json.loads(line)
        if not row["label"].startswith("_"):
            voices.setdefault(row["speaker"], []).append(row)
    names = sorted(name for name, rows in voices.items() if len(rows) >= 12)
    for name in chance.sample(names, min(num_clips, len(names))):
        parts: list[Samples] = []
        words: list[str] = []
        starts: Starts = []
        for row in chance.sample(voices[name], 12):
            samples = read_audio(speech / "speech_commands" / row["audio"]).samples
            onsets = speech_onsets(samples, least_pause=0.1)
            if len(onsets) != 1 or len(words) == 6:
                continue
            starts.append(sum(map(len, parts)) / 16_000 + onsets[0])
            parts.append(samples)
            words.append(row["label"])
        if len(words) == 6:
            yield Clip(Audio(np.concatenate(parts)), words, starts)


def pauses(speech: Path, num_clips: int, chance: random.Random) -> Iterator[Clip]:
    """Sentences with the starts of speech after pauses."""
    rows = []
    for corpus in ("librispeech", "ljspeech", "vctk_p239"):
        lines = (speech / corpus / "manifest.jsonl").read_text().splitlines()
        rows += [
            (speech / corpus, json.loads(line)) for line in chance.sample(lines, min(num_clips, len(lines)))
        ]
    for folder, row in rows:
        audio = read_audio(folder / row["audio"])
        onsets = speech_onsets(audio.samples)
        if onsets:
            yield Clip(audio, row["text"].lower().split(), list(onsets))


def speech_onsets(samples: Samples, *, least_pause: float = 0.2) -> list[float]:
    """Seconds at which sound rises out of a pause; see the head of this file."""
    block = 80  # 5 ms
    pause = round(least_pause * 16_000 / block)
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    level = 10 * np.log10(np.mean(np.square(blocks), axis=1) + 1e-10)
    loud = float(np.percentile(level, 90))
    onsets = []
    quiet_blocks = 0
    for i in range(len(level) - 3):
        if quiet_blocks >= pause:
            floor = float(np.median(level[i - pause : i]))
            if floor < loud - 25 and (level[i : i + 3] > floor + 12).all():
                onsets.append(i * block / 16_000)
                quiet_blocks = 0
                continue
        quiet_blocks = quiet_blocks + 1 if level[i] < loud - 22 else 0
    return onsets


def espeak(speech: Path, num_clips: int, chance: random.Random) -> Iterator[Clip]:
    """LJSpeech's sentences said by eSpeak NG in three voices and paces."""
    synthesizer = Espeak()
    lines = (speech / "ljspeech" / "manifest.jsonl").read_text().splitlines()
    for i, line in enumerate(chance.sample(lines, num_clips)):
        words = [w for w in json.loads(line)["text"].split() if w.isascii() and w.strip(".,;:?!").isalpha()]
        if clip := synthesizer.say(words, ("en-us", "en-gb", "en-us+f3")[i % 3], (130, 160, 190)[i // 3 % 3]):
            yield clip


class _EspeakEvent(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class Espeak:
    """eSpeak NG's library, which reports the sample at which each word starts."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("espeak-ng")
        if name is None:
            raise FileNotFoundError("libespeak-ng is not installed: apt install espeak-ng")
        self._library = ctypes.CDLL(name)
        self._rate = self._library.espeak_Initialize(2, 0, None, 0)  # synchronous retrieval
        self._blocks: list[Samples] = []
        self._starts: dict[int, int] = {}
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_EspeakEvent)
        )
        self._callback = kind(self._take)  # kept: the library holds only a pointer to it
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: object, num_samples: int, events: Sequence[_EspeakEvent]) -> int:
        if samples and num_samples:
            block = np.ctypeslib.as_array(samples, (num_samples,)).astype(np.float32)
            self._blocks.append(block / np.float32(32_768))
        i = 0
        while events[i].type:
            if events[i].type == 1:  # a word
                self._starts.setdefault(events[i].text_position - 1, events[i].sample)
            i += 1
        return 0

    def say(self, words: list[str], voice: str, pace: int) -> Clip | None:
        """None where nothing was said; words that the voice runs together have no start of their own."""
        self._blocks, self._starts = [], {}
        text = " ".join(words).encode()
        self._library.espeak_SetVoiceByName(voice.encode())
        self._library.espeak_SetParameter(1, pace, 0)
        self._library.espeak_Synth(text, len(text) + 1, 0, 1, 0, 1, None, None)
        offsets = np.cumsum([0] + [len(word) + 1 for word in words[:-1]])
        if not self._blocks:
            return None
        audio = resample(Audio(np.concatenate(self._blocks), self._rate), 16_000)
        samples = [self._starts.get(int(at)) for at in offsets]
        return Clip(audio, words, [None if sample is None else sample / self._rate for sample in samples])


# --- systems ------------------------------------------------------------------------------------------------


class Native:
    """PocketSphinx's own decoder in its alignment mode."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(samprate=16_000, lm=None, loglevel="FATAL")

    def starts(self, clip: Clip) -> Starts:
        """Words outside its dictionary get none."""
        forms = [spoken_forms(word)[0] for word in clip.words]
        known = [all(self._decoder.lookup_word(part) for part in form) for form in forms]
        parts = [(i, part) for i, form in enumerate(forms) if known[i] for part in form]
        self._decoder.set_align_text(" ".join(part for _, part in parts))
        self._decoder.start_utt()
        pcm = (np.clip(clip.audio.samples, -1, 1) * 32_767).astype(np.int16)
        self._decoder.process_raw(pcm.tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = [segment for segment in self._decoder.seg() or () if segment.word[0] not in "<[+("]
        starts: Starts = [None] * len(clip.words)
        for (i, _), segment in zip(parts, found, strict=False):
            if starts[i] is None:
                starts[i] = segment.start_frame / 100
        return starts


def ours(aligner: PocketSphinxAligner) -> Callable[[Clip], Starts]:
    """The aligner of this package."""
    return lambda clip: [word.start for word in aligner.align(clip.audio, " ".join(clip.words))]


def spread(clip: Clip) -> Starts:
    """By the number of letters, over the extent of the sound."""
    found = filled([None] * len(clip.words), clip.words, speech_extent(clip.audio.samples), clip.audio.duration)
    return [extent.start for extent in found]


# --- the table ----------------------------------------------------------------------------------------------


def errors(clip: Clip, found: Starts, *, by_word: bool) -> list[float]:
    """Seconds between truth and finding; by the nearest found start where the truth names no words."""
    if by_word:
        pairs = zip(clip.starts, found, strict=True)
        return [start - truth for truth, start in pairs if truth is not None and start is not None]
    starts = np.array([start for start in found if start is not None])
    nearest = [starts[np.abs(starts - truth).argmin()] - truth for truth in clip.starts if truth is not None]
    return [float(error) for error in nearest]


def report(
    name: str, clips: list[Clip], systems: dict[str, Callable[[Clip], Starts]], *, by_word: bool
) -> None:
    """Print a row a system."""
    seconds = sum(clip.audio.duration for clip in clips)
    found: dict[str, list[float]] = {system: [] for system in systems}
    cost = dict.fromkeys(systems, 0.0)
    for clip in clips:
        for system, find in systems.items():
            begin = time.thread_time()
            starts = find(clip)
            cost[system] += time.thread_time() - begin
            found[system] += errors(clip, starts, by_word=by_word)
    print(f"\n{name}: {len(clips)} clips, {seconds:.0f} s")
    print(f"{'system':<14}{'words':>6}{'median':>9}{'p90':>9}{'bias':>9}{'≤ 50 ms':>9}{'> 1 s':>7}{'RTF':>9}")
    for system, values in found.items():
        ms = 1000 * np.array(values)
        size = np.abs(ms)
        print(
            f"{system:<14}{len(ms):>6}{np.median(size):>6.0f} ms{np.percentile(size, 90):>6.0f} ms"
            f"{np.median(ms):>+6.0f} ms{100 * np.mean(size <= 50):>7.0f} %{(size > 1000).sum():>7}"
            f"{cost[system] / seconds:>9.4f}"
        )


def main() -> None:
    """Print the tables; says what is missing instead of failing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60, help="per reference (and corpus)")
    parser.add_argument(
        "--speech", type=Path, default=None, help="default: $EARSHOT_SPEECH or ../shared/speech"
    )
    arguments = parser.parse_args()
    beside = Path(__file__).parents[2] / "shared" / "speech"
    speech = arguments.speech or Path(os.environ.get("EARSHOT_SPEECH", beside))
    if not speech.is_dir():
        print("skipped: no speech here; name a folder with --speech or EARSHOT_SPEECH", file=sys.stderr)
        return
    systems = {"ours": ours(PocketSphinxAligner()), "pocketsphinx": Native().starts, "spread": spread}
    for make, by_word in ((commands, True), (pauses, False), (espeak, True)):
        try:
            clips = list(make(speech, arguments.clips, random.Random(7)))
        except FileNotFoundError as error:
            print(f"\n{make.__name__}: skipped, {error}", file=sys.stderr)
            continue
        report(make.__name__, clips, systems, by_word=by_word)


if __name__ == "__main__":
    main()
