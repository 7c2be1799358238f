"""``earshot devices``: which microphones and loudspeakers there are."""

from __future__ import annotations

import dataclasses
import json

import click

from earshot.audio.devices import Direction, SoundDevice, list_devices

_HEADINGS: tuple[tuple[Direction, str], ...] = (("input", "Inputs"), ("output", "Outputs"))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def devices(as_json: bool) -> None:
    """List microphones and loudspeakers; * marks the default one.

    Options that take a device accept its number or a part of its name.
    """
    found = list_devices()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(device) for device in found], indent=2, ensure_ascii=False))
        return
    for direction, heading in _HEADINGS:
        click.echo(f"{heading}:")
        chosen = [device for device in found if device.has(direction)]
        for line in _table(chosen, direction) or ["    none found"]:
            click.echo(line)


def _table(found: list[SoundDevice], direction: Direction) -> list[str]:
    """One line a device, its columns aligned."""
    width = max((len(device.name) for device in found), default=0)
    lines = []
    for device in found:
        mark = "*" if device.is_default(direction) else " "
        count = device.num_inputs if direction == "input" else device.num_outputs
        channels = f"{count} channel{'s' if count > 1 else ''}"
        lines.append(
            f"  {mark} {device.index:>2}  {device.name:<{width}}  {channels:<12}"
            f" {device.sample_rate:>6} Hz  {device.host_api}"
        )
    return lines
