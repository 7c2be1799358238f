"""Engines by name, through the entry-point group ``earshot.engines``; the built-in ones use the same door.

A package adds an engine with::

    [project.entry-points."earshot.engines"]
    mine = "my_package.engine:ENGINE"        # an earshot.engines.Engine
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from earshot.core.errors import EngineError, MissingExtraError, UnknownEngineError, UnsupportedError, nearest
from earshot.engines.base import Engine, EngineOptions, Recognizer
from earshot.engines.offline import OfflineRecognizer

GROUP = "earshot.engines"
DEFAULT_ENGINE = "moonshine"


def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def engine_names() -> list[str]:
    """Names of all registered engines; loads none of them."""
    return sorted(_entry_points())


def find_engine(name: str) -> Engine:
    """The descriptor of an engine. Raises UnknownEngineError with the nearest name."""
    entries = _entry_points()
    if name not in entries:
        raise UnknownEngineError(f"there is no engine {name!r}", fix=nearest(name, entries))
    try:
        engine = entries[name].load()
    except (ImportError, AttributeError) as error:
        raise EngineError(
            f"the engine {name!r} ({entries[name].value}) cannot be imported: {error}",
            fix="reinstall the package that brings it",
        ) from error
    if not isinstance(engine, Engine):
        raise EngineError(
            f"the entry point of engine {name!r} ({entries[name].value}) is no earshot.engines.Engine",
            fix="tell the author of the package that brings it",
        )
    return engine


def load_engine(name: str = DEFAULT_ENGINE, options: EngineOptions | None = None) -> Recognizer:
    """Load a recognizer by the name of its engine.

    Raises UnknownEngineError, MissingExtraError with the pip command, ModelError, or UnsupportedError when the
    engine cannot do the task, takes no language model or has no say in the pauses.
    """
    engine = find_engine(name)
    options = options or EngineOptions()
    if missing := engine.missing_modules:
        command = f"pip install 'earshot[{engine.extra}]'" if engine.extra else f"pip install {missing[0]}"
        raise MissingExtraError(f"the engine {name!r} needs {', '.join(missing)}", fix=command)
    if options.task not in engine.tasks:
        able = [other for other in engine_names() if options.task in find_engine(other).tasks]
        raise UnsupportedError(f"the engine {name!r} does not {options.task}", fix=f"use {' or '.join(able)}")
    if options.language_model is not None and not engine.takes_language_model:
        able = [other for other in engine_names() if find_engine(other).takes_language_model]
        raise UnsupportedError(f"the engine {name!r} takes no language model", fix=f"use {' or '.join(able)}")
    recognizer = engine.load(options)
    if options.max_pause is not None:
        if not isinstance(recognizer, OfflineRecognizer):
            recognizer.close()
            raise UnsupportedError(
                f"the engine {name!r} decides by itself when a sentence ends", fix="leave the pause to it"
            )
        recognizer.max_pause = options.max_pause
    return recognizer
