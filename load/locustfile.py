"""Realistic users for locust; `make load-users` starts the service and runs them.

Each user sends one request per second on average, whatever the latency is: together they are an
open arrival rate. The times are random, because with locust's constant throughput users that were
spawned together send together for the whole run.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

from locust import FastHttpUser, task

from load.scenarios.users import FLIGHTS_VARIABLE
from load.tools.user_requests import Scenarios, UserRequest
from load.tools.wrk import PREDICT_PATH

HEADERS = {"Content-Type": "application/json"}


def _scenarios() -> Scenarios:
    lines = Path(os.environ[FLIGHTS_VARIABLE]).read_text().splitlines()
    return Scenarios([flight for line in lines for flight in json.loads(line)["flights"]])


SCENARIOS = _scenarios()


class Visitor(FastHttpUser):
    """User that requests predictions and sometimes sends an invalid request."""

    network_timeout = 10.0
    connection_timeout = 10.0

    def on_start(self) -> None:
        """Start at a random time, so that users spawned together do not send together."""
        self._due = time.monotonic()
        self.wait()  # type: ignore[no-untyped-call] # locust has no types here

    def wait_time(self) -> float:
        """Return the seconds until the next request: a Poisson process of one per second."""
        self._due += random.expovariate(1.0)
        return max(0.0, self._due - time.monotonic())

    @task(80)
    def check_one(self) -> None:
        """Request one flight."""
        self._send(SCENARIOS.single())

    @task(12)
    def check_board(self) -> None:
        """Request a departure board."""
        self._send(SCENARIOS.board())

    @task(6)
    def read_card(self) -> None:
        """Read the model card."""
        self.client.get("/model")

    @task(2)
    def send_broken(self) -> None:
        """Send an invalid request, which must be refused with the right status."""
        self._send(SCENARIOS.broken())

    def _send(self, request: UserRequest) -> None:
        with self.client.post(
            PREDICT_PATH,
            data=request.body,
            headers=HEADERS,
            name=f"{PREDICT_PATH}, {request.name}",
            catch_response=True,
        ) as answer:
            if answer.status_code in request.expected:
                answer.success()
            else:
                answer.failure(f"status {answer.status_code}")
