"""Model reload in a real `bentoml serve` under load: no request lost, no scores mixed up."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from data.flights import Flights
from data.load import Dataset
from load.tools.server_process import process_name, tree
from model.inference.bundle import BOOSTER_FILE, Bundle
from model.training.fit import TrainingConfig, fit
from serving.models import store
from tests.support.server import PROJECT, Server, running_server

pytestmark = pytest.mark.server

TOKEN = "a token that is only for this test"  # noqa: S105 - it opens nothing else
BEARER = {"authorization": f"Bearer {TOKEN}"}
NAME = "rolling"
CONNECTIONS = 12
PER_REQUEST = 3


@dataclass(frozen=True)
class Version:
    """Registered model with its score of each flight that is sent."""

    tag: str
    scores: list[float]


@pytest.fixture(scope="module")
def sent(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the flights that the load is made of."""
    return frame.sample(300, random_state=3)


@pytest.fixture(scope="module")
def versions(bundle: Bundle, dataset: Dataset, sent: pd.DataFrame) -> tuple[Version, Version]:
    """Register two models that differ; the older one is the latest."""
    other = replace(bundle, predictor=fit(dataset.frame, TrainingConfig(rounds=20)))
    flights = Flights.from_columns(sent)
    newer, older = (
        Version(str(store.register(each, NAME, {}, {})), each.predictor.score(flights).tolist())
        for each in (other, bundle)
    )
    assert np.abs(np.array(newer.scores) - older.scores).max() > 0.01
    return older, newer


@pytest.fixture
def rolling(
    versions: tuple[Version, Version], request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Server]:
    """Run the service on the older model, with an admin token and the settings of the parameter."""
    point_latest(versions[0])
    settings = {"FLIGHT_DELAY_MODEL": f"{NAME}:latest", "FLIGHT_DELAY_ADMIN_TOKEN": TOKEN}
    more: dict[str, str] = getattr(request, "param", {})
    with running_server(tmp_path / "log", PROJECT, ".", **settings, **more) as server:
        yield server


def point_latest(version: Version) -> None:
    """Make a version the latest one, as registering does."""
    store._point_latest(store.store_folder() / NAME, version.tag.partition(":")[2])


def reload(server: Server, **body: str) -> httpx.Response:
    """Request a reload."""
    content = json.dumps(body) if body else None
    return httpx.post(f"{server.url}/admin/reload", headers=BEARER, content=content, timeout=60)


def workers(server: Server) -> list[int]:
    """Return the ids of the processes that answer requests."""
    return [pid for pid in tree(server.process.pid) if process_name(pid) == "worker"]


def hang_up(server: Server) -> None:
    """Send SIGHUP to one worker."""
    os.kill(workers(server)[0], signal.SIGHUP)


Answers = list[list[tuple[int, httpx.Response]]]


async def _load(
    server: Server, frame: pd.DataFrame, act: Callable[[], object], until: str
) -> Answers:
    """Send requests on several connections, act in the middle, go on until all name `until`."""
    columns = ["airline", "flight_number", "destination", "flight_type"]
    rows = frame[columns].to_dict("records")
    for row, moment in zip(rows, frame["scheduled_departure"], strict=True):
        row["scheduled_departure"] = moment.strftime("%Y-%m-%dT%H:%M:%S")
    starts = range(0, len(rows), PER_REQUEST)
    deadline, seen = time.monotonic() + 150, [0] * CONNECTIONS

    async def connection(number: int) -> list[tuple[int, httpx.Response]]:
        answers = []
        async with httpx.AsyncClient(base_url=server.url, timeout=150) as client:
            for start in itertools.cycle(starts):
                flights = rows[start : start + PER_REQUEST]
                answer = await client.post("/predict_delay", json={"flights": flights})
                answers.append((start, answer))
                seen[number] += answer.json().get("model") == until
                if min(seen) > 20 or time.monotonic() > deadline:
                    return answers
        return answers

    sending = asyncio.gather(*map(connection, range(CONNECTIONS)))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(act)
    return await sending


