"""Pauses of real speech as a live stream meets them: the utterance up to a few frames into each pause.

Each pause is labelled as the end of a sentence or not, from the text of the whole clip. Used by
``train_endpointing.py``; what was computed for a clip is kept in a folder, so that a run can be resumed.
"""

from __future__ import annotations

import difflib
import json
import random
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earshot.audio.decode import read_audio
from earshot.audio.vad import FRAME, VoiceActivityDetector
from earshot.core.types import SAMPLE_RATE, Samples, Word
from earshot.engines.moonshine_model import Frames, Hypothesis, MoonshineModel
from earshot.text import punctuation
from earshot.text.punctuation import Punctuator
from earshot.text.punctuation_model import LABELS, PunctuationModel

MAX_CLIP = 24 * SAMPLE_RATE
SHORTEST_PAUSE = 7
"""Frames (0.22 s): shorter pauses never end an utterance, whatever the predictor says."""
RESET = 25
"""Frames (0.8 s) after which a stream ends any utterance."""
KEPT_FRAMES = 120
"""Encoder frames kept of each example: the last 2.9 s."""
ENDS = ".?!"
SURE = (0.03, 0.5)
"""Probabilities of a sentence's end below and above which a place between two clips is labelled."""
PUNCTUATION = Path(punctuation.__file__).parent / "data" / "punctuation" / "en"
TEXT_WITH_MARKS = ("ljspeech", "vctk_p239")


@dataclass(slots=True)
class Pause:
    """One pause. num_frames: its length, of 32 ms each, None at a clip's end. is_end: None when unclear."""

    corpus: str
    speaker: str
    clip: str
    start: float
    num_frames: int | None
    num_silent: int
    is_synthetic: bool
    is_end: bool | None
    words: list[str]
    log_probs: list[float]
    end_log_prob: float | None
    duration: float
    frames: Frames = field(default_factory=lambda: np.empty((0, 288), np.float32))


@dataclass(frozen=True, slots=True)
class Clip:
    """A line of a manifest. ends_sentence: what follows in the book says, None when nothing is known."""

    corpus: str
    path: Path
    speaker: str
    text: str
    ends_sentence: bool | None

    @property
    def key(self) -> str:
        """A name that no other clip has."""
        return f"{self.corpus}-{self.path.stem}"


class PauseFinder:
    """Makes the examples of a clip."""

    def __init__(self, model: MoonshineModel) -> None:
        self._model = model
        self._punctuator = Punctuator.load("en")

    def pauses(self, clip: Clip) -> list[Pause]:
        """All examples of one clip."""
        samples = read_audio(clip.path).samples[:MAX_CLIP]
        chance = random.Random(zlib.crc32(clip.key.encode()))
        probabilities = VoiceActivityDetector().probabilities(samples)
        runs = list(_silences(probabilities))
        if not runs:
            return []
        floor = _quietest(samples)
        *inner, (end, _) = runs
        is_cut = len(samples) == MAX_CLIP
        last = self._example(clip, samples, 0, end, None, floor, chance)
        marked = self._marked(clip, last)
        if not is_cut:
            last.is_end = self._ends(clip, marked)
        found = [last]
        start = 0
        for first, length in inner:
            if length < SHORTEST_PAUSE:
                continue
            pause = self._example(clip, samples, start, first, length, floor, chance)
            pause.is_end = _label(pause.words, marked)
            found.append(pause)
            if length >= RESET or (pause.is_end and chance.random() < 0.5):
                start = max(0, first + length - 9)
        return found

    def _example(
        self,
        clip: Clip,
        samples: Samples,
        start: int,
        first: int,
        length: int | None,
        floor: Samples,
        chance: random.Random,
    ) -> Pause:
        """The utterance from frame ``start`` into the pause that begins at frame ``first``."""
        num_silent = chance.choice((4, 5, 5, 5, 6, 6))
        speech = samples[start * FRAME : first * FRAME]
        natural = samples[first * FRAME : (first + (length or 10**6)) * FRAME]
        is_synthetic = len(natural) < num_silent * FRAME or chance.random() < 0.4
        wanted = num_silent * FRAME
        if is_synthetic:
            kept = natural[: chance.randrange(0, 3) * FRAME]
            made = _room_tone(floor, wanted - len(kept), chance)
            silence = np.concatenate([kept, made])[:wanted]
        else:
            silence = natural[:wanted]
        sound = np.concatenate([speech, silence]).astype(np.float32)
        frames = self._model.encode(sound)
        heard = self._model.decode_draft(frames, ())
        return Pause(
            clip.corpus,
            clip.speaker,
            clip.key,
            start * FRAME / SAMPLE_RATE,
            length,
            num_silent,
            is_synthetic,
            None,
            self._words(heard),
            list(heard.log_probs),
            heard.end_log_prob,
            len(sound) / SAMPLE_RATE,
            frames[0, -KEPT_FRAMES:],
        )

    def _words(self, heard: Hypothesis) -> list[str]:
        return [text for text, _ in self._model.tokenizer.words(heard.tokens)]

    def _marked(self, clip: Clip, whole: Pause) -> list[tuple[str, bool | None]]:
        """The clip's words, each with whether a sentence ends after it; None where the sources differ."""
        if clip.corpus in TEXT_WITH_MARKS:
            return [
                (bare(word), None if word.endswith((";", ":")) else ends(word)) for word in clip.text.split()
            ]
        texts = [text for text in whole.words if bare(text)]
        read = [word.text for word in self._punctuator.punctuate([Word(_unmarked(text)) for text in texts])]
        return [
            (bare(text), ends(text) if ends(text) == ends(other) else None)
            for text, other in zip(texts, read, strict=True)
        ]

    def _ends(self, clip: Clip, marked: Sequence[tuple[str, bool | None]]) -> bool | None:
        if clip.corpus in TEXT_WITH_MARKS:
            return marked[-1][1] if marked else None
        return clip.ends_sentence


