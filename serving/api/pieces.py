"""Cuts a large body into small ones, so that reading them never takes long at a stretch.

JSON is parsed and validated in one call, during which nobody else in the process gets to work: tens
of milliseconds for ten thousand flights.
"""

from __future__ import annotations

import re

PIECE_BYTES = 8_192

_SPACE = rb"[ \t\r\n]*"
_begin = re.compile(
    _SPACE + rb"\{" + _SPACE + rb'"flights"' + _SPACE + rb":" + _SPACE + rb"\["
).match
_between = re.compile(rb"\}" + _SPACE + rb"(,)" + _SPACE + rb"\{").search
_LONGEST_REST = 4_096


def cut(body: bytes) -> list[bytes]:
    """Bodies that together ask what one body asks; that body alone where it cannot be cut.

    All that is said beside the flights stands in the first. Only a body that begins with its
    flights is cut, where a comma stands between braces. That may be inside a text, too: then a
    piece is no JSON, and its reader has to take the whole body. No piece can leave the list,
    because it ends at the first bracket that could close it. So where all pieces are valid the
    whole is, with the same flights in the same order: lists of JSON values, joined by commas, are
    a list of these values.
    """
    begin = _begin(body)
    end = -1 if begin is None else body.find(b"]", begin.end())
    rest = body[end:]
    if begin is None or end < 0 or not _is_modest(rest):
        return [body]
    at = begin.end()
    pieces = []
    while (comma := _between(body, at + PIECE_BYTES, end)) is not None:
        pieces.append(body[at : comma.start(1)])
        at = comma.end(1)
    pieces.append(body[at:end])
    ends = [rest, *[b"]}"] * (len(pieces) - 1)]
    return [b'{"flights":[%b%b' % both for both in zip(pieces, ends, strict=True)]


def _is_modest(rest: bytes) -> bool:
    """Whether what stands behind the flights is short, and does not name flights once more."""
    return len(rest) < _LONGEST_REST and b"flights" not in rest and b"\\" not in rest
