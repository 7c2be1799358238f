"""The page of mistakes in a real browser, opened as the file that it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from earshot.corpora.findings import Finding, Findings
from earshot.corpora.judging_page import write_page
from tests.corpora.sounds import write_tone
from tests.server.page.browser import Page, browser, require_browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_listening_and_judging(tmp_path: Path) -> None:
    require_browser()
    audio = write_tone(tmp_path / "clips" / "a#b c.wav", 3.0)
    found = [
        Finding(0, str(audio), 1.0, 1.0, "<script>document.title='hacked'</script>", "one", 1.0),
        Finding(1, str(audio), 0.0, None, "two", "too", 0.5, 0.9),
    ]
    write_page(Findings("all.jsonl", "1", "test", tuple(found)), tmp_path / "mined.html")
    with browser(tmp_path) as driver:
        page = Page(driver, (tmp_path / "mined.html").as_uri())
        driver.get(page.address)
        page.until("return document.querySelectorAll('article').length === 2")
        assert "hacked" not in driver.title
        driver.execute_script("document.querySelectorAll('audio').forEach(player => player.load())")
        driver.execute_script(
            "document.querySelectorAll('audio').forEach(player => { player.preload = 'auto'; })"
        )
        page.until("return [...document.querySelectorAll('audio')].every(player => player.duration > 2.9)")
        page.until("return Math.abs(document.querySelector('audio').currentTime - 1) < 0.1")
        driver.execute_script("document.querySelectorAll('article')[0].querySelectorAll('button')[2].click()")
        box = driver.find_elements("tag name", "textarea")[1]
        box.clear()
        box.send_keys("two two")
        page.until("return document.getElementById('count').textContent === '2 of 2'")
        verdicts = driver.execute_script("return data.findings.map(one => [one.verdict, one.corrected])")
        assert verdicts == [["defective", None], ["corrected", "two two"]]
