"""The server in a process of its own, which can be killed."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

PROGRAM = """
import sys
from pathlib import Path
from earshot.server.runner import Server
from earshot.server.settings import ServerOptions
Server(ServerOptions(port=int(sys.argv[1]), data_folder=Path(sys.argv[2]))).run()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(
    port: int, folder: Path, *, largest_file: int | None = None, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own. largest_file: bytes at which its disk counts as full."""

    def limit() -> None:
        if largest_file is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    server = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port), str(folder)],
        preexec_fn=limit,
        stderr=subprocess.DEVNULL,
        env={**(environment or os.environ), "EARSHOT_HOME": str(folder)},
    )
    try:
        for _ in range(300):
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.HTTPError:
                assert server.poll() is None, "the server has ended"
                time.sleep(0.1)
        yield server
    finally:
        server.kill()
        server.wait(20)
