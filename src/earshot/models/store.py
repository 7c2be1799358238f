"""The model store: a folder a model, each with its card.

    $EARSHOT_HOME/models/vosk-model-small-ru-0.22/{card.json, am/…, conf/…}
                         .pins.json       what was seen on first use, by address
                         .downloads/      what has arrived of pulls that are not finished
                         .locks/, .staging-…
    $EARSHOT_HOME/catalogue.toml          the user's own catalogue, over the built-in one

A model appears in the store whole or not at all, whatever is interrupted when. Two processes that pull one
model wait for each other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from earshot.core.errors import EarshotError, ModelError, UnknownModelError
from earshot.core.paths import models_home
from earshot.core.progress import ProgressCallback
from earshot.models import bundle as bundles
from earshot.models.archive import extract, is_archive
from earshot.models.card import CARD, FileRecord, ModelCard, problems, read_card, with_checksums
from earshot.models.catalogue import Catalogue, CatalogueEntry
from earshot.models.download import RetryPolicy
from earshot.models.kinds import detect_kind, unknown_kind
from earshot.models.names import check_model_name, model_name_from
from earshot.models.pull import assemble, fetch, read_pins, write_pins
from earshot.models.staging import copy_model, install, model_locked, staging, tidy

Notice: TypeAlias = Callable[[str], None]
"""Called with one line about what goes on: waiting for another process, unpacking."""


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model in the store. card: None when it has none that can be read; problem: why then."""

    name: str
    path: Path
    card: ModelCard | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """What ``verify`` found. problems: one line each; empty when every file is as its card says."""

    name: str
    problems: tuple[str, ...]


