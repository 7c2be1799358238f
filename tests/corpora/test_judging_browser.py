"""The page to judge in a real browser, opened as the file that it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earshot.corpora import read_manifest
from earshot.corpora.findings import Finding, Findings, read_findings
from earshot.corpora.judging_page import write_page
from tests.cli.command import earshot
from tests.corpora.sounds import write_tone
from tests.live.virtual_microphone import wait_for
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


def test_an_evaluation_is_heard_judged_saved_and_applied(tmp_path: Path) -> None:
    require_browser()
    texts = ["the quick brown fox", "не то", "the <b>slow</b> fox", "the quick brown fox"]
    rows = [
        {"audio": write_tone(tmp_path / f"{place}.wav", 1.7).name, "text": text, "speaker": "ab"[place % 2]}
        for place, text in enumerate(texts)
    ]
    rows.append({"audio": "gone.wav", "text": "nothing", "speaker": "a"})
    path = tmp_path / "all.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = tmp_path / "report.html"
    done = earshot(
        "evaluate", path, "--engine", "scripted", "--model", "the quick brown fox", "--report", report
    )
    assert done.status == 1, done  # one is gone
    for place in range(len(texts)):
        (tmp_path / f"{place}.wav").rename(tmp_path / f"{place}.moved")  # the page has its sound in it
    with browser(tmp_path) as driver:
        page = Page(driver, report.as_uri())
        driver.get(page.address)
        page.until("return document.querySelectorAll('article').length === 3")
        page.until("return [...document.querySelectorAll('audio')].every(one => one.duration > 1.6)")
        assert len(driver.find_elements("tag name", "audio")) == 2
        driver.execute_script("document.querySelector('audio').play()")
        page.until("return document.querySelector('audio').currentTime > 0.1")
        assert page.text(".failure").startswith("not recognized: there is no file")
        assert page.texts(".columns .insertion") == ["the", "quick", "quick"]
        assert page.text("table td") == "b"  # by speaker, the worst first
        page.screenshot("evaluation", tmp_path)
        cards = driver.find_elements("tag name", "article")
        by_text = {card.find_element("tag name", "textarea").get_attribute("value"): card for card in cards}
        by_text["nothing"].find_elements("tag name", "button")[2].click()
        card = by_text["the <b>slow</b> fox"]
        box = card.find_element("tag name", "textarea")
        box.clear()
        box.send_keys("the quick brown fox")
        by_text["не то"].find_elements("tag name", "button")[0].click()
        page.until("return document.getElementById('count').textContent === '3 of 3'")
        page.click("#save")
        saved = tmp_path / "verdicts.json"
        assert wait_for(saved.is_file)
        assert page.errors() == []
    assert {one.verdict for one in read_findings(saved).findings} == {"good", "corrected", "defective"}
    done = earshot("corpus", "mark", path, saved, "-o", tmp_path / "better.jsonl")
    assert done.status == 0, done
    better = read_manifest(tmp_path / "better.jsonl", checks_files=False)
    assert [one.text for one in better] == ["the quick brown fox", "не то", *["the quick brown fox"] * 2]
    version = json.loads((tmp_path / "better.version.json").read_text())
    assert version["parents"][0]["path"] == str(path)
