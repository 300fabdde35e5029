"""Server on a real socket that produces chosen faults."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

Act = Callable[[socket.socket, bytes], bool]
"""Function of a connection and a request body; returns whether to keep the connection."""


def prediction(probability: float = 0.25) -> dict[str, Any]:
    """Return a prediction as in the contract."""
    return {"probability": probability, "delayed": True, "risk": "elevated", "unknown": []}


def answer_body(body: bytes) -> bytes:
    """Return the answer to a request; each probability is the flight number / 10,000."""
    flights = json.loads(body)["flights"]
    scored = [prediction(int(flight["flight_number"]) / 10_000) for flight in flights]
    return json.dumps({"model": "m:1", "predictions": scored}).encode()


def answer(connection: socket.socket, body: bytes) -> bool:
    """Send a correct answer."""
    return reply(200, answer_body(body))(connection, body)


def reply(status: int, content: bytes, **headers: str) -> Act:
    """Return an act that answers with a status, headers and a body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def act(connection: socket.socket, _body: bytes) -> bool:
        connection.sendall(_head(status, len(content), **named) + content)
        return True

    return act


def problem(status: int, kind: str, **headers: str) -> Act:
    """Return an act that answers with a problem document."""
    document = {
        "type": f"urn:flight-delay:problem:{kind}",
        "title": kind,
        "status": status,
        "detail": "because",
    }
    return reply(status, json.dumps(document).encode(), **headers)


def cut_in_the_middle(connection: socket.socket, body: bytes) -> bool:
    """Send half an answer and reset the connection."""
    content = answer_body(body)
    connection.sendall(_head(200, len(content)) + content[: len(content) // 2])
    return reset(connection, body)


def reset(connection: socket.socket, _body: bytes) -> bool:
    """Reset the connection (RST) without an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def stall(connection: socket.socket, _body: bytes) -> bool:
    """Send nothing until the client disconnects."""
    connection.settimeout(20)
    connection.recv(1)
    return False


class FaultServer:
    """Server that answers each request with the next act, and repeats the last one.

    Attributes
    ----------
    url
        URL of the server on the loopback interface.
    bodies
        Bodies of the requests, in the order of arrival.
    """

    def __init__(self, acts: Sequence[Act]) -> None:
        self._acts = list(acts)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self.bodies: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                while (body := _read_request(connection)) is not None:
                    if not self._next(body)(connection, body):
                        return
        except OSError:
            return

    def _next(self, body: bytes) -> Act:
        with self._lock:
            self.bodies.append(body)
            return self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]


def _head(status: int, length: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Something", f"content-length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _read_request(connection: socket.socket) -> bytes | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"content-length", 0)):
        body += connection.recv(65536)
    return body
