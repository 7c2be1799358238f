"""Labelled clips for training commands: found in a folder, and split so that nobody is on two sides.

Three layouts are known: Google Speech Commands as it is published (Warden 2018: ``word/speaker_nohash_n.wav``,
with its lists or its documented hash of the speaker), a folder with ``manifest.jsonl`` (``audio``, ``label``,
``speaker`` and perhaps ``official_split`` a line), and any folder of ``word/clip`` or ``word/speaker/clip``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from earshot.audio.decode import find_recordings
from earshot.core.errors import CommandError

COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SILENCE = "_silence_"
UNKNOWN = "_unknown_"
TWELVE = (*COMMANDS, SILENCE, UNKNOWN)
"""The classes of the Speech Commands benchmark."""

BACKGROUND_FOLDER = "_background_noise_"

Part = Literal["training", "validation", "testing"]

_MOST_PER_CLASS = 2**27 - 1
"""Of the published hash of a speaker."""

_LISTS: dict[str, Part] = {"validation_list.txt": "validation", "testing_list.txt": "testing"}
_PARTS: dict[str, Part] = {
    "train": "training",
    "training": "training",
    "dev": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "testing",
    "testing": "testing",
}


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording of one word by one person.

    speaker: names the person; a clip whose speaker is not known is its own speaker.
    part: the side that the corpus itself puts it on, None where it does not say.
    """

    path: Path
    label: str
    speaker: str
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Three sides, no speaker on two of them. num_dropped: clips left out for the sake of that."""

    training: tuple[Clip, ...]
    validation: tuple[Clip, ...]
    testing: tuple[Clip, ...]
    num_dropped: int = 0


def which_set(name: str, validation_percent: float = 10.0, testing_percent: float = 10.0) -> Part:
    """The side of a speaker (or of a file name of Speech Commands), always the same for the same name.

    Source: the README of Speech Commands (Warden 2018): SHA-1 of the name before ``_nohash_``.
    """
    speaker = re.sub(r"_nohash_.*$", "", Path(name).name)
    hashed = int(hashlib.sha1(speaker.encode("utf-8"), usedforsecurity=False).hexdigest(), 16)
    percentage = hashed % (_MOST_PER_CLASS + 1) * (100.0 / _MOST_PER_CLASS)
    if percentage < validation_percent:
        return "validation"
    return "testing" if percentage < testing_percent + validation_percent else "training"


def read_clips(folder: Path) -> list[Clip]:
    """The labelled clips of a folder, in one of the layouts above; background noise is left out.

    Raises CommandError when there are none, or a manifest's line is wrong.
    """
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder", fix="name a folder with a folder of clips for each word")
    manifest = folder / "manifest.jsonl"
    clips = _from_manifest(manifest) if manifest.is_file() else _from_folders(folder)
    if not clips:
        raise CommandError(
            f"{folder} holds no labelled clips", fix="lay the clips of each word into a folder of its name"
        )
    return clips


def _from_manifest(manifest: Path) -> list[Clip]:
    clips = []
    for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            audio, label = row["audio"], row["label"]
            speaker, part = row.get("speaker"), row.get("official_split")
            if not all(isinstance(item, str) and item for item in (audio, label)):
                raise TypeError("audio and label are texts")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandError(
                f"{manifest}:{number}: no clip: {error}", fix='a line has "audio", "label" and "speaker"'
            ) from error
        clips.append(Clip(manifest.parent / audio, label, str(speaker or audio), _PARTS.get(str(part))))
    return clips


def _from_folders(folder: Path) -> list[Clip]:
    listed: dict[str, Part] = {}
    for name, part in _LISTS.items():
        if (folder / name).is_file():
            lines = (folder / name).read_text(encoding="utf-8").split()
            listed.update(dict.fromkeys(lines, part))
    clips = []
    for path in find_recordings(folder):
        parts = path.relative_to(folder).parts
        if len(parts) < 2 or parts[0] == BACKGROUND_FOLDER:
            continue
        side = listed.get("/".join(parts), "training") if listed else None
        clips.append(Clip(path, parts[0], _speaker_of(parts), side))
    return clips


def _speaker_of(parts: Sequence[str]) -> str:
    """``word/speaker/clip``, ``word/speaker_nohash_1.wav`` or ``word/speaker_1.wav``; else the clip's own."""
    if len(parts) > 2:
        return parts[1]
    stem = Path(parts[-1]).stem
    if "_nohash_" in stem:
        return stem.split("_nohash_")[0]
    return match[1] if (match := re.match(r"(.*[^\W\d].*?)[_-]\d+$", stem)) else "/".join(parts)


