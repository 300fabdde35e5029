"""What a contribution to a probability can be about, as people know it.

By itself, so that the contract can name the groups without loading what computes them.
"""

from __future__ import annotations

from typing import Literal, get_args

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
GROUPS: tuple[Group, ...] = get_args(Group)
