"""The recorder in JupyterLab in a browser, with real speech: everything between the microphone and the text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from earshot.audio.decode import read_audio
from earshot.core.types import Audio
from earshot.text.normalise import normalise
from tests.live.virtual_microphone import VirtualMicrophone, start_virtual_microphone
from tests.notebook.conftest import CLIP_TEXT, SPEECH_END, Lab
from tests.notebook.lab import browser, jupyter_lab, private_environment, require_lab, write_clip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

CELL = "from earshot.notebook import Recorder\nrecorder = Recorder()\nrecorder"
THREADS = "import threading; answer = [t.name for t in threading.enumerate() if t.name.startswith('earshot')]"
TRANSCRIPT = "answer = [segment.text for segment in recorder.transcript.segments]"

# Keeps the tracks of all microphones that the page opens, and when.
SPY = """
const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
window.tracks = [];
media.getUserMedia = async (wish) => {
  const stream = await open(wish);
  window.openedAt = performance.now();
  window.tracks.push(...stream.getTracks());
  return stream;
};
window.finalTimes = [];
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) for (const node of addedNodes)
    if (node.matches?.('.earshot-finals > p')) window.finalTimes.push(performance.now());
}).observe(document.body, { childList: true, subtree: true });
"""
LIVE = "return window.tracks.filter((track) => track.readyState === 'live').length"


def words(lines: list[str]) -> str:
    return normalise(" ".join(lines))


def test_what_is_said_to_the_browser_is_written_down_on_both_sides(lab: Lab, driver: Any) -> None:
    page = lab.open(driver, "record", CELL)
    page.run_all()
    page.wait_for_recorder()
    page.script(SPY)
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
    page.click(".earshot-stop")
    page.wait_for_recorder()
    assert words(page.lines()) == CLIP_TEXT
    assert page.kernel(TRANSCRIPT) == page.lines()
    assert page.script(LIVE) == 0
    delay = page.script("return (window.finalTimes[0] - window.openedAt) / 1000") - SPEECH_END
    times = page.kernel("import os; answer = [os.times().user, recorder.audio.duration]")
    print(
        f"end of speech to text in the page: {delay:.2f} s; kernel {times[0]:.1f} s CPU, {times[1]:.1f} s sound"
    )
    duration, starts = page.kernel(
        "words = recorder.transcript.words\n"
        "answer = [recorder.transcript.duration, [word.start for word in words]]"
    )
    assert duration == pytest.approx(times[1])
    assert starts == sorted(starts)
    assert page.kernel(THREADS) == []
    assert page.errors() == []


@pytest.fixture
def no_subshells(lab: Lab) -> Iterator[None]:
    """As in older JupyterLabs and elsewhere: the kernel takes no message while a cell runs."""
    settings = lab.folder / "settings" / "@jupyterlab" / "apputils-extension"
    path = settings / "kernels-settings.jupyterlab-settings"
    path.write_text('{"commsOverSubshells": "disabled"}')
    yield
    path.unlink()


@pytest.mark.usefixtures("no_subshells")
def test_nothing_is_lost_while_the_kernel_computes(lab: Lab, driver: Any) -> None:
    page = lab.open(driver, "busy", CELL, "import time; time.sleep(9)")
    page.run_cell(0)
    page.wait_for_recorder()
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-recorder').dataset.status === 'recording'")
    page.run_cell(1)
    page.until("return document.querySelector('.earshot-status').textContent.includes('kernel is busy')", 30)
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
    page.click(".earshot-stop")
    page.wait_for_recorder()
    assert words(page.lines()) == CLIP_TEXT
    assert page.kernel("answer = recorder.audio.duration") > 8
    assert page.errors() == []


def test_recognition_goes_on_while_a_cell_runs(lab: Lab, driver: Any) -> None:
    page = lab.open(driver, "subshell", CELL, "import time; time.sleep(30)")
    if not page.kernel("import ipykernel; answer = ipykernel.version_info[0] >= 7"):
        pytest.skip("no subshells: pip install 'ipykernel>=7'")
    page.run_cell(0)
    page.wait_for_recorder()
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-recorder').dataset.status === 'recording'")
    page.run_cell(1)
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 29)
    assert page.script(
        "return document.querySelectorAll('.jp-Cell')[1].querySelector('.jp-InputPrompt').textContent"
    ).startswith("[*]")
    assert words(page.lines()) == CLIP_TEXT


def test_a_question_for_the_microphone_can_be_taken_back(lab: Lab, driver: Any) -> None:
    page = lab.open(driver, "asking", CELL)
    page.run_all()
    page.wait_for_recorder()
    page.script(
        "const media = navigator.mediaDevices, open = media.getUserMedia.bind(media); window.tracks = [];"
        "media.getUserMedia = async (wish) => {"
        "  await new Promise((resolve) => setTimeout(resolve, 2000));"
        "  const stream = await open(wish); window.tracks.push(...stream.getTracks()); return stream; };"
    )
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-recorder').dataset.status === 'asking'")
    page.click(".earshot-stop")
    page.wait_for_recorder()
    page.until("return window.tracks.length === 1", 20)
    page.until("return window.tracks[0].readyState === 'ended'", 20)
    assert page.status() == "idle"
    assert page.said() == "Ready."
    assert page.kernel("answer = recorder.audio_paths") == []
    assert page.errors() == []


def test_running_the_cell_again_ends_the_old_recording(lab: Lab, driver: Any) -> None:
    page = lab.open(driver, "again", "old = globals().get('recorder')\n" + CELL)
    page.run_all()
    page.wait_for_recorder()
    page.script(SPY)
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-recorder').dataset.status === 'recording'")
    time.sleep(1)
    page.run_all()
    page.wait_for_recorder()
    page.until("return window.tracks.length === 1 && window.tracks[0].readyState === 'ended'", 20)
    assert page.kernel("answer = old.wait(20)")
    assert page.kernel("answer = [old.status, old.audio.duration > 0.5]") == ["idle", True]
    assert page.kernel(THREADS) == []
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
    page.click(".earshot-stop")
    page.wait_for_recorder()
    assert words(page.lines()) == CLIP_TEXT
    assert page.errors() == []


def test_close_in_python_switches_the_microphone_off(lab: Lab, driver: Any) -> None:
    page = lab.open(driver, "close", CELL)
    page.run_all()
    page.wait_for_recorder()
    page.script(SPY)
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-recorder').dataset.status === 'recording'")
    time.sleep(1)
    assert page.kernel("recorder.close(); recorder.close(); answer = recorder.audio.duration") > 0.5
    page.until("return document.querySelector('.earshot-recorder') === null", 20)
    page.until("return window.tracks[0].readyState === 'ended'", 20)
    assert page.kernel(THREADS) == []
    assert page.errors() == []


def test_start_and_stop_in_python(lab: Lab, driver: Any) -> None:
    page = lab.open(driver, "python", CELL)
    page.run_all()
    page.wait_for_recorder()
    page.kernel("heard = []; recorder.on_final(heard.append); recorder.start(); answer = 0")
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
    page.kernel("recorder.stop(); answer = 0")
    page.wait_for_recorder()
    assert words(page.kernel("answer = [segment.text for segment in heard]")) == CLIP_TEXT


def test_after_a_restart_of_the_kernel_the_microphone_is_off_and_the_text_still_there(
    lab: Lab, driver: Any
) -> None:
    page = lab.open(driver, "restart", CELL)
    page.run_all()
    page.wait_for_recorder()
    page.script(SPY)
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
    page.script(
        "window.restarted = false; window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
        ".then(() => { window.restarted = true; })"
    )
    page.until("return window.restarted", 60)
    page.until("return document.querySelector('.earshot-recorder').dataset.status === 'lost'", 60)
    page.until("return window.tracks[0].readyState === 'ended'", 20)
    assert words(page.lines()) == CLIP_TEXT
    assert "Run the cell" in page.said()
    page.run_all()
    page.wait_for_recorder()
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
    page.click(".earshot-stop")
    page.wait_for_recorder()
    assert words(page.lines()) == CLIP_TEXT


def test_a_page_that_is_loaded_again_finds_its_text(lab: Lab, driver: Any) -> None:
    page = lab.open(driver, "reload", CELL)
    page.run_all()
    page.wait_for_recorder()
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
    page.command("docmanager:save")
    time.sleep(1)
    driver.refresh()
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
    page.wait_for_recorder()
    assert words(page.lines()) == CLIP_TEXT


def test_a_stream_in_which_nothing_comes_is_opened_again(lab: Lab, driver: Any) -> None:
    page = lab.open(driver, "unheard", CELL)
    page.run_all()
    page.wait_for_recorder()
    page.script(
        "const open = AudioContext.prototype.createMediaStreamSource;"
        "AudioContext.prototype.createMediaStreamSource = function () {"
        "  AudioContext.prototype.createMediaStreamSource = open; return { connect() {} }; };"
    )
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
    page.click(".earshot-stop")
    page.wait_for_recorder()
    assert "worst of times" in words(page.lines())


def test_two_recorders_in_one_notebook(lab: Lab, driver: Any) -> None:
    page = lab.open(driver, "two", CELL, "other = Recorder()\nother")
    page.run_all()
    page.wait_for_recorder(2)
    for index in (0, 1):
        page.click(".earshot-record", index)
    for index in (0, 1):
        page.until(
            "return document.querySelectorAll('.earshot-finals')[arguments[0]].children.length > 0", 60, index
        )
        page.click(".earshot-stop", index)
    page.wait_for_recorder(2)
    # The later one hears the later part of the clip only where the first has opened the microphone.
    assert words(page.lines(0)) == CLIP_TEXT
    assert words(page.lines(1)).endswith("worst of times")
    assert page.kernel("answer = [segment.text for segment in other.transcript.segments]") == page.lines(1)


def test_downloads_are_what_the_kernel_wrote(lab: Lab, driver: Any, tmp_path: Path) -> None:
    driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page = lab.open(driver, "download", CELL)
    page.run_all()
    page.wait_for_recorder()
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
    page.click(".earshot-stop")
    page.wait_for_recorder()
    page.script(
        "const list = document.querySelector('select[aria-label=\"File format\"]'); list.value = 'vtt';"
        "const buttons = [...document.querySelectorAll('.earshot-actions button')];"
        "buttons.find((button) => button.textContent === 'Download').click()"
    )
    deadline = time.monotonic() + 20
    while not (found := list(tmp_path.glob("*.vtt"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    text = found[0].read_text()
    assert text.startswith("WEBVTT")
    assert page.lines()[0].split()[0] in text


def refusal(page: Any) -> str:
    page.run_all()
    page.wait_for_recorder()
    page.click(".earshot-record")
    page.until("return document.querySelector('.earshot-status').dataset.kind === 'error'", 30)
    assert page.status() == "idle"
    return page.said()


def test_a_refused_microphone_is_explained(lab: Lab) -> None:
    denied = {"profile.default_content_setting_values.media_stream_mic": 2}
    with browser(lab.folder, arguments=("--use-fake-device-for-media-stream",), preferences=denied) as driver:
        assert "Allow it" in refusal(lab.open(driver, "denied", CELL))


def test_a_computer_without_microphone_is_explained(lab: Lab) -> None:
    with browser(lab.folder, arguments=("--use-fake-ui-for-media-stream",)) as driver:
        assert "finds no such microphone" in refusal(lab.open(driver, "none", CELL))


def test_an_insecure_page_is_explained(lab: Lab, clip: Path) -> None:
    with browser(lab.folder, sound=clip, arguments=("--host-resolver-rules=MAP lab.test 127.0.0.1",)) as driver:
        said = refusal(lab.open(driver, "insecure", CELL, host="lab.test"))
        assert "https or localhost" in said


@pytest.fixture
def sound_card(tmp_path: Path) -> Iterator[VirtualMicrophone]:
    yield from start_virtual_microphone(tmp_path)


def test_the_sound_card_of_the_kernel(tmp_path: Path, sample: Audio, sound_card: VirtualMicrophone) -> None:
    require_lab()
    write_clip(tmp_path / "clip.wav", Audio(sample.samples[: int(4.95 * 16_000)]), before=1.0, after=1.0)
    environment = private_environment(tmp_path, sound_card.environment)
    with jupyter_lab(tmp_path, environment) as address, browser(tmp_path) as driver:
        lab = Lab(tmp_path, address)
        page = lab.open(driver, "card", CELL.replace("Recorder()", "Recorder(microphone='pulse')"))
        page.run_all()
        page.wait_for_recorder()
        page.until("return document.querySelector('optgroup:nth-of-type(2) option') !== null", 30)
        page.click(".earshot-record")
        page.until("return document.querySelector('.earshot-recorder').dataset.status === 'recording'")
        sound_card.play(tmp_path / "clip.wav")
        page.until("return document.querySelector('.earshot-finals .earshot-text') !== null", 60)
        page.click(".earshot-stop")
        page.wait_for_recorder()
        assert words(page.lines()) == CLIP_TEXT
        assert page.kernel(TRANSCRIPT) == page.lines()
        assert page.kernel(THREADS) == []
        card = read_audio(Path(page.kernel("answer = str(recorder.audio_paths[0])")))
        assert card.duration > 6
