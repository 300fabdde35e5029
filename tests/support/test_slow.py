"""Selection of fast tests by the marker `slow`, which tests/conftest.py adds."""

from __future__ import annotations

import pytest

from tests.conftest import SLOW_FILES


def test_the_slow_files_exist() -> None:
    """No file in the list has been moved or removed."""
    assert [path for path in SLOW_FILES if not path.exists()] == []


@pytest.mark.server
def test_a_test_with_a_server_is_slow(request: pytest.FixtureRequest) -> None:
    """A test with the marker `server` gets `slow`."""
    assert request.node.get_closest_marker("slow")


def test_a_test_without_a_server_is_fast(request: pytest.FixtureRequest) -> None:
    """A test without markers and slow fixtures does not get `slow`."""
    assert not request.node.get_closest_marker("slow")
