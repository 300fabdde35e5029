"""A restarted worker serves the same model as the other workers."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from model.inference.bundle import BOOSTER_FILE, Bundle
from serving.models import store
from tests.faults.conftest import wait_for, worker_of
from tests.faults.test_processes import running, wait_for_serving
from tests.support.server import PROJECT, Server, running_server

pytestmark = pytest.mark.server

TOKEN = "a token that is only for this test"  # noqa: S105 - it opens nothing else
NAME = "restarted"
ASKED = 40
"""New connections, over which the kernel spreads the workers."""


@pytest.fixture(scope="module")
def tags(bundle: Bundle) -> tuple[str, str]:
    """Register an older and a newer model, which differ in their cards."""
    cards = ({**bundle.card, "note": note} for note in ("older", "newer"))
    older, newer = (str(store.register(replace(bundle, card=card), NAME, {}, {})) for card in cards)
    return older, newer


@pytest.fixture
def serve(tmp_path: Path) -> running_server:
    """Return the service with two workers, not yet started."""
    settings = {
        "FLIGHT_DELAY_MODEL": f"{NAME}:latest",
        "FLIGHT_DELAY_ADMIN_TOKEN": TOKEN,
        "FLIGHT_DELAY_WORKERS": "2",
    }
    return running_server(tmp_path / "log", PROJECT, ".", **settings)


def point_latest(tag: str) -> None:
    """Make a model the latest one, as registering does."""
    store._point_latest(store.store_folder() / NAME, version(tag))


def version(tag: str) -> str:
    """Return the version in a tag."""
    return tag.partition(":")[2]


def roll_over(server: Server, tag: str) -> None:
    """Put a model in place."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    url, body = f"{server.url}/admin/reload", {"version": version(tag)}
    assert httpx.post(url, headers=headers, json=body, timeout=120).status_code == 200


def served(server: Server) -> set[str]:
    """Return the tags of the models that answer new connections."""
    return {httpx.get(f"{server.url}/model", timeout=60).json()["model"] for _ in range(ASKED)}


def kill_a_worker(server: Server) -> None:
    """Kill one worker, and wait until it has ended."""
    pid = worker_of(server)[0]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not running(pid))


def test_restarted_workers_serve_the_model_of_a_roll_back(
    serve: running_server, tags: tuple[str, str]
) -> None:
    """After a roll-back right after the start, all workers and their replacements serve it."""
    older, newer = tags
    point_latest(newer)
    with serve as server:
        roll_over(server, older)
        wait_for_serving(server, 2)
        wait_for(lambda: served(server) == {older}, 60)
        for started in (3, 4):
            kill_a_worker(server)
            wait_for_serving(server, started)
        assert served(server) == {older}


def test_a_registered_model_is_not_served_without_a_reload(
    serve: running_server, tags: tuple[str, str]
) -> None:
    """A restarted worker does not serve a newer latest model, damaged or not."""
    older, newer = tags
    point_latest(older)
    booster = store.store_folder() / NAME / version(newer) / BOOSTER_FILE
    content = booster.read_bytes()
    with serve as server:
        wait_for_serving(server, 2)
        point_latest(newer)
        kill_a_worker(server)
        wait_for_serving(server, 3)
        assert served(server) == {older}
        booster.write_bytes(content[:-100])
        try:
            kill_a_worker(server)
            wait_for_serving(server, 4)
            assert served(server) == {older}
        finally:
            booster.write_bytes(content)


def test_a_worker_waits_for_its_model(serve: running_server, tags: tuple[str, str]) -> None:
    """While the files of the served model are missing, the other workers go on serving."""
    older = tags[0]
    point_latest(older)
    folder = store.store_folder() / NAME / version(older)
    with serve as server:
        wait_for_serving(server, 2)
        shutil.move(folder, folder.with_name(".gone"))
        try:
            kill_a_worker(server)
            wait_for(lambda: "waits for its model" in server.log.read_text(), 120)
            assert httpx.get(f"{server.url}/model", timeout=60).json()["model"] == older
        finally:
            shutil.move(folder.with_name(".gone"), folder)
        wait_for_serving(server, 3)
        assert served(server) == {older}
        assert len(worker_of(server)) == 2
