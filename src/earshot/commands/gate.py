"""A gate in front of a recognizer: nothing passes until a wake word is heard."""

from __future__ import annotations

from collections.abc import Sequence

from earshot.commands.embedding import Embedder
from earshot.commands.spotter import Spotted, Spotter
from earshot.commands.store import CommandStore
from earshot.commands.teaching import load_classifier
from earshot.core.types import Samples


class WakeGate:
    """Hears wake words of a store in one stream at 16 kHz.

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
        self._embedder = embedder or Embedder(num_threads=1)
        self._classifier = load_classifier(store, self._embedder, false_alarms_per_hour=false_alarms_per_hour)
        self._spotter = Spotter(self._classifier, self._embedder)

    def accept(self, samples: Samples) -> list[Spotted]:
        """Take float32 (n,), any n. Returns the wake words that were heard in it, in order of time."""
        return [event for event in self._spotter.accept(samples) if event.label in self.names]

    def reset(self) -> None:
        """Forget the stream: the next sample is the first of another one."""
        self._spotter = Spotter(self._classifier, self._embedder)
