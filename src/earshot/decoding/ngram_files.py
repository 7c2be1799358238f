"""Files of language models: ARPA, which all toolkits read, and a binary form that loads at once.

The binary form (``.ngrams``) holds a mark, a line of JSON, the words, and the arrays as they lie in memory,
least significant byte first. It is mapped, not read, so programs that use the same file share its memory.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.core.errors import ModelError
from earshot.core.files import atomic_binary
from earshot.decoding.arpa import read_arpa, write_arpa
from earshot.decoding.ngram_model import MAX_ORDER, SPECIAL_WORDS, NgramModel

SUFFIX = ".ngrams"
_MARK = b"EARSHOT-NGRAMS-1\n"
_MAX_HEADER = 10_000
_FIX = "train the model again, or get another copy of the file"
_TYPES = {"keys": "<i8", "suffixes": "<i8", "log10_probs": "<f4", "log10_backoffs": "<f4"}
_ALIGNMENT = 64


def write_ngrams(model: NgramModel, path: Path | str) -> None:
    """Write a model in the binary form where the name ends in ``.ngrams``, else as ARPA (``.gz``: packed).

    Raises OutputError when it cannot be written.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        write_arpa(model, path)
        return
    words = "\n".join(model.words).encode()
    header = json.dumps({"starts": model.starts, "num_words": len(model.words), "num_bytes": len(words)})
    with atomic_binary(path) as file:
        file.write(_MARK + header.encode() + b"\n" + words)
        for name, kind in _TYPES.items():
            file.write(b"\0" * (-file.tell() % _ALIGNMENT))
            file.write(np.ascontiguousarray(getattr(model, name), kind).tobytes())


def read_ngrams(path: Path | str) -> NgramModel:
    """A model from either kind of file, known by the first bytes. Raises ModelError for a damaged one."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(len(_MARK)) != _MARK:
                return read_arpa(path)
            file.seek(0)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelError(
            f"the language model {path} cannot be read: {error.strerror or error}",
            fix="check the name of the file",
        ) from error
    try:
        return _checked(_parsed(data))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelError(f"{path} is damaged: {error}", fix=_FIX) from error


def _parsed(data: mmap.mmap) -> NgramModel:
    end = data.find(b"\n", len(_MARK), len(_MARK) + _MAX_HEADER)
    header: dict[str, Any] = json.loads(data[len(_MARK) : end])
    starts = [int(start) for start in header["starts"]]
    sizes = np.diff(starts)
    if not 2 <= len(starts) <= MAX_ORDER + 1 or starts[0] != 1 or (sizes <= 0).any():
        raise ValueError("its counts of n-grams make no sense")
    place = end + 1 + int(header["num_bytes"])
    words = data[end + 1 : place].decode().split("\n")
    if len(words) != header["num_words"] or len(words) != sizes[0] or tuple(words[:3]) != SPECIAL_WORDS:
        raise ValueError("its words are not those that it announces")
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, kind in _TYPES.items():
        place += -place % _ALIGNMENT
        count = starts[-1] - (1 if name == "keys" else 0)
        arrays[name] = np.frombuffer(data, kind, count, place)
        place += arrays[name].nbytes
    if place != len(data):
        raise ValueError("it has another length than it announces")
    return NgramModel(
        words, arrays["keys"], arrays["log10_probs"], arrays["log10_backoffs"], starts, arrays["suffixes"]
    )


def _checked(model: NgramModel) -> NgramModel:
    """The model, none of whose links leads astray."""
    keys, nodes = model.keys, np.arange(1, model.starts[-1])
    firsts = np.repeat([0, *model.starts[:-2]], np.diff(model.starts))  # of the order before
    ends = np.repeat(model.starts[:-1], np.diff(model.starts))
    contexts = keys // len(model.words)
    if (np.diff(keys) <= 0).any() or (contexts < firsts).any() or (contexts >= ends).any():
        raise ValueError("its n-grams are out of order")
    if (keys[: len(model.words)] != np.arange(len(model.words))).any():
        raise ValueError("its unigrams are not its words")
    suffixes = model.suffixes
    if suffixes[0] != 0 or (suffixes < 0).any() or (suffixes[nodes] >= ends).any():
        raise ValueError("its histories lead astray")
    if not (np.isfinite(model.log10_probs).all() and np.isfinite(model.log10_backoffs).all()):
        raise ValueError("it holds probabilities that are no numbers")
    return model
