"""Tests that the fake gcloud is as strict as the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.fakes import gcloud
from deploy.fakes.cloud import Cloud, CommandError


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    """Return a project with one bucket."""
    cloud = Cloud(tmp_path)
    with cloud.change() as state:
        state["buckets"] = ["gs://b"]
    return cloud


def _ask(cloud: Cloud, line: str) -> object:
    call = gcloud.parse(cloud, line.split())
    return gcloud.HANDLERS[call.command](call)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run services destroy x", "Invalid choice"),
        ("run services update-traffic x --to-revision=a=100", "unrecognized arguments"),
        ("storage cp a gs://b/o --if-generation-matches=0", "unrecognized arguments"),
        ("run services describe x --region", "expected one argument"),
        ("storage cp a gs://b/o --no-clobber=yes", "ignored one argument"),
        ("run services describe x", "Cannot find service"),
        ("storage cat gs://b/o", "matched no objects"),
        ("storage cat gs://other/o", "404"),
        ("builds describe 1", "NOT_FOUND"),
        ("auth print-identity-token", "needs --audiences"),
        ("artifacts sbom load --source=x --uri=service:latest", "by its digest"),
        ("iam service-accounts describe a@x", "NOT_FOUND"),
    ],
)
def test_invalid_calls_raise(cloud: Cloud, line: str, message: str) -> None:
    """Unknown commands, unknown flags and missing resources raise."""
    with pytest.raises(CommandError, match=message):
        _ask(cloud, line)


def test_an_object_is_created_once(cloud: Cloud, tmp_path: Path) -> None:
    """Generation 0 requires that the object does not exist; the lock relies on this."""
    source = tmp_path / "source"
    source.write_text("one")
    _ask(cloud, f"storage cp {source} gs://b/lock --if-generation-match=0")
    with pytest.raises(CommandError, match="412"):
        _ask(cloud, f"storage cp {source} gs://b/lock --if-generation-match=0")


def test_an_object_is_removed_only_in_the_given_generation(cloud: Cloud) -> None:
    """A lock that another build took meanwhile is kept."""
    cloud.put("gs://b/lock", b"one")
    seen = _ask(cloud, "storage objects describe gs://b/lock")
    assert isinstance(seen, dict)
    cloud.put("gs://b/lock", b"two")
    with pytest.raises(CommandError, match="412"):
        _ask(cloud, f"storage rm gs://b/lock --if-generation-match={seen['generation']}")
    assert _ask(cloud, "storage cat gs://b/lock") == b"two"
    with pytest.raises(CommandError, match="matched no objects"):
        _ask(cloud, f"storage cat gs://b/lock#{seen['generation']}")


@pytest.mark.parametrize(
    ("shares", "message"), [("a=90", "add up to 100"), ("a=90,c=10", "does not exist")]
)
def test_invalid_traffic_raises(cloud: Cloud, shares: str, message: str) -> None:
    """Percentages must add up to 100 and go to existing revisions."""
    with cloud.change() as state:
        state["services"]["x"] = {"revisions": {"a": "", "b": ""}, "traffic": []}
    with pytest.raises(CommandError, match=message):
        _ask(cloud, f"run services update-traffic x --to-revisions={shares}")
    _ask(cloud, "run services update-traffic x --to-revisions=a=90,b=10")
    assert [target["percent"] for target in cloud.read()["services"]["x"]["traffic"]] == [90, 10]


def test_every_command_has_flags_of_a_real_sdk() -> None:
    """`flags.json`, `commands.txt` and the handlers have the same commands."""
    commands = Path(gcloud.__file__).with_name("commands.txt").read_text().splitlines()
    assert sorted(gcloud.KNOWN_FLAGS["commands"]) == commands
    assert set(gcloud.HANDLERS) == set(commands)
