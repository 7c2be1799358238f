"""A recipe carried out: download, unpack, find the utterances. Interrupted, it goes on where it stopped.

FOLDER/downloads/   what has arrived, with pins.json: the checksums of what was seen first
       data/        unpacked, an archive a folder
       manifest.jsonl, manifest.version.json
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from earshot.core.errors import CorpusError, DownloadError, ModelError
from earshot.core.files import output_error
from earshot.core.progress import ProgressCallback
from earshot.corpora.durations import with_durations
from earshot.corpora.manifest import Collector, Manifest
from earshot.corpora.recipes.base import Part, PrepareOptions, Recipe
from earshot.models.archive import Limits, extract, is_archive
from earshot.models.catalogue import RemoteFile
from earshot.models.download import RetryPolicy, download
from earshot.models.names import safe_parts
from earshot.models.partial import Advice, Expected
from earshot.models.pull import read_pins, write_pins

LIMITS: Final = Limits(max_size=2 * 2**40, max_members=20_000_000)
"""What an archive of a corpus may unpack to; the ratio of a bomb stays what it is."""

_ARCHIVES: Final = (".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar", ".zip")
_LINK: Final = re.compile(r"""href\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_MAX_INDEX: Final = 64 * 2**20
_MAX_FAILED: Final = 5


@dataclass(frozen=True, slots=True)
class ObtainOptions:
    """How to get a corpus.

    parts: which, none for the recipe's default. archives: the user's own archives, or folders with the corpus
    or with archives of it; then nothing is downloaded. mirror: the address of a folder with the same files.
    limit: archives at most, of an index. language: of what does not tell. skips_bad: see ``read_manifest``.
    """

    parts: tuple[str, ...] = ()
    archives: tuple[Path, ...] = ()
    mirror: str | None = None
    limit: int | None = None
    language: str | None = None
    skips_bad: bool = False
    keeps_archives: bool = False
    num_parallel: int = 4
    retry: RetryPolicy | None = None


Notice = Callable[[str], None]


def obtain(
    recipe: Recipe,
    folder: Path,
    options: ObtainOptions | None = None,
    *,
    progress: ProgressCallback | None = None,
    notice: Notice | None = None,
) -> Manifest:
    """Download or take, unpack, and find the utterances, with their durations.

    progress: bytes of downloads, then utterances. notice: told what is going on, one line each.
    Raises CorpusError, ManifestError, DownloadError, ModelError for a hostile archive, OutputError.
    """
    options, notice = options or ObtainOptions(), notice or (lambda _: None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    if options.archives:
        roots = _unpack_given(options.archives, folder / "data", notice)
    else:
        roots = _download(recipe, folder, options, progress, notice)
    # A corpus in parts asks for those; of a user's own archive they say which of it to take.
    collector = Collector(folder, skips_bad=options.skips_bad)
    for root in roots:
        parts = options.parts if options.archives else ()
        # Whole paths: what recipes find would else be taken as relative to the folder, which they begin with.
        recipe.prepare(root.absolute(), collector, PrepareOptions(options.language, parts))
    found = collector.manifest()
    if not len(found):
        raise CorpusError(
            f"no utterance was found below {roots[0]}", fix="'earshot corpus recipes' tells the layout"
        )
    notice(f"{len(found)} utterances; looking at their lengths")
    return replace(with_durations(found, progress=progress), bad_lines=found.bad_lines)


# --- what the user brings ----------------------------------------------------------------------------------


def _unpack_given(archives: Sequence[Path], data: Path, notice: Notice) -> list[Path]:
    roots = []
    for path in archives:
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.name.lower().endswith(_ARCHIVES))
            roots += [unpack(one, data / _stem(one.name), notice) for one in inside] or [path]
        elif path.is_file():
            roots.append(unpack(path, data / _stem(path.name), notice))
        else:
            raise CorpusError(f"there is no archive or folder {path}", fix="check the path")
    return roots


