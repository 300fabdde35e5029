"""Tests of the command line: text, JSON, files, exit codes."""

from __future__ import annotations

import csv
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scl_delay import cli
from scl_delay._bulk.formatting import WIDTH, card_text
from scl_delay._transport.constants import SCHEDULE_COLUMNS
from tests.client.faults import FaultServer, answer, cut_in_the_middle, problem, reply
from tests.support.server import PROJECT, Server, free_port

FLIGHT = ["predict", "LAN120", "SCFA", "2017-07-14T08:30"]
HEADER = "Emp-I,Vlo-I,Des-I,Fecha-I,TIPOVUELO,OPERA"


def rows(count: int) -> str:
    """Return a CSV file of flights whose flight number is the row."""
    lines = [f'LAN,{number},SCFA,2017-07-14 08:30:00,N,"a, b"' for number in range(count)]
    return "\n".join([HEADER, *lines, ""])


class Run:
    """Runner of commands in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, url: str, *arguments: str) -> int:
        """Run a command with a URL and keep its output."""
        try:
            code = cli.main([*arguments, "--url", url, "--retries", "0", "--timeout", "20"])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a runner of commands."""
    return Run(capsys)


@pytest.mark.parametrize("command", [[], ["predict"], ["score"]])
def test_help_names_no_airport(run: Run, command: list[str]) -> None:
    """The airport is that of the service, so the help does not name one."""
    assert run("http://localhost", *command, "--help") == 0
    assert "Santiago" not in run.out
    assert "airport" in run.out or command == ["score"]


@pytest.mark.server
def test_every_command_against_the_service(run: Run, live: Server, tmp_path: Path) -> None:
    """Predict, score, model and healthy work with a real service; output fits 80 columns."""
    assert run(live.url, *FLIGHT, "--explain") == cli.DONE
    assert re.search(r"late by more than 15 min +\d+\.\d %", run.out)
    assert "airline" in run.out
    assert max(map(len, run.out.splitlines())) <= WIDTH
    assert run(live.url, "model") == cli.DONE
    assert "threshold" in run.out
    assert max(map(len, run.out.splitlines())) <= WIDTH
    assert run(live.url, "model", "--json") == cli.DONE
    assert "threshold" in json.loads(run.out)
    assert run(live.url, "healthy") == cli.DONE
    flights, scored = tmp_path / "flights.csv", tmp_path / "scored.csv"
    flights.write_text(rows(25))
    assert run(live.url, "score", str(flights), "-o", str(scored)) == cli.DONE
    assert "25 flights" in run.err
    assert len(scored.read_text().splitlines()) == 26


def test_predict_in_json(run: Run) -> None:
    """`--json` prints the prediction as in the contract."""
    with FaultServer([answer]) as server:
        assert run(server.url, *FLIGHT, "--json", "--type", "N") == cli.DONE
        sent = json.loads(server.bodies[0])["flights"][0]
    assert json.loads(run.out) == {
        "probability": 0.012,
        "delayed": True,
        "risk": "elevated",
        "unknown": [],
    }
    assert (sent["airline"], sent["flight_number"], sent["flight_type"]) == ("LAN", "120", "N")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "LAN120", "SCFA", "tomorrow"], "scheduled_departure 'tomorrow': must be a"),
        (["predict", "LAN", "SCFA", "2017-07-14T08:30"], "flight_number ''"),
        (["predict", "LAN120", "Antofagasta", "2017-07-14T08:30"], "destination 'ANTOFAGASTA'"),
        (["score", "missing.csv"], "No such file or directory: 'missing.csv'"),
        (["dance"], "invalid choice: 'dance'"),
        ([], "required: COMMAND"),
    ],
)
def test_invalid_commands_print_one_line(run: Run, arguments: list[str], words: str) -> None:
    """Standard error names the fault; the exit code is 2."""
    try:
        code = cli.main(arguments)
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    assert code == cli.USAGE
    run.err = run._capsys.readouterr().err
    assert words in run.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("act", "code", "words"),
    [
        (problem(422, "invalid"), cli.REFUSED, "422 invalid: because"),
        (problem(429, "too-many"), cli.NO_ANSWER, "429"),
        (problem(503, "overloaded"), cli.NO_ANSWER, "503"),
        (reply(200, b"hello"), cli.NO_ANSWER, "is this the flight delay service?"),
    ],
)
def test_failures_have_exit_codes(run: Run, act: Any, code: int, words: str) -> None:
    """A rejected request and an unusable answer have different codes and one line each."""
    with FaultServer([act]) as server:
        assert run(server.url, *FLIGHT) == code
    assert words in run.err
    assert run.err.count("\n") == 1


def test_a_service_that_is_not_reachable(run: Run) -> None:
    """`predict` and `healthy` exit with 4."""
    url = f"http://127.0.0.1:{free_port()}"
    assert run(url, *FLIGHT) == cli.NO_ANSWER
    assert "Is the service running there?" in run.err
    assert run(url, "healthy", "--json") == cli.NO_ANSWER
    assert json.loads(run.out) == {"healthy": False}


@pytest.mark.parametrize("name", ["flights.csv", "flights.csv.gz"])
def test_a_file_is_scored_row_by_row(run: Run, tmp_path: Path, name: str) -> None:
    """The output has the input's rows with three more columns; only the schedule was sent."""
    flights, scored = tmp_path / name, tmp_path / "scored.csv"
    if name.endswith(".gz"):
        flights.write_bytes(gzip.compress(("\ufeff" + rows(1500)).encode()))
    else:
        flights.write_text(rows(1500))
    with FaultServer([answer]) as server:
        assert run(server.url, "score", str(flights), "-o", str(scored), "--json") == cli.DONE
        sent = json.loads(server.bodies[0])["flights"][0]
    assert set(sent) == set(SCHEDULE_COLUMNS)
    assert json.loads(run.out) == {"flights": 1500, "delayed": 1500, "risk": {"elevated": 1500}}
    with scored.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["Vlo-I"] for row in table] == [str(number) for number in range(1500)]
    assert all(float(row["delay_probability"]) == int(row["Vlo-I"]) / 10_000 for row in table)
    assert table[0]["OPERA"] == "a, b"


