from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from earshot.core.types import Audio, Segment, Transcript, Word
from earshot.engines import Recognizer
from earshot.engines.scripted import ScriptedRecognizer
from earshot.server.library import Library, timestamp
from earshot.server.library_types import LibrarySession
from earshot.server.settings import ServerOptions
from tests.server.conftest import running
from tests.server.page.browser import Page, browser, require_browser, write_clip

if TYPE_CHECKING:
    from earshot.server.runner import Server

CLIP_TEXT = "it was the best of times it was the worst of times it was the age of wisdom"
CLIP_SECONDS = 6.7


@pytest.fixture(scope="session")
def clip(sample: Audio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real speech within silence; plays once from the moment the microphone is opened."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    write_clip(path, Audio(sample.samples[: int(CLIP_SECONDS * 16_000)]), before=0.8)
    return path


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Iterator[Any]:
    """One browser for a module; each test opens the page of its own server."""
    require_browser()
    with browser(tmp_path_factory.mktemp("browser"), sound=clip) as started:
        yield started


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers with a library in a folder of their own."""
    with ExitStack() as stack:

        def started(recognizer: Recognizer | None = None, **options: Any) -> Server:
            recognizers = {"scripted": recognizer or ScriptedRecognizer()}
            options = {"port": 0, "engine": "scripted", "data_folder": tmp_path, **options}
            return stack.enter_context(running(ServerOptions(**options), recognizers))

        yield started


@pytest.fixture
def page(driver: Any, start: Callable[..., Server], moonshine: Recognizer) -> Iterator[Page]:
    """The start page of a server with real weights; afterwards, nothing may have gone wrong in the browser."""
    opened = Page(driver, start(moonshine).address).open()
    opened.errors()
    yield opened
    errors = opened.errors()
    for handle in driver.window_handles[1:]:
        driver.switch_to.window(handle)
        driver.close()
    driver.switch_to.window(driver.window_handles[0])
    driver.get("about:blank")
    assert errors == []


def words(text: str, start: float = 0.0, confidence: float = 0.95) -> Segment:
    """A segment with a word each 0.4 s."""
    listed = tuple(
        Word(word, start + 0.4 * index, start + 0.4 * index + 0.35, confidence, "aligned")
        for index, word in enumerate(text.split())
    )
    return Segment(text, start, start + 0.4 * len(listed), listed, None, "en")


def fill(folder: Path, *texts: str, name: str = "s1", title: str = "A title") -> None:
    """A library with one more session, before or while a server runs on it."""
    library = Library(folder)
    try:
        library.add(LibrarySession(name, title, timestamp(), "upload", "ready"))
        segments = tuple(words(text, 10.0 * index) for index, text in enumerate(texts))
        library.put_transcript(name, Transcript(segments, "en", 10.0 * len(texts), "moonshine/tiny-en"))
    finally:
        library.close()
