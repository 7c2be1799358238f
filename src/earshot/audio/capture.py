"""Live sound: what a source is, and the microphone as one."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from earshot.audio.devices import SoundDevice, find_device, load_sounddevice
from earshot.audio.resample import Resampler
from earshot.audio.ring import SampleRing
from earshot.core.errors import DeviceError
from earshot.core.types import SAMPLE_RATE, Samples

NoticeKind: TypeAlias = Literal[
    "awake",
    "behind",
    "disconnected",
    "disk",
    "input",
    "muted",
    "overrun",
    "reconnected",
    "sink",
    "speakers",
    "text",
]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user should know and that does not end the work. text: one line."""

    kind: NoticeKind
    text: str


class Source(Protocol):
    """Sound that is made while we listen. A context manager; iterating it gives 16 kHz mono float32 blocks.

    name: for people. is_live: it goes on whether we listen or not, so nobody may make it wait.
    is_microphone: silence to the last bit means a switch, not a pause. notices: what happened on the way;
    whoever reads takes them out.
    """

    name: str
    is_live: bool
    is_microphone: bool
    notices: deque[Notice]

    @property
    def num_overruns(self) -> int:
        """How often sound was lost."""
        ...

    def __enter__(self) -> Source: ...

    def __exit__(self, *exception: object) -> None: ...

    def __iter__(self) -> Iterator[Samples]:
        """Blocks as they come, until ``stop`` or the end. Raises AudioError where the sound breaks off."""
        ...

    def stop(self) -> None:
        """End the iteration soon, after what was captured already. May be called from any thread."""
        ...


_POLL = 0.02
"""Seconds between looks into the ring; to be woken instead, the callback would have to take a lock."""

_RING_SECONDS = 10.0
"""Room for a machine that stands still so long; 2 MB at 48 kHz."""

_STALL = 3.0
"""Seconds without a callback after which the device counts as gone, even if PortAudio did not notice."""

_LATENCY = 0.1
"""Seconds that the sound system may hold back. PortAudio's least loses samples whenever the machine is busy."""


class Microphone:
    """An input device of this machine.

    device: a number or a part of its name, None for the system's default. channel: counts from 1, None mixes
    all. reconnect: wait for the device to come back when it is unplugged, instead of ending with DeviceError.
    The device runs at its own rate; ``SAMPLE_RATE`` comes out. Entering raises DeviceError when there is no
    such device, or it is in use or refused.
    """

    is_live = True
    is_microphone = True

    def __init__(
        self, device: str | int | None = None, *, channel: int | None = None, reconnect: bool = False
    ) -> None:
        self._wanted = device
        self._channel = channel
        self._reconnect = reconnect
        self._is_stopping = threading.Event()
        self._stream: _DeviceStream | None = None
        self._num_overruns_before = 0
        self.name = str(device) if device is not None else "the default microphone"
        self.notices: deque[Notice] = deque(maxlen=100)

    @property
    def num_overruns(self) -> int:
        """How often the sound system or we were too slow and samples were lost."""
        return self._num_overruns_before + (self._stream.num_overruns if self._stream else 0)

    def __enter__(self) -> Microphone:
        self._open(find_device(self._wanted))
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._close()

    def stop(self) -> None:
        """See ``Source``."""
        self._is_stopping.set()

    def __iter__(self) -> Iterator[Samples]:
        while self._stream is not None:
            yield from self._blocks(self._stream)
            is_gone = self._stream.is_gone
            self._close()
            if self._is_stopping.is_set() or not is_gone:
                return
            if not self._reconnect:
                raise DeviceError(
                    f"{self.name} was disconnected", fix="what was said is kept; connect it and start again"
                )
            self.notices.append(Notice("disconnected", f"{self.name} is disconnected; waiting for it"))
            # A second of silence closes the open utterance: what comes after the gap does not belong to it.
            yield np.zeros(SAMPLE_RATE, np.float32)
            self._wait_for_return()

    def _blocks(self, stream: _DeviceStream) -> Iterator[Samples]:
        """16 kHz blocks until the stream is stopped or gone, and what is left in the ring."""
        resampler = Resampler(stream.sample_rate, SAMPLE_RATE)
        num_lost = 0
        while True:
            is_ending = self._is_stopping.is_set() or stream.is_gone
            if is_ending:
                stream.halt()  # what it still delivers is in the ring when this returns
            block = stream.ring.read()
            if missing := stream.ring.num_lost - num_lost:
                num_lost += missing  # silence in their place, so that later times are right
                block = np.concatenate([block, np.zeros(missing, np.float32)])
            if len(block) and len(ready := resampler.accept(block)):
                yield ready
            if is_ending:
                break
            if not len(block):
                time.sleep(_POLL)
        if len(rest := resampler.finish()):
            yield rest

    def _open(self, device: SoundDevice) -> None:
        self._stream = _DeviceStream(device, self._channel)
        self.name = device.name

    def _close(self) -> None:
        if self._stream is not None:
            self._num_overruns_before += self._stream.num_overruns
            self._stream.close()
            self._stream = None

    def _wait_for_return(self) -> None:
        """Take up the device of the same name when it is there again; returns early when stopped."""
        while not self._is_stopping.wait(1.0):
            restart_portaudio()
            with contextlib.suppress(DeviceError):
                self._open(find_device(self.name))
                self.notices.append(Notice("reconnected", f"{self.name} is back"))
                return


