"""Score flights: the code that is packed into the bento, and the names of explanation groups."""

from __future__ import annotations

from typing import Literal, get_args

# defined here, because the HTTP contract needs the names without numpy and the model code
Group = Literal[
    "airline",
    "destination",
    "hour",
    "weekday",
    "holiday",
    "congestion",
    "history",
    "airport now",
]
"""Group of features in an explanation."""
GROUPS: tuple[Group, ...] = get_args(Group)
