"""What a worker does: recordings to transcripts and rows, units to results, results to whole transcripts.

Nothing here knows of a cluster. Every error becomes an outcome: one bad recording must not end a worker.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import io
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earshot.audio.cutting import CutOptions, SpeechRegion
from earshot.audio.pieces import read_pieces
from earshot.batch.identity import identify_model
from earshot.batch.inputs import input_stamp, shown_name
from earshot.batch.pieces import packed_regions, unpacked_regions
from earshot.batch.storage import Storage, address_error, is_remote, open_filesystem, open_storage
from earshot.batch.table import transcript_rows
from earshot.batch.tasks import (
    FileOutcome,
    FileTask,
    FoundUnit,
    PieceOutcome,
    ScanEnd,
    Spans,
    Status,
    WorkerJob,
    WorkerReport,
)
from earshot.core.errors import AudioError, EarshotError, FormatError, OutputError
from earshot.core.files import output_error
from earshot.core.types import Samples, Transcript
from earshot.engines.offline import cutting_for, gather
from earshot.text.formats import FORMATS
from earshot.transcription import Transcriber

_CHUNK = 2**20
_NUM_FETCHERS = 4


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """A recording on this machine. digest: SHA-256 of what it holds. stamp, size: when it was opened."""

    path: str
    digest: str
    stamp: str
    size: int | None


class Inputs:
    """Brings recordings to this machine, some ahead of their turn where they come over a network."""

    def __init__(self) -> None:
        self._fetchers = ThreadPoolExecutor(_NUM_FETCHERS, thread_name_prefix="fetch")
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()

    def ahead(self, tasks: Sequence[FileTask]) -> Iterator[tuple[FileTask, LocalCopy | EarshotError]]:
        """Each recording in turn; while one is worked on, the next are fetched."""
        futures: list[Future[LocalCopy]] = []
        for index, task in enumerate(tasks):
            while len(futures) < min(len(tasks), index + 1 + _NUM_FETCHERS):
                futures.append(self._fetchers.submit(self.fetch, tasks[len(futures)]))
            try:
                copy = futures[index].result()
            except EarshotError as error:
                yield task, error
                continue
            yield task, copy
            self.drop(task, copy)

    @contextlib.contextmanager
    def opened(self, task: FileTask) -> Iterator[LocalCopy]:
        """One recording. Raises AudioError."""
        copy = self.fetch(task)
        try:
            yield copy
        finally:
            self.drop(task, copy)

    def fetch(self, task: FileTask) -> LocalCopy:
        """Raises AudioError when it is not there or cannot be read."""
        if is_remote(task.address):
            return self._downloaded(task)
        try:
            size, stamp = input_stamp(task.address)
            digest = hashlib.sha256()
            with open(task.address, "rb") as file:  # noqa: PTH123 - the name may be no UTF-8
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except OSError as error:
            from earshot.audio.decode import open_audio

            open_audio(task.address).close()  # it knows best what to say
            raise AudioError(f"{task.address} cannot be read: {error.strerror}") from error
        return LocalCopy(task.address, digest.hexdigest(), stamp, size)

    def drop(self, task: FileTask, copy: LocalCopy) -> None:
        """The copy is not needed any more."""
        if is_remote(task.address):
            with contextlib.suppress(OSError):
                Path(copy.path).unlink()

    def is_unchanged(self, task: FileTask, copy: LocalCopy) -> bool:
        """Whether the recording is still what it was when it was opened."""
        if is_remote(task.address):
            return True  # the copy is what was read
        try:
            return input_stamp(task.address) == (copy.size, copy.stamp)
        except OSError:
            return False

    def close(self) -> None:
        """Remove what is left."""
        self._fetchers.shutdown(cancel_futures=True)
        if self._folder is not None:
            self._folder.cleanup()

    def _downloaded(self, task: FileTask) -> LocalCopy:
        with self._lock:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="earshot-batch-")
        try:
            handle, path = tempfile.mkstemp(dir=self._folder.name)
        except OSError as error:
            raise AudioError(
                f"{task.address} cannot be copied to a temporary file: {error.strerror}", fix="free some space"
            ) from error
        try:
            with os.fdopen(handle, "wb") as copy:
                size, stamp = input_stamp(task.address)
                digest = _copy(task.address, copy)
        except Exception as error:
            Path(path).unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise output_error(path, error) from error
            reason = address_error(f"read {task.address}", error)
            # What is not there will not be there in a minute; a network that fails may work again.
            is_final = isinstance(error, FileNotFoundError | PermissionError)
            raise (AudioError if is_final else EarshotError)(reason.message, fix=reason.fix) from error
        return LocalCopy(path, digest, stamp, size)


def _copy(address: str, target: Any) -> str:
    files, place = open_filesystem(address)
    digest = hashlib.sha256()
    with files.open(place, "rb") as source:
        while chunk := source.read(8 * _CHUNK):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


class Worker:
    """One recognizer and what belongs to it. Made empty; ``prepare`` loads it."""

    def __init__(self, job: WorkerJob) -> None:
        self._job = job
        self._inputs = Inputs()
        self._transcriber: Transcriber | None = None
        self._storage: Storage | None = None
        self._writers = ThreadPoolExecutor(_NUM_FETCHERS, thread_name_prefix="write")

    def prepare(self) -> WorkerReport:
        """Load the model and look whether input and output can be seen from here."""
        machine = socket.gethostname()
        try:
            self._look_around()
            options = self._job.options.transcription
            identity = identify_model(options)
            if identity.digest != self._job.model_digest:
                raise EarshotError(
                    f"it has another model of the name {options.model or options.engine}",
                    fix="install the same model and packages on all machines",
                )
            self._transcriber = Transcriber(options)
        except EarshotError as error:
            return WorkerReport(machine, problem=error.message, fix=error.fix)
        except Exception as error:
            return WorkerReport(machine, problem=_one_line(error))
        longest, cut_options = cutting_for(self._transcriber.recognizer)
        return WorkerReport(machine, self._transcriber.recognizer.name, longest, cut_options)

    def _look_around(self) -> None:
        job = self._job
        self._storage = open_storage(job.output)
        if not self._storage.exists(job.marker):
            raise OutputError(
                f"it does not see the folder {job.output}",
                fix="write to a folder that all machines share, or to an address such as s3://",
            )
        if job.input_root is not None and not os.path.exists(job.input_root):  # noqa: PTH110 - maybe no UTF-8
            raise AudioError(
                f"it does not see {job.input_root}", fix="read from a folder that all machines share"
            )

    def transcribe_files(self, tasks: Sequence[FileTask]) -> list[FileOutcome]:
        """Whole recordings, one after the other."""
        outcomes: list[FileOutcome] = []
        writes: list[Future[None]] = []
        for task, copy in self._inputs.ahead(tasks):
            outcome, outputs = self._whole(task, copy)
            writes += [self._writers.submit(self._write, name, data) for name, data in outputs.items()]
            outcomes.append(outcome)
            if outcome.status == "stopped":
                break
        return _checked(outcomes, writes)

    def recognize_piece(
        self, task: FileTask, index: int, spans: Spans, samples: Samples | None
    ) -> PieceOutcome:
        """A unit of a long recording. samples: of all its regions, one after the other; None to read them."""
        started = time.perf_counter()
        try:
            if samples is None:
                with self._inputs.opened(task) as copy:
                    flat = [span for window in spans for span in window]
                    pieces = read_pieces(copy.path, flat, channel=self._job.options.channel)
            else:
                # Ray shows the sound read-only where it lies; some libraries want to be able to write.
                pieces = split_samples(np.array(samples), spans)
            regions = iter(pieces)
            heard = []
            for window in spans:
                heard += self._loaded.hear([_region(start, next(regions)) for start, _ in window])
            result = packed_regions(heard)
        except AudioError as error:
            return PieceOutcome(task.id, index, "bad", error=str(error))
        except Exception as error:
            return PieceOutcome(task.id, index, "failed", error=_one_line(error))
        return PieceOutcome(task.id, index, "done", result, time.perf_counter() - started)

    def assemble(
        self,
        task: FileTask,
        results: Sequence[bytes],
        input_hash: str,
        seconds: float,
        warnings: tuple[str, ...],
    ) -> FileOutcome:
        """The units of a long recording become its transcript, as if it had been recognized in one go."""
        started = time.perf_counter()
        try:
            heard = [region for result in results for region in unpacked_regions(result)]
            segments, language = gather(self._loaded.finish(heard))
            transcript = Transcript(segments, language, seconds, self._loaded.recognizer.name)
            if self._loaded.options.speakers is not None:
                transcript = self._with_speakers(task, transcript)
            copy = LocalCopy(task.address, input_hash, task.stamp, task.size)
            outcome, outputs = self._result(task, copy, transcript, warnings, started)
            writes = [self._writers.submit(self._write, name, data) for name, data in outputs.items()]
        except Exception as error:
            return FileOutcome(task.id, "failed", error=_one_line(error))
        return _checked([outcome], writes)[0]

    def _with_speakers(self, task: FileTask, transcript: Transcript) -> Transcript:
        """Who speaks is told by voices of the whole recording, so it is read once more. Raises AudioError."""
        with self._inputs.opened(task) as copy:
            return self._loaded.assign(transcript, copy.path, channel=self._job.options.channel)

    def close(self) -> None:
        """Release the model and what was fetched."""
        self._inputs.close()
        self._writers.shutdown()
        if self._transcriber is not None:
            self._transcriber.close()

    @property
    def _loaded(self) -> Transcriber:
        assert self._transcriber is not None, "prepare() comes first"
        return self._transcriber

    def _whole(self, task: FileTask, copy: LocalCopy | EarshotError) -> tuple[FileOutcome, dict[str, bytes]]:
        started = time.perf_counter()
        if isinstance(copy, EarshotError):
            status: Status = "bad" if isinstance(copy, AudioError) else "failed"
            if isinstance(copy, OutputError):
                status = "stopped"
            return FileOutcome(task.id, status, error=str(copy)), {}
        if task.known_hash == copy.digest:
            return FileOutcome(task.id, "unchanged", copy.digest, copy.stamp, copy.size), {}
        warnings: list[str] = []
        try:
            transcript = self._loaded.transcribe(
                copy.path, channel=self._job.options.channel, on_warning=warnings.append
            )
            if not self._inputs.is_unchanged(task, copy):
                return FileOutcome(task.id, "changed"), {}
            return self._result(task, copy, transcript, tuple(warnings), started)
        except (AudioError, FormatError) as error:
            return FileOutcome(task.id, "bad", error=str(error).replace(copy.path, task.address)), {}
        except OutputError as error:
            return FileOutcome(task.id, "stopped", error=str(error)), {}
        except Exception as error:
            return FileOutcome(task.id, "failed", error=_one_line(error)), {}

    def _result(
        self, task: FileTask, copy: LocalCopy, transcript: Transcript, warnings: tuple[str, ...], started: float
    ) -> tuple[FileOutcome, dict[str, bytes]]:
        outputs = self._formatted(task, transcript)
        outcome = FileOutcome(
            task.id,
            "done",
            copy.digest,
            copy.stamp,
            copy.size,
            transcript.duration or 0.0,
            time.perf_counter() - started,
            len(transcript.segments),
            {name: hashlib.sha256(data).hexdigest() for name, data in outputs.items()},
            transcript_rows(task.name, transcript, model_hash=self._job.model_digest, input_hash=copy.digest),
            warnings,
        )
        return outcome, outputs

    def _formatted(self, task: FileTask, transcript: Transcript) -> dict[str, bytes]:
        style = dataclasses.replace(self._job.options.style, recording=shown_name(task.name))
        outputs = {}
        for name in self._job.options.formats:
            text = io.StringIO()
            FORMATS[name].write(transcript, text, style)
            outputs[result_name(self._job.recipe, task.name, name)] = text.getvalue().encode("utf-8", "replace")
        return outputs

    def _write(self, name: str, data: bytes) -> None:
        assert self._storage is not None, "prepare() comes first"
        self._storage.write(name, data)


class Scanner:
    """Reads a long recording once and cuts it into units, each as soon as it is asked for."""

    def __init__(self, job: WorkerJob, longest_region: float, cut_options: CutOptions) -> None:
        self._job = job
        self._longest = longest_region
        self._cut_options = cut_options
        self._inputs = Inputs()
        self._stack = contextlib.ExitStack()
        self._units: Iterator[tuple[int, Spans, float, Samples]] = iter(())
        self._task: FileTask | None = None
        self._end: ScanEnd | None = None

    def open(self, task: FileTask) -> tuple[Status, str | None]:
        """Begin with a recording: ``done`` and its hash, or ``bad`` and why."""
        self.close()
        try:
            copy = self._stack.enter_context(self._inputs.opened(task))
            self._task = task
            self._units = self._cut(task, copy)
        except AudioError as error:
            return "bad", str(error)
        except Exception as error:
            return "failed", _one_line(error)
        return "done", copy.digest

    def next(self, done: frozenset[int] = frozenset()) -> tuple[FoundUnit | ScanEnd, Samples | None]:
        """The next unit and its samples, or the end and None. done: units that are passed over."""
        assert self._task is not None, "open() comes first"
        try:
            for index, spans, seconds, samples in self._units:
                if index not in done:
                    return FoundUnit(self._task.id, index, spans, seconds), samples
        except AudioError as error:
            self._end = ScanEnd(self._task.id, "bad", error=str(error))
        except Exception as error:
            self._end = ScanEnd(self._task.id, "failed", error=_one_line(error))
        assert self._end is not None
        end = self._end
        self.close()
        return end, None

    def close(self) -> None:
        """Release the recording; another may be opened."""
        self._stack.close()
        self._units = iter(())

    def end(self) -> None:
        """Release everything."""
        self.close()
        self._inputs.close()

    def _cut(self, task: FileTask, copy: LocalCopy) -> Iterator[tuple[int, Spans, float, Samples]]:
        from earshot.audio.decode import open_audio
        from earshot.batch.pieces import cut_units
        from earshot.core.clock import to_seconds

        num_units = 0
        try:
            with open_audio(copy.path, channel=self._job.options.channel) as reader:
                for unit in cut_units(reader, self._longest, self._cut_options, self._job.options.unit_seconds):
                    yield (num_units, *unit)
                    num_units += 1
                seconds = to_seconds(reader.num_samples, reader.info.sample_rate)
                warnings = tuple(reader.warnings)
        except AudioError as error:
            raise AudioError(error.message.replace(copy.path, task.address), fix=error.fix) from error
        status: Status = "done" if self._inputs.is_unchanged(task, copy) else "changed"
        self._end = ScanEnd(task.id, status, num_units, seconds, warnings)


def result_name(recipe: str, name: str, format: str) -> str:  # noqa: A002 - the word that users know
    """Where the result of a recording lies below OUTPUT."""
    return f"transcripts/{recipe}/{name}{FORMATS[format].suffix}"


def split_samples(samples: Samples, spans: Spans) -> list[Samples]:
    """The samples of each region, in order."""
    ends = np.cumsum([length for window in spans for _, length in window])
    return np.split(samples, ends[:-1])


def _region(start: int, samples: Samples) -> SpeechRegion:
    return SpeechRegion(start, samples, np.empty(0, np.float32))


def _checked(outcomes: list[FileOutcome], writes: Sequence[Future[None]]) -> list[FileOutcome]:
    """The outcomes, once all results are written; ``stopped`` when that failed."""
    failure: str | None = None
    for write in writes:
        try:
            write.result()
        except Exception as error:
            failure = str(error) if isinstance(error, EarshotError) else _one_line(error)
    if failure is None:
        return outcomes
    return [
        FileOutcome(outcome.file, "stopped", error=failure) if outcome.status == "done" else outcome
        for outcome in outcomes
    ]


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
