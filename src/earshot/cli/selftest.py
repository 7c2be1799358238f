"""``earshot selftest``: known speech through microphone and engine."""

import click


@click.command()
def selftest() -> None:
    """Play known speech through the microphone path."""
