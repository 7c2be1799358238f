"""The control socket: a key of any desktop, a button or a page tells the running assistant what to do.

A Unix socket that only its owner can reach; a line of JSON each way:

    {"do": "toggle"}                 also push, release, cancel, status
    {"do": "confirm", "yes": true}
    {"do": "say", "text": "start music"}
    {"do": "events"}                 every reply from then on, a line each
    → {"ok": true, "phase": "listening"} or {"ok": false, "error": "…"}

It imports little, since a key must be answered at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from earshot.core.errors import ActionError

Handler: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Answers a request. Raises ActionError in one line."""

MAX_LINE = 65_536
_MAX_CONNECTIONS = 16
_IDLE = 30.0
"""Seconds after which a silent connection is closed, unless it waits for events."""

_ANSWER = 15.0
"""Seconds that a client waits for an answer: an action may be running."""


def socket_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the socket is: in XDG_RUNTIME_DIR, else in a folder of the user's own for temporary files."""
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "earshot" / "assistant.sock"
    import tempfile  # it brings much with it, and is seldom needed

    return Path(tempfile.gettempdir()) / f"earshot-{_user()}" / "assistant.sock"


def send(request: Mapping[str, Any], path: Path | None = None) -> dict[str, Any]:
    """Ask the running assistant. Raises ActionError where none runs, or it says no."""
    with _connected(path or socket_path()) as connection:
        connection.sendall(_line(request))
        answer = _read_line(connection)
    if not answer.get("ok"):
        raise ActionError(str(answer.get("error") or "the assistant does not answer"))
    return answer


def events(path: Path | None = None) -> Iterator[dict[str, Any]]:
    """Everything the assistant shows, from now on, until it ends. Raises ActionError where none runs."""
    with _connected(path or socket_path()) as connection:
        connection.sendall(_line({"do": "events"}))
        connection.settimeout(None)
        with connection.makefile("rb") as lines:
            for line in lines:
                yield json.loads(line)


class ControlServer:
    """The socket of a running assistant. A context manager.

    Entering raises ActionError where another assistant has it, or the folder is not the user's own.
    """

    def __init__(self, handler: Handler, path: Path | None = None) -> None:
        self.path = path or socket_path()
        self._handler = handler
        self._resources = contextlib.ExitStack()
        self._listeners: set[socket.socket] = set()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server: socket.socket | None = None

    def __enter__(self) -> ControlServer:
        if sys.platform == "win32" or not hasattr(socket, "AF_UNIX"):
            raise ActionError(
                "this system has no Unix sockets, so keys cannot reach the assistant", fix="use a wake phrase"
            )
        with contextlib.ExitStack() as stack:
            _make_folder(self.path.parent)
            stack.enter_context(_only_one(self.path.with_suffix(".lock")))
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()  # of one that was killed: we hold the lock
            server = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            try:
                server.bind(str(self.path))
                self.path.chmod(0o600)
            except OSError as error:
                raise ActionError(f"{self.path} cannot be made: {error.strerror or error}") from error
            stack.callback(self._forget)
            server.listen(_MAX_CONNECTIONS)
            self._server = server
            threading.Thread(target=self._accept, args=(server,), name="earshot-control", daemon=True).start()
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._server is not None:
            with contextlib.suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._resources.close()

    def publish(self, event: Mapping[str, Any]) -> None:
        """Give an event to all who asked for events; who does not read loses it."""
        line = _line(event)
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener.send(line, getattr(socket, "MSG_DONTWAIT", 0))
            except OSError:
                with self._lock:
                    self._listeners.discard(listener)

    def _forget(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with self._lock:
                is_welcome = len(self._connections) < _MAX_CONNECTIONS and _is_own(connection)
                if is_welcome:
                    self._connections.add(connection)
            if not is_welcome:
                connection.close()
                continue
            threading.Thread(
                target=self._serve, args=(connection,), name="earshot-control-client", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_IDLE)
        try:
            with connection, connection.makefile("rb") as lines:
                while line := lines.readline(MAX_LINE + 1):
                    answer, is_listening = self._answer(line)
                    if is_listening:
                        connection.settimeout(None)
                    connection.sendall(_line(answer))
                    if is_listening:
                        with self._lock:
                            self._listeners.add(connection)
                    if len(line) > MAX_LINE:
                        return
        except OSError:  # it went away, or was silent for long
            return
        finally:
            with self._lock:
                self._connections.discard(connection)
                self._listeners.discard(connection)

    def _answer(self, line: bytes) -> tuple[Mapping[str, Any], bool]:
        try:
            request = json.loads(line) if len(line) <= MAX_LINE else None
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("do"), str):
            return {"ok": False, "error": 'a line of JSON is expected, such as {"do": "toggle"}'}, False
        if request["do"] == "events":
            return {"ok": True}, True
        try:
            return {"ok": True, **self._handler(request)}, False
        except ActionError as error:
            return {"ok": False, "error": str(error)}, False


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER)
            connection.connect(str(path))
            yield connection
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise ActionError("no assistant is running", fix="start it: earshot assistant run") from error
    except TimeoutError as error:
        raise ActionError("the assistant does not answer", fix="it may be busy; try again") from error
    except (OSError, AttributeError) as error:
        raise ActionError(f"the assistant cannot be reached at {path}: {error}") from error


def _read_line(connection: socket.socket) -> dict[str, Any]:
    with connection.makefile("rb") as lines:
        line = lines.readline(MAX_LINE)
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"


def _make_folder(folder: Path) -> None:
    """Ours alone; one that somebody else made is a trap."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise ActionError(f"{folder} cannot be made: {error.strerror}", fix="set XDG_RUNTIME_DIR") from error
    if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
        raise ActionError(f"{folder} is not yours", fix="set XDG_RUNTIME_DIR to a folder of your own")
    if status.st_mode & 0o077:
        folder.chmod(0o700)


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """The system forgets the lock of a killed process, so it is never stale."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ActionError(
                "an assistant is running already",
                fix="stop it with Ctrl-C, or use it: earshot assistant status",
            ) from error
        yield
    finally:
        os.close(descriptor)


def _is_own(connection: socket.socket) -> bool:
    """Whether the other side is the same user; where the system does not tell, the folder's rights must do."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None or sys.platform != "linux":
        return True
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return bool(user == os.getuid())


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
