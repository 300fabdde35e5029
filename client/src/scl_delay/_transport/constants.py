"""Limits, names and conventions of the service.

Made by `make client-models` from the service's contract: edit that, not this.
"""

from __future__ import annotations

MAX_FLIGHTS = 10_000
"""Largest number of flights per request."""

MAX_BODY_BYTES = 4_000_000
"""Default limit of a request body, in bytes."""

LATE_MINUTES = 15
"""A flight is late if its delay exceeds this."""

SHORTEST_DELAY = -15.0
"""Smaller delays count as this, in minutes."""

LONGEST_DELAY = 120.0
"""Larger delays count as this, in minutes."""

AIRPORT_HOURS = (1, 3, 6, 24)
"""Windows of the airport state, in hours."""

SCHEDULE_COLUMNS = ("airline", "flight_number", "destination", "scheduled_departure", "flight_type")
"""Fields of a flight; no others are sent."""

RAW_COLUMNS = {
    "Emp-I": "airline",
    "Vlo-I": "flight_number",
    "Des-I": "destination",
    "Fecha-I": "scheduled_departure",
    "TIPOVUELO": "flight_type",
}
"""Names of these fields in dataset_SCL.csv."""

RAW_ACTUAL_DEPARTURE = "Fecha-O"
"""Actual departure in dataset_SCL.csv."""

DEPARTURE_PATTERN = (
    r"^20([0-4][0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[1"
    r"2][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|(00|04|08|12|16|20|24|28|32|36|40|44|48)-"
    r"02-29)[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+-]([01]"
    r"[0-9]|2[0-3]):[0-5][0-9])?$"
)
"""Accepted times."""

PROBLEM_TYPE = "urn:flight-delay:problem:"
"""Prefix of the service's problem types."""
