"""From recordings of somebody to what the memory keeps: speech alone, one voice, enough of it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from earshot.audio.cutting import CutOptions, cut_speech
from earshot.core.errors import MissingExtraError, SpeakerError
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.speakers.encoder import SpeakerEncoder, find_encoder
from earshot.speakers.memory import Enrolment, VoiceSpace, mean_voice
from earshot.speakers.types import Vector, Vectors

MIN_SPEECH = 2.0
"""Seconds of speech below which a voice is not kept: vectors of shorter clips say little."""

MAX_SPEECH = 120.0
"""Seconds of speech that are looked at; more adds nothing to a mean voice."""

_WINDOW, _HOP = 2.0, 1.0
"""Seconds of the windows in which one voice is told from two."""

_MIN_PART = 2
"""Windows that a second voice must fill: one may be a cough or a laugh."""

_MEANS = 0.05
"""Added to the threshold of single clips: means of several windows of one voice are more alike. Of 30 pairs of
LibriSpeech voices, 6 s each, 27 (ge2e) and 29 (earshot) are found so; of 51 single voices 0 and 1 are, too."""


def enrolment_encoders(name: str | None = None) -> list[SpeakerEncoder]:
    """The encoder of that name; without one the best that is there, and the one that comes with Earshot.

    Vectors of both are kept, so that a voice stays known where only the embedded encoder is.
    Raises as ``find_encoder`` does where there is none at all.
    """
    encoders = [find_encoder(name)]
    if name is None:
        with contextlib.suppress(MissingExtraError):
            embedded = find_encoder("earshot")
            encoders += [embedded] if embedded.name != encoders[0].name else []
    return encoders


def speech_of(blocks: Iterable[Samples]) -> Samples:
    """The speech alone, up to MAX_SPEECH seconds of it: float32 (n,). blocks: 16 kHz, any sizes."""
    found: list[Samples] = []
    num_samples = 0
    for region in cut_speech(blocks, max_duration=30.0, options=CutOptions(padding=0.05, join_gap=0.3)):
        found.append(region.samples)
        num_samples += len(region.samples)
        if num_samples >= MAX_SPEECH * SAMPLE_RATE:
            break
    return np.concatenate([np.empty(0, np.float32), *found])[: round(MAX_SPEECH * SAMPLE_RATE)]


def describe_voice(
    source: str,
    blocks: Iterable[Samples],
    encoders: Sequence[SpeakerEncoder],
    *,
    keeps_clip: bool = False,
) -> Enrolment:
    """One recording of somebody as the memory keeps it.

    source: its name. blocks: float32 at 16 kHz, any sizes. keeps_clip: the speech itself, too, as FLAC.
    Raises SpeakerError where there is no speech, less than MIN_SPEECH seconds of it, or more than one voice.
    """
    speech = speech_of(blocks)
    seconds = len(speech) / SAMPLE_RATE
    if not len(speech):
        raise SpeakerError(
            f"{source} holds no speech", fix="give a recording in which the person speaks, alone and near"
        )
    if seconds < MIN_SPEECH:
        raise SpeakerError(
            f"{source} holds {seconds:.1f} s of speech", fix=f"give at least {MIN_SPEECH:.0f} s, better ten"
        )
    if has_two_voices(speech, encoders[0]):
        raise SpeakerError(
            f"{source} seems to hold more than one voice",
            fix="give a recording of one person, or enrol from a meeting: --from meeting.json --speaker S1",
        )
    vectors = {VoiceSpace(encoder.name, encoder.threshold): encoder.embed([speech])[0] for encoder in encoders}
    return Enrolment(source, seconds, vectors, _flac(speech) if keeps_clip else None)


def has_two_voices(speech: Samples, encoder: SpeakerEncoder) -> bool:
    """Whether windows of the speech fall into two groups that are not one voice, each of some seconds."""
    length, hop = round(_WINDOW * SAMPLE_RATE), round(_HOP * SAMPLE_RATE)
    starts = range(0, len(speech) - length + 1, hop)
    if len(starts) < 2 * _MIN_PART:
        return False
    vectors = encoder.embed_windows(speech, list(starts), length)
    is_second = _two_groups(vectors)
    if min(np.count_nonzero(is_second), np.count_nonzero(~is_second)) < _MIN_PART:
        return False
    likeness = float(_mean(vectors[is_second]) @ _mean(vectors[~is_second]))
    return likeness < encoder.threshold + _MEANS


def check_same_voice(enrolments: Sequence[Enrolment], known: Mapping[str, Vector] | None = None) -> None:
    """Raises SpeakerError, naming the recording, where one is of another voice than the others.

    known: mean voices of the speaker as the memory has them, by encoder; then each is compared with those.
    """
    for index, enrolment in enumerate(enrolments):
        others = [other for place, other in enumerate(enrolments) if place != index]
        for space, vector in enrolment.vectors.items():
            reference = (known or {}).get(space.name)
            if reference is None:
                vectors = [other.vectors[space] for other in others if space in other.vectors]
                if not vectors:
                    continue
                reference = mean_voice(vectors, [1.0] * len(vectors))
            similarity = float(reference @ vector)
            if similarity < space.threshold - _leniency(enrolment.seconds):
                if known is None and len(others) == 1:
                    raise SpeakerError(
                        f"{enrolment.source} and {others[0].source} seem to be of different voices"
                        f" (similarity {similarity:.2f})",
                        fix="leave one out, or say --force if it is the same person",
                    )
                raise SpeakerError(
                    f"{enrolment.source} seems to be of another voice (similarity {similarity:.2f},"
                    f" the same voice has {space.threshold:.2f} or more)",
                    fix="leave it out, or say --force if it is the same person",
                )
            break  # the first encoder is the best one


def _leniency(seconds: float) -> float:
    """Rooms and microphones differ between recordings; short ones tell less."""
    return 0.05 if seconds >= 5 else 0.1


def _two_groups(vectors: Vectors) -> npt.NDArray[np.bool_]:
    """2-means on the sphere from the two windows that are least alike; deterministic."""
    likeness = vectors @ vectors.T
    first, second = np.unravel_index(int(likeness.argmin()), likeness.shape)
    centres = np.stack([vectors[first], vectors[second]])
    is_second = np.zeros(len(vectors), np.bool_)
    for _ in range(20):
        scores = vectors @ centres.T
        changed: npt.NDArray[np.bool_] = scores[:, 1] > scores[:, 0]
        if (changed == is_second).all() or changed.all() or not changed.any():
            return changed
        is_second = changed
        centres = np.stack([_mean(vectors[~is_second]), _mean(vectors[is_second])])
    return is_second


def _mean(vectors: Vectors) -> Vector:
    return mean_voice(list(vectors), [1.0] * len(vectors))


def _flac(speech: Samples) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(speech, -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
