"""A new word from a few recordings: checked, compared, kept; and learned further from its uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earshot.commands.augmentation import copies
from earshot.commands.classifier import Cohort, CommandClassifier, prototype
from earshot.commands.embedding import Embedder, Matrix
from earshot.commands.own_background import load_background
from earshot.commands.store import Command, CommandStore, Example, ExampleKind, check_label
from earshot.commands.takes import Take, check_take
from earshot.core.errors import CommandError
from earshot.core.types import Samples

USUAL_RECORDINGS = 3

SAME_WORD = -0.05
"""Two recordings whose cosine exceeds what any speech has in common with them by less are hardly one word. One
speaker's digits: 3 % of pairs of the same word lie below, 2 % of pairs of two words above."""

CONFUSABLE = 0.5
"""Cosine of two commands of one speaker: above it one is taken for the other in 3 % of uses and more, below it
in less than 1 %."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another command. similarity: cosine in [-1, 1]."""

    label: str
    similarity: float


@dataclass(frozen=True, slots=True)
class TeachingReport:
    """What became of a lesson.

    agreement: mean cosine between two recordings, None of a single one. outlier: the recording that is unlike
    the others. nearest: the most similar other command. false_alarms_per_hour: expected in speech without
    commands if every one of these recordings is to be recognized from the others alone; None of a single one.
    """

    label: str
    num_recordings: int
    agreement: float | None
    outlier: str | None
    nearest: Neighbour | None
    false_alarms_per_hour: float | None
    warnings: tuple[str, ...]


