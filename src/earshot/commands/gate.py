"""A gate in front of a recognizer: nothing passes until a wake word is heard."""

from __future__ import annotations

from collections.abc import Sequence

from earshot.commands.embedding import Embedder
from earshot.commands.loading import load_spotters
from earshot.commands.spotter import Spotted
from earshot.commands.store import CommandStore
from earshot.core.types import Samples


class WakeGate:
    """Hears wake words of a store in one stream at 16 kHz, by themselves and within running speech.

    names: labels of taught commands. false_alarms_per_hour: of speech without them, all together, positive.
    Raises CommandError when a name is not taught.
    """

    def __init__(
        self,
        store: CommandStore,
        names: Sequence[str],
        *,
        false_alarms_per_hour: float = 0.1,
        embedder: Embedder | None = None,
    ) -> None:
        self.names = tuple(dict.fromkeys(store.find(name).label for name in names))
        self._new_spotter = load_spotters(
            store,
            embedder or Embedder(num_threads=1),
            names=self.names,
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
