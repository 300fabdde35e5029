"""Requests with very many invalid fields cost little memory and name few of the fields."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from serving.contract.decoding import LISTED_ERRORS, LONGEST_NAME, decode
from serving.contract.schema import EXAMPLE_FLIGHT, MAX_FLIGHTS
from serving.errors import Invalid
from tests.support.server import PROJECT

UNKNOWN = b",".join(b'"%x":0' % number for number in range(400_000))
MANY_ERRORS = {
    "empty flights": b'{"flights":[' + b",".join([b"{}"] * MAX_FLIGHTS) + b"]}",
    "unknown fields": b"{" + UNKNOWN + b"}",
    "unknown fields of a flight": b'{"flights":[{' + UNKNOWN + b"}]}",
}
MOST_MEGABYTES = 60
_MEASURE = """
import resource, sys
from serving.contract.decoding import decode
from serving.errors import Invalid
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
body, before = sys.stdin.buffer.read(), peak()
try: decode(body)
except Invalid: print(peak() - before)
"""


@pytest.mark.parametrize("body", MANY_ERRORS.values(), ids=MANY_ERRORS)
def test_many_errors_take_little_memory(body: bytes) -> None:
    """Without a limit these bodies of up to 4 MB take hundreds of megabytes."""
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE], cwd=PROJECT, input=body, capture_output=True, check=True
    )
    assert int(run.stdout) < MOST_MEGABYTES


def test_a_long_body_gets_the_fields_of_its_first_invalid_flight() -> None:
    """All others are neither validated nor counted."""
    flights: list[object] = [EXAMPLE_FLIGHT] * 1_000
    flights[700] = flights[701] = {**EXAMPLE_FLIGHT, "airline": "lan", "gate": 1}
    with pytest.raises(Invalid, match=r"^2 invalid") as raised:
        decode(json.dumps({"flights": flights}).encode())
    assert [each["flight"] for each in raised.value.errors or []] == [700, 700]


def test_a_short_body_gets_the_fields_of_all_flights() -> None:
    """The first ones are listed, and all are counted."""
    with pytest.raises(Invalid, match=r"^200 invalid") as raised:
        decode(json.dumps({"flights": [{}] * 50}).encode())
    assert len(raised.value.errors or []) == LISTED_ERRORS


def test_more_errors_than_can_be_listed_are_counted() -> None:
    """The problem then lists none."""
    with pytest.raises(Invalid, match="8000 invalid") as raised:
        decode(json.dumps({"flights": [{}] * 2_000}).encode())
    assert raised.value.errors is None


def test_the_largest_valid_request_is_accepted() -> None:
    """It has as many colons as a request can have: in each name, and in times with an offset."""
    flight = EXAMPLE_FLIGHT | {"scheduled_departure": "2017-07-14T08:30:00-04:00"}
    assert len(decode(json.dumps({"flights": [flight] * MAX_FLIGHTS}).encode()).flights) > 0


def test_a_pointer_repeats_the_beginning_of_a_long_name() -> None:
    """A name as long as the body would make the answer three times as long as the request."""
    with pytest.raises(Invalid) as raised:
        decode(json.dumps({"flights": [EXAMPLE_FLIGHT], "x" * 10_000: 1}).encode())
    assert [each["pointer"] for each in raised.value.errors or []] == ["/" + "x" * LONGEST_NAME]
    assert len(str(raised.value)) < 2 * LONGEST_NAME
