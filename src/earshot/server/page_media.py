"""A session's sound for the page: what to play, its outline, and tiles of its spectrogram."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earshot.audio.decode import open_audio
from earshot.audio.resample import resampled
from earshot.core.errors import AudioError
from earshot.core.files import atomic_binary, atomic_text
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.features.mel import LogMel, MelOptions
from earshot.features.stft import StftOptions
from earshot.server.library_types import LibrarySession
from earshot.server.page_state import PageState

TILE_SECONDS = 20
"""Of one tile of the spectrogram: 64 kB."""

TILE_HOP_MS = 20
NUM_MELS = 64

_CEILING, _RANGE = -22.0, 58.0
"""Decibels: the level of a filter that is drawn brightest, and how far below it nothing is drawn."""

_MAX_COLUMNS = 4_000
"""Of the outline: up to twice as many come out."""

_STEP = SAMPLE_RATE // 100

MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".mp4": "video/mp4",
    ".aac": "audio/aac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".webm": "audio/webm",
}
"""What browsers play as it is; all else gets a copy."""

_SEEKABLE = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus")
"""In which libsndfile finds any second at once."""

_making = threading.Lock()


def media_path(state: PageState, session: LibrarySession) -> tuple[Path, str]:
    """The file to play and its type. Raises AudioError where there is none."""
    path = _original(state, session)
    if path.suffix in MEDIA_TYPES:
        return path, MEDIA_TYPES[path.suffix]
    return _copy(state, session, path), "audio/flac"


def prepare(state: PageState, session: LibrarySession) -> None:
    """Make what is needed to show the sound, so that nobody waits for it. Raises AudioError, OutputError."""
    _seekable(state, session)
    peaks(state, session)


def peaks(state: PageState, session: LibrarySession) -> dict[str, Any]:
    """The outline: ``seconds_per_column``, and ``low`` and ``high`` in −127 … 127. Kept on disk once made.

    Raises AudioError, OutputError.
    """
    path = state.cache_folder(session.id) / "peaks.json"
    is_growing = session.state == "recording"
    if path.is_file() and not is_growing:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    made = _peaks(_seekable(state, session))
    if not is_growing:
        with atomic_text(path) as file:
            json.dump(made, file)
    return made


def _peaks(path: Path) -> dict[str, Any]:
    from earshot.visual.pooling import Envelope

    envelope = Envelope(_STEP, max_columns=_MAX_COLUMNS)
    with open_audio(path) as reader:
        for block in resampled(reader, reader.info.sample_rate):
            envelope.add(block)
    columns = envelope.finish() if envelope.step else np.empty((0, 3), np.float32)
    scaled = np.clip(np.rint(columns[:, :2] * 127), -127, 127).astype(int)
    return {
        "seconds_per_column": envelope.step / SAMPLE_RATE,
        "low": scaled[:, 0].tolist(),
        "high": scaled[:, 1].tolist(),
    }


def tile(state: PageState, session: LibrarySession, index: int) -> bytes:
    """Tile ``index``: a byte a value, column after column from the lowest mel band up, of
    ``TILE_SECONDS × 1000 / TILE_HOP_MS`` columns at most; empty behind the end. Raises AudioError.
    """
    samples = _excerpt(_seekable(state, session), index * TILE_SECONDS)
    if len(samples) < SAMPLE_RATE // 20:
        return b""
    options = MelOptions(
        stft=StftOptions(hop_length=SAMPLE_RATE * TILE_HOP_MS // 1000, padding="end"),
        num_mels=NUM_MELS,
        low_frequency=60.0,
        log="decibel",
    )
    decibels = LogMel(options)(samples)[: TILE_SECONDS * 1000 // TILE_HOP_MS]
    full_scale = 20 * np.log10(options.stft.window_length / 4)  # of a sine, through a Hann window
    shown = (decibels - full_scale - _CEILING) / _RANGE + 1
    return bytes(np.clip(np.rint(shown * 255), 0, 255).astype(np.uint8).tobytes())


def _excerpt(path: Path, start: float) -> Samples:
    """``TILE_SECONDS`` from ``start`` on, 16 kHz mono."""
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            rate = file.samplerate
            first = round(start * rate)
            if first >= file.frames:
                return np.empty(0, np.float32)
            file.seek(first)
            frames: npt.NDArray[np.float32] = file.read(TILE_SECONDS * rate, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"the sound cannot be read: {error}", fix="add the recording again") from error
    mono = np.ascontiguousarray(np.nan_to_num(frames.mean(axis=1, dtype=np.float32)))
    return np.concatenate([*resampled([mono], rate), np.empty(0, np.float32)])


def _original(state: PageState, session: LibrarySession) -> Path:
    path = state.audio_path(session)
    if path is None:
        raise AudioError("there is no sound of this session", fix="it may have been removed from the disk")
    return path


def _seekable(state: PageState, session: LibrarySession) -> Path:
    path = _original(state, session)
    return path if path.suffix in _SEEKABLE else _copy(state, session, path)


def _copy(state: PageState, session: LibrarySession, path: Path) -> Path:
    """The same sound as 16 kHz FLAC, made once."""
    import soundfile

    copy = state.cache_folder(session.id) / "sound.flac"
    with _making:
        if copy.is_file():
            return copy
        with (
            atomic_binary(copy) as file,
            open_audio(path) as reader,
            soundfile.SoundFile(
                file, "w", samplerate=SAMPLE_RATE, channels=1, format="FLAC", subtype="PCM_16"
            ) as writer,
        ):
            for block in resampled(reader, reader.info.sample_rate):
                writer.write(block)
    return copy
