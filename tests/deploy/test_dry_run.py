"""Tests of the pipeline from lock to release, with a fake cloud and the real service."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from deploy import dry_run
from deploy.dry_run import DATA_BUCKET, MODEL_BUCKET, DryRun
from deploy.fakes.cloud import Cloud
from deploy.pipeline import Outcome
from serving.models import store

STEPS = [
    *("environment", "data", "check", "test", "lock", "champion", "train", "image", "image-test"),
    *("push", "candidate", "smoke", "load", "canary", "release", "unlock"),
]
QUICK = {"LOAD_SECONDS": "1", "LOAD_RATE": "30", "P99_MS": "5000"}
PRODUCTION = {"_ENVIRONMENT": "production", "_CANARY_SECONDS": "1"}
LOCK = f"{MODEL_BUCKET}/locks/production"
POINTER = f"{MODEL_BUCKET}/releases/production/model"


class _Broken(BaseHTTPRequestHandler):
    """Handler that answers every request with 503."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - the name that http.server needs

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def _broken_service() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Broken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Build:
    """Result of one build: outcome, calls, and the traffic after it."""

    outcome: Outcome
    calls: list[list[str]]
    traffic: dict[str, int]
    revision: str

    def shares(self) -> list[str]:
        """Return every change of the traffic, in order."""
        return [
            word.removeprefix("--to-revisions=").replace(self.revision, "NEW")
            for call in self.calls
            if call[1:4] == ["run", "services", "update-traffic"]
            for word in call
            if word.startswith("--to-revisions=")
        ]


def _build(dry: DryRun, number: str, **environment: str) -> Build:
    before = len(dry.cloud.calls())
    outcome = dry.build(number, PRODUCTION, QUICK | environment)
    service = dry.cloud.read()["services"]["flight-delay"]
    traffic = {t["revisionName"]: t["percent"] for t in service["traffic"] if t.get("percent")}
    return Build(outcome, dry.cloud.calls()[before:], traffic, _revision(number))


def _revision(number: str) -> str:
    return f"flight-delay-{dry_run.commit()[:8]}-{number[:8]}"


@pytest.fixture(scope="module")
def history(
    registered: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Build | DryRun]]:
    """Run four builds: first deployment, canary passes, smoke test fails, canary fails."""
    folder = tmp_path_factory.mktemp("cloud")
    dry = DryRun(folder, store.store_folder().parent)
    dry.place_flights(b"flights\n")
    found: dict[str, Build | DryRun] = {"dry": dry}
    with dry_run.local_service(folder / "log") as server, _broken_service() as broken:
        dry.answer_with(service=server.url)
        found["first"] = _build(dry, "11111111")
        found["second"] = _build(dry, "22222222")
        dry.answer_with(service=server.url, candidate=broken)
        # The champion is already in this store, which saves two slow imports.
        champion = {"BENTOML_HOME": str(folder / "work-22222222" / "bentoml")}
        found["smoke"] = _build(dry, "33333333", **champion)
        dry.answer_with(service=server.url)
        with dry.cloud.change() as state:
            state["errors"][_revision("44444444")] = [500, 503]
        found["canary"] = _build(dry, "44444444", **champion)
        yield found


def _of(history: dict[str, Build | DryRun], name: str) -> Build:
    build = history[name]
    assert isinstance(build, Build)
    return build


def _dry(history: dict[str, Build | DryRun]) -> DryRun:
    dry = history["dry"]
    assert isinstance(dry, DryRun)
    return dry


@pytest.mark.server
def test_the_first_build_deploys(history: dict[str, Build | DryRun]) -> None:
    """Every step runs in order; without an earlier revision there is no canary."""
    build = _of(history, "first")
    assert build.outcome.ran == STEPS, build.outcome.output
    assert build.shares() == ["NEW=100"]
    assert build.traffic == {build.revision: 100}


