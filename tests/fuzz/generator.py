"""Generate bodies of prediction requests: valid ones in every spelling, invalid ones, and noise.

There are three kinds: valid requests with every spelling that JSON allows; requests with one or
more values, keys or members replaced by unusual ones; and randomly changed bytes of either, or of a
body of the corpus.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any, Self

AIRLINES = ("LAN", "SKU", "TAM", "LXP", "AAL", "ACA", "JAT", "ZZZ", "000", "A1B")
DESTINATIONS = ("SCFA", "SCTE", "SCIE", "SCAR", "SAEZ", "SBGR", "KMIA", "SPJC", "ZZZZ", "SCZZ")
NUMBERS = ("120", "0", "00000", "99999", "1", "7Z", "00001A", "12345", "121", "400", "12345B")
DATES = (
    "2017-07-14", "2017-01-01", "2017-12-31", "2000-01-01", "2049-12-31", "2016-02-29",
    "2048-02-29", "2017-09-18", "2000-02-29",
    "2017-05-13", "2017-05-14", "2017-08-12", "2017-08-13",  # Santiago's clock changed
)  # fmt: skip
TIMES = ("00:00", "23:59", "08:30:00", "23:59:59.999999", "03:00", "04:30:59.9", "00:30:00.000001")
OFFSETS = ("Z", "-04:00", "-03:00", "+00:00", "-00:00", "+14:00", "-23:59", "+23:59", "+05:45")
BAD_TIMES = (
    "2017-07-14", "2017-02-29T10:00", "2100-01-01T00:00", "1999-12-31T23:59", "2017-07-14T24:00",
    "2017-7-14T08:30", "2017-07-14t08:30", "2017-07-14T08:30z", "2017-07-14T08:30:60",
    "2017-07-14T08:30:00.1234567", "20170714T083000", "2017-07-14T08", "2017-07-14T08:30+0400",
    "2017-07-14T08:30-04", "2017-07-14T08:30:00-24:00", "2017-07-14  08:30", "2017-W28-5T08:30",
    "2017-07-14T08:30\n", " 2017-07-14T08:30", "1500000000", "", "\uff12\uff1017-07-14T08:30",
    "2017-07-14T08:30:00,5", "2017-07-14T08:3\u0660", "2050-01-01T00:00", "2017-07-14T08:30\x00",
)  # fmt: skip
WINDOWS = ("last_hour", "last_3_hours", "last_6_hours", "last_24_hours")
NUMBERS_AS_TEXT = (
    "0", "-0", "0.0", "-0.0", "1", "9", "9.0", "9.5", "9e0", "0.9E+1", "90e-1", "2000", "2000.0",
    "2001", "2000.0000001", "-1", "1e400", "-1e400", "1e-400", "NaN", "Infinity", "-Infinity",
    "0.33", "1.0", "1.0000000000000002", "-1e-300", "0.1000000000000000055511151231257827",
    "1440", "-1440", "1440.5", "1e3", "12345678901234567890", "9" * 400, "0x1", "01", "1.", ".5",
    "+1", "--1", "1e", "1_000", "4.9e-324", "1.7976931348623157e308", "9.000000001", "9" * 19,
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, "", "LAN", "lan", "LAN\n", "LAN ", "LÁN", "N", "I",
    "\uff2c\uff21\uff2e", "n", "true", "null", [], {}, [[]], [None], {"": None}, "\u0000",
    "\ud800", "\udc00\ud800",
    "\U0001f6eb", "é" * 3, "120", "123456", "12a", "A" * 1000, "٣", "²", "~/", "a/b~c",
    "2017-07-14T08:30", 1500000000, 10**30, -(10**400), 1e308, {"airline": "LAN"}, [1, 2, 3],
    "1.0", "\r\nset-cookie: a=b", "<script>", "${jndi:ldap://x}", "__class__", "SCFA", "SCF",
    "scfa",
)  # fmt: skip
ODD_KEYS = (
    "", "airline ", "Airline", "flights", "explain", "airport_state", "__proto__", "é", "\ud800",
    "flight_type", "a/b", "~", "0", "observed_at", "last_hour", "model", "x" * 300, "\x00",
)  # fmt: skip
TOKENS = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0041", b"\\ud800", b"\\ud83d\\ude00",
    b"\\x", b"null", b"true", b"false", b"nul", b"NaN", b"1e999", b"\x00", b"\xff", b"\xef\xbb\xbf",
    b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b" ", b"\n", b"\t", b"\x0b", b"//x", b"/**/",
    b"'", b"[" * 150, b'{"a":' * 150, b'"flights"', b'"flights":[]', b'"explain":true,', b"1",
    b"\xe2\x80\xa8", b"\xc2\xa0",
)  # fmt: skip
LARGEST = 300
"""Flights of the largest request: more than one batch."""


class Raw(float):
    """Number that is written as the given text."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Store the text."""
        made = super().__new__(cls, 0.0)
        made.text = text
        return made


