"""Download one file: resumable, checked, and safe to interrupt. Nothing else in Earshot touches the network.

What has arrived lies in ``NAME.partial`` beside the target, and ``NAME.notes`` remembers which version of which
address it is a part of, so the next call goes on where this one was cut, killed or ran out of disk.
``EARSHOT_OFFLINE=1`` forbids all of it.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import ipaddress
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any
from urllib.parse import SplitResult, urlsplit

from earshot.core.errors import DownloadError, ModelError
from earshot.core.progress import ProgressCallback
from earshot.models.card import FileRecord
from earshot.models.partial import ABOUT_MODELS, Advice, Expected, Partial

_BLOCK = 256 * 1024
_SPARE = 16 * 2**20
"""Bytes of disk left free beside the download."""
_PROGRESS_RESETS_RETRIES = 2**20
"""Bytes that must arrive for a cut to count as the first again: a line that drops often still gets there."""
_RETRIED_STATUSES = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """attempts: without progress, before giving up. first_delay (doubled each time), timeout: seconds."""

    attempts: int = 4
    first_delay: float = 0.5
    timeout: float = 30.0


class _CutError(Exception):
    """The download stopped for a reason that may pass."""


class _StaleError(Exception):
    """What is in the partial file cannot be continued: begin again."""


def check_url(url: str, what: str = ABOUT_MODELS.what) -> SplitResult:
    """The parts of an address that may be fetched: https, or http on this machine. Raises DownloadError."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise DownloadError(f"{url[:200]!r} is no address: {error}") from None
    if parts.scheme not in ("https", "http") or not host or parts.username is not None:
        raise DownloadError(f"{url[:200]!r} is no https address")
    if parts.scheme == "http" and not _is_loopback(host):
        raise DownloadError(
            f"{url[:200]} is not encrypted, so anybody on the way could change the {what}", fix="use https"
        )
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def download(
    url: str,
    target: Path,
    *,
    expected: Expected | None = None,
    progress: ProgressCallback | None = None,
    retry: RetryPolicy | None = None,
    advice: Advice = ABOUT_MODELS,
) -> FileRecord:
    """Fetch ``url`` to ``target`` (its folder exists); a target that is there already is only checked.

    Returns its size and SHA-256. progress: bytes of this file. advice: for messages. Raises DownloadError:
    forbidden, unreachable, not found, another size or checksum than expected (then nothing is kept), or a full
    disk (then it resumes).
    """
    expected, retry = expected or Expected(), retry or RetryPolicy()
    if os.environ.get("EARSHOT_OFFLINE", "0") not in ("", "0"):
        raise DownloadError(
            f"{url} is not downloaded: EARSHOT_OFFLINE forbids the network",
            fix=f"unset it, or {advice.by_hand}",
        )
    check_url(url, advice.what)
    try:
        with Partial(url, target, advice) as partial:
            while not _fetch_and_check(partial, expected, progress, retry):
                pass  # what was continued turned out to be of another version: once more from the start
            return partial.finish()
    except OSError as error:
        if isinstance(error, ModelError):
            raise
        raise _disk_error(target, error, advice) from error


def _fetch_and_check(
    partial: Partial, expected: Expected, progress: ProgressCallback | None, retry: RetryPolicy
) -> bool:
    was_resumed = partial.size > 0
    _fetch_all(partial, expected, progress, retry)
    if problem := partial.differs_from(expected):
        partial.discard()
        if was_resumed:
            return False
        raise DownloadError(
            f"{partial.url} is not what it should be: {problem}",
            fix="try again later; if it stays so, its maker replaced it or somebody tampered with it",
        )
    return True


def _fetch_all(
    partial: Partial, expected: Expected, progress: ProgressCallback | None, retry: RetryPolicy
) -> None:
    failures, since = 0, partial.size
    while True:
        try:
            _fetch(partial, expected, progress, retry.timeout)
        except _StaleError:
            partial.discard()
        except _CutError as cut:
            failures = 0 if partial.size - since >= _PROGRESS_RESETS_RETRIES else failures
            failures, since = failures + 1, partial.size
            if failures >= retry.attempts:
                raise DownloadError(
                    f"{partial.url} cannot be downloaded: {cut}",
                    fix=f"try again: {partial.size / 1e6:.1f} MB are kept"
                    if partial.size
                    else partial.advice.by_hand,
                ) from None
            time.sleep(retry.first_delay * 2 ** (failures - 1))
        else:
            return


def _fetch(partial: Partial, expected: Expected, progress: ProgressCallback | None, timeout: float) -> None:
    """One request, whose body is appended to the partial file."""
    if partial.is_complete(expected):
        return
    if partial.size and not (partial.validator or expected.sha256 or expected.md5):
        partial.discard()  # nothing could tell if the rest is of the same version
    with _response(partial, timeout) as response:
        total = _begin(response, partial, expected)
        if progress:
            progress(partial.size, total)
        while True:
            try:
                block = response.read1(_BLOCK)  # what is there: read() would keep a slow line's bytes in memory
            except (OSError, http.client.HTTPException) as error:
                raise _CutError(f"the connection was cut ({error or type(error).__name__})") from error
            if not block:
                break
            partial.write(block)
            if partial.size > (expected.max_size if total is None else total):
                partial.discard()
                raise DownloadError(f"{partial.url} sends more than it announced", fix=partial.advice.by_hand)
            if progress:
                progress(partial.size, total)
    if total is not None and partial.size < total:
        raise _CutError(f"the connection was cut after {partial.size} of {total} bytes")


