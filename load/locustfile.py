"""Realistic users for locust; `make load-users` starts the service and runs them.

Each user asks once a second on average, however fast or slow the answers are: together they are
an open arrival rate. The moments are random, because locust's own constant throughput lets users
who were spawned together ask together, in lumps, for the whole run.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

from locust import FastHttpUser, task

from load.scenarios.users import FLIGHTS_VARIABLE
from load.tools.user_requests import Question, Scenarios
from load.tools.wrk import PREDICT_PATH

HEADERS = {"Content-Type": "application/json"}


def _scenarios() -> Scenarios:
    lines = Path(os.environ[FLIGHTS_VARIABLE]).read_text().splitlines()
    return Scenarios([flight for line in lines for flight in json.loads(line)["flights"]])


SCENARIOS = _scenarios()


class Visitor(FastHttpUser):
    """Somebody who asks about flights, and now and then sends something broken."""

    network_timeout = 10.0
    connection_timeout = 10.0

    def on_start(self) -> None:
        """Come at some moment, and not together with those who were spawned together."""
        self._due = time.monotonic()
        self.wait()  # type: ignore[no-untyped-call] # locust types it not

    def wait_time(self) -> float:
        """Seconds until the next question is due: a Poisson process of one a second."""
        self._due += random.expovariate(1.0)
        return max(0.0, self._due - time.monotonic())

    @task(80)
    def check_one(self) -> None:
        """Ask about one flight."""
        self._ask(SCENARIOS.single())

    @task(12)
    def check_board(self) -> None:
        """Ask about a departure board."""
        self._ask(SCENARIOS.board())

    @task(6)
    def read_card(self) -> None:
        """Read what the model is."""
        self.client.get("/model")

    @task(2)
    def send_broken(self) -> None:
        """Send a request that must be refused, and by its right name."""
        self._ask(SCENARIOS.broken())

    def _ask(self, question: Question) -> None:
        with self.client.post(
            PREDICT_PATH,
            data=question.body,
            headers=HEADERS,
            name=f"{PREDICT_PATH}, {question.name}",
            catch_response=True,
        ) as answer:
            if answer.status_code in question.expected:
                answer.success()
            else:
                answer.failure(f"status {answer.status_code}")
