"""The sound of one utterance."""

from __future__ import annotations

import numpy as np

from earshot.audio.decode import open_audio
from earshot.audio.resample import resampled
from earshot.core.types import SAMPLE_RATE, Audio
from earshot.corpora.utterance import Utterance


def read_utterance(utterance: Utterance, *, sample_rate: int | None = SAMPLE_RATE) -> Audio:
    """Its stretch of its recording, at ``sample_rate`` Hz, or at the recording's own where that is None.

    Reading stops where the utterance ends. A stretch beyond the recording's end is shorter, or empty.
    Raises AudioError where the recording cannot be read.
    """
    blocks = [np.empty(0, np.float32)]
    position = 0
    with open_audio(utterance.audio, channel=utterance.channel) as reader:
        rate = sample_rate or reader.info.sample_rate
        first = round(utterance.start * rate)
        last = None if utterance.end is None else round(utterance.end * rate)
        for block in resampled(reader, reader.info.sample_rate, rate):
            end = len(block) if last is None else max(0, min(len(block), last - position))
            blocks.append(block[max(0, first - position) : end])
            position += len(block)
            if last is not None and position >= last:
                break
    return Audio(np.concatenate(blocks), rate)
