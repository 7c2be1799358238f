"""Music and loudness: players through MPRIS (``playerctl``), loudness through the sound server."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from earshot.assistant.actions.arguments import Arguments
from earshot.assistant.actions.base import FunctionAction, Outcome, Perform, Surroundings
from earshot.assistant.actions.programs import find_program, has_program, run_program, start_program
from earshot.assistant.actions.reversal import Reversal
from earshot.assistant.actions.values import ListOf, Number, Parameter
from earshot.core.errors import ActionError

_APPEARS = 10.0
"""Seconds that a player may take to show itself on the session bus."""

MAX_LOUDNESS = 100


def players(surroundings: Surroundings) -> list[str]:
    """The players that run, as MPRIS names them. Raises ActionError without ``playerctl``."""
    find_program("playerctl", surroundings)
    try:
        first = run_program(["playerctl", "--list-all"], surroundings)
    except ActionError:
        return []
    return [] if not first or "No players" in first else [first]


def _status(surroundings: Surroundings) -> str:
    """Playing, Paused or Stopped; empty without a player."""
    try:
        return run_program(["playerctl", "status"], surroundings)
    except ActionError:
        return ""


def _told(command: str, surroundings: Surroundings) -> tuple[str, ...]:
    """Tell the player something. Raises ActionError without a player."""
    if not players(surroundings):
        raise ActionError("no player is running", fix="say 'start music', or open one")
    argv = ("playerctl", command)
    run_program(argv, surroundings)
    return argv


def _play(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    if players(surroundings):
        was = _status(surroundings)
        argv = _told("play", surroundings)
        back = Reversal(MEDIA_PAUSE, {}, surroundings) if was != "Playing" else None
        return Outcome("done", "Music is playing.", argv, back)
    argv = _first_installed(values.get("start", ()), surroundings)
    start_program(argv, surroundings)
    end = time.monotonic() + _APPEARS
    while not players(surroundings):
        if time.monotonic() > end:
            raise ActionError(f"{argv[0]} was started, and does not say that it can be told to play")
        time.sleep(0.1)
    if _status(surroundings) != "Playing":
        _told("play", surroundings)
    return Outcome("done", "Music is playing.", argv, Reversal(MEDIA_PAUSE, {}, surroundings))


def _first_installed(choices: tuple[tuple[str, ...], ...], surroundings: Surroundings) -> tuple[str, ...]:
    for argv in choices:
        if has_program(argv[0], surroundings):
            return argv
    names = ", ".join(argv[0] for argv in choices) or "none is configured"
    raise ActionError(f"no player is running, and none is installed ({names})", fix="apt install mpv mpv-mpris")


def _tell(command: str, message: str, *, is_undone_by_playing: bool = False) -> Perform:
    def perform(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
        before = _status(surroundings)
        argv = _told(command, surroundings)
        is_undoable = is_undone_by_playing and before == "Playing"
        return Outcome("done", message, argv, Reversal(MEDIA_PLAY, {}, surroundings) if is_undoable else None)

    return perform


# --- loudness ---


def loudness(surroundings: Surroundings) -> int:
    """Of the default output, in percent. Raises ActionError without a sound server."""
    if has_program("wpctl", surroundings) and (found := _of_wpctl(surroundings)) is not None:
        return found
    line = run_program(["pactl", "get-sink-volume", "@DEFAULT_SINK@"], surroundings)
    percent = re.search(r"(\d+)%", line)
    if percent is None:
        raise ActionError("the sound server does not tell how loud it is", fix="check 'pactl get-sink-volume'")
    return int(percent[1])


def _of_wpctl(surroundings: Surroundings) -> int | None:
    try:
        line = run_program(["wpctl", "get-volume", "@DEFAULT_AUDIO_SINK@"], surroundings)
    except ActionError:
        return None  # installed, but PipeWire does not run
    share = re.search(r"Volume: ([\d.]+)", line)
    return round(100 * float(share[1])) if share else None


def _sink(surroundings: Surroundings) -> Callable[[str, str], tuple[str, ...]]:
    """The argv that sets loudness or muting."""
    if has_program("wpctl", surroundings) and _of_wpctl(surroundings) is not None:
        return lambda what, value: ("wpctl", f"set-{what}", "@DEFAULT_AUDIO_SINK@", value)
    return lambda what, value: ("pactl", f"set-sink-{what}", "@DEFAULT_SINK@", value)


def _set(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    return _loud(int(values["level"]), surroundings)


def _change(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:
    level = loudness(surroundings) + int(values["by"])
    return _loud(min(MAX_LOUDNESS, max(0, level)), surroundings)


def _loud(level: int, surroundings: Surroundings) -> Outcome:
    before = min(MAX_LOUDNESS, loudness(surroundings))
    argv = _sink(surroundings)("volume", f"{level}%")
    run_program(argv, surroundings)
    undo = Reversal(VOLUME_SET, {"level": before}, surroundings)
    return Outcome("done", f"The volume is {level} percent.", argv, undo)


def _mute(value: str) -> Perform:
    def perform(values: Mapping[str, Any], surroundings: Surroundings) -> Outcome:  # noqa: ARG001
        argv = _sink(surroundings)("mute", value)
        run_program(argv, surroundings)
        other = VOLUME_UNMUTE if value == "1" else VOLUME_MUTE
        message = "The sound is off." if value == "1" else "The sound is on."
        return Outcome("done", message, argv, Reversal(other, {}, surroundings))

    return perform


_START = Parameter(ListOf(Arguments()), "players to start when none runs; the first that is installed")
MEDIA_PLAY = FunctionAction(
    "media.play",
    "play music; start a player when none runs",
    _play,
    {"start": _START},
    planner=lambda values, surroundings: ("playerctl", "play"),  # noqa: ARG005 - the signature of planners
)
MEDIA_PAUSE = FunctionAction(
    "media.pause", "pause the music", _tell("pause", "Paused.", is_undone_by_playing=True)
)
VOLUME_SET = FunctionAction(
    "volume.set",
    "set the volume, 0 to 100",
    _set,
    {"level": Parameter(Number(0, MAX_LOUDNESS), "percent", is_required=True, is_spoken=True)},
)
VOLUME_MUTE = FunctionAction("volume.mute", "turn the sound off", _mute("1"))
VOLUME_UNMUTE = FunctionAction("volume.unmute", "turn the sound on", _mute("0"))

ACTIONS = (
    MEDIA_PLAY,
    MEDIA_PAUSE,
    FunctionAction("media.stop", "stop the music", _tell("stop", "Stopped.", is_undone_by_playing=True)),
    FunctionAction("media.next", "play the next piece", _tell("next", "")),
    FunctionAction("media.previous", "play the piece before", _tell("previous", "")),
    VOLUME_SET,
    FunctionAction(
        "volume.change",
        "make it louder, or (below zero) softer",
        _change,
        {"by": Parameter(Number(-MAX_LOUDNESS, MAX_LOUDNESS), "percent", is_required=True)},
    ),
    VOLUME_MUTE,
    VOLUME_UNMUTE,
)
