"""The page as a remote of an assistant that really acts, by its control socket, in a browser."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from earshot.assistant.control import ControlServer, send
from earshot.assistant.dialogue import Dialogue
from earshot.assistant.listening import Ears, Listener
from earshot.assistant.replies import DialogueOptions, Reply
from earshot.assistant.requests import answer, as_row
from earshot.audio.capture import Notice
from earshot.core.errors import ServerError
from earshot.server.page_assistant import MAX_PAGES
from earshot.server.page_assistant import Remote as AssistantRemote
from tests.assistant.test_listening import House, Room
from tests.server.page.browser import Page

if TYPE_CHECKING:
    from earshot.server.runner import Server

if not hasattr(socket, "AF_UNIX"):
    pytest.skip("no Unix sockets on this system", allow_module_level=True)

pytestmark = pytest.mark.timeout(180)

TOKEN = "a-token-that-is-long-enough"
_PATIENT = DialogueOptions(listening=600, follow_up=600, confirmation=600, answer=600)

NO_REQUESTS: tuple[object, ...] = (
    "",
    "toggle",
    "[" * 9_000,
    '"do"',
    {"do": "events"},
    {"do": ["toggle"]},
    {"do": "say", "text": " "},
    {"do": "confirm", "yes": 1, "question": ""},
    {"do": "confirm", "yes": True},
    "x" * 20_000,
    b"\xff\x00",
)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder; short, as sockets want it."""
    with tempfile.TemporaryDirectory(prefix="es") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


@contextmanager
def assistant(folder: Path) -> Iterator[House]:
    """One that runs, hears nothing, and takes its time."""
    house = House(folder, None)
    with ExitStack() as stack:
        server = ControlServer(lambda request: answer(listener, request))

        def tell(what: Reply | Notice) -> None:
            if isinstance(what, Reply):
                server.publish(as_row(what))

        dialogue = Dialogue(house.performer, house.understanding.grammar, options=_PATIENT)
        listener = Listener(Room(), Ears(house.understanding), dialogue, tell, mouth=house.mouth)
        thread = threading.Thread(target=listener.run)
        thread.start()
        stack.callback(thread.join, 60)
        stack.callback(listener.stop)
        stack.enter_context(server)
        yield house


class Remote:
    """The socket of the page."""

    def __init__(self, server: Server, **headers: str) -> None:
        from websockets.sync.client import connect

        address = server.address.replace("http", "ws") + "/api/assistant"
        self._connecting = connect(address, additional_headers=headers)

    def __enter__(self) -> Remote:
        self._socket = self._connecting.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._connecting.__exit__(*exception)

    def send(self, message: object) -> None:
        self._socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def next(self, **wanted: object) -> dict[str, Any]:
        """The next message that has these fields."""
        deadline = time.monotonic() + 30
        while True:
            message: dict[str, Any] = json.loads(self._socket.recv(deadline - time.monotonic()))
            if wanted.items() <= message.items():
                return message

    def close_code(self) -> int | None:
        from websockets.exceptions import ConnectionClosed

        with pytest.raises(ConnectionClosed):
            self._socket.recv(30)
        return self._socket.close_code


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def state(page: Page, text: str) -> None:
    page.until("return document.querySelector('.assistant-state').textContent === arguments[0]", 30, text)


def type_order(page: Page, text: str) -> None:
    page.find(".assistant-order input").send_keys(text + "\n")


@pytest.mark.slow
def test_orders_are_given_and_answered_on_the_page(
    driver: Any, start: Callable[..., Server], runtime: Path, tmp_path: Path
) -> None:
    page = Page(driver, start(has_assistant=True).address).open()
    page.errors()
    page.click("#assistant")
    page.until(
        "return document.querySelector('.assistant-notice').textContent.includes('earshot assistant run')"
    )
    assert not page.find(".assistant").find_element("css selector", ".assistant-hold").is_enabled()
    with assistant(tmp_path) as house:
        state(page, "Asleep")
        type_order(page, "paint the kitchen red")
        page.until("return document.querySelector('.assistant-log [data-kind=done]')")
        assert house.made == ["red"]
        # What is missing is asked for, and typed.
        type_order(page, "paint the kitchen")
        state(page, "Waiting for an answer")
        assert page.text(".assistant-question") == "Which colour?"
        type_order(page, "green")
        state(page, "Listening")
        assert house.made == ["green", "red"]
        # What may lose something is asked about, and tapped.
        type_order(page, "forget everything now")
        state(page, "Yes or no?")
        page.screenshot("assistant", tmp_path)
        page.button("No").click()
        state(page, "Listening")
        type_order(page, "forget everything now")
        page.button("Yes").click()
        state(page, "Listening")
        assert house.made == ["forgotten", "green", "red"]
        page.button("Listen").click()
        state(page, "Asleep")
        # A key held on the page, and let go of where the page is left.
        page.script("document.querySelector('.assistant-hold').focus()")
        page.script(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: ' ', bubbles: true}))"
        )
        state(page, "Listening")
    page.until(
        "return document.querySelector('.assistant-notice').textContent.includes('earshot assistant run')"
    )
    with assistant(tmp_path):  # started again
        state(page, "Asleep")
        send({"do": "toggle"})
        state(page, "Listening")
    assert page.errors() == []


