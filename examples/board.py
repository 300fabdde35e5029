"""Score the next flights of a departures board with the asynchronous client.

    python examples/board.py

A board sends a request every minute, among other work. The request holds the airport's current
state, because the service has no other source for it.
"""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta

from scl_delay import AsyncDelayClient, Flight, airport_state

URL = os.environ.get("SCL_DELAY_URL", "http://localhost:3000")
NOW = datetime(2017, 7, 14, 8, 0)  # noqa: DTZ001 - Santiago's wall clock

LEFT = {  # this morning's departures; a board reads them from the airport's systems
    "scheduled_departure": [NOW - timedelta(minutes=minutes) for minutes in (170, 95, 50, 35, 20)],
    "actual_departure": [NOW - timedelta(minutes=minutes) for minutes in (168, 90, 28, 10, 1)],
}
NEXT = [
    ("LAN", "120", "SCFA", 30),
    ("SKU", "201", "SCTE", 45),
    ("AAL", "940", "KMIA", 70),
    ("LAN", "271", "SCIE", 600),
]


async def main() -> None:
    """Send two requests concurrently: the schedule alone, and with the airport's state."""
    flights = [
        Flight(
            airline=airline,
            flight_number=number,
            destination=destination,
            scheduled_departure=NOW + timedelta(minutes=minutes),
        )
        for airline, number, destination, minutes in NEXT
    ]
    state = airport_state(LEFT, NOW, hours=3)
    async with AsyncDelayClient(URL, timeout=10) as client:
        plain, fresh = await asyncio.gather(
            client.predict_many(flights), client.predict_many(flights, airport_state=state)
        )
    print(f"late in the last hour: {state.last_hour.late_share:.0%}")
    print("flight   to    schedule  now")
    for flight, before, now in zip(flights, plain, fresh, strict=True):
        name = flight.airline + flight.flight_number
        print(f"{name:<8} {flight.destination}  {before.probability:>7.0%} {now.probability:>5.0%}")


asyncio.run(main())
