"""The OpenAPI descriptions of OpenAI's routes, whose forms are read by ourselves."""

from __future__ import annotations

from typing import Any

from earshot.server.openai_requests import FORMATS, GRANULARITIES
from earshot.server.openai_speakers import MOST_KNOWN, NAMES, REFERENCES

ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}

_REASONS = {
    400: "The request is wrong",
    401: "A token is needed",
    403: "Pages of that origin may not ask",
    404: "There is no such thing",
    408: "The body came too slowly",
    413: "The recording is too large or too long",
    415: "The body is of another kind",
    421: "This server does not go by that name",
    429: "Too many at once",
    500: "A fault of the server",
    503: "The server is stopping",
    507: "The server's disk is full",
}


def responses(good: dict[str, Any], *statuses: int) -> dict[str, Any]:
    """The answer to a good request, and the errors that may come instead."""
    described: dict[str, Any] = {"200": good}
    for status in (400, 401, 403, 421, 500, *statuses):
        content = {"application/json": {"schema": ERROR_SCHEMA}}
        described[str(status)] = {"description": _REASONS[status], "content": content}
    return described


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


_USAGE = {
    "type": "object",
    "required": ["type", "seconds"],
    "properties": {"type": {"const": "duration"}, "seconds": {"type": "number", "minimum": 0}},
}
_WORD = {
    "type": "object",
    "required": ["word", "start", "end"],
    "properties": {"word": {"type": "string"}, "start": {"type": "number"}, "end": {"type": "number"}},
}
_SEGMENT_NUMBERS = (
    "start",
    "end",
    "temperature",
    "avg_logprob",
    "compression_ratio",
    "no_speech_prob",
)
_SEGMENT = {
    "type": "object",
    "required": ["id", "seek", "text", "tokens", *_SEGMENT_NUMBERS],
    "properties": {
        "id": {"type": "integer"},
        "seek": {"type": "integer"},
        "text": {"type": "string"},
        "tokens": {"type": "array", "items": {"type": "integer"}},
        **{name: {"type": "number"} for name in _SEGMENT_NUMBERS},
    },
}
_LOGPROB = {
    "type": "object",
    "required": ["token", "logprob", "bytes"],
    "properties": {
        "token": {"type": "string"},
        "logprob": {"type": "number", "maximum": 0},
        "bytes": {"type": "array", "items": {"type": "integer"}},
    },
}
_SPOKEN_SEGMENT = {
    "type": "object",
    "required": ["type", "id", "start", "end", "text", "speaker"],
    "properties": {
        "type": {"const": "transcript.text.segment"},
        "id": {"type": "string"},
        "start": {"type": "number"},
        "end": {"type": "number"},
        "text": {"type": "string"},
        "speaker": {"type": "string", "description": "A known name, or A, B, …"},
    },
}
_TRANSCRIPT = {
    "type": "object",
    "required": ["text", "usage"],
    "properties": {
        "text": {"type": "string"},
        "usage": _USAGE,
        "task": {"type": "string"},
        "language": {"type": "string"},
        "duration": {"type": "number"},
        "words": {"type": "array", "items": _WORD},
        "segments": {"type": "array", "items": {"anyOf": [_SEGMENT, _SPOKEN_SEGMENT]}},
        "logprobs": {"type": "array", "items": _LOGPROB},
    },
}
_TEXT = {"schema": {"type": "string"}}
_ANSWER = {
    "description": "The transcript",
    "content": {
        **_json(_TRANSCRIPT),
        "text/plain": _TEXT,
        "text/vtt": _TEXT,
        "application/x-subrip": _TEXT,
        "text/event-stream": _TEXT,
    },
}
_FIELDS: dict[str, Any] = {
    "file": {"type": "string", "format": "binary", "description": "The recording"},
    "model": {"type": "string", "minLength": 1, "description": "A name of /v1/models, or one of OpenAI's"},
    "language": {"type": "string", "description": "ISO 639-1"},
    "prompt": {"type": "string", "description": "Accepted and not used"},
    "temperature": {"type": "number", "minimum": 0, "maximum": 1},
    "response_format": {"type": "string", "enum": list(FORMATS), "default": "json"},
    "timestamp_granularities[]": {
        "type": "array",
        "items": {"type": "string", "enum": list(GRANULARITIES)},
    },
    "include[]": {"type": "array", "items": {"type": "string", "enum": ["logprobs"]}},
    "stream": {"type": "boolean"},
    "chunking_strategy": {"type": "string"},
    f"{NAMES}[]": {
        "type": "array",
        "maxItems": MOST_KNOWN,
        "items": {"type": "string"},
        "description": "With diarized_json: who may be speaking",
    },
    f"{REFERENCES}[]": {
        "type": "array",
        "maxItems": MOST_KNOWN,
        "items": {"type": "string", "description": "2 to 10 s of that voice, as data:audio/wav;base64,…"},
    },
}


def _form(names: tuple[str, ...]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["file", "model"],
        "properties": {name: _FIELDS[name] for name in names},
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


AUDIO_OPERATION: dict[str, Any] = {
    "requestBody": _form(tuple(_FIELDS)),
    "responses": responses(_ANSWER, 404, 408, 413, 415, 429, 503, 507),
}
TRANSLATION_OPERATION: dict[str, Any] = {
    "requestBody": _form(("file", "model", "prompt", "response_format", "temperature")),
    "responses": responses(_ANSWER, 404, 408, 413, 415, 429, 503, 507),
}

_MODEL = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
        "languages": {"type": "array", "items": {"type": "string"}},
    },
}
_MODELS = {
    "type": "object",
    "required": ["object", "data"],
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": _MODEL}},
}
MODELS_OPERATION: dict[str, Any] = {
    "responses": responses({"description": "What is served", "content": _json(_MODELS)})
}
MODEL_OPERATION: dict[str, Any] = {
    "responses": responses({"description": "The model", "content": _json(_MODEL)}, 404)
}
