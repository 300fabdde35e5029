"""Rules of HTTP/1.1 (RFC 9112) for the head of a request that the parser does not check."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from serving.errors import BadRequest
from serving.http.responses import lines

Header = tuple[bytes, bytes]

_VERSION = "Send HTTP/1.1 or HTTP/1.0."
_HOST = "Send one Host header: a name or an address, and a port if need be."
_CODING = "The only transfer coding is chunked, and it came with HTTP/1.1."

_is_host = re.compile(
    rb"(\[[0-9A-Fa-f:.]+\]|([A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(:[0-9]*)?"
).fullmatch


@lru_cache(64)  # the longest values are as long as a head: so all together take 2 MB at most
def is_host(value: bytes) -> bool:
    """Return whether a value may stand in a Host header (RFC 3986, section 3.2.2); may be empty."""
    return _is_host(value) is not None


def check_head(version: str, headers: Sequence[Header]) -> None:
    """Refuse a head that the parser accepts, but HTTP/1.1 does not.

    Raises
    ------
    BadRequest
        If the version is another one, if `Host` is missing, repeated or malformed, or if a transfer
        coding other than `chunked` is used.
    """
    if version not in ("1.1", "1.0"):
        raise BadRequest(_VERSION)
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (version == "1.1" and not hosts) or not all(map(is_host, hosts)):
        raise BadRequest(_HOST)
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (version == "1.0" or codings != [b"chunked"]):
        raise BadRequest(_CODING)


def without_upgrade(method: bytes, url: bytes, version: str, headers: Sequence[Header]) -> bytes:
    """Return the bytes of a head without its `Upgrade` headers."""
    kept = lines([header for header in headers if header[0] != b"upgrade"])
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, url, version.encode(), kept)
