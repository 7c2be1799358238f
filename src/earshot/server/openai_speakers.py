"""Who speaks, as OpenAI's audio API tells it: voices that a client knows by name, all others by letters."""

from __future__ import annotations

import base64
import binascii
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import TYPE_CHECKING

import numpy as np

from earshot.audio.decode import open_audio
from earshot.audio.resample import resampled
from earshot.core.errors import EarshotError
from earshot.core.types import SAMPLE_RATE, Samples, Segment
from earshot.server.errors import RequestError
from earshot.server.library_types import clean_name
from earshot.speakers.enrolment import speech_of
from earshot.speakers.types import Diarization, Turn, Vector

if TYPE_CHECKING:
    from earshot.server.forms import Form
    from earshot.speakers.encoder import SpeakerEncoder

NAMES, REFERENCES = "known_speaker_names", "known_speaker_references"

MOST_KNOWN = 4
"""OpenAI's own limit."""

_SHORTEST, _LONGEST = 2.0, 10.0
"""Seconds of a reference: OpenAI's own limits."""

_SLACK = 0.15
"""Seconds that codecs add or take at the ends."""

_LEAST_SPEECH = 1.0
"""Seconds of speech without which a reference says nothing about a voice."""

_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A voice that the client knows. data: a recording as it came."""

    name: str
    data: bytes


def known_references(form: Form) -> tuple[Reference, ...]:
    """What the client sent, names and recordings pairwise. Raises RequestError naming the wrong field."""
    names = [clean_name(name, "") for name in form.values(NAMES)]
    urls = form.values(REFERENCES)
    if len(names) != len(urls):
        raise RequestError(
            f"there are {len(names)} names of known speakers and {len(urls)} references",
            fix="send a reference for each name, in the same order",
            param=NAMES if len(names) > len(urls) else REFERENCES,
        )
    if len(names) > MOST_KNOWN:
        raise RequestError(f"{len(names)} known speakers are too many", fix=f"send {MOST_KNOWN}", param=NAMES)
    for name in names:
        if not name or len(name) > _LONGEST_NAME:
            raise RequestError(f"a speaker's name has 1 to {_LONGEST_NAME} characters", param=NAMES)
    if len({name.casefold() for name in names}) < len(names):
        raise RequestError("two known speakers have the same name", fix="tell them apart", param=NAMES)
    return tuple(Reference(name, _data(url, name)) for name, url in zip(names, urls, strict=True))


def _data(url: str, name: str) -> bytes:
    head, comma, body = url.partition(",")
    if not comma or not head.lower().startswith("data:") or not head.lower().endswith(";base64"):
        raise RequestError(
            f"the reference of {name!r} is no data URL", fix="send data:audio/wav;base64,…", param=REFERENCES
        )
    try:
        data = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"the reference of {name!r} is no base64", param=REFERENCES) from error
    if not data:
        raise RequestError(f"the reference of {name!r} is empty", param=REFERENCES)
    return data


def known_voices(references: Sequence[Reference], encoder: SpeakerEncoder) -> dict[str, Vector]:
    """Each voice by its name. Blocking. Raises RequestError for a recording from which none can be taken."""
    if not references:
        return {}
    clips = [_speech(reference) for reference in references]
    return dict(zip((one.name for one in references), encoder.embed(clips), strict=True))


def _speech(reference: Reference) -> Samples:
    """What is said in it, without the pauses."""
    try:
        samples = _read(reference.data)
    except EarshotError as error:
        raise _wrong(reference, "cannot be read", "send it as wav, mp3, flac, ogg, m4a or webm") from error
    seconds = len(samples) / SAMPLE_RATE
    if not _SHORTEST - _SLACK / 10 <= seconds <= _LONGEST + _SLACK:
        length = f"lasts {seconds:.1f} s" if seconds < _LONGEST + 1 else f"is longer than {_LONGEST:g} s"
        raise _wrong(reference, length, f"send {_SHORTEST:g} to {_LONGEST:g} s")
    speech = speech_of([samples])
    if len(speech) < _LEAST_SPEECH * SAMPLE_RATE:
        amount = f"{len(speech) / SAMPLE_RATE:.1f} s of speech" if len(speech) else "no speech"
        raise _wrong(reference, f"holds {amount}", "send some seconds of that voice alone")
    return speech


def _read(data: bytes) -> Samples:
    """At 16 kHz; no more than is needed to see that it is too long."""
    blocks: list[Samples] = []
    count = 0
    with open_audio(io.BytesIO(data)) as reader:
        for block in resampled(reader, reader.info.sample_rate):
            blocks.append(block)
            count += len(block)
            if count > (_LONGEST + 2) * SAMPLE_RATE:
                break
    return np.concatenate([*blocks, np.empty(0, np.float32)])


def _wrong(reference: Reference, what: str, fix: str) -> RequestError:
    return RequestError(f"the reference of {reference.name!r} {what}", fix=fix, param=REFERENCES)


def recognized_names(diarization: Diarization, known: Mapping[str, Vector], threshold: float) -> dict[str, str]:
    """The names of those labels whose voices are known; strangers are left out.

    threshold: cosine above which two voices are one. Two labels may bear one name: then one voice was taken
    for two.
    """
    named: dict[str, str] = {}
    for label, vector in diarization.vectors.items():
        likeness = {name: float(voice @ vector) for name, voice in known.items()}
        best = max(likeness, key=lambda name: likeness[name], default=None)
        if best is not None and likeness[best] >= threshold:
            named[label] = best
    return named


class SpeakerNames:
    """What the answer calls the speakers of one recording: known names, and letters in order of appearance.

    known: voices by name. threshold: see ``recognized_names``.
    """

    def __init__(self, known: Mapping[str, Vector], threshold: float) -> None:
        self._known = known
        self._threshold = threshold
        self._turns: Sequence[Turn] = ()
        self._names: dict[str | None, str] = {}
        self._free = (name for name in _letters() if name not in known)

    def learn(self, diarization: Diarization) -> dict[str, str]:
        """Who spoke when. Its labels stay in the transcript, so that nobody's name is taken for one."""
        self._turns = diarization.turns
        self._names.update(recognized_names(diarization, self._known, self._threshold))
        return {}

    def named(self, segment: Segment) -> Segment:
        """With the speaker's name; words beside all turns are the nearest one's. Segments come in order."""
        label = segment.speaker
        if label is None and self._turns:
            label = min(self._turns, key=lambda turn: _distance(turn, segment)).speaker
        if label not in self._names:
            self._names[label] = next(self._free)
        return replace(segment, speaker=self._names[label])


def _distance(turn: Turn, segment: Segment) -> float:
    return max(turn.start - segment.end, segment.start - turn.end, 0.0)


def _letters() -> Iterator[str]:
    """A, B, … Z, AA, AB, … without end."""
    for length in itertools.count(1):
        for letters in itertools.product(ascii_uppercase, repeat=length):
            yield "".join(letters)
