"""``earshot models``: list, pull, import, verify, remove, bundle and show models."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from earshot.core.errors import ModelError, nearest
from earshot.core.progress import ProgressCallback
from earshot.models.catalogue import CatalogueEntry
from earshot.models.store import InstalledModel, ModelStore

_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_COLUMNS = ("name", "engine", "languages", "size", "licence", "state")


@click.group(context_settings={"token_normalize_func": lambda name: name.replace("_", "-")})
def models() -> None:
    """List, fetch, check and move models. Only 'pull' uses the network."""


@models.command("list")
@click.option("--language", "-l", help="Only models that know this language, such as ru.")
@click.option("--engine", help="Only models of this engine, such as vosk.")
@click.option("--installed", is_flag=True, help="Only what is installed.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_models(language: str | None, engine: str | None, installed: bool, as_json: bool) -> None:
    """List the models that are installed or can be pulled."""
    store = ModelStore()
    rows = [
        row
        for row in _rows(store)
        if (not installed or row["installed"])
        and (engine is None or row["engine"] == engine.lower())
        and (language is None or language.lower().replace("_", "-").split("-")[0] in row["languages"])
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        _print_table(rows)
    else:
        for row in rows:
            click.echo("\t".join(_cells(row)))
    if not rows and not as_json:
        click.echo("no such model", err=True)


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option("--from", "mirror", metavar="URL", envvar="EARSHOT_MIRROR", show_envvar=True,
              help="Fetch from this server instead; the checksums stay the same.")  # fmt: skip
@click.option(
    "--accept-unverified", is_flag=True, help="Trust what arrives where no checksum is known; pin it."
)
@click.option("--replace", is_flag=True, help="Fetch again what is installed already.")
def pull(names: Sequence[str], mirror: str | None, accept_unverified: bool, replace: bool) -> None:
    """Download models of the catalogue. Interrupted, the same command goes on where it stopped."""
    store = ModelStore()
    entries = [
        store.catalogue.find(name) for name in names
    ]  # a mistyped last name is told before the first 2 GB
    for entry in entries:
        try:
            with _bar(entry.name) as progress:
                model = store.pull(
                    entry.name,
                    mirror=mirror,
                    accept_unverified=accept_unverified,
                    replace=replace,
                    progress=progress,
                    notice=_notice,
                )
        except KeyboardInterrupt:
            raise KeyboardInterrupt("run the same command again: it goes on where it stopped") from None
        click.echo(f"{model.name}\t{model.path}")


@models.command("import")
@click.argument("path", type=click.Path(path_type=Path), metavar="FOLDER|ARCHIVE")
@click.option("--name", help="What to call it; else as its folder or archive.")
@click.option("--engine", help="What it is for, where the files do not tell.")
@click.option("--language", "-l", "languages", multiple=True, help="What it knows; may be repeated.")
@click.option("--replace", is_flag=True, help="Replace a model of that name.")
def import_model(
    path: Path, name: str | None, engine: str | None, languages: tuple[str, ...], replace: bool
) -> None:
    """Install a model, or a bundle of models, that you brought yourself."""
    if engine:
        _check_engine(engine)
    added = ModelStore().add(
        path, name=name, engine=engine, languages=languages, replace=replace, notice=_notice
    )
    for model in added:
        click.echo(f"{model.name}\t{model.path}")


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.pass_context
def verify(context: click.Context, names: Sequence[str]) -> None:
    """Compare every file with its checksum; all models if none is named. Status 1 when something differs."""
    results = ModelStore().verify(names, notice=_notice if sys.stderr.isatty() else None)
    for result in results:
        click.echo(f"{result.name}\t{'; '.join(result.problems) or 'ok'}")
    if any(result.problems for result in results):
        context.exit(1)


@models.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Delete an installed model."""
    store = ModelStore()
    model = store.get(name)
    if not yes:
        click.confirm(f"Delete {model.name} ({model.path})?", abort=True, err=True)
    store.remove(model.name)
    click.echo(f"{model.name}\tremoved")


@models.command()
@click.argument("names", nargs=-1, metavar="NAME…")
@click.option("--all", "all_models", is_flag=True, help="Every installed model.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE",
              help="Such as bundle.tar.")  # fmt: skip
