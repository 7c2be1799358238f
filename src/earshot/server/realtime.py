"""OpenAI's realtime transcription over a WebSocket: events of JSON both ways."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, WebSocket

from earshot.core.errors import EarshotError
from earshot.core.types import SAMPLE_RATE, Event, Final, Segment, SpeechEnded, SpeechStarted
from earshot.engines.offline import shifted
from earshot.server.errors import RequestError, TooLongError, refusal_of
from earshot.server.openai_shapes import logprobs, usage
from earshot.server.pcm_input import PcmInput
from earshot.server.pool import RecognizerPool, ServedStream
from earshot.server.realtime_session import RATE, RealtimeSession, new_session, updated_session
from earshot.server.sockets import POLICY, Conversation, conversation

_MAX_APPEND = 15 * 1024**2
"""Bytes of sound in one event, as OpenAI has it."""

_LEAST_COMMIT = 0.1
"""Seconds of sound that make a turn, as OpenAI has it."""

_PIECE = RATE * 2
"""Bytes heard before their events are sent: a second."""


def realtime_router() -> APIRouter:
    """``/v1/realtime``."""
    router = APIRouter()

    @router.websocket("/v1/realtime")
    async def realtime(websocket: WebSocket) -> None:
        # Browsers have to offer a subprotocol to be able to send their key, and expect this one back.
        offered = websocket.scope.get("subprotocols", ())
        subprotocol = "realtime" if "realtime" in offered else None
        is_older = "realtime=v1" in websocket.headers.get("openai-beta", "") or any(
            name == "openai-beta.realtime-v1" for name in offered
        )
        async with conversation(websocket, subprotocol) as talk:
            talker = _Talk(talk, websocket.app.state.pool)
            await talker.run(websocket.query_params.get("model"), is_older=is_older)

    return router


class _Talk:
    """One client."""

    def __init__(self, talk: Conversation, pool: RecognizerPool) -> None:
        self._talk = talk
        self._pool = pool
        self._turns: _Turns | None = None

    async def run(self, model: str | None, *, is_older: bool) -> None:
        try:
            session = new_session(self._pool, model, is_older=is_older)
        except RequestError as error:
            await self._send(_error(error, None))
            await self._talk.close(POLICY, "the model is not served")
            return
        self._turns = _Turns(self._talk, self._pool, session)
        try:
            await self._tell_session("created")
            async for message in self._talk.messages():
                await self._guarded(message)
            if self._talk.is_stopping:
                await self._turns.end()
        finally:
            self._turns.close()

    async def _guarded(self, message: str | bytes) -> None:
        event_id = None
        try:
            event = _parsed(message)
            event_id = event.get("event_id")
            await self._handle(event)
        except EarshotError as error:
            await self._send(_error(error, event_id))

    async def _handle(self, event: dict[str, Any]) -> None:
        assert self._turns is not None
        turns = self._turns
        kind = event.get("type")
        if kind == "input_audio_buffer.append":
            await turns.append(_sound(event.get("audio")))
        elif kind == "input_audio_buffer.commit":
            await turns.commit()
        elif kind == "input_audio_buffer.clear":
            await turns.clear()
            await self._send({"type": "input_audio_buffer.cleared"})
        elif kind in ("session.update", "transcription_session.update"):
            await turns.agree(updated_session(turns.session, event.get("session"), self._pool))
            await self._tell_session("updated")
        else:
            raise RequestError(f"there is no event {str(kind)[:60]!r}", code="unknown_event", param="type")

    async def _tell_session(self, what: str) -> None:
        assert self._turns is not None
        session = self._turns.session
        name = "transcription_session" if session.is_older else "session"
        await self._send({"type": f"{name}.{what}", "session": session.document()})

    async def _send(self, document: dict[str, Any]) -> None:
        await _send(self._talk, document)


class _Turns:
    """The input buffer, and the items that become of it: by detected speech, or by the client's commits."""

    def __init__(self, talk: Conversation, pool: RecognizerPool, session: RealtimeSession) -> None:
        self._talk = talk
        self._pool = pool
        self._session = session
        self._stream: ServedStream | None = None
        self._input = PcmInput(RATE)
        self._offset = 0  # 16 kHz samples of streams before
        self._item: str | None = None
        self._previous_item: str | None = None
        self._started = 0.0
        self._heard: list[Segment] = []
        self._num_turns = 0

    @property
    def session(self) -> RealtimeSession:
        """What was agreed."""
        return self._session

    async def agree(self, session: RealtimeSession) -> None:
        """A new session; where it needs another stream, what came so far becomes a turn of the old one."""
        if _stream_of(session) != _stream_of(self._session):
            await self.end()
        self._session = session

    @property
    def _is_detecting(self) -> bool:
        return self._session.turn_detection is not None

    async def append(self, data: bytes) -> None:
        """Sound of any length; events are told as they come."""
        for start in range(0, len(data), _PIECE):
            stream = self._open()
            if stream.num_samples > self._pool.options.max_duration * SAMPLE_RATE:
                raise TooLongError("the input is longer than the server allows", fix="commit or clear it")
            samples = self._input.accept(data[start : start + _PIECE])
            try:
                events = await stream.accept(samples)
            except EarshotError as error:
                await self._fail(error)
                return
            await self._tell(events)

    async def commit(self) -> None:
        """What came since the last commit is a turn. Raises RequestError where that is next to nothing."""
        stream = self._stream
        seconds = 0.0 if stream is None else stream.num_samples / SAMPLE_RATE
        if stream is None or seconds < _LEAST_COMMIT:
            raise RequestError(
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {1000 * seconds:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        await self.end()

    async def end(self) -> None:
        """Finish what is open: a turn by the client's word, even where nobody spoke."""
        stream = self._stream
        if stream is None or not stream.num_samples:
            return
        num_turns = self._num_turns
        try:
            events = await stream.accept(self._input.finish())
            events += await stream.finish()
            await self._tell(events)
            if self._num_turns == num_turns:
                now = self._offset + stream.num_samples
                self._item = _item_id()
                await self._tell_turn(self._heard, self._offset / SAMPLE_RATE, now / SAMPLE_RATE)
        except EarshotError as error:
            await self._fail(error)
        finally:
            self._drop()

    async def _fail(self, error: EarshotError) -> None:
        """The engine cannot go on with this turn; the next one begins afresh."""
        place = {"item_id": self._item or _item_id(), "content_index": 0}
        self._drop()
        name = "conversation.item.input_audio_transcription.failed"
        await self._send({"type": name, **place, "error": refusal_of(error).document()["error"]})

    async def clear(self) -> None:
        """Forget what was not committed."""
        self._drop()

    def close(self) -> None:
        """The client is gone."""
        self._drop()

    def _open(self) -> ServedStream:
        if self._stream is None:
            session = self._session
            self._stream = self._pool.open_stream(
                session.model, language=session.language, endpointing=session.endpointing
            )
            self._input = PcmInput(RATE)
        return self._stream

    def _drop(self) -> None:
        if self._stream is not None:
            self._offset += self._stream.num_samples
            self._stream.close()
        self._stream = None
        self._item = None
        self._heard = []

    async def _tell(self, events: Iterable[Event]) -> None:
        offset = self._offset / SAMPLE_RATE
        for event in events:
            if isinstance(event, Final):
                self._heard.append(shifted(event.segment, offset))
            elif not self._is_detecting:
                continue
            elif isinstance(event, SpeechStarted):
                self._item, self._started = _item_id(), event.time + offset
                await self._send(
                    {
                        "type": "input_audio_buffer.speech_started",
                        "audio_start_ms": round(1000 * self._started),
                        "item_id": self._item,
                    }
                )
            elif isinstance(event, SpeechEnded) and self._item is not None:
                end = event.time + offset
                stopped = {"audio_end_ms": round(1000 * end), "item_id": self._item}
                await self._send({"type": "input_audio_buffer.speech_stopped", **stopped})
                heard, self._heard = self._heard, []
                await self._tell_turn(heard, self._started, end)

    async def _tell_turn(self, heard: list[Segment], start: float, end: float) -> None:
        """Committed, the text as deltas, completed."""
        item = self._item
        self._num_turns += 1
        await self._send(
            {
                "type": "input_audio_buffer.committed",
                "previous_item_id": self._previous_item,
                "item_id": item,
            }
        )
        self._previous_item, self._item = item, None
        place = {"item_id": item, "content_index": 0}
        name = "conversation.item.input_audio_transcription"
        for index, segment in enumerate(heard):
            text = segment.text if index == 0 else f" {segment.text}"
            await self._send({"type": f"{name}.delta", **place, "delta": text, **self._logprobs(segment)})
        words = tuple(word for segment in heard for word in segment.words)
        done = {
            "transcript": " ".join(segment.text for segment in heard),
            "usage": usage(max(0.0, end - start)),
            **({"logprobs": logprobs(words)} if self._session.has_logprobs else {}),
        }
        await self._send({"type": f"{name}.completed", **place, **done})

    def _logprobs(self, segment: Segment) -> dict[str, Any]:
        return {"logprobs": logprobs(segment.words)} if self._session.has_logprobs else {}

    async def _send(self, document: dict[str, Any]) -> None:
        await _send(self._talk, document)


async def _send(talk: Conversation, document: dict[str, Any]) -> None:
    await talk.send({"event_id": f"event_{secrets.token_hex(10)}", **document})


def _parsed(message: str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise RequestError("events are text messages of JSON", code="invalid_json")
    try:
        event = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise RequestError("the event is no JSON", code="invalid_json") from error
    if not isinstance(event, dict):
        raise RequestError("an event is an object", code="invalid_json")
    return event


def _sound(text: Any) -> bytes:
    if not isinstance(text, str):
        raise RequestError("audio is a text of base64", code="invalid_audio", param="audio")
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise RequestError("audio is no base64", code="invalid_audio", param="audio") from error
    if len(data) > _MAX_APPEND:
        raise TooLongError("audio is larger than 15 MiB", param="audio")
    return data


def _error(error: EarshotError, event_id: Any) -> dict[str, Any]:
    document = refusal_of(error).document()["error"]
    document["event_id"] = event_id if isinstance(event_id, str) else None
    return {"type": "error", "error": document}


def _stream_of(session: RealtimeSession) -> tuple[Any, ...]:
    """What a stream is opened with."""
    return session.model, session.language, session.turn_detection


def _item_id() -> str:
    return f"item_{secrets.token_hex(10)}"
