"""What a recipe is: where a corpus comes from, and how its layout becomes utterances."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from earshot.core.errors import CorpusError, nearest
from earshot.corpora.manifest import Collector
from earshot.models.catalogue import RemoteFile


@dataclass(frozen=True, slots=True)
class Part:
    """Files to download. index: a page whose links to archives are files, too."""

    files: tuple[RemoteFile, ...] = ()
    index: str | None = None


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """language: of what does not tell its own, ISO 639. parts: those asked for, where the layout tells."""

    language: str | None = None
    parts: tuple[str, ...] = ()


Prepare = Callable[[Path, Collector, PrepareOptions], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A corpus that is known by name; the first lines of its file tell provenance, size, speakers, licence.

    languages: ISO 639. hours, speakers: about, None where it grows. prepare: finds its utterances below a
    folder, wherever in it the corpus begins. parts: what can be downloaded; default: those taken where none
    is asked for. by_hand: how to get what cannot be downloaded.
    """

    name: str
    title: str
    languages: tuple[str, ...]
    licence: str
    prepare: Prepare
    hours: float | None = None
    speakers: int | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    default: tuple[str, ...] = ()
    by_hand: str | None = None

    @property
    def story(self) -> str:
        """The docstring of the recipe's file."""
        module = sys.modules[self.prepare.__module__]
        return (module.__doc__ or self.title).strip()

    def chosen(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The names of parts, the default's where none is given. Raises CorpusError for unknown ones."""
        for name in parts:
            if name not in self.parts:
                raise CorpusError(f"{self.name} has no part {name!r}", fix=nearest(name, self.parts))
        return parts or self.default


def found_below(folder: Path, pattern: str) -> Iterator[Path]:
    """Files below ``folder`` by a pattern of their names, sorted; hidden ones are left out."""
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def needs(found: bool, folder: Path, what: str) -> None:
    """Raise CorpusError where a folder is not what its recipe expects."""
    if not found:
        raise CorpusError(f"{folder} holds no {what}", fix="check that it is this corpus, unpacked whole")
