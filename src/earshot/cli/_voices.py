"""``--diarize`` and what belongs to it, for all verbs that tell speakers apart."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from earshot.transcription.speakers import SpeakerOptions

Command = TypeVar("Command", bound=Callable[..., Any])

_COUNT = click.IntRange(1, 100)


def speaker_options(command: Command) -> Command:
    """Whether and how speakers are told apart; the command gets one argument ``speakers``, None for not."""

    @functools.wraps(command)  # its name is that of the verb
    def gathered(**values: Any) -> Any:
        names = ("diarize", "num_speakers", "min_speakers", "max_speakers")
        return command(speakers=_chosen(*(values.pop(name) for name in names)), **values)

    options = [
        click.option("--diarize", is_flag=True, help="Tell speakers apart; enrolled ones go by their names."),
        click.option("--num-speakers", type=_COUNT, metavar="N", help="How many there are [found out]."),
        click.option("--min-speakers", type=_COUNT, metavar="N", help="At least so many [1]."),
        click.option("--max-speakers", type=_COUNT, metavar="N", help="At most so many [20]."),
    ]
    wrapped: Any = gathered
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def _chosen(diarize: bool, number: int | None, least: int | None, most: int | None) -> SpeakerOptions | None:
    """A number of speakers asks for telling them apart, too."""
    if not diarize and (number, least, most) == (None, None, None):
        return None
    if number is not None and (least or most):
        raise click.UsageError("--num-speakers says it all: leave out --min-speakers and --max-speakers")
    defaults = SpeakerOptions()
    least = least or defaults.min_speakers
    most = most or max(least, defaults.max_speakers)
    if least > most:
        raise click.UsageError(f"at least {least} and at most {most} speakers cannot be")
    return SpeakerOptions(number, least, most)
