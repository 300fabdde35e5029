"""When a flight leaves: the clock, the day, public holidays, long weekends and seasons."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from data.airports.config import SANTIAGO, AirportConfig, Periods
from data.flights import Flights, weekday
from features.transformer import FloatMatrix, JsonObject

FIRST_YEAR, LAST_YEAR = 1999, 2050
"""Years for which the calendar holds: those of the contract, and one more at either end for times
that are given in another zone."""
_EPOCH = date(1970, 1, 1).toordinal()
FIRST_DAY = date(FIRST_YEAR, 1, 1).toordinal() - _EPOCH
LAST_DAY = date(LAST_YEAR, 12, 31).toordinal() - _EPOCH
_LAST_ROW = LAST_DAY - FIRST_DAY

HOLIDAY_REACH = 15.0
"""Days at which the distance to a holiday is capped: beyond, a holiday is simply far."""

DayTable = npt.NDArray[np.float64]


class Clock:
    """Minute of the day and of the hour, and weekday (Monday is 0)."""

    key: ClassVar[str] = "clock"
    names: ClassVar[tuple[str, ...]] = (
        "minute_of_day",
        "minute_of_hour",
        "weekday",
    )
    categorical: ClassVar[tuple[str, ...]] = ()
    monotone: ClassVar[tuple[str, ...]] = ()

    def fit(self, flights: Flights) -> Self:  # noqa: ARG002 - nothing to learn from the schedule
        """Return the family itself: a clock needs no learning."""
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the three columns; see `Transformer.write`."""
        minute = flights.minute
        out[:, 0] = minute
        out[:, 1] = minute % 60
        out[:, 2] = flights.weekday

    def to_json(self) -> JsonObject:
        """Return nothing: there is no state."""
        return {}

    @classmethod
    def from_json(cls, saved: JsonObject) -> Self:  # noqa: ARG003 - there is no state
        """Restore the family from `to_json`."""
        return cls()


