"""Translation by Apertium: rule-based, offline, from packages of the system (``apt install apertium-eng-spa``).

A pair is a chain of small programs, told by a ``.mode`` file. We start each with an argument list of its own
(no shell sees the text), join them by pipes and keep them: after the first sentence, which loads the
dictionaries, one takes milliseconds where a new chain takes a large part of a second.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import selectors
import shlex
import shutil
import subprocess
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from earshot.core.errors import EngineError, MissingExtraError, UnsupportedError
from earshot.text.apertium_packages import PACKAGES, language_code, language_names, targets_from
from earshot.text.translation import LanguagePair, joined_lines, translatable_lines

_FOLDERS = ("/usr/share/apertium", "/usr/local/share/apertium", "/opt/homebrew/share/apertium")

_PROGRAM = re.compile(r"(?:apertium|lt|lrx|lsx|cg|rtx|hfst)-[a-z-]+")
"""What a mode may start: Apertium's own programs, all of which know -z."""

_RESERVED = re.compile(
    r"[\[\]{}^$/\\@<>]"
)  # of Apertium's stream format; a backslash before them makes them text
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_MARKED = re.compile(r"(?<!\S)[*@#](?=\w)")
_SENTENCE_END = (".", "?", "!", "…", ":", ";")

# A tilde wakes the post-generator up and is lost; this operator is no letter to any dictionary.
_TILDE = "∼"

TIMEOUT = 20.0
"""Seconds that a sentence may take, the loading of dictionaries included (measured: 0.4 s, then 1 to 60 ms)."""


class ApertiumTranslator:
    """A chain of Apertium's programs for one pair; started by the first sentence, restarted when it dies.

    source, target: ``en``, ``eng``, ``en-GB``; ``pt-BR`` takes the variety where the pair has one.
    timeout: seconds for one sentence.
    Raises MissingExtraError naming the package that brings the pair, UnsupportedError where none does.
    """

    def __init__(self, source: str, target: str, *, timeout: float = TIMEOUT) -> None:
        mode = _find_mode(source, target)
        self.name = f"apertium/{mode.stem}"
        self.source, self.target = (language_code(part) for part in mode.stem.split("-"))
        self._commands, self._is_marked = _read_mode(mode)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._chain: _Chain | None = None
        self._is_closed = False

    def translate(self, text: str) -> str:
        """See Translator.translate. Raises EngineError when Apertium fails twice at a sentence."""
        return joined_lines(map(self._sentence, line) for line in translatable_lines(text))

    def close(self) -> None:
        """End the programs."""
        with self._lock:
            self._is_closed = True
            self._stop()

    def __enter__(self) -> ApertiumTranslator:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _sentence(self, sentence: str) -> str:
        if not any(map(str.isalnum, sentence)):
            return sentence
        with self._lock:
            if self._is_closed:
                raise EngineError(f"{self.name} is closed", fix="make a new translator")
            for _ in range(2):
                try:
                    self._chain = self._chain or _Chain(self._commands)
                    return self._cleaned(self._chain.translate(_escaped(sentence), self._timeout))
                except _BrokenError as error:
                    self._stop()
                    problem = error
        raise EngineError(
            f"{self.name} cannot translate {sentence[:40]!r}: {problem}", fix="translate it without these words"
        )

    def _stop(self) -> None:
        if self._chain is not None:
            self._chain.stop()
            self._chain = None

    def _cleaned(self, output: str) -> str:
        text = output.removesuffix(".[]")
        if self._is_marked:
            text = _MARKED.sub("", text)
        return re.sub(" +", " ", _ESCAPED.sub(r"\1", text).replace(_TILDE, "~")).strip()


def apertium_pairs() -> set[LanguagePair]:
    """The directions whose data are installed; none where the programs are not."""
    if shutil.which("lt-proc") is None:
        return set()
    names = (mode.stem.split("-") for folder in _mode_folders() for mode in folder.glob("*.mode"))
    return {
        LanguagePair(language_code(parts[0]), language_code(parts[1])) for parts in names if len(parts) == 2
    }


def _mode_folders() -> list[Path]:
    folders = [os.environ.get("APERTIUM_DATADIR", ""), *_FOLDERS]
    return [Path(folder) / "modes" for folder in folders if folder]


