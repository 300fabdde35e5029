"""Score one flight and print its probability of a late departure with the reasons.

pip install ./client
python examples/predict.py
"""

from __future__ import annotations

import os

from scl_delay import DelayClient, Flight, InvalidError

URL = os.environ.get("SCL_DELAY_URL", "http://localhost:3000")

flight = Flight(
    airline="LAN",
    flight_number="120",
    destination="SCFA",
    scheduled_departure="2017-07-14T08:30",  # the airport's local time; a datetime works too
)

with DelayClient(URL) as client:
    prediction = client.predict(flight, explain=True)
    print(f"LAN120 leaves late with a probability of {prediction.probability:.0%}")
    print(f"that is {prediction.risk} risk")
    if prediction.explanation is not None:
        for reason in prediction.explanation.contributions:
            print(f"  {reason.group:<12} {100 * reason.change:+.1f} points")

    try:
        client.predict({**flight.model_dump(), "airline": "latam"})
    except InvalidError as refused:
        for field in refused.problem.errors or ():
            print(f"refused: {field.pointer}: {field.detail}")
