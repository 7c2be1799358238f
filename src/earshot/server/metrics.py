"""Figures for Prometheus, and a line a request in the log: nothing of what was said, no names of clients."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earshot.server.pool import RecognizerPool

_log = logging.getLogger("earshot.server")

_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """All figures of one server."""

    def __init__(self, pool: RecognizerPool) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        registry.register(_PoolCollector(pool))
        labels = ("method", "route", "status")
        self._requests = Counter("earshot_requests", "Answered requests", labels, registry=registry)
        self._seconds = Histogram(
            "earshot_request_seconds",
            "From a request to the end of its answer",
            ("route",),
            buckets=_BUCKETS,
            registry=registry,
        )

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """An answered request. route: as in ``/v1/models/{model}``, never what a client wrote."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)


class _PoolCollector(Collector):
    """What the pool knows, read when it is asked for."""

    def __init__(self, pool: RecognizerPool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """See ``Collector``."""
        pool = self._pool
        yield GaugeMetricFamily("earshot_live_streams", "Streams that listen", pool.num_streams)
        yield GaugeMetricFamily("earshot_uploads", "Recordings in work", pool.num_uploads)
        yield GaugeMetricFamily(
            "earshot_waiting_blocks", "Blocks of live sound that wait for a worker", pool.scheduler.num_waiting
        )
        yield CounterMetricFamily("earshot_live_audio_seconds", "Live sound heard", pool.live_seconds)
        yield CounterMetricFamily("earshot_upload_audio_seconds", "Recorded sound heard", pool.upload_seconds)
        yield CounterMetricFamily("earshot_finals", "Utterances finished live", pool.num_finals)


class Meter:
    """Counts, times and logs every request; the outermost of all.

    open_sockets: holds an entry for every WebSocket whose handler has not ended.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, open_sockets: set[object]) -> None:
        self._app = app
        self._metrics = metrics
        self._open_sockets = open_sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        is_web = scope["type"] == "http"
        status = 500

        async def metered(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        mark = object()
        if not is_web:
            self._open_sockets.add(mark)
        try:
            await self._app(scope, receive, metered)
        finally:
            self._open_sockets.discard(mark)
            route = getattr(scope.get("route"), "path", "none")
            seconds = time.monotonic() - started
            method = scope["method"] if is_web else "GET"
            self._metrics.count(method, route, status, seconds)
            _log.info("%s %s %d %.3f s", method if is_web else "WebSocket", route, status, seconds)
