"""The checks of a deployed service name what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from deploy import checks
from load.tools.open_loop import OpenRun

MODEL = "flight_delay:1"
GOOD: dict[str, Any] = {
    "/livez": (200, "text/plain", b""),
    "/readyz": (200, "text/plain", b""),
    "/model": (200, "application/json", b'{"model": "flight_delay:1"}'),
    "predict": (
        200,
        "application/json",
        b'{"model": "flight_delay:1", "predictions": [{"probability": 0.2}]}',
    ),
    "refusal": (422, "application/problem+json", b"{}"),
}


def _faults(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[str]:
    """Faults of a service that answers well but for the changes."""
    answers = {**GOOD, **changes}

    def ask(url: str, body: bytes | None = None) -> checks.Answer:
        path = url.removeprefix("https://service")
        if body is not None:
            path = "refusal" if body == b'{"flights": []}' else "predict"
        return checks.Answer(*answers[path])

    monkeypatch.setattr(checks, "ask", ask)
    return list(checks.smoke_faults("https://service", MODEL))


def test_a_good_service_has_no_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question is answered as the contract says."""
    assert _faults(monkeypatch) == []


@pytest.mark.parametrize(
    ("path", "answer", "fault"),
    [
        ("/readyz", (503, "", b""), "GET /readyz answers 503"),
        ("/livez", (0, "", b""), "GET /livez answers 0"),
        ("/model", (200, "", b'{"model": "x"}'), "the model is x, not flight_delay:1"),
        ("/model", (200, "", b"no json"), "the model is None, not flight_delay:1"),
        ("predict", (500, "", b""), "POST /predict_delay answers 500"),
        (
            "predict",
            (200, "", b'{"model": "flight_delay:1", "predictions": []}'),
            "1 flights were predicted as []",
        ),
        (
            "predict",
            (200, "", b'{"model": "flight_delay:1", "predictions": [{"probability": 1.5}]}'),
            "1 flights were predicted as [1.5]",
        ),
        (
            "refusal",
            (422, "application/json", b""),
            "a request without flights is answered with 422 application/json",
        ),
    ],
)
def test_each_fault_is_named(
    path: str, answer: tuple[int, str, bytes], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no other one."""
    assert _faults(monkeypatch, **{path: answer}) == [fault]


def _run(failed: int, p99: float) -> OpenRun:
    latency = {"p50": 1.0, "p99": p99, "max": p99}
    return OpenRun(50, 1000, latency, {}, [], failed, 0, {}, 0.1)


@pytest.mark.parametrize(
    ("failed", "p99", "faults"),
    [
        (0, 250.0, []),
        (0, 251.0, ["p99 is 251 ms, more than 250"]),
        (1, 10.0, []),
        (2, 10.0, ["2 of 1000 requests failed"]),
        (1000, 10.0, ["1000 of 1000 requests failed"]),
    ],
)
def test_load_is_judged_by_failures_and_latency(failed: int, p99: float, faults: list[str]) -> None:
    """Up to the limits, and not beyond them."""
    assert list(checks.load_faults(_run(failed, p99), p99_ms=250, failed=0.001)) == faults


def test_nobody_there_is_no_answer() -> None:
    """A closed port is a fault, not a crash."""
    assert checks.ask("http://127.0.0.1:9/livez").status == 0


def test_the_token_opens_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes into the header, and only where there is one."""
    monkeypatch.delenv("TOKEN", raising=False)
    assert checks._key() == {}
    monkeypatch.setenv("TOKEN", "abc")
    assert checks._key() == {"Authorization": "Bearer abc"}
