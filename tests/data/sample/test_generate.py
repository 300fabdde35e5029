"""Check the generated year: the form of the file and the totals of the real year."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.metrics import roc_auc_score

from data.frame import data_hash, to_flights_frame
from data.sample import generate_flights, rates
from data.schema import RAW_COLUMNS

MONTHS = range(1, 13)


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    """Give the year in the format of the file."""
    return generate_flights()


@pytest.fixture(scope="module")
def frame(raw: pd.DataFrame) -> pd.DataFrame:
    """Give the year as a typed frame; an invalid row would raise."""
    return to_flights_frame(raw)[0]


def _late_by(frame: pd.DataFrame, key: object) -> pd.Series[float]:
    late: pd.Series[float] = frame.groupby(key)["delayed"].mean()  # type: ignore[call-overload]
    return late


def test_it_has_the_form_of_the_published_file(raw: pd.DataFrame) -> None:
    """All 18 columns are there in order, all of them text and none missing."""
    assert tuple(raw.columns) == RAW_COLUMNS
    assert not raw.isna().any(axis=None)
    assert all(pd.api.types.is_string_dtype(kind) for kind in raw.dtypes)


def test_the_columns_of_the_operation_agree(raw: pd.DataFrame) -> None:
    """Day, month, year and weekday are those of the actual departure, as in the file."""
    actual = pd.to_datetime(raw["Fecha-O"])
    assert (raw["DIA"].astype(int) == actual.dt.day).all()
    assert (raw["MES"].astype(int) == actual.dt.month).all()
    assert (raw["AÑO"].astype(int) == actual.dt.year).all()
    assert (raw.loc[actual.dt.day_name() == "Wednesday", "DIANOM"] == "Miercoles").all()


def test_the_same_seed_gives_the_same_year(raw: pd.DataFrame) -> None:
    """Flights depend on the seed and on nothing else."""
    assert_frame_equal(generate_flights(seed=0), raw)


def test_another_seed_gives_another_year(frame: pd.DataFrame) -> None:
    """Another seed gives other flights and about the same number of them."""
    other, _ = to_flights_frame(generate_flights(seed=1))
    assert data_hash(other) != data_hash(frame)
    assert len(other) == pytest.approx(len(frame), rel=0.03)


def test_the_year_may_be_chosen() -> None:
    """A leap year has a flight on its 29th of February, and no flight lies outside it."""
    days = pd.to_datetime(generate_flights(year=2020)["Fecha-I"]).dt.normalize()
    assert days.dt.year.unique().tolist() == [2020]
    assert pd.Timestamp("2020-02-29") in set(days)
    assert days.nunique() == 366


def test_it_is_as_large_and_as_late_as_the_real_year(frame: pd.DataFrame) -> None:
    """It has 68,000 flights, 18.5 % late, with delays of -14 to 161 minutes."""
    assert len(frame) == pytest.approx(68_200, rel=0.03)
    assert frame["delayed"].mean() == pytest.approx(0.185, abs=0.002)
    quantiles = frame["delay_minutes"].quantile([0, 0.5, 0.95, 0.99, 1])
    assert quantiles.tolist() == [-14, 4, 43, 102, 161]


def test_months_differ_as_they_did(frame: pd.DataFrame) -> None:
    """Volume and late share of each month are near the published ones."""
    month = frame["scheduled_departure"].dt.month
    flights = month.value_counts().reindex(MONTHS)
    np.testing.assert_allclose(flights, rates.MONTHLY_FLIGHTS, rtol=0.1)
    late = _late_by(frame, month).reindex(MONTHS)
    np.testing.assert_allclose(late, rates.MONTHLY_LATE, atol=0.07)
    assert np.corrcoef(late, rates.MONTHLY_LATE)[0, 1] > 0.8


def test_airlines_differ_as_they_did(frame: pd.DataFrame) -> None:
    """The large airlines have their share of the flights, and of the late ones."""
    share = frame["airline"].value_counts(normalize=True)
    assert share["LAN"] == pytest.approx(0.55, abs=0.02)
    assert share["SKU"] == pytest.approx(0.21, abs=0.02)
    late = _late_by(frame, "airline")
    assert late["CMP"] < late["SKU"] < late["GLO"] < late["QFU"]
    assert late["LAN"] == pytest.approx(0.172, abs=0.03)


def test_hours_and_weekdays_differ(frame: pd.DataFrame) -> None:
    """Nights have few national flights, mornings are punctual, and Fridays are not."""
    scheduled = frame["scheduled_departure"]
    national = frame.loc[frame["flight_type"] == "N", "scheduled_departure"].dt.hour
    assert national.between(1, 4).mean() < 0.06
    late = _late_by(frame, scheduled.dt.hour)
    assert late.loc[4:7].mean() + 0.03 < late.loc[18:21].mean()
    weekday = _late_by(frame, scheduled.dt.day_of_week)
    assert weekday[4] > weekday[5]


def test_code_shares_are_as_common(frame: pd.DataFrame) -> None:
    """Another airline than the schedule's operates 27 % of the flights."""
    shared = frame["airline"] != frame["operated_airline"]
    assert shared.mean() == pytest.approx(0.27, abs=0.01)
    assert (frame.loc[frame["airline"] == "QFU", "operated_airline"] == "QFA").all()


def test_flight_numbers_recur_at_their_time_of_day(frame: pd.DataFrame) -> None:
    """A number has one destination, and one time of day in each timetable."""
    names = frame.groupby(["airline", "flight_number"])
    assert names["destination"].nunique().max() == 1
    minutes = frame["scheduled_departure"].dt.strftime("%H:%M")
    assert minutes.groupby([frame["airline"], frame["flight_number"]]).nunique().max() == 3
    assert names.size().median() > 100


def test_no_flight_occurs_twice(frame: pd.DataFrame) -> None:
    """A number leaves at most once a day."""
    day = frame["scheduled_departure"].dt.normalize()
    assert not frame.assign(day=day).duplicated(["airline", "flight_number", "day"]).any()


def test_bad_days_are_autocorrelated(frame: pd.DataFrame) -> None:
    """Days differ by far more than chance, and bad days follow each other."""
    daily = _late_by(frame, frame["scheduled_departure"].dt.normalize())
    by_chance = np.sqrt(0.185 * 0.815 / (len(frame) / 365))
    assert daily.std() > 2 * by_chance
    assert daily.autocorr(1) > 0.3


def test_a_simple_model_beats_chance(frame: pd.DataFrame) -> None:
    """Rates by route, number and month of even days rank the flights of odd days."""
    scheduled = frame["scheduled_departure"]
    flights = frame.assign(month=scheduled.dt.month)
    learn, score = (flights[scheduled.dt.day_of_year % 2 == odd] for odd in (0, 1))
    rank = np.zeros(len(score))
    for keys in (["airline", "destination"], ["airline", "flight_number"], ["month"]):
        rate = learn.groupby(keys)["delayed"].mean().rename("rate")
        rank += score.join(rate, on=keys)["rate"].fillna(0.185).to_numpy()
    assert 0.64 < roc_auc_score(score["delayed"], rank) < 0.72
