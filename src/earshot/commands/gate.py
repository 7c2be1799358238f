"""A gate in front of a recognizer: nothing passes until a wake word is heard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earshot.commands.embedding import Embedder
from earshot.commands.loading import load_spotters, words_of
from earshot.commands.net import CARD, WAKE_WORDS
from earshot.commands.spotter import Spotted
from earshot.commands.store import CommandStore
from earshot.core.errors import CommandError
from earshot.core.types import Samples


class WakeGate:
    """Hears wake words of a store in one stream at 16 kHz, by themselves and within running speech.

    names: see ``wake_words``.
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
        self.names = (*taught, *(label for labels in nets.values() for label in labels))
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


def wake_words(store: CommandStore, names: Sequence[str]) -> tuple[list[str], dict[Path, tuple[str, ...]]]:
    """Of what ``--wake`` takes: labels of taught commands, and folders of nets with the labels that are meant.

    names: what is taught comes first, then the words of the net that ships, then folders of nets. Raises
    CommandError for what is none of these.
    """
    shipped = words_of(WAKE_WORDS)
    taught: list[str] = []
    nets: dict[Path, tuple[str, ...]] = {}
    for name in dict.fromkeys(names):
        try:
            taught.append(store.find(name).label)
        except CommandError as error:
            if name.casefold() in shipped:
                nets[WAKE_WORDS] = tuple(dict.fromkeys((*nets.get(WAKE_WORDS, ()), name.casefold())))
            elif (Path(name) / CARD).is_file():
                nets[Path(name)] = words_of(Path(name))
            else:
                fix = f"teach it, or take one that needs no teaching: {', '.join(shipped)}"
                raise CommandError(f"there is no command {name!r}", fix=fix) from error
    return list(dict.fromkeys(taught)), nets
