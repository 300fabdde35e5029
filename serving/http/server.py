"""uvicorn's server with the service's protocol, with bursts of connections accepted at once."""

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

from serving.http.admission import AdmissionControl
from serving.http.context import ConnectionContext
from serving.http.listening import LAST_ACCEPT_SECONDS, refuse_handshakes
from serving.http.protocol import FastPathProtocol
from serving.http.watchdog import DRAIN_SECONDS, Watchdog
from serving.models import served_tag
from serving.settings import settings

MakeProtocol = Callable[..., asyncio.Protocol]

ACCEPTED_AT_ONCE = 64
"""Connections accepted per turn of the event loop, in addition to the one that uvloop accepts."""

OPENING_SECONDS = 1.0
"""How long a stopping server waits for accepted connections that have no protocol yet."""


class MultiAcceptServer(uvicorn.Server):
    """uvicorn's server that accepts all pending connections in one turn of the event loop.

    libuv, which uvloop is built on, accepts one connection per turn
    (https://github.com/libuv/libuv/pull/3696). Under load a turn takes milliseconds, because it
    scores a batch: the last of 64 new clients would wait for 64 batches, and the requests of
    clients that connect for each request would be scored one by one. So whenever the loop has
    accepted a connection, the server accepts up to 64 more, see
    docs/decisions/0022-new-connections.md. It does so in a single worker only: among several, the
    first to wake up would accept all.

    A stop has a time limit, and a watchdog ends the process when the event loop hangs.
    """

    admissions: ClassVar[AdmissionControl | None] = None
    """Counts connections without a file descriptor; libuv accepts and closes them."""

    def __init__(self, config: uvicorn.Config, *, alone: bool = True) -> None:
        super().__init__(config)
        if config.timeout_graceful_shutdown is None:
            config.timeout_graceful_shutdown = DRAIN_SECONDS
        self._alone = alone
        self._listeners: list[socket.socket] = []
        self._make_plain: MakeProtocol = asyncio.Protocol
        self._accept_scheduled = False
        self._opening: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen; start the watchdog where BentoML gives the sockets."""
        if sockets:
            self._listeners = sockets
            for each in sockets:
                each.setblocking(False)  # `_accept` must not block the loop
            self._make_plain = self.config.http_protocol_class
            self.config.http_protocol_class = self._make_protocol  # type: ignore[assignment] # it takes a class too
            drain = self.config.timeout_graceful_shutdown or 0
            Watchdog(self, settings().loop_seconds, drain).start()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; connections that have begun are accepted, and their requests answered.

        The supervisor stops new handshakes and closes its copy of the listening socket; without a
        supervisor the server stops them. A single worker that stops must not: the others go on.
        """
        if served_tag.folder() is None:
            for each in self._listeners:
                refuse_handshakes(each)
        await asyncio.sleep(LAST_ACCEPT_SECONDS)
        self._accept(self.config.backlog)
        for server in self.servers:
            server.close()  # in the same turn: no connection is accepted in between
        self._listeners = []
        if self._opening:
            await asyncio.wait(self._opening, timeout=OPENING_SECONDS)
        await super().shutdown(sockets)

    def _make_protocol(self, **of_uvicorn: Any) -> asyncio.Protocol:
        """Return the protocol of a connection that the loop has accepted, and accept more."""
        if self._alone and not self._accept_scheduled:
            self._accept_scheduled = True
            asyncio.get_running_loop().call_soon(self._accept_more)
        return self._make_plain(**of_uvicorn)

    def _accept_more(self) -> None:
        self._accept_scheduled = False
        self._accept(ACCEPTED_AT_ONCE)

    def _accept(self, most: int) -> None:
        """Accept pending connections, up to `most` on each listening socket."""
        for listener in self._listeners:
            for _ in range(most):
                try:
                    connection, _ = listener.accept()
                except (
                    OSError
                ) as error:  # none is pending, or the event loop will get the same error
                    if error.errno in (errno.EMFILE, errno.ENFILE) and self.admissions:
                        self.admissions.count_no_files()
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
        """Return a protocol as `uvicorn.Server.startup` makes it."""
        return self._make_plain(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _opened(self, task: asyncio.Task[Any]) -> None:
        """Forget the task; an error means that the client has disconnected."""
        self._opening.discard(task)
        if not task.cancelled():
            task.exception()


def install(context: ConnectionContext, *, alone: bool) -> None:
    """Replace uvicorn's server and protocol in this process by those of the service.

    Also disables uvicorn's access log, which formats a line per request before it checks whether
    there is a handler.

    Parameters
    ----------
    alone
        Whether this is the only worker.
    """
    protocol: MakeProtocol = partial(FastPathProtocol, context)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = protocol  # type: ignore[assignment] # it takes a class too
    MultiAcceptServer.admissions = context.admissions
    uvicorn.Server = partial(MultiAcceptServer, alone=alone)  # type: ignore[misc,assignment] # BentoML starts the server by this name
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
