"""Samples of the profiler are attributed to the stages of a request."""

from __future__ import annotations

import pytest

from load.scenarios.profile import OTHER, by_function, by_stage, read_stacks, stage_of
from load.tools.server_process import PROJECT

PACKAGES = "/env/lib/python3.11/site-packages"
RAW = f"""\
run (/usr/lib/python3.11/asyncio/runners.py:118);\
_score_batch ({PROJECT}/serving/batching/engines.py:90);\
_predict ({PROJECT}/model/inference/booster.py:80) 6
run (/usr/lib/python3.11/asyncio/runners.py:118) 3
run (/usr/lib/python3.11/asyncio/runners.py:118);\
decode ({PROJECT}/serving/contract/decoding.py:30);\
model_validate_json ({PACKAGES}/pydantic/main.py:700) 1
"""


def test_samples_are_counted_by_stage() -> None:
    """The innermost part of the service counts, including the functions that it calls."""
    stages = by_stage(read_stacks(RAW))
    assert stages == {"predict": 6, "server: event loop": 3, "parse and validate": 1}


def test_functions_count_without_their_callees() -> None:
    """Functions are named by package and file, without folders of the machine."""
    assert by_function(read_stacks(RAW)) == {
        "model/inference/booster.py:_predict": 6,
        "asyncio/runners.py:run": 3,
        "pydantic/main.py:model_validate_json": 1,
    }


@pytest.mark.parametrize(
    ("place", "stage"),
    [
        ("serving/contract/decoding.py:to_flights", "columns"),
        ("serving/contract/schema.py:_parse_departure", "parse and validate"),
        ("features/codes.py:write", "features"),
        ("serving/contract/encoding.py:encode", "encode"),
        ("serving/api/application.py:__call__", "application"),
        ("serving/batching/adaptive.py:_score_batch", "batching"),
        ("serving/http/protocol.py:_reply", "server: HTTP"),
        ("serving/http/transport.py:write_whole", "server: HTTP"),
        ("serving/api/predict.py:submit", "application"),
        ("uvicorn/protocols/http/httptools_impl.py:send", "server: HTTP"),
        ("starlette/routing.py:app", "framework"),
        ("threading.py:wait", OTHER),
    ],
)
def test_every_part_has_its_stage(place: str, stage: str) -> None:
    """The first matching rule counts."""
    assert stage_of(("asyncio/unknown" if stage != OTHER else "main.py:main", place)) == stage