def bare(word: str) -> str:
    """Letters and digits, in lower case."""
    return "".join(filter(str.isalnum, word.lower()))


def _unmarked(word: str) -> str:
    return word.lower().strip("\"'”’“().,?!:;…—-") or bare(word)


def ends(word: str) -> bool:
    """Whether a sentence ends after the word as written."""
    return word.rstrip("\"'”’)").endswith(tuple(ENDS))


def _label(words: Sequence[str], marked: Sequence[tuple[str, bool | None]]) -> bool | None:
    """Whether the last of ``words`` ends a sentence in the whole text; None when it is not found there."""
    said = [bare(word) for word in words if bare(word)]
    whole = [word for word, _ in marked]
    if not said:
        return None
    blocks = difflib.SequenceMatcher(None, said, whole, autojunk=False).get_matching_blocks()
    for block in blocks:
        if block.size and block.a + block.size == len(said):
            if block.size < min(2, len(said)) or block.b + block.size == len(whole):
                return None
            return marked[block.b + block.size - 1][1]
    return None


def _silences(probabilities: npt.NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """First frame and length of each silence after speech; the last may have length 0."""
    speech = np.flatnonzero(probabilities >= 0.2)
    if not len(speech) or not (probabilities >= 0.4).any():
        return
    for before, after in pairwise(speech):
        if after - before > 1:
            yield int(before) + 1, int(after - before) - 1
    yield int(speech[-1]) + 1, len(probabilities) - int(speech[-1]) - 1


def _quietest(samples: Samples) -> Samples:
    """The quietest 0.1 s."""
    width = SAMPLE_RATE // 10
    starts = range(0, max(1, len(samples) - width), width // 2)
    best = min(starts, key=lambda start: float(np.square(samples[start : start + width]).sum()))
    return samples[best : best + width]


def _room_tone(floor: Samples, num_samples: int, chance: random.Random) -> Samples:
    """Noise like the clip's own: pieces of its quietest place, turned and mirrored, at a level of ±6 dB."""
    parts: list[Samples] = [np.empty(0, np.float32)]
    fade = np.hanning(len(floor)).astype(np.float32)
    total = np.zeros(num_samples + 2 * len(floor), np.float32)
    hop = len(floor) // 2
    for start in range(0, num_samples + len(floor), hop):
        piece = np.roll(floor, chance.randrange(len(floor))) * chance.choice((-1, 1))
        piece = piece[:: chance.choice((-1, 1))]
        total[start : start + len(floor)] += fade[: len(total) - start] * piece[: len(total) - start]
    noise = np.random.default_rng(chance.randrange(2**31)).normal(0, 3e-5, num_samples)
    parts.append(total[hop : hop + num_samples] * 2 ** chance.uniform(-1, 1) + noise.astype(np.float32))
    return np.concatenate(parts)


def read_clips(speech: Path, corpora: Sequence[str], limit: int) -> list[Clip]:
    """Clips of all corpora in turn, in a fixed random order."""
    queues: list[list[Clip]] = []
    for corpus in corpora:
        lines = (speech / corpus / "manifest.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        follows = _book_ends(rows) if corpus == "librispeech" else {}
        clips = [
            Clip(
                corpus,
                speech / corpus / row["audio"],
                row.get("speaker") or row["audio"].split("/")[-1].split("-")[0],
                row.get("text", ""),
                follows.get(row["audio"], True if corpus == "spoken_orders" else None),
            )
            for row in rows
            if row["duration"] >= 1
        ]
        random.Random(7).shuffle(clips)
        queues.append(clips[:limit])
    order = sorted((index / len(queue), clip.key, clip) for queue in queues for index, clip in enumerate(queue))
    return [clip for _, _, clip in order]


def _book_ends(rows: Sequence[dict[str, str]]) -> dict[str, bool]:
    """Whether a sentence ends with a clip, for clips that follow one another in a chapter.

    Judged from the words on both sides by the punctuation net, where it is sure; readers pause at semicolons as
    at full stops, so what lies between is left out.
    """
    model = PunctuationModel(PUNCTUATION)
    chapters: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["audio"]):
        chapters[row["audio"].rsplit("-", 1)[0]].append(row)
    known: dict[str, bool] = {}
    for chapter in chapters.values():
        for here, following in pairwise(chapter):
            number, next_number = (int(r["audio"].rsplit("-", 1)[1].split(".")[0]) for r in (here, following))
            if next_number != number + 1:
                continue
            before, after = here["text"].split()[-40:], following["text"].split()[:25]
            odds = model.log_odds([*before, *after])[0][len(before) - 1]
            shares = np.exp(odds - np.logaddexp.reduce(odds))
            share = sum(shares[LABELS.index(label)] for label in ("PERIOD", "QUESTION", "EXCLAMATION"))
            if not SURE[0] < share < SURE[1]:
                known[here["audio"]] = bool(share > SURE[1])
    return known


def save(pauses: Sequence[Pause], path: Path) -> None:
    """Keep the examples of a clip."""
    rows = []
    for pause in pauses:
        row = asdict(pause)
        del row["frames"]
        rows.append(row)
    arrays = {f"frames{index}": pause.frames.astype(np.float16) for index, pause in enumerate(pauses)}
    np.savez(path, rows=np.array(json.dumps(rows)), **arrays)  # type: ignore[arg-type]


def load(path: Path) -> list[Pause]:
    """Read what ``save`` wrote."""
    with np.load(path) as data:
        rows = json.loads(str(data["rows"]))
        return [
            Pause(**row, frames=data[f"frames{index}"].astype(np.float32)) for index, row in enumerate(rows)
        ]