def _find_mode(source: str, target: str) -> Path:
    names = [
        f"{start}-{end}" for start, end in itertools.product(language_names(source), language_names(target))
    ]
    modes = [folder / f"{name}.mode" for folder in _mode_folders() for name in names if _is_name(name)]
    found = next((mode for mode in modes if mode.is_file()), None)
    is_installed = shutil.which("lt-proc") is not None
    if found is not None and is_installed:
        return found
    package = next((PACKAGES[name] for name in names if name in PACKAGES), None)
    if package is None:
        raise UnsupportedError(f"Apertium has no pair from {source} to {target}", fix=_instead(source))
    if found is None:
        raise MissingExtraError(
            f"Apertium's pair from {source} to {target} is not installed", fix=f"apt install {package}"
        )
    raise MissingExtraError("Apertium is not installed", fix=f"apt install apertium {package}")


def _is_name(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_]{1,20}-[A-Za-z0-9_]{1,20}", name) is not None


def _instead(source: str) -> str:
    targets = targets_from(source)
    known = f"from {source} it goes to {', '.join(targets)}; else " if targets else ""
    return f"{known}name the folder of a CTranslate2 (OPUS-MT, Argos) model"


def _read_mode(mode: Path) -> tuple[list[list[str]], bool]:
    """The chain's commands, and whether they leave marks on unknown words.

    A mode is written as a line for a shell, with $1 for how the last dictionary writes unknown words and $2 for
    an option that we do not use. We read it without one. -z: flush after each NUL.
    """
    broken = UnsupportedError(f"{mode} is no chain of Apertium's programs", fix="reinstall its package")
    try:
        lexer = shlex.shlex(mode.read_text(encoding="utf-8"), posix=True, punctuation_chars="|")
        lexer.whitespace_split = True
        lexer.commenters = ""
        words = list(lexer)
    except (OSError, ValueError) as error:
        raise broken from error
    commands = [
        list(group) for is_pipe, group in itertools.groupby(words, key=lambda word: word == "|") if not is_pipe
    ]
    if not commands or not all(_PROGRAM.fullmatch(command[0]) for command in commands):
        raise broken
    arguments = {"$1": ["-n"], "$2": []}
    chain = [
        [command[0], "-z", *(word for part in command[1:] for word in arguments.get(part, [part]))]
        for command in commands
    ]
    return chain, "$1" not in words


def _escaped(sentence: str) -> str:
    """The sentence in Apertium's stream format, composed (NFC) as its dictionaries are."""
    text = unicodedata.normalize("NFC", sentence).replace("~", _TILDE)
    # The taggers want a full stop where a text ends; "[]" marks it as ours, as Apertium's own txt filter does.
    return _RESERVED.sub(r"\\\g<0>", text) + ("" if text.endswith(_SENTENCE_END) else ".[]")


class _BrokenError(Exception):
    """The chain died, hangs or gives another answer than to what was asked."""


class _Chain:
    """Running programs, each reading what the one before writes."""

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        self._numbers = itertools.count(1)
        self._processes: list[subprocess.Popen[bytes]] = []
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        try:
            for command in commands:
                before = self._processes[-1].stdout if self._processes else subprocess.PIPE
                self._processes.append(
                    subprocess.Popen(
                        command,
                        stdin=before,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        env=environment,
                        start_new_session=True,  # Ctrl-C is for us: what was said last is still translated
                    )
                )
                if before is not subprocess.PIPE:
                    before.close()  # type: ignore[union-attr]
        except OSError as error:
            self.stop()
            raise MissingExtraError(
                f"Apertium's {command[0]} cannot be started ({error.strerror})",
                fix="apt install apertium apertium-lex-tools",
            ) from error

    def translate(self, payload: str, timeout: float) -> str:
        """One exchange: at most a few kilobytes, so that no pipe can fill up. Raises _BrokenError."""
        first, last = self._processes[0].stdin, self._processes[-1].stdout
        assert first is not None
        assert last is not None
        # The number comes back behind the answer: a proof that it is this sentence's. Without some blank of
        # this kind at the end the tagger holds the last word back.
        mark = f"[{next(self._numbers)}]"
        try:
            first.write(f"{payload}{mark}\0".encode())
            first.flush()
            answer = b"".join(_until_nul(last.fileno(), time.monotonic() + timeout)).decode()
        except (OSError, ValueError) as error:
            raise _BrokenError("it ended unexpectedly") from error
        if answer.count("\0") != 1 or not answer.endswith(f"{mark}\0"):
            raise _BrokenError("its answer does not fit the question")
        return answer.removesuffix(f"{mark}\0")

    def stop(self) -> None:
        """Kill what still runs, and wait for it."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            process.wait()


def _until_nul(descriptor: int, deadline: float) -> Iterator[bytes]:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        block = b""
        while not block.endswith(b"\0"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise _BrokenError("it takes too long")
            block = os.read(descriptor, 65_536)
            if not block:
                raise _BrokenError("it ended unexpectedly")
            yield block
