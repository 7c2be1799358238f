"""What a run learns from: utterances that fit, an alphabet, and their sounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from earshot.core.errors import CorpusError, TrainingError
from earshot.core.progress import ProgressCallback
from earshot.core.types import SAMPLE_RATE
from earshot.corpora import read_manifest
from earshot.corpora.letters import count_letters, letters_of, usual_alphabet
from earshot.corpora.manifest import Manifest
from earshot.corpora.selection import SplitBy, SplitOptions, split_manifest
from earshot.corpora.utterance import Utterance
from earshot.decoding.alphabet import Alphabet
from earshot.decoding.ctc import frames_needed
from earshot.training.recognition.options import AlphabetOptions, DataOptions
from earshot.training.recognition.sounds import Sounds, cached_sounds

Tell = Callable[[str], object]
_MOST_LETTERS = 40
"""Foreign letters that are named."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Utterances with their sounds and targets (places of symbols), all of one length."""

    utterances: tuple[Utterance, ...]
    sounds: Sounds
    places: tuple[int, ...]
    targets: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def durations(self) -> list[float]:
        """Seconds."""
        return [self.sounds.duration(place) / SAMPLE_RATE for place in self.places]

    @property
    def texts(self) -> list[str]:
        """Normalised."""
        return [letters_of(one.text or "") for one in self.utterances]


@dataclass(slots=True)
class LeftOut:
    """Why utterances are not learned from: how many, and the first of each. letters: outside the alphabet."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    letters: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, place: str) -> None:
        """One more."""
        self.counts[reason] += 1
        self.first.setdefault(reason, place)

    def lines(self) -> list[str]:
        """One a reason; then the letters, the most frequent ones first."""
        found = [f"left out: {n} × {reason} (first: {self.first[reason]})" for reason, n in self.counts.items()]
        if self.letters:
            most = sorted(self.letters.items(), key=lambda one: (-one[1], one[0]))
            named = " · ".join(f"{letter} {n:,}" for letter, n in most[:_MOST_LETTERS])
            found.append(f"letters outside the alphabet: {named}{' …' if len(most) > _MOST_LETTERS else ''}")
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Both sides of a run. languages: as the manifests say."""

    train: Side
    dev: Side
    alphabet: Alphabet
    languages: tuple[str, ...]
    left_out: LeftOut


def load_manifests(options: DataOptions, tell: Tell = lambda _: None) -> tuple[Manifest, Manifest]:
    """Training and development. tell: hears of bad lines. Raises ManifestError, CorpusError, TrainingError."""
    if not options.train:
        raise TrainingError("no training data was named", fix="name a manifest with --train, or in [data]")
    train = _read_all(options.train, options, tell)
    return (train, _read_all(options.dev, options, tell)) if options.dev else _tenth_apart(train)


def alphabet_for(texts: Sequence[str], options: AlphabetOptions) -> Alphabet:
    """Of the texts' letters, those that belong to the language; or the ones that are named."""
    counts = count_letters(texts)
    letters = set(options.letters) if options.letters is not None else set(usual_alphabet(counts))
    if not letters:
        raise TrainingError("the texts hold no letters", fix="see 'earshot corpus check'")
    if options.kind == "letters":
        return Alphabet.of_letters(letters)
    from earshot.training.recognition.pieces import learn_pieces

    return Alphabet.of_letters(letters) if not counts else learn_pieces(texts, letters, options.size)


def load_corpus(
    manifests: tuple[Manifest, Manifest],
    options: DataOptions,
    alphabet: Alphabet,
    cache: Path,
    *,
    frames_of: Callable[[int], int],
    progress: ProgressCallback | None = None,
) -> Corpus:
    """Decode, and leave out what cannot be learned from.

    frames_of: how many frames the net puts out for so many samples, at least; a text that needs more of them
    teaches nothing.
    Raises TrainingError when nothing is left, OutputError.
    """
    left_out = LeftOut()
    sides = [_side(one, options, alphabet, cache, frames_of, left_out, progress) for one in manifests]
    if not sides[0].utterances or not sides[1].utterances:
        raise TrainingError(
            f"no utterance is left to {'learn from' if not sides[0].utterances else 'judge by'}: "
            + "; ".join(left_out.lines()),
            fix="see 'earshot corpus check'",
        )
    found = {one.language for one in sides[0].utterances if one.language}
    languages = (options.language,) if options.language else tuple(sorted(found))
    return Corpus(sides[0], sides[1], alphabet, languages, left_out)


def _side(
    manifest: Manifest,
    options: DataOptions,
    alphabet: Alphabet,
    cache: Path,
    frames_of: Callable[[int], int],
    left_out: LeftOut,
    progress: ProgressCallback | None,
) -> Side:
    sounds = cached_sounds(manifest.utterances, cache, progress=progress)
    kept: list[tuple[int, tuple[int, ...]]] = []
    for place, utterance in enumerate(manifest):
        seconds = sounds.duration(place) / SAMPLE_RATE
        foreign = alphabet.foreign(utterance.text or "")
        if place in sounds.silent:
            left_out.add("recording without sound", f"{manifest.place(place)}: {sounds.silent[place]}")
            continue
        if utterance.text is None or not letters_of(utterance.text):
            reason = "no text"
        elif seconds < options.min_duration or seconds > options.max_duration:
            reason = f"not {options.min_duration:g} to {options.max_duration:g} s long"
        elif foreign:
            reason = "with letters outside the alphabet"
            left_out.letters += foreign
        else:
            target = alphabet.encode(utterance.text)
            if frames_needed(target) <= frames_of(sounds.duration(place)):
                kept.append((place, tuple(target)))
                continue
            reason = "too short for its text"
        left_out.add(reason, manifest.place(place))
    return Side(
        tuple(manifest.utterances[place] for place, _ in kept),
        sounds,
        tuple(place for place, _ in kept),
        tuple(target for _, target in kept),
    )


def _tenth_apart(manifest: Manifest) -> tuple[Manifest, Manifest]:
    """About a tenth to judge by: other speakers where a hash of their names parts them so, else recordings."""
    ways: tuple[SplitBy | None, ...] = (None, "recording")
    for by in ways:
        for seed in range(20):
            try:
                options = SplitOptions({"train": 0.9, "dev": 0.1}, by=by, seed=str(seed))
                parts = split_manifest(manifest, options).parts
            except CorpusError:
                continue
            if 0.03 < len(parts["dev"]) / len(manifest) < 0.25:
                return parts["train"], parts["dev"]
    raise TrainingError(
        "the training data is too little to set a tenth apart", fix="name another manifest with --dev"
    )


def _read_all(paths: Sequence[str], options: DataOptions, tell: Tell) -> Manifest:
    manifests = [read_manifest(Path(one), skips_bad=options.skip_bad) for one in paths]
    if bad := [one for manifest in manifests for one in manifest.bad_lines]:
        tell(f"left out: {len(bad)} × bad line of a manifest (first: {bad[0]})")
    if not any(manifests):
        raise TrainingError(f"no utterance stands in {', '.join(paths)}", fix="name another manifest")
    if len(manifests) == 1:
        return manifests[0]
    utterances = [one for manifest in manifests for one in manifest]
    places = [manifest.place(index) for manifest in manifests for index in range(len(manifest))]
    return Manifest(tuple(utterances), tuple(places))


def short_texts(side: Side, num_letters: int) -> list[int]:
    """Places of utterances with texts of fewer letters, for the first epochs."""
    return [place for place, text in enumerate(side.texts) if len(text) < num_letters]
