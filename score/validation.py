"""Validate the rows of a table: return flights, and a reason for every invalid row.

The rules are the service's: patterns and types come from its contract. Each distinct value is
validated once, because a schedule has few airlines, destinations and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from data.airports.config import SANTIAGO, AirportConfig
from data.dictionary_column import DictionaryColumn
from data.flights import FLIGHT_TYPES, Flights, IntArray
from data.schema import candidate_schema
from score.columns import ORIGIN
from score.errors import InputError
from serving.contract.schema import Departure, Flight

CODES = ("airline", "flight_number", "destination")
DEPARTURE, FLIGHT_TYPE = "scheduled_departure", "flight_type"
MISSING = "missing"

FIRST_MINUTE, END_MINUTE = (
    int(np.datetime64(year, "m").astype(np.int64)) for year in ("2000-01-01", "2050-01-01")
)
"""Range of the contract's years, for columns of timestamps."""
ZONE_STEP = 900
"""Seconds. Since 1970 every change of a UTC offset falls on a quarter of an hour of UTC."""

_WITH_OFFSET = r"(Z|[+-]\d\d:\d\d)$"
_DECIMALS = r"\.0+$"

Bools = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Column:
    """Column as codes of its distinct values.

    Attributes
    ----------
    code
        Position of each row's value, shape ``(n,)``.
    values
        The distinct values, trimmed; ``None`` for a missing one.
    valid
        Whether each value is valid, shape ``(len(values),)``.
    """

    code: IntArray
    values: Objects
    valid: Bools

    def of_rows(self, rows: Bools) -> DictionaryColumn[Any]:
        """Return the values of the selected rows."""
        return DictionaryColumn.compact(self.code[rows], self.values.tolist())


@dataclass(frozen=True, slots=True)
class ValidatedRows:
    """Valid flights of a table, and the reasons for its invalid rows.

    Attributes
    ----------
    flights
        The valid rows, in order.
    valid
        Whether each row of the table is valid, shape ``(n,)``.
    reasons
        Reason for each invalid row, in order.
    """

    flights: Flights
    valid: Bools
    reasons: list[str]


def validate(table: pa.Table, home: AirportConfig = SANTIAGO) -> ValidatedRows:
    """Validate every row of a table with columns of `score.columns.FIELDS`.

    Times without an offset are local time of the home airport.

    Raises
    ------
    InputError
        If a column's type cannot be read as text or time.
    """
    columns = {name: _code_column(table, name) for name in CODES}
    columns[FLIGHT_TYPE] = _flight_type(table)
    if ORIGIN in table.column_names:
        columns[ORIGIN] = _origin(table, home)
    departure, on_time = _departure(table[DEPARTURE], home.time_zone)
    broken = {name: ~column.valid[column.code] for name, column in columns.items()}
    broken[DEPARTURE] = ~on_time
    valid = ~np.logical_or.reduce(list(broken.values()))
    flights = Flights(
        airline=columns["airline"].of_rows(valid),
        flight_number=columns["flight_number"].of_rows(valid),
        destination=columns["destination"].of_rows(valid),
        flight_type=columns[FLIGHT_TYPE].of_rows(valid),
        departure=departure[valid],
    )
    invalid = np.flatnonzero(~valid)
    return ValidatedRows(flights, valid, _reasons(table, columns, broken, invalid, home))


def texts(column: pa.ChunkedArray) -> list[str | None]:
    """Return every value of a column as text; invalid UTF-8 is replaced."""
    plain = _as_text(column).cast(pa.large_binary())
    return [
        None if value is None else value.decode(errors="replace") for value in plain.to_pylist()
    ]


def _reasons(
    table: pa.Table,
    columns: Mapping[str, Column],
    broken: Mapping[str, Bools],
    rows: IntArray,
    home: AirportConfig,
) -> list[str]:
    missing = {
        name: np.array([value is None for value in column.values], dtype=bool)[column.code]
        for name, column in columns.items()
    }
    missing[DEPARTURE] = table[DEPARTURE].is_null().to_numpy(zero_copy_only=False)
    return [
        "; ".join(
            f"{name}: {MISSING if missing[name][row] else _rule(name, home)}"
            for name, bad in broken.items()
            if bad[row]
        )
        for row in rows.tolist()
    ]


@cache
def _rule(name: str, home: AirportConfig) -> str:
    """Return the rule of a field as text: that of the data schema, for times the contract's."""
    if name != DEPARTURE:
        rule: str = candidate_schema(home).columns[name].checks[0].error
        return rule
    try:
        _departures().validate_python("")
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    raise AssertionError


@cache
def _pattern(name: str) -> str:
    """Return the pattern of a field in the service's contract."""
    pattern: str = Flight.model_json_schema()["properties"][name]["pattern"]
    return pattern


@cache
def _departures() -> TypeAdapter[datetime]:
    return TypeAdapter(Departure)


