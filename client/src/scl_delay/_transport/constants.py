"""What the service says once: limits, names and conventions.

Made by `make client-models` from the service's contract: edit that, not this.
"""

from __future__ import annotations

MAX_FLIGHTS = 10_000
"""Most flights of one request."""

MAX_BODY_BYTES = 4_000_000
"""Largest request, unless the service is set otherwise."""

LATE_MINUTES = 15
"""Late is more than this after schedule."""

SHORTEST_DELAY = -15.0
"""Minutes below which a delay is cut."""

LONGEST_DELAY = 120.0
"""Minutes above which a delay is cut."""

AIRPORT_HOURS = (1, 3, 6, 24)
"""Windows of the airport's state."""

SCHEDULE_COLUMNS = ("airline", "flight_number", "destination", "scheduled_departure", "flight_type")
"""What is sent of a flight, and no more."""

RAW_COLUMNS = {
    "Emp-I": "airline",
    "Vlo-I": "flight_number",
    "Des-I": "destination",
    "Fecha-I": "scheduled_departure",
    "TIPOVUELO": "flight_type",
}
"""The same by the names that dataset_SCL.csv gives them."""

RAW_ACTUAL_DEPARTURE = "Fecha-O"
"""When a flight left, in dataset_SCL.csv."""

DEPARTURE_PATTERN = (
    r"^20([0-4][0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[1"
    r"2][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|(00|04|08|12|16|20|24|28|32|36|40|44|48)-"
    r"02-29)[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+-]([01]"
    r"[0-9]|2[0-3]):[0-5][0-9])?$"
)
"""Every accepted time."""

PROBLEM_TYPE = "urn:flight-delay:problem:"
"""What the types of the service's problems begin with."""
