from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earshot.core.errors import AudioError
from earshot.core.optional import is_installed
from earshot.core.types import Audio, Segment, Transcript
from earshot.engines.scripted import ScriptedRecognizer
from earshot.notebook import show
from earshot.transcription import Transcriber


def tone(seconds: float, rate: int) -> Audio:
    return Audio(
        (0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32), rate
    )


def test_a_file_is_played_named_and_written_down(sample_path: Path) -> None:
    with Transcriber(recognizer=ScriptedRecognizer("so it goes")) as transcriber:
        shown = show(sample_path, transcriber=transcriber, picture=False)
    info = soundfile.info(sample_path)
    assert shown.sample_rate == info.samplerate
    assert shown.duration == pytest.approx(info.duration, abs=1e-3)
    assert shown.transcript is not None
    assert "so it goes" in shown._repr_html_()
    assert f"{info.samplerate:,} Hz · 1 channel · " in shown.summary
    assert sample_path.name in repr(shown)


def test_the_player_holds_the_sound() -> None:
    audio = tone(0.5, 44_100)
    page = show(audio, text=False, picture=False)._repr_html_()
    found = re.search(r'src="data:audio/flac;base64,([^"]+)"', page)
    assert found is not None
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(found[1])), dtype="float32")
    assert rate == 44_100
    assert np.abs(samples - audio.samples).max() < 1e-4


def test_the_picture() -> None:
    if not is_installed("matplotlib"):
        pytest.skip("no matplotlib: pip install 'earshot[plot]'")
    said = Transcript((Segment("ah", 0.1, 0.4),))
    shown = show(tone(0.5, 16_000), text=said)
    assert shown.picture is not None
    assert shown.picture[:4] + shown.picture[8:12] == b"RIFFWEBP"
    assert shown.transcript is said


def test_markup_in_names_and_texts_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>.wav"
    soundfile.write(path, tone(0.2, 8_000).samples, 8_000)
    page = show(
        path, text=Transcript((Segment("<script>alert(1)</script>", 0, 0.1),)), picture=False
    )._repr_html_()
    assert "<script>" not in page
    assert "<img" not in page


def test_a_stream_of_any_format() -> None:
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros((4_800, 2), np.float32), 48_000, format="OGG", subtype="VORBIS")
    stream.seek(0)
    shown = show(stream, text=False, picture=False)
    assert (shown.sample_rate, shown.num_channels) == (48_000, 2)


def test_very_high_rates_are_played_at_one_that_browsers_know() -> None:
    page = show(tone(0.1, 192_000), text=False, picture=False)
    assert soundfile.info(io.BytesIO(page.player)).samplerate == 48_000
    assert page.sample_rate == 192_000


def test_silence_of_no_length_is_shown_as_such() -> None:
    shown = show(Audio(np.empty(0, np.float32)), text=False)
    assert shown.duration == 0
    assert "<audio" not in shown._repr_html_()


def test_what_is_no_recording_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_text("no sound")
    with pytest.raises(AudioError):
        show(tmp_path / "x.wav")
    with pytest.raises(AudioError):
        show(str(tmp_path / "absent.wav"))
