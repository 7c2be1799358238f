from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earshot.audio.journal import to_pcm
from earshot.core.errors import EarshotError, EngineError
from earshot.core.types import SAMPLE_RATE, Samples, Segment
from earshot.engines.scripted import ScriptedRecognizer
from earshot.notebook import desk as desk_module
from earshot.notebook.desk import Desk
from earshot.transcription import TranscriptionOptions
from tests.live.virtual_microphone import wait_for

WORDS = "one two three four five six seven eight nine"


AS_SAID = TranscriptionOptions(punctuation=False)


class FakePage:
    """A page as the kernel sees it: sends what recorder.js sends, and keeps what it is told."""

    def __init__(self, client: str = "c1") -> None:
        self.client = client
        self.told: list[dict[str, Any]] = []
        self.desk: Desk | None = None
        self.sequence = 0

    def hear(self, message: dict[str, Any]) -> None:
        json.dumps(message, allow_nan=False)  # what cannot be sent shall not pass here
        self.told.append(message)

    def send(self, kind: str, buffers: list[Any] | None = None, **fields: Any) -> None:
        assert self.desk is not None
        self.desk.receive({"type": kind, **fields}, buffers or [])

    def hello(self) -> None:
        self.send("hello", client=self.client)

    def begin(self, recording: str = "r1") -> None:
        self.sequence = 0
        self.send("begin", client=self.client, source="browser", recording=recording, label="Yeti")

    def speak(self, seconds: float, recording: str = "r1", *, is_last: bool = False) -> None:
        samples = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
        self.batch(samples, recording, is_last=is_last)

    def batch(self, samples: Samples, recording: str = "r1", *, is_last: bool = False) -> None:
        fields = {"recording": recording, "sequence": self.sequence, "is_last": is_last}
        self.sequence += 1
        self.send("audio", [to_pcm(samples)], **fields)

    def last(self, kind: str) -> dict[str, Any]:
        return next(message for message in reversed(self.told) if message["type"] == kind)

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.told if message["type"] == kind]


Maker = Callable[..., tuple[Desk, FakePage]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Maker]:
    desks: list[Desk] = []

    def made(**settings: Any) -> tuple[Desk, FakePage]:
        page = FakePage()
        settings.setdefault("recognizer", ScriptedRecognizer(WORDS))
        options = settings.pop("options", AS_SAID)
        desk = Desk(options, page.hear, sessions=tmp_path / "sessions", **settings)
        page.desk = desk
        desks.append(desk)
        return desk, page

    yield made
    for desk in desks:
        desk.close()


_others: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def threads_of_others() -> None:
    """Recognizers that all tests of a process share have threads of their own."""
    _others.clear()
    _others.update(threading.enumerate())


def earshot_threads() -> list[str]:
    """Those that go on. One that looks for sound devices ends by itself, sometimes seconds later."""
    ours = {one for one in set(threading.enumerate()) - _others if one.name.startswith("earshot")}
    for thread in ours:
        if thread.name == "earshot-devices":
            thread.join(30)
    return [thread.name for thread in ours if thread.is_alive()]


def test_what_is_said_becomes_the_transcript_on_both_sides(make: Maker) -> None:
    desk, page = make()
    page.hello()
    page.begin()
    for _ in range(20):
        page.speak(0.2)
    page.speak(0.1, is_last=True)
    assert desk.wait(20)
    assert desk.status == "idle"
    assert desk.transcript.text == f"{WORDS} one"
    assert [message["segment"]["text"] for message in page.all("final")] == [WORDS, "one"]
    assert [message["index"] for message in page.all("final")] == [0, 1]
    assert page.all("partial")
    assert [message["expected"] for message in page.all("ack")] == list(range(1, 22))
    assert page.last("ended")["recording"] == "r1"
    assert page.last("status")["status"] == "idle"
    assert desk.transcript.duration == pytest.approx(4.1)


def test_the_sound_is_on_disk_to_the_last_sample(make: Maker) -> None:
    desk, page = make()
    page.begin()
    said = (np.random.default_rng(1).integers(-32768, 32768, 12_345) / 32768).astype(np.float32)
    for start in range(0, len(said), 1_000):
        page.batch(said[start : start + 1_000])
    page.batch(said[:0], is_last=True)
    assert desk.wait(20)
    audio = desk.notes.audio()
    assert audio.sample_rate == SAMPLE_RATE
    assert np.array_equal(audio.samples, said)
    assert [path.name for path in desk.notes.paths] == ["audio.wav"]


