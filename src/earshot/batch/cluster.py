"""Ray: the machines, and the actors on them. The only module that imports it.

Ray's usage statistics are switched off before it is loaded, so that nothing is told to anybody. It does open
ports on all addresses of a machine; newer releases (2.60) guard them with a token by themselves.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.core.errors import EarshotError
from earshot.core.optional import require

_ATTEMPTS = 3
_SLOW_START = "Starting Ray client server failed"
"""A busy machine takes longer to start a client's server than the 30 s that Ray waits, but not much longer."""

_AUTH_MODE = "RAY_AUTH_MODE"

_PATIENCE = 10.0
"""Seconds that a cluster may take to answer at all."""

DEFAULT_STORE_BYTES = 512 * 2**20
"""Of memory for sound on its way, on a cluster of our own: some thirty units."""


NO_CLUSTER = "none"
"""The address that means: one worker, in this process."""


class ClusterError(EarshotError, ConnectionError):
    """A cluster cannot be reached or used."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """address: ``local`` for a cluster of this machine's own, ``none`` for one worker in this process without
    Ray, ``auto`` for the cluster that runs here, or
    ``ray://HOST:PORT`` or ``HOST:PORT``. num_workers: None for one on each core (or accelerator).

    cores_per_worker, gpus_per_worker: what each asks of its machine. store_bytes: of a local cluster's memory
    for sound on its way. has_dashboard: start Ray's on a local cluster.
    """

    address: str = "local"
    num_workers: int | None = None
    cores_per_worker: float = 1.0
    gpus_per_worker: float = 0.0
    store_bytes: int = DEFAULT_STORE_BYTES
    has_dashboard: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster. name: for people."""

    id: str
    name: str
    cores: float
    gpus: float


class Cluster:
    """A connection to Ray. A context manager: leaving it ends what it started.

    Raises ClusterError when the cluster cannot be reached or runs other versions, MissingExtraError without
    Ray.
    """

    def __init__(self, options: ClusterOptions) -> None:
        self.options = options
        if options.address not in ("local", "auto"):
            check_reachable(options.address)
        self._sets_mode = _AUTH_MODE not in os.environ and options.address.startswith("ray://") and _has_token()
        if self._sets_mode:
            os.environ[_AUTH_MODE] = "token"  # Ray's client does not send it by itself (2.60)
        self.ray = load_ray()
        self.dashboard: str | None = None
        self._was_connected = bool(self.ray.is_initialized())

    def __enter__(self) -> Cluster:
        if not self._was_connected:
            try:
                context = self._connect()
            except BaseException:
                self._forget_mode()
                raise
            url = getattr(context, "dashboard_url", None)
            self.dashboard = f"http://{url}" if url else None
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._was_connected:
            with contextlib.suppress(Exception):
                self.ray.shutdown()
        self._forget_mode()

    def nodes(self) -> list[Node]:
        """The machines that are alive."""
        return [
            Node(
                node["NodeID"],
                f"{node.get('NodeManagerHostname')} ({node.get('NodeManagerAddress')})",
                float(node["Resources"].get("CPU", 0)),
                float(node["Resources"].get("GPU", 0)),
            )
            for node in self.ray.nodes()
            if node["Alive"]
        ]

    def num_workers(self) -> int:
        """How many workers the machines that are there now have room for."""
        if self.options.num_workers is not None:
            return self.options.num_workers
        nodes = self.nodes()
        if self.options.gpus_per_worker:
            return sum(int(node.gpus / self.options.gpus_per_worker + 1e-9) for node in nodes)
        return sum(int(node.cores / self.options.cores_per_worker + 1e-9) for node in nodes)

    def start(self, cls: type, *arguments: object, is_worker: bool) -> Any:
        """A new actor; it asks for a worker's share of a machine, or for nothing.

        Ray itself sets OMP_NUM_THREADS to the cores asked for. A runtime environment of our own would say so to
        other libraries too, but makes every actor wait for a new process.
        """
        options: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0, "max_task_retries": 0}
        if is_worker:
            options["num_cpus"] = self.options.cores_per_worker
            if self.options.gpus_per_worker:
                options["num_gpus"] = self.options.gpus_per_worker
        return self.ray.remote(cls).options(**options).remote(*arguments)

    def _connect(self) -> Any:
        options = self.options
        quiet = {"log_to_driver": False, "configure_logging": False}
        with _quiet(), _told(options.address):
            if options.address == "local":
                return self.ray.init(
                    address="local",
                    num_cpus=options.num_workers
                    and max(1, round(options.num_workers * options.cores_per_worker)),
                    object_store_memory=options.store_bytes,
                    include_dashboard=options.has_dashboard,
                    _node_ip_address="127.0.0.1",
                    **quiet,
                )
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return self.ray.init(address=options.address, **quiet)
                except ConnectionAbortedError as error:
                    if _SLOW_START not in str(error) or attempt == _ATTEMPTS:
                        raise
                    self.ray.shutdown()
            raise AssertionError("unreachable")

    def _forget_mode(self) -> None:
        """A later cluster of this machine's own asks the environment again."""
        if self._sets_mode:
            os.environ.pop(_AUTH_MODE, None)
            self._sets_mode = False


