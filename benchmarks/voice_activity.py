"""Words said one by one that the voice activity detector hears, and noise that it takes for speech.

    python benchmarks/voice_activity.py [--digits four one six]

The net that never forgets runs on the same sound. Thirty recordings of one digit by one voice of
../shared/speech make a stream, pauses between them of a length ±20 %, digital silence or noise at -60 dBFS;
then a few with long pauses. A word is heard where a frame reaches 0.5. The clips of noise come one by one,
and as one stream.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from earshot.audio._silero import FRAME, SileroNet, load_weights
from earshot.audio.decode import read_audio
from earshot.audio.vad import VoiceActivityDetector
from earshot.core.types import SAMPLE_RATE, Samples

sys.path.insert(0, str(Path(__file__).parent))
from noise import SPEECH, rows

HEARD = 0.5
Detect = Callable[[Samples], Samples]
Span = tuple[int, int]


def never_forgetting(samples: Samples) -> Samples:
    """The net by itself."""
    weights = load_weights()
    if weights is None:
        raise SystemExit("the wheel's weights are of another release")
    net = SileroNet(weights)
    frames = np.clip(samples[: len(samples) // FRAME * FRAME], -1, 1).reshape(-1, FRAME)
    parts = [net.probabilities(net.encode(frames[start : start + 64])) for start in range(0, len(frames), 64)]
    return np.concatenate(parts)


def forgetting(samples: Samples) -> Samples:
    """The detector."""
    return VoiceActivityDetector().probabilities(samples)


SYSTEMS: dict[str, Detect] = {"never forgetting": never_forgetting, "the detector": forgetting}


def words_of(speaker: str, digit: str) -> list[Samples]:
    """Thirty recordings."""
    chosen = [r for r in rows("spoken_digits") if r["speaker"] == speaker and r["text"] == digit][:30]
    return [read_audio(SPEECH / "spoken_digits" / row["audio"]).samples for row in chosen]


def stream(words: Sequence[Samples], pause: float, level: float | None) -> tuple[Samples, list[Span]]:
    """Words between pauses, and where they lie. level: of the noise, dBFS; None for digital silence."""
    random = np.random.default_rng(1)
    parts = [np.zeros(max(SAMPLE_RATE, round(pause * SAMPLE_RATE)), np.float32)]
    spans = []
    now = len(parts[0])
    for word in words:
        spans.append((now, now + len(word)))
        parts += [word, np.zeros(round(pause * SAMPLE_RATE * random.uniform(0.8, 1.2)), np.float32)]
        now += len(word) + len(parts[-1])
    sound = np.concatenate(parts)
    if level is not None:
        sound += 10 ** (level / 20) * random.standard_normal(len(sound)).astype(np.float32)
    return sound, spans


def num_missed(probabilities: Samples, spans: Sequence[Span]) -> int:
    """Words of which no frame is surely speech."""
    return sum(float(probabilities[a // FRAME : b // FRAME + 3].max()) < HEARD for a, b in spans)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", nargs="+", default=sorted({row["text"] for row in rows("spoken_digits")}))
    digits = parser.parse_args().digits
    speakers = sorted({row["speaker"] for row in rows("spoken_digits")})
    said = {pair: words_of(*pair) for pair in itertools.product(speakers, digits)}
    print(f"{'words not heard, %':36}" + "".join(f"{name:>20}" for name in SYSTEMS))
    scenes = [(pause, level, 30) for pause in (0.5, 1.0, 2.0) for level in (None, -60.0)]
    for pause, level, count in [*scenes, (30.0, -60.0, 6), (60.0, -50.0, 3)]:
        missed = dict.fromkeys(SYSTEMS, 0)
        total = 0
        for words in said.values():
            sound, spans = stream(words[:count], pause, level)
            total += len(spans)
            for name, detect in SYSTEMS.items():
                missed[name] += num_missed(detect(sound), spans)
        background = "silence" if level is None else f"noise at {level:.0f} dBFS"
        label = f"pauses of {pause:.1f} s, {background}"
        print(f"{label:36}" + "".join(f"{missed[name] / total:20.1%}" for name in SYSTEMS))
    clips = [read_audio(SPEECH / "noise" / row["audio"]).samples for row in rows("noise")]
    for label, sounds in (("noise, clip by clip", clips), ("noise, one stream", [np.concatenate(clips)])):
        shares = [
            float((np.concatenate([detect(sound) for sound in sounds]) >= HEARD).mean())
            for detect in SYSTEMS.values()
        ]
        print(f"{label + ', taken for speech':36}" + "".join(f"{share:20.2%}" for share in shares))


if __name__ == "__main__":
    main()
