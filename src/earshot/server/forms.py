"""Multipart forms whose file goes to disk as it comes; nothing large is ever held in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from earshot.server.errors import RequestError, TooLongError
from earshot.server.upload_folder import UploadFolder

_MAX_FIELDS = 64
_MAX_FIELD_BYTES = 16 * 1024**2
"""Of all fields together: four samples of known speakers, 10 s each at 48 kHz in stereo, are 10 MB."""

_PIECE = 1024**2
"""Bytes written at once."""


@dataclass(slots=True)
class Form:
    """fields: every value of every name, in order. path: the file, None where none came. num_bytes: its size.

    filename: what the client calls it; only ever shown, never opened.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    path: Path | None = None
    filename: str = ""
    num_bytes: int = 0

    def last(self, name: str) -> str | None:
        """The value of a field that has one."""
        return self.fields[name][-1] if name in self.fields else None

    def values(self, name: str) -> list[str]:
        """The values of a list as they came, under its name with and without brackets."""
        return [*self.fields.get(name, ()), *self.fields.get(f"{name}[]", ())]

    def all(self, name: str) -> list[str]:
        """The same, each also split at commas."""
        return [part.strip() for value in self.values(name) for part in value.split(",") if part.strip()]


@asynccontextmanager
async def received_form(request: Request, folder: UploadFolder, *, max_bytes: int) -> AsyncIterator[Form]:
    """Read a multipart request whose file is the field ``file``. The file is gone when the block is left.

    max_bytes: of the file. Raises RequestError for what is no such form.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    boundary = parameters.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise RequestError("the request is no multipart/form-data", status=415, code="unsupported_media_type")
    with folder.file() as path:
        receiver = _Receiver(path, max_bytes)
        try:
            await receiver.receive(request, boundary)
        finally:
            receiver.close()
        yield receiver.form


class _Receiver:
    """Takes the events of the parser. The file's bytes are gathered and written a megabyte at a time."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.form = Form()
        self._path = path
        self._max_bytes = max_bytes
        self._file: BinaryIO | None = None
        self._gathered = bytearray()
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._value = bytearray()
        self._name: str | None = None
        self._is_file = False
        self._num_fields = 0
        self._num_field_bytes = 0
        self._is_complete = False

    async def receive(self, request: Request, boundary: bytes) -> None:
        try:
            parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type]
            async for chunk in request.stream():
                parser.write(chunk)
                if len(self._gathered) >= _PIECE:
                    await self._write()
        except FormParserError as error:
            raise RequestError("the form is malformed", code="malformed_form") from error
        if not self._is_complete:
            raise RequestError("the form ends too early", code="malformed_form")
        await self._write()

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # of a full disk, which was told already
                self._file.close()

    async def _write(self) -> None:
        if self._file is not None and self._gathered:
            data, self._gathered = self._gathered, bytearray()
            await asyncio.to_thread(self._file.write, data)
            await asyncio.to_thread(self._file.flush)

    def _callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._take,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._num_fields += 1
        if self._num_fields > _MAX_FIELDS:
            raise RequestError(f"the form has more than {_MAX_FIELDS} fields", code="malformed_form")
        self._headers = {}
        self._value = bytearray()
        self._name, self._is_file = None, False

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _open(self) -> None:
        _, parameters = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"name" not in parameters:
            raise RequestError("a part of the form has no name", code="malformed_form")
        self._name = parameters[b"name"].decode("utf-8", "replace")
        if b"filename" not in parameters:
            return
        if self._name != "file" or self._file is not None:
            raise RequestError("one file is expected, in the field 'file'", param=self._name[:40])
        self._is_file = True
        self.form.filename = parameters[b"filename"].decode("utf-8", "replace")[:255]
        self._file = self._path.open("wb")
        self.form.path = self._path

    def _take(self, data: bytes, start: int, end: int) -> None:
        size = end - start
        if self._is_file:
            self.form.num_bytes += size
            if self.form.num_bytes > self._max_bytes:
                raise TooLongError(f"the file is larger than {self._max_bytes} bytes", code="body_too_large")
            self._gathered += data[start:end]
            return
        self._num_field_bytes += size
        if self._num_field_bytes > _MAX_FIELD_BYTES:
            raise TooLongError("the fields of the form are too large", code="body_too_large")
        self._value += data[start:end]

    def _end(self) -> None:
        if self._is_file or self._name is None:
            return
        try:
            value = self._value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RequestError("a field is no UTF-8 text", param=self._name[:40]) from error
        self.form.fields.setdefault(self._name, []).append(value)

    def _finish(self) -> None:
        self._is_complete = True
