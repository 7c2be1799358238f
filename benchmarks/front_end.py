"""Feature extraction against librosa, kaldi-native-fbank and python_speech_features, on one core.

    taskset -c 0 python benchmarks/front_end.py        # taskset is optional: the libraries get one thread each

Every figure is a median of interleaved repeats over the same minute of audio: × real time, and our speed over
the peer's. CPU time is taken rather than wall time, so that other programs on the machine disturb less.
"""

# ruff: noqa: E402 - the thread counts must be set before the libraries load
from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_variable] = "1"

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soxr

from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features import FrontEnd, LogMel, MelOptions, Mfcc, MfccOptions

Run = Callable[[], object]


@dataclass(frozen=True)
class Contest:
    """One kind of features: our front end, and the peers that compute the same definition."""

    name: str
    ours: Run
    peers: dict[str, Run]


def speech(seconds: float) -> Samples:
    """The sample that moonshine-voice carries, repeated to ``seconds``, 16 kHz."""
    import soundfile

    spec = find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    samples, rate = soundfile.read(Path(spec.origin).parent / "assets" / "two_cities.wav", dtype="float32")
    return np.resize(soxr.resample(samples, rate, SAMPLE_RATE), round(seconds * SAMPLE_RATE)).astype(np.float32)


def librosa_mel(samples: Samples, num_mels: int) -> Run | None:
    """librosa: magnitude STFT, mel product, decibels."""
    if find_spec("librosa") is None:
        return None
    import librosa

    def run() -> object:
        mel = librosa.feature.melspectrogram(
            y=samples, sr=SAMPLE_RATE, n_mels=num_mels, n_fft=512, win_length=400, hop_length=160
        )
        return librosa.power_to_db(mel)

    return run


def librosa_mfcc(samples: Samples) -> Run | None:
    """librosa: 128 filters, 20 cepstra."""
    if find_spec("librosa") is None:
        return None
    import librosa

    return lambda: librosa.feature.mfcc(
        y=samples, sr=SAMPLE_RATE, n_mfcc=20, n_fft=512, win_length=400, hop_length=160
    )


def psf_mfcc(samples: Samples) -> Run | None:
    """python_speech_features with its defaults."""
    if find_spec("python_speech_features") is None:
        return None
    import python_speech_features

    scaled = samples * 32768
    return lambda: python_speech_features.mfcc(scaled, SAMPLE_RATE)


def psf_log_mel(samples: Samples, num_mels: int) -> Run | None:
    """python_speech_features: log filter bank."""
    if find_spec("python_speech_features") is None:
        return None
    import python_speech_features

    scaled = samples * 32768
    return lambda: python_speech_features.logfbank(scaled, SAMPLE_RATE, nfilt=num_mels)


def kaldi_fbank(samples: Samples, num_mels: int) -> Run | None:
    """kaldi-native-fbank, no dither; frames come one by one, and are put into one array as a user would."""
    if find_spec("kaldi_native_fbank") is None:
        return None
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = num_mels
    scaled = samples * 32768

    def run() -> object:
        fbank = kaldi_native_fbank.OnlineFbank(options)
        fbank.accept_waveform(SAMPLE_RATE, scaled)
        fbank.input_finished()
        return np.array([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])

    return run


def in_blocks(front_end: FrontEnd, samples: Samples, block: int) -> Run:
    """A stream fed ``block`` samples at a time."""

    def run() -> object:
        stream = front_end.stream()
        for start in range(0, len(samples), block):
            stream.accept(samples[start : start + block])
        return stream.finish()

    return run


def contests(samples: Samples) -> list[Contest]:
    """What is compared; peers that are not installed are left out."""

    def installed(**peers: Run | None) -> dict[str, Run]:
        return {name.replace("_", "-"): run for name, run in peers.items() if run is not None}

    librosa_80, kaldi_80 = LogMel(MelOptions.librosa(80)), LogMel(MelOptions.kaldi(80))
    plain = LogMel(MelOptions(num_mels=80))
    librosa_20, psf_13 = Mfcc(MfccOptions.librosa(20)), Mfcc(MfccOptions.python_speech_features(13))
    log_mel_peers = installed(
        librosa=librosa_mel(samples, 80),
        kaldi_native_fbank=kaldi_fbank(samples, 80),
        python_speech_features=psf_log_mel(samples, 80),
    )
    kaldi_peers = installed(kaldi_native_fbank=kaldi_fbank(samples, 80))
    return [
        Contest("log-mel 80, Hann 25/10 ms", lambda: plain(samples), log_mel_peers),
        Contest(
            "log-mel 80 as librosa",
            lambda: librosa_80(samples),
            installed(librosa=librosa_mel(samples, 80)),
        ),
        Contest("MFCC 20 as librosa", lambda: librosa_20(samples), installed(librosa=librosa_mfcc(samples))),
        Contest(
            "MFCC 13 as python_speech_features",
            lambda: psf_13(samples),
            installed(python_speech_features=psf_mfcc(samples)),
        ),
        Contest("fbank 80 as Kaldi", lambda: kaldi_80(samples), kaldi_peers),
        Contest("  the same, live in blocks of 100 ms", in_blocks(kaldi_80, samples, 1_600), kaldi_peers),
    ]


def cpu_seconds(run: Run) -> float:
    """CPU time of one run."""
    start = time.process_time()
    run()
    return time.process_time() - start


def medians(contest: Contest, repeats: int) -> dict[str, float]:
    """Seconds of each contestant: each repeat runs all of them, so that a slow spell hits all alike."""
    runs = {"earshot": contest.ours, **contest.peers}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # warm: numba compiles, caches fill
    for _ in range(repeats):
        for name, run in runs.items():
            taken[name].append(cpu_seconds(run))
    return {name: statistics.median(times) for name, times in taken.items()}


def installed_version(package: str) -> str:
    """Name and version for the table's head."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} absent"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of audio (default 60)")
    parser.add_argument("--repeats", type=int, default=21, help="interleaved repeats (default 21)")
    arguments = parser.parse_args()
    samples = speech(arguments.seconds)
    packages = ["numpy", "scipy", "librosa", "kaldi-native-fbank", "python_speech_features"]
    print("  ".join(map(installed_version, packages)))
    print(f"{arguments.seconds:g} s of 16 kHz speech, one thread, median of {arguments.repeats}\n")
    print("| features | | × real time | earshot is |")
    print("|---|---|--:|--:|")
    for contest in contests(samples):
        seconds = medians(contest, arguments.repeats)
        for name, median in seconds.items():
            ratio = "" if name == "earshot" else f"{median / seconds['earshot']:.1f} × as fast"
            print(f"| {contest.name} | {name} | {arguments.seconds / median:,.0f} | {ratio} |")


if __name__ == "__main__":
    main()