def check(answers: Answers, versions: tuple[Version, Version], *, switches: int | None) -> None:
    """Nothing was lost, and each answer's probabilities are those of the model that it names."""
    said = {version.tag: version.scores for version in versions}
    for connection in answers:
        names = [answer.json().get("model") for _, answer in connection]
        assert {answer.status_code for _, answer in connection} == {200}
        assert (names[0], names[-1]) == tuple(version.tag for version in versions)
        changes = sum(a != b for a, b in itertools.pairwise(names))
        assert switches is None or changes == switches
        for start, answer in connection:
            found = [each["probability"] for each in answer.json()["predictions"]]
            expected = said[answer.json()["model"]][start : start + PER_REQUEST]
            assert np.abs(np.array(found) - expected).max() < 1e-9


@pytest.mark.parametrize(
    ("rolling", "act"),
    [
        ({}, reload),
        ({}, hang_up),
        ({"FLIGHT_DELAY_BATCHING": "bentoml"}, reload),
        ({"FLIGHT_DELAY_BATCHING": "off"}, reload),
    ],
    indirect=["rolling"],
    ids=["admin", "SIGHUP", "admin, BentoML's batching", "admin, no batching"],
)
def test_a_newer_model_takes_over_under_load(
    rolling: Server,
    versions: tuple[Version, Version],
    sent: pd.DataFrame,
    act: Callable[[Server], object],
) -> None:
    """No request fails; on each connection the model changes once, and scores match its name."""
    point_latest(versions[1])
    answers = asyncio.run(_load(rolling, sent, lambda: act(rolling), versions[1].tag))
    check(answers, versions, switches=1)
    assert httpx.get(f"{rolling.url}/model").json()["model"] == versions[1].tag


@pytest.mark.parametrize("rolling", [{"FLIGHT_DELAY_WORKERS": "2"}], indirect=True)
def test_workers_follow_each_other(
    rolling: Server, versions: tuple[Version, Version], sent: pd.DataFrame
) -> None:
    """After a reload of one worker both serve the newer model, and the metrics show it."""
    point_latest(versions[1])
    answers = asyncio.run(_load(rolling, sent, lambda: reload(rolling), versions[1].tag))
    check(answers, versions, switches=None)
    info = 'flight_delay_model_info{{model="{}"}} {}'
    wanted = {info.format(versions[1].tag, 2.0), info.format(versions[0].tag, 0.0)}
    deadline = time.monotonic() + 120
    while not wanted <= set(httpx.get(f"{rolling.url}/metrics", timeout=60).text.splitlines()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_damaged_models_are_refused(rolling: Server, versions: tuple[Version, Version]) -> None:
    """A changed, truncated, empty or missing file is named, and the old model stays."""
    older, newer = versions
    folder = store.store_folder() / NAME / newer.tag.partition(":")[2]
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    point_latest(newer)
    trees = (folder / BOOSTER_FILE).read_bytes()
    flipped = trees[:1000] + bytes([trees[1000] ^ 1]) + trees[1001:]
    try:
        for damaged in (flipped, trees[:-100], b"", None):
            (folder / BOOSTER_FILE).unlink()
            if damaged is not None:
                (folder / BOOSTER_FILE).write_bytes(damaged)
            refused = reload(rolling)
            assert refused.status_code == 422
            assert refused.headers["content-type"] == "application/problem+json"
            assert BOOSTER_FILE in refused.json()["detail"]
            assert httpx.get(f"{rolling.url}/model").json()["model"] == older.tag
            (folder / BOOSTER_FILE).write_bytes(trees)
    finally:
        shutil.rmtree(folder)
        kept.rename(folder)
    assert rolling.log.read_text().count("roll-over refused") == 4
    assert reload(rolling).json() == {"model": newer.tag, "before": older.tag, "changed": True}


def test_a_reload_needs_the_token_and_a_version_of_the_model(
    rolling: Server, versions: tuple[Version, Version]
) -> None:
    """Without the token a reload gets 401; with it, any version of the model can be served."""
    url, older = f"{rolling.url}/admin/reload", versions[0].tag
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
        refused = httpx.post(url, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
    assert reload(rolling).json() == {"model": older, "before": older, "changed": False}
    version = versions[1].tag.partition(":")[2]
    assert reload(rolling, version=version).json()["model"] == versions[1].tag
    assert reload(rolling, version="never-made").status_code == 422
    assert reload(rolling, version="../other").status_code == 422
    assert reload(rolling, model="other:1").status_code == 422
    assert httpx.get(url).status_code == 405