class ModelStore:
    """The models of one folder.

    root: where they are, by default ``models_home()``. catalogue: what can be pulled, by default the built-in
    one with the user's over it. Errors are ModelError: UnknownModelError for names, DownloadError for network.
    """

    def __init__(
        self, root: Path | None = None, catalogue: Catalogue | None = None, *, retry: RetryPolicy | None = None
    ) -> None:
        self.root = root or models_home()
        self._given_catalogue = catalogue
        self._retry = retry

    @cached_property
    def catalogue(self) -> Catalogue:
        """Loaded when it is first needed."""
        return self._given_catalogue or Catalogue.load()

    def get(self, name: str) -> InstalledModel:
        """The installed model of that name or alias. Raises UnknownModelError with what to do next."""
        if place := self._place(name):
            return _look_at(place)
        entry = self.catalogue.find(name, also=(model.name for model in self.list()))
        if place := self._place(entry.name):
            return _look_at(place)
        raise UnknownModelError(
            f"the model {entry.name} is not installed", fix=f"earshot models pull {entry.name}"
        )

    def find(self, name: str | Path, *, engine: str | None = None) -> Path:
        """The folder of a model: ``name`` in the store, else a folder of the user's own.

        engine: what it must be for. Raises UnknownModelError when it is neither (for a model of the catalogue
        with the command that pulls it, else with the nearest name), ModelError when it is broken or of another
        engine.
        """
        if isinstance(name, Path) or (not self._place(name) and Path(name).expanduser().is_dir()):
            folder = Path(name).expanduser()
            if not folder.is_dir():
                raise UnknownModelError(f"there is no model folder {folder}", fix="see: earshot models list")
            model = _look_at(folder)
            if model.problem and not (folder / CARD).exists():
                raise unknown_kind(folder, str(folder))
        else:
            model = self.get(name)
            folder = model.path
        if model.problem:
            raise ModelError(
                f"the model {model.name} is broken: {model.problem}",
                fix=f"earshot models pull --replace {model.name}, or import it again",
            )
        if engine and model.card and model.card.engine != engine:
            raise ModelError(
                f"the model {model.name} is for the engine {model.card.engine}, not {engine}",
                fix=f"use --engine {model.card.engine}, or choose of: earshot models list --engine {engine}",
            )
        return folder

    def pull(
        self,
        name: str,
        *,
        mirror: str | None = None,
        accept_unverified: bool = False,
        replace: bool = False,
        progress: ProgressCallback | None = None,
        notice: Notice | None = None,
    ) -> InstalledModel:
        """Download a model of the catalogue and install it; one that is there already is left as it is.

        mirror: address of another server that has ``MIRROR/archive.zip`` or ``MIRROR/NAME/file``; the checksums
        stay those of the catalogue. accept_unverified: trust what arrives where no checksum is known (see the
        head of catalogue.toml). progress: bytes of the whole model. Interrupted, the next call continues.
        """
        entry = self.catalogue.find(name)
        with self._changing(entry.name, notice):
            if not replace and (place := self._place(entry.name)) and not _look_at(place).problem:
                if notice:
                    notice(f"{entry.name} is installed already")
                return _look_at(place)
            downloads = self.root / ".downloads" / entry.name
            downloads.mkdir(parents=True, exist_ok=True)
            try:
                verified, seen = fetch(
                    entry,
                    downloads,
                    read_pins(self.root / ".pins.json"),
                    mirror=mirror,
                    accept_unverified=accept_unverified,
                    progress=progress,
                    retry=self._retry,
                )
            finally:
                with contextlib.suppress(OSError):
                    downloads.rmdir()  # only when nothing has arrived
            if notice:
                notice(f"installing {entry.name}")
            with staging(self.root) as folder:
                content = assemble(entry, downloads, folder)
                card = _card_for(content, entry.name, entry)
                if card.engine != entry.engine:
                    raise ModelError(f"{entry.name} came as a {card.engine} model, not {entry.engine}")
                source = entry.url_of(entry.files[0], mirror)
                card = dataclasses.replace(card, source=source, verified=verified)
                install(content, self.root, card, replace=True)
            self._pin(seen)
            shutil.rmtree(downloads, ignore_errors=True)
        return self.get(entry.name)

    def add(
        self,
        path: Path,
        *,
        name: str | None = None,
        engine: str | None = None,
        languages: tuple[str, ...] = (),
        replace: bool = False,
        notice: Notice | None = None,
    ) -> tuple[InstalledModel, ...]:
        """Install what the user brought: a model's folder, an archive of one, or a bundle of several.

        name, engine, languages: where the files do not say, or say wrongly (not for bundles). Raises ModelError
        for an unknown kind, weights that are a pickle, files that are not as their card says, and hostile
        archives.
        """
        if not path.exists():
            raise ModelError(f"there is no {path}", fix="give a folder or an archive")
        if path.is_file() and not is_archive(path):
            raise ModelError(f"{path} is neither a folder nor a zip or tar archive", fix="give one of these")
        with self._errors(), staging(self.root) as folder:
            unpacked = folder / "content"
            unpacked.mkdir()
            if path.is_dir():
                copy_model(path, unpacked)
                content = unpacked
            else:
                if notice:
                    notice(f"unpacking {path.name}")
                content = extract(path, unpacked)
            if contents := bundles.contents(content):
                if name or engine or languages:
                    raise ModelError(f"{path.name} is a bundle, whose models say themselves what they are")
                taken = [item.name for item in contents if self._place(item.name)]
                if taken and not replace:
                    raise ModelError(
                        f"installed already: {', '.join(taken)}", fix="replace them with --replace"
                    )
                return tuple(self._adopt(item, item.name, replace=replace, notice=notice) for item in contents)
            return (
                self._adopt(
                    content,
                    name or self._name_for(path, content, is_top=content == unpacked),
                    engine=engine,
                    languages=languages,
                    replace=replace,
                    notice=notice,
                ),
            )

    def verify(self, names: Iterable[str] = (), *, notice: Notice | None = None) -> tuple[VerifiedModel, ...]:
        """Read every file of these models (of all) and compare it with its card."""
        models = [self.get(name) for name in names] or list(self.list())
        results = []
        for model in models:
            if notice:
                notice(f"reading {model.name}")
            if model.card is None or not model.card.files:
                results.append(VerifiedModel(model.name, (model.problem or "its card has no checksums",)))
            else:
                results.append(VerifiedModel(model.name, problems(model.card, model.path)))
        return tuple(results)

    def remove(self, name: str) -> None:
        """Delete a model. Raises UnknownModelError when it is not installed."""
        model = self.get(name)
        with self._changing(model.name, None), staging(self.root) as folder:
            if model.path.is_symlink():
                model.path.unlink()
            elif model.path.is_dir():
                model.path.rename(folder / "removed")  # at once gone for others; the staging folder is deleted
        shutil.rmtree(self.root / ".downloads" / model.name, ignore_errors=True)

    def bundle(
        self, names: Iterable[str], output: Path, *, progress: ProgressCallback | None = None
    ) -> tuple[str, ...]:
        """Write one portable tar of these models that ``add`` takes back; the same models give the same bytes.

        Returns their names. progress: bytes. Raises ModelError when a model is broken or has changed since it
        was installed, OutputError when ``output`` cannot be written.
        """
        models = {model.name: model for model in map(self.get, names)}
        if not models:
            raise ModelError("a bundle has at least one model", fix="name some, or give --all")
        cards = {}
        for name, model in sorted(models.items()):
            if model.card is None:
                raise ModelError(f"the model {name} is broken: {model.problem}")
            cards[name] = model.card if model.card.files else with_checksums(model.card, model.path)
        bundles.write(output, {models[name].path: card for name, card in cards.items()}, progress)
        return tuple(cards)

    def list(self) -> tuple[InstalledModel, ...]:
        """All installed models, by name; also broken ones."""
        if not self.root.is_dir():
            return ()
        folders = [path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith(".")]
        return tuple(_look_at(path) for path in sorted(folders))

    def _place(self, name: str) -> Path | None:
        with contextlib.suppress(ModelError):
            path = self.root / check_model_name(name)
            return path if path.is_dir() else None
        return None

    def _name_for(self, path: Path, content: Path, *, is_top: bool) -> str:
        """A name for what the user brought: its card's, else the catalogue's, else of the folder or archive."""
        if (content / CARD).is_file():
            name = read_card(content).name
            if name not in ("content", content.name):
                return name
        text = path.resolve().name if is_top or path.is_dir() else content.name
        if path.is_dir() and path.resolve().parent.name == "snapshots":  # a cache of the model hub
            text = path.resolve().parent.parent.name.rsplit("--", 1)[-1]
        for suffix in (".gz", ".bz2", ".xz", ".zst", ".tgz", ".tar", ".zip"):
            text = text.removesuffix(suffix)
        entry, kind = self.catalogue.match(text), detect_kind(content)
        return entry.name if entry and kind and kind.engine == entry.engine else model_name_from(text)

    def _adopt(
        self,
        content: Path,
        name: str,
        *,
        engine: str | None = None,
        languages: tuple[str, ...] = (),
        replace: bool,
        notice: Notice | None,
    ) -> InstalledModel:
        """Install ``content``, a folder of ours in a staging folder."""
        name = check_model_name(name)
        has_card = (content / CARD).is_file()
        if has_card and (card := read_card(content)).files and (wrong := problems(card, content)):
            raise ModelError(f"{name} is damaged: {wrong[0]}", fix="get it again from where it came")
        card = _card_for(content, name, self.catalogue.match(name), engine)
        card = dataclasses.replace(card, languages=languages or card.languages, verified="import")
        with self._changing(name, notice):
            install(content, self.root, card, replace=replace)
        return self.get(name)

    def _pin(self, seen: dict[str, FileRecord]) -> None:
        path = self.root / ".pins.json"
        with model_locked(self.root, ".pins"):
            write_pins(path, {**read_pins(path), **seen})

    @contextlib.contextmanager
    def _changing(self, name: str, notice: Notice | None) -> Iterator[None]:
        def waiting() -> None:
            if notice:
                notice(f"another process is at work on {name}: waiting for it")

        with self._errors(), model_locked(self.root, name, waiting):
            yield

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what the file system says into a ModelError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            if isinstance(error, ModelError):
                raise
            cause = error.__cause__ if isinstance(error, EarshotError) else error
            is_full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
            reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
            raise ModelError(
                f"cannot write in {self.root}: {'the disk is full' if is_full else reason}",
                fix="free some space and run the same command again"
                if is_full
                else "set EARSHOT_HOME to a folder that you may write",
            ) from error