def bundle(names: Sequence[str], all_models: bool, output: Path) -> None:
    """Write models into one file that 'models import' takes on a computer without a network."""
    if all_models == bool(names):
        raise click.UsageError("give either names or --all", click.get_current_context())
    store = ModelStore()
    if all_models:
        names = [model.name for model in store.list()]
    with _bar(output.name) as progress:
        bundled = store.bundle(names, output, progress=progress)
    click.echo(f"{output}\t{', '.join(bundled)}")


@models.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def show(name: str, as_json: bool) -> None:
    """Tell what is known of one model, installed or not."""
    store = ModelStore()
    entry = store.catalogue.match(name)
    row = next((row for row in _rows(store) if row["name"] == (entry.name if entry else name)), None)
    if row is None:
        row = _row(entry or store.catalogue.find(name, also=[model.name for model in store.list()]), None)
    if as_json:
        click.echo(json.dumps(row, indent=2, ensure_ascii=False))
        return
    for key, value in row.items():
        if value not in (None, [], {}):
            click.echo(f"{key.replace('_', ' ') + ':':<12} {_plain(key, value)}")


def _rows(store: ModelStore) -> list[dict[str, Any]]:
    """One row a model: installed ones first, then what the catalogue has besides."""
    installed = {model.name: model for model in store.list()}
    rows = [_row(store.catalogue.match(name), model) for name, model in installed.items()]
    return rows + [_row(entry, None) for entry in store.catalogue.entries if entry.name not in installed]


def _row(entry: CatalogueEntry | None, model: InstalledModel | None) -> dict[str, Any]:
    card = model.card if model else None
    languages = (card.languages if card else ()) or (entry.languages if entry else ())
    return {
        "name": model.name if model else entry.name if entry else None,
        "engine": card.engine if card else entry.engine if entry else None,
        "languages": list(languages),
        "size": card.size if card and card.files else entry.size if entry else None,
        "licence": (card.licence if card else None) or (entry.licence if entry else None),
        "installed": model is not None,
        "verified": card.verified if card else None,
        "checksum": entry.checksum if entry else None,
        "description": (card.description if card else None) or (entry.description if entry else None),
        "page": entry.page if entry else None,
        "aliases": list(entry.aliases) if entry else [],
        "path": str(model.path) if model else None,
        "source": card.source if card else None,
        "metrics": dict(card.metrics) if card else {},
        "problem": model.problem if model else None,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    if row["problem"]:
        state = "broken"
    elif row["installed"]:
        state = "installed"
    else:
        state = "can be pulled" if row["checksum"] else "can be pulled, unverified"
    return [_plain(key, state if key == "state" else row[key]) for key in _COLUMNS]


def _plain(key: str, value: Any) -> str:
    """A value as the user reads it, without what could command the terminal: cards come from anywhere."""
    return "".join(char if char.isprintable() else " " for char in _words(key, value))


def _words(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if key == "size":
        unit, name = next((unit for unit in _UNITS if value >= unit[0]), _UNITS[-1])
        return f"{value / unit:.1f} {name}"
    if key == "languages" and len(value) > 8:
        return f"{len(value)} languages"
    if isinstance(value, list):
        return ",".join(value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(
            column, justify="right" if column == "size" else "left", no_wrap=column in ("name", "size")
        )
    for row in rows:
        style = "green" if row["installed"] and not row["problem"] else "red" if row["problem"] else ""
        table.add_row(*(Text(cell) for cell in _cells(row)), style=style)
    Console(highlight=False).print(table)


def _check_engine(name: str) -> None:
    from earshot.engines.registry import engine_names

    if name not in engine_names():
        raise ModelError(f"there is no engine {name!r}", fix=nearest(name, engine_names()))


def _notice(line: str) -> None:
    click.echo(line, err=True)


@contextlib.contextmanager
def _bar(label: str) -> Iterator[ProgressCallback | None]:
    """A bar in bytes with speed and time left, on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as bars
    from rich.console import Console
    from rich.markup import escape

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as shown:
        task = shown.add_task(escape(label), total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
