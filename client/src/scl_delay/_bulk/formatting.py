"""Format the command line's text output, at most 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from scl_delay.models import Explanation, Flight, Prediction

WIDTH = 80
RISKS: tuple[str, ...] = get_args(Prediction.model_fields["risk"].annotation)
"""Risks, the lowest first."""
BAR = 20
_LONG = 8
"""Longer lists and dictionaries are shown as their number of entries."""


def prediction_text(flight: Flight, prediction: Prediction) -> str:
    """Return one prediction as text."""
    when = str(flight.scheduled_departure).replace("T", " ")
    lines = [
        f"{flight.airline}{flight.flight_number} to {flight.destination}, {when}",
        "",
        *table(
            [
                ("late by more than 15 min", _percent(prediction.probability)),
                ("counts as delayed", "yes" if prediction.delayed else "no"),
                ("risk", prediction.risk),
                ("unknown to the model", ", ".join(prediction.unknown) or "nothing"),
            ]
        ),
    ]
    if prediction.explanation is not None:
        lines += ["", *_reasons(prediction.explanation)]
    return "\n".join(lines)


def card_text(card: Mapping[str, Any]) -> str:
    """Return the model card as text, one line per value."""
    warning = textwrap.wrap(f"WARNING: {card['warning']}", WIDTH) if "warning" in card else []
    known = {name: value for name, value in card.items() if name != "warning"}
    return "\n".join([*warning, *table(_flat(known))])


def summary_text(summary: Mapping[str, Any]) -> str:
    """Return the counts of a run over a file as one line."""
    risks = ", ".join(f"{summary['risk'].get(name, 0):,} {name}" for name in RISKS)
    return f"{summary['flights']:,} flights: {summary['delayed']:,} delayed; risk: {risks}"


def table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield lines of two columns; a line longer than `WIDTH` is truncated."""
    pairs = [(name, value) for name, value in rows]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        yield shortened(f"  {name:<{width}}  {value}")


def shortened(line: str) -> str:
    """Return a line truncated to `WIDTH` characters."""
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _reasons(explanation: Explanation) -> Iterator[str]:
    yield f"  starting from {_percent(explanation.base)} for a flight with unknown values:"
    largest = max((abs(each.change) for each in explanation.contributions), default=0) or 1
    for each in explanation.contributions:
        bar = ("+" if each.change > 0 else "-") * round(BAR * abs(each.change) / largest)
        yield f"  {each.group:<12} {100 * each.change:+6.1f}  {bar}"


def _flat(card: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield values with their dotted names; long lists are shown as their number of entries."""
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