@pytest.mark.server
def test_a_successful_canary_gets_all_traffic(history: dict[str, Build | DryRun]) -> None:
    """The candidate gets no traffic, then a tenth, then all of it."""
    build = _of(history, "second")
    assert build.outcome.ran == STEPS, build.outcome.output
    assert build.shares() == [f"NEW=10,{_revision('11111111')}=90", "NEW=100"]
    assert build.traffic == {build.revision: 100}


@pytest.mark.server
def test_a_second_build_of_a_commit_reuses_its_results(
    history: dict[str, Build | DryRun],
) -> None:
    """Model, image and cached environment of the first build are reused."""
    output = _of(history, "second").outcome.output
    assert "the champion has the same code and flights: kept" in output["train"]
    assert "an image of this commit and model exists" in output["image"]
    assert "stand-in for: make train" in _of(history, "first").outcome.output["train"]
    assert "stand-in for: make train" not in output["train"]


@pytest.mark.server
def test_the_image_is_deployed_by_its_digest(history: dict[str, Build | DryRun]) -> None:
    """The tested image and the SBOM have the deployed digest."""
    dry, build = _dry(history), _of(history, "second")
    image = dry.cloud.read()["services"]["flight-delay"]["revisions"][build.revision]
    assert "@sha256:" in image
    assert f"image: {image}" in build.outcome.output["push"]
    sboms = [call for call in build.calls if call[1:4] == ["artifacts", "sbom", "load"]]
    assert [word for word in sboms[0] if word.startswith("--uri=")] == [f"--uri={image}"]


@pytest.mark.server
def test_a_failed_smoke_test_gets_no_traffic(history: dict[str, Build | DryRun]) -> None:
    """The stable revision keeps all traffic, and the candidate's tag is removed."""
    build = _of(history, "smoke")
    assert build.outcome.failed == "smoke"
    assert "GET /readyz answers 503" in build.outcome.output["smoke"]
    assert build.shares() == [f"{_revision('22222222')}=100"]
    assert build.traffic == {_revision("22222222"): 100}
    assert "--remove-tags=candidate" in build.calls[-1]


@pytest.mark.server
def test_a_failed_canary_is_rolled_back(history: dict[str, Build | DryRun]) -> None:
    """Errors at a tenth of the traffic return all of it to the stable revision."""
    build = _of(history, "canary")
    good = _revision("22222222")
    assert build.outcome.failed == "canary"
    assert "answered requests with 500, 503" in build.outcome.output["canary"]
    assert build.shares() == [f"NEW=10,{good}=90", f"{good}=100"]
    assert build.traffic == {good: 100}


@pytest.mark.server
def test_a_build_takes_over_the_lock_of_one_that_failed(
    history: dict[str, Build | DryRun],
) -> None:
    """The lock of a failed build does not block the next one."""
    output = _of(history, "canary").outcome.output["lock"]
    assert "build 33333333 ended (FAILURE) and left its lock: removed" in output


@pytest.mark.server
def test_rollback_returns_to_the_release_before(history: dict[str, Build | DryRun]) -> None:
    """`make rollback` moves the traffic and the pointer to the champion."""
    dry = _dry(history)
    done = dry.call("deploy/steps/rollback.sh", ENVIRONMENT="production")
    assert done.returncode == 0, done.stderr
    traffic = dry.cloud.read()["services"]["flight-delay"]["traffic"]
    assert [t["revisionName"] for t in traffic if t.get("percent") == 100] == [
        _revision("11111111")
    ]
    again = dry.call("deploy/steps/rollback.sh", ENVIRONMENT="production")
    assert again.returncode == 1
    assert "is the first release" in again.stderr
    there = dry.call("deploy/steps/rollback.sh", ENVIRONMENT="production", TO=_revision("22222222"))
    assert there.returncode == 0, there.stderr
    assert dry.cloud.get(POINTER)


@pytest.fixture
def dry(tmp_path: Path) -> DryRun:
    """Return a project without deployments."""
    return DryRun(tmp_path, tmp_path)