def unpack(archive: Path, target: Path, notice: Notice) -> Path:
    """Unpack an archive into ``target``, whole or not at all; one that is there already is taken as it is.

    Raises ModelError for an archive that is damaged or made to do harm.
    """
    if target.is_dir():
        notice(f"{archive.name} is unpacked already: {target}")
        return target
    notice(f"unpacking {archive.name}")
    staging = target.with_name(f".{target.name}.unpacking")
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        extract(archive, staging, limits=LIMITS)
        staging.rename(target)
    except OSError as error:
        if isinstance(error, ModelError):
            raise
        raise output_error(target, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _stem(name: str) -> str:
    suffix = next((suffix for suffix in _ARCHIVES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] or "archive"


# --- what the network brings -------------------------------------------------------------------------------


def _download(
    recipe: Recipe, folder: Path, options: ObtainOptions, progress: ProgressCallback | None, notice: Notice
) -> list[Path]:
    """Fetch and unpack, several files side by side; returns the folders to look into."""
    if not recipe.parts:
        raise CorpusError(f"{recipe.name} cannot be downloaded", fix=recipe.by_hand)
    names = recipe.chosen(options.parts)
    if not names:
        raise CorpusError(f"which part of {recipe.name}?", fix=f"--part with one of {', '.join(recipe.parts)}")
    downloads, data = folder / "downloads", folder / "data"
    downloads.mkdir(exist_ok=True)
    data.mkdir(exist_ok=True)
    fetcher = _Fetcher(recipe, downloads, options, progress)
    files = [(name, file) for name in names for file in fetcher.files_of(recipe.parts[name])]

    def get(part: str, file: RemoteFile) -> None:
        place = data / part
        # An index lists hundreds of archives, each of one session.
        target = place / _stem(_local_name(file))
        if target.exists() or (place / _local_name(file)).exists():
            return
        archive = fetcher.fetch(file)
        place.mkdir(exist_ok=True)
        if is_archive(archive):
            unpack(archive, target, notice)
            if not options.keeps_archives:
                archive.unlink()
                archive.with_name(archive.name + ".notes").unlink(missing_ok=True)
        else:
            archive.rename(place / _local_name(file))

    with ThreadPoolExecutor(max(1, options.num_parallel)) as pool:
        pending = [pool.submit(get, name, file) for name, file in files]
        num_failed = 0
        try:
            for future, (name, _) in zip(pending, files, strict=True):
                try:
                    future.result()
                except ModelError as error:
                    # Of hundreds of archives some are damaged for ever; a dead network breaks them all.
                    num_failed += 1
                    if recipe.parts[name].index is None or num_failed > _MAX_FAILED:
                        raise
                    notice(f"left out: {error}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            fetcher.is_stopping.set()
            raise
    return [data / name for name in names]


class _StoppedError(Exception):
    """Another download has failed, or the user has had enough."""


class _Fetcher:
    """Downloads of one corpus, side by side, each held to its checksum."""

    def __init__(
        self, recipe: Recipe, folder: Path, options: ObtainOptions, progress: ProgressCallback | None
    ) -> None:
        self.is_stopping = threading.Event()
        self._folder = folder
        self._options = options
        self._progress = progress
        self._lock = threading.Lock()  # of the two below and the file of pins
        self._pins = read_pins(folder / "pins.json")
        self._amounts: dict[str, tuple[float, float | None]] = {}
        self._advice = Advice(
            what="corpus",
            by_hand=f"download it with a browser, then: earshot corpus get {recipe.name} --archive FILE",
            moved=f"see 'earshot corpus recipes {recipe.name}', or give another server with --from",
            other_folder="choose a folder on another disk with --output",
        )

    def files_of(self, part: Part) -> list[RemoteFile]:
        """What a part consists of; an index page is fetched for that."""
        files = list(part.files)
        if part.index is not None:
            files += self._listed(self._options.mirror or part.index)
        elif self._options.mirror is not None:
            base = self._options.mirror.rstrip("/") + "/"
            files = [replace(file, url=base + urlsplit(file.url).path.rsplit("/", 1)[-1]) for file in files]
        return files

    def _listed(self, address: str) -> list[RemoteFile]:
        page = self._folder / "index.html"
        page.unlink(missing_ok=True)  # it may have grown since
        download(
            address,
            page,
            expected=Expected(max_size=_MAX_INDEX),
            retry=self._options.retry,
            advice=self._advice,
        )
        text = page.read_bytes().decode("utf-8", "replace")
        page.unlink()
        page.with_name("index.html.notes").unlink(missing_ok=True)
        addresses = dict.fromkeys(urljoin(address, link) for link in _LINK.findall(text))
        found = [one for one in addresses if urlsplit(one).path.lower().endswith(_ARCHIVES)]
        # A page may link to another server, but nobody asked for anything of that.
        found = [one for one in found if urlsplit(one).netloc == urlsplit(address).netloc]
        if not found:
            raise DownloadError(f"{address} lists no archives", fix=self._advice.moved)
        return [RemoteFile(one) for one in sorted(found)[: self._options.limit]]

    def fetch(self, file: RemoteFile) -> Path:
        """Download one file, and pin it where nobody has published its checksum."""
        if self.is_stopping.is_set():
            raise _StoppedError
        target = self._folder / _local_name(file)
        with self._lock:
            pin = self._pins.get(file.url)
        expected = Expected(
            file.size, file.sha256 or (pin.sha256 if pin else None), file.md5, max_size=LIMITS.max_size
        )
        record = download(
            file.url,
            target,
            expected=expected,
            progress=lambda done, total: self._tell(file.url, done, total),
            retry=self._options.retry,
            advice=self._advice,
        )
        with self._lock:
            if file.url not in self._pins:
                self._pins[file.url] = record
                write_pins(self._folder / "pins.json", self._pins)
        return target

    def _tell(self, url: str, done: float, total: float | None) -> None:
        if self.is_stopping.is_set():
            raise _StoppedError
        if self._progress is None:
            return
        with self._lock:
            self._amounts[url] = (done, total)
            amounts = list(self._amounts.values())
            known = [total for _, total in amounts if total is not None]
            self._progress(sum(done for done, _ in amounts), sum(known) if len(known) == len(amounts) else None)


def _local_name(file: RemoteFile) -> str:
    """What to call a file here. Raises ModelError for a name that no disk should have."""
    name = file.path or unquote(urlsplit(file.url).path).rsplit("/", 1)[-1] or "archive"
    parts = safe_parts(name)
    return parts[-1] if parts else "archive"
