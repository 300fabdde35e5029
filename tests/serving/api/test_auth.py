"""API keys: who is let in, how often, and what everybody else is told."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from model.inference.bundle import Bundle
from serving.api.application import GUARDED, Application
from serving.api.auth import ApiKeys, digest
from serving.contract.schema import EXAMPLE_FLIGHT
from serving.errors import Forbidden, ProblemError, RateLimited, Unauthorized
from serving.key_file import KeyFileError
from serving.settings import Settings
from tests.support.runtime import make_runtime
from tests.support.server import PROJECT

OLD, NEW, SLOW = "old key of the board", "new key of the board", "key of the slow one"
FILE = f"""
# the board is about to change its key
board {digest(OLD)}
board {digest(NEW)}   # from next month
slow  {digest(SLOW)} 2
"""


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the keys."""
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> ApiKeys:
    """The keys of `FILE`."""
    made = ApiKeys.parse(FILE)
    made._clock = clock
    return made


def shows(**headers: str) -> list[tuple[bytes, bytes]]:
    """These headers as a request's, underscores for dashes."""
    return [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]


def test_both_keys_of_a_rotation_are_accepted(keys: ApiKeys) -> None:
    """While a key is replaced, old and new let the same caller in, by either header."""
    assert keys.authenticate(shows(x_api_key=OLD)) == "board"
    assert keys.authenticate(shows(x_api_key=NEW)) == "board"
    assert keys.authenticate(shows(authorization=f"Bearer {NEW}")) == "board"


@pytest.mark.parametrize("key", ["", "wrong", OLD.upper(), OLD + "x", digest(OLD), "k" * 100_000])
def test_other_keys_are_not(keys: ApiKeys, key: str) -> None:
    """Anything else is refused, the hash of a key included."""
    with pytest.raises(Forbidden):
        keys.authenticate(shows(x_api_key=key))


def test_no_key_is_told_how_to_show_one(keys: ApiKeys) -> None:
    """Without a key the answer is 401 with the way to send one."""
    with pytest.raises(Unauthorized, match="X-API-Key") as refused:
        keys.authenticate(shows(authorization="Basic abc"))
    assert refused.value.headers[0][0] == b"www-authenticate"


def test_several_authorization_headers_hold_no_key(keys: ApiKeys) -> None:
    """Two tokens are refused like none, because either could be the one that counts."""
    headers = shows(authorization=f"Bearer {NEW}")
    assert keys.authenticate(headers) == "board"
    with pytest.raises(Unauthorized):
        keys.authenticate([*headers, *shows(authorization="Bearer other")])


def test_an_allowance_is_used_up_and_comes_back(keys: ApiKeys, clock: Clock) -> None:
    """Two a second: the third at once waits, others are not touched, and half a second helps."""
    for _ in range(2):
        keys.authenticate(shows(x_api_key=SLOW))
    with pytest.raises(RateLimited) as refused:
        keys.authenticate(shows(x_api_key=SLOW))
    assert refused.value.headers == ((b"retry-after", b"1"),)
    keys.authenticate(shows(x_api_key=OLD))
    clock.now = 0.5
    keys.authenticate(shows(x_api_key=SLOW))
    with pytest.raises(RateLimited):
        keys.authenticate(shows(x_api_key=SLOW))


def test_an_allowance_does_not_pile_up(keys: ApiKeys, clock: Clock) -> None:
    """After an idle day no more than the allowance goes at once."""
    clock.now = 86_400.0
    for _ in range(2):
        keys.authenticate(shows(x_api_key=SLOW))
    with pytest.raises(RateLimited):
        keys.authenticate(shows(x_api_key=SLOW))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no key"),
        ("# only a remark", "holds no key"),
        ("board secret", "line 1"),
        (f"\nboard {digest(OLD)} fast", "line 2"),
        (f"board {digest(OLD)} 0", "line 1"),
        (f"bo/ard {digest(OLD)}", "line 1"),
    ],
)
def test_a_bad_file_is_refused_by_its_line(text: str, says: str) -> None:
    """The text says which line, never what stands there: it may be a key."""
    with pytest.raises(KeyFileError, match=says) as refused:
        ApiKeys.parse(text)
    assert "secret" not in str(refused.value)


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    """A setting that names no file is an error, not a service without keys."""
    with pytest.raises(ValidationError, match="api_keys_file"):
        Settings(api_keys_file=tmp_path / "none")


def test_the_command_makes_what_the_file_accepts() -> None:
    """The printed key is accepted by the printed line."""
    command = [sys.executable, "-m", "serving.api.auth", "board"]
    made = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    key, line = (text.partition(":")[2].strip() for text in made.splitlines())
    assert ApiKeys.parse(line).authenticate(shows(x_api_key=key)) == "board"


async def _nothing(*_: object) -> None:
    raise AssertionError


def test_the_front_door_asks_for_keys(bundle: Bundle, tmp_path: Path) -> None:
    """With a key file, guarded routes refuse in problem documents; probes and pages stay open."""
    file = tmp_path / "keys"
    file.write_text(FILE)
    runtime = make_runtime(bundle)
    door = Application(_nothing, lambda: runtime, Settings(api_keys_file=file))
    body = json.dumps({"flights": [EXAMPLE_FLIGHT]})

    async def statuses(key: str | None) -> dict[str, int]:
        headers = {"content-type": "application/json"} | ({"x-api-key": key} if key else {})
        transport = httpx.ASGITransport(app=door)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            answers = [await client.get(p, headers=headers) for p in ("/livez", "/", *GUARDED[1:])]
            answers.append(await client.post("/predict_delay", content=body, headers=headers))
        assert all("problem" in a.headers["content-type"] for a in answers if a.status_code != 200)
        return {str(answer.url.path): answer.status_code for answer in answers}

    open_routes = {"/livez": 200, "/": 200}
    for key, status in ((None, 401), ("wrong", 403), (NEW, 200)):
        assert asyncio.run(statuses(key)) == open_routes | dict.fromkeys(GUARDED, status)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_caller_is_told_that_its_rate_holds_for_each_worker(
    bundle: Bundle, tmp_path: Path, workers: int
) -> None:
    """The text of the 429 names the number of workers where there are several."""
    file = tmp_path / "keys"
    file.write_text(f"slow {digest(SLOW)} 0.001\n")
    runtime = make_runtime(bundle)
    door = Application(_nothing, lambda: runtime, Settings(api_keys_file=file, workers=workers))

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=door)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return [await client.get("/model", headers={"x-api-key": SLOW}) for _ in range(2)]

    accepted, refused = asyncio.run(ask())
    assert (accepted.status_code, refused.status_code) == (200, 429)
    expected = {1: "requests a second.", 2: "requests a second on each of the 2 workers."}
    assert refused.json()["detail"] == f"This key allows 0.001 {expected[workers]}"


def test_refusals_have_their_statuses() -> None:
    """401, 403 and 429, as HTTP means them."""
    kinds: list[type[ProblemError]] = [Unauthorized, Forbidden, RateLimited]
    assert [kind.status for kind in kinds] == [401, 403, 429]
