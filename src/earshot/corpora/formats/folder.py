"""A folder of recordings with a text of the same name beside each: ``a.wav`` and ``a.txt``.

Folders in it are gone through too. One that has several folders with recordings, and no recordings of its own,
is read as one folder a speaker.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import soundfile

from earshot.audio.decode import find_recordings, open_audio
from earshot.core.errors import ManifestError
from earshot.core.files import atomic_binary, atomic_text
from earshot.corpora.formats.base import CorpusFormat, unique_names
from earshot.corpora.manifest import Collector
from earshot.corpora.sound import read_utterance
from earshot.corpora.utterance import Utterance

_MAX_TEXT = 1_000_000
"""Bytes of a text beside a recording."""


def read(folder: Path, collector: Collector) -> None:
    """See ``CorpusFormat``."""
    recordings = find_recordings(folder)
    if not recordings:
        raise ManifestError(f"{folder} holds no recordings", fix="name a folder of recordings, or a manifest")
    tops = {path.relative_to(folder).parts[0] for path in recordings if path.parent != folder}
    is_by_speaker = len(tops) > 1 and all(path.parent != folder for path in recordings)
    for path in recordings:
        beside = path.with_suffix(".txt")
        text = text_of(beside, collector)
        if text is None:
            collector.bad(path, 1, f"there is no {beside.name} beside it", fix="write down what is said in it")
            continue
        inside = path.relative_to(folder)
        collector.add(path, 1, str(inside), text=text, speaker=inside.parts[0] if is_by_speaker else None)


def text_of(path: Path, collector: Collector) -> str | None:
    """The text in a file, on one line; None where there is none, or no text in UTF-8."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_TEXT).decode("utf-8-sig")
    except UnicodeDecodeError:
        collector.bad(path, 1, "not in UTF-8", fix="convert it to UTF-8")
        return None
    except OSError:
        return None
    return " ".join(text.split())


def write(utterances: Sequence[Utterance], folder: Path) -> None:
    """See ``CorpusFormat``. Whole recordings are linked or copied, stretches are cut out as 16-bit WAV.

    What else a manifest says has no place here, but that of several speakers each has a folder.
    Raises AudioError where a recording cannot be read.
    """
    speakers = {utterance.speaker for utterance in utterances}
    is_by_speaker = len(speakers) > 1 and None not in speakers
    for utterance, name in zip(utterances, unique_names(utterances), strict=True):
        place = folder / _file_name(utterance.speaker or "") if is_by_speaker else folder
        target = place / _file_name(name)
        if utterance.start or utterance.channel or utterance.duration is not None:
            target = _cut(utterance, target)
        else:
            target = target.with_name(target.name + utterance.audio.suffix)
            _copy(utterance.audio, target)
        with atomic_text(target.with_suffix(".txt")) as file:
            file.write((utterance.text or "") + "\n")


def _file_name(name: str) -> str:
    safe = "".join(char if char.isalnum() or char in "-_ " else "_" for char in name).strip()
    return safe[:100] or "_"


def _cut(utterance: Utterance, target: Path) -> Path:
    audio = read_utterance(utterance, sample_rate=None)
    target = target.with_name(target.name + ".wav")
    with atomic_binary(target) as file:
        soundfile.write(file, audio.samples, audio.sample_rate, format="WAV", subtype="PCM_16")
    return target


def _copy(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        return
    with open_audio(source):
        pass  # a manifest from elsewhere may name any file; only recordings are passed on
    with atomic_binary(target) as copy, source.open("rb") as file:
        shutil.copyfileobj(file, copy)


FORMAT = CorpusFormat("folder", "recordings, each with a text beside it", read, write, is_folder=True)
