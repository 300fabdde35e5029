"""The server takes a burst of new connections within few turns of its event loop."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvicorn
import uvloop

from serving.http import protocol, server
from serving.http.context import ConnectionContext
from serving.http.protocol import FastPathProtocol
from serving.http.server import ACCEPTED_AT_ONCE, MultiAcceptServer
from tests.support.server import free_port
from tests.support.sockets import HELLO, S, hello, hello_house, saying_hello, until

BURST = ACCEPTED_AT_ONCE // 2


async def with_a_burst(
    kind: type[S],
) -> tuple[S, asyncio.Task[None], ConnectionContext, socket.socket, list[socket.socket]]:
    """A started server, and clients at its door whom no turn of the loop has let in yet."""
    keen, house = saying_hello(kind)
    listener = socket.create_server(("127.0.0.1", free_port()), backlog=BURST)
    running = asyncio.create_task(keen.serve([listener]))
    await until(lambda: keen.started)
    # without a turn of the loop: the kernel lets them in
    clients = [socket.create_connection(listener.getsockname()) for _ in range(BURST)]
    return keen, running, house, listener, clients


async def turns_until_all_are_in(kind: type[uvicorn.Server]) -> int:
    """Turns that a server needs for a burst of connections; each of them is answered then."""
    keen, running, house, listener, clients = await with_a_burst(kind)
    turns = 0
    while len(house.reaper) < BURST:
        await asyncio.sleep(0)
        turns += 1
    answers = await asyncio.gather(*map(ask, clients))
    assert [each[-2:] for each in answers] == [b"hi"] * BURST
    port = listener.getsockname()[1]
    keen.should_exit = True
    await asyncio.wait_for(running, 10)
    with pytest.raises(ConnectionRefusedError):  # the door is closed
        socket.create_connection(("127.0.0.1", port)).close()
    return turns


async def ask(client: socket.socket) -> bytes:
    """The answer to a request; the connection is closed then."""
    reader, writer = await asyncio.open_connection(sock=client)
    writer.write(HELLO)
    answer = await reader.readuntil(b"hi")
    writer.close()
    return answer


def end_of(client: socket.socket) -> bytes:
    """What the server still says before it closes, within a moment."""
    with client:
        client.settimeout(60)
        return client.recv(1)


def test_a_burst_is_in_after_a_few_turns() -> None:
    """It is not one connection a turn, as with uvicorn's own server."""
    keen = uvloop.run(turns_until_all_are_in(MultiAcceptServer))
    assert keen < 10
    assert uvloop.run(turns_until_all_are_in(uvicorn.Server)) >= BURST


def test_a_server_that_stops_tells_those_who_are_half_in() -> None:
    """Nobody gets in behind the back of a server that is stopping, and keeps it from its end."""

    async def main() -> list[bytes]:
        keen, running, _, listener, clients = await with_a_burst(MultiAcceptServer)
        while not keen._opening:  # noqa: ASYNC110 - turn by turn
            await asyncio.sleep(0)
        await asyncio.wait_for(keen.shutdown([listener]), 10)
        running.cancel()
        return [end_of(each) for each in clients]

    assert uvloop.run(main()) == [b""] * BURST


def test_a_server_that_stops_answers_those_at_the_door() -> None:
    """They had connected before the stop, though none was accepted; later ones are refused."""

    async def main() -> list[bytes]:
        keen, running, _, listener, clients = await with_a_burst(MultiAcceptServer)
        address = listener.getsockname()
        for each in clients:
            each.send(HELLO)
        stopping = asyncio.create_task(keen.shutdown([listener]))
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
    """All that the server still says on a connection."""
    reader, writer = await asyncio.open_connection(sock=client)
    said = await reader.read()
    writer.close()
    return said


def test_a_server_that_opens_its_own_socket_is_left_as_it_is() -> None:
    """Without sockets there is nobody to be looked for."""

    async def main() -> int:
        keen, _ = saying_hello(MultiAcceptServer)
        running = asyncio.create_task(keen.serve())
        await until(lambda: keen.started)
        keen.should_exit = True
        await running
        return len(keen.servers)

    assert asyncio.run(main()) == 1


@pytest.mark.parametrize("alone", [True, False])
def test_it_takes_the_place_of_uvicorns_server(
    monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    """What BentoML starts by uvicorn's name is this server; several accept one a turn."""
    plain = uvicorn.Server
    monkeypatch.setattr(uvicorn, "Server", plain)
    protocols: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn.config, "HTTP_PROTOCOLS", protocols)
    server.install(hello_house(), alone=alone)
    started = uvicorn.Server(uvicorn.Config(hello))
    assert isinstance(started, MultiAcceptServer)
    assert started._alone is alone
    assert protocols["auto"].func is FastPathProtocol


async def stopping_server(
    asked: int,
) -> tuple[uvicorn.Server, asyncio.Task[None], list[tuple[asyncio.StreamReader, Any]]]:
    """A server with that many idle connections, each answered once, that is told to stop."""
    server, _ = saying_hello(uvicorn.Server)
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


def test_a_request_on_its_way_when_the_server_stops_is_answered() -> None:
    """A connection that was idle at that moment gets its answer, which is said to be the last."""

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


def test_idle_connections_do_not_keep_a_stopping_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are closed after a moment."""
    monkeypatch.setattr(protocol, "LAST_REQUEST_SECONDS", 0.05)

    async def run() -> list[bytes]:
        _, running, connections = await stopping_server(3)
        ends = [await reader.read() for reader, _ in connections]
        await asyncio.wait_for(running, 60)
        for _, writer in connections:
            writer.close()
        return ends

    assert asyncio.run(run()) == [b""] * 3
