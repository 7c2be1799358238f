"""How well words taught by three recordings are told apart, spotted, and what spotting costs.

    python benchmarks/commands.py accuracy --cache FOLDER      (the cache of command_space.py)
    python benchmarks/commands.py spotting --minutes 20
    python benchmarks/commands.py clips --minutes 60           (all digits of all speakers, scored clip by clip)

Needs the corpora of ``$EARSHOT_SPEECH`` or ``../shared/speech``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earshot.audio.decode import read_audio
from earshot.commands import CommandClassifier, Embedder, Spotter
from earshot.commands.augmentation import copies, overlay
from earshot.commands.classifier import LONGEST, SHORTEST, Cohort, prototype
from earshot.commands.embedding import Background, ClipEncoder, Matrix, Space, project
from earshot.commands.own_background import OwnBackground, between_pauses, describe_background
from earshot.commands.store import Command
from earshot.commands.takes import check_take
from earshot.commands.teaching import embeddings_of, example_of
from earshot.commands.trimming import trim
from earshot.core.types import SAMPLE_RATE, Samples

sys.path.insert(0, str(Path(__file__).parent))
from command_space import NOTHING, SPEECH, Described, learn_maps, load, rows_of

TEN = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
LEAST_WORDS = 8
"""A voice with fewer is not asked whether it is told apart by itself."""
Labels = npt.NDArray[np.str_]
Lesson = tuple[list[Command], Samples, list[tuple[float, str]]]
"""Commands, a stream in which they are said, and where the words end in it, in seconds."""


# --- telling apart -----------------------------------------------------------------------------------------


def space_without(part: Described, is_learned: npt.NDArray[np.bool_], *others: Described) -> Space:
    """A space learned from other clips than those of the trial. others: learned from whole."""
    maps = learn_maps(
        np.concatenate([part.statistics[is_learned], *(other.statistics for other in others)]),
        np.concatenate([part.words[is_learned], *(other.words for other in others)]),
    )
    return Space("trial", maps, NOTHING)


def trial(
    vectors: Callable[[list[int]], list[Matrix]],
    embeddings: Matrix,
    groups: list[tuple[list[int], list[int]]],
) -> tuple[int, int]:
    """Right and all. groups: for each word the clips that teach it and those that are asked."""
    prototypes = np.stack([prototype(vectors(taught)) for taught, _ in groups])
    right = total = 0
    for place, (_, asked) in enumerate(groups):
        right += int(((embeddings[asked] @ prototypes.T).argmax(axis=1) == place).sum())
        total += len(asked)
    return right, total


def interval(rates: list[float]) -> str:
    """Mean and 95 % interval of it over trials."""
    half = 1.96 * float(np.std(rates, ddof=1)) / math.sqrt(len(rates))
    return f"{100 * float(np.mean(rates)):.1f} ± {100 * half:.1f} %"


def accuracy(cache: Path, num_trials: int, num_shots: int) -> None:
    """The table of few-shot accuracies."""
    english, arabic, digits = (
        load(cache, corpus) for corpus in ("speech_commands", "arabic_commands", "spoken_digits")
    )
    encoder = ClipEncoder()
    speakers = np.unique(english.speakers)
    held = set(np.random.default_rng(0).permutation(speakers)[: len(speakers) // 2])
    is_held = np.array([speaker in held for speaker in english.speakers])
    is_known = ~is_held & (english.words != "_unknown_")
    spaces = {
        "ten words known": space_without(english, is_known, arabic),
        "ten words new": space_without(english, is_known & ~np.isin(english.words, TEN), arabic),
    }
    copied: dict[tuple[str, int], Matrix] = {}

    def statistics_of(corpus: str, part: Described, index: int) -> Matrix:
        """Of a clip and its changed copies."""
        key = (corpus, index)
        if key not in copied:
            samples = read_audio(SPEECH / corpus / rows_of(corpus)[index]["audio"]).samples
            rows = [encoder.statistics(copy) for copy in copies(check_take(samples, "clip").samples)]
            copied[key] = np.stack([part.statistics[index], *rows])
        return copied[key]

    print(f"{num_shots} recordings a word; {num_trials} trials; speakers of asked clips never in the space")
    for name, space in spaces.items():
        vectors = project(space, english.statistics)
        for is_copied in (False, True):
            rates = []
            for seed in range(num_trials):
                groups = other_speakers(english, is_held, np.random.default_rng(seed), num_shots)
                chosen = taught_by("speech_commands", english, space, vectors, is_copied, statistics_of)
                right, total = trial(chosen, vectors, groups)
                rates.append(right / total)
            print(
                f"other speakers, {name}, {'with' if is_copied else 'no'} copies: {interval(rates)}", flush=True
            )
    known = spaces["ten words known"]
    own_voice = (
        ("digits", "spoken_digits", digits, known, np.unique(digits.speakers)),
        ("English commands", "speech_commands", english, known, sorted(held)),
        (
            "Arabic words, none in the map",
            "arabic_commands",
            arabic,
            space_without(english, is_known),
            np.unique(arabic.speakers),
        ),
    )
    for title, corpus, part, space, names in own_voice:
        vectors = project(space, part.statistics)
        voices = [name for name in names if len(words_of(part, name, num_shots)) >= LEAST_WORDS]
        for is_copied in (False, True):
            chosen = taught_by(corpus, part, space, vectors, is_copied, statistics_of)
            rates = []
            num_asked = 0
            for seed, speaker in enumerate(voices):
                counts = np.zeros(2, int)
                for repeat in range(max(1, num_trials // 6)):
                    rng = np.random.default_rng(100 * seed + repeat)
                    groups = same_speaker(part, speaker, rng, num_shots)
                    counts += trial(chosen, vectors, groups)
                rates.append(counts[0] / counts[1])
                num_asked += counts[1]
            print(
                f"same speaker, {title}, {'with' if is_copied else 'no'} copies: {interval(rates)}, mean of "
                f"{len(voices)} voices, {num_asked} clips asked, worst voice {100 * min(rates):.1f} %",
                flush=True,
            )


def taught_by(
    corpus: str,
    part: Described,
    space: Space,
    vectors: Matrix,
    is_copied: bool,
    statistics_of: Callable[[str, Described, int], Matrix],
) -> Callable[[list[int]], list[Matrix]]:
    """What a word is learned from."""
    if is_copied:
        return lambda taught: [project(space, statistics_of(corpus, part, index)) for index in taught]
    return lambda taught: [vectors[index : index + 1] for index in taught]


def other_speakers(
    part: Described, is_held: npt.NDArray[np.bool_], rng: np.random.Generator, num_shots: int
) -> list[tuple[list[int], list[int]]]:
    """For each word: clips by three speakers, and forty by others who taught none of the ten words."""
    taught = []
    used: set[str] = set()
    for word in TEN:
        of_word = np.flatnonzero((part.words == word) & is_held)
        teachers = rng.permutation(np.unique(part.speakers[of_word]))[:num_shots]
        taught.append([int(rng.choice(of_word[part.speakers[of_word] == name])) for name in teachers])
        used |= set(teachers)
    asked = []
    for word in TEN:
        of_word = np.flatnonzero((part.words == word) & is_held)
        rest = [int(index) for index in rng.permutation(of_word) if part.speakers[index] not in used]
        asked.append(rest[:40])
    return list(zip(taught, asked, strict=True))


def same_speaker(
    part: Described, speaker: str, rng: np.random.Generator, num_shots: int
) -> list[tuple[list[int], list[int]]]:
    """For each of ten words so many clips by a speaker, and the rest of them."""
    groups = []
    for word in rng.permutation(words_of(part, speaker, num_shots))[:10]:
        order = rng.permutation(np.flatnonzero((part.words == word) & (part.speakers == speaker)))
        groups.append((order[:num_shots].tolist(), order[num_shots:].tolist()))
    return groups


def words_of(part: Described, speaker: str, num_shots: int) -> list[str]:
    """Of which there are clips by a speaker beyond those that teach them."""
    words, counts = np.unique(part.words[part.speakers == speaker], return_counts=True)
    return [str(word) for word in words[counts > num_shots] if word != "_unknown_"]


# --- spotting ----------------------------------------------------------------------------------------------


def spotting(
    minutes: float,
    rates: list[float],
    num_words: int,
    corpora: list[str],
    num_asked: int,
    own: tuple[str, float] | None,
) -> None:
    """Recall, false alarms, delay and cost of the spotter as it ships; the digits of each of six speakers.

    own: a speaker whom nobody asks, and so many minutes of theirs as the user's own background.
    """
    embedder = Embedder(num_threads=1)
    rows = rows_of("spoken_digits")
    speakers = sorted({row["speaker"] for row in rows})
    lessons = [lesson(rows, speaker, embedder, num_words, num_asked) for speaker in speakers]
    unwanted = {row["text"] for row in rows}
    mine = OwnBackground()
    if own is not None:
        parts = [speech_of(corpus, own[1], unwanted, lambda speaker: speaker == own[0]) for corpus in corpora]
        mine = describe_background(parts, embedder)
    share = minutes / len(corpora)
    speech = np.concatenate(
        [
            speech_of(corpus, share, unwanted, lambda speaker: own is None or speaker != own[0])
            for corpus in corpora
        ]
    )
    print(f"{num_words} commands by three recordings of each of {len(speakers)} speakers, spotted in turn")
    for rate in rates:
        found = spotted(lessons, speech, embedder, rate, mine.between_pauses)
        print(f"asked {rate:g}/h: {found}", flush=True)
    silence = np.random.default_rng(0).standard_normal(120 * SAMPLE_RATE).astype(np.float32) * 1e-3
    classifier = CommandClassifier(lessons[0][0], embedder.space)
    _, num_looks, seconds = run(classifier, embedder, silence)
    print(f"waiting: {100 * seconds / 120:.2f} % of a core, {num_looks} looks")


def spotted(
    lessons: Sequence[Lesson], speech: Samples, embedder: Embedder, rate: float, own: Background | None
) -> str:
    """What is found of each lesson's words, and what is heard in speech without them, as a line of figures."""
    hits = total = wrong = alarms = num_looks = 0
    delays: list[float] = []
    cpu = 0.0
    for commands, stream, words in lessons:
        classifier = CommandClassifier(commands, embedder.space, false_alarms_per_hour=rate, own=own)
        events, _, _ = run(classifier, embedder, stream)
        for end, word in words:
            near = [event for event in events if end - 0.3 <= event[0] <= end + 0.6]
            hits += any(event[1] == word for event in near)
            wrong += any(event[1] != word for event in near)
            delays += [event[0] - end for event in near if event[1] == word]
            total += 1
        events, num_looks, cpu = run(classifier, embedder, speech)
        alarms += len(events)
    seconds = len(speech) / SAMPLE_RATE
    hours = seconds / 3600 * len(lessons)
    return (
        f"recall {100 * hits / total:.1f} % of {total}, another word {100 * wrong / total:.1f} %; "
        f"{alarms} false alarms in {hours:.1f} hours times speakers, {alarms / hours:.2f}/h; "
        f"delay median {np.median(delays):.2f} s, 95th percentile {np.percentile(delays, 95):.2f} s; "
        f"CPU {100 * cpu / seconds:.1f} % of a core in speech, {num_looks} looks"
    )