class Generator:
    """Generator of bodies; the same seed and corpus give the same bodies."""

    def __init__(self, seed: int, corpus: Sequence[bytes] = ()) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible
        self._corpus = list(corpus)

    def body(self) -> bytes:
        """Return the next body."""
        dice = self._random.random()
        if dice < 0.15 and self._corpus:
            return self._damage(self._random.choice(self._corpus))
        document = self._request()
        if dice < 0.5:
            return self._write(document)
        for _ in range(self._some(1, 3)):
            document = self._mutate(document)
        body = self._write(document)
        return self._damage(body) if dice > 0.8 else body

    # --- valid

    def _request(self) -> dict[str, Any]:
        request: dict[str, Any] = {"flights": [self._flight() for _ in range(self._size())]}
        if self._chance(0.4):
            near = self._random.choice(request["flights"])["scheduled_departure"]
            request["airport_state"] = self._state(near)
        if self._chance(0.15):
            short = len(request["flights"]) < 5
            request["explain"] = short and self._chance(0.2)
        return self._shuffled(request)

    def _size(self) -> int:
        dice = self._random.random()
        return 1 if dice < 0.7 else self._some(2, 6) if dice < 0.995 else self._some(7, LARGEST)

    def _flight(self) -> dict[str, Any]:
        flight: dict[str, Any] = {
            "airline": self._either(AIRLINES, lambda: self._letters(3)),
            "flight_number": self._either(NUMBERS, lambda: str(self._some(0, 99999))),
            "destination": self._either(DESTINATIONS, lambda: self._letters(4)),
            "scheduled_departure": self._moment(),
        }
        if self._chance(0.7):
            flight["flight_type"] = self._random.choice(("N", "I", None))
        return self._shuffled(flight)

    def _moment(self) -> str:
        day = self._either(
            DATES, lambda: f"20{self._some(0, 49):02}-{self._some(1, 12):02}-{self._some(1, 28):02}"
        )
        time = self._either(TIMES, lambda: f"{self._some(0, 23):02}:{self._some(0, 59):02}")
        offset = self._random.choice(OFFSETS) if self._chance(0.25) else ""
        return f"{day}{'T' if self._chance(0.9) else ' '}{time}{offset}"

    def _state(self, near: str) -> dict[str, Any]:
        state: dict[str, Any] = {
            "observed_at": near if self._chance(0.5) else near[:11] + self._clock()
        }
        for name in WINDOWS:
            if name in WINDOWS[:2] or self._chance(0.4):
                state[name] = self._window() if self._chance(0.95) else None
        return self._shuffled(state)

    def _clock(self) -> str:
        return f"{self._some(0, 23):02}:{self._some(0, 59):02}"

    def _window(self) -> dict[str, Any]:
        window: dict[str, Any] = {"departures": self._some(0, 40)}
        if self._chance(0.8):
            window["late_share"] = self._random.choice((0, 1, 0.5, self._random.random(), None))
        if self._chance(0.8):
            window["mean_delay_minutes"] = self._random.choice((0, self._some(-1440, 1440), None))
        return self._shuffled(window)

    # --- mutated

    def _mutate(self, document: Any) -> Any:
        """Return the document with one random place changed."""
        if isinstance(document, dict) and document:
            return self._mutate_object(document)
        if isinstance(document, list) and document and self._chance(0.9):
            place = self._random.randrange(len(document))
            return [*document[:place], self._mutate(document[place]), *document[place + 1 :]]
        return self._odd(document)

    def _mutate_object(self, document: dict[str, Any]) -> Any:
        key = self._random.choice(list(document))
        dice = self._random.random()
        if dice < 0.7:
            return {**document, key: self._mutate(document[key])}
        if dice < 0.8:
            return {name: value for name, value in document.items() if name != key}
        if dice < 0.9:
            return {**document, self._random.choice(ODD_KEYS): self._random.choice(ODD_VALUES)}
        if dice < 0.97:
            return Twice(document, key, self._odd(document[key]))
        return self._odd(document)

    def _odd(self, value: Any) -> Any:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if self._chance(0.8 if number else 0.1):
            return Raw(self._random.choice(NUMBERS_AS_TEXT))
        if isinstance(value, str) and self._chance(0.3):
            return self._random.choice(BAD_TIMES)
        return self._random.choice(ODD_VALUES)

    # --- written

    def _write(self, value: Any) -> bytes:
        text = self._json(value)
        if self._chance(0.1):
            text = self._space() + text + self._space()
        return text.encode("utf-8", "surrogatepass")

    def _json(self, value: Any) -> str:
        if isinstance(value, Raw):
            return value.text
        if isinstance(value, Twice):
            return self._members(value.pairs())
        if isinstance(value, dict):
            return self._members(list(value.items()))
        if isinstance(value, list):
            return "[" + f"{self._space()},".join(self._json(each) for each in value) + "]"
        if isinstance(value, str):
            return self._text(value)
        return json.dumps(value)

    def _members(self, pairs: list[tuple[str, Any]]) -> str:
        written = (
            f"{self._space()}{self._text(k)}{self._space()}:{self._json(v)}" for k, v in pairs
        )
        return "{" + ",".join(written) + self._space() + "}"

    def _text(self, value: str) -> str:
        if self._chance(0.02):
            return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 65536 else c for c in value) + '"'
        return json.dumps(value, ensure_ascii=self._chance(0.5))

    def _space(self) -> str:
        return self._random.choice((" ", "\n", "\t\r ")) if self._chance(0.05) else ""

    # --- damaged

    def _damage(self, body: bytes) -> bytes:
        data = bytearray(body)
        for _ in range(self._some(1, 4)):
            place = self._some(0, len(data))
            match self._some(0, 5):
                case 0:
                    data[place:place] = self._random.choice(TOKENS)
                case 1:
                    del data[place : place + self._some(1, 8)]
                case 2 if place < len(data):
                    data[place] ^= 1 << self._some(0, 7)
                case 3:
                    data[place : place + 1] = self._random.choice(TOKENS)
                case 4:
                    start = self._some(0, len(data))
                    data[place:place] = data[start : start + self._some(1, 40)]
                case 5 if self._chance(0.3):
                    del data[place:]
        return bytes(data)

    # --- random choices

    def _some(self, low: int, high: int) -> int:
        return low + int(self._random.random() * (high - low + 1))

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _either(self, listed: Sequence[str], free: Any) -> str:
        return self._random.choice(listed) if self._chance(0.7) else free()

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=count))

    def _shuffled(self, members: dict[str, Any]) -> dict[str, Any]:
        if self._chance(0.7):
            return members
        return dict(self._random.sample(list(members.items()), len(members)))


class Twice(dict[str, Any]):
    """Object with a duplicate member that has another value."""

    def __init__(self, members: dict[str, Any], key: str, other: Any) -> None:
        super().__init__(members)
        self._again = (key, other)

    def pairs(self) -> list[tuple[str, Any]]:
        """Return all members; the duplicate is first or last, by the length of its value."""
        own = list(self.items())
        return [self._again, *own] if len(str(self._again[1])) % 2 else [*own, self._again]
