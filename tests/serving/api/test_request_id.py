"""Request ids: the client's if it is valid, and no other bytes of the client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.api import request_id

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00-" + TRACE + b"-00f067aa0ba902b7-01"


def id_headers(*headers: tuple[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the headers that identify a request with these headers."""
    return dict(request_id.response_headers([(b"host", b"x"), *headers]))


def test_a_valid_id_is_kept() -> None:
    """The answer carries the client's own id."""
    assert id_headers((b"x-request-id", b"order-7/a:1")) == {b"x-request-id": b"order-7/a:1"}


def test_a_trace_id_is_used_as_request_id() -> None:
    """A valid trace is sent back, and gives the id unless the client sends one."""
    parent = (b"traceparent", PARENT)
    assert id_headers(parent) == {b"x-request-id": TRACE, b"traceparent": PARENT}
    assert id_headers(parent, (b"x-request-id", b"a"))[b"x-request-id"] == b"a"


@pytest.mark.parametrize(
    "value", [b"", b"a b", b"a\r\nset-cookie: x=y", b"\x1b[2J", b"a" * 129, b"\xff", b'"', b"<b>"]
)
def test_an_invalid_id_is_replaced(value: bytes) -> None:
    """Characters that could do harm in a header or a log line are not repeated."""
    made = id_headers((b"x-request-id", value))[b"x-request-id"]
    assert made != value
    assert request_id._REQUEST_ID(made)


@pytest.mark.parametrize(
    "value",
    [
        b"", PARENT[:-1], PARENT + b"0", PARENT.upper(), b"ff" + PARENT[2:],
        b"00-" + b"0" * 32 + PARENT[35:], PARENT[:36] + b"0" * 16 + b"-01", PARENT + b"\r\nx: y",
    ],
)  # fmt: skip
def test_an_invalid_trace_is_dropped(value: bytes) -> None:
    """A trace that the standard does not allow is not sent back."""
    assert b"traceparent" not in id_headers((b"traceparent", value))


def test_new_ids_differ() -> None:
    """Every request without an id gets a different one."""
    assert len({id_headers()[b"x-request-id"] for _ in range(1000)}) == 1000


@given(value=st.binary(max_size=200))
def test_answers_hold_only_allowed_characters(value: bytes) -> None:
    """No other byte of any header value is sent back."""
    for header in (b"x-request-id", b"traceparent"):
        for answered in id_headers((header, value)).values():
            assert request_id._REQUEST_ID(answered)
