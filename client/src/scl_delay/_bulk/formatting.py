"""What the command line prints for people: at most 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from scl_delay.models import Explanation, Flight, Prediction

WIDTH = 80
RISKS: tuple[str, ...] = get_args(Prediction.model_fields["risk"].annotation)
"""The lowest first."""
BAR = 20
_LONG = 8
"""Lists and dictionaries with more entries are counted, not shown."""


def prediction_text(flight: Flight, prediction: Prediction) -> str:
    """One prediction in words."""
    when = str(flight.scheduled_departure).replace("T", " ")
    lines = [
        f"{flight.airline}{flight.flight_number} to {flight.destination}, {when}",
        "",
        *table(
            [
                ("late by more than 15 min", _percent(prediction.probability)),
                ("counts as delayed", "yes" if prediction.delayed else "no"),
                ("risk", prediction.risk),
                ("never seen before", ", ".join(prediction.unknown) or "nothing"),
            ]
        ),
    ]
    if prediction.explanation is not None:
        lines += ["", *_reasons(prediction.explanation)]
    return "\n".join(lines)


def card_text(card: Mapping[str, Any]) -> str:
    """The model card: what fits on a line of it."""
    warning = textwrap.wrap(f"WARNING: {card['warning']}", WIDTH) if "warning" in card else []
    known = {name: value for name, value in card.items() if name != "warning"}
    return "\n".join([*warning, *table(_flat(known))])


def summary_text(summary: Mapping[str, Any]) -> str:
    """What a run over a file found."""
    risks = ", ".join(f"{summary['risk'].get(name, 0):,} {name}" for name in RISKS)
    return f"{summary['flights']:,} flights: {summary['delayed']:,} delayed; risk: {risks}"


def table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of two columns; the second is cut at the edge."""
    pairs = [(name, value) for name, value in rows]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        yield shortened(f"  {name:<{width}}  {value}")


def shortened(line: str) -> str:
    """A line of at most `WIDTH` characters."""
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _reasons(explanation: Explanation) -> Iterator[str]:
    yield f"  from {_percent(explanation.base)} for a flight of which nothing is known:"
    largest = max((abs(each.change) for each in explanation.contributions), default=0) or 1
    for each in explanation.contributions:
        bar = ("+" if each.change > 0 else "-") * round(BAR * abs(each.change) / largest)
        yield f"  {each.group:<12} {100 * each.change:+6.1f}  {bar}"


def _flat(card: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Values with the names of what they stand in; long lists are counted, not shown."""
    for name, value in card.items():
        if isinstance(value, Mapping | list) and len(value) > _LONG:
            yield before + name, f"({len(value)} entries)"
        elif isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
