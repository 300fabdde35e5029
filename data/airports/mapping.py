"""Read the mapping file of another airport: its configuration and its table's columns.

A mapping is a TOML file; docs/any-airport.md lists its keys.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from data.airports.config import AirportConfig, Day, Periods
from data.errors import MappingError
from data.reference import airport
from data.schema import DATE_FORMAT, ENGLISH, Raw

REQUIRED_COLUMNS = (
    "scheduled_departure",
    "actual_departure",
    "airline",
    "flight_number",
    "destination",
)
ICAO, IATA = "ICAO", "IATA"

_KEYS: dict[str, tuple[str, ...]] = {
    "home": (
        *("airport", "place", "time_zone", "country", "country_name", "subdivision"),
        *("domestic", "school_holidays", "high_season"),
    ),
    "columns": tuple(ENGLISH.values()),
    "format": ("dates", "airport_codes"),
    "rows": ("leave_out_not_departed", "leave_out_other_origins"),
    "airlines": (),
}
"""Tables of the file with their allowed keys; `airlines` takes any code."""
_LEAP_YEAR = 2000

Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Description of a file of flights with columns of its own.

    Attributes
    ----------
    airport_config
        The airport that they leave from: the table ``[home]`` of the file.
    columns
        The file's name of each column that it has.
    date_format
        Format of the dates, in local time of the airport, as for `datetime.strptime`.
    airport_codes
        ``"ICAO"`` or ``"IATA"``.
    airlines
        ICAO code by the file's code, for airlines with another code in the file.
    leave_out_not_departed, leave_out_other_origins
        Whether rows without an actual departure, and rows of other airports, are left out and
        counted; otherwise they are invalid.
    """

    airport_config: AirportConfig
    columns: Mapping[Raw, str]
    date_format: str = DATE_FORMAT
    airport_codes: str = ICAO
    airlines: Mapping[str, str] = field(default_factory=dict)
    leave_out_not_departed: bool = False
    leave_out_other_origins: bool = False


