"""Real speech that an installed dependency carries, so that the first command needs no recording."""

from __future__ import annotations

import difflib
import re
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from earshot.core.errors import AudioError
from earshot.core.types import Audio

SAMPLE_SECONDS = 10.0
SAMPLE_WORDS = (
    "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness"
)
"""What the first SAMPLE_SECONDS say: Charles Dickens, A Tale of Two Cities (1859)."""


def sample_path() -> Path:
    """The opening of A Tale of Two Cities read aloud, 44 s. Raises AudioError when it is not installed."""
    spec = find_spec("moonshine_voice")
    path = Path(spec.origin).parent / "assets" / "two_cities.wav" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise AudioError(
            "the sample recording is not installed", fix="pip install --force-reinstall moonshine-voice==0.1.0"
        )
    return path


@dataclass(frozen=True, slots=True)
class Heard:
    """What an engine made of the sample's first SAMPLE_SECONDS. seconds: of work, without loading."""

    text: str
    seconds: float

    @property
    def num_right(self) -> int:
        """Words of SAMPLE_WORDS that were heard, in order."""
        words = re.findall(r"[a-z']+", self.text.lower())
        matcher = difflib.SequenceMatcher(None, SAMPLE_WORDS.split(), words, autojunk=False)
        return sum(block.size for block in matcher.get_matching_blocks())

    @property
    def is_right(self) -> bool:
        """Nine words of ten are there."""
        return self.num_right >= 0.9 * len(SAMPLE_WORDS.split())

    @property
    def real_time_factor(self) -> float:
        """Seconds of work for a second of speech."""
        return self.seconds / SAMPLE_SECONDS


def hear_sample(engine: str) -> Heard:
    """Transcribe the beginning of the sample with an engine's default model."""
    from earshot.audio.decode import read_audio
    from earshot.transcription import Transcriber, TranscriptionOptions

    whole = read_audio(sample_path())
    audio = Audio(whole.samples[: round(SAMPLE_SECONDS * whole.sample_rate)], whole.sample_rate)
    with Transcriber(TranscriptionOptions(engine=engine)) as transcriber:
        started = time.perf_counter()
        text = transcriber.transcribe(audio).text
        return Heard(text, time.perf_counter() - started)
