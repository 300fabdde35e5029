"""The example of the published contract: a flight that the served model knows well."""

from __future__ import annotations

from model.inference.bundle import Bundle
from serving.contract.schema import EXAMPLE_FLIGHT, Flight


def example_flight(bundle: Bundle) -> Flight:
    """Return a usual flight of the airline that the model has seen most.

    Of that airline's destinations it goes to the one with the most flights of all. Where the card
    tells of no flight numbers, as those of older models, it is the contract's own example.
    """
    codes = bundle.predictor.builder.codes
    usual = bundle.card.get("flight_numbers", {})
    routes = (
        (airline, destination)
        for airline in codes.airline_  # the most frequent first
        for destination in codes.destination_
        if usual.get(airline, {}).get(destination)
    )
    airline, destination = next(routes, (None, None))
    if airline is None:
        return Flight.model_validate(EXAMPLE_FLIGHT)
    return Flight.model_validate(
        EXAMPLE_FLIGHT
        | {
            "airline": airline,
            "flight_number": usual[airline][destination][0],
            "destination": destination,
            "flight_type": codes.type_of(str(destination)),
        }
    )
