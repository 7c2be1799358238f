"""How far a batch is: for people a line, for machines JSON lines and Prometheus."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from earshot.core.errors import OutputError
from earshot.core.files import atomic_text


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A batch at one moment.

    num_files: of all that INPUT holds; num_done of them were done, by this run or before. seconds_done: of
    sound, by this run; seconds_left: estimated from sizes, corrected by what was found so far. elapsed: since
    the first worker was ready. price: so far, None where no price is given.
    """

    num_files: int
    num_done: int
    num_quarantined: int
    seconds_done: float
    seconds_left: float
    elapsed: float
    num_workers: int
    num_busy: int
    num_lost: int = 0
    price: float | None = None

    @property
    def speed(self) -> float | None:
        """Seconds of sound a second."""
        return self.seconds_done / self.elapsed if self.elapsed > 0 and self.seconds_done > 0 else None

    @property
    def time_left(self) -> float | None:
        """Seconds, at the pace so far; None before there is one."""
        return self.seconds_left / self.speed if self.speed else None

    @property
    def price_per_hour(self) -> float | None:
        """Of an hour of sound."""
        if self.price is None or not self.seconds_done:
            return None
        return self.price / (self.seconds_done / 3600)

    def to_json(self) -> dict[str, float | int | None]:
        """All of it, with what follows from it."""
        return {
            **asdict(self),
            "speed": self.speed,
            "time_left": self.time_left,
            "price_per_hour": self.price_per_hour,
        }


_METRICS = {
    "files": ("gauge", "Recordings in INPUT."),
    "files_done": ("gauge", "Recordings that are done."),
    "files_quarantined": ("gauge", "Recordings that could not be done."),
    "audio_seconds_done": ("counter", "Seconds of sound done by this run."),
    "audio_seconds_left": ("gauge", "Estimated seconds of sound left."),
    "elapsed_seconds": ("counter", "Seconds since the first worker was ready."),
    "workers": ("gauge", "Workers that are ready."),
    "workers_busy": ("gauge", "Workers that have something to do."),
    "tasks_lost": ("counter", "Tasks whose worker died."),
    "price": ("counter", "Price of the workers so far."),
}


def prometheus_text(progress: BatchProgress, recipe: str) -> str:
    """The text format of Prometheus."""
    values = (
        progress.num_files,
        progress.num_done,
        progress.num_quarantined,
        progress.seconds_done,
        progress.seconds_left,
        progress.elapsed,
        progress.num_workers,
        progress.num_busy,
        progress.num_lost,
        progress.price,
    )
    lines = []
    for (name, (kind, text)), value in zip(_METRICS.items(), values, strict=True):
        if value is not None:
            full = f"earshot_batch_{name}" + ("_total" if kind == "counter" else "")
            lines += [
                f"# HELP {full} {text}",
                f"# TYPE {full} {kind}",
                f'{full}{{recipe="{recipe}"}} {value:g}',
            ]
    return "\n".join(lines) + "\n"


def write_textfile(path: Path, progress: BatchProgress, recipe: str) -> None:
    """For the textfile collector of node_exporter. Raises OutputError."""
    with atomic_text(path) as file:
        file.write(prometheus_text(progress, recipe))


class MetricsServer:
    """Answers Prometheus on this machine's loopback address. A context manager.

    Raises OutputError when the port is taken.
    """

    def __init__(self, port: int) -> None:
        self.text = ""
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = server.text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        try:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise OutputError(
                f"cannot listen on port {port}: {error.strerror}", fix="choose another"
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> MetricsServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def json_line(event: str, **fields: object) -> str:
    """One event for machines."""
    return json.dumps({"event": event, "time": round(time.time(), 3), **fields}, sort_keys=False)


@contextlib.contextmanager
def no_context() -> Iterator[None]:
    """Where nothing is to be opened."""
    yield None
