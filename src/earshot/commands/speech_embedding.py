"""What Google's speech embedding makes of a sound: vectors in which words lie apart, whoever says them.

A net of convolutions learned it from 200 million clips of 5,000 key phrases, to tell them apart (Lin, Kilgour,
Roblek and Sharifi 2020, "Training keyword spotters with limited and synthesized speech data"). It knows little
of a language and much of what makes two words one, which recognizers' encoders are not asked for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from earshot.core.runtime import load_onnx
from earshot.core.types import Samples
from earshot.features import LogMel, MelOptions, StftOptions
from earshot.features.stft import Matrix

SIZE = 96

_TOP_DB = 50.0
"""What is softer than that, relative to the loudest, is lifted to it: so digital silence is nothing special.
Same speaker, three recordings of ten digits: 98.7 % with it, 98.5 % with 80 dB."""

_MARGIN = 9_600
"""Zeros on both sides, 0.6 s: the net hears 0.78 s at once, the first and the last time some of the word."""

PATH = Path(__file__).parent / "data" / "speech_embedding.onnx"


class SpeechEmbeddingMels:
    """What the net hears; safe to use from several threads."""

    def __init__(self) -> None:
        stft = StftOptions(window_length=400, hop_length=160, fft_length=512, scale=32_767.0)
        self._log_mel = LogMel(
            MelOptions(
                stft,
                num_mels=32,
                low_frequency=60.0,
                high_frequency=3_800.0,
                scale="slaney",
                has_unit_area=True,
                log="decibel",
                top_db=_TOP_DB,
            )
        )

    def __call__(self, sound: Samples) -> Matrix:
        """Log-mels each 10 ms of a sound between silence: float32 (n,) at 16 kHz to float32 (frames, 32)."""
        return np.asarray(self._log_mel(np.pad(sound, _MARGIN)) / 10 + 2, np.float32)


class SpeechEmbedding:
    """Safe to use from several threads. Raises ModelError where the installed file is damaged."""

    def __init__(self) -> None:
        fix = "install earshot again"
        self._session = load_onnx(PATH, inputs=["mels"], kind="speech embedding", fix=fix)
        self._mels = SpeechEmbeddingMels()

    def steps(self, sound: Samples) -> Matrix:
        """A vector each 80 ms: float32 (n, ``SIZE``), of a sound between silence, float32 (n,) at 16 kHz."""
        mels = self._mels(sound)[None, :, :, None]
        return np.asarray(self._session.run(None, {"mels": mels})[0][0, :, 0], np.float32)
