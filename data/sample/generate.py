"""Generate the embedded sample: a made-up year of departures that resembles Santiago's.

It is used when no real flights are available. No flight in it is real: timetables, bad days and
delays are drawn at random from the rounded yearly rates of `data.sample.rates`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.reference import HOME_AIRPORT
from data.sample import rates
from data.schema import DATE_FORMAT, RAW_COLUMNS, Raw

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FLIGHTS_A_WEEK = 4.0
"""Mean number of departures of a flight number in a week."""

TIMETABLES = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2])
"""Timetable in force, by month: summer, winter and summer again."""

# Standard deviations of the random effects on the log-odds of being late. They are set so that
# days differ as much as the real ones and a model is about as good as on real flights.
NUMBER_SPREAD = 0.5
DAY_SPREAD = 0.4
DAY_MEMORY = 0.55
HOUR_SPREAD = 0.35
HOUR_MEMORY = 0.8
BAD_DAYS = 0.03
BAD_DAY_EFFECT = 1.2

LOGISTIC_VARIANCE = np.pi**2 / 3

WEEKDAY_NAMES = ("Lunes", "Martes", "Miercoles", "Jueves", "Viernes", "Sabado", "Domingo")


def generate_flights(seed: int = 0, year: int = 2017) -> pd.DataFrame:
    """Generate a year of departures in the columns and formats of the published file.

    Parameters
    ----------
    seed
        The same seed and year give the same flights.
    year
        Calendar year of the schedule.

    Returns
    -------
    pandas.DataFrame
        About 68,000 rows of text, one per departure, with the columns of
        `data.schema.RAW_COLUMNS`; grouped by flight and not in order of time, like the file.

    Examples
    --------
    >>> generate_flights(seed=0).shape[1]
    18
    """
    random = np.random.default_rng(seed)
    numbers = _draw_numbers(random)
    flights = _draw_flights(random, numbers, year)
    flights["delay"] = _draw_delays(random, flights)
    flights["operator"] = _draw_operators(random, flights)
    return _as_file(flights)


def _draw_numbers(random: np.random.Generator) -> pd.DataFrame:
    """Distribute the routes over flight numbers: one row each."""
    routes = pd.DataFrame(rates.ROUTES)
    routes["type"] = np.where(routes["destination"].str.startswith("SC"), "N", "I")
    weekly = routes["flights"] / 365 * 7
    routes["count"] = np.maximum(1, np.round(weekly / FLIGHTS_A_WEEK)).astype(int)
    routes["daily"] = routes["flights"] / 365 / routes["count"]
    numbers = routes.loc[routes.index.repeat(routes["count"])].reset_index(drop=True)
    numbers["number"] = 0
    for _, group in numbers.groupby("airline"):
        drawn = random.choice(np.arange(10, 1000), size=len(group), replace=False)
        numbers.loc[group.index, "number"] = np.sort(drawn)
    numbers["effect"] = random.normal(0, NUMBER_SPREAD, len(numbers))
    return numbers


def _draw_flights(random: np.random.Generator, numbers: pd.DataFrame, year: int) -> pd.DataFrame:
    """Draw the departures of every number by its timetables: one row per departure."""
    days = pd.date_range(f"{year}-01-01", f"{year}-12-31", unit="s")
    timetable = TIMETABLES[days.month - 1]
    on_weekday = _draw_weekdays(random, len(numbers))
    busy = _relative(rates.MONTHLY_FLIGHTS)[days.month - 1]
    busy *= _relative(rates.WEEKDAY_FLIGHTS)[days.day_of_week]
    chance = numbers["daily"].to_numpy()[:, None] * busy[None, :]
    flies = on_weekday[:, timetable, days.day_of_week] < chance
    row, day = np.nonzero(flies)
    flights = numbers.iloc[row].reset_index(drop=True)
    minute = _draw_minutes(random, numbers)[row, timetable[day]]
    flights["scheduled"] = days[day] + pd.to_timedelta(minute, unit="m")
    return flights


def _draw_weekdays(random: np.random.Generator, numbers: int) -> Floats:
    """Draw uniform numbers that cover 0 to 1 evenly in each week, (numbers, timetables, 7)."""
    sevenths = np.broadcast_to(np.arange(7), (numbers, TIMETABLES.max() + 1, 7))
    order = random.permuted(sevenths, axis=-1)
    return np.asarray((order + random.random((*order.shape[:2], 1))) / 7)


def _draw_minutes(random: np.random.Generator, numbers: pd.DataFrame) -> Integers:
    """Draw the minute of the day of every number by timetable, shape (numbers, timetables)."""
    hour = np.empty(len(numbers), dtype=np.int64)
    for kind, profile in rates.HOURLY_FLIGHTS.items():
        chosen = (numbers["type"] == kind).to_numpy()
        share = np.array(profile) / sum(profile)
        hour[chosen] = random.choice(24, size=chosen.sum(), p=share)
    first = hour * 60 + random.integers(0, 12, len(numbers)) * 5
    shift = random.integers(-9, 10, (len(numbers), TIMETABLES.max() + 1)) * 5
    shift[:, 0] = 0
    return np.asarray((first[:, None] + shift) % 1440)


def _draw_delays(random: np.random.Generator, flights: pd.DataFrame) -> Integers:
    """Draw the delays in minutes: flights with the highest risk get the largest delays."""
    shock = _draw_shocks(random, flights["scheduled"])
    known = _known_effects(flights)
    # a yearly average of an effect is weaker than the effect on a single day
    known *= np.sqrt(1 + (shock.var() + NUMBER_SPREAD**2) / LOGISTIC_VARIANCE)
    tendency = known + flights["effect"].to_numpy() + shock
    tendency += random.logistic(size=len(flights))
    rank = (tendency.argsort().argsort() + 0.5) / len(flights)
    share, minutes = np.transpose(rates.DELAY_QUANTILES)
    return np.asarray(np.round(np.interp(rank, share, minutes)), dtype=np.int64)


def _known_effects(flights: pd.DataFrame) -> Floats:
    """Return the log-odds of being late: the sum of route, month, weekday and hour."""
    when = flights["scheduled"].dt
    return np.asarray(
        _log_odds(flights["late"])
        + _effect(rates.MONTHLY_LATE)[when.month - 1]
        + _effect(rates.WEEKDAY_LATE)[when.day_of_week]
        + _effect(rates.HOURLY_LATE)[when.hour]
    )


def _draw_shocks(random: np.random.Generator, scheduled: pd.Series[pd.Timestamp]) -> Floats:
    """Draw autocorrelated effects of the day (fog, strikes) and the hour (queues), in log-odds."""
    hour = ((scheduled - scheduled.min().normalize()).dt.total_seconds() // 3600).astype("int64")
    by_day = _wander(random, hour.max() // 24 + 1, DAY_SPREAD, DAY_MEMORY)
    by_day += (random.random(len(by_day)) < BAD_DAYS) * BAD_DAY_EFFECT
    by_hour = _wander(random, hour.max() + 1, HOUR_SPREAD, HOUR_MEMORY)
    return np.asarray(by_day[hour // 24] + by_hour[hour])


def _wander(random: np.random.Generator, steps: int, spread: float, memory: float) -> Floats:
    """Draw a stationary first-order autoregressive series."""
    pushes = random.normal(0, spread, steps)
    pushes[1:] *= np.sqrt(1 - memory**2)
    for step in range(1, steps):
        pushes[step] += memory * pushes[step - 1]
    return pushes


def _draw_operators(random: np.random.Generator, flights: pd.DataFrame) -> pd.Series[str]:
    operator = flights["airline"].copy()
    for (airline, kind), shares in rates.OPERATORS.items():
        chosen = (flights["airline"] == airline) & (flights["type"] == kind)
        names, weights = zip(*shares, strict=True)
        weights = np.array(weights) / sum(weights)
        operator[chosen] = random.choice(names, size=chosen.sum(), p=weights)
    return operator


def _as_file(flights: pd.DataFrame) -> pd.DataFrame:
    scheduled = flights["scheduled"]
    actual = scheduled + pd.to_timedelta(flights["delay"], unit="m")
    number = flights["number"].astype("str")
    columns: dict[str, Any] = {
        Raw.SCHEDULED_DEPARTURE: scheduled.dt.strftime(DATE_FORMAT),
        Raw.FLIGHT_NUMBER: number,
        Raw.ORIGIN: HOME_AIRPORT,
        Raw.DESTINATION: flights["destination"],
        Raw.AIRLINE: flights["airline"],
        Raw.ACTUAL_DEPARTURE: actual.dt.strftime(DATE_FORMAT),
        Raw.OPERATED_FLIGHT_NUMBER: number,
        "Ori-O": HOME_AIRPORT,
        Raw.OPERATED_DESTINATION: flights["destination"],
        Raw.OPERATED_AIRLINE: flights["operator"],
        "DIA": actual.dt.day.astype("str"),
        "MES": actual.dt.month.astype("str"),
        "AÑO": actual.dt.year.astype("str"),
        "DIANOM": actual.dt.day_of_week.map(dict(enumerate(WEEKDAY_NAMES))),
        Raw.FLIGHT_TYPE: flights["type"],
        Raw.OPERATOR_NAME: flights["airline"].map(rates.OPERATOR_NAMES),
        "SIGLAORI": "Santiago",
        "SIGLADES": flights["destination"].map(rates.CITIES),
    }
    return pd.DataFrame(columns, columns=list(RAW_COLUMNS))


def _relative(volumes: tuple[int, ...]) -> Floats:
    return np.asarray(np.array(volumes) / np.mean(volumes))


def _log_odds(share: npt.ArrayLike) -> Floats:
    late = np.asarray(share, dtype=np.float64)
    return np.asarray(np.log(late / (1 - late)))


def _effect(late: tuple[float, ...]) -> Floats:
    """Return the log-odds of each share minus that of their mean."""
    return _log_odds(late) - _log_odds(np.mean(late))
