"""Everything that the OpenAPI document allows, and much that it forbids, asked of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from earshot.engines.scripted import ScriptedRecognizer
from tests.server.conftest import running

schemathesis = pytest.importorskip(
    "schemathesis", reason="schemathesis is not installed: pip install 'earshot[dev]'"
)
from schemathesis.checks import CHECKS, load_all_checks  # noqa: E402 - after the skip

load_all_checks()


ROUTES = (
    ("POST", "/v1/audio/transcriptions"),
    ("POST", "/v1/audio/translations"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from earshot.server.settings import ServerOptions

    options = ServerOptions(
        port=0, engine="scripted", data_folder=tmp_path_factory.mktemp("home"), max_upload_bytes=1_000_000
    )
    with running(options, {"scripted": ScriptedRecognizer()}) as server:
        yield schemathesis.openapi.from_url(f"{server.address}/openapi.json")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "method", "path"),
    [*(("POSITIVE", *route) for route in ROUTES), *(("NEGATIVE", *route) for route in ROUTES[:2])],
)
def test_answers_are_what_the_document_promises(document: Any, mode: str, method: str, path: str) -> None:
    operation = document[path][method]
    # What fits the form need not be a recording, so a good request may be refused.
    excluded = CHECKS.get_by_names(["positive_data_acceptance"])

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
    @settings(
        max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
    )
    def ask(case: Any) -> None:
        case.call_and_validate(excluded_checks=excluded, timeout=30)

    ask()