def load_mapping(path: Path) -> ColumnMapping:
    """Read a mapping file.

    Raises
    ------
    MappingError
        If it does not exist, is not TOML, or has invalid keys or values.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"the mapping {path.name} cannot be read: {error.strerror}."
        raise MappingError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"the mapping {path.name} is not TOML: {error}."
        raise MappingError(message) from error
    try:
        return parse_mapping(tables)
    except MappingError as error:
        message = f"the mapping {path.name}: {error}"
        raise MappingError(message) from error


def parse_mapping(tables: Table) -> ColumnMapping:
    """Read the tables of a mapping file.

    Raises
    ------
    MappingError
        If a key or value is invalid; the message names the key.
    """
    _refuse_unknown(tables)
    form, rows = tables.get("format", {}), tables.get("rows", {})
    codes = _text(form, "format", "airport_codes", ICAO)
    if codes not in {ICAO, IATA}:
        message = f"format.airport_codes is {codes!r}: it must be {ICAO} or {IATA}."
        raise MappingError(message)
    columns = _columns(tables.get("columns", {}))
    other_origins = _flag(rows, "leave_out_other_origins")
    if other_origins and Raw.ORIGIN not in columns:
        message = "rows.leave_out_other_origins needs columns.origin."
        raise MappingError(message)
    airlines = tables.get("airlines", {})
    return ColumnMapping(
        airport_config=_airport_config(tables.get("home", {})),
        columns=columns,
        date_format=_text(form, "format", "dates", DATE_FORMAT),
        airport_codes=codes,
        airlines={code: _text(airlines, "airlines", code) for code in airlines},
        leave_out_not_departed=_flag(rows, "leave_out_not_departed"),
        leave_out_other_origins=other_origins,
    )


def _refuse_unknown(tables: Table) -> None:
    for name, table in tables.items():
        _one_of(name, _KEYS, "table")
        if not isinstance(table, dict):
            message = f"{name} is no table: write [{name}] and its keys below."
            raise MappingError(message)
        for key in table if _KEYS[name] else ():
            _one_of(key, _KEYS[name], f"key of [{name}]")


def _one_of(name: str, known: Collection[str], what: str) -> None:
    if name not in known:
        message = f"{name!r} is no {what}: use {', '.join(known)}."
        raise MappingError(message)


def _columns(table: Table) -> dict[Raw, str]:
    missing = [name for name in REQUIRED_COLUMNS if name not in table]
    if missing:
        message = f"[columns] does not say which column is {', '.join(missing)}."
        raise MappingError(message)
    raw = {english: column for column, english in ENGLISH.items()}
    return {raw[name]: _text(table, "columns", name) for name in table}


def _airport_config(table: Table) -> AirportConfig:
    code, zone = _text(table, "home", "airport"), _text(table, "home", "time_zone")
    known = airport(code)
    if known is None:
        message = f"home.airport is {code!r}, which is no airport's ICAO code."
        raise MappingError(message)
    if zone not in available_timezones():
        message = f"home.time_zone is {zone!r}, which is no IANA time zone{_suggestion(zone)}."
        raise MappingError(message)
    country, subdivision = _calendar(table)
    return AirportConfig(
        airport=code,
        place=_text(table, "home", "place", known.city or known.name),
        time_zone=zone,
        country=country,
        country_name=_text(table, "home", "country_name", country),
        domestic=_domestic(table),
        subdivision=subdivision,
        school_holidays=_periods(table, "school_holidays"),
        high_season=_periods(table, "high_season"),
    )


def _suggestion(zone: str) -> str:
    close = get_close_matches(zone, available_timezones(), n=1)
    return f": {close[0]!r} is one" if close else ": they are written like 'Europe/Madrid'"


def _calendar(table: Table) -> tuple[str, str | None]:
    """Return country and subdivision, both supported by the `holidays` package."""
    import holidays  # noqa: PLC0415 - a training dependency that is slow to import

    country = _text(table, "home", "country")
    supported = holidays.list_supported_countries()
    if country not in supported:
        message = f"home.country is {country!r}: no holidays are known for this ISO 3166 code."
        raise MappingError(message)
    subdivision = _text(table, "home", "subdivision", "") or None
    if subdivision and subdivision not in supported[country]:
        known = ", ".join(supported[country]) or "none"
        message = f"home.subdivision is {subdivision!r}: those of {country} are {known}."
        raise MappingError(message)
    return country, subdivision


def _domestic(table: Table) -> tuple[str, ...]:
    prefixes = table.get("domestic")
    if not isinstance(prefixes, list) or not prefixes or not all(map(_is_prefix, prefixes)):
        message = (
            "home.domestic must list what domestic airports' ICAO codes begin with, 1 to 4 capital "
            'letters each, such as ["SC"].'
        )
        raise MappingError(message)
    return tuple(prefixes)


def _is_prefix(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 4 and value.isalpha() and value.isupper()


def _periods(table: Table, key: str) -> Periods:
    listed = table.get(key, [])
    try:
        return tuple(_read_periods(listed))
    except (TypeError, ValueError) as error:
        message = (
            f"home.{key} must list first and last days as month-day, such as "
            f'[["07-01", "08-31"]], each within one calendar year ({error}).'
        )
        raise MappingError(message) from error


def _read_periods(listed: Any) -> Iterator[tuple[Day, Day]]:
    for first, last in listed:
        start, end = (date.fromisoformat(f"{_LEAP_YEAR}-{day}") for day in (first, last))
        if start > end:
            message = f"{first} is after {last}"
            raise ValueError(message)
        yield (start.month, start.day), (end.month, end.day)


def _flag(table: Table, key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        message = f"rows.{key} must be true or false."
        raise MappingError(message)
    return value


def _text(table: Table, name: str, key: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if value is None:
        message = f"[{name}] lacks {key}."
        raise MappingError(message)
    if not isinstance(value, str):
        message = f"{name}.{key} must be text in quotation marks."
        raise MappingError(message)
    return value
