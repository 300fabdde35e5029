"""uvicorn as this service needs it: its own protocol, and several new connections a turn."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial

import uvicorn
import uvicorn.config

from serving.house import House
from serving.protocol import ShortWayProtocol

ACCEPTED_AT_ONCE = 8
"""New connections that one turn of the event loop takes from each listening socket."""


class KeenServer(uvicorn.Server):
    """uvicorn's server, listening by several handles of each socket.

    libuv, which uvloop runs on, takes one new connection per handle and turn of the event loop
    (https://github.com/libuv/libuv/pull/3696). Under load a turn lasts for milliseconds, because
    it scores a batch: the last of 64 new clients would wait for 64 batches, and clients that
    connect for each request would be scored one by one. A handle more costs a failed `accept` per
    new connection (docs/decisions/0022-new-connections.md).
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen on sockets; the doubles are closed together with them."""
        doubles = (each.dup() for each in sockets or () for _ in range(ACCEPTED_AT_ONCE - 1))
        await super().startup(sockets and [*sockets, *doubles])


def install(house: House) -> None:
    """Have BentoML start this server with this protocol in the process.

    uvicorn's access log goes with it: it formats a line per request before it asks whether
    anybody wants to read it.
    """
    protocol: Callable[..., asyncio.Protocol] = partial(ShortWayProtocol, house)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = protocol  # type: ignore[assignment] # it takes a class too
    uvicorn.Server = KeenServer  # type: ignore[misc] # the name that BentoML starts its server by
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
