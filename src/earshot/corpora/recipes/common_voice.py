"""Common Voice: sentences read by volunteers, in more than a hundred languages.

Provenance: Mozilla, commonvoice.mozilla.org, since 2017; R. Ardila et al., "Common Voice: a
massively-multilingual speech corpus", LREC 2020. Two other volunteers listened to each validated clip.
Size: from minutes to thousands of hours a language; mp3.
Speakers: from one to tens of thousands a language; ``client_id`` is a browser, so a person may be several.
Licence: CC0 1.0. Whoever downloads promises not to find out who the speakers are, so there is nothing to
download without its page: get the archive there and give it with --archive.

Layout: ``LANGUAGE/clips/*.mp3`` and the tables ``validated.tsv``, ``train.tsv``, ``dev.tsv``, ``test.tsv``,
with ``client_id path sentence up_votes down_votes age gender accents locale …``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from earshot.corpora.manifest import Collector, numbered_lines
from earshot.corpora.recipes.base import PrepareOptions, Recipe, found_below, needs

_KEPT: Final = ("age", "gender", "accents", "accent", "up_votes", "down_votes")


def _prepare(folder: Path, collector: Collector, options: PrepareOptions) -> None:
    names = options.parts or ("validated",)
    tables = [path for name in names for path in found_below(folder, f"{name}.tsv")]
    needs(bool(tables), folder, f"Common Voice tables ({', '.join(names)}.tsv)")
    for path in tables:
        header: list[str] = []
        for number, line in numbered_lines(path, collector):
            cells = line.split("\t")
            if not header:
                header = cells
                needs({"client_id", "path", "sentence"} <= set(header), path, "table of Common Voice")
                continue
            # Newer tables leave out empty cells at the end of a line.
            if len(cells) > len(header):
                collector.bad(path, number, f"{len(cells)} columns instead of {len(header)}")
                continue
            row = dict(zip(header, cells, strict=False))
            clip = row["path"]
            clip = clip if clip.endswith(".mp3") or not clip else f"{clip}.mp3"
            collector.add(
                path,
                number,
                str(path.parent / "clips" / clip) if clip and "/" not in clip else "",
                text=row.get("sentence", "").strip(),
                speaker=row["client_id"][:16],  # 128 hexadecimal digits, of which 16 tell everybody apart
                language=row.get("locale") or options.language or path.parent.name,
                extra={name: row[name] for name in _KEPT if row.get(name)},
            )


RECIPE = Recipe(
    name="common-voice",
    title="sentences read by volunteers, in a hundred languages",
    languages=(),
    licence="CC0-1.0",
    prepare=_prepare,
    by_hand="get the archive of your language at commonvoice.mozilla.org, then give it with --archive",
)
