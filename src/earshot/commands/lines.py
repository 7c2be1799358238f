"""The lines of a store's commands, learned once and kept beside their clips."""

from __future__ import annotations

import contextlib
import hashlib
import io
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from earshot.commands.classifier import Tail
from earshot.commands.discriminant import Discriminant
from earshot.commands.embedding import Embedder
from earshot.commands.running import VERSION, Line, RunningBackground, line_of
from earshot.commands.store import Command, CommandStore
from earshot.commands.trimming import trim
from earshot.core.errors import OutputError
from earshot.core.files import atomic_binary


def lines_of(
    store: CommandStore, commands: list[Command], background: RunningBackground, embedder: Embedder
) -> list[Line]:
    """For each command; learned anew where its recordings, the background or the space have changed.

    Raises AudioError when a recording cannot be read.
    """
    return [_line(store, command, background, embedder) for command in commands]


def _line(store: CommandStore, command: Command, background: RunningBackground, embedder: Embedder) -> Line:
    path = store.line_path(command)
    names = [f"{example.kind} {example.file}" for example in command.examples]
    parts = [str(VERSION), background.name, embedder.space.name, *names]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    if (known := _read(path, key, background, embedder)) is not None:
        return known
    clips = store.clips(command)
    said = [trim(c) for c, e in zip(clips, command.examples, strict=True) if e.kind != "rejected"]
    rejected = [trim(c) for c, e in zip(clips, command.examples, strict=True) if e.kind == "rejected"]
    line = line_of(said, command.duration, background, embedder, rejected=rejected)
    with contextlib.suppress(OutputError), atomic_binary(path) as file:  # a full disk costs time, no command
        np.savez(
            file,
            key=np.array(key),
            width=np.array(line.width),
            weights=line.discriminant.weights,
            numbers=np.array(
                [line.discriminant.bias, line.tail.start, line.tail.rate, line.tail.scale, line.floor]
            ),
        )
    return line


def _read(path: Path, key: str, background: RunningBackground, embedder: Embedder) -> Line | None:
    """What was kept, None where it is of other recordings or damaged."""
    try:
        # From memory: np.load leaves a damaged file open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
            if str(data["key"]) != key:
                return None
            width, weights = int(data["width"]), data["weights"].astype(np.float32)
            bias, start, rate, scale, floor = (float(number) for number in data["numbers"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    if weights.shape != (embedder.size,) or not 0 <= width < len(background.widths):
        return None
    if not np.isfinite(weights).all() or not np.isfinite([bias, start, rate, scale]).all():
        return None
    return Line(width, Discriminant(weights, bias), Tail(start, rate, scale), floor)