class Teacher:
    """Teaches the commands of a store."""

    def __init__(self, store: CommandStore, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder

    def teach(
        self, label: str, recordings: Sequence[tuple[str, Samples]], *, is_added: bool = False
    ) -> TeachingReport:
        """Learn ``label`` from recordings, each a name for messages and float32 samples at 16 kHz.

        is_added: more recordings of a command that is known already.
        Nothing is kept where something is refused. Raises AudioError for a recording that nobody could learn
        from (``fit_recordings`` leaves those out), and CommandError where the recordings are of different
        words, or the label is taken.
        """
        label = check_label(label)
        if not recordings:
            raise CommandError("nothing to learn from", fix=f"give {USUAL_RECORDINGS} recordings of the word")
        if not is_added:
            self.check_is_new(label)
        known = current_commands(self._store, self._embedder)
        taken = next((command for command in known if command.label.casefold() == label.casefold()), None)
        takes = [check_take(samples, name) for name, samples in recordings]
        embeddings = self._embed(takes)
        report = self._report(label, takes, embeddings, known, taken)
        examples = [
            (example_of(take, matrix, "taught"), take.samples)
            for take, matrix in zip(takes, embeddings, strict=True)
        ]
        self._store.add(label, examples, space=self._embedder.space.name)
        return report

    def check_is_new(self, label: str) -> None:
        """Raises CommandError when a command has that label."""
        wanted = check_label(label).casefold()
        for command in self._store.commands():
            if command.label.casefold() == wanted:
                raise CommandError(
                    f"{command.label!r} is taught already, from {len(command.positives)} recordings",
                    fix="add to it with --more, or forget it first",
                )

    def learn(self, label: str, samples: Samples, kind: ExampleKind = "accepted") -> Command:
        """Learn from a use. Raises CommandError for an unknown label.

        kind: ``accepted`` when it was right, ``corrected`` when the user says that it was ``label``,
        ``rejected`` when it was taken for ``label`` and was not.
        """
        known = self._store.find(label)
        current_commands(self._store, self._embedder)
        take = check_take(samples, "the recording")
        # As it was given: what the spotter heard is cut already, and cut again it would be another point.
        example = example_of(take, embeddings_of([samples], self._embedder)[0], kind)
        return self._store.add(known.label, [(example, samples)], space=self._embedder.space.name)

    def _embed(self, takes: Sequence[Take]) -> list[Matrix]:
        """For each take its own embedding and those of its copies: (1 + copies, d)."""
        return embeddings_of([take.samples for take in takes], self._embedder)

    def _report(
        self,
        label: str,
        takes: Sequence[Take],
        embeddings: Sequence[Matrix],
        known: Sequence[Command],
        taken: Command | None,
    ) -> TeachingReport:
        before = [example.embeddings for example in taken.positives] if taken else []
        names = [take.name for take in takes]
        matrices = [*before, *embeddings]
        likeness = _likeness([matrix[0] for matrix in matrices])
        warnings = [f"{take.name}: {warning}" for take in takes for warning in take.warnings]
        own = load_background(self._store, self._embedder)
        cohort = Cohort(self._embedder.space.background, own.between_pauses)
        levels = np.array([cohort.level(matrix[0]) for matrix in matrices], np.float32)
        excess = np.asarray(likeness - (levels[:, None] + levels) / 2, np.float32)
        outlier = _outlier(excess, [""] * len(before) + names, label)
        if outlier is not None:
            warnings.append(
                f"{outlier} is unlike the others: leave it out and record it again if it is another word; "
                "as it is, more uses will be missed"
            )
        if len(matrices) < USUAL_RECORDINGS:
            warnings.append(_too_few(len(matrices)))
        middle = prototype(matrices)
        others = [command for command in known if taken is None or command.key != taken.key]
        nearest = _nearest(middle, others)
        if nearest is not None and nearest.similarity >= CONFUSABLE:
            warnings.append(
                f"it sounds like {nearest.label!r} (likeness {nearest.similarity:.2f} of 1): "
                "one will be taken for the other now and then; choose a longer or a different word"
            )
        return TeachingReport(
            label=label,
            num_recordings=len(takes),
            agreement=_mean_off_diagonal(likeness),
            outlier=outlier,
            nearest=nearest,
            false_alarms_per_hour=_false_alarms(matrices, [take.duration for take in takes], cohort),
            warnings=tuple(warnings),
        )


def example_of(take: Take, embeddings: Matrix, kind: ExampleKind) -> Example:
    """An example that has no file yet."""
    return Example("", kind, take.duration, take.is_speech, embeddings)


def embeddings_of(clips: Sequence[Samples], embedder: Embedder) -> list[Matrix]:
    """For each clip its own embedding and those of its changed copies: (1 + copies, d)."""
    groups = [[clip, *copies(clip)] for clip in clips]
    rows = embedder.embed([clip for group in groups for clip in group])
    ends = np.cumsum([len(group) for group in groups])
    return [rows[end - len(group) : end] for group, end in zip(groups, ends, strict=True)]


def current_commands(store: CommandStore, embedder: Embedder) -> list[Command]:
    """The commands of a store, with embeddings of the embedder's space: after an upgrade they are made anew."""
    commands = store.commands()
    if not commands or store.space() == embedder.space.name:
        return commands
    renewed = {command.key: embeddings_of(store.clips(command), embedder) for command in commands}
    store.replace_embeddings(renewed, space=embedder.space.name)
    return store.commands()


def load_classifier(
    store: CommandStore, embedder: Embedder, *, false_alarms_per_hour: float = 0.5
) -> CommandClassifier:
    """A classifier of all commands of a store. Raises CommandError when nothing is taught."""
    commands = current_commands(store, embedder)
    if not commands:
        raise CommandError("nothing is taught yet", fix='teach a word: earshot teach "light on"')
    own = load_background(store, embedder)
    return CommandClassifier(
        commands,
        embedder.space,
        false_alarms_per_hour=false_alarms_per_hour,
        own=own.between_pauses,
    )


def _likeness(vectors: Sequence[Matrix]) -> Matrix:
    matrix = np.stack(vectors)
    return np.asarray(matrix @ matrix.T, np.float32)


def _mean_off_diagonal(likeness: Matrix) -> float | None:
    count = len(likeness)
    if count < 2:
        return None
    return float((likeness.sum() - np.trace(likeness)) / (count * (count - 1)))


def _outlier(excess: Matrix, names: Sequence[str], label: str) -> str | None:
    """The recording that agrees with none of the others. Raises CommandError when no two agree.

    excess: (n, n), of the likeness of two over what any speech has in common with them.
    """
    count = len(excess)
    if count < 2:
        return None
    closest = (excess - 4 * np.eye(count, dtype=np.float32)).max(axis=1)
    lonely = np.flatnonzero(closest < SAME_WORD)
    if len(lonely) == count:
        raise CommandError(
            f"the {count} recordings of {label!r} sound like different words",
            fix="say the same word in each of them",
        )
    return names[lonely[0]] or None if len(lonely) else None


def _false_alarms(matrices: Sequence[Matrix], durations: Sequence[float], cohort: Cohort) -> float | None:
    """See TeachingReport."""
    if len(matrices) < 2:
        return None
    rates = []
    for index, matrix in enumerate(matrices):
        middle = prototype([other[:1] for place, other in enumerate(matrices) if place != index])
        direction = cohort.direction(middle)
        score = float(matrix[0] @ direction) - cohort.level(matrix[0])
        rates.append(cohort.false_alarms(direction, float(np.median(durations)), score))
    return max(rates)


def _too_few(count: int) -> str:
    """What fewer than three recordings cost."""
    return (
        f"learned from {count} of {USUAL_RECORDINGS} recordings: of ten words by other voices 91 % "
        "were told apart from one recording, 96 % from three; add more with --more"
    )


def _nearest(middle: Matrix, others: Sequence[Command]) -> Neighbour | None:
    rows = [
        Neighbour(command.label, float(prototype([e.embeddings for e in command.positives]) @ middle))
        for command in others
    ]
    return max(rows, key=lambda row: row.similarity, default=None)
