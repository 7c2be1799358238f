"""What the files of a sherpa-onnx model say about themselves, read without loading a network.

sherpa-onnx ends the whole process (``_Exit``) when a model lacks what it expects. So a file's frame, metadata
and sizes are looked at first; an ONNX file is a protocol buffer and can be walked field by field, seeking over
the weights.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from earshot.core.errors import ModelError

_MAX_TEXT = 64 << 20  # bytes; the longest tokens.txt known (250 000 tokens) has 4 MB
_MAX_SMALL_FIELD = 1 << 20
_TOKEN = re.compile(r"(.*?)[ \t]+([0-9]{1,9})")

# Field numbers of onnx.proto.
_GRAPH, _METADATA = 7, 14
_INPUT, _OUTPUT = 11, 12


@dataclass(frozen=True, slots=True)
class OnnxHeader:
    """metadata: what the exporter wrote. num_inputs: of the graph. vocabulary: last axis of the first output
    where it is fixed, else None.
    """

    metadata: dict[str, str]
    num_inputs: int
    vocabulary: int | None

    @property
    def model_type(self) -> str:
        """What sherpa-onnx tells models by; empty where the exporter wrote none."""
        return self.metadata.get("model_type", "")


def read_onnx_header(path: Path) -> OnnxHeader:
    """Walk an ONNX file to its end. Raises ModelError when it is none, or is cut off."""
    metadata: dict[str, str] = {}
    num_inputs, vocabulary, has_graph = 0, None, False
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            for field, end in _fields(file, size):
                if field == _METADATA:
                    key, value = _entry(_read(file, end))
                    metadata[key] = value
                elif field == _GRAPH:
                    has_graph = True
                    for inner, inner_end in _fields(file, end):
                        num_inputs += inner == _INPUT
                        if inner == _OUTPUT and vocabulary is None:
                            vocabulary = _last_axis(_read(file, inner_end))
                        file.seek(inner_end)
                file.seek(end)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, IndexError, struct.error) as error:
        raise damaged(path, f"it is no whole ONNX file ({error})") from error
    if not has_graph:
        raise damaged(path, "it is no ONNX file")
    return OnnxHeader(metadata, num_inputs, vocabulary)


def check_ort_file(path: Path) -> None:
    """An .ort file is a flat buffer with the mark ORTM. Raises ModelError."""
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ORTM":
            raise damaged(path, "it is no ORT file")


def read_tokens(path: Path) -> dict[int, str]:
    """Symbols by id from lines of ``symbol id``; a line of an id alone is the space. Raises ModelError."""
    tokens: dict[int, str] = {}
    if path.stat().st_size > _MAX_TEXT:
        raise damaged(path, f"it has more than {_MAX_TEXT >> 20} MB")
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise damaged(path, "it is no UTF-8 text") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        found = _TOKEN.fullmatch(line.rstrip())
        if not found or int(found[2]) in tokens:
            raise damaged(path, f"line {number} is no symbol with a number of its own")
        tokens[int(found[2])] = found[1] or " "
    if not tokens:
        raise damaged(path, "it names no tokens")
    return tokens


def sentencepiece_vocabulary(path: Path) -> str:
    """Lines of piece, tab and score from a ``bpe.model``, as sherpa-onnx wants them in ``bpe.vocab``."""
    lines: list[str] = []
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            for field, end in _fields(file, size):
                if field == 1:  # SentencePiece: 1 the piece, 2 its score (float32)
                    parts = dict(_small_fields(_read(file, end)))
                    (score,) = struct.unpack("<f", parts.get(2, b"\0\0\0\0"))
                    lines.append(f"{parts[1].decode()}\t{score:g}\n")
                file.seek(end)
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise damaged(path, "it is no SentencePiece model") from error
    return "".join(lines)


def damaged(path: Path, why: str) -> ModelError:
    """The error for a file that cannot be used."""
    return ModelError(f"{path} is damaged: {why}", fix="download the model again, or import it again")


def _fields(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Field numbers of one message and where each field ends; the file stands at the field's content.

    The caller seeks to that end before it asks for the next one.
    """
    while file.tell() < end:
        tag = _varint(file)
        wire = tag & 7
        if wire == 0:
            _varint(file)
            length = 0
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        elif wire == 2:
            length = _varint(file)
        else:
            raise ValueError(f"field of kind {wire}")
        stop = file.tell() + length
        if stop > end:
            raise ValueError("it ends too early")
        yield tag >> 3, stop
        file.seek(stop)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        (byte,) = file.read(1) or b"\0"
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError("a number without end")


def _read(file: BinaryIO, end: int) -> bytes:
    length = end - file.tell()
    if length > _MAX_SMALL_FIELD:
        raise ValueError("a name of over a megabyte")
    return file.read(length)


def _small_fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Field numbers and contents of a message in memory; numbers come as their little-endian bytes."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = 0
        for shift in range(0, 70, 7):
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number without end")

    while position < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint().to_bytes(10, "little")
            continue
        length = {1: 8, 2: None, 5: 4}[tag & 7]
        length = varint() if length is None else length
        yield tag >> 3, data[position : position + length]
        position += length


def _entry(data: bytes) -> tuple[str, str]:
    parts = dict(_small_fields(data))
    return parts.get(1, b"").decode("utf-8", "replace"), parts.get(2, b"").decode("utf-8", "replace")


def _last_axis(value: bytes) -> int | None:
    """Of a ValueInfo: type (2), tensor (1), shape (2), the last dimension (1), its fixed size (1)."""
    data = value
    for field in (2, 1, 2):
        data = dict(_small_fields(data)).get(field, b"")
    axes = [content for field, content in _small_fields(data) if field == 1]
    size = dict(_small_fields(axes[-1])).get(1) if axes else None
    return int.from_bytes(size, "little") if size else None
