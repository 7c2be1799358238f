"""``earshot corpus get`` and ``recipes``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from earshot.cli._corpus import bar, write
from earshot.cli._sound import complain
from earshot.corpora.recipes import find_recipe, recipe_names

_EXAMPLES = """\b
Examples:
  earshot corpus get librispeech --part dev-clean -o librispeech
  earshot corpus get voxforge --part ru --limit 100 -o voxforge-ru
  earshot corpus get common-voice --archive cv-corpus-19.0-ru.tar.gz -l ru -o common-voice"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", metavar="RECIPE")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
              help="Where it goes; the manifest is FOLDER/manifest.jsonl.")  # fmt: skip
@click.option(
    "--part", "parts", multiple=True, metavar="PART", help="May be given again; 'recipes' lists them."
)
@click.option("--archive", "archives", multiple=True, type=click.Path(path_type=Path), metavar="FILE|FOLDER",
              help="Take what you have, instead of downloading; may be given again.")  # fmt: skip
@click.option("--from", "mirror", metavar="URL", help="Download from this folder of a server instead.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N archives of a list.")
@click.option("--language", "-l", metavar="CODE", help="Of what does not tell its own.")
@click.option("--skip-bad", is_flag=True, help="Leave bad lines out, and count them.")
@click.option("--keep-archives", is_flag=True, help="Do not delete what was unpacked.")
@click.option("--wav", "to_wav", is_flag=True, help="Write 16 kHz WAV of it: larger, and quicker to read.")
@click.option(
    "--jobs", type=click.IntRange(1, 32), default=4, show_default=True, help="Downloads side by side."
)
def get(
    name: str,
    output: Path,
    parts: tuple[str, ...],
    archives: tuple[Path, ...],
    mirror: str | None,
    limit: int | None,
    language: str | None,
    skip_bad: bool,
    keep_archives: bool,
    to_wav: bool,
    jobs: int,
) -> int:
    """Download a corpus that is known by name, unpack it, and make its manifest.

    Downloads are resumed and held to their checksums; what nobody published a checksum of is pinned when it is
    first seen. Read the licence first: 'earshot corpus recipes RECIPE'.
    """
    from earshot.corpora.obtaining import ObtainOptions, obtain

    recipe = find_recipe(name)
    options = ObtainOptions(parts, archives, mirror, limit, language, skip_bad, keep_archives, jobs)
    try:
        with bar(name) as progress:
            manifest = obtain(recipe, output, options, progress=progress, notice=complain)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("run the same command again: it goes on where it stopped") from None
    if manifest.bad_lines:
        complain(f"{len(manifest.bad_lines)} bad lines left out, the first: {manifest.bad_lines[0]}")
    if to_wav:
        from earshot.corpora.converting import to_wav as convert

        with bar("converting") as progress:
            manifest = convert(manifest, output / "wav", progress=progress)
    told = ", ".join(parts or map(str, archives)) or ", ".join(recipe.default)
    write(manifest, output / "manifest.jsonl", f"recipe {name}: {told}", [])
    complain(f"licence: {recipe.licence}")
    return 0


@click.command()
@click.argument("name", metavar="[RECIPE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def recipes(name: str | None, as_json: bool) -> int:
    """List the corpora that are known by name; of one, tell provenance, size, speakers, licence, layout."""
    if name is not None and not as_json:
        recipe = find_recipe(name)
        click.echo(recipe.story)
        if recipe.parts:
            told = f" [{', '.join(recipe.default)}]" if recipe.default else ""
            click.echo(f"\nParts: {', '.join(recipe.parts)}{told}")
        if recipe.by_hand:
            click.echo(f"\nIt is not downloaded: {recipe.by_hand}")
        return 0
    found = [find_recipe(one) for one in ([name] if name else recipe_names())]
    if as_json:
        rows = [
            {
                "name": one.name,
                "title": one.title,
                "languages": one.languages,
                "hours": one.hours,
                "speakers": one.speakers,
                "licence": one.licence,
                "parts": list(one.parts),
            }
            for one in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    for one in found:
        size = f"{one.hours:g} h" if one.hours else ""
        languages = " ".join(one.languages[:6]) + (" …" if len(one.languages) > 6 else "")
        click.echo(f"{one.name}\t{one.title}\t{languages}\t{size}\t{one.licence}")
    return 0