def passes(
    sounds: tuple[Matrix, Matrix, Matrix], direction: Matrix, duration: float, threshold: float
) -> npt.NDArray[np.bool_]:
    """Which of sounds (vectors, levels, seconds) are taken for a command that lasts so long."""
    vectors, levels, durations = sounds
    is_like = (durations >= SHORTEST * duration) & (durations <= LONGEST * duration)
    return np.asarray(is_like & (vectors @ direction - levels >= threshold))


def clips(minutes: float, rates: list[float], corpora: list[str]) -> None:
    """Each digit of each speaker as the only command: found in its clips, and in what stands between pauses."""
    embedder = Embedder(num_threads=1)
    cohort = Cohort(embedder.space.background)
    rows = rows_of("spoken_digits")
    unwanted = {row["text"] for row in rows}
    noises = [read_audio(SPEECH / "noise" / row["audio"]).samples for row in rows_of("noise")[::3]]

    def described(sounds: Sequence[Samples]) -> tuple[Matrix, Matrix, Matrix]:
        vectors = embedder.embed(sounds)
        levels = np.array([cohort.level(vector) for vector in vectors], np.float32)
        return vectors, levels, np.array([len(sound) / SAMPLE_RATE for sound in sounds], np.float32)

    speech = {name: speech_of(name, minutes, unwanted) for name in corpora}
    others = {
        name: described(list(chain.from_iterable(between_pauses(sound)))) for name, sound in speech.items()
    }
    rng = np.random.default_rng(0)
    found: dict[float, dict[str, list[float]]] = {rate: {} for rate in rates}
    alarms = {rate: dict.fromkeys(corpora, 0) for rate in rates}
    num_commands = 0
    for speaker in sorted({row["speaker"] for row in rows}):
        for word in sorted(unwanted):
            mine = [row for row in rows if row["speaker"] == speaker and row["text"] == word]
            sounds = [trim(read_audio(SPEECH / "spoken_digits" / row["audio"]).samples) for row in mine]
            order = rng.permutation(len(sounds)).tolist()
            taught, asked = [sounds[place] for place in order[:3]], [sounds[place] for place in order[3:23]]
            direction = cohort.direction(prototype([vector[None] for vector in embedder.embed(taught)]))
            duration = float(np.median([len(sound) for sound in taught])) / SAMPLE_RATE
            noisy = [overlay(sound, noises[rng.integers(len(noises))], 10.0) for sound in asked]
            clean, loud = described(asked), described(noisy)
            num_commands += 1
            for rate in rates:
                threshold = cohort.threshold(direction, duration, rate)
                for name, part in (("clean", clean), (word, clean), ("background 10 dB below", loud)):
                    is_found = passes(part, direction, duration, threshold)
                    found[rate].setdefault(name, []).append(float(is_found.mean()))
                for name, part in others.items():
                    alarms[rate][name] += int(passes(part, direction, duration, threshold).sum())
    for rate in rates:
        shares = ", ".join(f"{name} {100 * float(np.mean(all_)):.1f} %" for name, all_ in found[rate].items())
        brought = ", ".join(
            f"{name} {count / num_commands / (len(speech[name]) / SAMPLE_RATE / 3600):.2f}"
            for name, count in alarms[rate].items()
        )
        print(f"asked {rate:g}/h, {num_commands} commands: found {shares}; false alarms an hour: {brought}")


