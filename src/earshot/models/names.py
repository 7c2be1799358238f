"""Names that come from outside: of models, and of the files in them."""

from __future__ import annotations

import re
import unicodedata

from earshot.core.errors import ModelError

_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_MAX_PART = 255
_MAX_PATH = 1000
_MAX_DEPTH = 16


def check_model_name(name: str) -> str:
    """``name`` itself when it can be a folder on every system. Raises ModelError."""
    if not _MODEL_NAME.fullmatch(name) or name.endswith(".") or _RESERVED.fullmatch(name):
        raise ModelError(
            f"{name[:80]!r} cannot be the name of a model",
            fix="give one of letters, digits, dots, hyphens and underscores with --name",
        )
    return name


def model_name_from(text: str) -> str:
    """A model name made of ``text``, such as the name of a file. Raises ModelError when nothing is left."""
    return check_model_name(re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:120])


def safe_parts(path: str) -> tuple[str, ...]:
    """The parts of a relative path of a file in a model, ``.`` dropped; empty for the model's folder itself.

    Raises ModelError saying why for whatever could lead out of the folder, or not exist on another system:
    absolute paths, ``..``, drive letters, backslashes, control characters, device names, endless names.
    """
    reason = _reason_against(path)
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    reason = reason or next((why for part in parts if (why := _reason_against_part(part))), None)
    if not reason and len(parts) > _MAX_DEPTH:
        reason = "lies too deep"
    if reason:
        raise ModelError(f"the file name {path[:80]!r} {reason}")
    return parts


def _reason_against(path: str) -> str | None:
    if not path:
        return "is empty"
    if len(path) > _MAX_PATH:
        return "is too long"
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in path):
        return "holds control characters"
    if "\\" in path:
        return "holds a backslash"
    if path.startswith("/"):
        return "is absolute"
    return None


def _reason_against_part(part: str) -> str | None:
    if part == "..":
        return "leads out of the folder"
    if len(part.encode("utf-8")) > _MAX_PART:
        return "is too long"
    if any(char in part for char in ':*?"<>|'):
        return "holds a character that not every system allows"
    if part[-1] in ". " or _RESERVED.fullmatch(part):
        return "is not a name on every system"
    return None


def same_on_disk(path: str) -> str:
    """The key under which two paths meet on a file system that ignores case or Unicode form."""
    return unicodedata.normalize("NFC", path).casefold()
