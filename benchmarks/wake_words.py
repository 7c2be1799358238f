"""Commands within running speech: wake words from hundreds of recordings, and words from three.

    python benchmarks/wake_words.py trained --minutes 60          (PocketSphinx in the same run)
    python benchmarks/wake_words.py three --minutes 40
    python benchmarks/wake_words.py cost
    python benchmarks/wake_words.py net --minutes 12              (measures the net's tail, too)

Speech goes on before and after each word without a pause, of another voice and as loud, in background sounds.
Needs the corpora of ``$EARSHOT_SPEECH`` or ``../shared/speech``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from earshot.audio.decode import read_audio
from earshot.commands import Embedder, Spotter
from earshot.commands.embedding import Matrix
from earshot.commands.loading import load_words
from earshot.commands.net import SHIPPED, CommandNet
from earshot.commands.net_words import TAIL_FILE, ClipWords, NetEars, NetTail, measure_tail
from earshot.commands.own_background import OwnBackground, describe_background
from earshot.commands.running import RunningBackground, RunningClassifier, line_of, load_running_background
from earshot.commands.store import Command, Example
from earshot.commands.trimming import PADDING, sound_span
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.speakers.encoder import find_encoder

sys.path.insert(0, str(Path(__file__).parent))
from command_space import SPEECH, rows_of

LESSONS = (
    ("librispeech_speakers", 1.0),
    ("ljspeech", 0.4),
    ("vctk_p239", 0.85),
    ("not_wake_words", 1.0),
    ("meetings_ami", 1.0),
)
"""Speech that a net learns from, and how much of each corpus; what is asked is other speech."""

Event = tuple[float, str]
Ears = Callable[[Samples], list[Event]]


def rms(samples: Samples) -> float:
    """Of a stretch, never 0."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) + 1e-9


