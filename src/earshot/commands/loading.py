"""Spotters of what a store holds, ready to listen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from earshot.commands.classifier import CommandClassifier
from earshot.commands.embedding import Embedder
from earshot.commands.lines import lines_of
from earshot.commands.net import MODELS, RUNNING, SHIPPED, CommandNet, hears, read_card
from earshot.commands.net_words import TAIL_FILE, ClipWords, NetEars, NetTail, RunningWords, Words, is_word
from earshot.commands.own_background import load_background
from earshot.commands.running import RunningClassifier, load_running_background
from earshot.commands.running_net import RunningNet
from earshot.commands.spotter import Spotter
from earshot.commands.store import Command, CommandStore
from earshot.commands.teaching import current_commands
from earshot.core.errors import CommandError


def load_spotters(
    store: CommandStore | None,
    embedder: Embedder | None = None,
    *,
    names: Sequence[str] = (),
    nets: Mapping[Path, Collection[str]] | None = None,
    false_alarms_per_hour: float = 0.5,
    is_running: bool = False,
) -> Callable[[], Spotter]:
    """Loads all once; each call then makes a spotter for a stream of its own.

    store: of taught commands; None for none. names: labels of those to hear, empty for all. nets: folders of
    trained nets, and which of their words are heard as well, empty for all. false_alarms_per_hour: of speech
    without all these, together. is_running: the taught ones also within running speech, without a pause before
    and after; half of their false alarms may come from there. Raises CommandError when nothing is taught, or
    not what is named, and ModelError for a net that cannot be read.
    """
    loaded = [
        (words := load_words(folder), NetTail.load(folder / TAIL_FILE), tuple(labels) or words.labels)
        for folder, labels in (nets or {}).items()
    ]
    commands = [] if store is None else _wanted(store, embedder := embedder or Embedder(num_threads=1), names)
    share = false_alarms_per_hour / max(1, len(commands) + sum(len(labels) for *_, labels in loaded))
    classifier, running = None, None
    if store is not None and embedder is not None:
        rate = share * len(commands) * (0.5 if is_running else 1.0)
        own = load_background(store, embedder)
        classifier = CommandClassifier(
            commands, embedder.space, false_alarms_per_hour=rate, own=own.between_pauses
        )
        if is_running:
            # A sound that is no speech has no running speech around it.
            spoken = [c for c in commands if any(example.is_speech for example in c.positives)]
            background = load_running_background()
            lines = lines_of(store, spoken, background, embedder)
            running = RunningClassifier(
                spoken, lines, background.widths, false_alarms_per_hour=rate, own=own.running
            )

    def new_spotter() -> Spotter:
        ears = [
            NetEars(words, tail, labels=labels, false_alarms_per_hour=share * len(labels))
            for words, tail, labels in loaded
        ]
        return Spotter(classifier, embedder, running=running, nets=ears)

    new_spotter()  # what is wrong is told now
    return new_spotter


def _wanted(store: CommandStore, embedder: Embedder, names: Sequence[str]) -> list[Command]:
    commands = current_commands(store, embedder)
    if not commands:
        raise CommandError("nothing is taught yet", fix='teach a word: earshot teach "light on"')
    keys = {store.find(name).key for name in names}
    return [command for command in commands if not names or command.key in keys]


def net_folder(name: str | Path) -> Path:
    """Of a net that ships, by its name, or of the user's own, by its folder."""
    shipped = MODELS / str(name)
    return shipped if shipped.parent == MODELS and shipped.is_dir() else Path(name)


def load_words(folder: Path | None = None) -> Words:
    """Of the net in a folder, by default the one that ships. Raises ModelError where it cannot be read."""
    if folder is not None and hears(read_card(folder)) == RUNNING:
        return RunningWords(RunningNet(folder))
    return ClipWords(CommandNet.load(folder))


def words_of(folder: Path) -> tuple[str, ...]:
    """Labels of the net's words in a folder, from its card alone. Raises ModelError where it cannot be read."""
    card = read_card(folder)
    return tuple(label for label in card["labels"] if hears(card) == RUNNING or is_word(label))


def load_net_spotters(
    folder: Path | None = None,
    *,
    names: Sequence[str] = (),
    words: Words | None = None,
    tail: NetTail | None = None,
    false_alarms_per_hour: float = 0.5,
) -> Callable[[], Spotter]:
    """Of a trained net's words, the one that ships by default. See ``load_spotters``.

    names: of its words to hear, empty for all. words: the folder's, where they are loaded already. tail: of
    background of the user's own; that beside the net by default. Raises CommandError for a word that it does
    not know, ModelError where the net cannot be read, or its false alarms were never measured.
    """
    words = words or load_words(folder)
    known = tail or NetTail.load((folder or SHIPPED) / TAIL_FILE)

    def new_spotter() -> Spotter:
        ears = NetEars(words, known, labels=names, false_alarms_per_hour=false_alarms_per_hour)
        return Spotter(nets=[ears])

    new_spotter()  # what is wrong is told now
    return new_spotter


def shipped_nets() -> list[str]:
    """Names of the nets that ship."""
    return sorted(path.name for path in MODELS.iterdir() if path.is_dir())
