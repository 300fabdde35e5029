"""API keys: accepted keys, their rate limits, and the problems of other requests."""

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
    """Clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the keys."""
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> ApiKeys:
    """Return the keys of `FILE`."""
    made = ApiKeys.parse(FILE)
    made._clock = clock
    return made


def headers_of(**headers: str) -> list[tuple[bytes, bytes]]:
    """Return request headers; underscores become dashes."""
    return [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]


def test_both_keys_of_a_rotation_are_accepted(keys: ApiKeys) -> None:
    """While a key is replaced, the old and the new one are accepted, in either header."""
    assert keys.authenticate(headers_of(x_api_key=OLD)) == "board"
    assert keys.authenticate(headers_of(x_api_key=NEW)) == "board"
    assert keys.authenticate(headers_of(authorization=f"Bearer {NEW}")) == "board"


@pytest.mark.parametrize("key", ["", "wrong", OLD.upper(), OLD + "x", digest(OLD), "k" * 100_000])
def test_other_keys_are_refused(keys: ApiKeys, key: str) -> None:
    """Unknown keys give 403, the digest of a known key too."""
    with pytest.raises(Forbidden):
        keys.authenticate(headers_of(x_api_key=key))


def test_a_request_without_a_key_gets_the_header_to_send(keys: ApiKeys) -> None:
    """Without a key the answer is a 401 that names the headers."""
    with pytest.raises(Unauthorized, match="X-API-Key") as raised:
        keys.authenticate(headers_of(authorization="Basic abc"))
    assert raised.value.headers[0][0] == b"www-authenticate"


def test_several_authorization_headers_hold_no_key(keys: ApiKeys) -> None:
    """Two tokens are refused like none, because either could be the one that counts."""
    headers = headers_of(authorization=f"Bearer {NEW}")
    assert keys.authenticate(headers) == "board"
    with pytest.raises(Unauthorized):
        keys.authenticate([*headers, *headers_of(authorization="Bearer other")])


def test_a_rate_limit_refills(keys: ApiKeys, clock: Clock) -> None:
    """At two requests a second the third is refused, and accepted half a second later.

    Other keys are not affected.
    """
    for _ in range(2):
        keys.authenticate(headers_of(x_api_key=SLOW))
    with pytest.raises(RateLimited) as raised:
        keys.authenticate(headers_of(x_api_key=SLOW))
    assert raised.value.headers == ((b"retry-after", b"1"),)
    keys.authenticate(headers_of(x_api_key=OLD))
    clock.now = 0.5
    keys.authenticate(headers_of(x_api_key=SLOW))
    with pytest.raises(RateLimited):
        keys.authenticate(headers_of(x_api_key=SLOW))


def test_unused_rate_does_not_accumulate(keys: ApiKeys, clock: Clock) -> None:
    """After an idle day no more than the requests of one second are accepted at once."""
    clock.now = 86_400.0
    for _ in range(2):
        keys.authenticate(headers_of(x_api_key=SLOW))
    with pytest.raises(RateLimited):
        keys.authenticate(headers_of(x_api_key=SLOW))


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
def test_an_invalid_file_is_refused_with_the_line_number(text: str, says: str) -> None:
    """The text gives the line number and not the content, which may be a key."""
    with pytest.raises(KeyFileError, match=says) as raised:
        ApiKeys.parse(text)
    assert "secret" not in str(raised.value)


def test_a_missing_file_is_an_invalid_setting(tmp_path: Path) -> None:
    """Without the file there is an error, not a service that needs no keys."""
    with pytest.raises(ValidationError, match="api_keys_file"):
        Settings(api_keys_file=tmp_path / "none")


def test_the_command_makes_a_valid_key_and_line() -> None:
    """The printed key is accepted by the printed line."""
    command = [sys.executable, "-m", "serving.api.auth", "board"]
    made = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    key, line = (text.partition(":")[2].strip() for text in made.splitlines())
    assert ApiKeys.parse(line).authenticate(headers_of(x_api_key=key)) == "board"


async def _nothing(*_: object) -> None:
    raise AssertionError


def test_routes_need_a_key_if_there_is_a_key_file(bundle: Bundle, tmp_path: Path) -> None:
    """Guarded routes answer 401 and 403 with problem documents; probes and pages need no key."""
    file = tmp_path / "keys"
    file.write_text(FILE)
    runtime = make_runtime(bundle)
    application = Application(_nothing, lambda: runtime, Settings(api_keys_file=file))
    body = json.dumps({"flights": [EXAMPLE_FLIGHT]})

    async def statuses(key: str | None) -> dict[str, int]:
        headers = {"content-type": "application/json"} | ({"x-api-key": key} if key else {})
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            answers = [await client.get(p, headers=headers) for p in ("/livez", "/", *GUARDED[1:])]
            answers.append(await client.post("/predict_delay", content=body, headers=headers))
        assert all("problem" in a.headers["content-type"] for a in answers if a.status_code != 200)
        return {str(answer.url.path): answer.status_code for answer in answers}

    open_routes = {"/livez": 200, "/": 200}
    for key, status in ((None, 401), ("wrong", 403), (NEW, 200)):
        assert asyncio.run(statuses(key)) == open_routes | dict.fromkeys(GUARDED, status)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_429_says_that_the_rate_holds_for_each_worker(
    bundle: Bundle, tmp_path: Path, workers: int
) -> None:
    """The detail gives the number of workers if there are several."""
    file = tmp_path / "keys"
    file.write_text(f"slow {digest(SLOW)} 0.001\n")
    runtime = make_runtime(bundle)
    application = Application(
        _nothing, lambda: runtime, Settings(api_keys_file=file, workers=workers)
    )

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return [await client.get("/model", headers={"x-api-key": SLOW}) for _ in range(2)]

    accepted, limited = asyncio.run(ask())
    assert (accepted.status_code, limited.status_code) == (200, 429)
    expected = {1: "requests a second.", 2: "requests a second on each of the 2 workers."}
    assert limited.json()["detail"] == f"This key allows 0.001 {expected[workers]}"


def test_problems_of_keys_have_their_statuses() -> None:
    """No key is 401, a wrong one 403, too many requests 429."""
    kinds: list[type[ProblemError]] = [Unauthorized, Forbidden, RateLimited]
    assert [kind.status for kind in kinds] == [401, 403, 429]
