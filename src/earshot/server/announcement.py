"""Telling the local network, by multicast DNS, that Wyoming is spoken here. Only when asked."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from earshot.core.errors import ServerError
from earshot.server.settings import ServerOptions

SERVICE = "_wyoming._tcp.local."

_FAR_AWAY = ("192.0.2.1", 9)
"""An address for documentation; a datagram socket 'connected' to it tells our own, and nothing is sent."""


@asynccontextmanager
async def announce(options: ServerOptions, port: int) -> AsyncIterator[None]:
    """Announced while the block runs. Raises ServerError where the network does not allow it."""
    host = urlsplit(options.wyoming or "").hostname or "127.0.0.1"
    name = f"earshot-{socket.gethostname()}".split(".")[0]
    service = AsyncServiceInfo(
        SERVICE, f"{name}.{SERVICE}", addresses=[socket.inet_aton(_own_address(host))], port=port
    )
    try:
        zeroconf = AsyncZeroconf(ip_version=IPVersion.V4Only)
        await zeroconf.async_register_service(service, allow_name_change=True)
    except OSError as error:
        raise ServerError(f"the network takes no announcement: {error}", fix="leave --zeroconf out") from error
    try:
        yield
    finally:
        await zeroconf.async_unregister_service(service)
        await zeroconf.async_close()


def _own_address(host: str) -> str:
    if host not in ("0.0.0.0", "::", ""):  # noqa: S104 - only looked at
        try:
            return socket.gethostbyname(host)
        except OSError:
            return "127.0.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_FAR_AWAY)
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
