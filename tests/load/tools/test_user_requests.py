"""Requests of the realistic users, and the statuses of their answers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from load.tools.user_requests import BOARD_FLIGHTS, Scenarios, UserRequest
from serving.contract.decoding import decode
from serving.contract.schema import EXAMPLE_FLIGHT, PredictionRequest
from serving.errors import ProblemError

DRAWN = 50


def _scenarios() -> Scenarios:
    return Scenarios([{**EXAMPLE_FLIGHT, "flight_number": str(number)} for number in range(1, 300)])


@pytest.mark.parametrize(
    ("draw", "sizes"), [(Scenarios.single, (1, 1)), (Scenarios.board, BOARD_FLIGHTS)]
)
def test_good_requests_are_valid(
    draw: Callable[[Scenarios], UserRequest], sizes: tuple[int, int]
) -> None:
    """A request holds one flight, or a board of them."""
    scenarios = _scenarios()
    for request in (draw(scenarios) for _ in range(DRAWN)):
        flights = PredictionRequest.model_validate_json(request.body).flights
        assert sizes[0] <= len(flights) <= sizes[1]
        assert request.expected == {200}


def test_broken_requests_are_refused_with_the_expected_status() -> None:
    """The service's own decoder refuses them; all kinds are drawn."""
    scenarios, seen = _scenarios(), set()
    for request in (scenarios.broken() for _ in range(DRAWN)):
        with pytest.raises(ProblemError) as refused:
            decode(request.body.encode())
        assert {refused.value.status} == request.expected
        seen.add(refused.value.status)
    assert seen == {400, 422}


def test_a_seed_draws_the_same_requests() -> None:
    """Two runs with one seed send the same requests."""
    first, again = _scenarios(), _scenarios()
    assert [first.board() for _ in range(5)] == [again.board() for _ in range(5)]
    assert json.loads(first.single().body)