def test_rows_are_printed_without_an_output_file(run: Run, tmp_path: Path) -> None:
    """The scored rows go to standard output, the summary to standard error."""
    (tmp_path / "flights.csv").write_text(rows(2))
    with FaultServer([answer]) as server:
        assert run(server.url, "score", str(tmp_path / "flights.csv")) == cli.DONE
    assert run.out.splitlines()[0] == f"{HEADER},delay_probability,delayed,risk"
    assert len(run.out.splitlines()) == 3
    assert "2 flights: 2 delayed; risk: 0 low, 0 moderate, 2 elevated, 0 high" in run.err


def test_a_failed_run_can_be_resumed(run: Run, tmp_path: Path) -> None:
    """The file has the answered rows, and `--resume` completes it."""
    flights, scored = tmp_path / "flights.csv", tmp_path / "scored.csv"
    flights.write_text(rows(6000))
    command = ["score", str(flights), "-o", str(scored)]
    with FaultServer([answer, answer, cut_in_the_middle]) as server:
        assert run(server.url, *command) == cli.NO_ANSWER
    written = len(scored.read_text().splitlines()) - 1
    assert f"{written:,} rows were written; to resume: scl-delay score" in run.err
    with FaultServer([answer]) as server:
        assert run(server.url, *command, "--resume") == cli.DONE
    assert f"{6000 - written:,} flights" in run.err
    with FaultServer([answer]) as server:
        assert run(server.url, "score", str(flights), "-o", str(tmp_path / "whole.csv")) == cli.DONE
    assert scored.read_text() == (tmp_path / "whole.csv").read_text()


@pytest.mark.parametrize("link", ["same", "symbolic", "hard", "relative"])
@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_an_output_that_is_the_input_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str, resume: list[str]
) -> None:
    """The command refuses an output that is the input file under any name."""
    flights, output = tmp_path / "flights.csv", tmp_path / "out.csv"
    flights.write_text(rows(3))
    monkeypatch.chdir(tmp_path)
    if link == "symbolic":
        output.symlink_to(flights)
    elif link == "hard":
        output.hardlink_to(flights)
    else:
        output = Path("flights.csv") if link == "relative" else flights
    command = ["score", str(flights), "-o", str(output), *resume]
    assert run("http://127.0.0.1:9", *command) == cli.USAGE
    assert run.err == f"scl-delay: {output} is the input file: choose another output\n"
    assert flights.read_text() == rows(3)


@pytest.mark.parametrize("name", ["wide.csv", "cut.csv.gz"])
def test_a_file_that_cannot_be_read_is_reported_in_one_line(
    run: Run, tmp_path: Path, name: str
) -> None:
    """A header of megabytes and a damaged archive exit with 2."""
    flights = tmp_path / name
    if name == "wide.csv":
        flights.write_text(rows(1).replace("OPERA", "x" * 2_000_000, 1))
    else:
        flights.write_bytes(gzip.compress(rows(5000).encode(), 0)[:-3000])
    with FaultServer([answer]) as server:
        code = run(server.url, "score", str(flights), "-o", str(tmp_path / "out.csv"))
    assert code == cli.USAGE
    assert "is not a CSV file, or is truncated or damaged" in run.err
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "nothing to resume"),
        ("a,b\n1,2\n", "was not written by an earlier run"),
        (f"{HEADER},delay_probability,delayed,risk\nLAN,1,SC", "ends in the middle of a row"),
    ],
)
def test_only_an_earlier_run_is_resumed(
    run: Run, tmp_path: Path, text: str | None, words: str
) -> None:
    """A file that is not an unfinished output is not appended to."""
    (tmp_path / "flights.csv").write_text(rows(2))
    scored = tmp_path / "scored.csv"
    if text is not None:
        scored.write_text(text)
    command = ["score", str(tmp_path / "flights.csv"), "-o", str(scored), "--resume"]
    assert run("http://127.0.0.1:9", *command) == cli.USAGE
    assert words in run.err


@pytest.mark.server
def test_an_invalid_row_is_reported_by_its_line(run: Run, live: Server, tmp_path: Path) -> None:
    """Lines are counted from 1 with the header."""
    flights = tmp_path / "flights.csv"
    lines = rows(1200).splitlines()
    lines[1100] = lines[1100].replace("LAN", "latam")
    flights.write_text("\n".join(lines))
    assert run(live.url, "score", str(flights), "-o", str(tmp_path / "o.csv")) == cli.REFUSED
    assert f"(line 1101 of {flights})" in run.err
    assert "1,000 rows were written" in run.err


def test_a_card_with_a_warning_begins_with_it() -> None:
    """The warning comes first; long lists are shown as their number of entries."""
    text = card_text(
        {"model": "m", "warning": "w " * 80, "names": list(range(50)), "d": {"n": 1000}}
    )
    assert text.startswith("WARNING: w w")
    assert "(50 entries)" in text
    assert re.search(r"d\.n +1,000", text)
    assert max(map(len, text.splitlines())) <= WIDTH


def test_the_module_runs_as_a_program() -> None:
    """`python -m scl_delay` runs the command, and its help has the exit codes."""
    run = subprocess.run(
        [sys.executable, "-m", "scl_delay", "--help"],
        cwd=PROJECT / "client" / "src",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "exit codes:" in run.stdout
    assert "SCL_DELAY_URL" in run.stdout
