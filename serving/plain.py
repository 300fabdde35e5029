"""Recognises the plainest of prediction requests by their bytes, without parsing them."""

from __future__ import annotations

import re

from serving.bulk import LARGE_BODY

_OF_NO_MATTER = rb"(?i:host|user-agent|accept|accept-encoding|accept-language): [ -~]{0,256}\r\n"
_TYPE = rb"(?i:content-type): application/json\r\n"
_LENGTH = rb"(?i:content-length): ([0-9]{1,5})\r\n"
_OTHERS = rb"(?:" + _OF_NO_MATTER + rb"|" + _TYPE + rb")*+"
_head = re.compile(
    rb"POST /predict_delay HTTP/1\.1\r\n" + _OTHERS + _LENGTH + _OTHERS + rb"\r\n"
).match


def is_plain(data: bytes) -> bool:
    """Whether data is one whole prediction request whose head says nothing of interest.

    For refusals that are the same whatever the body holds. A request that is not recognised,
    because it names itself, arrives in pieces or is pipelined, is parsed like any other.
    """
    head = _head(data)
    if head is None:
        return False
    length = int(head[1])
    return 0 < length <= LARGE_BODY and len(data) == head.end() + length
