"""uvicorn as this service needs it: its own protocol, and several new connections a turn."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

import uvicorn
import uvicorn.config

from serving.admission import Admissions
from serving.house import House
from serving.protocol import ShortWayProtocol

MakeProtocol = Callable[..., asyncio.Protocol]

ACCEPTED_AT_ONCE = 64
"""New connections that one turn of the event loop takes, beside the one that it takes itself."""

LAST_IN_SECONDS = 1.0
"""How long a stopping server waits for connections that are being opened."""


class KeenServer(uvicorn.Server):
    """uvicorn's server, which takes all clients that wait at the door, and not one a turn.

    libuv, which uvloop runs on, accepts one connection per turn of the event loop
    (https://github.com/libuv/libuv/pull/3696). Under load a turn lasts for milliseconds, because
    it scores a batch: the last of 64 new clients would wait for 64 batches, and clients that
    connect for each request would be scored one by one. So whenever the loop has accepted one, the
    server looks whether more are waiting (docs/decisions/0022-new-connections.md). That is for a
    lone worker: among several, the first to wake up would take all.
    """

    admissions: ClassVar[Admissions | None] = None
    """Counts those for whom there is no file descriptor; libuv accepts and closes them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._listeners: list[socket.socket] = []
        self._make: MakeProtocol = asyncio.Protocol
        self._looking = False
        self._opening: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and to look for more where sockets are given."""
        if sockets:
            self._listeners = sockets
            for each in sockets:
                each.setblocking(False)  # the loop does so, too; here a wait would stop everybody
            self._make = self.config.http_protocol_class
            self.config.http_protocol_class = self._make_protocol  # type: ignore[assignment] # it takes a class too
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; whoever is at the door gets in first, to be treated like all others.

        The kernel lets clients in as long as anybody listens, and would reset those whom nobody
        takes. So the last are taken and the door is shut in one go, for the supervisor too, which
        holds the same socket: who comes later is refused, and knows that nothing was asked.
        """
        self._accept(self.config.backlog)
        for listener in self._listeners:
            with suppress(OSError):  # whoever else holds it may have done so already
                listener.shutdown(socket.SHUT_RDWR)
        for server in self.servers:
            server.close()  # in the same turn: to the loop a door that is shut is an error
        self._listeners = []
        if self._opening:
            await asyncio.wait(self._opening, timeout=LAST_IN_SECONDS)
        await super().shutdown(sockets)

    def _make_protocol(self, **of_uvicorn: Any) -> asyncio.Protocol:
        """Make the protocol of a connection that the loop has accepted."""
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._accept_more)
        return self._make(**of_uvicorn)

    def _accept_more(self) -> None:
        self._looking = False
        self._accept(ACCEPTED_AT_ONCE)

    def _accept(self, most: int) -> None:
        """Take clients that wait at the door, up to so many at each."""
        for listener in self._listeners:
            for _ in range(most):
                try:
                    connection, _ = listener.accept()
                except OSError as error:  # nobody is waiting, or it is the loop's to meet
                    if error.errno in (errno.EMFILE, errno.ENFILE) and self.admissions:
                        self.admissions.no_files()
                    break
                connection.setblocking(False)
                self._open(connection)

    def _open(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        opened = loop.connect_accepted_socket(self._protocol, connection, ssl=self.config.ssl)
        task = loop.create_task(opened)
        self._opening.add(task)
        task.add_done_callback(self._opened)

    def _protocol(self) -> asyncio.Protocol:
        """Make a protocol as `uvicorn.Server.startup` does."""
        return self._make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _opened(self, task: asyncio.Task[Any]) -> None:
        """Forget it, however it went: a client that fails at the handshake has gone."""
        self._opening.discard(task)
        if not task.cancelled():
            task.exception()


def install(house: House, *, alone: bool) -> None:
    """Have BentoML start a server with this protocol in the process; a keen one if it is alone.

    uvicorn's access log goes with it: it formats a line per request before it asks whether
    anybody wants to read it.
    """
    protocol: MakeProtocol = partial(ShortWayProtocol, house)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = protocol  # type: ignore[assignment] # it takes a class too
    KeenServer.admissions = house.admissions
    if alone:
        uvicorn.Server = KeenServer  # type: ignore[misc] # the name by which BentoML starts it
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
