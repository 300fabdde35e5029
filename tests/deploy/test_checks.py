"""Tests of the checks of a deployed service."""

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
    "invalid": (422, "application/problem+json", b"{}"),
}


def _faults(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[str]:
    """Return the faults found in a correct service with some answers replaced."""
    answers = {**GOOD, **changes}

    def ask(url: str, body: bytes | None = None) -> checks.Answer:
        path = url.removeprefix("https://service")
        if body is not None:
            path = "invalid" if body == b'{"flights": []}' else "predict"
        return checks.Answer(*answers[path])

    monkeypatch.setattr(checks, "ask", ask)
    return list(checks.smoke_faults("https://service", MODEL))


def test_a_correct_service_has_no_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that follow the contract give no fault."""
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
            "1 flights got the probabilities []",
        ),
        (
            "predict",
            (200, "", b'{"model": "flight_delay:1", "predictions": [{"probability": 1.5}]}'),
            "1 flights got the probabilities [1.5]",
        ),
        (
            "invalid",
            (422, "application/json", b""),
            "a request without flights is answered with 422 application/json",
        ),
    ],
)
def test_each_fault_is_reported(
    path: str, answer: tuple[int, str, bytes], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wrong answer gives exactly its fault."""
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
    """A run within the limits passes, a run above them does not."""
    assert list(checks.load_faults(_run(failed, p99), p99_ms=250, failed=0.001)) == faults


def test_a_closed_port_gives_status_0() -> None:
    """A refused connection is an answer with status 0, not an exception."""
    assert checks.ask("http://127.0.0.1:9/livez").status == 0


def test_the_token_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The header is only sent if there is a token."""
    monkeypatch.delenv("TOKEN", raising=False)
    assert checks._key() == {}
    monkeypatch.setenv("TOKEN", "abc")
    assert checks._key() == {"Authorization": "Bearer abc"}
