"""The widget and what surrounds it, without a browser."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earshot.core.errors import EngineError
from earshot.core.optional import is_installed
from earshot.engines.scripted import ScriptedRecognizer
from tests.notebook.test_desk import AS_SAID, earshot_threads, threads_of_others  # noqa: F401 - a fixture

if not is_installed("anywidget"):
    pytest.skip("no anywidget: pip install 'earshot[notebook]'", allow_module_level=True)

from earshot.notebook import Recorder


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(recognizer=ScriptedRecognizer("one two three"), options=AS_SAID, sessions=tmp_path)
    yield made
    made.close()


def page_says(recorder: Recorder, content: dict[str, Any], *buffers: bytes) -> None:
    """As ipywidgets hands it over."""
    data = {"method": "custom", "content": content}
    recorder.comm.handle_msg({"content": {"data": data}, "buffers": list(buffers)})


def record(recorder: Recorder, seconds: float = 2.0) -> None:
    page_says(recorder, {"type": "hello", "client": "c1"})
    page_says(recorder, {"type": "begin", "client": "c1", "source": "browser", "recording": "r1", "label": ""})
    header = {"type": "audio", "recording": "r1", "sequence": 0, "is_last": True}
    page_says(recorder, header, bytes(2 * int(16_000 * seconds)))
    assert recorder.wait(20)


def test_what_the_page_sends_is_there_in_python(recorder: Recorder) -> None:
    record(recorder)
    assert recorder.transcript.text == "one two three one two"
    assert recorder.transcript.engine == "scripted"
    assert recorder.audio.duration == pytest.approx(2.0)
    assert np.array_equal(recorder.audio.samples, np.zeros(32_000, np.float32))
    assert [path.exists() for path in recorder.audio_paths] == [True]
    assert recorder.status == "idle"


def test_a_saved_notebook_holds_the_text(recorder: Recorder) -> None:
    record(recorder)
    saved = recorder.get_state()["_saved"]
    assert " ".join(segment["text"] for segment in saved["finals"]) == "one two three one two"
    recorder.clear()
    assert recorder.get_state()["_saved"] == {}


def test_on_final_is_a_decorator(recorder: Recorder) -> None:
    heard = []

    @recorder.on_final
    def listen(segment: object) -> None:
        heard.append(segment)

    record(recorder)
    assert heard == list(recorder.transcript.segments)
    assert callable(listen)


def test_closing_twice_is_harmless_and_ends_everything(recorder: Recorder) -> None:
    record(recorder)
    recorder.close()
    recorder.close()
    assert recorder.comm is None
    assert recorder.transcript.text == "one two three one two"
    with pytest.raises(EngineError):
        recorder.start()
    assert earshot_threads() == []


def test_a_closed_recorder_is_forgotten(tmp_path: Path) -> None:
    recorder = Recorder(recognizer=ScriptedRecognizer(), sessions=tmp_path)
    record(recorder)
    reference = weakref.ref(recorder)
    recorder.close()
    del recorder
    gc.collect()
    assert reference() is None


def test_the_interpreter_ends_in_the_middle_of_a_recording(tmp_path: Path) -> None:
    code = f"""
    from earshot.notebook import Recorder
    recorder = Recorder("scripted", sessions={str(tmp_path)!r})
    def says(content, *buffers):
        data = {{"method": "custom", "content": content}}
        recorder.comm.handle_msg({{"content": {{"data": data}}, "buffers": buffers}})
    says({{"type": "begin", "client": "c", "source": "browser", "recording": "r", "label": ""}})
    says({{"type": "audio", "recording": "r", "sequence": 0, "is_last": False}}, bytes(64_000))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = tmp_path.iterdir()
    assert (folder / "audio.wav").stat().st_size == 44 + 64_000


def test_importing_the_room_loads_no_widget_library() -> None:
    heavy = {"anywidget", "ipywidgets", "IPython", "matplotlib", "torch"}
    code = f"import sys, earshot.notebook; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_without_the_extra_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import earshot.notebook

    monkeypatch.delitem(vars(earshot.notebook), "Recorder", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r"pip install 'earshot\[notebook\]'"):
        _ = earshot.notebook.Recorder
