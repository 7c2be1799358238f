from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot.notebook.protocol import (
    MAX_BATCH_SECONDS,
    Batch,
    BatchOrder,
    BeginBrowser,
    BeginKernel,
    Choose,
    Hello,
    MessageError,
    OpenPane,
    parse,
)

AUDIO = {"type": "audio", "recording": "r1", "sequence": 0, "is_last": False}


def test_messages_of_the_page() -> None:
    assert parse({"type": "hello", "client": "c1"}) == Hello("c1")
    begin = {"type": "begin", "client": "c1", "source": "browser", "recording": "r-1", "label": "Yeti\x00 Nano"}
    assert parse(begin) == BeginBrowser("c1", "r-1", "Yeti Nano")
    assert parse({"type": "begin", "client": "c1", "source": "kernel:12"}) == BeginKernel("c1", 12)
    assert parse({"type": "choose", "engine": "vosk:small-ru", "language": "ru"}) == Choose(
        "vosk:small-ru", "ru"
    )
    opened = {"type": "pane", "pane": "translation", "is_open": True, "language": "pt-BR"}
    assert parse(opened) == OpenPane("translation", True, "pt-BR")


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview], ids=["bytes", "bytearray", "memoryview"])
def test_a_batch_holds_16_bit_samples(wrap: type) -> None:
    batch = parse(AUDIO, [wrap(np.array([0, 16384, -32768], "<i2").tobytes())])
    assert isinstance(batch, Batch)
    assert batch.samples.dtype == np.float32
    assert batch.samples.tolist() == [0.0, 0.5, -1.0]


def test_a_batch_may_be_empty() -> None:
    batch = parse({**AUDIO, "is_last": True}, [b""])
    assert isinstance(batch, Batch)
    assert batch.is_last
    assert batch.samples.shape == (0,)


@pytest.mark.parametrize(
    ("content", "buffers"),
    [
        (None, []),
        ("audio", []),
        ([], []),
        ({}, []),
        ({"type": ["audio"]}, []),
        ({"type": "eval", "code": "1"}, []),
        ({"type": "hello"}, []),
        ({"type": "hello", "client": "../../etc"}, []),
        ({"type": "hello", "client": "c" * 65}, []),
        ({"type": "begin", "client": "c", "source": "browser"}, []),
        ({"type": "begin", "client": "c", "source": "kernel:-1"}, []),
        ({"type": "begin", "client": "c", "source": "kernel:²"}, []),
        ({"type": "begin", "client": "c", "source": {"kernel": 1}}, []),
        ({"type": "choose", "engine": "a\nb", "language": None}, []),
        ({"type": "choose", "engine": "vosk", "language": "../x"}, []),
        ({"type": "pane", "pane": "shell", "is_open": True}, []),
        ({"type": "pane", "pane": ["summary"], "is_open": True}, []),
        ({"type": "pane", "pane": "summary", "is_open": 1}, []),
        ({"type": "export", "client": "c", "format": "../txt"}, []),
        (AUDIO, []),
        (AUDIO, None),
        (AUDIO, [b"\0\0", b"\0\0"]),
        (AUDIO, ["\0\0"]),
        (AUDIO, [[0, 1]]),
        (AUDIO, [b"\0\0\0"]),
        (AUDIO, [bytes(MAX_BATCH_SECONDS * 32_000 + 2)]),
        ({**AUDIO, "sequence": -1}, [b""]),
        ({**AUDIO, "sequence": True}, [b""]),
        ({**AUDIO, "sequence": 1.0}, [b""]),
        ({**AUDIO, "sequence": 2**60}, [b""]),
        ({**AUDIO, "recording": 5}, [b""]),
        ({**AUDIO, "is_last": "yes"}, [b""]),
    ],
)
def test_anything_else_is_refused(content: object, buffers: list[object] | None) -> None:
    with pytest.raises(MessageError):
        parse(content, buffers)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KINDS = ["hello", "begin", "audio", "stop", "choose", "pane", "clear", "devices", "export", "bye"]
KEYS = [
    "client",
    "source",
    "recording",
    "label",
    "sequence",
    "is_last",
    "engine",
    "language",
    "pane",
    "is_open",
    "format",
]


@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(KEYS), VALUES | st.sampled_from(["browser", "kernel:1", "summary"])),
    st.lists(VALUES, max_size=2),
)
def test_a_hostile_page_meets_nothing_but_a_refusal(
    kind: str, fields: dict[str, object], buffers: list[object]
) -> None:
    try:
        message = parse({**fields, "type": kind}, buffers)
    except MessageError:
        return
    if isinstance(message, Batch):
        assert message.sequence >= 0
        assert np.isfinite(message.samples).all()


def batch(sequence: int, is_last: bool = False) -> Batch:
    return Batch("r", sequence, np.full(1, sequence, np.float32), is_last)


def test_each_batch_is_taken_once() -> None:
    order = BatchOrder()
    assert order.accept(batch(0)) is not None
    assert order.accept(batch(0)) is None
    assert not order.is_behind
    assert order.expected == 1


def test_a_gap_asks_the_page_to_go_back() -> None:
    order = BatchOrder()
    order.accept(batch(0))
    assert order.accept(batch(2)) is None
    assert order.is_behind
    assert order.expected == 1
    assert order.accept(batch(1)) is not None
    assert not order.is_behind


def test_nothing_follows_the_last_batch() -> None:
    order = BatchOrder()
    order.accept(batch(0, is_last=True))
    assert order.is_complete
    assert order.accept(batch(1)) is None
    assert not order.is_behind


@given(st.integers(1, 12), st.lists(st.sampled_from(["deliver", "lose", "repeat", "late"]), max_size=80))
def test_what_arrives_is_what_was_sent_whatever_the_connection_does(num_batches: int, fates: list[str]) -> None:
    order, heard, at, held = BatchOrder(), [], 0, []

    def deliver(sequence: int) -> None:
        samples = order.accept(batch(sequence, sequence == num_batches - 1))
        if samples is not None:
            heard.extend(samples.tolist())

    for fate in fates:
        if at < num_batches:
            if fate == "late":
                held.append(at)
            elif fate != "lose":
                for _ in range(2 if fate == "repeat" else 1):
                    deliver(at)
            at += 1
        for sequence in held[:-1]:
            deliver(sequence)
        if order.is_behind:
            at = order.expected
    while not order.is_complete:  # the page goes back to what was not acknowledged
        deliver(order.expected)
    assert heard == list(range(num_batches))