def test_recording_again_goes_on_with_the_transcript_and_its_times(make: Maker) -> None:
    desk, page = make()
    for recording in ("r1", "r2"):
        page.begin(recording)
        page.speak(4.0, recording, is_last=True)
        assert desk.wait(20)
    starts = [segment.start for segment in desk.transcript.segments]
    assert starts == pytest.approx([0, 3.6, 4.0, 7.6])
    words = desk.transcript.words
    assert all(earlier.start < later.start for earlier, later in itertools.pairwise(words))
    assert desk.transcript.duration == pytest.approx(8)
    assert desk.notes.audio().duration == pytest.approx(8)


def test_lost_and_repeated_batches_neither_tear_nor_double_the_sound(make: Maker) -> None:
    desk, page = make()
    page.begin()
    page.batch(np.full(10, 0.25, np.float32))
    page.sequence = 2
    page.batch(np.full(10, 0.75, np.float32))
    assert page.last("ack") == {"type": "ack", "recording": "r1", "expected": 1, "is_behind": True}
    for sequence, value in ((1, 0.5), (1, 0.5), (2, 0.75)):
        page.sequence = sequence
        page.batch(np.full(10, value, np.float32))
    page.batch(np.empty(0, np.float32), is_last=True)
    assert desk.wait(20)
    assert desk.notes.audio().samples.tolist() == [0.25] * 10 + [0.5] * 10 + [0.75] * 10


def test_nonsense_from_the_page_is_told_and_recording_goes_on(make: Maker) -> None:
    desk, page = make()
    page.begin()
    page.speak(2.0)
    page.send("audio", [b"\0"], recording="r1", sequence=1, is_last=False)
    assert "unexpected" in page.last("status")["message"]["text"]
    page.send("audio", [bytes(4_000_000)], recording="r1", sequence=1, is_last=False)
    page.send("teapot")
    assert desk.status in ("starting", "recording")
    page.speak(2.0, is_last=True)
    assert desk.wait(20)
    assert desk.transcript.text == f"{WORDS} one"


def test_sound_of_a_recording_that_has_ended_is_refused(make: Maker) -> None:
    desk, page = make()
    page.begin()
    page.speak(0.5, is_last=True)
    assert desk.wait(20)
    page.told.clear()
    page.speak(0.5)
    assert page.told == [{"type": "ended", "recording": "r1"}]
    assert desk.transcript.duration == pytest.approx(0.5)


def test_a_second_page_cannot_break_into_a_recording(make: Maker) -> None:
    desk, page = make()
    page.hello()
    page.begin()
    page.speak(1.0)
    assert page.desk is not None
    page.desk.receive(
        {"type": "begin", "client": "c2", "source": "browser", "recording": "r2", "label": "x"}, []
    )
    assert page.last("ended") == {"type": "ended", "recording": "r2"}
    assert page.last("snapshot")["recording"] == "r1"
    page.speak(3.0, is_last=True)
    assert desk.wait(20)
    assert desk.transcript.text == f"{WORDS} one"


def test_a_page_that_comes_later_is_told_everything(make: Maker) -> None:
    desk, page = make()
    page.hello()
    page.begin()
    page.speak(4.0)
    assert wait_for(lambda: desk.notes.segments, 20)
    desk.receive({"type": "hello", "client": "c2"}, [])
    seen = page.last("snapshot")
    assert [segment["text"] for segment in seen["finals"]] == [WORDS]
    assert seen["status"] == "recording"


def test_when_the_last_view_is_gone_recording_ends_and_the_text_stays(make: Maker) -> None:
    desk, page = make()
    page.hello()
    page.begin()
    page.speak(4.0)
    page.send("bye", client="c1")
    assert desk.wait(20)
    assert desk.transcript.text == f"{WORDS} one"
    assert earshot_threads() == []


def test_stop_in_python_lets_the_page_send_its_last_sound(make: Maker) -> None:
    desk, page = make()
    page.hello()
    page.begin()
    page.speak(2.0)
    desk.stop()
    assert page.last("stop") == {"type": "stop", "recording": "r1"}
    page.speak(2.0, is_last=True)
    assert desk.wait(20)
    assert desk.transcript.text == f"{WORDS} one"


