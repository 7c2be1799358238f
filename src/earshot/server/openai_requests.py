"""What a client of the OpenAI audio API asked for, checked field by field."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from earshot.server.errors import RequestError
from earshot.server.forms import Form
from earshot.server.language_names import language_code
from earshot.server.openai_speakers import NAMES, Reference, known_references

FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
GRANULARITIES = ("word", "segment")
_STREAMED = ("json", "text", "diarized_json")
_TIMED = ("srt", "vtt", "verbose_json", "diarized_json")
_FLAGS = {"true": True, "1": True, "false": False, "0": False, "": False}


@dataclass(frozen=True, slots=True)
class AudioRequest:
    """Of transcriptions and translations. granularities: never empty where ``verbose_json`` was asked for.

    references: voices that the client knows, where it wants speakers told apart.
    """

    model: str | None
    language: str | None
    response_format: str
    granularities: frozenset[str]
    temperature: float
    has_logprobs: bool
    is_streamed: bool
    references: tuple[Reference, ...] = ()

    @property
    def is_diarized(self) -> bool:
        """Whether speakers are told apart."""
        return self.response_format == "diarized_json"

    @property
    def has_word_times(self) -> bool:
        """Whether the answer depends on them, as the breaks of lines and the changes of speakers do."""
        return "word" in self.granularities or self.response_format in _TIMED


def parse_request(form: Form) -> AudioRequest:
    """Raises RequestError naming the field that is wrong."""
    if form.path is None:
        raise RequestError("there is no file", fix="send the recording as the field 'file'", param="file")
    if not form.num_bytes:
        raise RequestError("the file is empty", code="invalid_audio", param="file")
    if not form.last("model"):
        raise RequestError("there is no model", fix="GET /v1/models lists them", param="model")
    _check_chunking(form.last("chunking_strategy"))
    references = known_references(form)
    response_format = _format(form.last("response_format"))
    includes = _choices(form, "include", ("logprobs",))
    granularities = _choices(form, "timestamp_granularities", GRANULARITIES)
    if granularities and response_format != "verbose_json":
        raise RequestError("timestamps come with response_format verbose_json", param="timestamp_granularities")
    is_streamed = _flag(form, "stream")
    if is_streamed and response_format not in _STREAMED:
        raise RequestError(
            f"{response_format} cannot be streamed",
            fix=f"stream one of {', '.join(_STREAMED)}",
            param="response_format",
        )
    if includes and response_format != "json":
        raise RequestError("logprobs come with response_format json", param="include")
    if references and response_format != "diarized_json":
        raise RequestError("known speakers come with response_format diarized_json", param=NAMES)
    return AudioRequest(
        model=form.last("model"),
        language=language_code(form.last("language")),
        response_format=response_format,
        granularities=granularities or frozenset({"segment"}),
        temperature=_temperature(form.last("temperature")),
        has_logprobs="logprobs" in includes,
        is_streamed=is_streamed,
        references=references,
    )


def check_turn_detection(wish: Any, param: str) -> None:
    """Raises RequestError unless it is a ``server_vad`` whose numbers are such."""
    if not isinstance(wish, dict) or wish.get("type") != "server_vad":
        raise RequestError("the type of turn detection is 'server_vad'", param=param)
    limits = {"threshold": 1.0, "prefix_padding_ms": 10_000, "silence_duration_ms": 10_000}
    for name, most in limits.items():
        value = wish.get(name)
        if value is not None and not (_is_number(value) and 0 <= value <= most):
            raise RequestError(f"{name} is a number from 0 to {most:g}", param=f"{param}.{name}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _format(name: str | None) -> str:
    name = name or "json"
    if name not in FORMATS:
        raise RequestError(
            f"there is no response_format {name[:40]!r}",
            fix=f"choose one of {', '.join(FORMATS)}",
            param="response_format",
        )
    return name


def _choices(form: Form, name: str, known: tuple[str, ...]) -> frozenset[str]:
    chosen = form.all(name)
    for value in chosen:
        if value not in known:
            raise RequestError(f"{name} is one of {', '.join(known)}, not {value[:40]!r}", param=name)
    return frozenset(chosen)


def _flag(form: Form, name: str) -> bool:
    value = (form.last(name) or "").strip().lower()
    if value not in _FLAGS:
        raise RequestError(f"{name} is true or false", param=name)
    return _FLAGS[value]


def _temperature(text: str | None) -> float:
    """Kept for the answer alone: our engines decode without chance."""
    try:
        value = float(text or 0)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise RequestError("temperature is a number from 0 to 1", param="temperature")
    return value


def _check_chunking(text: str | None) -> None:
    if text is None or text in ("", "auto"):
        return
    try:
        wish = json.loads(text)
    except (ValueError, RecursionError):
        wish = None
    if isinstance(wish, dict):
        check_turn_detection(wish, "chunking_strategy")
    elif wish != "auto":
        raise RequestError("chunking_strategy is 'auto' or a server_vad", param="chunking_strategy")
