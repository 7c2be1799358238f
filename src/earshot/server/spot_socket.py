"""Spoken commands over a WebSocket: sound up, events down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, WebSocket

from earshot.commands import CommandStore, Embedder, Spotted, Spotter
from earshot.commands.loading import load_net_spotters, load_spotters, net_folder, shipped_nets
from earshot.core.errors import CommandError, EarshotError
from earshot.core.types import SAMPLE_RATE, Samples
from earshot.server.errors import RequestError
from earshot.server.pcm_input import PcmInput
from earshot.server.sockets import INTERNAL, INVALID_DATA, POLICY, TRY_LATER, Conversation, conversation

MAX_SPOTTERS = 16
"""Streams at a time; each takes at most a tenth of a core."""


def spot_router() -> APIRouter:
    """``/v1/spot``: commands of this computer's store, or of a net that ships."""
    router = APIRouter()
    places = asyncio.Semaphore(MAX_SPOTTERS)

    @router.websocket("/v1/spot")
    async def spot(websocket: WebSocket) -> None:
        async with conversation(websocket) as talk:
            if places.locked():
                await talk.close(TRY_LATER, f"{MAX_SPOTTERS} streams are open already")
                return
            async with places:
                await _Talk(talk).run()

    return router


@dataclass(frozen=True, slots=True)
class SpotConfig:
    """What a client may set before its first sound. See ``load_spotters``.

    sample_rate: Hz of what it sends. model: a net that ships, heard instead of what is taught.
    """

    sample_rate: int = SAMPLE_RATE
    model: str | None = None
    names: tuple[str, ...] = ()
    false_alarms_per_hour: float = 0.5
    is_running: bool = False


def parse_config(wish: Any) -> SpotConfig:
    """The ``config`` of a message. Raises RequestError for what means nothing."""
    if not isinstance(wish, dict):
        raise RequestError("config is an object")
    unknown = wish.keys() - {"sample_rate", "model", "only", "false_alarms_per_hour", "running"}
    if unknown:
        raise RequestError(f"config knows no {sorted(unknown)[0]!r}")
    rate, alarms = wish.get("sample_rate", SAMPLE_RATE), wish.get("false_alarms_per_hour", 0.5)
    names, is_running = wish.get("only", []), wish.get("running", False)
    model = wish.get("model")
    if isinstance(rate, bool) or not isinstance(rate, int) or not 1_000 <= rate <= 192_000:
        raise RequestError("sample_rate is a whole number from 1000 to 192000")
    if isinstance(alarms, bool) or not isinstance(alarms, int | float) or not 0 < alarms <= 1_000:
        raise RequestError("false_alarms_per_hour is a number over 0, at most 1000")
    if not isinstance(names, list) or len(names) > 100 or not all(isinstance(name, str) for name in names):
        raise RequestError("only is a list of at most 100 commands")
    if not isinstance(is_running, bool):
        raise RequestError("running is true or false")
    # A name alone: no client may have this computer read a folder of its choice.
    if model is not None and model not in shipped_nets():
        raise RequestError(f"model is one of {', '.join(shipped_nets())}")
    if model is not None and is_running:
        raise RequestError("running is of taught commands; a model hears its words anywhere")
    return SpotConfig(rate, model, tuple(names), float(alarms), is_running)


class _Talk:
    """One client, from its first message to its last."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._config = SpotConfig()
        self._spotter: Spotter | None = None
        self._input = PcmInput()

    async def run(self) -> None:
        try:
            await self._run()
        except (RequestError, CommandError) as error:
            await self._talk.close(POLICY, str(error))
        except EarshotError as error:
            await self._talk.close(INTERNAL, str(error))

    async def _run(self) -> None:
        async for message in self._talk.messages():
            if isinstance(message, bytes):
                spotter = await self._open()
                await self._work(spotter.accept, self._input.accept(message))
                continue
            try:
                request = json.loads(message)
            except (ValueError, RecursionError):
                await self._talk.close(INVALID_DATA, "a text message is JSON")
                return
            if not isinstance(request, dict) or request.keys() not in ({"config"}, {"end"}):
                raise RequestError("a text message is a config or an end")
            if "end" in request:
                await self._finish()
                return
            if self._spotter is not None:
                raise RequestError("config comes before the first sound")
            self._config = parse_config(request["config"])

    async def _finish(self) -> None:
        spotter = await self._open()
        await self._work(spotter.accept, self._input.finish())
        await self._tell(await asyncio.to_thread(spotter.finish))
        await self._talk.send({"type": "end"})

    async def _open(self) -> Spotter:
        if self._spotter is None:
            config = self._config
            self._input = PcmInput(config.sample_rate)
            self._spotter = await asyncio.to_thread(_new_spotter, config)
        return self._spotter

    async def _work(self, accept: Callable[[Samples], list[Spotted]], samples: Samples) -> None:
        """A second at a time, so that a large message holds nobody up."""
        for start in range(0, len(samples), SAMPLE_RATE):
            await self._tell(await asyncio.to_thread(accept, samples[start : start + SAMPLE_RATE]))

    async def _tell(self, events: list[Spotted]) -> None:
        for event in events:
            await self._talk.send(
                {
                    "type": "spotted",
                    "time": round(event.time, 3),
                    "label": event.label,
                    "confidence": round(event.confidence, 3),
                }
            )


def _new_spotter(config: SpotConfig) -> Spotter:
    if config.model is not None:
        return load_net_spotters(
            net_folder(config.model),
            names=config.names,
            false_alarms_per_hour=config.false_alarms_per_hour,
        )()
    return load_spotters(
        CommandStore(),
        Embedder(num_threads=1),
        names=config.names,
        false_alarms_per_hour=config.false_alarms_per_hour,
        is_running=config.is_running,
    )()
