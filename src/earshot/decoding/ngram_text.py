"""Sentences for language models, as they are said: no capitals, no marks, split into words or letters."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from earshot.core.errors import FormatError
from earshot.core.files import open_packed
from earshot.decoding.ctc import WORD_START
from earshot.text.normalise import normalise
from earshot.text.sentences import split_text

MAX_LINE = 1_000_000
"""Bytes; a longer line is cut there."""

_PARAGRAPH = 200_000
"""Characters after which a paragraph is taken as it is."""


def letters_of(words: Iterable[str]) -> list[str]:
    """The letters of words, ``WORD_START`` between words."""
    return list(WORD_START.join(words))


def read_sentences(paths: Iterable[Path], *, has_lines: bool = False) -> Iterator[list[str]]:
    """The sentences of text files (packed with gzip or not) as lists of words, normalised, none empty.

    has_lines: each line is a sentence; else sentences are found by their marks, and a blank line ends one.
    Reads as it goes; memory does not grow. Raises FormatError when a file cannot be read or is no UTF-8 text.
    """
    for path in paths:
        for piece in _lines(path) if has_lines else _paragraphs(path):
            for sentence in [piece] if has_lines else split_text(piece):
                if words := normalise(sentence).split():
                    yield words


def _paragraphs(path: Path) -> Iterator[str]:
    waiting: list[str] = []
    length = 0
    for line in _lines(path):
        waiting.append(line)
        length += len(line)
        if not line.strip() or length > _PARAGRAPH:
            yield "\n".join(waiting)
            waiting, length = [], 0
    yield "\n".join(waiting)


def _lines(path: Path) -> Iterator[str]:
    try:
        with open_packed(path) as file:
            yield from _decoded(path, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(f"{path} is damaged: {error}", fix="get another copy of the file") from error
    except OSError as error:
        raise FormatError(
            f"the text {path} cannot be read: {error.strerror or error}", fix="check the name of the file"
        ) from error


def _decoded(path: Path, file: BinaryIO) -> Iterator[str]:
    for number, data in enumerate(iter(lambda: file.readline(MAX_LINE), b""), start=1):
        try:
            yield data.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            if len(data) == MAX_LINE and error.start > MAX_LINE - 4:  # cut within a letter
                yield data[: error.start].decode()
                continue
            raise FormatError(
                f"{path}, line {number}: this is no UTF-8 text", fix="save it as UTF-8"
            ) from error
