"""``earshot translate``: a transcript, subtitles or a text into another language."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from earshot.cli._texts import read_text_or_transcript
from earshot.core.errors import FormatError
from earshot.core.files import atomic_text
from earshot.core.types import Transcript
from earshot.text.formats import FORMATS, find_format, write_transcript
from earshot.text.translation import Translator, find_translator, installed_pairs, translate_transcript


@click.command("translate")
@click.argument("source", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--to", "target", metavar="CODE", help="The language to translate into, such as es.")
@click.option("--from", "language", metavar="CODE", help="The language of FILE [a transcript's own, else en].")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write there, not on standard output.")
@click.option("--output-format", "-f", "format_name", metavar="NAME", help="As 'transcribe' has [FILE's own].")
@click.option(
    "--model", metavar="NAME", help="An OPUS-MT, Argos, M2M-100 or NLLB model for CTranslate2: name or folder."
)
@click.option("--list", "lists", is_flag=True, help="List what can be translated here without a model.")
def translate(
    source: Path | None,
    target: str | None,
    language: str | None,
    output: Path | None,
    format_name: str | None,
    model: str | None,
    lists: bool,
) -> None:
    """Translate FILE, offline: by Apertium (apt install apertium-eng-spa, …) or by a model.

    FILE is a transcript (json, srt, vtt …), whose times and speakers stay, or a text; - reads text from
    standard input.
    """
    if lists:
        for pair in installed_pairs():
            click.echo(f"{pair.source} → {pair.target}")
        return
    if source is None or target is None:
        raise click.UsageError("name a FILE and the language to translate it into with --to")
    text = read_text_or_transcript(source)
    chosen = _chosen_format(source, text, output, format_name)
    spoken = language or (text.language if isinstance(text, Transcript) else None) or "en"
    with find_translator(spoken, target, model=_model_folder(model)) as translator:
        _write(translator, text, output, chosen)


def _chosen_format(source: Path, text: Transcript | str, output: Path | None, name: str | None) -> str | None:
    """The name of a transcript's format, None for a text. Raises FormatError before anything is translated."""
    if isinstance(text, str):
        if name not in (None, "txt"):
            raise FormatError(f"{source} is a text without times", fix="translate a transcript, such as json")
        return None
    if name is None and output is not None and output.suffix:
        return find_format(None, output).name
    if name is None:
        return find_format(None, source).name
    return find_format(name).name


def _model_folder(model: str | None) -> Path | None:
    if model is None:
        return None
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    from earshot.models.store import ModelStore  # the store loads its network code

    return ModelStore().find(model)


def _write(translator: Translator, text: Transcript | str, output: Path | None, name: str | None) -> None:
    if isinstance(text, Transcript):
        assert name in FORMATS
        write_transcript(translate_transcript(translator, text), output or sys.stdout, name)
        return
    translated = translator.translate(text)
    line_end = "" if translated.endswith("\n") else "\n"
    if output is None:
        click.echo(translated, nl=bool(line_end))
        return
    with atomic_text(output) as file:
        file.write(translated + line_end)
