"""Server: bursts of new connections, and a stop that answers what is on its way."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvicorn
import uvloop

from serving.http import protocol
from serving.http.context import ConnectionContext
from serving.http.protocol import FastPathProtocol
from serving.http.server import ACCEPTED_AT_ONCE, MultiAcceptServer, install
from tests.support.server import free_port
from tests.support.sockets import HELLO, S, hello, hello_context, hello_server, until

BURST = ACCEPTED_AT_ONCE // 2


async def with_a_burst(
    kind: type[S],
) -> tuple[S, asyncio.Task[None], ConnectionContext, socket.socket, list[socket.socket]]:
    """Return a started server, and clients that are connected but not accepted."""
    server, context = hello_server(kind)
    listener = socket.create_server(("127.0.0.1", free_port()), backlog=BURST)
    running = asyncio.create_task(server.serve([listener]))
    await until(lambda: server.started)
    # without a turn of the loop: the kernel completes the handshakes
    clients = [socket.create_connection(listener.getsockname()) for _ in range(BURST)]
    return server, running, context, listener, clients


async def turns_until_all_are_accepted(kind: type[uvicorn.Server]) -> int:
    """Return the turns that a server needs to accept a burst; each connection is then answered."""
    server, running, context, listener, clients = await with_a_burst(kind)
    turns = 0
    while len(context.reaper) < BURST:
        await asyncio.sleep(0)
        turns += 1
    answers = await asyncio.gather(*map(ask, clients))
    assert [each[-2:] for each in answers] == [b"hi"] * BURST
    port = listener.getsockname()[1]
    server.should_exit = True
    await asyncio.wait_for(running, 10)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
    return turns


async def ask(client: socket.socket) -> bytes:
    """Return the response to one request, and close the connection."""
    reader, writer = await asyncio.open_connection(sock=client)
    writer.write(HELLO)
    answer = await reader.readuntil(b"hi")
    writer.close()
    return answer


def end_of(client: socket.socket) -> bytes:
    """Return the next byte that the server sends, or nothing where it closes."""
    with client:
        client.settimeout(60)
        return client.recv(1)


def test_a_burst_is_accepted_in_a_few_turns() -> None:
    """The server accepts more than one connection per turn; uvicorn's own server does not."""
    assert uvloop.run(turns_until_all_are_accepted(MultiAcceptServer)) < 10
    assert uvloop.run(turns_until_all_are_accepted(uvicorn.Server)) >= BURST


def test_a_stop_closes_connections_that_are_being_opened() -> None:
    """Connections without a protocol do not delay the stop."""

    async def main() -> list[bytes]:
        server, running, _, listener, clients = await with_a_burst(MultiAcceptServer)
        while not server._opening:  # noqa: ASYNC110 - turn by turn
            await asyncio.sleep(0)
        await asyncio.wait_for(server.shutdown([listener]), 10)
        running.cancel()
        return [end_of(each) for each in clients]

    assert uvloop.run(main()) == [b""] * BURST


def test_a_stop_answers_connections_that_are_not_accepted() -> None:
    """They had connected before the stop and get a response; later ones are refused."""

    async def main() -> list[bytes]:
        server, running, _, listener, clients = await with_a_burst(MultiAcceptServer)
        address = listener.getsockname()
        for each in clients:
            each.send(HELLO)
        stopping = asyncio.create_task(server.shutdown([listener]))
        await asyncio.sleep(0)
        late = asyncio.create_task(asyncio.open_connection(*address))
        answers = await asyncio.gather(*map(rest, clients))
        await asyncio.wait_for(stopping, 10)
        running.cancel()
        with pytest.raises(ConnectionRefusedError):
            await late
        return answers

    assert [each[-2:] for each in uvloop.run(main())] == [b"hi"] * BURST


async def rest(client: socket.socket) -> bytes:
    """Return all bytes that the server sends before it closes."""
    reader, writer = await asyncio.open_connection(sock=client)
    said = await reader.read()
    writer.close()
    return said


def test_a_server_that_opens_its_own_socket_works_as_uvicorns() -> None:
    """Without given sockets the server has none on which to accept more."""

    async def main() -> int:
        server, _ = hello_server(MultiAcceptServer)
        running = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        server.should_exit = True
        await running
        return len(server.servers)

    assert asyncio.run(main()) == 1


@pytest.mark.parametrize("alone", [True, False])
def test_install_replaces_uvicorns_server(monkeypatch: pytest.MonkeyPatch, alone: bool) -> None:
    """BentoML starts this server by uvicorn's name."""
    plain = uvicorn.Server
    monkeypatch.setattr(uvicorn, "Server", plain)
    protocols: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn.config, "HTTP_PROTOCOLS", protocols)
    install(hello_context(), alone=alone)
    started = uvicorn.Server(uvicorn.Config(hello))
    assert isinstance(started, MultiAcceptServer)
    assert started._alone is alone
    assert protocols["auto"].func is FastPathProtocol


async def stopping_server(
    asked: int,
) -> tuple[uvicorn.Server, asyncio.Task[None], list[tuple[asyncio.StreamReader, Any]]]:
    """Return a stopping server with idle connections that were answered once."""
    server, _ = hello_server(uvicorn.Server)
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(asked)]
    for reader, writer in connections:
        writer.write(HELLO)
        assert b"connection: close" not in await reader.readuntil(b"hi")
    server.should_exit = True
    await until(lambda: not server.servers[0].is_serving())
    return server, running, connections


def test_a_request_on_its_way_at_the_stop_is_answered() -> None:
    """A request on an idle connection gets a response with `connection: close`."""

    async def run() -> bytes:
        _, running, [(reader, writer)] = await stopping_server(1)
        writer.write(HELLO)
        answer = await reader.read()
        await running
        writer.close()
        return answer

    answer = asyncio.run(run())
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert answer.endswith(b"hi")


def test_idle_connections_do_not_delay_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server closes them after `LAST_REQUEST_SECONDS`."""
    monkeypatch.setattr(protocol, "LAST_REQUEST_SECONDS", 0.05)

    async def run() -> list[bytes]:
        _, running, connections = await stopping_server(3)
        ends = [await reader.read() for reader, _ in connections]
        await asyncio.wait_for(running, 60)
        for _, writer in connections:
            writer.close()
        return ends

    assert asyncio.run(run()) == [b""] * 3
