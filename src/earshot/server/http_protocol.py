"""Uvicorn's HTTP with patience for a request's head, which it lacks: a client that never ends it is let go."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIMEOUT = 20.0
"""Seconds from a connection, or from the first byte of a further request, to the end of the request's head."""


class PatientProtocol(H11Protocol):
    """Closes connections whose request does not come."""

    head_timeout = HEAD_TIMEOUT
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Some bytes came; uvicorn makes a new cycle when a head is complete."""
        before = self.cycle
        if self._head_timer is None and (before is None or before.response_complete):
            self._expect_head()
        super().data_received(data)
        if self.cycle is not before:
            self._forget_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._forget_head()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: object) -> None:
        """The connection is another protocol's from here on."""
        self._forget_head()
        super().handle_websocket_upgrade(event)  # type: ignore[arg-type]

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout, self._give_up)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        self.transport.close()
