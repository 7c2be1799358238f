"""A session's sound as a file of its own: WAV as it is, FLAC compressed."""

from __future__ import annotations

import shutil
from pathlib import Path

from earshot.audio.journal import open_journal_audio, repair_audio
from earshot.core.errors import FormatError, nearest
from earshot.core.files import atomic_binary
from earshot.core.types import SAMPLE_RATE
from earshot.live.stored import StoredSession

AUDIO_FORMATS = ("wav", "flac")


def audio_format(path: Path, name: str | None = None) -> str:
    """``wav`` or ``flac`` by name, else by the path's suffix. Raises FormatError."""
    wanted = (name or path.suffix.removeprefix(".")).lower()
    if wanted not in AUDIO_FORMATS:
        hint = nearest(wanted, AUDIO_FORMATS) if wanted else "wav or flac"
        raise FormatError(f"sound cannot be written as {wanted or path.name!r}", fix=f"name a file: {hint}")
    return wanted


def export_audio(session: StoredSession, path: Path, name: str | None = None) -> None:
    """Write the sound to ``path``, whole or not at all: 16 kHz, 16 bits, mono.

    Raises FormatError for an unknown format, SessionError without sound, OutputError.
    """
    kind = audio_format(path, name)
    if not session.is_running:
        repair_audio(session.audio_path)
    if kind == "wav" and not session.is_running:
        with atomic_binary(path) as file, session.audio_path.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)
        return
    import soundfile

    with (
        atomic_binary(path) as file,
        open_journal_audio(session.audio_path) as reader,
        soundfile.SoundFile(
            file, "w", samplerate=SAMPLE_RATE, channels=1, format=kind.upper(), subtype="PCM_16"
        ) as writer,
    ):
        for block in reader:
            writer.write(block)