def restart_portaudio() -> None:
    """Have PortAudio look for devices again: its list is that of its start. No stream may be open."""
    sounddevice = load_sounddevice()
    with contextlib.suppress(sounddevice.PortAudioError, AttributeError):
        sounddevice._terminate()
        sounddevice._initialize()


class _DeviceStream:
    """A running PortAudio stream that fills a ring."""

    def __init__(self, device: SoundDevice, channel: int | None) -> None:
        self._sounddevice = load_sounddevice()
        self._channel = channel
        self._num_flags = 0
        self._is_finished = False
        self._last_call = time.monotonic()
        self._is_halted = False
        self._stream, self.sample_rate = self._opened(device)
        self.ring = SampleRing(int(_RING_SECONDS * self.sample_rate))
        try:
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            self._stream.close()
            raise _refusal(device, error) from error

    def _opened(self, device: SoundDevice) -> tuple[Any, int]:
        """The stream at the device's own rate and, where that is refused, at a common one."""
        if self._channel is not None and not 1 <= self._channel <= device.num_inputs:
            raise DeviceError(
                f"{device.name} has no channel {self._channel}, it has {device.num_inputs}",
                fix="leave the channel out to mix all",
            )
        refused: Exception | None = None
        # Some drivers offer only all channels at once; virtual devices claim 32 or more, of which two will do.
        counts = [self._channel] if self._channel else dict.fromkeys((1, 2, device.num_inputs))
        for rate in dict.fromkeys((device.sample_rate, SAMPLE_RATE, 48_000, 44_100, 8_000)):
            for num_channels in counts:
                if num_channels > device.num_inputs or rate <= 0:
                    continue
                try:
                    return self._open(device, rate, num_channels), rate
                except self._sounddevice.PortAudioError as error:
                    refused = refused or error
                    if not _is_about_format(error):
                        raise _refusal(device, error) from error
        raise _refusal(device, refused) from refused

    def _open(self, device: SoundDevice, rate: int, num_channels: int) -> Any:
        return self._sounddevice.InputStream(
            device=device.index,
            samplerate=rate,
            channels=num_channels,
            dtype="float32",
            blocksize=rate // 50,
            latency=_LATENCY,
            callback=self._accept,
            finished_callback=self._finish,
        )

    def _accept(self, frames: npt.NDArray[np.float32], _count: int, _time: object, status: Any) -> None:
        """PortAudio's callback: copies, and never waits."""
        self._last_call = time.monotonic()
        if status.input_overflow:
            self._num_flags += 1
        self.ring.write(
            frames[:, self._channel - 1]
            if self._channel
            else frames[:, 0]
            if frames.shape[1] == 1
            else frames.mean(axis=1)
        )

    def _finish(self) -> None:
        self._is_finished = True

    @property
    def num_overruns(self) -> int:
        return self._num_flags + bool(self.ring.num_lost)

    @property
    def is_gone(self) -> bool:
        """The device ended the stream by itself, or has been dumb for long."""
        if self._is_halted:
            return False
        return self._is_finished or time.monotonic() - self._last_call > _STALL

    def halt(self) -> None:
        """Stop; after a device is gone this fails, which says nothing new."""
        was_gone = self.is_gone
        with contextlib.suppress(self._sounddevice.PortAudioError):
            self._stream.abort() if was_gone else self._stream.stop()
        self._is_halted = not was_gone

    def close(self) -> None:
        with contextlib.suppress(self._sounddevice.PortAudioError):
            self._stream.close()


_INVALID_CHANNELS, _INVALID_RATE, _UNAVAILABLE, _FORMAT = -9998, -9997, -9985, -9994  # portaudio.h


def _code(error: Exception | None) -> int | None:
    return error.args[1] if error is not None and len(error.args) > 1 else None


def _is_about_format(error: Exception) -> bool:
    return _code(error) in (_INVALID_CHANNELS, _INVALID_RATE, _FORMAT)


def _refusal(device: SoundDevice, error: Exception | None) -> DeviceError:
    """What PortAudio's error means to a person."""
    reason = str(error.args[0]) if error is not None and error.args else "it does not open"
    detail = str(error)
    if _code(error) == _UNAVAILABLE or "busy" in detail.lower():
        return DeviceError(f"{device.name} is in use by another program", fix="close that program")
    if "permission" in detail.lower() or "denied" in detail.lower():
        return DeviceError(
            f"{device.name} may not be used", fix="allow this program the microphone in the system's settings"
        )
    if error is not None and _is_about_format(error):
        return DeviceError(
            f"{device.name} offers no sample rate that we know: {reason}", fix="choose another: earshot devices"
        )
    return DeviceError(
        f"{device.name} cannot be opened: {detail}",
        fix="choose another ('earshot devices') or restart the sound service",
    )
