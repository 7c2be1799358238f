from __future__ import annotations

import json
import subprocess
import sys

import pytest

from earshot.audio.devices import SoundDevice, find_device, list_devices
from earshot.cli import run
from earshot.core.errors import DeviceError


@pytest.fixture(scope="module")
def devices() -> list[SoundDevice]:
    try:
        return list_devices()
    except DeviceError as error:
        pytest.skip(str(error))


def test_the_list_names_every_device(devices: list[SoundDevice], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices"]) == 0
    shown = capsys.readouterr().out
    inputs, outputs = shown.split("Outputs:")
    assert inputs.startswith("Inputs:")
    for direction, part in (("input", inputs), ("output", outputs)):
        expected = [device for device in devices if device.has(direction)]
        assert len(part.strip().splitlines()) == len(expected) + (direction == "input") + (not expected)
        assert all(device.name in part for device in expected)
        assert ("none found" in part) == (not expected)


def test_json_is_the_same_list(devices: list[SoundDevice], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["index"] for row in rows] == [device.index for device in devices]
    assert [row["name"] for row in rows] == [device.name for device in devices]
    assert all(row["sample_rate"] > 0 for row in rows)


def test_a_device_is_found_by_number_and_by_name(devices: list[SoundDevice]) -> None:
    inputs = [device for device in devices if device.has("input")]
    if not inputs:
        pytest.skip("no microphone on this machine")
    assert find_device(inputs[0].index).index == inputs[0].index
    assert find_device(str(inputs[0].index)).index == inputs[0].index


def test_a_device_that_is_not_there_is_an_error(devices: list[SoundDevice]) -> None:
    with pytest.raises(DeviceError, match="there is no sound input") as caught:
        find_device("a microphone of glass")
    assert caught.value.fix


def test_without_portaudio_one_line_names_the_package() -> None:
    # sounddevice looks the library up by this function, and raises OSError where it finds none.
    code = (
        "import ctypes.util, sys; ctypes.util.find_library = lambda name: None\n"
        "sys.platform = 'linux'\n"
        "from earshot.cli import run; sys.exit(run(['devices']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "earshot: error: the system library PortAudio is not installed: apt install libportaudio2"
    ]
