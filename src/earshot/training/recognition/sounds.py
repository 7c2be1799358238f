"""The sound of a training set, decoded once and kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from earshot.core.errors import AudioError, EarshotError, TrainingError
from earshot.core.files import atomic_text, output_error
from earshot.core.progress import ProgressCallback
from earshot.core.runtime import num_cores
from earshot.core.types import Samples
from earshot.corpora.sound import read_utterance
from earshot.corpora.utterance import Utterance
from earshot.models.lock import locked

_AHEAD = 64
"""Recordings worked on before the first of them is written."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Sounds:
    """Utterances at 16 kHz, 16 bits, one behind another in a file that is mapped, not read.

    starts: (n + 1,), samples. silent: those that could not be read, with the reason; they are empty.
    key: another one where any recording is another.
    """

    samples: npt.NDArray[np.int16]
    starts: npt.NDArray[np.int64]
    silent: dict[int, str]
    key: str

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> Samples:
        """float32 (n,)."""
        stretch = self.samples[self.starts[index] : self.starts[index + 1]]
        return stretch.astype(np.float32) / np.float32(32_768)

    def duration(self, index: int) -> int:
        """Samples."""
        return int(self.starts[index + 1] - self.starts[index])


def cached_sounds(
    utterances: Sequence[Utterance], folder: Path, *, progress: ProgressCallback | None = None
) -> Sounds:
    """Decode what is not in ``folder`` yet; what changes nothing about the recordings finds it again.

    Takes 115 MB an hour of speech. Raises OutputError when the disk is full; nothing half is left behind then.
    """
    digest = hashlib.sha256()
    for one in utterances:
        try:
            state = one.audio.stat()
            known = (*one.place, one.duration, state.st_size, state.st_mtime_ns)
        except OSError:
            known = (*one.place, one.duration, 0, 0)
        digest.update(json.dumps(known).encode())
    key = digest.hexdigest()[:20]
    index, data = folder / f"{key}.json", folder / f"{key}.pcm"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):  # the processes of one training come here at once
            if not index.is_file() or not data.is_file():
                _decode(utterances, index, data, progress)
    except OSError as error:
        if isinstance(error, EarshotError):
            raise
        raise output_error(data, error) from error
    facts = json.loads(index.read_text(encoding="utf-8"))
    starts = np.array(facts["starts"], np.int64)
    silent = {int(place): reason for place, reason in facts["silent"].items()}
    if not starts[-1]:
        return Sounds(np.empty(0, np.int16), starts, silent, key)
    if data.stat().st_size != 2 * int(starts[-1]):
        raise TrainingError(f"{data} was changed", fix="delete it; it is made again")
    return Sounds(np.memmap(data, np.int16, "r", shape=(int(starts[-1]),)), starts, silent, key)


def _decode(
    utterances: Sequence[Utterance], index: Path, data: Path, progress: ProgressCallback | None
) -> None:
    starts, silent = [0], {}
    part = data.with_suffix(".part")
    try:
        with part.open("wb") as file:
            for place, found in enumerate(side_by_side(_read, utterances)):
                if isinstance(found, str):
                    silent[place] = found
                else:
                    file.write(found.tobytes())
                starts.append(starts[-1] + (0 if isinstance(found, str) else len(found)))
                if progress is not None:
                    progress(place + 1, len(utterances))
        part.replace(data)
    finally:
        part.unlink(missing_ok=True)
    with atomic_text(index) as text:
        json.dump({"starts": starts, "silent": silent}, text)


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """What a function makes of each, in order, on all cores; few are ready before they are asked for."""
    with ThreadPoolExecutor(num_cores()) as pool:
        for first in range(0, len(items), _AHEAD):
            yield from pool.map(function, items[first : first + _AHEAD])


def _read(utterance: Utterance) -> npt.NDArray[np.int16] | str:
    try:
        samples = read_utterance(utterance).samples
    except AudioError as error:
        return str(error)
    if not len(samples):
        return "it holds no sound there"
    if not np.isfinite(samples).all():
        return "it holds numbers that are no sound"
    rounded = np.clip(np.rint(samples * 32_768), -32_768, 32_767).astype(np.int16)
    return rounded if rounded.any() else "it is silent from end to end"
