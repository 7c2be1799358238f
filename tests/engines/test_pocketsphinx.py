from __future__ import annotations

import pytest

from earshot.engines import Recognizer, load_engine
from tests.engines.conformance import Conformance


@pytest.fixture(scope="module")
def pocketsphinx() -> Recognizer:
    return load_engine("pocketsphinx")


class TestPocketSphinx(Conformance):
    @pytest.fixture(scope="class")
    def recognizer(self, pocketsphinx: Recognizer) -> Recognizer:
        return pocketsphinx