def load_ray() -> Any:
    """The module, told to report nothing to anybody. Raises MissingExtraError."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    return require("ray", extra="batch", purpose="earshot batch")


def _has_token() -> bool:
    """Whether Ray would find a token of its own here; it is Ray that reads it."""
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or (Path.home() / ".ray" / "auth_token").is_file()


def check_reachable(address: str) -> None:
    """Raises ClusterError at once where nobody listens: Ray itself would go on trying for a minute."""
    found = re.fullmatch(r"(?:ray://)?\[?([^\]/]+?)\]?:(\d{1,5})/?", address)
    if found is None:
        raise ClusterError(
            f"{address!r} is no address of a cluster", fix="give local, auto, HOST:PORT or ray://HOST:PORT"
        )
    try:
        socket.create_connection((found[1], int(found[2])), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ClusterError(
            f"no cluster answers at {address}: {reason}",
            fix="start one there with 'ray start --head', or open the port",
        ) from error


def cluster_error(address: str, error: BaseException) -> ClusterError:
    """The one line for what Ray said while connecting."""
    text = " ".join(str(error).split())
    versions = re.findall(r"(?:Ray|Python):? v?(\d+\.\d+[\w.]*)", text)
    if "ersion mismatch" in text and len(versions) >= 4:
        return ClusterError(
            f"the cluster runs Ray {versions[0]} with Python {versions[1]},"
            f" and this machine Ray {versions[2]} with Python {versions[3]}",
            fix="install the same versions on both",
        )
    if "ersion mismatch" in text:
        return ClusterError(
            f"the cluster at {address} runs another version: {text[:300]}", fix="install the same"
        )
    if "grpc" in text.lower() and isinstance(error, ImportError):
        return ClusterError("ray:// needs grpcio, which is not installed", fix="pip install 'ray[client]'")
    if address == "auto":
        return ClusterError("no cluster runs on this machine", fix="start one with 'ray start --head'")
    return ClusterError(
        f"the cluster at {address} cannot be used: {type(error).__name__}: {text[:300]}",
        fix="see its logs in /tmp/ray/session_latest/logs",
    )


@contextlib.contextmanager
def _told(address: str) -> Iterator[None]:
    try:
        yield
    except EarshotError:
        raise
    except (Exception, SystemExit) as error:
        raise cluster_error(address, error) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ray greets on standard output and error, below Python's; both are somebody else's here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    saved: list[tuple[int, int]] = []
    try:
        with contextlib.suppress(OSError, ValueError):
            for stream in (sys.__stdout__, sys.__stderr__):
                if stream is not None:
                    stream.flush()
            for descriptor in (1, 2):
                saved.append((descriptor, os.dup(descriptor)))
                sink = os.open(os.devnull, os.O_WRONLY)
                os.dup2(sink, descriptor)
                os.close(sink)
        yield
    finally:
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)
