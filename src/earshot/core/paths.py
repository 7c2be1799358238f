"""Where Earshot keeps things. Nothing is created by asking."""

from __future__ import annotations

import os
from pathlib import Path


def data_home() -> Path:
    """``$EARSHOT_HOME``, else the user's data folder of this system (``~/.local/share/earshot`` on Linux)."""
    if home := os.environ.get("EARSHOT_HOME"):
        return Path(home).expanduser()
    from platformdirs import user_data_path

    return user_data_path("earshot", appauthor=False)


def models_home() -> Path:
    """The folder of installed models, one folder a model."""
    return data_home() / "models"


def config_home() -> Path:
    """What the user writes: ``$EARSHOT_HOME``, else the folder of settings (``~/.config/earshot`` on Linux)."""
    if os.environ.get("EARSHOT_HOME"):
        return data_home()
    from platformdirs import user_config_path

    return user_config_path("earshot", appauthor=False)
