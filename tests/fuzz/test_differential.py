"""Tests that the request path agrees with the oracle on kept, new and generated inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.flights import Flights
from model.inference.bundle import Bundle
from model.inference.calibration import FloatArray
from model.inference.predictor import Predictor
from serving.api import predict
from serving.contract import decoding
from serving.contract.schema import EXAMPLE_FLIGHT, EXAMPLE_STATE, PredictionRequest
from tests.fuzz.__main__ import attempts
from tests.fuzz.differential import Differential, Outcome, read_corpus
from tests.fuzz.generator import Generator

FRESH_INPUTS = 5_000
SEED = 20171231


@pytest.fixture(scope="module")
def differential(bundle: Bundle) -> Differential:
    """Return the comparison of the request path with the oracle."""
    return Differential(bundle)


def tried(differential: Differential, inputs: int, seed: int = SEED) -> Outcome:
    """Return the result of comparing new inputs."""
    outcome = Outcome()
    for bodies in attempts(Generator(seed, read_corpus()), inputs):
        outcome.add(differential.run(bodies))
    return outcome


def test_the_kept_inputs_agree(differential: Differential) -> None:
    """Every input of the corpus is answered as the oracle does."""
    outcome = differential.run(read_corpus())
    assert outcome.inputs > 100
    assert not outcome.disagreements, "\n".join(map(str, outcome.disagreements[:10]))


def test_fresh_inputs_agree(differential: Differential) -> None:
    """Thousands of new inputs, valid and invalid, are answered as the oracle does."""
    outcome = tried(differential, FRESH_INPUTS)
    assert not outcome.disagreements, "\n".join(map(str, outcome.disagreements[:10]))
    # the inputs cover valid and invalid requests
    assert all(outcome.statuses[status] > FRESH_INPUTS / 10 for status in (200, 400, 422))


def _careless(decode: Callable[[bytes], PredictionRequest]) -> Callable[[bytes], Any]:
    """Return a decoder that also accepts one airline in lower case."""
    return lambda body: decode(body.replace(b'"lan"', b'"LAN"'))


def _cropped(decode: Callable[[bytes], PredictionRequest]) -> Callable[[bytes], Any]:
    """Return a decoder that ignores the bytes after the document."""
    return lambda body: decode(body[: body.rfind(b"}") + 1])


@pytest.mark.parametrize("flaw", [_careless, _cropped])
def test_a_flawed_decoder_is_found(
    differential: Differential, monkeypatch: pytest.MonkeyPatch, flaw: Callable[[Any], Any]
) -> None:
    """The comparison finds a decoder that accepts slightly too much."""
    monkeypatch.setattr(predict, "decode", flaw(decoding.decode))
    assert tried(differential, FRESH_INPUTS).disagreements


def test_a_flawed_score_is_found(
    differential: Differential, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison finds scores that are off by 1e-8, and scores in another order."""
    score = Predictor.score

    def off(self: Predictor, flights: Flights) -> FloatArray:
        return score(self, flights) + 1e-8

    def turned(self: Predictor, flights: Flights) -> FloatArray:
        return np.roll(score(self, flights), 1)

    for flaw in (off, turned):
        monkeypatch.setattr(Predictor, "score", flaw)
        assert tried(differential, 200).disagreements


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["LAN", "120", "SCFA", "N", "2017-07-14T08:30", "2017-07-14T08:30Z"]),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
_FLIGHTS = st.fixed_dictionaries(
    {name: st.one_of(st.just(value), _VALUES) for name, value in EXAMPLE_FLIGHT.items()}
)
_STATES = st.fixed_dictionaries(
    {name: st.one_of(st.just(value), _VALUES) for name, value in EXAMPLE_STATE.items()}
)
_REQUESTS = st.fixed_dictionaries(
    {"flights": st.lists(_FLIGHTS, max_size=3)},
    optional={"airport_state": _STATES, "explain": st.one_of(st.booleans(), _VALUES)},
)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(document=st.one_of(_REQUESTS, _VALUES))
def test_any_document_agrees(differential: Differential, document: Any) -> None:
    """Any JSON agrees; Hypothesis shrinks a document that does not."""
    outcome = differential.run([json.dumps(document).encode()])
    assert not outcome.disagreements, str(outcome.disagreements[0])
