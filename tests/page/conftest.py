"""Fixtures: a server of the page and the API on a loopback port, and a browser."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
import uvicorn

from model.inference.bundle import Bundle
from serving.api.application import Application
from serving.api.asgi import Receive, Scope, Send, problem_response, send_answer
from serving.errors import ProblemError
from serving.models.loaded import Runtime
from serving.settings import Settings
from tests.support.runtime import make_runtime, not_reached

START_SECONDS = 120
FAR_ZONE = "Pacific/Kiritimati"
MONTHS = ("2017-10", "2017-11", "2017-12")
FIGURES = {
    "auc": 0.672,
    "ap": 0.356,
    "log_loss": 0.45,
    "log_loss_constant": 0.49,
    "brier": 0.149,
    "brier_constant": 0.161,
    "ece": 0.041,
    "precision": 0.3,
    "recall": 0.55,
    "f1": 0.39,
}

SAID = [0.05, 0.1, 0.12, 0.14, 0.16, 0.18, 0.21, 0.25, 0.3, 0.45]
RELIABILITY = {"said": SAID, "happened": [share * 0.95 for share in SAID], "n": [5000] * 10}
MONTH = {"n": 5000, "late_share": 0.2, "mean_probability": 0.19, "log_loss": 0.45, "ece": 0.01}
DRIFT = {
    "fitted once, to the end of 2017-10": {
        month: {**MONTH, "mean_probability": 0.16} for month in (*MONTHS[1:], "pooled")
    },
    "refitted each month": dict.fromkeys((*MONTHS, "pooled"), MONTH),
    "refitted each month; Platt, 4 weeks": dict.fromkeys((*MONTHS, "pooled"), MONTH),
}


class PageServer:
    """Server of the page and the API on its own port.

    Attributes
    ----------
    url
        URL of the server.
    problem
        Answer to every prediction while it is set.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.problem: ProblemError | None = None
        self.url = ""
        self._application = Application(not_reached, lambda: runtime, Settings())
        config = uvicorn.Config(
            self._answer,
            host="127.0.0.1",
            port=0,
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_level="warning",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/predict_delay" and self.problem is not None:
            _, body, headers = problem_response(self.problem)
            await send_answer(send, self.problem.status, body, headers)
        else:
            await self._application(scope, receive, send)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline:
                pytest.fail("the page's server did not start")
            time.sleep(0.02)
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=START_SECONDS)


def page_runtime(bundle: Bundle, **card: Any) -> Runtime:
    """Return a runtime whose model card has some keys replaced."""
    changed = replace(bundle, card={**bundle.card, **card})
    return make_runtime(changed)


@pytest.fixture(scope="module")
def page_server(bundle: Bundle) -> Iterator[PageServer]:
    """Serve a model whose card has real flights and an evaluation."""
    months = {month: {**FIGURES, "late_share": 0.2, "n": 5000} for month in MONTHS}
    evaluation = {
        "E1": {**FIGURES, "n": 20000},
        "E2": {**FIGURES, "n": 60000},
        "E3.schedule": {
            **FIGURES,
            "n": 50000,
            "by_month": months,
            "reliability": RELIABILITY,
            "drift": DRIFT,
        },
    }
    data = {**bundle.card["data"], "is_sample": False}
    with PageServer(page_runtime(bundle, evaluation=evaluation, data=data)) as running:
        yield running


@pytest.fixture(scope="module")
def abroad_server(bundle: Bundle) -> Iterator[PageServer]:
    """Serve a model of another airport in a distant time zone."""
    data = {**bundle.card["data"], "is_sample": False}
    there = {"airport": "LEMD", "place": "Madrid", "time_zone": FAR_ZONE}
    with PageServer(page_runtime(bundle, data=data, **there)) as running:
        yield running


@pytest.fixture(scope="module")
def sample_server(bundle: Bundle) -> Iterator[PageServer]:
    """Serve a model whose card says that it was trained on the embedded sample."""
    data = {**bundle.card["data"], "is_sample": True}
    with PageServer(page_runtime(bundle, data=data)) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start the system's Chromium; skip if there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed: install Debian's package for the browser tests")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=chromium,
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
                *("--disable-component-update", "--disable-sync", "--no-first-run"),
            ],
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Return the folder of the screenshots."""
    folder = Path(__file__).parents[2] / "reports" / "page"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
