"""Send raw bytes to the service's server, and compare its answers with those of plain uvicorn.

    python -m tests.fuzz.raw_http --connections 20000

The oracle is uvicorn's own protocol with the same application. It gets each request on its own
connection. The service gets the requests of a connection at once, split at random places, and must
give the same answers in the same order. The intended differences are here and in
`tests.fuzz.raw_http_grammar.RULES`: invalid HTTP gets 400 after the answers to all earlier
requests, and an offer to upgrade is ignored.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any

import typer
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.api.application import Application
from serving.models.loaded import Runtime
from serving.settings import Settings
from tests.fuzz.__main__ import small_model
from tests.fuzz.differential import Disagreement, Outcome
from tests.fuzz.raw_http_grammar import LAST, RULES, RawHttpGrammar, RawRequest
from tests.support.runtime import make_runtime, not_reached
from tests.support.sockets import serving, until
from tests.test_engines import same

SECONDS = 20.0
"""Time limit of a connection; beyond it the server counts as hanging."""
TOGETHER = 16
NOT_HTTP = b"Invalid HTTP request received."
"""Body of plain uvicorn's 400."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """Answer with the content length that its head declares."""

    status: int
    length: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Expected:
    """Expected answer to a request, and whether the connection ends with it."""

    statuses: tuple[int, ...]
    body: bytes | None
    ends: bool


class HangError(Exception):
    """Error for a server that neither answered nor closed within `SECONDS`."""


@asynccontextmanager
async def plain_uvicorn(runtime: Runtime) -> AsyncIterator[int]:
    """Serve the same application with uvicorn's own protocol; yield the port."""
    app = Application(not_reached, lambda: runtime, Settings())
    config = uvicorn.Config(
        app, port=0, http=HttpToolsProtocol, ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await asyncio.wait_for(task, SECONDS)


async def fuzz(
    runtime: Runtime, connections: int, seed: int, rules: Sequence[RawRequest] = RULES
) -> Outcome:
    """Compare the answers on `connections` connections."""
    outcome = Outcome()
    async with serving(runtime, None) as server, plain_uvicorn(runtime) as oracle:
        for start in range(0, connections, TOGETHER):
            numbers = range(start, min(start + TOGETHER, connections))
            grammars = [RawHttpGrammar(f"{seed}.{number}", rules) for number in numbers]
            found = (_try(grammar, server.port, oracle) for grammar in grammars)
            for each in await asyncio.gather(*found):
                outcome.add(each)
    return outcome


async def _try(grammar: RawHttpGrammar, port: int, oracle: int) -> Outcome:
    """Send the requests of one connection, up to the first that ends it."""
    outcome = Outcome(inputs=1)
    chosen: list[RawRequest] = []
    expected: list[Expected] = []
    sent = b""
    try:
        for request in grammar.connection():
            chosen.append(request)
            sent = request.oracle
            expected.append(await _ask_oracle(oracle, request))
            if expected[-1].ends:
                break
        else:
            chosen.append(RawRequest(LAST, LAST))
            expected.append(Expected((200,), None, ends=True))
        sent = b"".join(each.sent for each in chosen)
        pieces = grammar.pieces(sent)
        answers = parse(await talk(port, pieces, chosen[-1].half_close), chosen)
    except HangError as hang:
        outcome.disagreements.append(Disagreement(sent, str(hang)))
        return outcome
    for answer in answers:
        outcome.statuses[answer.status] = outcome.statuses.get(answer.status, 0) + 1
    if difference := _difference(answers, chosen, expected):
        outcome.disagreements.append(Disagreement(sent, f"{difference}\n    pieces: {pieces!r}"))
    return outcome


async def _ask_oracle(port: int, request: RawRequest) -> Expected:
    if request.statuses:
        return Expected(request.statuses, None, ends=not request.stays)
    answers = await _alone(port, request, request.oracle)
    if not answers or answers[0].body == NOT_HTTP:
        head, end, _ = request.oracle.partition(b"\r\n\r\n")
        if b"chunked" not in head.lower():
            return Expected((400,), None, ends=True)
        # an invalid head may be rejected before the invalid body arrives
        answers = await _alone(port, request, head + end + b"0\r\n\r\n")
        return Expected((400, *(each.status for each in answers[:1])), None, ends=True)
    return Expected((answers[0].status,), answers[0].body, ends=len(answers) < 2)


async def _alone(port: int, request: RawRequest, sent: bytes) -> list[RawAnswer]:
    return parse(await talk(port, [sent + LAST]), [request, RawRequest(LAST, LAST)])


async def talk(port: int, pieces: Sequence[bytes], half_close: bool = False) -> bytes:
    """Send pieces over a new connection, and read until the server closes it.

    Raises
    ------
    HangError
    """
    received = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(SECONDS):
            with suppress(ConnectionError):  # keep the bytes received before it
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0.001)
                if half_close:
                    writer.write_eof()
                while data := await reader.read(65_536):
                    received += data
    except TimeoutError:
        message = f"hangs after {received[-300:]!r}"
        raise HangError(message) from None
    finally:
        writer.transport.abort()
    return received


def parse(received: bytes, requests: Sequence[RawRequest]) -> list[RawAnswer]:
    """Return the final answers in received bytes; invalid bytes have status 0."""
    answers: list[RawAnswer] = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        try:
            status = int(head.split(b" ", 2)[1])
            lengths = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
            length = int(lengths[0].split(b":")[1]) if lengths else len(received)
        except (IndexError, ValueError):
            return [*answers, RawAnswer(0, 0, head)]
        if status == 100:
            continue
        here = len(answers)
        bare = here < len(requests) and not requests[here].has_body
        # invalid HTTP is answered with a body even if the method is HEAD
        size = 0 if bare and received[:5] in (b"HTTP/", b"") else length
        answers.append(RawAnswer(status, length, received[:size]))
        received = received[size:]
    return answers


def _difference(
    answers: Sequence[RawAnswer], requests: Sequence[RawRequest], expected: Sequence[Expected]
) -> str:
    statuses = [answer.status for answer in answers]
    if len(answers) != len(expected):
        return f"{len(answers)} answers {statuses}, not {[each.statuses for each in expected]}"
    for place, (answer, request, right) in enumerate(zip(answers, requests, expected, strict=True)):
        if answer.status not in right.statuses:
            return f"answer {place} is {answer.status}, not one of {right.statuses}"
        if request.length is not None and answer.length != request.length:
            return f"answer {place} declares {answer.length} bytes, not {request.length}"
        if right.body is not None and not same(_document(answer.body), _document(right.body)):
            return f"answer {place} says {answer.body[:300]!r}, not {right.body[:300]!r}"
    return ""


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def main(
    connections: Annotated[int, typer.Option(help="Number of connections.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Seed of the first connection.")] = 1,
) -> None:
    """Compare the service's server with plain uvicorn."""
    runtime = make_runtime(small_model(), tag="flight_delay:fuzzed")
    outcome = asyncio.run(fuzz(runtime, connections, seed))
    typer.echo(f"{outcome.inputs:,} connections, {outcome.statuses}")
    for disagreement in outcome.disagreements[:10]:
        typer.echo(str(disagreement))
    raise typer.Exit(1 if outcome.disagreements else 0)


if __name__ == "__main__":
    typer.run(main)
