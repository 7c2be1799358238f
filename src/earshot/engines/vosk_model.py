"""The files of a Vosk model: what must be there before Kaldi is let at them, and what its name tells.

Kaldi says no more than that a model cannot be made, OpenFst prints its complaints to standard error, and
without silence phones the first sound aborts the whole process. So the files are looked at first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from earshot.core.errors import ModelError
from earshot.core.types import SAMPLE_RATE

_FST_MAGIC = (2_125_659_606).to_bytes(4, "little")
_IVECTOR = ("splice.conf", "online_cmvn.conf", "final.mat", "global_cmvn.stats", "final.dubm")
_OPTION = re.compile(r"(--[A-Za-z0-9][\w.-]*)(?:=(.*))?")
_SILENCE_PHONES = "--endpoint.silence-phones"
_RATE = "--sample-frequency"
_POSITIVE = {_RATE, "--frame-shift", "--frame-length", "--num-mel-bins", "--num-ceps"}
_MAX_CONF = 1 << 20

_LANGUAGE = re.compile(r"^vosk-model-(?:small-)?([a-z]{2})(?:[-_].*)?$")
_ISO_639 = {"cn": "zh", "vn": "vi", "kz": "kk", "ua": "uk", "jp": "ja"}
"""Where the names of Vosk models use a country instead of a language."""


@dataclass(frozen=True, slots=True)
class VoskFiles:
    """A folder that looks whole. graph: the static graph, or the one that is composed with a grammar."""

    folder: Path
    graph: Path
    takes_grammar: bool


def check_vosk_model(folder: Path) -> VoskFiles:
    """Look at every file that Kaldi will open, in the present layout (am/, conf/, graph/) or the old flat one.

    Raises ModelError naming what is missing or damaged.
    """
    is_flat = not (folder / "am").is_dir() and (folder / "final.mdl").is_file()
    conf, graph = (folder, folder) if is_flat else (folder / "conf", folder / "graph")
    is_static = (graph / "HCLG.fst").is_file()
    fsts = [graph / "HCLG.fst"] if is_static else [graph / "HCLr.fst", graph / "Gr.fst"]
    confs = [conf / "mfcc.conf"] if is_flat else [conf / "mfcc.conf", conf / "model.conf"]
    needed = [folder / "final.mdl" if is_flat else folder / "am" / "final.mdl", *confs, *fsts]
    if not is_static:
        needed.append(graph / "disambig_tid.int")
    if (folder / "ivector" / "final.ie").is_file():
        needed += [folder / "ivector" / name for name in _IVECTOR]
    if (folder / "rescore" / "G.carpa").is_file():
        needed.append(folder / "rescore" / "G.fst")
    _check_presence(folder, needed, may_be_empty={graph / "disambig_tid.int"})
    for path in confs:
        _check_options(path, _options(path))
    for path in fsts:
        _check_fst(path)
    _check_words(graph / "words.txt")
    return VoskFiles(folder, fsts[0], takes_grammar=not is_static)


def languages_of(folder: Path) -> frozenset[str]:
    """ISO 639-1 codes from the model's card, else from a name such as ``vosk-model-small-en-us-0.15``."""
    from earshot.models.card import CARD, read_card

    if (folder / CARD).is_file():
        return frozenset(read_card(folder).languages)
    found = _LANGUAGE.match(folder.resolve().name)
    return frozenset({_ISO_639.get(found[1], found[1])}) if found else frozenset()


def _check_presence(folder: Path, needed: list[Path], *, may_be_empty: set[Path]) -> None:
    missing = [path for path in needed if not path.is_file()]
    if missing:
        names = ", ".join(str(path.relative_to(folder)) for path in missing)
        inner = [path for path in sorted(folder.iterdir()) if (path / "am" / "final.mdl").is_file()]
        raise ModelError(
            f"{folder} is no whole Vosk model: it lacks {names}",
            fix=f"name the folder within: {inner[0]}" if inner else "unpack or import the model again",
        )
    for path in needed:
        try:
            size = path.stat().st_size
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}") from error
        if size == 0 and path not in may_be_empty:
            raise _damaged(path, "it is empty")


def _check_options(path: Path, options: dict[str, str]) -> None:
    """Refuse the values at which Kaldi does not raise but ends the process: they were tried one by one."""
    if path.name == "model.conf" and not options.get(_SILENCE_PHONES):
        raise _damaged(path, f"it lacks {_SILENCE_PHONES}")
    for name in _POSITIVE & options.keys():
        if not _is_positive(options[name]):
            raise _damaged(path, f"{name} is {options[name]!r}")
    if float(options.get(_RATE, 0)) > SAMPLE_RATE:
        raise ModelError(
            f"{path} asks for {options[_RATE]} Hz, and Kaldi makes no higher rate out of {SAMPLE_RATE} Hz",
            fix="choose a model for 16 or 8 kHz",
        )


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < 1e9
    except ValueError:
        return False


def _options(path: Path) -> dict[str, str]:
    """The options in a Kaldi configuration: lines of ``--name=value`` and comments after ``#``."""
    with path.open("rb") as file:
        text = file.read(_MAX_CONF).decode("utf-8", "replace")
    options: dict[str, str] = {}
    for raw in text.splitlines():
        line = raw.split("#")[0].strip()
        option = _OPTION.fullmatch(line)
        if line and option is None:
            raise _damaged(path, f"{line[:40]!r} is no option of the form --name=value")
        if option:
            options[option[1]] = (option[2] or "").strip()
    return options


def _check_fst(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(4) != _FST_MAGIC:
            raise _damaged(path, "it is no OpenFst file")


def _check_words(path: Path) -> None:
    """``words.txt`` may be absent (the graph can carry the words), but what is there must name some."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        first = file.readline(1_000).split()
    if len(first) != 2 or not first[1].isdigit():
        raise _damaged(path, "its first line is no word with a number")


def _damaged(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} is damaged: {why}", fix="download the model again, or import it again")