@pytest.mark.slow
def test_the_remote_is_off_unless_asked_for(driver: Any, start: Callable[..., Server], runtime: Path) -> None:
    server = start()
    page = Page(driver, server.address).open("#/assistant")
    page.until("return document.querySelector('.assistant-notice').textContent.includes('--assistant')")
    assert page.script("return document.getElementById('assistant').hidden")
    with Remote(server) as remote:
        assert "--assistant" in remote.next(type="error")["fix"]
        assert remote.close_code() == 1008


def test_a_foreign_page_and_one_without_the_token_are_refused(
    start: Callable[..., Server], runtime: Path
) -> None:
    from websockets.exceptions import InvalidStatus

    server = start(has_assistant=True, token=TOKEN)
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}", "Origin": "http://elsewhere.example"}):
        with pytest.raises(InvalidStatus), Remote(server, **headers):
            pass
    with Remote(server, Authorization=f"Bearer {TOKEN}") as remote:
        assert remote.next(type="state")["running"] is False


def test_what_is_no_request_ends_the_connection_in_one_line(
    start: Callable[..., Server], runtime: Path
) -> None:
    server = start(has_assistant=True)
    for message in NO_REQUESTS:
        with Remote(server) as remote:
            remote.send(message)
            assert "\n" not in remote.next(type="error")["message"]
            assert remote.close_code() == 1007
    with Remote(server) as remote:  # nobody else is harmed
        assert remote.next(type="state")


def test_an_answer_counts_for_the_question_that_was_read(
    start: Callable[..., Server], runtime: Path, tmp_path: Path
) -> None:
    with assistant(tmp_path) as house, Remote(start(has_assistant=True)) as remote:
        remote.next(type="state", running=True)
        remote.send({"do": "say", "text": "forget everything now"})
        question = remote.next(type="state", phase="confirming")["question"]
        remote.send({"do": "confirm", "yes": True, "question": "Paint the kitchen: shall I?"})
        assert "not what is asked" in remote.next(type="error")["message"]
        assert house.made == []
        remote.send({"do": "say", "text": "x" * 5_000})
        assert remote.next(type="error")["message"]
        remote.send({"do": "confirm", "yes": True, "question": question})
        remote.next(type="event", kind="done")
        assert house.made == ["forgotten"]


def test_a_page_that_goes_away_holds_no_key(start: Callable[..., Server], runtime: Path) -> None:
    asked: list[str] = []

    def handle(request: Any) -> dict[str, Any]:
        asked.append(request["do"])
        return {"phase": "listening"}

    with ControlServer(handle):
        with Remote(start(has_assistant=True)) as remote:
            remote.next(type="state", running=True)
            remote.send({"do": "release"})  # nothing is held
            remote.send({"do": "push"})
            until(lambda: "push" in asked)
        until(lambda: "release" in asked)
    assert [verb for verb in asked if verb != "status"] == ["push", "release"]


def test_there_is_room_for_so_many_pages(start: Callable[..., Server], runtime: Path) -> None:
    server = start(has_assistant=True)
    with ExitStack() as stack:
        for _ in range(MAX_PAGES):
            stack.enter_context(Remote(server)).next(type="state")
        one_more = stack.enter_context(Remote(server))
        assert "too many" in one_more.next(type="error")["message"]
        assert one_more.close_code() == 1013


def test_without_unix_sockets_it_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def begin() -> None:
        monkeypatch.delattr(socket, "AF_UNIX")
        AssistantRemote()

    with pytest.raises(ServerError, match="no Unix sockets"):
        asyncio.run(begin())
