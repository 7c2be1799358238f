"""The words a user has taught: a folder of clips and one JSON file, which is written whole or not at all."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from earshot.core.errors import CommandError, FormatError, nearest
from earshot.core.files import atomic_binary, atomic_text
from earshot.core.paths import data_home
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.models.lock import locked
from earshot.text.clean import clean_text

VERSION = 1
MAX_ACCEPTED = 20
"""Examples that a command keeps of its uses; the oldest goes first, so that it follows a changing voice."""

MAX_LABEL = 80

Matrix = npt.NDArray[np.float32]
ExampleKind: TypeAlias = Literal["taught", "accepted", "corrected", "rejected"]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One recording of a command.

    embeddings: float32 (n, d), the recording first, then its augmented copies. duration: seconds of sound.
    kind: taught on purpose, accepted in use, corrected by the user (who told what it really was), or rejected
    (what sounded like the command and was none).
    """

    file: str
    kind: ExampleKind
    duration: float
    is_speech: bool
    embeddings: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A taught word or sound, and what is known of it. key: the name of its folder."""

    label: str
    key: str
    created: float
    examples: tuple[Example, ...]

    @property
    def positives(self) -> tuple[Example, ...]:
        """What it sounds like."""
        return tuple(example for example in self.examples if example.kind != "rejected")

    @property
    def negatives(self) -> tuple[Example, ...]:
        """What was taken for it by mistake."""
        return tuple(example for example in self.examples if example.kind == "rejected")

    @property
    def duration(self) -> float:
        """Seconds of sound: the median of its examples."""
        return float(np.median([example.duration for example in self.positives]))


class CommandStore:
    """The commands in ``root`` (``EARSHOT_HOME/commands``). Nothing is created before something is taught.

    Several programs may use one store: every change reads, changes and writes under a lock.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or data_home() / "commands"

    @property
    def _index(self) -> Path:
        return self.root / "commands.json"

    def commands(self) -> list[Command]:
        """All, the oldest first. Raises FormatError when the index is damaged or of another version."""
        return self._read()[0]

    def find(self, label: str) -> Command:
        """By its label, whatever the case. Raises CommandError when there is none."""
        return _find(self.commands(), label)

    def space(self) -> str | None:
        """The space that the embeddings are of; None while nothing is taught."""
        return self._read()[1]

    def clips(self, command: Command) -> list[Samples]:
        """The recordings of its examples, float32 at 16 kHz. Raises AudioError when one cannot be read."""
        from earshot.audio.decode import read_audio

        return [read_audio(self.root / command.key / example.file).samples for example in command.examples]

    def line_path(self, command: Command) -> Path:
        """Where the line that parts it from running speech is kept; it can be learned again."""
        return self.root / command.key / "line.npz"

    @property
    def background_path(self) -> Path:
        """Where speech of the user's own without the commands is described; see ``own_background``."""
        return self.root / "background.npz"

    def create(self) -> None:
        """Make the folder. Raises OutputError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)  # voices are private
        except OSError as error:
            from earshot.core.files import output_error

            raise output_error(self.root, error) from error

    def add(self, label: str, examples: Sequence[tuple[Example, Samples]], *, space: str) -> Command:
        """Add examples to a command, which is made where there is none of that label.

        space: of the embeddings. Raises CommandError for a label that is none, and OutputError.
        """
        label = check_label(label)
        with self._changing() as commands:
            index = _index_of(commands, label)
            if index is None:
                commands.append(Command(label, secrets.token_hex(6), time.time(), ()))
                index = len(commands) - 1
            command = commands[index]
            added = [self._write_clip(command, example, samples) for example, samples in examples]
            kept, dropped = _limited((*command.examples, *added))
            commands[index] = command = replace(command, examples=kept)
            self._write(commands, space)
        for example in dropped:
            self._remove_clip(command, example)
        return command

    def forget(self, label: str) -> None:
        """Remove a command and its clips. Raises CommandError when there is none."""
        with self._changing() as commands:
            command = _find(commands, label)
            self._write([other for other in commands if other.key != command.key], self.space())
        for example in command.examples:
            self._remove_clip(command, example)
        with contextlib.suppress(OSError):
            self.line_path(command).unlink(missing_ok=True)
            (self.root / command.key).rmdir()

    def rename(self, label: str, new_label: str) -> Command:
        """Raises CommandError when there is no such command, or another has the new label."""
        new_label = check_label(new_label)
        with self._changing() as commands:
            command = _find(commands, label)
            index = _index_of(commands, new_label)
            if index is not None and commands[index].key != command.key:
                raise CommandError(
                    f"there is a command {commands[index].label!r} already",
                    fix="choose another name, or forget it first",
                )
            renamed = replace(command, label=new_label)
            self._write([renamed if other.key == command.key else other for other in commands], self.space())
        return renamed

    def replace_embeddings(self, embeddings: dict[str, list[Matrix]], *, space: str) -> None:
        """Set the embeddings of all examples anew, by the commands' keys: after a change of the space."""
        with self._changing() as commands:
            changed = []
            for command in commands:
                new = embeddings.get(command.key)
                if new is None or len(new) != len(command.examples):
                    continue
                examples = tuple(
                    replace(example, embeddings=matrix)
                    for example, matrix in zip(command.examples, new, strict=True)
                )
                changed.append(replace(command, examples=examples))
            self._write(changed, space)

    # --- files ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[Command]]:
        """The commands as they are on the disk, while nobody else may change them."""
        self.create()
        with locked(self.root / ".lock"):
            yield self.commands()

    def _write_clip(self, command: Command, example: Example, samples: Samples) -> Example:
        import soundfile

        name = f"{secrets.token_hex(6)}.flac"
        with atomic_binary(self.root / command.key / name) as file:
            soundfile.write(file, np.clip(samples, -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        return replace(example, file=name)

    def _remove_clip(self, command: Command, example: Example) -> None:
        with contextlib.suppress(OSError):
            (self.root / command.key / example.file).unlink(missing_ok=True)

    def _write(self, commands: Sequence[Command], space: str | None) -> None:
        document = {
            "format": "earshot commands",
            "version": VERSION,
            "space": space,
            "commands": [_to_json(command) for command in commands],
        }
        with atomic_text(self._index) as file:
            json.dump(document, file, ensure_ascii=False, indent=1)

    def _read(self) -> tuple[list[Command], str | None]:
        try:
            text = self._index.read_text(encoding="utf-8")
        except FileNotFoundError:
            return [], None
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(f"{self._index} cannot be read: {error}", fix="check the file") from error
        try:
            document = json.loads(text)
            version = document["version"]
            if version == VERSION:
                return [_from_json(row) for row in document["commands"]], _text_or_none(document["space"])
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError, AttributeError) as error:
            raise FormatError(
                f"{self._index} is damaged",
                fix="move it away and teach the commands again; the clips are beside it",
            ) from error
        raise FormatError(
            f"{self._index} is of version {version}", fix="use the Earshot that wrote it, or a newer one"
        )


def check_label(label: str) -> str:
    """The label as it is kept. Raises CommandError when it is empty or too long."""
    cleaned = clean_text(label)
    if not cleaned:
        raise CommandError("a command needs a name", fix='write what is said, such as "light on"')
    if len(cleaned) > MAX_LABEL:
        raise CommandError(f"a name of {len(cleaned)} characters is too long", fix=f"use at most {MAX_LABEL}")
    return cleaned


def _index_of(commands: Sequence[Command], label: str) -> int | None:
    wanted = clean_text(label).casefold()
    return next((i for i, command in enumerate(commands) if command.label.casefold() == wanted), None)


def _find(commands: Sequence[Command], label: str) -> Command:
    index = _index_of(commands, label)
    if index is None:
        hint = nearest(label, [command.label for command in commands]) if commands else "nothing is taught yet"
        raise CommandError(f"there is no command {clean_text(label)!r}", fix=hint)
    return commands[index]


def _limited(examples: Sequence[Example]) -> tuple[tuple[Example, ...], list[Example]]:
    """What is kept and what is dropped: the oldest of what was learned in use."""
    dropped = []
    for kind in ("accepted", "rejected"):
        of_kind = [example for example in examples if example.kind == kind]
        dropped += of_kind[: max(0, len(of_kind) - MAX_ACCEPTED)]
    return tuple(example for example in examples if example not in dropped), dropped


# --- JSON --------------------------------------------------------------------------------------------------


def _to_json(command: Command) -> dict[str, Any]:
    return {
        "label": command.label,
        "key": command.key,
        "created": command.created,
        "examples": [
            {
                "file": example.file,
                "kind": example.kind,
                "duration": round(example.duration, 4),
                "is_speech": example.is_speech,
                "shape": list(example.embeddings.shape),
                "embeddings": base64.b64encode(example.embeddings.astype("<f4").tobytes()).decode("ascii"),
            }
            for example in command.examples
        ],
    }


def _from_json(row: dict[str, Any]) -> Command:
    key = str(row["key"])
    if not key.isalnum():  # it names a folder
        raise ValueError(f"no key: {key}")
    examples = tuple(_example_from_json(example) for example in row["examples"])
    if not any(example.kind != "rejected" for example in examples):
        raise ValueError("a command without examples")
    return Command(check_label(str(row["label"])), key, float(row["created"]), examples)


def _example_from_json(row: dict[str, Any]) -> Example:
    name, kind = str(row["file"]), row["kind"]
    if kind not in get_args(ExampleKind) or Path(name).name != name or not name.endswith(".flac"):
        raise ValueError("no example")
    try:
        data = base64.b64decode(row["embeddings"], validate=True)
    except binascii.Error as error:
        raise ValueError("no embeddings") from error
    num_rows, size = (int(count) for count in row["shape"])
    embeddings = np.frombuffer(data, "<f4").astype(np.float32).reshape(num_rows, size)
    duration = float(row["duration"])
    if not num_rows or not np.isfinite(embeddings).all() or not 0 < duration <= 60:
        raise ValueError("no embeddings")
    return Example(name, kind, duration, bool(row["is_speech"]), embeddings)


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
