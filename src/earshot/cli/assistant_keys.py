"""Words to a running assistant, for keys of the desktop: ``earshot assistant toggle`` and its kin.

It imports as little as it can, since somebody is about to speak.
"""

from __future__ import annotations

import json
from typing import Any

import click

from earshot.assistant.control import events as control_events
from earshot.assistant.control import send


@click.command()
def toggle() -> None:
    """Let the running assistant listen, or stop it: bind a key of your desktop to this."""
    click.echo(send({"do": "toggle"})["phase"])


@click.command()
def push() -> None:
    """Push to talk, for the press of a key: listen until 'earshot assistant release'."""
    click.echo(send({"do": "push"})["phase"])


@click.command()
def release() -> None:
    """Push to talk, for letting the key go: what was said until now is the order."""
    click.echo(send({"do": "release"})["phase"])


@click.command()
@click.option("--no", "is_no", is_flag=True, help="Do not do it.")
def confirm(is_no: bool) -> None:
    """Answer what the running assistant asks: yes, do it."""
    answer = send({"do": "confirm", "yes": not is_no})
    click.echo("nothing was asked" if not answer["asked"] else "no" if is_no else "yes")


@click.command()
def cancel() -> None:
    """Let the running assistant forget what it asked, and be quiet."""
    click.echo(send({"do": "cancel"})["phase"])


@click.command()
@click.argument("text", nargs=-1, required=True, metavar="WORDS...")
def say(text: tuple[str, ...]) -> int:
    """Give the running assistant a typed order."""
    answer = send({"do": "say", "text": " ".join(text)})
    lines = [reply["text"] for reply in answer["replies"] if reply["text"] and reply["type"] != "heard"]
    click.echo("\n".join(lines) or answer["phase"])
    return int(any(reply["type"] in ("failed", "refused", "not-understood") for reply in answer["replies"]))


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print it as JSON.")
@click.option("--follow", is_flag=True, help="Go on: a line of JSON for everything that happens.")
def status(is_json: bool, follow: bool) -> None:
    """Tell what the running assistant does: asleep, listening, asking."""
    answer: dict[str, Any] = send({"do": "status"})
    if is_json or follow:
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        asked = f": {answer['question']}" if answer.get("question") else ""
        click.echo(f"{answer['phase']}{asked}")
    if follow:
        for event in control_events():
            click.echo(json.dumps(event, ensure_ascii=False))
