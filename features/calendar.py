"""Features of the time of departure: clock, weekday, public holidays, long weekends, seasons."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from data.airports.config import SANTIAGO, AirportConfig, Periods
from data.flights import Flights, weekday
from features.transformer import FloatMatrix, JsonObject, Stateless

FIRST_YEAR, LAST_YEAR = 1999, 2050
"""Years that the calendar covers: those of the contract and one more at either end, because a time
that is given in another zone can fall there."""
_EPOCH = date(1970, 1, 1).toordinal()
FIRST_DAY = date(FIRST_YEAR, 1, 1).toordinal() - _EPOCH
LAST_DAY = date(LAST_YEAR, 12, 31).toordinal() - _EPOCH
_LAST_ROW = LAST_DAY - FIRST_DAY

HOLIDAY_REACH = 15.0
"""Days at which the distance to a holiday is capped."""

DayTable = npt.NDArray[np.float64]


class Clock(Stateless):
    """Transformer that writes minute of the day and of the hour, and weekday (Monday is 0)."""

    key: ClassVar[str] = "clock"
    names: ClassVar[tuple[str, ...]] = (
        "minute_of_day",
        "minute_of_hour",
        "weekday",
    )

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the three columns; see `Transformer.write`."""
        minute = flights.minute
        out[:, 0] = minute
        out[:, 1] = minute % 60
        out[:, 2] = flights.weekday


class Season(Stateless):
    """Transformer that writes day of the year and high season, at the two-sided levels only.

    A year of flights contains each season once. A model that scores the months after its training
    would have to extrapolate from one December.
    """

    key: ClassVar[str] = "season"
    names: ClassVar[tuple[str, ...]] = ("day_of_year", "high_season")

    def __init__(self, airport_config: AirportConfig = SANTIAGO) -> None:
        self.airport_config = airport_config
        days = _all_days()
        high = _within(days, airport_config.high_season)
        self._table = np.column_stack([_day_of_year(days), high]).astype(float)

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the two columns; see `Transformer.write`."""
        out[:] = self._table.take(table_rows(flights), axis=0)

    @classmethod
    def from_json(cls, saved: JsonObject, airport_config: AirportConfig = SANTIAGO) -> Self:  # noqa: ARG003 - there is no state
        """Restore the transformer from `to_json`."""
        return cls(airport_config)


class Holidays:
    """Transformer that writes public holidays and the runs of days off that contain them.

    Traffic is highest on the eve of a long weekend and on the first day after it. For a working
    day, `run_ahead` and `run_behind` are the numbers of days off that begin tomorrow or ended
    yesterday; `run_of_days_off` is the length of the run that a day off belongs to.

    The dates are taken from the `holidays` package once, at fit, and saved with the model: the
    service does not need the package, and a model keeps the calendar it was trained with.
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

    def __init__(self, dates: Iterable[str] = (), airport_config: AirportConfig = SANTIAGO) -> None:
        self.airport_config = airport_config
        self.dates_: tuple[str, ...] = tuple(dates)
        self._table = _holiday_table(self.dates_, airport_config.school_holidays)

    def fit(self, flights: Flights) -> Self:  # noqa: ARG002 - the calendar is public knowledge
        """Look up the country's public holidays of all years that the calendar covers."""
        self.dates_ = _public_holidays(self.airport_config.country, self.airport_config.subdivision)
        self._table = _holiday_table(self.dates_, self.airport_config.school_holidays)
        return self

    def write(self, flights: Flights, out: FloatMatrix) -> None:
        """Write the seven columns; see `Transformer.write`."""
        out[:] = self._table.take(table_rows(flights), axis=0)

    def to_json(self) -> JsonObject:
        """Return the dates of the holidays, ISO 8601."""
        return {"dates": list(self.dates_)}

    @classmethod
    def from_json(cls, saved: JsonObject, airport_config: AirportConfig = SANTIAGO) -> Self:
        """Restore a fitted transformer from `to_json`."""
        return cls(saved["dates"], airport_config)


@cache
def _public_holidays(country: str, subdivision: str | None) -> tuple[str, ...]:
    import holidays  # noqa: PLC0415 - a training dependency, absent where the model is served

    years = range(FIRST_YEAR, LAST_YEAR + 1)
    calendar = holidays.country_holidays(country, subdiv=subdivision, years=years)
    return tuple(sorted(day.isoformat() for day in calendar))


def table_rows(flights: Flights) -> npt.NDArray[np.int64]:
    """Return the row of each flight in a table with one row per day, shape ``(n,)``.

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
    """Return the length of the run of days off that each day belongs to; 0 for working days."""
    run = np.cumsum(np.diff(off, prepend=False))
    lengths: npt.NDArray[np.int64] = np.bincount(run)[run] * off
    return lengths


def _within(days: npt.NDArray[np.int64], periods: Periods) -> npt.NDArray[np.bool_]:
    """Return whether each day lies in one of the periods of the year."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    month_day = (months.astype(np.int64) % 12 + 1) * 100 + (dates - months).astype(np.int64) + 1
    inside = np.zeros(len(days), dtype=bool)
    for (first_month, first_day), (last_month, last_day) in periods:
        first, last = first_month * 100 + first_day, last_month * 100 + last_day
        inside |= (first <= month_day) & (month_day <= last)
    return inside