def test_stop_in_python_does_not_wait_for_a_dead_page(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "_PAGE_PATIENCE", 0.1)
    desk, page = make()
    page.hello()
    page.begin()
    page.speak(4.0)
    desk.stop()
    assert desk.wait(20)
    assert desk.transcript.text == f"{WORDS} one"
    assert page.last("status")["message"] is None


def test_start_in_python_asks_the_page_that_came_last(make: Maker) -> None:
    desk, page = make()
    with pytest.raises(EngineError, match="no page"):
        desk.start()
    page.hello()
    desk.receive({"type": "hello", "client": "c2"}, [])
    desk.start()
    assert page.last("start") == {"type": "start", "client": "c2"}


def test_a_microphone_that_is_not_there_is_named(make: Maker) -> None:
    desk, page = make(microphone="no such microphone")
    with pytest.raises(EarshotError):
        desk.start()
    assert desk.status == "idle"
    page.hello()
    assert page.last("snapshot")["source"] == "browser:"


def test_a_page_that_asks_for_no_such_sound_card_is_told_so(make: Maker) -> None:
    desk, page = make()
    page.hello()
    page.send("begin", client="c1", source="kernel:9999")
    assert desk.wait(20)
    assert page.last("status")["status"] == "idle"
    assert page.last("status")["message"]["kind"] == "error"


def test_an_engine_that_does_not_load_ends_the_recording_in_plain_words(make: Maker) -> None:
    desk, page = make(recognizer=None, options=TranscriptionOptions(engine="moonshine", model="no-such-model"))
    page.hello()
    page.begin()
    page.speak(1.0)
    assert desk.wait(20)
    message = page.last("status")["message"]
    assert message["kind"] == "error"
    assert "no-such-model" in message["text"]
    assert page.last("ended")["recording"] == "r1"
    assert earshot_threads() == []


def test_functions_given_to_on_final_hear_each_utterance_and_may_fail(make: Maker) -> None:
    desk, page = make()
    heard: list[Segment] = []

    def fail(segment: Segment) -> None:
        raise ZeroDivisionError("oh")

    desk.callbacks += [fail, heard.append]
    page.begin()
    page.speak(4.0, is_last=True)
    assert desk.wait(20)
    assert [segment.text for segment in heard] == [WORDS, "one"]
    texts = [message["message"]["text"] for message in page.all("status") if message["message"]]
    assert any("ZeroDivisionError: oh" in text for text in texts)


@pytest.mark.parametrize(
    ("name", "begins"),
    [("txt", "one two"), ("srt", "1\n00:00:00,000 -->"), ("vtt", "WEBVTT"), ("json", "{")],
)
def test_the_transcript_as_a_file(make: Maker, name: str, begins: str) -> None:
    desk, page = make()
    page.begin()
    page.speak(4.0, is_last=True)
    assert desk.wait(20)
    page.send("export", client="c1", format=name)
    document = page.last("document")
    assert document["text"].startswith(begins)
    assert document["name"].endswith(f".{name}")
    assert document["client"] == "c1"


def test_a_format_that_is_none_is_refused(make: Maker) -> None:
    _, page = make()
    page.send("export", client="c1", format="exe")
    assert page.last("status")["message"]["kind"] == "error"
    assert page.all("document") == []


def test_clear_forgets_the_text_and_keeps_the_files(make: Maker) -> None:
    desk, page = make()
    page.begin()
    page.speak(4.0)
    page.send("clear")
    assert page.last("status")["message"]["kind"] == "error"
    page.speak(0.1, is_last=True)
    assert desk.wait(20)
    paths = desk.notes.paths
    page.send("clear")
    assert desk.transcript.segments == ()
    assert desk.notes.audio().duration == 0
    assert page.last("snapshot")["finals"] == []
    assert all(path.exists() for path in paths)


def test_engines_are_chosen_from_the_list_only(make: Maker) -> None:
    _, page = make(recognizer=None)
    page.hello()
    offered = [engine["value"] for engine in page.last("snapshot")["engines"]]
    assert "moonshine" in offered
    assert "scripted" not in offered
    page.send("choose", engine="pocketsphinx", language=None)
    assert page.last("snapshot")["engine"] == "pocketsphinx"
    page.send("choose", engine="moonshine:/etc", language=None)
    assert page.last("status")["message"]["kind"] == "error"
    page.hello()
    assert page.last("snapshot")["engine"] == "pocketsphinx"