class Season:
    """Day of the year and high season: only for questions about days between training days.

    A year of flights shows each season once. A model that is asked about the months after its
    training would have to extrapolate what it saw of one December.
    """

    key: ClassVar[str] = "season"
    names: ClassVar[tuple[str, ...]] = ("day_of_year", "high_season")
    categorical: ClassVar[tuple[str, ...]] = ()
    monotone: ClassVar[tuple[str, ...]] = ()

    def __init__(self, home: AirportConfig = SANTIAGO) -> None:
        self.home = home
        days = _all_days()
        high = _within(days, home.high_season)
        self._table = np.column_stack([_day_of_year(days), high]).astype(float)

    def fit(self, flights: Flights) -> Self:  # noqa: ARG002 - nothing to learn from the schedule
        """Return the family itself: the calendar is known."""
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the two columns; see `Transformer.write`."""
        out[:] = self._table.take(table_rows(flights), axis=0)

    def to_json(self) -> JsonObject:
        """Return nothing: there is no state."""
        return {}

    @classmethod
    def from_json(cls, saved: JsonObject, home: AirportConfig = SANTIAGO) -> Self:  # noqa: ARG003 - there is no state
        """Restore the family from `to_json`."""
        return cls(home)


class Holidays:
    """The country's public holidays, the runs of days off that they make with weekends.

    Traffic swells on the eve of a long weekend and on the first day after it; for a working day
    the two columns `run_ahead` and `run_behind` tell how many days off begin tomorrow or ended
    yesterday, and `run_of_days_off` is the length of the run that a day off belongs to.

    The dates are taken from the `holidays` package once, at fit, and travel with the model: the
    service needs no package for them, and a model keeps the calendar it was trained with.
    """

    key: ClassVar[str] = "holidays"
    names: ClassVar[tuple[str, ...]] = (
        "is_holiday",
        "days_to_holiday",
        "days_since_holiday",
        "run_of_days_off",
        "run_ahead",
        "run_behind",
        "school_holidays",
    )
    categorical: ClassVar[tuple[str, ...]] = ()
    monotone: ClassVar[tuple[str, ...]] = ()

    def __init__(self, dates: Iterable[str] = (), home: AirportConfig = SANTIAGO) -> None:
        self.home = home
        self.dates_: tuple[str, ...] = tuple(dates)
        self._table = _holiday_table(self.dates_, home.school_holidays)

    def fit(self, flights: Flights) -> Self:  # noqa: ARG002 - the calendar is public knowledge
        """Look up the country's public holidays of all years that the calendar covers."""
        self.dates_ = _public_holidays(self.home.country, self.home.subdivision)
        self._table = _holiday_table(self.dates_, self.home.school_holidays)
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the seven columns; see `Transformer.write`."""
        out[:] = self._table.take(table_rows(flights), axis=0)

    def to_json(self) -> JsonObject:
        """Return the dates of the holidays, ISO 8601."""
        return {"dates": list(self.dates_)}

    @classmethod
    def from_json(cls, saved: JsonObject, home: AirportConfig = SANTIAGO) -> Self:
        """Restore a fitted family from `to_json`."""
        return cls(saved["dates"], home)


@cache
def _public_holidays(country: str, subdivision: str | None) -> tuple[str, ...]:
    import holidays  # noqa: PLC0415 - a training dependency, absent where the model is served

    years = range(FIRST_YEAR, LAST_YEAR + 1)
    calendar = holidays.country_holidays(country, subdiv=subdivision, years=years)
    return tuple(sorted(day.isoformat() for day in calendar))


def table_rows(flights: Flights) -> npt.NDArray[np.int64]:
    """Row of each flight in a table that has one row per day of the calendar, shape ``(n,)``.

    Raises
    ------
    ValueError
        If a flight lies outside the years that the calendar covers.
    """
    rows = flights.day - FIRST_DAY
    # the reductions themselves: the methods `min` and `max` take three times as long on one row
    if rows.size and (np.minimum.reduce(rows) < 0 or np.maximum.reduce(rows) > _LAST_ROW):
        message = f"scheduled_departure must lie in the years {FIRST_YEAR} to {LAST_YEAR}"
        raise ValueError(message)
    return rows


def _all_days() -> npt.NDArray[np.int64]:
    return np.arange(FIRST_DAY, LAST_DAY + 1)


def _day_of_year(days: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    dates = days.astype("datetime64[D]")
    elapsed: npt.NDArray[np.int64] = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    return elapsed + 1


def _holiday_table(dates: tuple[str, ...], school_holidays: Periods) -> DayTable:
    days = _all_days()
    holidays = np.sort(np.array(dates, dtype="datetime64[D]").astype(np.int64))
    known = np.concatenate([[-np.inf], holidays, [np.inf]])
    following = known[np.searchsorted(known, days, side="left")] - days
    preceding = days - known[np.searchsorted(known, days, side="right") - 1]
    off = (following == 0) | (weekday(days) >= 5)
    run = _run_lengths(off)
    return np.column_stack(
        [
            following == 0,
            np.minimum(following, HOLIDAY_REACH),
            np.minimum(preceding, HOLIDAY_REACH),
            run,
            np.where(off, 0, np.append(run[1:], 0)),
            np.where(off, 0, np.insert(run[:-1], 0, 0)),
            _within(days, school_holidays),
        ]
    )


def _run_lengths(off: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each day off, how many days off stand together with it; 0 for working days."""
    run = np.cumsum(np.diff(off, prepend=False))
    lengths: npt.NDArray[np.int64] = np.bincount(run)[run] * off
    return lengths


def _within(days: npt.NDArray[np.int64], periods: Periods) -> npt.NDArray[np.bool_]:
    """Whether each day lies in one of the periods of the year."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    month_day = (months.astype(np.int64) % 12 + 1) * 100 + (dates - months).astype(np.int64) + 1
    inside = np.zeros(len(days), dtype=bool)
    for (first_month, first_day), (last_month, last_day) in periods:
        first, last = first_month * 100 + first_day, last_month * 100 + last_day
        inside |= (first <= month_day) & (month_day <= last)
    return inside
