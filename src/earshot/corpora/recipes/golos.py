"""Golos: Russian orders to a smart speaker, and from the other end of the room.

Provenance: N. Karpov, A. Denisenko, F. Minkin (Sber), "Golos: Russian Dataset for Speech Research",
Interspeech 2021; openslr.org/114. "Crowd" was recorded with telephones by paid volunteers, "farfield" with
the speaker itself.
Size: 1,240 h, of which crowd 1,106 and farfield 134; opus, 20 GB.
Speakers: not told.
Licence: the makers' own (github.com/sberdevices/golos, folder license): read it before use.

Layout: ``manifest.jsonl`` files as of NeMo, in folders ``train``, ``test``, ``crowd``, ``farfield``; their
paths are relative to the manifest, with ``.wav`` for what is ``.opus`` in the small archive.
No checksum is pinned here: what arrives first is pinned.
"""

from __future__ import annotations

from pathlib import Path

from earshot.corpora.manifest import Collector, json_lines
from earshot.corpora.recipes.base import Part, PrepareOptions, Recipe, found_below, needs
from earshot.models.catalogue import RemoteFile


def _prepare(folder: Path, collector: Collector, options: PrepareOptions) -> None:
    manifests = list(found_below(folder, "*.jsonl"))
    needs(bool(manifests), folder, "manifests of Golos (manifest.jsonl)")
    seen: set[Path] = set()
    for path in manifests:
        split = "test" if any("test" in part for part in path.relative_to(folder).parts) else "train"
        if options.parts and set(options.parts) <= {"train", "test"} and split not in options.parts:
            continue
        for number, row in json_lines(path, collector):
            told = row.get("audio_filepath")
            audio = _audio(path.parent, told) if isinstance(told, str) else None
            if audio in seen:
                continue  # the lists of 10 h, 1 h and 10 min repeat what the whole one has
            if audio is not None:
                seen.add(audio)
            text = row.get("text")
            if text == "":
                continue  # noise and laughter
            collector.add(
                path,
                number,
                str(audio) if audio else told,
                text=text,
                duration=row.get("duration"),
                language=options.language or "ru",
                extra={"split": split},
            )


def _audio(folder: Path, told: str) -> Path | None:
    path = folder / told
    if not path.resolve().is_relative_to(folder.resolve()):
        return None
    return next((one for one in (path, path.with_suffix(".opus")) if one.is_file()), None)


RECIPE = Recipe(
    name="golos",
    title="Russian orders, near and far",
    languages=("ru",),
    licence="the makers' own",
    prepare=_prepare,
    hours=1240,
    parts={"all": Part((RemoteFile("https://www.openslr.org/resources/114/golos_opus.tar.gz"),))},
    default=("all",),
)