def test_bare_text_gets_marks_unless_told_otherwise(make: Maker) -> None:
    desk, page = make(options=TranscriptionOptions())
    page.begin()
    page.speak(4.0, is_last=True)
    assert desk.wait(20)
    assert desk.transcript.text.startswith("One two three")


def test_the_summary_follows_what_is_said(make: Maker) -> None:
    said = (
        "The harbour master closed the northern gate. The storm sank two boats in the harbour. "
        "We had tea. The harbour stays closed until the storm ends."
    )
    desk, page = make(recognizer=ScriptedRecognizer(said, words_per_segment=8))
    page.hello()
    assert page.last("snapshot")["panes"]["summary"] == {
        "is_available": True,
        "is_open": False,
        "lines": [],
        "note": "",
    }
    page.begin()
    page.speak(4.0)
    page.send("pane", pane="summary", is_open=True, language=None)
    page.speak(8.0, is_last=True)
    assert desk.wait(20)
    assert wait_for(lambda: page.last("pane")["changes"]["lines"], 20)
    assert any("harbour" in line for line in page.last("pane")["changes"]["lines"])
    page.send("pane", pane="summary", is_open=False, language=None)
    assert page.last("pane")["changes"]["is_open"] is False


class Shouting:
    """A translator into capitals."""

    name, source, target = "shouting", "en", "en-x"

    def __init__(self) -> None:
        self.is_closed = False

    def translate(self, text: str) -> str:
        return text.upper()

    def close(self) -> None:
        self.is_closed = True

    def __enter__(self) -> Shouting:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def test_the_translation_follows_what_is_said_and_what_was_said_before(make: Maker) -> None:
    translator = Shouting()
    desk, page = make(translator=translator)
    page.hello()
    assert page.last("snapshot")["panes"]["translation"]["languages"] == ["en-x"]
    page.begin()
    for _ in range(20):
        page.speak(0.2)
    page.send("pane", pane="translation", is_open=True, language="en-x")
    page.speak(4.0, is_last=True)
    assert desk.wait(20)
    wanted = [segment.text.upper() for segment in desk.transcript.segments]
    assert len(wanted) == 3
    assert wait_for(lambda: page.last("pane")["changes"]["lines"] == wanted, 60)
    page.send("pane", pane="translation", is_open=False, language=None)
    assert wait_for(lambda: earshot_threads() == [], 20)
    assert not translator.is_closed


def test_two_recorders_do_not_hear_each_other(make: Maker) -> None:
    first, page_1 = make()
    second, page_2 = make(recognizer=ScriptedRecognizer("eins zwei drei"))
    page_1.begin("a1")
    page_2.begin("b1")
    for _ in range(10):
        page_1.speak(0.4, "a1")
        page_2.speak(0.4, "b1")
    page_1.speak(0, "a1", is_last=True)
    page_2.speak(0, "b1", is_last=True)
    assert first.wait(20)
    assert second.wait(20)
    assert first.transcript.text == f"{WORDS} one"
    assert second.transcript.text == "eins zwei drei eins zwei drei eins zwei drei eins"


def test_closing_while_recording_leaves_nothing_behind(make: Maker) -> None:
    desk, page = make()
    page.hello()
    page.begin()
    page.speak(4.0)
    desk.close()
    assert desk.transcript.text == f"{WORDS} one"
    assert earshot_threads() == []
    page.told.clear()
    page.speak(1.0)
    page.hello()
    desk.close()
    assert page.told == []
    with pytest.raises(EngineError, match="closed"):
        desk.start()


def test_the_engine_stays_loaded_while_somebody_looks(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, page = make(
        recognizer=None, options=TranscriptionOptions(engine="scripted", model=WORDS, punctuation=False)
    )
    page.hello()
    for recording in ("r1", "r2"):
        page.begin(recording)
        page.speak(1.0, recording, is_last=True)
        assert desk.wait(20)
    loading = [m for m in page.all("status") if m["message"] and "Loading" in m["message"]["text"]]
    assert len(loading) == 1
    page.send("bye", client="c1")
    page.hello()
    page.begin("r3")
    page.speak(1.0, "r3", is_last=True)
    assert desk.wait(20)
    loading = [m for m in page.all("status") if m["message"] and "Loading" in m["message"]["text"]]
    assert len(loading) == 2
