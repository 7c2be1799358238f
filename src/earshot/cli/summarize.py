"""``earshot summarize``: what a transcript or text says, in a few of its sentences."""

from __future__ import annotations

from pathlib import Path

import click

from earshot.cli._texts import read_text_or_transcript
from earshot.text.summary import SummarySentence, summarize


@click.command("summarize")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--sentences", "-n", type=click.IntRange(min=1), metavar="N", help="How many [5].")
@click.option("--percent", type=click.FloatRange(0, 100, min_open=True), help="Instead: of all sentences.")
@click.option("--language", "-l", metavar="CODE", help="Of the text, such as en or de; helps a little.")
@click.option("--times", is_flag=True, help="When each sentence was said, before it.")
@click.option(
    "--model",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="In new words, by a BART, T5 or PEGASUS checkpoint of transformers. It may invent.",
)
@click.option("--device", default="cpu", show_default=True, metavar="NAME", help="What computes such a model.")
def summarize_command(
    source: Path,
    sentences: int | None,
    percent: float | None,
    language: str | None,
    times: bool,
    model: Path | None,
    device: str,
) -> None:
    """Tell what FILE says in a few of its own sentences, a line each.

    FILE is a transcript (json, srt, vtt …) or a text in any language; - reads text from standard input.
    """
    if sentences is not None and percent is not None:
        raise click.UsageError("--sentences and --percent both tell the length; leave out one")
    if model is not None and (sentences or percent or times):
        raise click.UsageError(
            "a --model writes sentences of its own: leave out --sentences, --percent, --times"
        )
    text = read_text_or_transcript(source)
    if model is not None:
        from earshot.text.summary_abstractive import AbstractiveSummarizer

        click.echo(AbstractiveSummarizer(model, device=device).summarize(text))
        return
    ratio = None if percent is None else percent / 100
    for sentence in summarize(text, num_sentences=sentences, ratio=ratio, language=language).sentences:
        click.echo(_line(sentence, has_time=times))


def _line(sentence: SummarySentence, *, has_time: bool) -> str:
    speaker = f"{sentence.speaker}: " if sentence.speaker else ""
    if not has_time or sentence.start is None:
        return f"{speaker}{sentence.text}"
    seconds = int(sentence.start)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}  {speaker}{sentence.text}"
