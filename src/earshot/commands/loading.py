"""Spotters of what a store holds, ready to listen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from earshot.commands.classifier import CommandClassifier
from earshot.commands.embedding import Embedder
from earshot.commands.lines import lines_of
from earshot.commands.net import SHIPPED, CommandNet
from earshot.commands.net_words import TAIL_FILE, NetEars, NetTail
from earshot.commands.running import RunningClassifier, load_running_background
from earshot.commands.spotter import Spotter
from earshot.commands.store import CommandStore
from earshot.commands.teaching import current_commands
from earshot.core.errors import CommandError


def load_spotters(
    store: CommandStore,
    embedder: Embedder,
    *,
    names: Sequence[str] = (),
    false_alarms_per_hour: float = 0.5,
    is_running: bool = False,
) -> Callable[[], Spotter]:
    """Loads all once; each call then makes a spotter for a stream of its own.

    names: labels of the commands to hear, empty for all. false_alarms_per_hour: of speech without them, all
    together. is_running: also within running speech, without a pause before and after; half of the false alarms
    may come from there. Raises CommandError when nothing is taught, or not what is named.
    """
    commands = current_commands(store, embedder)
    if not commands:
        raise CommandError("nothing is taught yet", fix='teach a word: earshot teach "light on"')
    if names:
        wanted = {store.find(name).key for name in names}
        commands = [command for command in commands if command.key in wanted]
    rate = false_alarms_per_hour / 2 if is_running else false_alarms_per_hour
    classifier = CommandClassifier(commands, embedder.space, false_alarms_per_hour=rate)
    running = None
    if is_running:
        # A sound that is no speech has no running speech around it.
        spoken = [c for c in commands if any(example.is_speech for example in c.positives)]
        background = load_running_background()
        lines = lines_of(store, spoken, background, embedder)
        running = RunningClassifier(spoken, lines, background.widths, false_alarms_per_hour=rate)
    return lambda: Spotter(classifier, embedder, running=running)


def load_net_spotters(
    folder: Path | None = None,
    *,
    net: CommandNet | None = None,
    tail: NetTail | None = None,
    false_alarms_per_hour: float = 0.5,
) -> Callable[[], Spotter]:
    """Of a trained net's words, the one that ships by default. See ``load_spotters``.

    net: the one of the folder, where it is loaded already. tail: of background of the user's own; those beside
    the net by default. Raises ModelError where the net cannot be read, or its false alarms were never measured.
    """
    net = net or CommandNet.load(folder)
    known = tail or NetTail.load((folder or SHIPPED) / TAIL_FILE)
    NetEars(net, known, false_alarms_per_hour=false_alarms_per_hour)  # what is wrong is told now
    return lambda: Spotter(net=NetEars(net, known, false_alarms_per_hour=false_alarms_per_hour))