class Scenes:
    """Words in the midst of speech, and speech without them; background sounds so many dB below."""

    def __init__(self, decibels: float | None) -> None:
        self._rng = np.random.default_rng(0)
        self._decibels = decibels
        paths = [SPEECH / "noise" / row["audio"] for row in rows_of("noise")[:60]]
        self._noises = [read_audio(path).samples for path in paths]
        paths = [SPEECH / "vctk_p239" / row["audio"] for row in rows_of("vctk_p239")[-60:]]
        self._speech = [read_audio(path).samples[8_000:-8_000] for path in paths]

    def around(self, word: Samples) -> tuple[Samples, float]:
        """The scene of a word (trimmed), and the second at which the word ends."""
        before, after = self._piece(24_000), self._piece(12_000)
        level = rms(word)
        scene = np.concatenate([before * (level / rms(before)), word, after * (level / rms(after))])
        return self.noisy(scene), (len(before) + len(word) - PADDING) / SAMPLE_RATE

    def noisy(self, speech: Samples) -> Samples:
        """Speech in a background; its level is that of the frames in which somebody speaks."""
        if self._decibels is None:
            return np.asarray(speech, np.float32)
        frames = speech[: len(speech) // 512 * 512].reshape(-1, 512)
        levels = np.sqrt(np.mean(np.square(frames), axis=1))
        level = float(np.percentile(levels, 70))
        parts: list[Samples] = []
        while sum(map(len, parts)) < len(speech):
            noise = self._noises[self._rng.integers(len(self._noises))]
            parts.append(noise / rms(noise))
        noise = np.concatenate(parts)[: len(speech)] * (level * 10 ** (-self._decibels / 20))
        return np.asarray(speech + noise, np.float32)

    def without(
        self,
        corpora: Sequence[str],
        minutes: float,
        words: Sequence[str],
        is_asked: Callable[[str], bool] = bool,
    ) -> Iterator[Samples]:
        """Recordings of so many minutes in which nobody says the words. is_asked: of the name of a speaker."""
        left = minutes * 60 * SAMPLE_RATE / len(corpora)
        for corpus in corpora:
            num_samples = 0.0
            for row in rows_of(corpus):
                if set(str(row.get("text", "")).lower().split()) & set(words):
                    continue
                if not is_asked(str(row.get("speaker", "nobody"))):
                    continue
                samples = read_audio(SPEECH / corpus / row["audio"]).samples
                num_samples += len(samples)
                yield self.noisy(samples)
                if num_samples > left:
                    break

    def _piece(self, size: int) -> Samples:
        speech = np.resize(self._speech[self._rng.integers(len(self._speech))], 60_000)
        start = int(self._rng.integers(len(speech) - size))
        return speech[start : start + size]


def trimmed(path: Path) -> Samples:
    """What sounds in a recording."""
    samples = read_audio(path).samples
    first, last = sound_span(samples)
    return samples[first:last]


def command(label: str, clips: Sequence[Samples]) -> Command:
    """As far as a line needs it."""
    nothing: Matrix = np.zeros((1, 1), np.float32)
    examples = tuple(Example("", "taught", len(clip) / SAMPLE_RATE, True, nothing) for clip in clips)
    return Command(label, label, 0.0, examples)


def earshot_ears(lessons: dict[str, list[Samples]], rate: float, own: RunningBackground | None = None) -> Ears:
    """Lines of clips by label; rate: false alarms an hour of each. own: of the user's own background."""
    embedder = Embedder(num_threads=1)
    background = load_running_background()
    commands = [command(label, clips) for label, clips in lessons.items()]
    lines = [
        line_of(clips, one.duration, background, embedder)
        for one, clips in zip(commands, lessons.values(), strict=True)
    ]
    classifier = RunningClassifier(
        commands, lines, background.widths, false_alarms_per_hour=rate * len(commands), own=own
    )

    def ears(samples: Samples) -> list[Event]:
        spotter = Spotter(None, embedder, running=classifier)
        events = [*spotter.accept(samples), *spotter.finish()]
        return [(event.time, event.label) for event in events]

    return ears


def net_ears(lessons: dict[str, list[Samples]], rate: float, work: Path, seed: int) -> Ears:
    """Of a net that ``earshot train commands --running`` makes; rate: false alarms an hour of each word."""
    from earshot.training.running_words import RunningOptions, Word, save_running, train_running

    folder = work / f"running-{seed}"
    if not folder.is_dir():
        begun = time.process_time()
        words = [
            Word(label, f"{label} {index}", clip)
            for label, clips in lessons.items()
            for index, clip in enumerate(clips)
        ]
        rows = [(name, rows_of(name)) for name, _ in LESSONS]
        paths = [
            SPEECH / name / row["audio"]
            for (name, mine), (_, share) in zip(rows, LESSONS, strict=True)
            for row in mine[: round(share * len(mine))]
        ]
        speech = [read_audio(path).samples for path in paths]
        noises = [read_audio(SPEECH / "noise" / row["audio"]).samples for row in rows_of("noise")[60:]]
        outcome = train_running(words, speech, backgrounds=noises, options=RunningOptions(seed=seed))
        save_running(outcome, folder, description="wake words of the benchmark")
        for label in outcome.labels:
            found = [f"{100 * outcome.recall(label, one * len(outcome.labels)):.1f}" for one in (0.1, 0.5, 5)]
            print(f"{label}: {', '.join(found)} % of voices in other folds at 0.1, 0.5, 5/h expected")
        print(
            f"learned in {time.process_time() - begun:.0f} s of one core, {outcome.hours:.2f} h of speech",
            flush=True,
        )
    words_of_net = load_words(folder)
    tail = NetTail.load(folder / TAIL_FILE)

    def ears(samples: Samples) -> list[Event]:
        of_all = NetEars(words_of_net, tail, false_alarms_per_hour=rate * len(words_of_net.labels))
        spotter = Spotter(nets=[of_all])
        events = [*spotter.accept(samples), *spotter.finish()]
        return [(event.time, event.label) for event in events]

    return ears


def sphinx_ears(words: Sequence[str], threshold: float) -> Ears:
    """PocketSphinx listening for one word after the other, with its own English model."""
    import tempfile

    from pocketsphinx import Decoder

    lines = "".join(f"{word} /{threshold:g}/\n" for word in words)
    with tempfile.NamedTemporaryFile("w", suffix=".kws", delete=False) as file:
        file.write(lines)
    decoder = Decoder(kws=file.name, loglevel="FATAL", lm=None)
    Path(file.name).unlink()

    def ears(samples: Samples) -> list[Event]:
        pcm = (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()
        events: list[Event] = []
        decoder.start_utt()
        for start in range(0, len(pcm), 4_096):
            decoder.process_raw(pcm[start : start + 4_096], False, False)
            if decoder.hyp() is not None:
                found = decoder.hyp().hypstr.split()[0]
                events.append((min(len(pcm), start + 4_096) / 2 / SAMPLE_RATE, found))
                decoder.end_utt()
                decoder.start_utt()
        decoder.end_utt()
        return events

    return ears


def judge(
    name: str, ears: Ears, scenes: list[tuple[str, Samples, float]], speech: list[Samples], num_words: int
) -> None:
    """Prints recall, delay, false alarms a word and hour, and the share of a core."""
    begun = time.process_time()
    hits, other, delays = 0, 0, []
    for label, scene, end in scenes:
        near = [event for event in ears(scene) if end - 0.4 <= event[0] <= end + 0.6]
        hits += any(event[1] == label for event in near)
        other += any(event[1] != label for event in near)
        delays += [event[0] - end for event in near if event[1] == label][:1]
    middle = time.process_time()
    alarms = sum(len(ears(samples)) for samples in speech)
    cpu = time.process_time() - middle
    seconds = sum(map(len, speech)) / SAMPLE_RATE
    hours = seconds / 3600 * num_words
    late = np.percentile(delays, [50, 95]) if delays else (np.nan, np.nan)
    print(
        f"{name}: recall {100 * hits / len(scenes):.1f} % of {len(scenes)}, another word {other}; "
        f"delay {late[0]:.2f} s, 95th percentile {late[1]:.2f} s; "
        f"{alarms} false alarms in {hours:.2f} hours times words, {alarms / hours:.2f}/h; "
        f"CPU {100 * cpu / seconds:.1f} % of a core in speech ({middle - begun:.0f} + {cpu:.0f} s)",
        flush=True,
    )


def by_voice(clips: Sequence[Samples]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which clips are asked: two fifths, by no voice that teaches, as far as the speaker encoder can tell."""
    from scipy.cluster.hierarchy import fcluster, linkage

    vectors = find_encoder().embed([np.pad(clip, (0, max(0, 8_000 - len(clip)))) for clip in clips])
    voices = fcluster(linkage(vectors, "average", metric="cosine"), 0.3, "distance")
    asked: set[int] = set()
    for voice in np.random.default_rng(0).permutation(np.unique(voices)):
        if np.isin(voices, list(asked)).mean() < 0.4:
            asked.add(int(voice))
    print(f"{len(np.unique(voices))} groups of voices, {len(asked)} of them asked")
    return np.isin(voices, list(asked))


def trained(
    minutes: float,
    decibels: float,
    rates: Sequence[float],
    work: Path,
    seeds: Sequence[int],
    *,
    has_lines: bool,
) -> None:
    """Two wake words from hundreds of recordings, asked by other voices."""
    rows = rows_of("wake_words")
    clips = [trimmed(SPEECH / "wake_words" / row["audio"]) for row in rows]
    is_asked = by_voice(clips)
    words = sorted({row["label"] for row in rows})
    lessons: dict[str, list[Samples]] = {word: [] for word in words}
    asked = []
    for row, clip, is_test in zip(rows, clips, is_asked, strict=True):
        if is_test:
            asked.append((row["label"], clip))
        else:
            lessons[row["label"]].append(clip)
    print(", ".join(f"{word}: {len(lessons[word])} recordings" for word in words))
    stage = Scenes(decibels)
    scenes = [(label, *stage.around(clip)) for label, clip in asked]
    speech = list(stage.without(("librispeech", "spoken_orders"), minutes, words))
    for rate in rates:
        for seed in seeds:
            name = f"trained, seed {seed}, {rate:g}/h asked"
            judge(name, net_ears(lessons, rate, work, seed), scenes, speech, len(words))
        if has_lines:
            judge(f"taught, {rate:g}/h asked", earshot_ears(lessons, rate), scenes, speech, len(words))
    few = speech[:: max(1, int(minutes / 8))]
    for threshold in (1e-20, 1e-10, 1e-5):
        judge(f"PocketSphinx {threshold:g}", sphinx_ears(words, threshold), scenes, few, len(words))


def three(
    minutes: float, rates: Sequence[float], corpora: Sequence[str], own: tuple[str, float] | None
) -> None:
    """A word of each of six speakers from three recordings, asked by the same speaker.

    own: a speaker of the corpora whom nobody asks, and so many minutes of theirs as the user's own background.
    """
    rows = rows_of("spoken_digits")
    words = sorted({row["text"] for row in rows})
    lessons: dict[str, list[Samples]] = {}
    asked = []
    stage = Scenes(20.0)
    for shift, speaker in enumerate(sorted({row["speaker"] for row in rows})):
        for word in (words[shift], words[(shift + 5) % len(words)]):
            mine = [row for row in rows if row["speaker"] == speaker and row["text"] == word]
            clips = [trimmed(SPEECH / "spoken_digits" / row["audio"]) for row in mine[:18]]
            lessons[f"{speaker} {word}"] = clips[:3]
            asked += [(f"{speaker} {word}", clip) for clip in clips[3:]]
    scenes = [(label, *stage.around(clip)) for label, clip in asked]
    background = OwnBackground()
    if own is not None:
        recordings = stage.without(corpora, own[1], words, lambda speaker: speaker == own[0])
        background = describe_background(recordings, Embedder())
    speech = list(stage.without(corpora, minutes, words, lambda speaker: own is None or speaker != own[0]))
    for rate in rates:
        judge(f"three recordings, {rate:g}/h asked", earshot_ears(lessons, rate), scenes, speech, len(lessons))
        if own is not None:
            ears = earshot_ears(lessons, rate, background.running)
            judge(f"with {own[1]:g} minutes of {own[0]}", ears, scenes, speech, len(lessons))


def cost() -> None:
    """A wake word while half of the time somebody speaks."""
    rows = [row for row in rows_of("wake_words") if row["label"] == "computer"][:60]
    clips = [trimmed(SPEECH / "wake_words" / row["audio"]) for row in rows]
    ears = earshot_ears({"computer": clips}, 0.1)
    stage = Scenes(None)
    speech = np.concatenate(list(stage.without(("librispeech",), 2.0, ())))
    quiet = np.random.default_rng(0).standard_normal(len(speech)).astype(np.float32) * np.float32(1e-3)
    for name, sound in (("speech", speech), ("silence", quiet)):
        begun = time.process_time()
        ears(sound)
        share = (time.process_time() - begun) / (len(sound) / SAMPLE_RATE)
        print(f"{name}: {100 * share:.1f} % of a core", flush=True)


def net(minutes: float, rates: Sequence[float]) -> None:
    """The words of the net that ships, said by themselves by speakers of the official test clips."""
    command_net = CommandNet.load()
    stage = Scenes(None)
    heard = ClipWords(command_net)
    words = heard.labels
    tail = measure_tail(heard, stage.without(("librispeech", "ljspeech"), 5 * minutes, words))
    tail.save(SHIPPED / TAIL_FILE)
    rows = [row for row in rows_of("speech_commands") if row.get("official_split") == "test"]
    rows = [row for word in words for row in [row for row in rows if row["label"] == word][:15]]
    pause = np.zeros(SAMPLE_RATE, np.float32)
    scenes = []
    for row in rows:
        clip = read_audio(SPEECH / "speech_commands" / row["audio"]).samples
        end = (len(pause) + sound_span(clip)[1] - PADDING) / SAMPLE_RATE
        scenes.append((row["label"], np.concatenate([pause, clip, pause]), end))
    speech = list(stage.without(("vctk_p239", "spoken_orders"), minutes, words))
    for rate in rates:

        def ears(samples: Samples, rate: float = rate) -> list[Event]:
            spotter = Spotter(nets=[NetEars(heard, tail, false_alarms_per_hour=rate)])
            events = [*spotter.accept(samples), *spotter.finish()]
            return [(event.time, event.label) for event in events]

        judge(f"{len(words)} words of the net, {rate:g}/h asked", ears, scenes, speech, 1)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("trained", "three", "cost", "net"))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--decibels", type=float, default=10)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.5])
    parser.add_argument("--work", type=Path, default=Path("wake_words"), help="where trained nets go and lie")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--corpora", nargs="+", default=["librispeech", "spoken_orders"], help="of `three`")
    parser.add_argument("--own", nargs=2, metavar=("SPEAKER", "MINUTES"), help="of `three`: own background")
    parser.add_argument("--lines", action="store_true", help="the same recordings taught, too")
    options = parser.parse_args()
    if options.what == "trained":
        trained(
            options.minutes,
            options.decibels,
            options.rates,
            options.work,
            options.seeds,
            has_lines=options.lines,
        )
    elif options.what == "three":
        own = (options.own[0], float(options.own[1])) if options.own else None
        three(options.minutes, options.rates, options.corpora, own)
    elif options.what == "net":
        net(options.minutes, options.rates)
    else:
        cost()


if __name__ == "__main__":
    main()
