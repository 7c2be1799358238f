"""Which weights a recognizer works with: a hash that tells two models of one name apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

from earshot.core.errors import MissingExtraError, ModelError
from earshot.engines import find_engine
from earshot.engines.folder import only_model
from earshot.engines.registry import GROUP
from earshot.models.card import CARD, digest_file, model_files, read_card
from earshot.transcription import TranscriptionOptions


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """name: of engine and model. digest: hexadecimal, of the weights and of the libraries that run them."""

    name: str
    digest: str


def identify_model(options: TranscriptionOptions) -> ModelIdentity:
    """What the options would load here; loads nothing.

    Raises UnknownEngineError, MissingExtraError, or ModelError when this machine lacks the model.
    """
    engine = find_engine(options.engine)
    if missing := engine.missing_modules:
        command = f"pip install 'earshot[{engine.extra}]'" if engine.extra else f"pip install {missing[0]}"
        raise MissingExtraError(f"the engine {engine.name!r} needs {', '.join(missing)}", fix=command)
    parts = [engine.name, *_versions(engine.name, engine.modules)]
    model = options.model
    if model is None:
        model = only_model(engine, options.language)
    if model is not None:
        parts.append(_weights(engine.name, model))
    if options.language_model is not None:
        parts.append(_language_model(Path(options.language_model)))
    if options.aligner is not None:
        parts.append(_weights("ctc", options.aligner))
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return ModelIdentity(f"{engine.name}-{Path(model).name}" if model else engine.name, digest)


def _language_model(path: Path) -> str:
    try:
        return digest_file(path).sha256
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"{path} cannot be read: {reason}", fix="name another file") from error


def _versions(engine: str, modules: Iterable[str]) -> list[str]:
    """Of the packages that bring the engine, its libraries and its built-in weights."""
    entry = next(iter(entry_points(group=GROUP, name=engine)), None)
    packages = {module.replace("_", "-") for module in modules}
    if entry is not None and entry.dist is not None and entry.dist.name != "earshot":
        packages.add(entry.dist.name)
    if engine == "moonshine":
        packages.add("moonshine-voice")
    return [f"{name}=={found}" for name in sorted(packages) if (found := _version(name)) is not None]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _weights(engine: str, model: str) -> str:
    """A digest of the model's files; of its name where it is built into the engine."""
    if engine == "scripted" or (engine == "moonshine" and model == "tiny-en"):
        return model
    from earshot.engines.folder import model_folder, own_folder

    folder = own_folder(model) or model_folder(model, engine=engine)
    return _digest(folder, folder.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _digest(folder: Path, changed: int) -> str:  # noqa: ARG001 - a part of the key
    if folder.is_file():
        return digest_file(folder).sha256
    if (folder / CARD).is_file():
        card = read_card(folder)
        if card.files:
            return _joined((name, record.sha256) for name, record in card.files.items())
    files = model_files(folder)
    if not files:
        raise ModelError(f"the model folder {folder} is empty", fix="name another folder or model")
    return _joined((name, digest_file(path).sha256) for name, path in files.items())


def _joined(files: Iterable[tuple[str, str]]) -> str:
    return hashlib.sha256(json.dumps(sorted(files)).encode()).hexdigest()
