"""The page in a real browser, with real speech: everything between a person and the library."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.page.browser import Page
from tests.server.page.conftest import CLIP_TEXT, fill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z ]", " ", text.lower()).split())


def ask(page: Page, path: str) -> Any:
    with urllib.request.urlopen(f"{page.address}/api/{path}", timeout=30) as response:
        return json.load(response)


def test_what_is_said_into_the_page_is_read_there_and_kept(page: Page, tmp_path: Path) -> None:
    page.screenshot("empty", tmp_path)
    page.click(".record-button")
    partials = page.until(
        "const partial = document.querySelector('.speech-text .partial');"
        "return partial && partial.textContent.length > 4 ? partial.textContent : null"
    )
    assert plain(partials).startswith("it")
    page.until("return document.querySelectorAll('.speech-text .final').length > 0")
    levels = page.script("return earshot.recording.levels")
    assert max(levels) > 0.5
    page.screenshot("recording", tmp_path)
    page.until("return earshot.recording.numSamples > 16000 * 8")
    page.click(".stop-button")
    page.until("return location.hash.startsWith('#/s/')")
    page.find(".w")
    assert plain(page.text(".row-text")) == CLIP_TEXT
    assert plain(" ".join(page.texts("#live-region p"))).endswith("wisdom")
    [stored] = ask(page, "sessions")["sessions"]
    assert (stored["state"], stored["kind"]) == ("ready", "live")
    assert stored["title"].startswith("It was the best of times")
    assert stored["duration"] == pytest.approx(page.script("return earshot.view.session.duration"))
    assert stored["duration"] > 8
    page.screenshot("transcript", tmp_path)


def test_a_file_becomes_a_transcript_with_sound(page: Page, sample_path: Path, tmp_path: Path) -> None:
    page.find(".file-button")
    page.script("return document.querySelector('input[type=file]')").send_keys(str(sample_path))
    page.until("return location.hash.startsWith('#/s/')")
    page.until("return earshot.view?.session?.state === 'ready' && document.querySelector('.w')", 90)
    assert plain(page.text(".row-text")).startswith(CLIP_TEXT)
    assert page.texts(".session-title") == ["two cities"]
    # A click on a word plays it: the time is the word's, and the word is lit.
    target = page.until("return earshot.view.rows.startOf(2, 5)")
    page.word(2, 5).click()
    page.until("return earshot.view.player.isPlaying")
    assert page.script("return earshot.view.player.audio.currentTime") == pytest.approx(target, abs=0.8)
    page.until("return document.querySelectorAll('.w.lit').length === 1")
    first = page.text(".w.lit")
    page.until("return document.querySelector('.w.lit')?.textContent !== arguments[0]", 10, first)
    page.script("earshot.view.player.audio.pause()")
    # The outline shows where speech is.
    peaks = page.until("return earshot.view.player.wave.peaks?.high.length")
    assert peaks > 1000
    page.click("[aria-label=Spectrogram]")
    page.until(
        "return [...earshot.view.player.spectrum.tiles.values()].some((tile) => tile?.values.length > 0)"
    )
    page.button("Summary").click()
    page.until("return document.querySelectorAll('.pane-line').length === 5")
    page.screenshot("panes", tmp_path)


def test_the_keyboard_reaches_plays_and_corrects_words(page: Page, tmp_path: Path) -> None:
    fill(tmp_path, "the fort of a tail", "and more")
    page.open("#/s/s1")
    page.find(".w")
    page.script("document.querySelector('.text').focus()")
    page.keys("\ue014", "\ue014", "\ue014", "\ue014", "\ue014")  # right arrow: into the text, then on
    assert page.script("return document.activeElement.textContent") == "tail"
    page.keys("\ue007")  # Enter
    page.find(".editor")
    page.keys("tale", "\ue007")
    page.until("return !document.querySelector('.editor')")
    assert page.script("return document.activeElement.textContent") == "tale"
    assert page.script("return document.activeElement.className") == "w fixed"
    assert ask(page, "sessions/s1/segments")["segments"][0]["words"][4][0::5] == ["tail", "tale"]
    page.open("#/s/s1")
    assert page.word(0, 4).text == "tale"
    assert page.word(0, 4).get_attribute("title") == "Heard: tail"
    page.double_click(page.word(0, 4))
    page.button("Restore").click()
    page.until("return document.querySelector('[data-at=\"0.4\"]').textContent === 'tail'")


def test_two_tabs_that_correct_one_word_see_both_versions(page: Page, tmp_path: Path) -> None:
    fill(tmp_path, "a tail of two")
    first = page.open("#/s/s1")
    first.double_click(first.word(0, 1))
    second = first.another("#/s/s1")
    second.double_click(second.word(0, 1))
    second.keys("tale", "\ue007")
    second.until("return document.querySelector('[data-at=\"0.1\"]').textContent === 'tale'")
    first.show()
    first.keys("tile", "\ue007")
    first.find("dialog")
    assert first.texts("dialog b") == ["tale", "tile"]
    first.screenshot("conflict", tmp_path)
    first.button("Use mine").click()
    first.until("return !document.querySelector('dialog')")
    first.until("return document.querySelector('[data-at=\"0.1\"]').textContent === 'tile'")
    second.show()  # the other tab has been told
    second.until("return document.querySelector('[data-at=\"0.1\"]').textContent === 'tile'")
    history = ask(page, "sessions/s1/segments/0/words/1/history")["corrections"]
    assert [entry["text"] for entry in history] == ["tale", "tile"]


def test_search_leads_to_the_word(page: Page, tmp_path: Path) -> None:
    filler = [f"number {number} says nothing of note here" for number in range(60)]
    fill(tmp_path, *filler, "behind the lighthouse there is more", title="Coast")
    page.open("#/")
    page.find(".session")
    page.find("#search").send_keys("lightho")
    page.until("return document.querySelector('.sessions mark')?.textContent === 'lighthouse'")
    page.screenshot("search", tmp_path)
    page.click(".sessions a.session")
    found = page.find(".w.found")
    assert found.text == "lighthouse"
    box = page.script(
        "const {top, bottom} = document.querySelector('.w.found').getBoundingClientRect();"
        "return [top, innerHeight - bottom]"
    )
    assert min(box) > 0


def test_markup_in_names_and_words_is_only_text(page: Page, tmp_path: Path) -> None:
    evil = "<img src=x onerror=window.hit=1> <script>window.hit=1</script>"
    fill(tmp_path, f"before {evil} after", title=evil)
    page.open("#/s/s1")
    page.find(".w")
    page.find("#search").send_keys("onerror")
    page.until("return document.querySelector('.sessions mark')")
    assert evil in page.text(".row-text")
    assert page.script("return document.querySelector('.title').value") == evil
    assert page.script("return [window.hit ?? null, document.querySelectorAll('img').length]") == [None, 0]
    page.script(
        "const script = document.createElement('script'); script.textContent = 'window.hit = 1';"
        "document.body.append(script)"
    )
    assert page.script("return window.hit ?? null") is None
    [refusal] = page.errors()
    assert "Content Security Policy" in refusal


def test_what_is_dropped_and_is_no_recording_says_so(page: Page) -> None:
    page.find(".record-button")
    page.script(
        "const data = new DataTransfer();"
        "data.items.add(new File(['no sound at all'], '<i>evil.wav', { type: 'audio/wav' }));"
        "for (const type of ['dragenter', 'drop'])"
        "  document.body.dispatchEvent("
        "    new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }))"
    )
    page.until("return document.querySelector('.session .state')?.textContent === 'Failed'")
    assert page.texts(".session-title") == ["<i>evil"]
    assert page.script("return document.querySelectorAll('.sessions i').length") == 0
    page.until("return document.querySelector('.notice')?.textContent.includes('Transcribe again')")
    assert page.script("return document.getElementById('drop').hidden")


def test_a_title_a_speaker_and_an_export(page: Page, tmp_path: Path) -> None:
    fill(tmp_path, "hello there", "good evening")
    page.open("#/s/s1")
    page.find(".w")
    page.script(
        "const t = document.querySelector('.title'); t.value = 'Evening'; t.dispatchEvent(new Event('change'))"
    )
    page.until("return document.querySelector('.session-title')?.textContent === 'Evening'")
    page.word(0, 1).click()
    page.keys("s")
    page.find("dialog input").send_keys("Ada")
    page.button("From here on").click()
    page.until("return document.querySelector('.row-speaker')?.textContent === 'Ada'")
    page.button("Export").click()
    page.find(".menu-item[data-format=srt]").click()
    link = page.script("return document.querySelector('[data-format=srt]').href")
    with urllib.request.urlopen(link, timeout=10) as response:
        assert 'filename="Evening.srt"' in response.headers["Content-Disposition"]
        assert "Ada" in response.read().decode()


def test_a_session_is_deleted_with_its_sound(page: Page, sample_path: Path, tmp_path: Path) -> None:
    page.script("return document.querySelector('input[type=file]')").send_keys(str(sample_path))
    page.until("return earshot.view?.session?.state === 'ready'", 90)
    assert list(tmp_path.glob("recordings/*/recording.wav"))
    page.click("[aria-label=More]")
    page.button("Delete…").click()
    page.button("Delete").click()
    page.until("return earshot.isHome && document.querySelector('.nothing')")
    assert not list(tmp_path.glob("recordings/*"))
    assert ask(page, "sessions")["sessions"] == []


def test_a_broken_connection_loses_nothing(page: Page) -> None:
    page.click(".record-button")
    page.until("return earshot.recording?.numSamples > 16000 * 1.6")
    page.script("earshot.recording.connection.socket.close()")
    page.until("return earshot.recording.status === 'away'")
    time.sleep(0.7)
    page.until("return earshot.recording.status === 'recording'")
    page.until("return earshot.recording.numSamples > 16000 * 4")
    page.script("earshot.recording.connection.socket.close()")
    page.until("return earshot.recording.numSamples > 16000 * 8.2")
    page.click(".stop-button")
    page.until("return location.hash.startsWith('#/s/')")
    page.find(".w")
    assert plain(page.text(".row-text")) == CLIP_TEXT
    [stored] = ask(page, "sessions")["sessions"]
    assert stored["duration"] > 8


def test_with_a_token_the_page_works_and_its_address_does_not_keep_it(
    driver: Any, start: Callable[..., Any], tmp_path: Path
) -> None:
    fill(tmp_path, "behind a token")
    token = "a-token-of-some-length"
    page = Page(driver, start(token=token).address)
    driver.get(f"{page.address}/")
    assert "token" in page.text("body")
    assert page.script("return globalThis.earshot === undefined")
    driver.get(f"{page.address}/?token={token}")
    page.click(".session")
    page.find(".w")
    page.until("return document.querySelector('.row-text').textContent.trim() === 'behind a token'")
    assert token not in page.script("return location.href")
    page.driver.execute_async_script(
        "const done = arguments[0];"
        "fetch('/api/sessions/s1', {method: 'PATCH', headers: {'Content-Type': 'application/json'},"
        ' body: \'{"title": "Told"}\'}).then(done)'
    )
    page.until("return document.querySelector('.session-title').textContent === 'Told'")  # by the feed's socket
    page.errors()


def test_light_dark_and_narrow(page: Page, tmp_path: Path) -> None:
    fill(tmp_path, *(["some words of a longer talk about very little"] * 30))
    page.open("#/s/s1")
    page.find(".w")
    colours = []
    for _ in range(3):
        page.click("#theme")
        colours.append(page.script("return getComputedStyle(document.body).backgroundColor"))
    assert len(set(colours)) == 2
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for place in ("#/s/s1", "#/"):
            page.open(place)
            page.find(".w" if place != "#/" else ".record-button")
            page.screenshot(f"narrow{len(place)}", tmp_path)
            assert page.script("return document.documentElement.scrollWidth") <= 390
    finally:
        metrics |= {"width": 1280, "height": 900, "mobile": False}
        page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def test_every_control_has_a_name_and_the_focus_is_seen(page: Page, tmp_path: Path) -> None:
    fill(tmp_path, "a few words")
    for place in ("#/", "#/s/s1"):
        page.open(place)
        page.find(".session")
        page.until("return !document.querySelector('[aria-busy]')")
        nameless = page.script(
            "return [...document.querySelectorAll('button, a, input, select, [role=slider], [role=meter]')]"
            ".filter((one) => one.getClientRects().length && !(one.getAttribute('aria-label')"
            " || one.textContent.trim() || one.labels?.length)).map((one) => one.outerHTML)"
        )
        assert nameless == []
        page.script("document.activeElement?.blur()")
        seen = []
        for _ in range(6):
            page.keys("\ue004")  # Tab
            seen.append(page.script("return getComputedStyle(document.activeElement).outlineStyle"))
        assert set(seen) == {"solid"}