def _code_column(table: pa.Table, name: str) -> Column:
    code, text = _encoded(table[name])
    if name == "flight_number":
        text = pc.replace_substring_regex(pc.ascii_upper(text), _DECIMALS, "")
    kept = pc.match_substring_regex(text, _pattern(name))
    return Column(code, _objects(text), _bools(kept))


def _flight_type(table: pa.Table) -> Column:
    if FLIGHT_TYPE not in table.column_names:
        nothing = np.zeros(table.num_rows, dtype=np.int64)
        return Column(nothing, np.array([None]), np.array([True]))
    code, text = _encoded(table[FLIGHT_TYPE])
    values = _objects(text)
    return Column(code, values, np.array([each in {None, *FLIGHT_TYPES} for each in values], bool))


def _origin(table: pa.Table, home: AirportConfig) -> Column:
    code, text = _encoded(table[ORIGIN])
    values = _objects(text)
    return Column(code, values, np.array([each == home.airport for each in values], dtype=bool))


def _encoded(column: pa.ChunkedArray) -> tuple[IntArray, pa.Array]:
    """Return the codes, shape ``(n,)``, and the distinct trimmed texts; the last one is null."""
    encoded = (
        column if pa.types.is_dictionary(column.type) else _as_text(column).dictionary_encode()
    )
    whole = encoded.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else _no_rows()
    text = pc.ascii_trim_whitespace(_readable(whole.dictionary))
    empty = pc.equal(pc.binary_length(text), 0)
    text = pc.if_else(empty, pa.scalar(None, pa.string()), text)
    code = whole.indices.fill_null(len(text)).to_numpy(zero_copy_only=False).astype(np.int64)
    return code, pa.concat_arrays([text, pa.nulls(1, pa.string())])


def _no_rows() -> pa.DictionaryArray:
    return pa.array([], pa.string()).dictionary_encode()


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return column if pa.types.is_string(column.type) else column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as failure:
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            return pa.chunked_array([_readable(chunk) for chunk in column.chunks], pa.string())
        message = f"a column of type {column.type} cannot be read as text or time: {failure}"
        raise InputError(message) from failure


def _readable(values: pa.Array) -> pa.Array:
    """Return texts with invalid UTF-8 replaced by U+FFFD, which no rule accepts."""
    raw = values.cast(pa.binary())
    try:
        return raw.cast(pa.string())
    except pa.ArrowInvalid:
        decoded = [None if v is None else v.decode(errors="replace") for v in raw.to_pylist()]
        return pa.array(decoded, pa.string())


def _departure(column: pa.ChunkedArray, here: str) -> tuple[IntArray, Bools]:
    """Return minutes of local time since 1970, and whether each is valid; shape ``(n,)`` both."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _typed_departure(column, here)
    code, text = _encoded(column)
    given = pc.match_substring_regex(text, _pattern(DEPARTURE)).fill_null(False)
    zoned = pc.and_(given, pc.match_substring_regex(text, _WITH_OFFSET).fill_null(False))
    minutes = np.zeros(len(text), dtype=np.int64)
    plain, offset = _bools(pc.and_not(given, zoned)), _bools(zoned)
    minutes[plain] = _parse(text.filter(plain), None) // 60
    minutes[offset] = _wall_clock(_parse(text.filter(offset), "UTC"), here)
    return minutes[code], _bools(given)[code]


def _typed_departure(column: pa.ChunkedArray, here: str) -> tuple[IntArray, Bools]:
    zone = getattr(column.type, "tz", None)
    seconds = column.cast(pa.timestamp("s", tz=zone), safe=False).cast(pa.int64())
    known = ~seconds.is_null().to_numpy(zero_copy_only=False)
    since = seconds.fill_null(0).to_numpy().astype(np.int64)
    inside = (since >= FIRST_MINUTE * 60) & (since < END_MINUTE * 60) & known
    since = np.where(inside, since, 0)
    return (since // 60 if zone is None else _wall_clock(since, here)), inside


def _parse(text: pa.Array, zone: str | None) -> IntArray:
    """Return seconds since 1970 of ISO 8601 times, shape ``(n,)``; fractions are truncated."""
    times = text.cast(pa.timestamp("us", tz=zone)).cast(pa.int64())
    return np.asarray(times.to_numpy(zero_copy_only=False) // 1_000_000, dtype=np.int64)


def _wall_clock(seconds: IntArray, here: str) -> IntArray:
    """Return minutes of local time at times of UTC, shape ``(n,)``."""
    steps, which = np.unique(seconds // ZONE_STEP, return_inverse=True)
    offsets = np.array([_offset(step, here) for step in steps.tolist()], dtype=np.int64)
    return np.asarray((seconds + offsets[which]) // 60)


@lru_cache(maxsize=2**16)
def _offset(step: int, here: str) -> int:
    moment = datetime.fromtimestamp(step * ZONE_STEP, UTC).astimezone(ZoneInfo(here))
    ahead = moment.utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds())


def _objects(text: pa.Array) -> Objects:
    values: Objects = np.array([*text.to_pylist(), None], dtype=object)[:-1]
    return values


def _bools(values: pa.Array) -> Bools:
    return np.asarray(values.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
