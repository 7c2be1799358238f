"""A real server on a free port, in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from earshot.engines import Recognizer
from earshot.engines.scripted import ScriptedRecognizer
from earshot.server.settings import ServerOptions

if TYPE_CHECKING:
    from earshot.server.runner import Server


@contextmanager
def running(options: ServerOptions, recognizers: Mapping[str, Recognizer] | None = None) -> Iterator[Server]:
    """A server that runs as long as the block, and ends in good order."""
    for module in ("fastapi", "uvicorn", "websockets", "python_multipart", "prometheus_client", "wyoming"):
        pytest.importorskip(module, reason=f"{module} is not installed: pip install 'earshot[serve]'")
    from earshot.server.runner import Server

    server = Server(options, recognizers=recognizers)
    ready = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            server.run(ready.set)
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="server-under-test", daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        if failures:
            raise failures[0]
        yield server
    finally:
        server.stop()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def moonshine() -> Iterator[Recognizer]:
    """One set of real weights for all tests."""
    from earshot.engines import load_engine

    recognizer = load_engine("moonshine")
    yield recognizer
    recognizer.close()


@pytest.fixture(scope="session")
def scripted_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with the engine ``scripted`` and all defaults, for tests that need no other."""
    options = ServerOptions(port=0, engine="scripted", data_folder=tmp_path_factory.mktemp("scripted"))
    with running(options, {"scripted": ScriptedRecognizer()}) as server:
        yield server


@pytest.fixture(scope="session")
def moonshine_server(moonshine: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with real weights and every protocol."""
    folder = tmp_path_factory.mktemp("moonshine")
    options = ServerOptions(port=0, vosk_port=0, wyoming="tcp://127.0.0.1:0", data_folder=folder)
    with running(options, {"moonshine": moonshine}) as server:
        yield server


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of the engine ``scripted`` on free ports; ``recognizers`` and options may be given."""
    with ExitStack() as stack:

        def start(recognizers: Mapping[str, Recognizer] | None = None, **options: Any) -> Server:
            if recognizers is None:
                recognizers = {"scripted": ScriptedRecognizer()}
            options = {"port": 0, "engine": next(iter(recognizers)), "data_folder": tmp_path, **options}
            return stack.enter_context(running(ServerOptions(**options), recognizers))

        yield start
