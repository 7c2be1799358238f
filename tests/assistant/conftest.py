from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from earshot.assistant import Grammar

HOUSEHOLD = Path(__file__).parent / "household.yaml"

if find_spec("yaml") is None or find_spec("unicode_rbnf") is None:
    pytest.skip("no YAML reader: pip install 'earshot[assistant]'", allow_module_level=True)


@pytest.fixture(scope="session")
def household() -> Grammar:
    return Grammar.load(HOUSEHOLD)
