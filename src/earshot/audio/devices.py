"""Microphones and loudspeakers, as PortAudio tells them through ``sounddevice``.

``sounddevice`` comes with a dependency; PortAudio itself is part of its wheel on macOS and Windows and a
system package on Linux. Nothing is imported before the first question.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from earshot.core.errors import DeviceError, MissingExtraError

Direction: TypeAlias = Literal["input", "output"]


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """One device of this machine.

    index: PortAudio's number, which changes when devices come and go; the name stays.
    host_api: as in "ALSA". num_inputs, num_outputs: channels. sample_rate: its own, Hz.
    """

    index: int
    name: str
    host_api: str
    num_inputs: int
    num_outputs: int
    sample_rate: int
    is_default_input: bool = False
    is_default_output: bool = False

    def has(self, direction: Direction) -> bool:
        """Whether sound can go in (``input``: a microphone) or out (``output``: a loudspeaker)."""
        return (self.num_inputs if direction == "input" else self.num_outputs) > 0

    def is_default(self, direction: Direction) -> bool:
        """Whether the system uses it when nothing is chosen."""
        return self.is_default_input if direction == "input" else self.is_default_output


def list_devices() -> list[SoundDevice]:
    """All devices in PortAudio's order; empty on a machine without any.

    Raises DeviceError when PortAudio is absent or fails.
    """
    sounddevice = load_sounddevice()
    try:
        apis = [api["name"] for api in sounddevice.query_hostapis()]
        default_input, default_output = sounddevice.default.device
        return [_device(row, apis, default_input, default_output) for row in sounddevice.query_devices() or ()]
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"the sound system cannot list its devices: {error}", fix=_RESTART) from error


def find_device(wanted: str | int | None = None, direction: Direction = "input") -> SoundDevice:
    """The device of that index, the one whose name holds that text (any case), or the default for None.

    An exact name goes before a part of one. Raises DeviceError, naming what there is, when none or several fit.
    """
    usable = [device for device in list_devices() if device.has(direction)]
    if not usable:
        raise DeviceError(f"there is no sound {direction}", fix=_NO_DEVICE[direction])
    if wanted is None:
        return next((device for device in usable if device.is_default(direction)), usable[0])
    found = _matching(usable, wanted)
    if len(found) == 1:
        return found[0]
    named = "; ".join(f"{device.index} {device.name}" for device in found or usable)
    if not found:
        raise DeviceError(f"there is no sound {direction} {wanted!r}", fix=f"choose one of: {named}")
    raise DeviceError(f"several sound {direction}s are called {wanted!r}", fix=f"choose by number: {named}")


_RESTART = "restart the sound service, or the machine"
_NO_DEVICE: dict[Direction, str] = {
    "input": "connect a microphone, and see 'earshot devices'",
    "output": "connect a loudspeaker, and see 'earshot devices'",
}


def load_sounddevice() -> Any:
    """The module ``sounddevice``, with PortAudio started.

    Raises MissingExtraError without the module, DeviceError without PortAudio.
    """
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise MissingExtraError(
            "sound devices need the module sounddevice", fix="pip install sounddevice"
        ) from error
    except OSError as error:
        raise DeviceError("the system library PortAudio is not installed", fix=_portaudio_command()) from error
    except Exception as error:  # its import starts PortAudio, whose errors have a class that it defines itself
        raise DeviceError(f"PortAudio does not start: {error}", fix=_RESTART) from error


def _portaudio_command() -> str:
    if sys.platform == "linux":
        return "apt install libportaudio2"
    return "pip install --force-reinstall sounddevice"  # its wheel carries the library there


def _device(row: dict[str, Any], apis: list[str], default_input: int, default_output: int) -> SoundDevice:
    index = int(row["index"])
    return SoundDevice(
        index,
        " ".join(str(row["name"]).split()),
        apis[row["hostapi"]],
        int(row["max_input_channels"]),
        int(row["max_output_channels"]),
        round(row["default_samplerate"]),
        index == default_input,
        index == default_output,
    )


def _matching(devices: list[SoundDevice], wanted: str | int) -> list[SoundDevice]:
    if isinstance(wanted, int) or wanted.strip().isdecimal():
        return [device for device in devices if device.index == int(wanted)]
    name = wanted.strip().casefold()
    exact = [device for device in devices if device.name.casefold() == name]
    return exact or [device for device in devices if name in device.name.casefold()]
