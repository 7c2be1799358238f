"""``earshot lm``: language models of words or letters: estimated from text, made smaller, measured, shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from earshot.decoding.ngram_model import NgramModel, Score

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)


def _texts_options(command: Command) -> Command:
    argument = click.argument("texts", metavar="TEXT…", nargs=-1, required=True, type=_PATH)
    option = click.option("--lines", "has_lines", is_flag=True, help="Each line is a sentence.")
    return option(argument(command))


@click.group("lm")
def lm() -> None:
    """Make and measure language models: what is likely to be said next."""


@lm.command("train")
@_texts_options
@click.option("--order", type=click.IntRange(1, 16), metavar="N", help="Longest n-grams [4; letters 8].")
@click.option("--letters", is_flag=True, help="Of letters instead of words: knows every word a little.")
@click.option(
    "--prune",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="RATIO",
    help="Leave out n-grams that matter less.",
)
@click.option("--output", "-o", required=True, type=_PATH, help="model.arpa, model.arpa.gz or model.ngrams.")
def train(
    texts: tuple[Path, ...],
    has_lines: bool,
    order: int | None,
    letters: bool,
    prune: float | None,
    output: Path,
) -> None:
    """Estimate a model from TEXT files (gz or not) by interpolated modified Kneser–Ney.

    The text is brought to lower case without marks. Sentences are found by their marks and by blank lines.
    """
    from earshot.decoding.ngram_files import write_ngrams
    from earshot.decoding.ngram_pruning import prune_ngrams
    from earshot.decoding.ngram_training import train_ngrams

    length = order or (8 if letters else 4)
    model = train_ngrams(_sentences(texts, has_lines=has_lines, by_letters=letters), length)
    if prune:
        model = prune_ngrams(model, prune)
    write_ngrams(model, output)
    click.echo(f"{output}: {_summary(model)}")


@lm.command("prune")
@click.argument("source", metavar="MODEL", type=_PATH)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, max_open=True),
    default=1e-8,
    show_default=True,
    metavar="RATIO",
    help="An n-gram goes when perplexity rises by less without it.",
)
@click.option("--output", "-o", required=True, type=_PATH, help="model.arpa, model.arpa.gz or model.ngrams.")
def prune(source: Path, threshold: float, output: Path) -> None:
    """Make a MODEL smaller by the n-grams that are missed least (entropy pruning). 0 only converts the file."""
    from earshot.decoding.ngram_files import read_ngrams, write_ngrams
    from earshot.decoding.ngram_pruning import prune_ngrams

    model = read_ngrams(source)
    if threshold:
        model = prune_ngrams(model, threshold)
    write_ngrams(model, output)
    click.echo(f"{output}: {_summary(model)}")


@lm.command("perplexity")
@click.argument("source", metavar="MODEL", type=_PATH)
@_texts_options
def perplexity(source: Path, texts: tuple[Path, ...], has_lines: bool) -> None:
    """Tell how well a MODEL foresees TEXT files it was not made from: the lower, the better."""
    from earshot.decoding.ngram_files import read_ngrams

    model = read_ngrams(source)
    for text in texts:
        sentences = _sentences((text,), has_lines=has_lines, by_letters=model.is_by_letters)
        score = model.score(sentences)
        click.echo(f"{text}: {_told(score)}")


@lm.command("show")
@click.argument("source", metavar="MODEL", type=_PATH)
@click.argument("words", nargs=-1)
def show(source: Path, words: tuple[str, ...]) -> None:
    """Tell what a MODEL holds, or how likely it thinks each of the WORDS of a sentence."""
    from earshot.decoding.ngram_files import read_ngrams
    from earshot.decoding.ngram_model import LN10
    from earshot.decoding.ngram_text import letters_of
    from earshot.text.normalise import normalise

    model = read_ngrams(source)
    if not words:
        click.echo(f"{source}: {_summary(model)}")
        return
    said = normalise(" ".join(words)).split()
    sentence = letters_of(said) if model.is_by_letters else said
    (log_probs,) = model.sentence_log_probs([sentence])
    for word, log_prob in zip([*sentence, "</s>"], log_probs.tolist(), strict=True):
        note = "" if word in model.numbers else "  unknown"
        click.echo(f"{log_prob / LN10:9.4f}  {word}{note}")


def _sentences(texts: tuple[Path, ...], *, has_lines: bool, by_letters: bool) -> Iterator[list[str]]:
    from earshot.decoding.ngram_text import letters_of, read_sentences

    for words in read_sentences(texts, has_lines=has_lines):
        yield letters_of(words) if by_letters else words


def _summary(model: NgramModel) -> str:
    unit = "letters" if model.is_by_letters else "words"
    counts = " + ".join(f"{count:,}" for count in model.num_ngrams)
    return f"order {model.order}, of {unit}, {counts} n-grams"


def _told(score: Score) -> str:
    if not score.num_sentences:
        return "no sentences"
    share = score.num_unknown / max(1, score.num_words)
    return (
        f"perplexity {score.perplexity:.2f} ({score.known_perplexity:.2f} without unknown words, "
        f"{share:.2%} of {score.num_words:,})"
    )
