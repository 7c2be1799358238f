"""A manifest: utterances in order, and from which lines of which file they came."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from earshot.core.errors import ManifestError
from earshot.core.files import open_packed
from earshot.corpora.utterance import MAX_SECONDS, Utterance

MAX_LINE: Final = 1_000_000
"""Characters; a longer line is no line of a manifest."""

_MAX_BYTES: Final = 8 * 2**30


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out. line: counts from 1. reason: one line, without the place."""

    file: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """utterances: in order. places: "file, line 3" of each, for messages. bad_lines: those left out."""

    utterances: tuple[Utterance, ...]
    places: tuple[str, ...] = ()
    bad_lines: tuple[BadLine, ...] = ()

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    def place(self, index: int) -> str:
        """Where an utterance was read, for a message; its own name where that is unknown."""
        return self.places[index] if index < len(self.places) else self.utterances[index].name

    @property
    def duration(self) -> float:
        """Seconds of all utterances whose duration is known."""
        return math.fsum(utterance.duration or 0.0 for utterance in self.utterances)

    def kept(self, indices: Sequence[int]) -> Manifest:
        """The utterances at these places, in this order."""
        places = tuple(self.place(index) for index in indices)
        return Manifest(tuple(self.utterances[index] for index in indices), places)

    def with_utterances(self, utterances: Sequence[Utterance]) -> Manifest:
        """Others in their stead, one for one."""
        return replace(self, utterances=tuple(utterances), bad_lines=())


class _BadLineError(Exception):
    """Why a line cannot be taken."""

    def __init__(self, reason: str, fix: str | None = None) -> None:
        super().__init__(reason)
        self.fix = fix


@dataclass(slots=True)
class Collector:
    """Gathers what a reader of a format finds, and holds it to what every format asks.

    skips_bad: bad lines are counted and left out, instead of ending it. checks_files: whether a line that
    names a missing recording is a bad one. folder: what relative paths are relative to; they do not lead out.
    """

    folder: Path
    skips_bad: bool = False
    checks_files: bool = True
    utterances: list[Utterance] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    bad_lines: list[BadLine] = field(default_factory=list)

    def bad(self, file: Path, line: int, reason: str, *, fix: str | None = None) -> None:
        """A bad line. Raises ManifestError, or counts it."""
        bad = BadLine(file, line, " ".join(reason.split()))
        if not self.skips_bad:
            raise ManifestError(str(bad), fix=fix or "mend the line, or leave such lines out with --skip-bad")
        self.bad_lines.append(bad)

    def add(self, file: Path, line: int, audio: object, **fields: Any) -> None:
        """An utterance as a line has it; see ``Utterance``. A bad one is treated as ``bad`` says."""
        try:
            utterance = self._checked(audio, **fields)
        except _BadLineError as error:
            self.bad(file, line, str(error), fix=error.fix)
            return
        self.utterances.append(utterance)
        self.places.append(f"{file}, line {line}")

    def manifest(self) -> Manifest:
        """All that was gathered."""
        return Manifest(tuple(self.utterances), tuple(self.places), tuple(self.bad_lines))

    def _checked(
        self,
        audio: object,
        *,
        start: object = 0.0,
        duration: object = None,
        text: object = None,
        speaker: object = None,
        language: object = None,
        label: object = None,
        channel: object = None,
        extra: dict[str, Any] | None = None,
    ) -> Utterance:
        begin = _number("start", start)
        length = _number("duration", duration) if duration is not None else None
        if length == 0:
            raise _BadLineError("the duration is 0")
        if channel is not None and not (
            isinstance(channel, int) and not isinstance(channel, bool) and channel > 0
        ):
            raise _BadLineError(f"the channel is {_short(channel)}; channels count from 1")
        names = {
            name: _string(name, value)
            for name, value in (("speaker", speaker), ("language", language), ("label", label))
        }
        return Utterance(
            audio=self._recording(audio),
            start=begin,
            duration=length,
            text=_string("text", text),
            channel=channel,
            extra=extra or {},
            **{name: value or None for name, value in names.items()},
        )

    def _recording(self, audio: object) -> Path:
        if not isinstance(audio, str) or not audio.strip() or "\0" in audio:
            raise _BadLineError("it names no recording")
        path = Path(audio)
        if not path.is_absolute():
            if _leads_out(path):
                raise _BadLineError(
                    f"{_short(audio)} leads out of {self.folder}",
                    "write the whole path, or put the manifest beside its recordings",
                )
            path = self.folder / path
        if self.checks_files and not _is_file(path):
            raise _BadLineError(
                f"there is no recording {path}",
                "put it there, or leave such lines out with --skip-bad",
            )
        return path


def _leads_out(path: Path) -> bool:
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else part != "."
        if depth < 0:
            return True
    return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _number(name: str, value: object) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise _BadLineError(f"the {name} {_short(value)} is no number of seconds") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _BadLineError(f"the {name} {_short(value)} is no number of seconds")
    if not 0 <= value <= MAX_SECONDS:
        raise _BadLineError(f"the {name} {_short(value)} is not within 0 to {MAX_SECONDS:.0f} s")
    return float(value)


def _string(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        # Half a character, as only a broken program writes it, cannot be written again.
        return None if value is None else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # speakers are often numbers
    raise _BadLineError(f"the {name} is {_short(value)}, no text")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


# --- lines -------------------------------------------------------------------------------------------------


def numbered_lines(path: Path, collector: Collector) -> Iterator[tuple[int, str]]:
    """The lines of a text file, ``.gz`` unpacked, with their numbers from 1; without ends, empty ones left out.

    A line that is no UTF-8, holds a null or is over MAX_LINE is a bad one. Raises ManifestError when the file
    cannot be read.
    """
    num_bytes = 0
    try:
        with open_packed(path) as stream:
            number = 0
            while line := stream.readline(4 * MAX_LINE + 2):
                number += 1
                num_bytes += len(line)
                if num_bytes > _MAX_BYTES or (len(line) > 4 * MAX_LINE and not line.endswith(b"\n")):
                    raise ManifestError(f"{path}, line {number}: too long a line", fix="this is no manifest")
                text = _decoded(line, path, number, collector)
                if text:
                    yield number, text
    except (OSError, EOFError, ValueError) as error:
        if isinstance(error, ManifestError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise ManifestError(f"cannot read {path}: {reason}", fix="check the path") from error


def _decoded(line: bytes, path: Path, number: int, collector: Collector) -> str:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        collector.bad(path, number, "not in UTF-8", fix="convert the file to UTF-8")
        return ""
    if "\0" in text:
        raise ManifestError(f"{path}, line {number}: a binary file", fix="name a manifest")
    return text if text.strip() else ""


def json_lines(path: Path, collector: Collector) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON lines, with their line numbers; other lines are bad."""
    for number, line in numbered_lines(path, collector):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "too deep"
            collector.bad(path, number, f"no JSON ({reason})")
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            collector.bad(path, number, "no JSON object")


def merged(manifests: Iterable[Manifest]) -> Manifest:
    """One after the other; what is there twice, the same sound with the same text, is taken once."""
    seen: set[tuple[object, ...]] = set()
    utterances: list[Utterance] = []
    places: list[str] = []
    for manifest in manifests:
        for index, utterance in enumerate(manifest):
            key = (*utterance.place, utterance.duration, utterance.text)
            if key not in seen:
                seen.add(key)
                utterances.append(utterance)
                places.append(manifest.place(index))
    return Manifest(tuple(utterances), tuple(places))