@contextlib.contextmanager
def _response(partial: Partial, timeout: float) -> Iterator[Any]:
    request = urllib.request.Request(partial.url, headers=_headers(partial))  # noqa: S310  check_url was called
    try:
        response = _opener(partial.url).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            _raise_for_status(error.code, partial)
    except (http.client.InvalidURL, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise DownloadError(f"{partial.url} is, or leads to, a broken address: {error}") from error
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DownloadError(
                f"the certificate of {urlsplit(partial.url).hostname} is not valid: {reason.verify_message}",
                fix="check the clock of this computer, and whether something reads its encrypted traffic",
            ) from error
        raise _CutError(str(getattr(reason, "strerror", None) or reason or type(error).__name__)) from error
    with response:
        yield response


def _headers(partial: Partial) -> dict[str, str]:
    headers = {"User-Agent": f"earshot/{_our_version()}", "Accept-Encoding": "identity"}
    if partial.size:
        headers["Range"] = f"bytes={partial.size}-"
        if partial.validator:
            headers["If-Range"] = partial.validator
    return headers


def _our_version() -> str:
    try:
        return version("earshot")
    except PackageNotFoundError:
        return "0"


def _raise_for_status(status: int, partial: Partial) -> None:
    if status in _RETRIED_STATUSES:
        raise _CutError(f"the server answers {status} ({http.client.responses.get(status, 'an error')})")
    if status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and partial.size:
        raise _StaleError
    if status in (404, 410):
        raise DownloadError(
            f"{partial.url} is not there ({status})",
            fix=f"its maker may have moved it: {partial.advice.moved}",
        )
    if status in (401, 403):
        raise DownloadError(f"the server refuses {partial.url} ({status})", fix=partial.advice.by_hand)
    raise DownloadError(f"the server answers {status} for {partial.url}", fix=partial.advice.by_hand)


def _begin(response: Any, partial: Partial, expected: Expected) -> int | None:
    """Check what the server announces against what we have and expect; returns the whole size where known."""
    headers: Message = response.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadError(
            f"{partial.url} comes re-packed ({headers['Content-Encoding']})", fix=partial.advice.by_hand
        )
    length = _whole_number(headers.get("Content-Length"))
    if response.status == http.client.PARTIAL_CONTENT:
        start, total = _content_range(headers.get("Content-Range", ""))
        if start != partial.size or (partial.total is not None and total != partial.total):
            raise _StaleError
    else:
        partial.discard()  # the server sends everything: no ranges there, or another version
        total = length
    if expected.size is not None and total is not None and total != expected.size:
        partial.discard()
        raise DownloadError(
            f"{partial.url} has {total} bytes instead of {expected.size}",
            fix=f"its maker replaced it: {partial.advice.by_hand}",
        )
    total = expected.size if total is None else total
    if total is not None and total > expected.max_size:
        raise DownloadError(f"{partial.url} has {total / 1e6:.0f} MB, more than a {partial.advice.what} should")
    _check_space(partial, total)
    partial.remember(headers, total)
    return total


def _check_space(partial: Partial, total: int | None) -> None:
    if total is None:
        return
    needed, free = total - partial.size + _SPARE, shutil.disk_usage(partial.target.parent).free
    if needed > free:
        raise DownloadError(
            f"{partial.target.name} needs {needed / 1e6:.0f} MB, "
            f"and {partial.target.parent} has {free / 1e6:.0f} MB free",
            fix=f"free some space, or {partial.advice.other_folder}",
        )


def _whole_number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _content_range(text: str) -> tuple[int | None, int | None]:
    """``bytes 100-999/1000`` → (100, 1000)."""
    unit, _, rest = text.partition(" ")
    span, _, total = rest.partition("/")
    return (_whole_number(span.split("-")[0]) if unit == "bytes" else None), _whole_number(total)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http, nor to anything else than the web."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            if check_url(newurl).scheme == "http" and req.full_url.startswith("https:"):
                raise DownloadError(f"{req.full_url} leads to an address without encryption, {newurl[:200]}")
        except DownloadError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(url: str) -> urllib.request.OpenerDirector:
    # No file:, ftp: or data: handlers. A proxy of the environment is used, but not for this very machine.
    proxies: dict[str, str] | None = {} if _is_loopback(urlsplit(url).hostname or "") else None
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(proxies),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _disk_error(target: Path, error: OSError, advice: Advice) -> DownloadError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DownloadError(
            f"the disk is full while downloading {target.name} to {target.parent}",
            fix="free some space and run the same command again: it goes on where it stopped",
        )
    return DownloadError(
        f"cannot write {target}: {error.strerror or error}",
        fix=advice.other_folder,
    )
