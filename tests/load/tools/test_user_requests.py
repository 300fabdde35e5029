"""What the realistic users ask, and what they are told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from load.tools.user_requests import BOARD_FLIGHTS, Question, Scenarios
from serving.contract.decoding import decode
from serving.contract.schema import EXAMPLE_FLIGHT, PredictionRequest
from serving.errors import ProblemError

DRAWN = 50


def _scenarios() -> Scenarios:
    return Scenarios([{**EXAMPLE_FLIGHT, "flight_number": str(number)} for number in range(1, 300)])


@pytest.mark.parametrize(
    ("draw", "sizes"), [(Scenarios.single, (1, 1)), (Scenarios.board, BOARD_FLIGHTS)]
)
def test_good_questions_are_valid(
    draw: Callable[[Scenarios], Question], sizes: tuple[int, int]
) -> None:
    """One flight, or a board of them."""
    scenarios = _scenarios()
    for question in (draw(scenarios) for _ in range(DRAWN)):
        flights = PredictionRequest.model_validate_json(question.body).flights
        assert sizes[0] <= len(flights) <= sizes[1]
        assert question.expected == {200}


def test_broken_questions_are_refused_with_the_status_that_is_expected() -> None:
    """The service itself judges them; all kinds are drawn."""
    scenarios, seen = _scenarios(), set()
    for question in (scenarios.broken() for _ in range(DRAWN)):
        with pytest.raises(ProblemError) as refused:
            decode(question.body.encode())
        assert {refused.value.status} == question.expected
        seen.add(refused.value.status)
    assert seen == {400, 422}


def test_a_seed_draws_the_same_questions() -> None:
    """Two runs can be compared."""
    first, again = _scenarios(), _scenarios()
    assert [first.board() for _ in range(5)] == [again.board() for _ in range(5)]
    assert json.loads(first.single().body)
