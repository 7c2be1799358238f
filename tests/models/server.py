"""A real HTTP server on loopback with the faults of real ones."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """files: by path. cuts: bytes of the body after which the next responses break off, one each.

    statuses: what the next responses answer instead. The other switches hold for every response.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    has_ranges: bool = True
    has_length: bool = True
    has_etag: bool = True
    extra: bytes = b""
    encoding: str | None = None
    pause: float = 0.0
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""

    def url(self, path: str) -> str:
        return f"{self.address}{path}"


@contextmanager
def serving(server: FileServer) -> Iterator[FileServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            server.requests.append((self.path, self.headers.get("Range")))
            self.close_connection = True
            if server.statuses:
                self._answer(server.statuses.pop(0))
            elif target := server.redirects.get(self.path):
                self._answer(302, {"Location": target})
            elif (body := server.files.get(self.path)) is None:
                self._answer(404)
            else:
                self._send_file(body)

        def _answer(self, status: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": "0", "Connection": "close", **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()

        def _send_file(self, body: bytes) -> None:
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            start = self._start(etag)
            if start is not None and start >= len(body):
                self._answer(416, {"Content-Range": f"bytes */{len(body)}"})
                return
            self.send_response(200 if start is None else 206)
            if start is not None:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            part = body[start or 0 :] + server.extra
            if server.has_length:
                self.send_header("Content-Length", str(len(part)))
            if server.has_etag:
                self.send_header("ETag", etag)
            if server.encoding:
                self.send_header("Content-Encoding", server.encoding)
            self.send_header("Connection", "close")
            self.end_headers()
            self._send(part[: server.cuts.pop(0)] if server.cuts else part)

        def _start(self, etag: str) -> int | None:
            wanted = self.headers.get("Range")
            if not wanted or not server.has_ranges:
                return None
            if self.headers.get("If-Range", etag) != etag:
                return None
            return int(wanted.removeprefix("bytes=").removesuffix("-"))

        def _send(self, part: bytes) -> None:
            for begin in range(0, len(part), 16_384):
                self.wfile.write(part[begin : begin + 16_384])
                self.wfile.flush()
                if server.pause:
                    time.sleep(server.pause)

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a client that was killed

    with Quiet(("127.0.0.1", 0), Handler) as httpd:
        server.address = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            httpd.shutdown()
            thread.join()
