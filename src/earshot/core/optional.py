"""Optional libraries: imported where they are used, and named with their pip command where they lack."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from earshot.core.errors import MissingExtraError


def is_installed(module: str) -> bool:
    """Whether ``module`` could be imported; does not import it (only its parent packages)."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import ``module``, which the extra ``earshot[extra]`` brings.

    purpose: what the user wanted, as in "the vosk engine".
    Raises MissingExtraError naming the pip command when it is absent or broken.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        detail = "is not installed" if not is_installed(module) else f"cannot be loaded ({error})"
        raise MissingExtraError(
            f"{purpose} needs {module.split('.')[0]}, which {detail}", fix=f"pip install 'earshot[{extra}]'"
        ) from error
