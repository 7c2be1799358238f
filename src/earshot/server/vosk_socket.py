"""The protocol of vosk-server: sound up, one reply a message."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, WebSocket

from earshot.core.errors import EarshotError, UnsupportedError
from earshot.core.types import SAMPLE_RATE, Event, Final, Grammar, Partial, Segment, SpeechEnded, Word
from earshot.engines.offline import shifted
from earshot.server.errors import RequestError, TooLongError, TooManyError
from earshot.server.openai_shapes import timed_words
from earshot.server.pcm_input import PcmInput
from earshot.server.pool import RecognizerPool, ServedStream
from earshot.server.sockets import (
    INTERNAL,
    INVALID_DATA,
    POLICY,
    TRY_LATER,
    UNSUPPORTED_DATA,
    Conversation,
    conversation,
)

_log = logging.getLogger("earshot.server")

_UNKNOWN = "[unk]"
_MAX_PHRASES = 10_000


def vosk_router(path: str = "/vosk") -> APIRouter:
    """The protocol at that path of the web's own port."""
    router = APIRouter()

    @router.websocket(path)
    async def vosk(websocket: WebSocket) -> None:
        async with conversation(websocket) as talk:
            await _Talk(talk, websocket.app.state.pool).run()

    return router


@dataclass(frozen=True, slots=True)
class VoskConfig:
    """What a client may set before its first sound, and after a reset.

    sample_rate: Hz of what it sends. has_words, has_partial_words: whether words come with times and
    confidence. num_alternatives: 0 for the plain result. model: a name of what is served; anything else means
    the default.
    """

    sample_rate: float = SAMPLE_RATE
    has_words: bool = True
    has_partial_words: bool = False
    num_alternatives: int = 0
    phrases: tuple[str, ...] = ()
    model: str | None = None


def parse_config(wish: Any, before: VoskConfig) -> VoskConfig:
    """The ``config`` of a message over what was set before; unknown keys mean nothing. Raises RequestError."""
    if not isinstance(wish, dict):
        raise RequestError("config is an object")
    phrases = wish.get("phrase_list", before.phrases)
    if isinstance(phrases, str):  # as some clients send it
        phrases = _json(phrases)
    if not isinstance(phrases, list | tuple) or not all(isinstance(phrase, str) for phrase in phrases):
        raise RequestError("phrase_list is a list of strings")
    if not "".join(phrases).isprintable():
        raise RequestError("phrase_list holds what cannot be spoken")
    if len(phrases) > _MAX_PHRASES:
        raise RequestError(f"phrase_list has more than {_MAX_PHRASES} phrases")
    model = wish.get("model", before.model)
    return VoskConfig(
        sample_rate=_number(wish, "sample_rate", before.sample_rate, 1_000, 768_000),
        has_words=bool(wish.get("words", before.has_words)),
        has_partial_words=bool(wish.get("partial_words", before.has_partial_words)),
        num_alternatives=int(_number(wish, "max_alternatives", before.num_alternatives, 0, 1_000)),
        phrases=tuple(phrases),
        model=model if isinstance(model, str) else None,
    )


class _Talk:
    """One client, from its first message to its last."""

    def __init__(self, talk: Conversation, pool: RecognizerPool) -> None:
        self._talk = talk
        self._pool = pool
        self._config = VoskConfig()
        self._listener: _Listener | None = None
        self._num_samples = 0  # of listeners before, so that times go on after a reset

    async def run(self) -> None:
        try:
            await self._run()
        except RequestError as error:
            code = TRY_LATER if isinstance(error, TooManyError) else POLICY
            await self._talk.close(code, str(error))
        except EarshotError as error:
            await self._talk.close(INTERNAL, str(error))
        finally:
            if self._listener is not None:
                self._listener.close()

    async def _run(self) -> None:
        async for message in self._talk.messages():
            if isinstance(message, bytes):
                await self._talk.send_text(await self._open().accept(message))
                continue
            try:
                request = json.loads(message)
            except (ValueError, RecursionError):
                await self._talk.close(INVALID_DATA, "a text message is JSON")
                return
            if not isinstance(request, dict) or not {"config", "eof", "reset"} & request.keys():
                await self._talk.close(UNSUPPORTED_DATA, "neither sound nor config, eof or reset")
                return
            if "config" in request:
                self._config = parse_config(request["config"], self._config)
                continue
            await self._finish()
            if "eof" in request:
                return
        if self._talk.is_stopping and self._listener is not None:
            await self._finish()

    async def _finish(self) -> None:
        """The final result; the next sound begins afresh."""
        listener = self._open()
        self._listener = None
        try:
            await self._talk.send_text(await listener.finish())
            self._num_samples += listener.num_samples
        finally:
            listener.close()

    def _open(self) -> _Listener:
        if self._listener is None:
            self._listener = _Listener(self._pool, self._config, self._num_samples / SAMPLE_RATE)
        return self._listener


