"""The page as a text: complete without a network, and no word of anybody becomes code."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from earshot.audio.decode import read_audio
from earshot.core.types import SAMPLE_RATE, Transcript
from earshot.meetings import MeetingOptions, build_meeting, write_meeting
from earshot.meetings.page import write_page
from earshot.meetings.sound import opened_mix
from earshot.meetings.types import Meeting
from tests.cli.command import read_aloud
from tests.meetings.examples import meeting
from tests.meetings.test_documents import HOSTILE, hostile_meeting


class Page(HTMLParser):
    """Elements with their attributes, the text outside of scripts, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.text = ""
        self._within: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._within.append(tag)
            (self.scripts if tag == "script" else self.styles).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if self._within:
            (self.scripts if self._within[-1] == "script" else self.styles)[-1] += data
        else:
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(made: Meeting, sound: str | None = None) -> tuple[str, Page]:
    stream = io.StringIO()
    write_page(made, stream, sound=sound)
    return stream.getvalue(), Page(stream.getvalue())


def data_of(page: Page) -> Any:
    return json.loads(page.scripts[0])


def policy_of(page: Page) -> str:
    (found,) = [one["content"] for one in page.of("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert found is not None
    return found


def test_everything_is_within_and_nothing_is_fetched() -> None:
    text, page = page_of(meeting(), "data:audio/ogg;base64,AAAA")
    addresses = [
        value
        for _, attributes in page.elements
        for key, value in attributes.items()
        if key in ("src", "href", "srcset", "action", "poster", "data")
    ]
    assert sorted(set(addresses), key=str) == ["#transcript", "data:audio/ogg;base64,AAAA"]
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket|https?://", text)
    assert page.of("link") == []
    assert "default-src 'none'" in policy_of(page)
    assert "connect-src" not in policy_of(page)


def test_only_the_pages_own_script_and_style_may_run() -> None:
    _, page = page_of(hostile_meeting())
    assert len(page.scripts) == 2
    assert len(page.styles) == 1
    for kind, body in (("script", page.scripts[1]), ("style", page.styles[0])):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy_of(page)
    assert "unsafe" not in policy_of(page)
    assert not any(key.startswith("on") or key == "style" for _, attrs in page.elements for key in attrs)


def test_hostile_names_words_and_titles_stay_text() -> None:
    _, plain = page_of(meeting(DIALOGUE_OF_FIVE, title="x"))
    _, page = page_of(hostile_meeting())
    allowed = {tag for tag, _ in plain.elements} | {"p"}
    assert {tag for tag, _ in page.elements} <= allowed
    assert page.of("img") == []
    for text in HOSTILE[:4]:
        assert text in page.text
    data = data_of(page)
    assert data["people"][0] == HOSTILE[0]
    assert "<" not in page.scripts[0]
    assert data["transcript"]["segments"][0]["text"] == f"I'll say {HOSTILE[0]} tomorrow to all."


DIALOGUE_OF_FIVE = [(f"Person {number}", "I'll say it tomorrow to all.") for number in range(5)]

nasty = st.text(st.characters(exclude_categories=[]) | st.sampled_from("<>&\"'/`=!-"), max_size=40)


@given(nasty, nasty, nasty)
def test_no_text_whatever_makes_an_element(name: str, said: str, title: str) -> None:
    _, plain = page_of(meeting([("a", "word")], title="x"))
    _, page = page_of(meeting([(name, said)], title=title))
    assert len(page.scripts) == 2
    known = {tag for tag, _ in plain.elements} | {
        "span",
        "li",
        "ul",
        "input",
        "div",
        "mark",
        "button",
        "article",
    }
    assert {tag for tag, _ in page.elements} <= known | {"header", "p"}
    assert data_of(page)["people"]


def test_words_stand_in_the_page_in_the_order_of_their_times() -> None:
    made = meeting()
    _, page = page_of(made)
    data = data_of(page)
    num_words = sum(len(segment.text.split()) for segment in made.transcript.segments)
    assert len(data["words"]) == num_words
    assert all(start <= end for start, end in data["words"])
    first = made.transcript.segments[0].words[0]
    assert data["words"][0] == [first.start, pytest.approx(first.end, abs=1e-3)]
    assert "Good morning everybody." in " ".join(page.text.split())


def test_where_the_recording_lies_is_not_told() -> None:
    made = replace(meeting(), sources=(Path("/home/anna/secret/boat club.wav"),))
    text, page = page_of(made)
    assert "/home/anna" not in text
    assert data_of(page)["transcript"]["meeting"]["sources"] == ["boat club.wav"]


def test_each_action_says_its_rule_and_the_words_it_goes_by() -> None:
    made = meeting()
    text, _ = page_of(made)
    assert text.count('class="rule"') == len(made.actions) >= 5
    assert "<mark>I&#x27;ll</mark> call the yard" in text
    assert "The rules" in text


def test_speakers_beyond_the_colours_differ_by_stripes() -> None:
    dialogue = [(f"Person {number}", "Hello everybody.") for number in range(12)]
    _, page = page_of(meeting(dialogue))
    styles = [attrs["class"] for attrs in page.of("article")]
    assert len(set(styles)) == 12


def test_an_empty_meeting_and_one_of_an_hour_of_silence() -> None:
    for duration in (None, 3600.0):
        text, page = page_of(build_meeting(Transcript(duration=duration), (), MeetingOptions()))
        assert "No words were recognized." in text
        assert "no speech was recognized" in page.text
        assert data_of(page)["words"] == []


def test_the_sound_is_within_the_page_or_beside_it(tmp_path: Path) -> None:
    recording = tmp_path / "talk.wav"
    soundfile.write(recording, read_aloud()[: 8 * SAMPLE_RATE], SAMPLE_RATE)
    (path,) = write_meeting(meeting(), tmp_path / "a", ["html"], sound=[(recording, None)])
    (audio,) = Page(path.read_text()).of("audio")
    kind, _, encoded = str(audio["src"]).partition(";base64,")
    assert kind == "data:audio/ogg"
    heard = read_audio(io.BytesIO(base64.b64decode(encoded)))
    assert heard.duration == pytest.approx(8, abs=0.05)
    path, beside = write_meeting(
        meeting(), tmp_path / "b", ["html"], name="a #1 ?", sound=[(recording, None)], max_embedded=1000
    )
    assert beside.name == "a #1 ?.opus"
    assert Page(path.read_text()).of("audio")[0]["src"] == "a%20%231%20%3F.opus"
    assert read_audio(beside).duration == pytest.approx(8, abs=0.05)
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == ["meeting.html"]


def test_several_recordings_are_mixed_and_as_long_as_the_longest(tmp_path: Path) -> None:
    time = np.arange(SAMPLE_RATE * 2) / SAMPLE_RATE
    soundfile.write(tmp_path / "low.wav", 0.3 * np.sin(2 * np.pi * 300 * time), SAMPLE_RATE)
    high = 0.3 * np.sin(2 * np.pi * 900 * time[:SAMPLE_RATE])
    soundfile.write(tmp_path / "high.wav", np.stack([high, 0 * high], axis=1), SAMPLE_RATE)
    with opened_mix([(tmp_path / "low.wav", None), (tmp_path / "high.wav", 1)]) as blocks:
        mixed = np.concatenate(list(blocks))
    assert len(mixed) == 2 * SAMPLE_RATE
    spectrum = np.abs(np.fft.rfft(mixed[:SAMPLE_RATE]))
    assert sorted(np.argsort(spectrum)[-2:].tolist()) == [300, 900]
    later = np.abs(np.fft.rfft(mixed[SAMPLE_RATE:]))
    assert int(later.argmax()) == 300


# --- colours ----------------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
_BLINDNESS = {
    "none": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.clip(matrix @ rgb, 0, None) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    low, high = sorted(float([0.2126, 0.7152, 0.0722] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def themes() -> list[dict[str, str]]:
    from importlib.resources import files

    style = (files("earshot.meetings") / "page.css").read_text(encoding="utf-8")
    light, rest = style.split("@media (prefers-color-scheme: dark)")
    dark = rest.split("*, *::before")[0]
    return [dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", part)) for part in (light, dark)]


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark"])
def test_colours_stay_apart_for_colour_blind_eyes_and_from_the_paper(theme: dict[str, str]) -> None:
    colours = [theme[f"--p{number}"] for number in range(8)]
    for colour in colours:
        assert contrast(colour, theme["--paper"]) >= 3
        assert contrast(colour, theme["--on-p"]) >= 3
    for text in ("--ink", "--soft", "--faint"):
        assert contrast(theme[text], theme["--sunken"]) >= 4.5
        assert contrast(theme[text], theme["--paper"]) >= 4.5
    # Four people are the usual round; more have their initials, too.
    for count, least in ((4, 20), (8, 11)):
        for matrix in _BLINDNESS.values():
            seen = [lab(np.clip(np.array(matrix) @ linear(colour), 0, 1)) for colour in colours[:count]]
            gaps = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
            assert min(gaps) >= least
