"""Check a deployed service with requests: `python -m deploy.checks smoke|load URL`.

Prints one line per fault, and exits with 1 if there is any. For a private service the environment
variable TOKEN holds an identity token.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from load.tools import open_loop
from load.tools.server_process import PROJECT
from load.tools.stats import FloatArray
from load.tools.wrk import PREDICT_PATH

TOKEN_VARIABLE = "TOKEN"  # noqa: S105 - the variable's name, not a secret
REQUEST = PROJECT / "tests" / "request.json"
TIMEOUT_SECONDS = 15
CONNECTIONS = 32

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Answer:
    """Answer of the service: status, media type and body."""

    status: int
    media_type: str
    body: bytes

    def json(self) -> Any:
        """Return the parsed body, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def ask(url: str, body: bytes | None = None) -> Answer:
    """Send a GET, or a POST if there is a body; the status is 0 if there is no answer."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} | _key())  # noqa: S310 - the URL is the deployment's own
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
            return Answer(answer.status, answer.headers.get_content_type(), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers.get_content_type(), error.read())
    except OSError as failure:
        return Answer(0, "", str(failure).encode())


def smoke_faults(url: str, model: str) -> Iterator[str]:
    """Yield each violation of the contract, found with one request per part of it."""
    for path in ("/livez", "/readyz"):
        if (status := ask(url + path).status) != 200:
            yield f"GET {path} answers {status}"
    card = ask(f"{url}/model").json()
    served = card.get("model") if isinstance(card, dict) else None
    if served != model:
        yield f"the model is {served}, not {model}"
    yield from _prediction_faults(ask(url + PREDICT_PATH, REQUEST.read_bytes()), model)
    invalid = ask(url + PREDICT_PATH, b'{"flights": []}')
    if (invalid.status, invalid.media_type) != (422, "application/problem+json"):
        yield f"a request without flights is answered with {invalid.status} {invalid.media_type}"


def load_faults(run: open_loop.OpenRun, p99_ms: float, failed: float) -> Iterator[str]:
    """Yield the faults of a load test.

    Parameters
    ----------
    p99_ms
        Largest accepted 99th percentile of the latency, in milliseconds.
    failed
        Largest accepted share of requests without a successful answer.
    """
    if run.failed > failed * run.arrivals:
        yield f"{run.failed} of {run.arrivals} requests failed"
    if run.failed < run.arrivals and run.latency_ms["p99"] > p99_ms:
        yield f"p99 is {run.latency_ms['p99']:.0f} ms, more than {p99_ms:.0f}"


@app.command()
def smoke(
    url: str,
    model: Annotated[str, typer.Option(help="Full tag of the model that must answer.")],
) -> None:
    """Check health, model, one prediction and the answer to an invalid request."""
    _conclude(f"smoke test of {url}", smoke_faults(url, model))


@app.command()
def load(
    url: str,
    rate: Annotated[float, typer.Option(help="Requests per second.", min=0.1)] = 50,
    seconds: Annotated[float, typer.Option(min=1)] = 20,
    p99_ms: Annotated[float, typer.Option(help="Largest accepted p99.")] = 250,
    failed: Annotated[float, typer.Option(help="Largest accepted share of failures.")] = 0.0,
) -> None:
    """Send requests at random times (Poisson), independent of the answers."""
    try:
        run = _open_loop(url, open_loop.poisson(rate, seconds))
    except OSError as failure:
        _conclude(f"load on {url}", iter([f"no connection: {failure}"]))
        return
    shown = " ".join(f"{name} {run.latency_ms.get(name, 0):.1f}" for name in ("p50", "p99", "max"))
    title = f"{run.arrivals} requests in {seconds:g} s to {url}: {shown} ms, {run.failed} failed"
    _conclude(title, load_faults(run, p99_ms, failed))


def _open_loop(url: str, due: FloatArray) -> open_loop.OpenRun:
    address = urlsplit(url)
    tls = address.scheme == "https"
    port = address.port or (443 if tls else 80)
    host = address.hostname or ""
    requests = open_loop.http_requests([REQUEST.read_bytes()], port, host=host, headers=_key())
    return open_loop.run(port, requests, due, CONNECTIONS, host=host, tls=tls)


def _prediction_faults(answer: Answer, model: str) -> Iterator[str]:
    found = answer.json()
    if answer.status != 200 or not isinstance(found, dict):
        yield f"POST {PREDICT_PATH} answers {answer.status}"
        return
    flights = json.loads(REQUEST.read_bytes())["flights"]
    probabilities = [each["probability"] for each in found["predictions"]]
    if len(probabilities) != len(flights) or not all(0 < p < 1 for p in probabilities):
        yield f"{len(flights)} flights got the probabilities {probabilities}"
    if found["model"] != model:
        yield f"the prediction is of {found['model']}, not of {model}"


def _key() -> dict[str, str]:
    token = os.environ.get(TOKEN_VARIABLE)
    return {"Authorization": f"Bearer {token}"} if token else {}


def _conclude(title: str, faults: Iterator[str]) -> None:
    found = list(faults)
    typer.echo(f"{title}: {'FAILED' if found else 'passed'}")
    for fault in found:
        typer.echo(f"  {fault}", err=True)
    if found:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
