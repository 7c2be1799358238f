"""What a batch is asked to do, and the identity of what comes out of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from earshot.batch.identity import ModelIdentity
from earshot.core.errors import OutputError
from earshot.core.types import Grammar
from earshot.text.formats import FormatOptions
from earshot.text.subtitles import SubtitleOptions
from earshot.transcription import SpeakerOptions, TranscriptionOptions

PIPELINE = 1
"""Raised when the same model and options would give other results than before."""

UNIT_SECONDS = 240.0
"""Speech in a piece of a long recording: seconds of work for one core, and some 16 MB of samples."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What is made of every recording.

    transcription: with what; its ``num_threads`` are those of one worker. formats: names of transcript formats,
    a file each. style: how they are written. channel: counts from 1, None mixes all. unit_seconds: about how
    much speech is handed to a worker at once, and so how much is done again after a crash.
    """

    transcription: TranscriptionOptions = field(default_factory=TranscriptionOptions)
    formats: tuple[str, ...] = ("json",)
    style: FormatOptions = field(default_factory=FormatOptions)
    channel: int | None = None
    unit_seconds: float = UNIT_SECONDS

    def recipe(self, model: ModelIdentity) -> str:
        """The name of all that results depend on but the recordings, as in ``moonshine-tiny-en-3fa94c1b``.

        Another model file or option gives another name, so results of two recipes never mix.
        """
        settings = {**to_plain(self), "model_hash": model.digest, "pipeline": PIPELINE}
        spoken = settings["transcription"]
        spoken.pop("num_threads", None)
        spoken.pop("language_model", None)  # the model's digest has what is in the file
        for name in ("speakers", "aligner"):  # without them results are those of before there were any
            if spoken[name] is None:
                del spoken[name]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        label = re.sub(r"[^A-Za-z0-9._-]+", "-", model.name.replace("/", "-"))[:48].strip("-.")
        return f"{label}-{digest[:8]}"


def from_plain(plain: dict[str, Any]) -> BatchOptions:
    """What ``to_plain`` made of options. Raises OutputError when another version of Earshot wrote them."""
    try:
        spoken = dict(plain["transcription"])
        grammar = spoken.pop("grammar", None)
        speakers = spoken.pop("speakers", None)
        style = dict(plain["style"])
        return BatchOptions(
            TranscriptionOptions(
                **{**spoken, "hot_words": tuple(spoken["hot_words"])},
                grammar=Grammar(**{**grammar, "phrases": tuple(grammar["phrases"])}) if grammar else None,
                speakers=SpeakerOptions(**speakers) if speakers else None,
            ),
            tuple(plain["formats"]),
            FormatOptions(**{**style, "subtitles": SubtitleOptions(**style["subtitles"])}),
            plain["channel"],
            plain["unit_seconds"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OutputError(
            f"the batch was begun by another version of Earshot ({error})", fix="give the whole command again"
        ) from error


def to_plain(options: Any) -> dict[str, Any]:
    """A dataclass as what JSON knows."""
    plain = json.loads(json.dumps(dataclasses.asdict(options), sort_keys=True, default=str))
    assert isinstance(plain, dict)
    return plain
