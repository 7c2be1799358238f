"""Vosk's protocol, by the messages of its public example client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from earshot.core.types import Audio
from earshot.engines.scripted import ScriptedRecognizer
from tests.conftest import SAMPLE_TEXT
from tests.server.sounds import letters, pcm, resampled, silence

if TYPE_CHECKING:
    from earshot.server.runner import Server

connect = pytest.importorskip(
    "websockets.sync.client", reason="websockets is not installed: pip install 'earshot[serve]'"
).connect
from websockets.exceptions import ConnectionClosed  # noqa: E402 - after the skip

BLOCK = 8_000
"""Bytes, a quarter of a second at 16 kHz, as the example client sends."""

EOF = '{"eof" : 1}'


@pytest.fixture
def server(scripted_server: Server) -> Server:
    return scripted_server


def address(server: Server) -> str:
    return server.address.replace("http", "ws") + "/vosk"


def talk(
    url: str, data: bytes, config: dict[str, Any] | None = None, *, end: str = EOF
) -> list[dict[str, Any]]:
    """The example client: a reply is awaited after every message but the configuration."""
    replies = []
    with connect(url) as socket:
        if config is not None:
            socket.send(json.dumps({"config": config}))
        for start in range(0, len(data), BLOCK):
            socket.send(data[start : start + BLOCK])
            replies.append(json.loads(socket.recv()))
        socket.send(end)
        replies.append(json.loads(socket.recv()))
    return replies


@pytest.fixture
def real_server(moonshine_server: Server) -> Server:
    return moonshine_server


@pytest.mark.parametrize("sample_rate", [16_000, 8_000, 44_100])
def test_real_speech_at_any_rate(real_server: Server, sample: Audio, sample_rate: int) -> None:
    data = pcm(resampled(sample, sample_rate))
    replies = talk(address(real_server), data, {"sample_rate": sample_rate})
    texts = [reply["text"] for reply in replies if reply.get("text")]
    heard = letters(" ".join(texts)).split()
    if sample_rate >= 16_000:
        assert " ".join(heard).startswith(SAMPLE_TEXT)
    else:
        assert len(set(SAMPLE_TEXT.split()) & set(heard)) >= 8
    words = [word for reply in replies for word in reply.get("result", ())]
    assert [word["word"] for word in words] == " ".join(texts).split()
    starts = [word["start"] for word in words]
    assert starts == sorted(starts)
    assert 0 < words[0]["start"] < words[-1]["end"] <= 10.2
    assert all(0 < word["conf"] <= 1 for word in words)


def test_the_port_of_its_own_takes_any_path(real_server: Server, sample: Audio) -> None:
    for path in ("", "/", "/any/path"):
        url = f"ws://127.0.0.1:{real_server.vosk_port}{path}"
        assert "text" in talk(url, pcm(sample.samples[:16_000]))[-1]


def test_partials_come_before_results(server: Server) -> None:
    replies = talk(address(server), pcm(silence(2.0)))
    assert [sorted(reply) for reply in replies[:-1]] == [["partial"]] * 8
    assert replies[3]["partial"] == "the quick"
    assert replies[-1]["text"] == "the quick brown fox jumps"


@pytest.mark.parametrize("end", ['{"eof" : 1}', '{"eof":1}', '{ "eof": 1 }'])
def test_every_spacing_of_eof_ends_with_a_result_and_closes(server: Server, end: str) -> None:
    with connect(address(server)) as socket:
        socket.send(pcm(silence(0.5)))
        socket.recv()
        socket.send(end)
        assert json.loads(socket.recv())["text"] == "the"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000


@pytest.mark.parametrize("reset", ['{"reset" : 1}', '{"reset":1}'])
def test_reset_ends_the_utterance_and_stays_open_and_times_go_on(server: Server, reset: str) -> None:
    with connect(address(server)) as socket:
        socket.send(pcm(silence(1.0)))
        socket.recv()
        socket.send(reset)
        assert json.loads(socket.recv())["text"] == "the quick"
        socket.send(pcm(silence(1.0)))
        socket.recv()
        socket.send(EOF)
        last = json.loads(socket.recv())
        assert last["text"] == "the quick"
        assert last["result"][0]["start"] == pytest.approx(1.0)


def test_an_end_without_sound_is_an_empty_text(server: Server) -> None:
    assert talk(address(server), b"") == [{"text": ""}]


def test_words_can_be_left_out(server: Server) -> None:
    assert talk(address(server), pcm(silence(1.0)), {"words": False})[-1] == {"text": "the quick"}


def test_words_have_four_fields(server: Server) -> None:
    result = talk(address(server), pcm(silence(1.0)), {"words": True})[-1]["result"]
    assert result[1] == {"conf": 1.0, "start": 0.4, "end": 0.8, "word": "quick"}


def test_alternatives_and_partial_words(server: Server) -> None:
    config = {"max_alternatives": 3, "partial_words": True}
    *partials, last = talk(address(server), pcm(silence(1.0)), config)
    assert [word["word"] for word in partials[-1]["partial_result"]] == ["the", "quick"]
    (alternative,) = last["alternatives"]
    assert alternative["text"] == "the quick"
    assert alternative["confidence"] <= 0
    assert [word["word"] for word in alternative["result"]] == ["the", "quick"]


def test_one_message_has_one_reply_however_much_it_holds(server: Server) -> None:
    with connect(address(server)) as socket:
        socket.send(pcm(silence(8.0)))  # two finished utterances and the beginning of a third
        reply = json.loads(socket.recv())
        assert len(reply["text"].split()) == 18
        assert len(reply["result"]) == 18
        socket.send(EOF)
        assert json.loads(socket.recv())["text"] == "the quick"


def test_odd_numbers_of_bytes_are_put_together(real_server: Server, sample: Audio) -> None:
    data = pcm(sample.samples[: 5 * 16_000])
    with connect(address(real_server)) as socket:
        texts = []
        for start in range(0, len(data), 3_333):
            socket.send(data[start : start + 3_333])
            texts.append(json.loads(socket.recv()).get("text"))
        socket.send(EOF)
        texts.append(json.loads(socket.recv())["text"])
    assert letters(" ".join(filter(None, texts))).startswith("it was the best of times")


@pytest.mark.parametrize("model", ["/etc", "../../models/x", "http://example.com/m", "vosk", 5, None])
def test_a_model_in_the_configuration_loads_nothing(server: Server, model: object) -> None:
    assert talk(address(server), pcm(silence(1.0)), {"model": model})[-1]["text"] == "the quick"


def test_a_served_model_can_be_chosen(serve: Callable[..., Server]) -> None:
    other = ScriptedRecognizer("other words")
    other.name = "other/words"
    server = serve({"scripted": ScriptedRecognizer(), "moonshine": other}, more_engines=("moonshine",))
    assert talk(address(server), pcm(silence(1.0)), {"model": "other/words"})[-1]["text"] == "other words"
    assert talk(address(server), pcm(silence(1.0)))[-1]["text"] == "the quick"


def test_a_phrase_list_is_let_pass_where_the_engine_has_no_grammar(server: Server) -> None:
    config = {"phrase_list": ["open the door", "[unk]"]}
    assert talk(address(server), pcm(silence(1.0)), config)[-1]["text"] == "the quick"


def test_a_phrase_list_is_all_that_can_be_heard_where_the_engine_has_grammars(
    serve: Callable[..., Server], sample: Audio
) -> None:
    from earshot.engines import load_engine

    recognizer = load_engine("pocketsphinx")
    server = serve({"pocketsphinx": recognizer})
    phrases = ["it was the best of times", "it was the worst of times"]
    replies = talk(address(server), pcm(sample.samples[: 5 * 16_000]), {"phrase_list": phrases})
    heard = " ".join(reply["text"] for reply in replies if reply.get("text"))
    assert heard in (phrases[0], " ".join(phrases))
    recognizer.close()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 1007),
        ("[" * 100_000, 1007),
        ("hello", 1007),
        ("5", 1003),
        ('{"hello": 1}', 1003),
        ('{"config": 5}', 1008),
        ('{"config": {"sample_rate": "fast"}}', 1008),
        ('{"config": {"sample_rate": 0}}', 1008),
        ('{"config": {"sample_rate": NaN}}', 1008),
        ('{"config": {"max_alternatives": -1}}', 1008),
        ('{"config": {"phrase_list": [1, 2]}}', 1008),
        ('{"config": {"phrase_list": ["\\ud800"]}}', 1008),
    ],
)
def test_what_is_no_message_of_the_protocol_closes_with_a_reason(
    server: Server, message: str, code: int
) -> None:
    with connect(address(server)) as bystander, connect(address(server)) as socket:
        bystander.send(pcm(silence(0.5)))
        socket.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code
        assert closed.value.rcvd.reason
        assert json.loads(bystander.recv()) == {"partial": "the"}


def test_a_client_that_vanishes_leaves_its_place_to_others(serve: Callable[..., Server]) -> None:
    server = serve(max_sessions=1)
    for _ in range(3):
        with connect(address(server)) as socket:
            socket.send(pcm(silence(0.5)))
            socket.recv()
            with connect(address(server)) as refused:
                refused.send(pcm(silence(0.5)))
                with pytest.raises(ConnectionClosed) as closed:
                    refused.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1013
            socket.socket.close()  # without a goodbye
        wait_until_free(server)


def wait_until_free(server: Server) -> None:
    import time

    for _ in range(200):
        if server.app.state.pool.num_streams == 0:
            return
        time.sleep(0.02)
    pytest.fail("the stream of a client that is gone stays open")


def test_a_message_over_the_limit_is_refused(serve: Callable[..., Server]) -> None:
    server = serve(max_message_bytes=100_000)
    with connect(address(server)) as socket:
        socket.send(b"\x00" * 200_000)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_an_idle_socket_is_closed_in_the_end(serve: Callable[..., Server]) -> None:
    server = serve(idle_timeout=0.3)
    with connect(address(server)) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


def test_a_stream_over_the_longest_is_ended(serve: Callable[..., Server]) -> None:
    server = serve(max_duration=1.0)
    with connect(address(server)) as socket:
        for _ in range(2):
            socket.send(pcm(silence(0.9)))
            socket.recv()
        socket.send(pcm(silence(0.9)))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
