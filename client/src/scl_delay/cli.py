"""Command line: ``scl-delay predict | score | model | healthy``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from scl_delay._bulk import formatting
from scl_delay._bulk.columns import ColumnsError
from scl_delay._bulk.files import FileError, score_file
from scl_delay._transport.auth import Auth, BearerToken
from scl_delay._transport.retries import RETRYABLE
from scl_delay._version import __version__
from scl_delay.client import DelayClient
from scl_delay.errors import DelayError, IncompleteError, ProblemError
from scl_delay.models import Flight

DONE, USAGE, REFUSED, NO_ANSWER, STOPPED = 0, 2, 3, 4, 130

LOCAL = "http://localhost:3000"
_AFTER = f"""\
environment:
  SCL_DELAY_URL     address of the service, {LOCAL} if unset
  SCL_DELAY_TOKEN   sent as a bearer token

exit codes:
  {DONE}    done
  {USAGE}    the command, a file or a flight is not valid
  {REFUSED}    the service rejected the request
  {NO_ANSWER}    no usable answer: not reachable, too slow, overloaded, not healthy
  {STOPPED}  stopped by Ctrl-C
"""


def run() -> None:
    """Run the command of this process, and exit."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; print an error as one line."""
    asked = _parser().parse_args(arguments)
    try:
        with _client(asked) as client:
            code: int = asked.command(client, asked)
    except BrokenPipeError:  # the reader of the output, for example `head`, has exited
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (DelayError, ColumnsError, FileError, ValueError, OSError) as error:
        sys.stderr.write(f"scl-delay: {_one_line(error)}\n")
        return _code(error)
    except KeyboardInterrupt:
        sys.stderr.write("scl-delay: stopped\n")
        return STOPPED
    return code


def _client(asked: argparse.Namespace) -> DelayClient:
    token = os.environ.get("SCL_DELAY_TOKEN")
    auth: Auth = "gcp" if asked.gcp else BearerToken(token) if token else None
    return DelayClient(asked.url, timeout=asked.timeout, retries=asked.retries, auth=auth)


def _predict(client: DelayClient, asked: argparse.Namespace) -> int:
    code, number = asked.flight[:3], asked.flight[3:].lstrip(" -")
    flight = Flight(
        airline=code.upper(),
        flight_number=number.upper(),
        destination=asked.destination.upper(),
        scheduled_departure=asked.departure,
        flight_type=asked.type,
    )
    prediction = client.predict(flight, explain=asked.explain)
    if asked.json:
        _say(prediction.model_dump_json(exclude_none=True))
    else:
        _say(formatting.prediction_text(flight, prediction))
    return DONE


def _score(client: DelayClient, asked: argparse.Namespace) -> int:
    summary = score_file(
        client,
        asked.flights,
        asked.output,
        resume=asked.resume,
        progress=sys.stderr.isatty() and not asked.json,
    )
    if asked.json:
        (sys.stdout if asked.output else sys.stderr).write(json.dumps(summary) + "\n")
    else:
        sys.stderr.write(formatting.summary_text(summary) + "\n")
    return DONE


def _model(client: DelayClient, asked: argparse.Namespace) -> int:
    card = client.model()
    _say(json.dumps(card, ensure_ascii=False) if asked.json else formatting.card_text(card))
    return DONE


def _healthy(client: DelayClient, asked: argparse.Namespace) -> int:
    healthy = client.healthy()
    words = f"{asked.url} {'answers and predicts' if healthy else 'is not ready to predict'}"
    _say(json.dumps({"healthy": healthy}) if asked.json else words)
    return DONE if healthy else NO_ANSWER


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scl-delay",
        description="How likely are flights from the service's airport to leave more than 15"
        " minutes late? `model` says which airport it is.",
        epilog=_AFTER,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"scl-delay {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_predict(commands)
    _add_score(commands)
    for name, words, command in (
        ("model", "show the model card", _model),
        ("healthy", "check whether the service is ready to predict", _healthy),
    ):
        _finish(commands.add_parser(name, help=words, description=words), command)
    return parser


def _add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    words = "score one flight"
    parser = commands.add_parser("predict", help=words, description=words)
    parser.add_argument("flight", help="airline and number, like LAN120")
    parser.add_argument("destination", help="ICAO code, like SCFA")
    parser.add_argument("departure", help="scheduled, local time of the airport")
    parser.add_argument("--type", choices=("N", "I"), help="national or international")
    parser.add_argument("--explain", action="store_true", help="show contributions")
    _finish(parser, _predict)


def _add_score(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    words = "score the flights of a CSV file"
    parser = commands.add_parser(
        "score",
        help=words,
        description=f"{words}: writes its rows with delay_probability, delayed and risk added."
        " Columns: airline, flight_number, destination, scheduled_departure and optionally"
        " flight_type, or those of dataset_SCL.csv.",
    )
    parser.add_argument("flights", type=Path, help="a .csv or .csv.gz file")
    parser.add_argument("-o", "--output", type=Path, help="file to write; standard output if none")
    parser.add_argument(
        "--resume", action="store_true", help="continue the output file of an earlier run"
    )
    _finish(parser, _score)


def _finish(parser: argparse.ArgumentParser, command: object) -> None:
    """Add the options that all commands share."""
    url = os.environ.get("SCL_DELAY_URL", LOCAL)
    parser.add_argument("--url", default=url, help="URL of the service (default: %(default)s)")
    parser.add_argument(
        "--timeout", type=float, default=30.0, help="in seconds (default: %(default)s)"
    )
    parser.add_argument(
        "--retries", type=int, default=3, help="maximum number (default: %(default)s)"
    )
    parser.add_argument("--gcp", action="store_true", help="send Google's identity token")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=command)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _one_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        words = first["msg"].removeprefix("Value error, ")
        return f"{first['loc'][0]} {first['input']!r}: {words}"
    return " ".join(str(error).split())


def _code(error: Exception) -> int:
    if isinstance(error, IncompleteError):
        return _code(error.reason)
    if isinstance(error, ProblemError):
        return REFUSED if error.status < 500 and error.status not in RETRYABLE else NO_ANSWER
    return NO_ANSWER if isinstance(error, DelayError) else USAGE
