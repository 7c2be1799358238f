"""The audio API as the ``openai`` client uses it, against a real server and real speech."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest

from earshot.core.types import Audio, Word
from earshot.engines.scripted import ScriptedRecognizer
from earshot.text.formats import read_transcript
from tests.conftest import SAMPLE_TEXT
from tests.server.sounds import letters, recording, silence

if TYPE_CHECKING:
    from pathlib import Path

    from earshot.server.runner import Server

openai = pytest.importorskip("openai", reason="openai is not installed: pip install 'earshot[dev]'")


@pytest.fixture
def server(moonshine_server: Server) -> Server:
    return moonshine_server


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def clip(sample: Audio) -> bytes:
    return recording(sample.samples)


def post(server: Server, fields: dict[str, Any], data: bytes | None) -> httpx.Response:
    files = {"file": ("a.wav", data)} if data is not None else None
    return httpx.post(f"{server.address}/v1/audio/transcriptions", data=fields, files=files, timeout=60)


def eventually(condition: Callable[[], bool]) -> bool:
    """Within some seconds."""
    patience = time.monotonic() + 20
    while not condition() and time.monotonic() < patience:
        time.sleep(0.02)
    return condition()


def files_of(server: Server) -> list[Path]:
    """What waits in the folder of uploads, but for the lock."""
    found = server.options.upload_folder.rglob("*")
    return [path for path in found if path.is_file() and path.name != "lock"]


# --- formats ------------------------------------------------------------------------------------------------


def test_json_holds_text_and_usage(client: Any, clip: bytes) -> None:
    said = client.audio.transcriptions.create(model="whisper-1", file=("clip.wav", clip))
    assert letters(said.text).startswith(SAMPLE_TEXT)
    assert said.usage.type == "duration"
    assert said.usage.seconds == pytest.approx(10, abs=0.1)
    assert said.logprobs is None


def test_logprobs_come_when_they_are_asked_for(client: Any, clip: bytes) -> None:
    said = client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("clip.wav", clip), include=["logprobs"], response_format="json"
    )
    assert "".join(entry.token for entry in said.logprobs) == said.text
    assert all(entry.logprob <= 0 for entry in said.logprobs)
    assert bytes(int(b) for b in said.logprobs[0].bytes).decode() == said.logprobs[0].token


def test_text_is_the_bare_text(client: Any, clip: bytes) -> None:
    said = client.audio.transcriptions.create(
        model="whisper-1", file=("clip.wav", clip), response_format="text"
    )
    assert letters(said).startswith(SAMPLE_TEXT)
    assert said.endswith("\n")


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_can_be_read_back(client: Any, clip: bytes, kind: str, tmp_path: Path) -> None:
    said = client.audio.transcriptions.create(model="whisper-1", file=("clip.wav", clip), response_format=kind)
    path = tmp_path / f"clip.{kind}"
    path.write_text(said, encoding="utf-8")
    transcript = read_transcript(path)
    assert letters(transcript.text).startswith(SAMPLE_TEXT)
    assert 0 <= transcript.segments[0].start < transcript.segments[0].end <= 10.1


def test_verbose_json_has_words_and_segments_as_asked(client: Any, clip: bytes) -> None:
    both = client.audio.transcriptions.create(
        model="whisper-1",
        file=("clip.wav", clip),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        temperature=0.2,
    )
    assert (both.task, both.language) == ("transcribe", "english")
    assert both.duration == pytest.approx(10, abs=0.1)
    assert " ".join(word.word for word in both.words) == both.text
    times = [time for word in both.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] <= 10.1
    assert "".join(segment.text for segment in both.segments).strip() == both.text
    first = both.segments[0]
    assert first.id == 0
    assert first.avg_logprob < 0
    assert 0 < first.compression_ratio < 2
    assert first.temperature == pytest.approx(0.2)
    assert first.tokens == []


@pytest.mark.parametrize("name", ["timestamp_granularities", "timestamp_granularities[]"])
def test_granularities_go_by_both_names(server: Server, clip: bytes, name: str) -> None:
    fields = {"model": "moonshine", "response_format": "verbose_json", name: "word"}
    document = post(server, fields, clip).json()
    assert document["words"]
    assert "segments" not in document


def test_without_granularities_segments_come(server: Server, clip: bytes) -> None:
    document = post(server, {"model": "moonshine/tiny-en", "response_format": "verbose_json"}, clip).json()
    assert document["segments"]
    assert "words" not in document


def test_streaming_tells_deltas_that_join_to_the_text(client: Any, clip: bytes) -> None:
    events = list(
        client.audio.transcriptions.create(
            model="gpt-4o-mini-transcribe", file=("clip.wav", clip), stream=True, include=["logprobs"]
        )
    )
    *deltas, done = events
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text
    assert letters(done.text).startswith(SAMPLE_TEXT)
    assert done.logprobs
    assert deltas[0].logprobs


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3"])
def test_other_kinds_of_files_are_read_whatever_their_name(server: Server, sample: Audio, kind: str) -> None:
    data = recording(sample.samples[: 4 * 16_000], kind=kind)
    assert "best of times" in post(server, {"model": "whisper-1"}, data).json()["text"].lower()


def test_silence_is_an_empty_text_and_no_error(client: Any) -> None:
    said = client.audio.transcriptions.create(model="whisper-1", file=("s.wav", recording(silence(2))))
    assert said.text == ""


def test_the_language_may_be_named_in_several_ways(server: Server, clip: bytes) -> None:
    short = recording(silence(1))
    for name in ("en", "en-US", "English", "auto"):
        assert post(server, {"model": "whisper-1", "language": name}, short).status_code == 200


# --- models -------------------------------------------------------------------------------------------------


def test_models_are_listed_and_found_by_any_of_their_names(client: Any) -> None:
    listed = [model.id for model in client.models.list()]
    assert listed == ["moonshine/tiny-en"]
    for name in ("moonshine/tiny-en", "moonshine", "whisper-1", "gpt-4o-transcribe"):
        assert client.models.retrieve(name).id == "moonshine/tiny-en"
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("whisper-2")
    assert error.value.code == "model_not_found"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "http://example.com/model", "moonshine/../x", "a" * 10_000]
)
def test_a_path_or_address_as_model_is_only_an_unknown_name(client: Any, clip: bytes, name: str) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.audio.transcriptions.create(model=name, file=("clip.wav", clip))
    assert error.value.code == "model_not_found"
    assert error.value.param == "model"
    assert len(error.value.message) < 500


# --- mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "model"),
        ({"model": "whisper-1", "response_format": "docx"}, "response_format"),
        ({"model": "whisper-1", "timestamp_granularities[]": "word"}, "timestamp_granularities"),
        (
            {
                "model": "whisper-1",
                "response_format": "verbose_json",
                "timestamp_granularities[]": "letter",
            },
            "timestamp_granularities",
        ),
        ({"model": "whisper-1", "include[]": "everything"}, "include"),
        ({"model": "whisper-1", "temperature": "hot"}, "temperature"),
        ({"model": "whisper-1", "temperature": "nan"}, "temperature"),
        ({"model": "whisper-1", "stream": "perhaps"}, "stream"),
        ({"model": "whisper-1", "stream": "true", "response_format": "srt"}, "response_format"),
        ({"model": "whisper-1", "language": "klingon!"}, "language"),
        ({"model": "whisper-1", "chunking_strategy": '{"type": "none"}'}, "chunking_strategy"),
        ({"model": "whisper-1", "chunking_strategy": "[" * 100_000}, "chunking_strategy"),
        ({"model": "whisper-1", "known_speaker_names[]": "Anna"}, "known_speaker_names"),
    ],
)
def test_a_wrong_field_is_named(server: Server, fields: dict[str, str], param: str) -> None:
    answer = post(server, fields, recording(silence(0.5)))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert error["message"]


def test_translations_say_what_they_need(client: Any, clip: bytes) -> None:
    with pytest.raises(openai.BadRequestError, match="--engine whisper --translations"):
        client.audio.translations.create(model="whisper-1", file=("clip.wav", clip))


def test_a_language_that_the_engine_lacks_is_refused(client: Any, clip: bytes) -> None:
    with pytest.raises(openai.BadRequestError, match="knows en, not 'de'"):
        client.audio.transcriptions.create(model="whisper-1", file=("clip.wav", clip), language="de")


@pytest.mark.parametrize(
    "data", [b"RIFF", b"no sound at all" * 100, b"\x00" * 5_000, b""], ids=["cut", "text", "zeros", "empty"]
)
def test_what_is_no_recording_is_told_so_and_no_path_of_ours(server: Server, data: bytes) -> None:
    answer = post(server, {"model": "whisper-1"}, data)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_audio", "file")
    assert str(server.options.data_folder) not in answer.text
    assert files_of(server) == []


def test_a_broken_recording_ends_a_stream_with_an_error(client: Any) -> None:
    with pytest.raises(openai.APIError):
        list(
            client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"nothing" * 50), stream=True)
        )


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"", 415),
        ("multipart/form-data; boundary=x", b"", 400),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n", 400),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n",
            400,
        ),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nabc', 400),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n\xff\xfe\r\n--x--\r\n',
            400,
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\na\r\n--x--\r\n',
            400,
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 70 + b"--x--\r\n",
            400,
        ),
    ],
)
def test_a_malformed_form_is_refused(server: Server, content_type: str, body: bytes, status: int) -> None:
    headers = {"Content-Type": content_type}
    answer = httpx.post(f"{server.address}/v1/audio/transcriptions", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_unknown_routes_and_methods_answer_in_the_same_shape(server: Server) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("DELETE", "/v1/models", 405)):
        answer = httpx.request(method, server.address + path)
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_no_upload_stays_behind(client: Any, server: Server, clip: bytes) -> None:
    client.audio.transcriptions.create(model="whisper-1", file=io.BytesIO(clip))
    list(client.audio.transcriptions.create(model="whisper-1", file=("a.wav", clip), stream=True))
    assert eventually(lambda: files_of(server) == [])


def test_who_hangs_up_leaves_nothing_behind(server: Server, sample: Audio) -> None:
    pool = server.app.state.pool
    data = recording(np.tile(sample.samples, 30))
    for fields in ({"model": "whisper-1", "stream": "true"}, {"model": "whisper-1"}):
        with pytest.raises(httpx.TimeoutException):
            httpx.post(
                f"{server.address}/v1/audio/transcriptions",
                data=fields,
                files={"file": data},
                timeout=httpx.Timeout(10, read=0.3),
            )
        assert eventually(lambda: pool.num_uploads == 0 and files_of(server) == [])
        assert eventually(lambda: not any(t.name == "earshot-upload" for t in threading.enumerate()))


def test_translations_by_an_engine_that_translates(serve: Callable[..., Server], clip: bytes) -> None:
    server = serve({"whisper": ScriptedRecognizer("words in english")}, has_translations=True)
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key="any", max_retries=0) as client:
        said = client.audio.translations.create(
            model="whisper-1", file=("clip.wav", clip), response_format="verbose_json"
        )
    assert "words in english" in letters(said.text)
    assert said.task == "translate"


# --- the shapes themselves ----------------------------------------------------------------------------------


def test_words_without_times_share_the_room_between_their_neighbours() -> None:
    from earshot.core.types import Segment
    from earshot.server.openai_shapes import timed_words

    words = (Word("a"), Word("b", 2.0, 3.0), Word("c"), Word("d"), Word("e", 5.0, 6.0), Word("f"))
    timed = timed_words(Segment("a b c d e f", 1.0, 7.0, words))
    assert [(word.start, word.end) for word in timed] == [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7)]


def test_the_openapi_document_names_every_route_of_the_api(server: Server) -> None:
    document = json.loads(httpx.get(f"{server.address}/openapi.json").text)
    assert {"/v1/audio/transcriptions", "/v1/audio/translations", "/v1/models", "/healthz"} <= set(
        document["paths"]
    )
    form = document["paths"]["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]
    assert "file" in form["multipart/form-data"]["schema"]["properties"]