def lesson(
    rows: list[dict[str, str]], speaker: str, embedder: Embedder, num_words: int, num_asked: int
) -> Lesson:
    """Commands taught by a speaker, a stream of other clips of theirs, and where the words end in it."""
    commands, asked = [], []
    digits = sorted({row["text"] for row in rows})
    shift = sum(map(ord, speaker)) % len(digits)  # fewer words are others for each speaker
    for word in (digits[shift:] + digits)[:num_words]:
        mine = [row for row in rows if row["speaker"] == speaker and row["text"] == word]
        clips = [read_audio(SPEECH / "spoken_digits" / row["audio"]).samples for row in mine[: 3 + num_asked]]
        takes = [check_take(scene([(word, clip)])[0], "clip") for clip in clips[:3]]
        vectors = embeddings_of([take.samples for take in takes], embedder)
        examples = tuple(example_of(take, row, "taught") for take, row in zip(takes, vectors, strict=True))
        commands.append(Command(word, word, 0.0, examples))
        asked += [(word, clip) for clip in clips[3:]]
    stream, words = scene(asked)
    return commands, stream, words


def scene(clips: list[tuple[str, Samples]]) -> tuple[Samples, list[tuple[float, str]]]:
    """The clips in a random order with pauses and a soft background (30 dB below), and where they end."""
    rng = np.random.default_rng(0)
    parts, words, position = [], [], 0
    for index in rng.permutation(len(clips)):
        word, clip = clips[index]
        level = float(np.sqrt(np.mean(np.square(clip)))) or 1.0
        pause = np.zeros(round(rng.uniform(0.8, 1.6) * SAMPLE_RATE), np.float32)
        parts += [pause, np.asarray(clip * (0.05 / level), np.float32)]
        position += len(pause) + len(clip)
        words.append((position / SAMPLE_RATE, word))
    stream = np.concatenate([*parts, np.zeros(SAMPLE_RATE, np.float32)])
    noise = rng.standard_normal(len(stream)).astype(np.float32) * 0.0016
    return np.asarray(stream + noise, np.float32), words


