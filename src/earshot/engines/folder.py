"""Where an engine's weights lie: a model of the store, or a folder that the user names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earshot.core.errors import ModelError
from earshot.core.paths import models_home

if TYPE_CHECKING:
    from earshot.engines.base import Engine

_MAX_JSON = 16 * 2**20  # bytes; the vocabulary of the largest Whisper has 1.1 MB


def model_folder(model: str | None, *, engine: str, language: str | None = None) -> Path:
    """The folder of ``model``: a name in the store, or a path; None is the one that ``fitting_models`` finds.

    Raises ModelError when none is named and none or several are installed, or it is meant for another engine;
    UnknownModelError with the nearest name, or with the command that pulls a model which the catalogue knows
    and the store has not.
    """
    from earshot.models.store import ModelStore  # the store loads its network code

    if not model:
        model, *others = fitting_models(engine, language) or [""]
        if not model or others:
            several = f", and there are {', '.join([model, *others])}" if others else ""
            raise ModelError(
                f"the engine {engine!r} needs a model{several}",
                fix=f"name one with --model; see: earshot models list --engine {engine}",
            )
    return ModelStore().find(model, engine=engine)


def fitting_models(engine: str, language: str | None = None, *, must_say: bool = False) -> list[str]:
    """Names of the installed models of an engine, by name: those that know a language (ISO 639-1).

    must_say: leaves out those whose cards name no language.
    """
    from earshot.models.store import ModelStore  # the store loads its network code

    return [
        model.name
        for model in ModelStore().list()
        if model.card is not None
        and model.card.engine == engine
        and (language is None or language in model.card.languages or not (must_say or model.card.languages))
    ]


def only_model(engine: Engine, language: str | None) -> str | None:
    """The one installed model for an engine that has none of its own, None where there are more or none."""
    fitting = [] if engine.has_default_model else fitting_models(engine.name, language)
    return fitting[0] if len(fitting) == 1 else None


def own_folder(model: str | None) -> Path | None:
    """The user's own folder of that path, None when it names none or a model of the store.

    For engines that tell better than the store what is wrong with a folder.
    """
    if not model:
        return None
    path = Path(model).expanduser()
    is_in_store = path.name == model and (models_home() / model).is_dir()
    return path if path.is_dir() and not is_in_store else None


def read_json(path: Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON object. Raises ModelError when the file is broken, or missing and there is no default."""
    try:
        if path.stat().st_size > _MAX_JSON:
            raise ModelError(f"{path} is too large for what it should be")
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if default is not None:
            return default
        raise ModelError(
            f"the model {path.parent} lacks {path.name}", fix="copy the whole folder again"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} cannot be read: {error}", fix="copy the whole folder again") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path} is no JSON object", fix="copy the whole folder again")
    return data


def first_line(error: BaseException) -> str:
    """What a library said, for a message of one line."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
