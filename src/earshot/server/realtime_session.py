"""The session of OpenAI's realtime transcription, in its present shape and in the older one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

from earshot.engines.streaming import StreamingOptions
from earshot.server.errors import RequestError
from earshot.server.language_names import language_code
from earshot.server.openai_requests import check_turn_detection
from earshot.server.pool import RecognizerPool

RATE = 24_000
"""Hz; the only rate that OpenAI's clients send 16-bit PCM at."""

_LOGPROBS = "item.input_audio_transcription.logprobs"
_SERVER_VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}


@dataclass(frozen=True, slots=True)
class RealtimeSession:
    """What was agreed. turn_detection: None where the client commits by itself.

    is_older: whether the client speaks of ``transcription_session``. has_own_endpointing: whether it named a
    silence or a threshold; else ours decides, which is quicker.
    """

    id: str
    is_older: bool
    model: str | None = None
    language: str | None = None
    prompt: str = ""
    turn_detection: dict[str, Any] | None = None
    has_own_endpointing: bool = False
    noise_reduction: dict[str, Any] | None = None
    has_logprobs: bool = False

    @property
    def endpointing(self) -> StreamingOptions | None:
        """None for the engine's own."""
        if not self.has_own_endpointing or self.turn_detection is None:
            return None
        threshold = min(0.95, max(0.05, float(self.turn_detection["threshold"])))
        silence = max(0.2, self.turn_detection["silence_duration_ms"] / 1000)
        return StreamingOptions(
            threshold=threshold,
            end_threshold=threshold / 2,
            padding=max(0.032, self.turn_detection["prefix_padding_ms"] / 1000),
            hesitation=min(StreamingOptions().hesitation, silence / 2),
            min_silence=silence,
            max_silence=silence,
        )

    def document(self) -> dict[str, Any]:
        """The session as the server tells it."""
        transcription = {"model": self.model, "language": self.language, "prompt": self.prompt}
        include = [_LOGPROBS] if self.has_logprobs else []
        if self.is_older:
            return {
                "id": self.id,
                "object": "realtime.transcription_session",
                "input_audio_format": "pcm16",
                "input_audio_transcription": transcription,
                "turn_detection": self.turn_detection,
                "input_audio_noise_reduction": self.noise_reduction,
                "include": include,
            }
        sound = {
            "format": {"type": "audio/pcm", "rate": RATE},
            "transcription": transcription,
            "turn_detection": self.turn_detection,
            "noise_reduction": self.noise_reduction,
        }
        return {
            "id": self.id,
            "object": "realtime.transcription_session",
            "type": "transcription",
            "audio": {"input": sound},
            "include": include,
        }


def new_session(pool: RecognizerPool, model: str | None, *, is_older: bool) -> RealtimeSession:
    """With the server's turn detection, as clients expect before they say otherwise.

    Raises RequestError for a model that is not served; OpenAI's speaking models mean the default.
    """
    pool.find(model)
    session_id = f"sess_{secrets.token_hex(12)}"
    return RealtimeSession(session_id, is_older, model or pool.default.name, turn_detection=dict(_SERVER_VAD))


def updated_session(session: RealtimeSession, wish: Any, pool: RecognizerPool) -> RealtimeSession:
    """The session after a client's update. Raises RequestError naming the field; nothing is changed then."""
    if not isinstance(wish, dict):
        raise RequestError("session is an object", param="session")
    if session.is_older:
        fields = _older_fields(wish)
    else:
        if wish.get("type") not in (None, "transcription"):
            raise RequestError("only sessions of type 'transcription' are served", param="session.type")
        fields = _present_fields(wish)
    if "transcription" in fields:
        session = _with_transcription(session, fields["transcription"], pool)
    if "turn_detection" in fields:
        session = _with_turn_detection(session, fields["turn_detection"])
    if "noise_reduction" in fields:
        session = replace(
            session, noise_reduction=_object_or_none(fields["noise_reduction"], "noise_reduction")
        )
    include = wish.get("include")
    if include is not None:
        if not isinstance(include, list):
            raise RequestError("include is a list", param="session.include")
        session = replace(session, has_logprobs=_LOGPROBS in include)
    return session


def _older_fields(wish: dict[str, Any]) -> dict[str, Any]:
    if wish.get("input_audio_format", "pcm16") != "pcm16":
        raise RequestError("the input_audio_format is 'pcm16'", param="session.input_audio_format")
    names = {
        "input_audio_transcription": "transcription",
        "turn_detection": "turn_detection",
        "input_audio_noise_reduction": "noise_reduction",
    }
    return {name: wish[old] for old, name in names.items() if old in wish}


def _present_fields(wish: dict[str, Any]) -> dict[str, Any]:
    sound = _object_or_none(wish.get("audio"), "audio") or {}
    fields = _object_or_none(sound.get("input"), "audio.input") or {}
    shape = _object_or_none(fields.get("format"), "audio.input.format") or {}
    if shape.get("type", "audio/pcm") != "audio/pcm" or shape.get("rate", RATE) != RATE:
        raise RequestError(f"the format is audio/pcm at {RATE} Hz", param="session.audio.input.format")
    return fields


def _with_transcription(session: RealtimeSession, wish: Any, pool: RecognizerPool) -> RealtimeSession:
    fields = _object_or_none(wish, "transcription") or {}
    for name in ("model", "language", "prompt"):
        if not isinstance(fields.get(name, ""), str | None):
            raise RequestError(f"{name} is text", param=f"session.transcription.{name}")
    model = fields.get("model") or session.model
    language = language_code(fields.get("language", session.language), param="session.transcription.language")
    pool.find(model).check_language(language)
    prompt = fields.get("prompt", session.prompt) or ""
    return replace(session, model=model, language=language, prompt=prompt)


def _with_turn_detection(session: RealtimeSession, wish: Any) -> RealtimeSession:
    if wish is None:
        return replace(session, turn_detection=None, has_own_endpointing=False)
    check_turn_detection(wish, "session.turn_detection")
    given = {name: wish[name] for name in _SERVER_VAD if wish.get(name) is not None}
    return replace(session, turn_detection={**_SERVER_VAD, **given}, has_own_endpointing=len(given) > 1)


def _object_or_none(value: Any, name: str) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise RequestError(f"{name} is an object", param=f"session.{name}")
    return value