def speech_of(
    corpus: str, minutes: float, unwanted: Iterable[str], is_asked: Callable[[str], bool] = bool
) -> Samples:
    """Recordings without commands, one after the other, with half a second between; maybe none.

    is_asked: of the name of a speaker.
    """
    parts: list[Samples] = [np.empty(0, np.float32)]
    num_samples = 0
    for row in rows_of(corpus):
        if set(row["text"].lower().split()) & set(unwanted):
            continue  # hearing what is said is no false alarm
        if not is_asked(str(row.get("speaker", "nobody"))):
            continue
        samples = read_audio(SPEECH / corpus / row["audio"]).samples
        parts += [samples, np.zeros(SAMPLE_RATE // 2, np.float32)]
        num_samples += len(samples)
        if num_samples > minutes * 60 * SAMPLE_RATE:
            break
    return np.concatenate(parts)


def run(
    classifier: CommandClassifier, embedder: Embedder, stream: Samples
) -> tuple[list[tuple[float, str]], int, float]:
    """Events, how often the encoder was asked, and seconds of CPU."""
    spotter = Spotter(classifier, embedder)
    begun = time.process_time()
    events = []
    for start in range(0, len(stream), 800):
        events += spotter.accept(stream[start : start + 800])
    events += spotter.finish()
    return [(event.time, event.label) for event in events], spotter.num_looks, time.process_time() - begun


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("accuracy", "spotting", "clips"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/command_space"))
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--shots", type=int, default=3)
    parser.add_argument("--words", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--corpora", nargs="+", default=["librispeech"], help="of speech without the words")
    parser.add_argument("--asked", type=int, default=5, help="clips of each word and speaker")
    parser.add_argument("--own", nargs=2, metavar=("SPEAKER", "MINUTES"), help="of the user's own background")
    parser.add_argument("--rates", type=json.loads, default=[0.5, 2.0])
    options = parser.parse_args()
    if options.what == "accuracy":
        accuracy(options.cache, options.trials, options.shots)
    elif options.what == "clips":
        clips(options.minutes, options.rates, options.corpora)
    else:
        own = (options.own[0], float(options.own[1])) if options.own else None
        spotting(options.minutes, options.rates, options.words, options.corpora, options.asked, own)


if __name__ == "__main__":
    main()
