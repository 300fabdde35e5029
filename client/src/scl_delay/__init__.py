"""Client of the flight delay service: the probability that flights leave late.

>>> from scl_delay import DelayClient, Flight
>>> with DelayClient("http://localhost:3000") as client:  # doctest: +SKIP
...     flight = Flight(
...         airline="LAN",
...         flight_number="120",
...         destination="SCFA",
...         scheduled_departure="2017-07-14T08:30",
...     )
...     print(client.predict(flight).probability)
0.1813
"""

from scl_delay._bulk.columns import ColumnsError
from scl_delay._transport import problems
from scl_delay._transport.auth import ApiKey, BearerToken, GoogleIdToken
from scl_delay._transport.options import CallOptions, ManyOptions
from scl_delay._transport.problems import *  # noqa: F403 - one class per type of problem, as generated
from scl_delay._transport.retries import NO_RETRIES, Retries
from scl_delay._version import __version__
from scl_delay.airport import airport_state
from scl_delay.async_client import AsyncDelayClient
from scl_delay.client import DelayClient
from scl_delay.errors import (
    BadAnswerError,
    CredentialsError,
    DelayError,
    IncompleteError,
    NoAnswerError,
    ProblemError,
    TooSlowError,
)
from scl_delay.models import (
    AirportState,
    AirportWindow,
    Contribution,
    Explanation,
    FieldError,
    Flight,
    Prediction,
    Problem,
)

__all__ = [
    "NO_RETRIES",
    "AirportState",
    "AirportWindow",
    "ApiKey",
    "AsyncDelayClient",
    "BadAnswerError",
    "BearerToken",
    "CallOptions",
    "ColumnsError",
    "Contribution",
    "CredentialsError",
    "DelayClient",
    "DelayError",
    "Explanation",
    "FieldError",
    "Flight",
    "GoogleIdToken",
    "IncompleteError",
    "ManyOptions",
    "NoAnswerError",
    "Prediction",
    "Problem",
    "ProblemError",
    "Retries",
    "TooSlowError",
    "__version__",
    "airport_state",
]
__all__ += problems.__all__