class _Listener:
    """One recognizer in Vosk's sense: what it heard since it was made or reset."""

    def __init__(self, pool: RecognizerPool, config: VoskConfig, offset: float) -> None:
        self._config = config
        self._offset = offset
        self._max_samples = pool.options.max_duration * SAMPLE_RATE
        self._input = PcmInput(round(config.sample_rate))
        self._stream = _open_stream(pool, config)
        self._partial: Segment | None = None

    @property
    def num_samples(self) -> int:
        return self._stream.num_samples

    async def accept(self, data: bytes) -> str:
        if self.num_samples > self._max_samples:
            raise TooLongError("this stream is longer than the server allows", fix="send eof or reset")
        return self._reply(await self._stream.accept(self._input.accept(data)))

    async def finish(self) -> str:
        events = await self._stream.accept(self._input.finish())
        events += await self._stream.finish()
        return self._result(_finals(events))

    def close(self) -> None:
        self._stream.close()

    def _reply(self, events: list[Event]) -> str:
        for event in events:
            if isinstance(event, Partial):
                self._partial = event.segment
            elif isinstance(event, Final | SpeechEnded):
                self._partial = None
        if finals := _finals(events):
            return self._result(finals)
        return self._partial_result()

    def _partial_result(self) -> str:
        segment = self._partial
        document: dict[str, Any] = {"partial": segment.text if segment else ""}
        if self._config.has_partial_words and segment is not None:
            document["partial_result"] = self._words(segment)
        return _dumps(document)

    def _result(self, segments: list[Segment]) -> str:
        """One result for all that became final: a message has one reply."""
        text = " ".join(segment.text for segment in segments)
        words = [word for segment in segments for word in self._words(segment)]
        if self._config.num_alternatives:
            known = [word.confidence for s in segments for word in s.words if word.confidence]
            alternative: dict[str, Any] = {"confidence": sum(map(math.log, known)), "text": text}
            if self._config.has_words and words:
                # An alternative has one confidence, a likelihood; its words have none.
                alternative["result"] = [{k: v for k, v in word.items() if k != "conf"} for word in words]
            return _dumps({"alternatives": [alternative]})
        if self._config.has_words and words:
            return _dumps({"result": words, "text": text})
        return _dumps({"text": text})

    def _words(self, segment: Segment) -> list[dict[str, Any]]:
        return [_word(word) for word in timed_words(shifted(segment, self._offset))]


def _open_stream(pool: RecognizerPool, config: VoskConfig) -> ServedStream:
    model = _served_name(pool, config.model)
    grammar = None
    if config.phrases and pool.find(model).capabilities.grammar:
        grammar = _grammar(config.phrases)
    try:
        return pool.open_stream(model, grammar=grammar, word_times=config.has_words, punctuation=False)
    except UnsupportedError as error:
        # vosk-server leaves out what its model does not know, and clients rely on going on.
        _log.info("a Vosk client's phrase list is not used: %s", type(error).__name__)
        return pool.open_stream(model, word_times=config.has_words, punctuation=False)


def _served_name(pool: RecognizerPool, name: str | None) -> str | None:
    """Only a name of what is served means anything; a path means nothing."""
    return name if any(name in (served.name, served.engine) for served in pool.served) else None


def _grammar(phrases: tuple[str, ...]) -> Grammar | None:
    said = tuple(
        " ".join(phrase.split()) for phrase in phrases if phrase.strip() and phrase.strip() != _UNKNOWN
    )
    return Grammar(said, allows_unknown=any(phrase.strip() == _UNKNOWN for phrase in phrases)) if said else None


def _finals(events: list[Event]) -> list[Segment]:
    return [event.segment for event in events if isinstance(event, Final)]


def _word(word: Word) -> dict[str, Any]:
    """Vosk's clients compute with conf, so it is 1 where the engine does not tell."""
    confidence = 1.0 if word.confidence is None else word.confidence
    return {
        "conf": round(confidence, 6),
        "end": round(word.end or 0.0, 6),
        "start": round(word.start or 0.0, 6),
        "word": word.text,
    }


def _number(wish: dict[str, Any], name: str, otherwise: float, least: float, most: float) -> float:
    value = wish.get(name, otherwise)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise RequestError(f"{name} is a number from {least:g} to {most:g}")
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _dumps(document: dict[str, Any]) -> str:
    """Laid out as vosk-server does, whose replies some clients search as text."""
    return json.dumps(document, ensure_ascii=False, indent=2, separators=(",", " : "))
