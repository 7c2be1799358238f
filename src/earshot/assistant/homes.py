"""Where the assistant keeps its things. Nothing is created by asking."""

from __future__ import annotations

from pathlib import Path

from earshot.core.paths import config_home, data_home

STARTER = Path(__file__).parent / "starter"
"""The shipped set: ``actions.toml``, and a folder of grammar files for each language."""

STARTER_ACTIONS = STARTER / "actions.toml"


def assistant_home() -> Path:
    """What the user writes: ``actions.toml``, and a folder of sentences for each language, such as ``en``."""
    return config_home() / "assistant"


def user_actions_file() -> Path | None:
    """The user's actions, TOML or YAML; None where there are none."""
    names = ("actions.toml", "actions.yaml", "actions.yml")
    return next((file for name in names if (file := assistant_home() / name).is_file()), None)


def user_grammar_folder(language: str) -> Path:
    """Where the user's own sentences of a language are; it need not exist."""
    return assistant_home() / language


def audit_file() -> Path:
    """The log of all that was done."""
    return data_home() / "assistant" / "log.jsonl"


def history_file() -> Path:
    """What can be taken back."""
    return data_home() / "assistant" / "undo.json"
