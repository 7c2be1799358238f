"""Earshot in Jupyter (``pip install 'earshot[notebook]'``): a recorder with live text, a look at recordings.

>>> from earshot.notebook import Recorder, show          # doctest: +SKIP
>>> Recorder()
>>> show("talk.m4a")

Importing this package loads no widget library; naming ``Recorder`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earshot.notebook.show import show

if TYPE_CHECKING:
    from earshot.notebook.recorder import Recorder

__all__ = ["Recorder", "show"]


def __getattr__(name: str) -> Any:
    if name == "Recorder":
        from earshot.core.optional import require

        require("anywidget", extra="notebook", purpose="the recorder")
        from earshot.notebook.recorder import Recorder

        globals()["Recorder"] = Recorder
        return Recorder
    raise AttributeError(f"module 'earshot.notebook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
