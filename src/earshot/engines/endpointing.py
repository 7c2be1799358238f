"""Is the speaker done, or pausing in mid-sentence? A small predictor on what the recognizer knows at a pause.

Moonshine ends nearly every stretch of speech with a full stop, so its marks alone hardly tell. The predictor
adds the encoder's frames around the end of speech, seen against the speaker's own average: how the voice fell,
and how long the last sounds were. Shannon et al. 2017, "Improved End-of-Query Detection for Streaming Speech
Recognition", and Maier et al. 2017, "Towards Deep End-of-Turn Prediction for Situated Spoken Dialogue
Systems", show that sound and words together tell more than either.

``data/endpointing.card.json`` says what it learned from and how often it errs, which is often: a listener who
hears no more than it does errs too. ``benchmarks/train_endpointing.py`` made it.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from typing import Final

import numpy as np
import numpy.typing as npt

from earshot.core.errors import ModelError
from earshot.core.types import Word
from earshot.engines.moonshine_model import Frames
from earshot.text.function_words import FUNCTION_WORDS

UNKNOWN: Final = 0.5
"""The answer where there is nothing to judge from."""

WINDOWS: Final = ((-4, 0), (-8, -4), (-16, -8), (-32, -16))
"""Encoder frames (24 ms) before the end of speech that are averaged: 0.1 s next to it, 0.4 s far from it."""

NUM_WINDOWS: Final = len(WINDOWS) + 1
"""Those of speech, and the silence."""

_FRAMES_PER_SILENT = 512 / 384
"""Encoder frames in a frame of the voice activity detector."""

_LONGEST_SILENCE = 8
"""Encoder frames of silence that are looked at: 0.2 s."""

_CONTEXT = 112
"""Encoder frames of speech (2.7 s) whose mean stands for the speaker and the room."""

_LEAST_SPEECH = 8
"""Encoder frames of speech (0.2 s) below which nothing is judged."""

_NEVER_LAST = frozenset(
    {
        *FUNCTION_WORDS["en"].articles,
        *("and", "or", "but", "nor", "because", "although", "if", "unless", "whether", "than"),
        *("my", "your", "our", "their", "every", "of", "into"),
    }
)
"""Of 38,500 sentences in five novels one in 450 ends with any of these."""

_AFTER_THOSE = 0.1


class EndpointPredictor:
    """The trained weights. Holds no state of a stream and may serve several threads.

    Raises ModelError when the installed weights are absent or damaged.
    """

    def __init__(self) -> None:
        self._weights = installed_weights()

    def completeness(
        self,
        frames: Frames,
        num_silent_frames: int,
        words: Sequence[Word],
        log_probs: Sequence[float] | None = None,
    ) -> float:
        """Probability, in [0, 1], that the sentence before the pause is complete; 0.5 where nothing can tell.

        Complete and incomplete sentences are taken to be equally frequent at pauses.
        frames: (1, n, 288), the encoder's frames of the open utterance with the silence at its end.
        num_silent_frames: how many frames of 32 ms of that are silence; it learned from 4 to 6.
        words: what was decoded; log_probs: natural, one for each of its tokens, None when unknown.
        Ask once a pause, early in it: longer silence in the same frames is no news.
        """
        weights = self._weights
        if frames.ndim != 3 or frames.shape[0] != 1 or frames.shape[2] != weights.sound.shape[1] or not words:
            return UNKNOWN
        windows = sound_windows(frames[0], num_silent_frames)
        if windows is None:
            return UNKNOWN
        texts = [word.text for word in words]
        log_odds = float((weights.sound * windows).sum(dtype=np.float64))
        log_odds += float(weights.text @ text_features(texts, log_probs)) + weights.bias
        if not math.isfinite(log_odds):
            return UNKNOWN
        probability = 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))
        return min(probability, _AFTER_THOSE) if bare(texts[-1]) in _NEVER_LAST else probability


@dataclass(frozen=True, slots=True, eq=False)
class EndpointWeights:
    """A logistic regression. sound: (NUM_WINDOWS, 288); text: (8,); bias: log odds."""

    sound: npt.NDArray[np.float32]
    text: npt.NDArray[np.float64]
    bias: float


def sound_windows(frames: npt.NDArray[np.float32], num_silent_frames: int) -> npt.NDArray[np.float32] | None:
    """Means of the frames in each window, less the mean of the last seconds of speech: (NUM_WINDOWS, width).

    frames: (n, width). None when there is too little speech.
    """
    end = len(frames) - round(max(0, num_silent_frames) * _FRAMES_PER_SILENT)
    if end < _LEAST_SPEECH:
        return None
    mean = frames[max(0, end - _CONTEXT) : end].mean(axis=0)
    spans = [frames[max(0, end + first) : max(0, end + last)] for first, last in WINDOWS]
    spans.append(frames[end : end + _LONGEST_SILENCE])
    return np.stack([span.mean(axis=0) - mean if len(span) else np.zeros_like(mean) for span in spans])


def text_features(texts: Sequence[str], log_probs: Sequence[float] | None) -> npt.NDArray[np.float64]:
    """What the decoder's last mark says, and the last word: (8,). texts: not empty.

    Unknown log-probabilities count as those of a sure decoder.
    """
    last, word, small = texts[-1], bare(texts[-1]), FUNCTION_WORDS["en"]
    is_end = last.endswith((".", "?", "!", "…"))
    mark = max(-4.0, log_probs[-1]) if log_probs else 0.0
    recent = [max(-6.0, value) for value in (log_probs or ())[-6:-1]]
    values = (
        last.endswith("."),
        last.endswith(("?", "!")),
        last.endswith(","),
        mark if is_end else 0.0,
        0.0 if is_end else mark,
        math.fsum(recent) / len(recent) if recent else 0.0,
        word in small.leaning,
        word in small.articles,
    )
    return np.array(values, np.float64)


def bare(word: str) -> str:
    """A word without the marks around it, in lower case."""
    return word.lower().replace("’", "'").strip("\"'“”().,?!:;…—-")


def read_weights(content: bytes) -> EndpointWeights:
    """The weights in a ``.npz`` archive. Raises ModelError when it holds none."""
    try:
        with np.load(BytesIO(content), allow_pickle=False) as data:
            weights = EndpointWeights(
                data["sound"].astype(np.float32), data["text"].astype(np.float64), float(data["bias"])
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise ModelError("endpointing.npz is damaged", fix="install earshot again") from problem
    if weights.sound.ndim != 2 or len(weights.sound) != NUM_WINDOWS or weights.text.shape != (8,):
        raise ModelError("endpointing.npz is of another release", fix="install earshot again")
    return weights


def installed_weights() -> EndpointWeights:
    """The weights that come with Earshot. Raises ModelError when they are absent or damaged."""
    resource = files("earshot.engines") / "data" / "endpointing.npz"
    try:
        content = resource.read_bytes()
    except OSError as problem:
        raise ModelError("endpointing.npz is not installed", fix="install earshot again") from problem
    return read_weights(content)
