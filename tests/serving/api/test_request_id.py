"""Names of requests: the caller's where it is good, never anything else of the caller's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.api import request_id

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00-" + TRACE + b"-00f067aa0ba902b7-01"


def named(*headers: tuple[bytes, bytes]) -> dict[bytes, bytes]:
    """What names a request with these headers."""
    return dict(request_id.response_headers([(b"host", b"x"), *headers]))


def test_a_good_name_is_kept() -> None:
    """The caller finds its own name on the answer."""
    assert named((b"x-request-id", b"order-7/a:1")) == {b"x-request-id": b"order-7/a:1"}


def test_a_trace_names_a_request() -> None:
    """A well-formed trace comes back, and names the request unless the caller does."""
    parent = (b"traceparent", PARENT)
    assert named(parent) == {b"x-request-id": TRACE, b"traceparent": PARENT}
    assert named(parent, (b"x-request-id", b"a"))[b"x-request-id"] == b"a"


@pytest.mark.parametrize(
    "value", [b"", b"a b", b"a\r\nset-cookie: x=y", b"\x1b[2J", b"a" * 129, b"\xff", b'"', b"<b>"]
)
def test_a_bad_name_is_replaced(value: bytes) -> None:
    """What could do harm in a header or a log is not repeated."""
    made = named((b"x-request-id", value))[b"x-request-id"]
    assert made != value
    assert request_id._REQUEST_ID(made)


@pytest.mark.parametrize(
    "value",
    [
        b"", PARENT[:-1], PARENT + b"0", PARENT.upper(), b"ff" + PARENT[2:],
        b"00-" + b"0" * 32 + PARENT[35:], PARENT[:36] + b"0" * 16 + b"-01", PARENT + b"\r\nx: y",
    ],
)  # fmt: skip
def test_a_bad_trace_is_dropped(value: bytes) -> None:
    """A trace that the standard does not allow is as good as none."""
    assert b"traceparent" not in named((b"traceparent", value))


def test_made_names_differ() -> None:
    """Every request without a name gets one of its own."""
    assert len({named()[b"x-request-id"] for _ in range(1000)}) == 1000


@given(value=st.binary(max_size=200))
def test_whatever_is_sent_the_answer_is_clean(value: bytes) -> None:
    """No byte outside the allowed ones ever comes back."""
    for header in (b"x-request-id", b"traceparent"):
        for said in named((header, value)).values():
            assert request_id._REQUEST_ID(said)
