"""A corpus that the user speaks: what is to be read, what was read, what was skipped.

    FOLDER/prompts.jsonl    {"id": "0001", "text": …} in the order of reading
           skipped.json     ids
           clips/0001.wav   and 0001.txt, 16 kHz
           manifest.jsonl   what was read

Everything is on the disk after each phrase, so one may stop at any moment and go on another day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from earshot.audio.decode import read_audio
from earshot.core.errors import CorpusError, ManifestError
from earshot.core.files import atomic_binary, atomic_text
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.corpora.formats import read_manifest, write_manifest
from earshot.corpora.manifest import Collector, json_lines
from earshot.corpora.prompts import Coverage, measure_coverage, order_by_coverage
from earshot.corpora.utterance import Utterance


@dataclass(frozen=True, slots=True)
class Prompt:
    """A phrase to read. id: as its recording is called."""

    id: str
    text: str


class OwnVoice:
    """The corpus in a folder, made where it is not there yet.

    speaker, language: of what is recorded from now on. Raises ManifestError for files that are damaged.
    """

    def __init__(self, folder: Path, *, speaker: str | None = None, language: str | None = None) -> None:
        self.folder = folder
        self.speaker = speaker
        self.language = language
        self.prompts = list(_read_prompts(folder / "prompts.jsonl"))
        self.recorded: dict[str, Utterance] = {}
        if self.manifest_path.is_file():
            # A clip that was deleted by hand is to be read again.
            found = read_manifest(self.manifest_path, skips_bad=True)
            self.recorded = {one.name: one for one in found}
        self.skipped = _read_skipped(folder / "skipped.json")

    @property
    def manifest_path(self) -> Path:
        """What was read."""
        return self.folder / "manifest.jsonl"

    @property
    def remaining(self) -> list[Prompt]:
        """What is neither read nor skipped, in order."""
        return [one for one in self.prompts if one.id not in self.recorded and one.id not in self.skipped]

    @property
    def coverage(self) -> Coverage:
        """Of all prompts by what was read."""
        return measure_coverage(
            (one.text or "" for one in self.recorded.values()), [p.text for p in self.prompts]
        )

    def add_prompts(self, phrases: Iterable[str]) -> int:
        """Take phrases that are not among the prompts, best first; returns how many.

        What is not read yet is put into a new order with them.
        """
        known = {one.text for one in self.prompts}
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in known]
        numbers = (int(one.id) for one in self.prompts if one.id.isdigit())
        first = max(numbers, default=0) + 1
        remaining = self.remaining
        ids = {one.text: one.id for one in remaining}
        ids |= {phrase: f"{number:04d}" for number, phrase in enumerate(new, first)}
        done = [one.text or "" for one in self.recorded.values()]
        ordered = order_by_coverage(list(ids), done)
        waiting = set(remaining)
        kept = [one for one in self.prompts if one not in waiting]
        self.prompts = kept + [Prompt(ids[text], text) for text in ordered]
        self._write_prompts()
        return len(new)

    def keep(self, prompt: Prompt, samples: Samples) -> Utterance:
        """Put a recording of a prompt, float32 (n,) at 16 kHz, into the corpus; an older one is replaced.

        Raises OutputError when it cannot be written; then the corpus is as it was.
        """
        audio = self.folder / "clips" / f"{prompt.id}.wav"
        with atomic_binary(audio) as file:
            soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        with atomic_text(audio.with_suffix(".txt")) as text:
            text.write(prompt.text + "\n")
        utterance = Utterance(
            audio,
            duration=len(samples) / SAMPLE_RATE,
            text=prompt.text,
            speaker=self.speaker,
            language=self.language,
            extra={"id": prompt.id},
        )
        self.recorded[prompt.id] = utterance
        write_manifest(self.recorded.values(), self.manifest_path)
        if prompt.id in self.skipped:
            self.skipped.discard(prompt.id)
            self._write_skipped()
        return utterance

    def skip(self, prompt: Prompt) -> None:
        """Never ask for it again; a recording of it is left out, too."""
        if self.recorded.pop(prompt.id, None) is not None:
            write_manifest(self.recorded.values(), self.manifest_path)
        self.skipped.add(prompt.id)
        self._write_skipped()

    def add_phrase(self, text: str) -> Prompt:
        """A phrase that the user typed, as a prompt of its own. Raises CorpusError when it has no letters."""
        plain = " ".join(text.split())
        if not re.search(r"\w", plain):
            raise CorpusError("the phrase has no letters", fix="type what is said, with --phrase")
        same = next((one for one in self.prompts if one.text == plain), None)
        if same is None or same.id in self.recorded:
            numbers = (int(one.id) for one in self.prompts if one.id.isdigit())
            same = Prompt(f"{max(numbers, default=0) + 1:04d}", plain)
            self.prompts.append(same)
            self._write_prompts()
        return same

    def add_recording(self, path: Path, text: str) -> Utterance:
        """Put a recording that exists into the corpus, with what is said in it. Raises AudioError."""
        audio = read_audio(path)
        return self.keep(self.add_phrase(text), audio.samples)

    def _write_prompts(self) -> None:
        with atomic_text(self.folder / "prompts.jsonl") as file:
            for one in self.prompts:
                file.write(json.dumps({"id": one.id, "text": one.text}, ensure_ascii=False) + "\n")

    def _write_skipped(self) -> None:
        with atomic_text(self.folder / "skipped.json") as file:
            json.dump(sorted(self.skipped), file)


def _read_prompts(path: Path) -> Iterable[Prompt]:
    if not path.is_file():
        return
    collector = Collector(path.parent)
    for number, row in json_lines(path, collector):
        name, text = row.get("id"), row.get("text")
        if not isinstance(name, str) or not re.fullmatch(r"[\w-]{1,100}", name) or not isinstance(text, str):
            collector.bad(path, number, "no prompt with an id and a text", fix="delete the line")
            continue
        yield Prompt(name, text)


def _read_skipped(path: Path) -> set[str]:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        return set(map(str, row if isinstance(row, list) else ()))
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, RecursionError) as error:
        raise ManifestError(f"{path} cannot be read: {error}", fix="delete it to be asked again") from error


def previous(voice: OwnVoice, prompt: Prompt | None) -> Prompt | None:
    """The last prompt before this one (None: of all) that was read."""
    before: Sequence[Prompt] = voice.prompts
    if prompt is not None:
        before = before[: before.index(prompt)]
    return next((one for one in reversed(before) if one.id in voice.recorded), None)