def _card_for(content: Path, name: str, entry: CatalogueEntry | None, engine: str | None = None) -> ModelCard:
    """The model's own card, else one made from its files and its entry in the catalogue. Tidies ``content``."""
    kind = detect_kind(content)
    tidy(content, kind, name)
    if (content / CARD).is_file():
        card = read_card(content)
        return dataclasses.replace(card, name=name, engine=engine or card.engine)
    if kind is None and engine is None:
        raise unknown_kind(content, name)
    if entry and kind and kind.engine != entry.engine:
        entry = None  # of that name, but another thing
    return ModelCard(
        name=name,
        engine=engine or (kind.engine if kind else ""),
        languages=entry.languages if entry else (),
        sample_rate=kind.sample_rate if kind else None,
        licence=entry.licence if entry else None,
        description=entry.description if entry else None,
    )


def _look_at(folder: Path) -> InstalledModel:
    """A model in a folder; one without a card is told by its files."""
    try:
        card = read_card(folder)
    except ModelError as error:
        kind = None if (folder / CARD).exists() else detect_kind(folder)
        if kind is None:
            return InstalledModel(folder.name, folder, None, error.message)
        name = folder.name
        return InstalledModel(name, folder, ModelCard(name, kind.engine, sample_rate=kind.sample_rate))
    return InstalledModel(folder.name, folder, dataclasses.replace(card, name=folder.name))
