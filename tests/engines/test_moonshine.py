from __future__ import annotations

import pytest

from earshot.engines import Recognizer, load_engine
from tests.engines.conformance import Conformance


class TestMoonshine(Conformance):
    @pytest.fixture(scope="class")
    def recognizer(self) -> Recognizer:
        return load_engine("moonshine")
