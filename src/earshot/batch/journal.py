"""The ledger of a remote OUTPUT: its records in files of JSON lines that are only ever added.

Each file is one upload, so it is there whole or not at all. Files are read in the order of their names.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

from earshot.batch.storage import Storage
from earshot.batch.tables import Record
from earshot.core.errors import EarshotError, OutputError

FOLDER = "ledger"


class Journal:
    """Gathers records and uploads them in the background, as many at once as have come meanwhile.

    A context manager: leaving it uploads the rest. owner: a part of the names, so that two drivers, of which
    one does not know yet that it lost its lock, never write the same file.
    """

    def __init__(self, storage: Storage, owner: str) -> None:
        self._storage = storage
        self._owner = owner
        self._number = max((int(name.split("-")[1]) for name in segment_names(storage)), default=0)
        self._lock = threading.Condition()
        self._waiting: list[str] = []
        self._num_in_flight = 0
        self._is_closing = False
        self._failure: EarshotError | None = None
        self._thread = threading.Thread(target=self._upload, name="ledger", daemon=True)
        self._thread.start()

    def __call__(self, record: Record) -> None:
        """Take a record. Raises the OutputError of an upload before."""
        with self._lock:
            self._raise_failure()
            self._waiting.append(json.dumps(record))
            self._lock.notify_all()

    def flush(self) -> None:
        """Wait until all records are there. Raises OutputError when they cannot be written."""
        with self._lock:
            self._lock.wait_for(lambda: self._failure or not (self._waiting or self._num_in_flight))
            self._raise_failure()

    def close(self) -> None:
        """Upload the rest and stop; failures were told before, or are by ``flush``."""
        with self._lock:
            self._is_closing = True
            self._lock.notify_all()
        self._thread.join(60.0)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise OutputError(self._failure.message, fix=self._failure.fix)

    def _upload(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._waiting or self._is_closing)
                if not self._waiting:
                    return
                lines, self._waiting = self._waiting, []
                self._num_in_flight = len(lines)
                self._number += 1
            try:
                name = f"{FOLDER}/segment-{self._number:010}-{self._owner}.jsonl"
                self._storage.write(name, ("\n".join(lines) + "\n").encode())
            except EarshotError as error:
                with self._lock:
                    self._failure = error
                    self._num_in_flight = 0
                    self._lock.notify_all()
                return
            with self._lock:
                self._num_in_flight = 0
                self._lock.notify_all()


def segment_names(storage: Storage) -> list[str]:
    """The files of records, in order."""
    return [name for name in storage.names(FOLDER) if name.startswith("segment-") and name.endswith(".jsonl")]


def read_journal(storage: Storage) -> Iterator[Record]:
    """All records, in order. Raises OutputError for a file that is damaged."""
    for name in segment_names(storage):
        for line in storage.read(f"{FOLDER}/{name}").splitlines():
            try:
                record = json.loads(line)
            except ValueError as error:
                raise OutputError(
                    f"{storage.root}/{FOLDER}/{name} is damaged",
                    fix="restore it, or remove it to do its files again",
                ) from error
            yield record
