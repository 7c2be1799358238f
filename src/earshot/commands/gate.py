"""A gate in front of a recognizer: nothing passes until a wake word is heard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earshot.commands.embedding import Embedder
from earshot.commands.loading import load_spotters, load_words
from earshot.commands.net import CARD
from earshot.commands.spotter import Spotted
from earshot.commands.store import CommandStore
from earshot.core.types import Samples


class WakeGate:
    """Hears wake words of a store in one stream at 16 kHz, by themselves and within running speech.

    names: labels of taught commands, or folders of nets that ``earshot train commands --running`` made.
    false_alarms_per_hour: of speech without them, all together, positive. Raises CommandError when a name is
    not taught, ModelError for a net that cannot be read.
    """

    def __init__(
        self,
        store: CommandStore,
        names: Sequence[str],
        *,
        false_alarms_per_hour: float = 0.1,
        embedder: Embedder | None = None,
    ) -> None:
        taught, nets = wake_words(store, names)
        labels = [label for folder in nets for label in load_words(folder).labels]
        self.names = tuple(dict.fromkeys((*taught, *labels)))
        self._new_spotter = load_spotters(
            store if taught else None,
            embedder,
            names=taught,
            nets=nets,
            false_alarms_per_hour=false_alarms_per_hour,
            is_running=True,
        )
        self._spotter = self._new_spotter()

    def accept(self, samples: Samples) -> list[Spotted]:
        """Take float32 (n,), any n. Returns the wake words that were heard in it, in order of time."""
        return self._spotter.accept(samples)

    def reset(self) -> None:
        """Forget the stream: the next sample is the first of another one."""
        self._spotter = self._new_spotter()


def wake_words(store: CommandStore, names: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Of names or folders as ``--wake`` takes them: labels of taught commands, and folders of nets.

    Raises CommandError for what is neither.
    """
    folders = [Path(name) for name in names if (Path(name) / CARD).is_file()]
    labels = [store.find(name).label for name in names if Path(name) not in folders]
    return list(dict.fromkeys(labels)), folders
