"""Where an engine's weights lie: a model of the store, or a folder that the user names."""

from __future__ import annotations

from pathlib import Path

from earshot.core.errors import ModelError
from earshot.core.paths import models_home


def model_folder(model: str | None, *, engine: str) -> Path:
    """The folder of ``model``: a name in the store, or a path.

    Raises ModelError when none is named or it is meant for another engine, UnknownModelError with the nearest
    name, or with the command that pulls a model which the catalogue knows and the store has not.
    """
    if not model:
        raise ModelError(
            f"the engine {engine!r} needs a model",
            fix=f"name one with --model; see: earshot models list --engine {engine}",
        )
    from earshot.models.store import ModelStore  # the store loads its network code

    return ModelStore().find(model, engine=engine)


def own_folder(model: str | None) -> Path | None:
    """The user's own folder of that path, None when it names none or a model of the store.

    For engines that tell better than the store what is wrong with a folder.
    """
    if not model:
        return None
    path = Path(model).expanduser()
    is_in_store = path.name == model and (models_home() / model).is_dir()
    return path if path.is_dir() and not is_in_store else None
