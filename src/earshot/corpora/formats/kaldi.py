"""Kaldi: a folder with ``wav.scp``, ``text``, and maybe ``segments``, ``utt2spk``, ``utt2lang``, ``utt2dur``.

``wav.scp`` may name files only; commands that end in ``|`` are never run. The lines are written in the order
of their bytes, as Kaldi's programs want them, and utterances begin with their speaker's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from earshot.core.errors import ManifestError
from earshot.core.files import atomic_text
from earshot.corpora.formats.base import CorpusFormat, relative, unique_names
from earshot.corpora.manifest import Collector, numbered_lines
from earshot.corpora.utterance import Utterance

Table = dict[str, tuple[int, str]]
"""From the first word of a line to its number and the rest of it."""


def read(folder: Path, collector: Collector) -> None:
    """See ``CorpusFormat``."""
    recordings = _table(folder / "wav.scp", collector)
    texts = _table(folder / "text", collector, optional=True)
    speakers = _table(folder / "utt2spk", collector, optional=True)
    languages = _table(folder / "utt2lang", collector, optional=True)
    durations = _table(folder / "utt2dur", collector, optional=True)
    segments = folder / "segments"
    has_segments = segments.is_file()
    source = segments if has_segments else folder / "wav.scp"
    rows = _table(segments, collector) if has_segments else recordings
    for name, (number, rest) in rows.items():
        if has_segments:
            span = _segment(source, number, rest, collector)
            if span is None:
                continue
            recording, start, duration = span
        else:
            recording, start, duration = name, 0.0, None
        if recording not in recordings:
            collector.bad(source, number, f"there is no recording {recording[:80]!r} in wav.scp")
            continue
        line, audio = recordings[recording]
        if audio.rstrip().endswith("|"):
            collector.bad(
                folder / "wav.scp",
                line,
                "a command, which is not run",
                fix="make files of it with Kaldi's wav-copy, or leave such lines out with --skip-bad",
            )
            continue
        collector.add(
            source,
            number,
            audio.strip(),
            start=start,
            duration=durations[name][1] if duration is None and name in durations else duration,
            text=texts[name][1] if name in texts else None,
            speaker=speakers[name][1] if name in speakers and speakers[name][1] != name else None,
            language=languages[name][1] if name in languages else None,
            extra={"id": name},
        )


def _table(path: Path, collector: Collector, *, optional: bool = False) -> Table:
    if optional and not path.is_file():
        return {}
    found: Table = {}
    for number, line in numbered_lines(path, collector):
        name, _, rest = line.strip().partition(" ") if " " in line.strip() else line.strip().partition("\t")
        if name in found:
            collector.bad(path, number, f"{name[:80]!r} is there twice, first in line {found[name][0]}")
            continue
        found[name] = (number, rest.strip())
    return found


def _segment(
    path: Path, number: int, rest: str, collector: Collector
) -> tuple[str, float, float | None] | None:
    """Recording, start, duration; an end of −1 is the recording's."""
    parts = rest.split()
    try:
        recording, start, end = parts[0], float(parts[1]), float(parts[2])
    except (IndexError, ValueError):
        collector.bad(path, number, "not: utterance recording start end")
        return None
    if end == -1:
        return recording, start, None
    if not end > start:
        collector.bad(path, number, f"the end {end:g} s does not come after the start {start:g} s")
        return None
    return recording, start, end - start


def write(utterances: Sequence[Utterance], folder: Path) -> None:
    """See ``CorpusFormat``. Raises ManifestError for what Kaldi has no place for: channels."""
    if any(utterance.channel for utterance in utterances):
        raise ManifestError("a Kaldi folder cannot name channels", fix="write lhotse or our own format")
    names = [
        name if speaker is None or name.startswith(speaker) else f"{speaker}-{name}"
        for name, speaker in zip(
            unique_names(utterances), [_word(one.speaker) for one in utterances], strict=True
        )
    ]
    pairs = list(zip(names, utterances, strict=True))
    has_segments = any(one.start for one in utterances) or len({u.audio for u in utterances}) < len(utterances)
    if has_segments:
        recordings = {one.audio: name for name, one in reversed(pairs)}
        scp: list[tuple[str, str]] = [(name, relative(audio, folder)) for audio, name in recordings.items()]
        spans = [(name, f"{recordings[one.audio]} {one.start:.6f} {_end(one)}") for name, one in pairs]
        _write(folder / "segments", spans)
    else:
        scp = [(name, relative(one.audio, folder)) for name, one in pairs]
        _write(folder / "utt2dur", [(n, f"{one.duration:.6f}") for n, one in pairs if one.duration is not None])
        (folder / "segments").unlink(missing_ok=True)  # of an earlier writing
    _write(folder / "wav.scp", scp)
    _write(folder / "text", [(name, " ".join((one.text or "").split())) for name, one in pairs])
    # Kaldi wants a speaker of each; where none is known the utterance stands for one.
    _write(folder / "utt2spk", [(name, _word(one.speaker) or name) for name, one in pairs])
    _write(folder / "utt2lang", [(name, one.language) for name, one in pairs if one.language])


def _word(text: str | None) -> str | None:
    return "_".join(text.split()) or None if text else None


def _end(utterance: Utterance) -> str:
    return "-1" if utterance.end is None else f"{utterance.end:.6f}"


def _write(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    with atomic_text(path) as file:
        for name, rest in sorted(rows, key=lambda row: row[0].encode()):
            file.write(f"{name} {rest}".rstrip() + "\n")


FORMAT = CorpusFormat("kaldi", "wav.scp, text, segments, utt2spk of Kaldi", read, write, is_folder=True)
