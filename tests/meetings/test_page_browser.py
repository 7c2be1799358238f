"""The page in a real browser, opened as the file that it is, with the network cut off by its own policy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earshot.core.types import SAMPLE_RATE
from earshot.meetings import Meeting, write_meeting
from earshot.text.formats import read_transcript
from tests.cli.command import read_aloud
from tests.meetings.examples import meeting
from tests.meetings.test_documents import HOSTILE, hostile_meeting
from tests.server.page.browser import Page, browser, require_browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def driver(folder: Path) -> Iterator[Any]:
    require_browser()
    with browser(folder) as started:
        yield started


@pytest.fixture(scope="module")
def recording(folder: Path) -> Path:
    path = folder / "talk.wav"
    soundfile.write(path, np.tile(read_aloud(), 2)[: 80 * SAMPLE_RATE], SAMPLE_RATE)
    return path


class MinutesPage(Page):
    """One page of minutes in the browser."""

    def open_file(self, path: Path) -> MinutesPage:
        self.driver.get(path.as_uri())
        self.until("return document.readyState === 'complete'")
        return self

    @property
    def time(self) -> float:
        return float(self.script("return document.querySelector('#sound').currentTime"))

    @property
    def is_playing(self) -> bool:
        return bool(self.script("return !document.querySelector('#sound').paused"))

    def click_word(self, index: int) -> None:
        word = self.script("return document.querySelectorAll('.words span')[arguments[0]]", index)
        self.script("arguments[0].scrollIntoView({ block: 'center' })", word)
        word.click()

    def start_of(self, index: int) -> float:
        code = "return JSON.parse(document.querySelector('#data').textContent).words[arguments[0]][0]"
        return float(self.script(code, index))


Opener = Callable[..., MinutesPage]


@pytest.fixture
def show(driver: Any, tmp_path: Path, recording: Path) -> Iterator[Opener]:
    """Opens the page of a meeting; afterwards, nothing may have gone wrong in the browser."""
    shown: list[MinutesPage] = []

    def opened(made: Meeting | None = None, *, has_sound: bool = True, **options: Any) -> MinutesPage:
        sound = [(recording, None)] if has_sound else None
        path, *_ = write_meeting(made or meeting(), tmp_path, ["html"], sound=sound, **options)
        shown.append(MinutesPage(driver, path.as_uri()).open_file(path))
        return shown[-1]

    yield opened
    errors = [error for page in shown for error in page.errors()]
    driver.execute_script("localStorage.clear()")
    assert errors == []


def test_a_click_on_a_word_plays_it_and_lights_the_word_that_is_heard(show: Opener) -> None:
    page = show()
    page.click_word(60)
    page.until(lambda: page.is_playing and page.time >= page.start_of(60) - 0.1)
    first = page.until("return document.querySelector('.lit')?.textContent")
    page.until(
        "return document.querySelectorAll('.lit').length === 1 &&"
        " document.querySelector('.lit').textContent !== arguments[0]",
        30,
        first,
    )
    page.script("document.querySelector('.play').click()")
    page.until(lambda: not page.is_playing)
    lit = "return [...document.querySelectorAll('.words span')].indexOf(document.querySelector('.lit'))"
    # The word that is lit is the last one that has begun.
    page.until(
        lambda: (
            page.start_of(page.script(lit)) - 0.05 <= page.time <= page.start_of(page.script(lit) + 1) + 0.05
        )
    )
    assert page.script(lit) > 60
    assert page.script("return document.querySelector('.lit').getAttribute('aria-current')") == "true"


def test_the_sound_beside_the_page_is_found_and_can_be_sought(show: Opener, tmp_path: Path) -> None:
    page = show(max_embedded=1000)
    assert (tmp_path / "meeting.opus").is_file()
    page.until("return document.querySelector('#sound').readyState >= 1")
    assert page.script("return document.querySelector('#sound').duration") == pytest.approx(80, abs=0.1)
    page.click_word(100)
    page.until(lambda: page.is_playing and page.time > page.start_of(100) - 0.1)


def test_the_timeline_and_the_times_seek(show: Opener) -> None:
    page = show()
    page.until("return document.querySelector('#sound').readyState >= 1")
    svg = page.find(".drawn svg")
    svg.click()  # its middle
    half = page.script("return JSON.parse(document.querySelector('#data').textContent).duration") / 2
    page.until(lambda: page.time >= half - 1)
    page.script("document.querySelector('#sound').pause()")
    page.until(lambda: not page.is_playing)
    head = "return parseFloat(document.querySelector('.head').style.left)"
    page.until(lambda: page.script(head) == pytest.approx(50 * page.time / half, abs=1))
    page.script("document.querySelector('.turn:nth-of-type(3) .at').click()")
    page.until(lambda: 13 < page.time < half - 1)


def test_search_finds_across_words_and_steps_through(show: Opener) -> None:
    from selenium.webdriver.common.keys import Keys

    page = show()
    box = page.find("#search")
    page.keys("/")
    assert page.script("return document.activeElement.id") == "search"
    box.send_keys("the RUDDER")
    page.until("return document.querySelector('.found').textContent === '1 of 1'")
    assert page.texts(".hit") == ["The", "rudder"]
    box.send_keys(Keys.ESCAPE)
    assert page.texts(".hit") == []
    box.click()
    box.send_keys("the")
    page.until("return /^1 of \\d+$/.test(document.querySelector('.found').textContent)")
    box.send_keys(Keys.ENTER)
    page.until("return document.querySelector('.found').textContent.startsWith('2 of')")
    assert len(page.texts(".hit.now")) == 1
    box.send_keys(Keys.SHIFT, Keys.ENTER)
    page.until("return document.querySelector('.found').textContent.startsWith('1 of')")
    box.clear()
    box.send_keys("xyzzy")
    page.until("return document.querySelector('.found').textContent === 'not found'")


def test_a_speaker_is_renamed_everywhere_and_for_good(show: Opener, folder: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page = show()
    name = "Dr. <b>Maria</b> Ölçer"
    page.click('[data-rename="3"]')
    page.find(".people input").send_keys(name, Keys.ENTER)  # the old name is selected
    page.until("return !document.querySelector('.people input')")
    shown = page.texts('.who[data-person="3"]')
    assert set(shown) == {name}
    assert len(shown) >= 4  # list, lane, turns
    assert page.script("return document.querySelectorAll('.people b').length") == 0
    page.driver.refresh()
    page.until("return document.readyState === 'complete'")
    assert set(page.texts('.who[data-person="3"]')) == {name}
    page.find("#download").click()
    path = folder / "meeting.json"
    deadline = time.monotonic() + 30
    while not path.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    transcript = read_transcript(path)
    assert name in {segment.speaker for segment in transcript.segments}
    assert "Speaker 4" not in path.read_text(encoding="utf-8").replace('"label": "Speaker 4"', "")
    assert transcript.segments[0] == meeting().transcript.segments[0]
    path.unlink()
    # Esc leaves a name as it is, and the old name puts all back.
    page.click('[data-rename="0"]')
    page.find(".people input").send_keys("Nobody", Keys.ESCAPE)
    assert page.text('.who[data-person="0"]') == "Anna"


def test_an_item_that_is_done_stays_done(show: Opener) -> None:
    page = show()
    page.script("document.querySelector('[data-item=\"1\"]').click()")
    page.driver.refresh()
    page.until("return document.readyState === 'complete'")
    assert page.script("return document.querySelectorAll('.actions .is-done').length") == 1
    assert page.script("return document.querySelector('[data-item=\"1\"]').checked")


def test_everything_works_by_keyboard(show: Opener) -> None:
    from selenium.webdriver.common.keys import Keys

    page = show()
    page.keys(" ")
    page.until(lambda: page.is_playing)
    page.keys("k")
    page.until(lambda: not page.is_playing)
    before = page.time
    page.keys("l")
    page.until(lambda: page.time == pytest.approx(before + 5, abs=0.2))
    page.keys("j")
    page.until(lambda: page.time == pytest.approx(before, abs=0.2))
    page.script("document.querySelector('.words span').focus()")
    page.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.script("return document.activeElement.textContent") == "everybody."
    page.keys(Keys.ARROW_DOWN)
    assert page.script("return document.activeElement.textContent") == "The"
    page.keys(Keys.ENTER)
    page.until(lambda: page.is_playing and page.time >= page.start_of(15) - 0.1)
    page.keys("k")
    tabs = page.script("return document.querySelectorAll('.words span[tabindex]').length")
    assert tabs == 1  # a thousand words are one stop
    page.script("document.activeElement.blur()")
    page.keys("?")
    page.until("return document.querySelector('#help').open")
    page.keys(Keys.ESCAPE)
    page.until("return !document.querySelector('#help').open")
    unnamed = page.script(
        "return [...document.querySelectorAll('button, input, select')].filter((one) =>"
        " !one.textContent.trim() && !one.getAttribute('aria-label') && !one.closest('label')).length"
    )
    assert unnamed == 0


def test_hostile_names_and_words_run_nothing(show: Opener) -> None:
    page = show(hostile_meeting())
    texts = page.texts(".people .who")
    assert texts[:4] == list(HOSTILE[:4])
    assert page.script("return document.images.length") == 0
    assert page.script("return document.scripts.length") == 2
    title = page.script("return document.title")
    assert title == " ".join(HOSTILE[1].split())


def test_its_policy_holds_even_where_something_slips_in(driver: Any, show: Opener) -> None:
    page = show()
    blocked = page.driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "const seen = [];"
        "document.addEventListener('securitypolicyviolation', (event) => seen.push(event.effectiveDirective));"
        "document.querySelector('main').insertAdjacentHTML('beforeend',"
        ' \'<img src="https://example.org/x.png" onerror="window.hacked = 1"><p style="color: red">x</p>\');'
        "fetch('https://example.org/').catch(() => {});"
        "setTimeout(() => done([seen.sort(), window.hacked === undefined]), 1500);"
    )
    directives, is_safe = blocked
    assert is_safe
    assert {"img-src", "connect-src", "script-src-attr", "style-src-attr"} <= set(directives)
    page.errors()  # the browser's own notes of what it blocked


def test_a_page_without_sound_is_a_page_to_read(show: Opener) -> None:
    page = show(has_sound=False)
    assert page.script("return document.querySelector('#sound')") is None
    page.click_word(5)
    page.find("#search").send_keys("rudder")
    page.until("return document.querySelector('.found').textContent === '1 of 1'")


def test_a_sound_that_is_gone_is_told(show: Opener, tmp_path: Path) -> None:
    page = show(max_embedded=1000)
    (tmp_path / "meeting.opus").unlink()
    page.driver.refresh()
    page.until("return !document.querySelector('#sound-note').hidden")
    assert "missing" in page.text("#sound-note")
    page.errors()


def test_a_long_meeting_of_many_stays_quick(show: Opener) -> None:
    dialogue = [(f"Person {number % 20}", "we talk and talk and talk again " * 6) for number in range(400)]
    page = show(meeting(dialogue, pace=0.3))
    assert page.script("return document.querySelectorAll('.words span').length") == 400 * 42
    page.find("#search").send_keys("talk again")
    page.until("return /of 2400$/.test(document.querySelector('.found').textContent)", 60)
    page.click_word(9000)
    page.until("return document.querySelector('.lit')")


def test_it_prints_without_its_tools(show: Opener) -> None:
    page = show()
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        hidden = page.script(
            "return ['.tools', '.controls', '.rename'].map((one) =>"
            " document.querySelector(one).getClientRects().length)"
        )
        assert hidden == [0, 0, 0]
        printed = page.driver.execute_cdp_cmd("Page.printToPDF", {})
        assert len(printed["data"]) > 10_000
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_without_its_script_it_still_shows_and_plays(driver: Any, tmp_path: Path, recording: Path) -> None:
    path, *_ = write_meeting(meeting(), tmp_path, ["html"], sound=[(recording, None)])
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(path.as_uri())
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "rudder is worse" in driver.execute_script("return document.body.innerText")
    assert driver.execute_script("return document.querySelector('#sound').controls")
    tools = driver.execute_script("return document.querySelector('.tools').getClientRects().length")
    assert tools == 0


@pytest.mark.parametrize(("name", "size", "is_dark"), [
    ("meeting", (1280, 900), False), ("meeting-dark", (1280, 900), True), ("meeting-phone", (400, 860), False),
])  # fmt: skip
def test_it_fits_every_screen(
    folder: Path, tmp_path: Path, recording: Path, name: str, size: tuple[int, int], is_dark: bool
) -> None:
    require_browser()
    made = replace(meeting(), warnings=())
    path, *_ = write_meeting(made, tmp_path, ["html"], sound=[(recording, None)])
    with browser(tmp_path, size=size, is_dark=is_dark) as driver:
        page = MinutesPage(driver, path.as_uri()).open_file(path)
        page.until("return document.querySelector('#sound').readyState >= 1")
        page.click_word(41)
        page.until("return document.querySelector('.lit')")
        page.script("document.querySelector('#sound').pause(); scrollTo(0, 0)")
        page.screenshot(name, tmp_path)
        overflow = page.script("return document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0
        paper = page.script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(json.loads(paper.replace("rgb(", "[").replace(")", "]"))) < 200) == is_dark