def test_two_builds_do_not_deploy_at_the_same_time(dry: DryRun) -> None:
    """The second build waits until the first has released the lock."""
    with dry.cloud.change() as state:
        state["builds"] = {"one": "WORKING", "two": "WORKING"}
    lock = ("bash", "deploy/steps/lock.sh")
    assert dry.call(*lock, ENVIRONMENT="production", BUILD="one").returncode == 0
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(dry.call, *lock, ENVIRONMENT="production", BUILD="two")
        while not dry.cloud.calls("gcloud", "builds", "describe", "one"):
            assert not waiting.done()
            time.sleep(0.05)
        assert dry.cloud.get(LOCK) == b"one"
        stranger = dry.call("bash", "deploy/steps/unlock.sh", ENVIRONMENT="production", BUILD="two")
        assert stranger.returncode == 1
        unlock = ("bash", "deploy/steps/unlock.sh")
        assert dry.call(*unlock, ENVIRONMENT="production", BUILD="one").returncode == 0
        assert waiting.result().returncode == 0
    assert dry.cloud.get(LOCK) == b"two"


def test_waiting_for_the_lock_times_out(dry: DryRun) -> None:
    """A lock that stays taken fails the build."""
    dry.cloud.put(LOCK, b"one")
    with dry.cloud.change() as state:
        state["builds"] = {"one": "WORKING"}
    done = dry.call(
        *("bash", "deploy/steps/lock.sh"), ENVIRONMENT="production", BUILD="2", LOCK_SECONDS="1"
    )
    assert done.returncode == 1
    assert "is still taken after 1 s" in done.stderr


def test_a_model_rejected_by_the_gate_is_not_stored(dry: DryRun) -> None:
    """The step fails with the gate's exit code, and the bucket is unchanged."""
    work = dry.folder / "work-call"
    work.mkdir()
    (work / "dataset_SCL.csv").write_text("flights")
    assert dry.call("bash", "deploy/steps/train.sh", GATE="refuse").returncode == 3
    assert not list(dry.cloud.objects.rglob("*.bentomodel"))


def test_flights_with_a_wrong_checksum_are_rejected(dry: DryRun) -> None:
    """The data step fails if the flights do not match their checksum."""
    dry.place_flights(b"flights")
    dry.cloud.put(f"{DATA_BUCKET}/flights/dataset_SCL.csv", b"fl1ghts")
    done = dry.call("bash", "deploy/steps/data.sh")
    assert done.returncode == 1
    assert "did NOT match" in done.stderr


def test_an_unreachable_bucket_fails_the_build(dry: DryRun) -> None:
    """A network fault must not look like a first deployment, which has no champion gate."""
    with dry.cloud.change() as state:
        state["buckets"] = []
    done = dry.call("bash", "deploy/steps/champion.sh")
    assert done.returncode == 1
    assert "no model is in production" not in done.stdout


def test_a_revision_that_does_not_start_changes_nothing(dry: DryRun) -> None:
    """Cloud Run rejects it, and the traffic is unchanged."""
    traffic = [{"revisionName": "good", "percent": 100}]
    with dry.cloud.change() as state:
        state["services"] = {"flight-delay": {"revisions": {"good": "x"}, "traffic": traffic}}
        state["unready"] = ["-22222222"]
    dry.answer_with(service="http://127.0.0.1:9")
    work = dry.folder / "work-call"
    work.mkdir()
    for name, value in (("image", f"registry/service@sha256:{'0' * 64}"), ("model", "1")):
        (work / name).write_text(value)
    done = dry.call(
        *("bash", "deploy/steps/candidate.sh"), ENVIRONMENT="production", BUILD="22222222"
    )
    assert done.returncode == 1
    assert "is not ready" in done.stderr
    assert dry.cloud.read()["services"]["flight-delay"]["traffic"] == traffic


def test_the_fake_cloud_records_calls_in_order(tmp_path: Path) -> None:
    """`calls` returns those with the given first words."""
    cloud = Cloud(tmp_path)
    cloud.record("gcloud", ["a", "b"])
    cloud.record("docker", ["a"])
    assert cloud.calls("gcloud") == [["gcloud", "a", "b"]]
