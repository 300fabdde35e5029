"""Recognises the plainest of prediction requests by their bytes, without parsing them."""

from __future__ import annotations

import re
from functools import lru_cache

from serving.bulk import LARGE_BODY

_OF_NO_MATTER = rb"(?i:host|user-agent|accept|accept-encoding|accept-language): [ -~]{0,256}\r\n"
_TYPE = rb"(?i:content-type): application/json\r\n"
_LENGTH = rb"(?i:content-length): ([0-9]{1,5})\r\n"
_OTHERS = rb"(?:" + _OF_NO_MATTER + rb"|" + _TYPE + rb")*+"
_is_plain = re.compile(
    rb"POST /predict_delay HTTP/1\.1\r\n" + _OTHERS + _LENGTH + _OTHERS + rb"\r\n"
).fullmatch
_END = b"\r\n\r\n"
_LONGEST_HEAD = 1_024
_HEADS = 1_024
"""Heads that are remembered; those of a client differ by the length of the body alone."""


def is_plain(data: bytes) -> bool:
    """Whether data is one whole prediction request whose head says nothing of interest.

    For refusals that are the same whatever the body holds. A request that is not recognised,
    because it names itself, arrives in pieces or is pipelined, is parsed like any other.
    """
    end = data.find(_END, 0, _LONGEST_HEAD) + len(_END)
    if end < len(_END):
        return False
    length = _declared(data[:end])
    return 0 < length <= LARGE_BODY and len(data) == end + length


@lru_cache(_HEADS)
def _declared(head: bytes) -> int:
    """Length of the body that a plain head declares; 0 for any other head."""
    found = _is_plain(head)
    return int(found[1]) if found else 0
