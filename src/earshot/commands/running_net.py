"""A net of words within running speech: it hears the last 1.6 s, six times a second. Needs no torch.

``earshot train commands --running`` makes one; see ``earshot.training.running_words``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from earshot.commands.net import RUNNING, NetFolder
from earshot.core.types import Samples

WINDOW = 1.6
"""Seconds that it hears: the word, and what the encoder needs to know of what stood before it."""

HOP = 5
"""Frames of 32 ms between two looks."""

SPOKEN = 0.12
"""Share of a window that is speech before it is looked at: a short word by itself is enough."""

FRONT_END = "moonshine-window"


class RunningNet:
    """Tells which of its words ends at the end of a window. Safe to use from several threads.

    labels: of the words, in the order of the scores. card: ``card.json``. Raises ModelError where the folder
    holds no such net.
    """

    def __init__(self, folder: Path, *, num_threads: int = 1) -> None:
        self._net = NetFolder(folder, kind=RUNNING, num_threads=num_threads)
        self.card, self.labels, self.digest = self._net.card, self._net.labels, self._net.digest

    def scores(self, samples: Samples) -> npt.NDArray[np.float32]:
        """Log-odds of each word against everything else (words,).

        samples: float32 (n,), 16 kHz; the last ``WINDOW`` seconds of them are heard.
        """
        return np.asarray(self._net.run(self._net.front_end(samples)[None])[0], np.float32)
