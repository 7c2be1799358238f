"""``diarized_json`` as the ``openai`` client uses it: who speaks, by letters and by voices that are known."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from earshot.core.types import Audio, Samples, Segment
from earshot.engines.scripted import ScriptedRecognizer
from earshot.server.openai_speakers import MOST_KNOWN, SpeakerNames, recognized_names
from earshot.speakers.types import Diarization, Turn
from tests.server.sounds import letters, recording, resampled, silence
from tests.speech import FIRST_SENTENCES, MORE_SENTENCES, TWO_LINES, three_voices

if TYPE_CHECKING:
    from pathlib import Path

    from earshot.server.runner import Server

openai = pytest.importorskip("openai", reason="openai is not installed: pip install 'earshot[dev]'")

DIARIZED = {"model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}
NAMES, REFERENCES = "known_speaker_names", "known_speaker_references"


@dataclass(frozen=True)
class Talk:
    """One voice, another, and the first again. borders: seconds at which the voice changes."""

    data: bytes
    borders: tuple[float, float]
    duration: float
    first: Samples
    second: Samples
    stranger: Samples


@pytest.fixture(scope="session")
def talk(sample_path: Path) -> Talk:
    first, second, stranger = three_voices(sample_path)
    pause = silence(0.6)
    parts = [first[FIRST_SENTENCES], pause, second[TWO_LINES], pause, first[MORE_SENTENCES]]
    ends = np.cumsum([len(part) for part in parts]) / 16_000
    samples = np.concatenate(parts)
    borders = (float(ends[0]) + 0.3, float(ends[2]) + 0.3)
    return Talk(recording(samples), borders, len(samples) / 16_000, first, second, stranger)


@pytest.fixture
def client(moonshine_server: Server, voices: object) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{moonshine_server.address}/v1", api_key="any", max_retries=0) as client:
        yield client


def url(samples: Samples, kind: str = "WAV") -> str:
    return f"data:audio/{kind.lower()};base64,{base64.b64encode(recording(samples, kind=kind)).decode()}"


def heard(segments: Any, talk: Talk) -> list[set[str]]:
    """Who speaks in each of the three parts, by the middles of the segments."""
    spans = [(0.0, talk.borders[0]), talk.borders, (talk.borders[1], talk.duration)]
    return [
        {segment.speaker for segment in segments if start <= (segment.start + segment.end) / 2 < end}
        for start, end in spans
    ]


# --- who speaks ---------------------------------------------------------------------------------------------


def test_strangers_are_told_apart_and_called_by_letters(client: Any, talk: Talk) -> None:
    said = client.audio.transcriptions.create(file=("talk.wav", talk.data), **DIARIZED)
    assert said.task == "transcribe"
    assert said.duration == pytest.approx(talk.duration, abs=0.1)
    assert said.usage.seconds == pytest.approx(talk.duration, abs=0.1)
    assert " ".join(segment.text for segment in said.segments) == said.text
    assert letters(said.text).startswith("it was the best of times")
    assert [segment.id for segment in said.segments[:2]] == ["seg_001", "seg_002"]
    assert {segment.type for segment in said.segments} == {"transcript.text.segment"}
    assert all(0 <= segment.start < segment.end <= talk.duration + 0.1 for segment in said.segments)
    assert heard(said.segments, talk) == [{"A"}, {"B"}, {"A"}]


def test_known_voices_have_their_names_and_others_letters(client: Any, talk: Talk) -> None:
    said = client.audio.transcriptions.create(
        file=("talk.wav", talk.data),
        known_speaker_names=["Anna, the second", "Nobody here"],
        known_speaker_references=[url(talk.second[-16_000 * 5 :]), url(talk.stranger)],
        **DIARIZED,
    )
    first, second, third = heard(said.segments, talk)
    assert second == {"Anna, the second"}
    assert first == third == {"A"}


def test_a_stream_tells_each_segment_with_its_speaker_and_then_the_whole(client: Any, talk: Talk) -> None:
    events = list(
        client.audio.transcriptions.create(
            file=("talk.wav", talk.data),
            stream=True,
            known_speaker_names=["Bob"],
            known_speaker_references=[url(talk.first[16_000 * 2 : 16_000 * 9], "FLAC")],
            **DIARIZED,
        )
    )
    assert events[-1].type == "transcript.text.done"
    segments = [event for event in events if event.type == "transcript.text.segment"]
    deltas = [event for event in events if event.type == "transcript.text.delta"]
    assert "".join(event.delta for event in deltas) == events[-1].text
    assert [event.segment_id for event in deltas] == [segment.id for segment in segments]
    assert " ".join(segment.text for segment in segments) == events[-1].text
    assert heard(segments, talk) == [{"Bob"}, {"A"}, {"Bob"}]


def test_the_same_model_gives_plain_text_where_nobody_asks_who(client: Any, talk: Talk) -> None:
    said = client.audio.transcriptions.create(model=DIARIZED["model"], file=("talk.wav", talk.data))
    assert letters(said.text).startswith("it was the best of times")


def test_a_recording_without_speech_has_no_segments(client: Any) -> None:
    said = client.audio.transcriptions.create(file=("a.wav", recording(silence(3.0))), **DIARIZED)
    assert (said.text, said.segments) == ("", [])


# --- what is refused ----------------------------------------------------------------------------------------


def post(server: Server, fields: dict[str, Any], samples: Samples | None = None) -> httpx.Response:
    data = recording(silence(0.5) if samples is None else samples)
    return httpx.post(
        f"{server.address}/v1/audio/transcriptions",
        data={**DIARIZED, **fields},
        files={"file": ("a.wav", data)},
        timeout=60,
    )


def noise(seconds: float, level: float = 0.1) -> Samples:
    return (level * np.random.default_rng(1).standard_normal(round(16_000 * seconds))).astype(np.float32)


WRONG = {
    "a name alone": ([["Anna"], []], NAMES, "1 names of known speakers and 0 references"),
    "a reference alone": ([[], [url(noise(3))]], REFERENCES, "0 names of known speakers and 1 references"),
    "no data URL": ([["Anna"], ["https://example.org/anna.wav"]], REFERENCES, "'Anna' is no data URL"),
    "no base64 said": ([["Anna"], ["data:audio/wav,abc"]], REFERENCES, "'Anna' is no data URL"),
    "no base64": ([["Anna"], ["data:audio/wav;base64,a*b"]], REFERENCES, "'Anna' is no base64"),
    "nothing in it": ([["Anna"], ["data:audio/wav;base64,"]], REFERENCES, "'Anna' is empty"),
    "no recording": ([["Anna"], ["data:audio/wav;base64,bm8gc291bmQ="]], REFERENCES, "'Anna' cannot be read"),
    "too short": ([["Anna"], [url(noise(1.9))]], REFERENCES, "'Anna' lasts 1.9 s"),
    "too long": ([["Anna"], [url(noise(10.4))]], REFERENCES, "'Anna' lasts 10.4 s"),
    "far too long": ([["Anna"], [url(noise(60))]], REFERENCES, "'Anna' is longer than 10 s"),
    "silence": ([["Anna"], [url(silence(3))]], REFERENCES, "'Anna' holds no speech"),
    "noise": ([["Anna"], [url(noise(3))]], REFERENCES, "'Anna' holds no speech"),
    "too many": ([list("abcde"), [url(silence(3))] * 5], NAMES, "5 known speakers are too many: send 4"),
    "no name": ([[" "], [url(silence(3))]], NAMES, "a speaker's name has 1 to 80 characters"),
    "a long name": ([["x" * 81], [url(silence(3))]], NAMES, "a speaker's name has 1 to 80 characters"),
    "one name twice": ([["Anna", "anna"], [url(silence(3))] * 2], NAMES, "the same name"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_known_speakers_is_told(scripted_server: Server, voices: object, name: str) -> None:
    (names, references), param, message = WRONG[name]
    answer = post(scripted_server, {f"{NAMES}[]": names, f"{REFERENCES}[]": references})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"] == param
    assert message in error["message"]
    assert "\n" not in error["message"]


def test_known_speakers_come_with_diarized_json(scripted_server: Server) -> None:
    fields = {f"{NAMES}[]": ["Anna"], f"{REFERENCES}[]": [url(silence(3))], "response_format": "json"}
    answer = post(scripted_server, fields)
    assert answer.status_code == 400
    assert "come with response_format diarized_json" in answer.json()["error"]["message"]


def test_brackets_and_commas_of_names_and_references_are_as_they_came(
    scripted_server: Server, voices: object, talk: Talk
) -> None:
    fields = {NAMES: ["Doe, Jane"], REFERENCES: [url(talk.first[: 16_000 * 5])]}
    answer = post(scripted_server, fields, talk.first[: 16_000 * 8])
    assert answer.status_code == 200
    assert {segment["speaker"] for segment in answer.json()["segments"]} == {"Doe, Jane"}


def test_four_long_references_in_stereo_are_not_too_large(
    scripted_server: Server, voices: object, talk: Talk
) -> None:
    ten_seconds = resampled(Audio(talk.first[: 16_000 * 10]), 48_000)
    data = recording(np.stack([ten_seconds, ten_seconds], axis=1), 48_000)  # type: ignore[arg-type]
    reference = f"data:audio/wav;base64,{base64.b64encode(data).decode()}"
    fields = {f"{NAMES}[]": list("wxyz"), f"{REFERENCES}[]": [reference] * MOST_KNOWN}
    assert post(scripted_server, fields).status_code == 200


def test_translations_do_not_tell_who_speaks(serve: Callable[..., Server], voices: object) -> None:
    server = serve({"whisper": ScriptedRecognizer("words in english")}, has_translations=True)
    answer = httpx.post(
        f"{server.address}/v1/audio/translations",
        data=DIARIZED,
        files={"file": ("a.wav", recording(silence(0.5)))},
        timeout=60,
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "response_format"


def test_without_an_encoder_the_server_says_what_to_install(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    from earshot.core.errors import MissingExtraError
    from earshot.server.pool import RecognizerPool

    def missing(pool: RecognizerPool) -> None:
        raise MissingExtraError("no voice encoder is installed", fix="pip install something")

    monkeypatch.setattr(RecognizerPool, "voice_encoder", missing)
    answer = post(serve(), {})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "unsupported"
    assert "no voice encoder is installed: pip install something" in error["message"]


def test_a_stream_whose_recording_is_broken_ends_with_an_error(scripted_server: Server, voices: object) -> None:
    with httpx.stream(
        "POST",
        f"{scripted_server.address}/v1/audio/transcriptions",
        data={**DIARIZED, "stream": "true"},
        files={"file": ("a.wav", b"nothing" * 50)},
        timeout=60,
    ) as answer:
        lines = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]
    assert [set(line) for line in lines] == [{"error"}]


# --- names --------------------------------------------------------------------------------------------------


def unit(*values: float) -> Any:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_a_voice_between_two_known_ones_is_the_nearer_and_a_stranger_nobody() -> None:
    found = Diarization(vectors={"S1": unit(1, 0.2, 0), "S2": unit(0, 0, 1), "S3": unit(0.2, 1, 0)})
    known = {"Anna": unit(1, 0, 0), "Bob": unit(0, 1, 0)}
    assert recognized_names(found, known, 0.8) == {"S1": "Anna", "S3": "Bob"}
    assert recognized_names(found, {}, 0.8) == {}


def test_letters_follow_the_order_of_words_and_pass_names_that_are_taken() -> None:
    names = SpeakerNames({"A": unit(1, 0), "S2": unit(0, 1)}, 0.9)
    turns = (Turn(0, 1, "S1"), Turn(1, 2, "S2"), Turn(2, 3, "S3"))
    vectors = {"S1": unit(-1, 0), "S2": unit(1, 1), "S3": unit(0, 1)}
    assert names.learn(Diarization(turns, vectors)) == {}

    def named(start: float, label: str | None) -> str | None:
        return names.named(Segment("x", start, start + 1, (), label)).speaker

    # The label S2 is a stranger; the known speaker who is called S2 has the label S3.
    assert named(1, "S2") == "B"
    assert named(0, "S1") == "C"
    assert named(2, "S3") == "S2"
    # Words beside all turns are the nearest speaker's.
    assert named(9, None) == "S2"


def test_there_are_letters_for_everybody() -> None:
    names = SpeakerNames({}, 0.5)
    given = [names.named(Segment("x", i, i + 1, (), f"S{i}")).speaker for i in range(800)]
    assert given[:3] + given[25:28] + given[701:703] == ["A", "B", "C", "Z", "AA", "AB", "ZZ", "AAA"]
    assert len(set(given)) == 800