def backgrounds_of(folder: Path) -> list[Path]:
    """The recordings of ``_background_noise_``, sorted; none where the folder has none."""
    inside = folder / BACKGROUND_FOLDER
    return find_recordings(inside) if inside.is_dir() else []


def split_by_speaker(
    clips: Iterable[Clip], *, validation_percent: float = 10.0, testing_percent: float = 10.0
) -> Split:
    """Training, validation and testing, nobody on two sides.

    Clips stay where their corpus puts them, the others go by the hash of their speaker. Where that puts a
    speaker on two sides, the clips of the less telling side are left out: testing stays whole, then validation.
    Where the corpus has a test set of its own, nothing else is added to it.
    """
    clips = list(clips)
    if any(clip.part == "testing" for clip in clips):
        validation_percent, testing_percent = validation_percent + testing_percent, 0.0
    sides: dict[Part, list[Clip]] = {"testing": [], "validation": [], "training": []}
    for clip in clips:
        sides[clip.part or which_set(clip.speaker, validation_percent, testing_percent)].append(clip)
    taken: set[str] = set()
    kept: dict[Part, tuple[Clip, ...]] = {}
    for part, members in sides.items():
        kept[part] = tuple(clip for clip in members if clip.speaker not in taken)
        taken |= {clip.speaker for clip in members}
    num_dropped = len(clips) - sum(len(members) for members in kept.values())
    return Split(kept["training"], kept["validation"], kept["testing"], num_dropped)


def fold_of(speaker: str, num_folds: int) -> int:
    """0 … num_folds − 1, by a hash of the speaker: for figures over all clips with nobody on two sides."""
    return int(hashlib.sha1(speaker.encode("utf-8"), usedforsecurity=False).hexdigest()[:8], 16) % num_folds


def twelve_classes(clips: Iterable[Clip]) -> list[Clip]:
    """With the labels of the benchmark: every word that is no command becomes ``_unknown_``."""
    return [replace(clip, label=clip.label if clip.label in TWELVE else UNKNOWN) for clip in clips]


def check_split(split: Split, *, least_speakers: int = 2) -> list[str]:
    """Warnings of a split; each names what it costs.

    Raises CommandError for one class alone, or a class that lacks speakers to learn from and to be judged by.
    """
    training = _speakers_by_label(split.training)
    judged = _speakers_by_label((*split.validation, *split.testing))
    labels = sorted(training.keys() | judged.keys())
    if len(labels) < 2:
        raise CommandError(
            f"there is one class alone: {', '.join(labels) or 'none'}",
            fix="add a folder of other words or sounds: a net learns from the difference",
        )
    warnings = []
    for label in labels:
        if len(training.get(label, ())) < least_speakers or not judged.get(label):
            have = len(training.get(label, set()) | judged.get(label, set()))
            raise CommandError(
                f"{label!r} has {have} speakers, too few to learn from some and to be judged by others",
                fix=f"record it with {least_speakers + 1} or more people, or teach it: earshot teach {label!r}",
            )
        if len(training[label]) < 10:
            warnings.append(
                f"{label!r} is learned from {len(training[label])} speakers: "
                "strangers are understood worse than the figures of the others say"
            )
    counts = Counter(clip.label for clip in split.training)
    most, least = counts.most_common(1)[0], min(counts.items(), key=lambda item: item[1])
    if most[1] > 10 * least[1]:
        warnings.append(
            f"{least[0]!r} has {least[1]} clips and {most[0]!r} {most[1]}: drawn evenly in training"
        )
    return warnings


def _speakers_by_label(clips: Iterable[Clip]) -> dict[str, set[str]]:
    speakers: dict[str, set[str]] = {}
    for clip in clips:
        speakers.setdefault(clip.label, set()).add(clip.speaker)
    return speakers
