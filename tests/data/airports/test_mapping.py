"""Check valid mapping files and the message for each mistake."""

from __future__ import annotations

import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from data.airports.config import SANTIAGO, AirportConfig
from data.airports.mapping import load_mapping, parse_mapping
from data.errors import MappingError
from data.schema import DATE_FORMAT, Raw

EXAMPLE = Path(__file__).parents[3] / "examples" / "airports" / "new-york.toml"

MADRID: dict[str, Any] = tomllib.loads("""
[home]
airport = "LEMD"
time_zone = "Europe/Madrid"
country = "ES"
domestic = ["LE", "GC", "GE"]

[columns]
scheduled_departure = "salida"
actual_departure = "salida real"
airline = "compañía"
flight_number = "vuelo"
destination = "destino"
""")


def _changed(table: str, key: str, value: object) -> dict[str, Any]:
    """Return Madrid's mapping with one key set, or removed if the value is None."""
    tables = deepcopy(MADRID)
    keys = tables.setdefault(table, {})
    keys[key] = value
    if value is None:
        del keys[key]
    return tables


def test_a_minimal_mapping_is_enough() -> None:
    """Five columns and five keys of the airport are required; all others have defaults."""
    mapping = parse_mapping(MADRID)
    assert mapping.airport_config == AirportConfig(
        airport="LEMD",
        place="Madrid",
        time_zone="Europe/Madrid",
        country="ES",
        country_name="ES",
        domestic=("LE", "GC", "GE"),
    )
    assert mapping.columns[Raw.AIRLINE] == "compañía"
    assert (mapping.date_format, mapping.airport_codes) == (DATE_FORMAT, "ICAO")
    assert not mapping.leave_out_not_departed
    assert not mapping.leave_out_other_origins


def test_the_example_can_be_read() -> None:
    """The values of New York's mapping are those in its comments."""
    mapping = load_mapping(EXAMPLE)
    assert mapping.airport_config.airport == "KEWR"
    assert mapping.airport_config.type_of("TJSJ") == mapping.airport_config.type_of("PHNL") == "N"
    assert mapping.airport_config.type_of("EGLL") == "I"
    assert mapping.airlines["9E"] == "EDV"
    assert mapping.leave_out_not_departed


def test_periods_are_read() -> None:
    """School holidays are pairs of month and day."""
    mapping = parse_mapping(_changed("home", "school_holidays", [["06-21", "09-07"]]))
    assert mapping.airport_config.school_holidays == (((6, 21), (9, 7)),)


@pytest.mark.parametrize(
    ("table", "key", "value", "said"),
    [
        ("home", "airport", "MAD", "home.airport is 'MAD', which is no airport's ICAO code"),
        ("home", "airport", 5, "home.airport must be text"),
        ("home", "airport", None, "[home] lacks airport"),
        ("home", "time_zone", "Europe/Madird", "no IANA time zone: 'Europe/Madrid' is one"),
        ("home", "time_zone", "CEST+2 or so", "written like 'Europe/Madrid'"),
        ("home", "country", "XX", "home.country is 'XX': no holidays are known"),
        ("home", "subdivision", "ZZ", "home.subdivision is 'ZZ': those of ES are AN, AR"),
        ("home", "domestic", None, "home.domestic must list"),
        ("home", "domestic", ["le"], "home.domestic must list"),
        ("home", "domestic", "LE", "home.domestic must list"),
        ("home", "school_holidays", [["12-20", "01-07"]], "12-20 is after 01-07"),
        ("home", "high_season", [["July", "August"]], "home.high_season must list"),
        ("home", "high_season", 7, "home.high_season must list"),
        ("home", "timezone", "Europe/Madrid", "'timezone' is no key of [home]: use airport"),
        ("columns", "airline", None, "[columns] does not say which column is airline"),
        ("columns", "gate", "G", "'gate' is no key of [columns]"),
        ("format", "airport_codes", "FAA", "it must be ICAO or IATA"),
        ("rows", "leave_out_not_departed", "yes", "rows.leave_out_not_departed must be true"),
        ("rows", "leave_out_other_origins", True, "needs columns.origin"),
        ("airlines", "IB", 3, "airlines.IB must be text"),
        ("airline", "IB", "IBE", "'airline' is no table: use home, columns"),
    ],
)
def test_a_mistake_is_named(table: str, key: str, value: object, said: str) -> None:
    """The message of each mistake names its key."""
    with pytest.raises(MappingError) as refused:
        parse_mapping(_changed(table, key, value))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "the mapping m.toml cannot be read"),
        (b"[home", "the mapping m.toml is not TOML"),
        (b"\xff", "the mapping m.toml is not TOML"),
        (b"home = 1", "the mapping m.toml: home is no table"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    """The message begins with the file's name."""
    path = tmp_path / "m.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MappingError) as refused:
        load_mapping(path)
    assert str(refused.value).startswith(said)


def test_an_airport_config_is_restored_from_json() -> None:
    """All fields are restored unchanged, periods too."""
    assert AirportConfig.from_json(SANTIAGO.to_json()) == SANTIAGO
