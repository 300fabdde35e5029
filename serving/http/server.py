"""uvicorn as this service needs it: its own protocol, its way to accept connections and to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import uvicorn
import uvicorn.config

from serving.http.admission import Admissions
from serving.http.context import ConnectionContext
from serving.http.listening import LAST_ACCEPT_SECONDS, refuse_handshakes
from serving.http.protocol import FastPathProtocol
from serving.http.watchdog import DRAIN_SECONDS, Watchdog
from serving.models import served_tag
from serving.settings import settings

MakeProtocol = Callable[..., asyncio.Protocol]

ACCEPTED_AT_ONCE = 64
"""New connections that one turn of the event loop takes, beside the one that it takes itself."""

OPENING_SECONDS = 1.0
"""How long a stopping server waits for connections whose protocol is being made."""


class MultiAcceptServer(uvicorn.Server):
    """uvicorn's server, which takes all clients that wait at the door, and not one a turn.

    libuv, which uvloop runs on, accepts one connection per turn of the event loop
    (https://github.com/libuv/libuv/pull/3696). Under load a turn lasts for milliseconds, because
    it scores a batch: the last of 64 new clients would wait for 64 batches, and clients that
    connect for each request would be scored one by one. So whenever the loop has accepted one, the
    server looks whether more are waiting (docs/decisions/0022-new-connections.md). That is for a
    lone worker: among several, the first to wake up would take all.

    A stop has a limit, and a watchdog ends the process where the event loop hangs.
    """

    admissions: ClassVar[Admissions | None] = None
    """Counts those for whom there is no file descriptor; libuv accepts and closes them."""

    def __init__(self, config: uvicorn.Config, *, alone: bool = True) -> None:
        super().__init__(config)
        if config.timeout_graceful_shutdown is None:
            config.timeout_graceful_shutdown = DRAIN_SECONDS
        self._alone = alone
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
            drain = self.config.timeout_graceful_shutdown or 0
            Watchdog(self, settings().loop_seconds, drain).start()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; clients that have begun to connect are accepted and answered like all others.

        The supervisor stops new handshakes and closes its copy of the listening socket; where
        there is none, the server does so. A worker that is stopped alone leaves them to the others.
        """
        if served_tag.folder() is None:
            for each in self._listeners:
                refuse_handshakes(each)
        await asyncio.sleep(LAST_ACCEPT_SECONDS)
        self._accept(self.config.backlog)
        for server in self.servers:
            server.close()  # in the same turn, so that no other client gets in between
        self._listeners = []
        if self._opening:
            await asyncio.wait(self._opening, timeout=OPENING_SECONDS)
        await super().shutdown(sockets)

    def _make_protocol(self, **of_uvicorn: Any) -> asyncio.Protocol:
        """Make the protocol of a connection that the loop has accepted."""
        if self._alone and not self._looking:
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


def install(house: ConnectionContext, *, alone: bool) -> None:
    """Have BentoML start a server with this protocol in the process.

    uvicorn's access log goes with it: it formats a line per request before it asks whether
    anybody wants to read it.
    """
    protocol: MakeProtocol = partial(FastPathProtocol, house)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = protocol  # type: ignore[assignment] # it takes a class too
    MultiAcceptServer.admissions = house.admissions
    uvicorn.Server = partial(MultiAcceptServer, alone=alone)  # type: ignore[misc,assignment] # the name by which BentoML starts it
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
