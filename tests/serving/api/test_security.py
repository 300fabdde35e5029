"""No route loads a pickle, and every answer carries the protective headers."""

from __future__ import annotations

import http.client
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from serving.api.asgi import PROTECTION
from tests.support.server import PROJECT, Server, running_server

PICKLE_TYPES = (
    "application/vnd.bentoml+pickle",
    "application/vnd.bentoml+pickle; charset=utf-8",
    "APPLICATION/VND.BENTOML+PICKLE",
    "application/octet-stream",
    "application/json",
    "multipart/form-data; boundary=x",
    "",
)
PATHS = (
    "/predict_delay", "/predict_delay/", "//predict_delay", "/score", "/score/", "//score",
    "/%73core", "/predict_delay/../score", "/./score", "/score?x=1", "/score;x", "/SCORE",
    "/schema.json", "/docs.json", "/", "/docs", "/model", "/metrics", "/livez", "/readyz",
    "/healthz", "/openapi.json", "/admin/reload", "/static_content/x", "/__tasks", "/score/submit",
    "/score/status", "/predict_delay/submit",
)  # fmt: skip
METHODS = ("POST", "PUT", "PATCH", "GET", "DELETE", "OPTIONS", "TRACE", "BREW")


class Touch:
    """Object whose pickle creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        """Return the call that loading makes."""
        return os.system, (f"touch {self._path}",)  # type: ignore[return-value] # any callable does


@pytest.fixture(scope="module")
def guarded(registered: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start the service with all routes and BentoML's batching, the largest attack surface."""
    log = tmp_path_factory.mktemp("guarded") / "log"
    settings = {
        "FLIGHT_DELAY_BATCHING": "bentoml",
        "FLIGHT_DELAY_ADMIN_TOKEN": "of no importance here",
        "FLIGHT_DELAY_LOG_FORMAT": "json",
    }
    with running_server(log, PROJECT, ".", **settings) as server:
        yield server


def send(server: Server, method: str, path: str, body: bytes, kind: str) -> tuple[int, str]:
    """Send a request without normalising its path; return status and content type."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=20)
    headers = {"content-type": kind, "args-number": "1", "x-bentoml-media-type": kind}
    connection.request(method, path, body, {k: v for k, v in headers.items() if v})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("content-type", "")


@pytest.mark.server
def test_no_pickle_is_loaded(guarded: Server, tmp_path: Path) -> None:
    """A pickle that creates a file is sent to all routes as all types; there is no file."""
    mark = tmp_path / "loaded"
    poison = pickle.dumps(Touch(mark))
    part = b'--x\r\ncontent-disposition: form-data; name="rows"\r\ncontent-type: '
    part += PICKLE_TYPES[0].encode() + b"\r\n\r\n" + poison + b"\r\n--x--\r\n"
    for path in PATHS:
        for kind in PICKLE_TYPES:
            body = part if kind.startswith("multipart") else poison
            status, _ = send(guarded, "POST", path, body, kind)
            assert 400 <= status < 500, (path, kind, status)
    for method in METHODS:
        for path in PATHS:
            send(guarded, method, path, poison, PICKLE_TYPES[0])
    assert not mark.exists()
    assert httpx.get(f"{guarded.url}/readyz").status_code == 200
    # The pickle works: loading it creates the file.
    subprocess.run([sys.executable, "-c", "import pickle,sys;pickle.load(sys.stdin.buffer)"],
                   input=poison, check=True)  # fmt: skip
    assert mark.exists()


@pytest.mark.server
def test_every_answer_has_protective_headers_and_an_id(guarded: Server) -> None:
    """Answers, pages and problems carry the headers, and the client's request id."""
    example = json.loads((PROJECT / "tests" / "request.json").read_text())
    asked = [("GET", path) for path in PATHS if path != "/./score"]
    for method, path in [
        *asked,
        ("POST", "/predict_delay"),
        ("PUT", "/nowhere"),
        ("POST", "/schema.json"),
    ]:
        content = json.dumps(example) if method == "POST" else None
        headers = {"x-request-id": "my-request-1"}
        answer = httpx.request(method, guarded.url + path, content=content, headers=headers)
        for name, value in PROTECTION:
            assert answer.headers.get_list(name.decode()) == [value.decode()], path
        assert answer.headers["x-request-id"] == "my-request-1"
        if answer.headers["content-type"].startswith("text/html"):
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


@pytest.mark.server
def test_head_has_the_headers_of_get(guarded: Server) -> None:
    """HEAD gets status and headers of GET on every route, with the length, and no body."""
    for path in PATHS:
        got, head = (httpx.request(method, guarded.url + path) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (got.status_code, b""), path
        changing = ("x-request-id", "date", *["content-length"] * (path == "/metrics"))
        assert {k: v for k, v in head.headers.items() if k not in changing} == {
            k: v for k, v in got.headers.items() if k not in changing
        }, path
        assert int(head.headers["content-length"]) > 0, path


@pytest.mark.server
def test_the_route_of_bentoml_answers_405_like_all_others(guarded: Server) -> None:
    """Another method gets a problem document that names the allowed one."""
    answer = httpx.delete(f"{guarded.url}/schema.json")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["content-type"] == "application/problem+json"
    assert httpx.get(f"{guarded.url}/schema.json").json()["name"] == "flight_delay_service"


@pytest.mark.server
def test_websockets_are_closed(guarded: Server) -> None:
    """No route accepts an upgrade to a WebSocket."""
    headers = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
    }
    for path in ("/score", "/schema.json", "/predict_delay"):
        status = httpx.get(guarded.url + path, headers=headers).status_code
        assert status != 101
        assert path == "/schema.json" or status >= 400


@pytest.mark.server
def test_log_lines_of_the_worker_are_json_and_hold_no_body(guarded: Server) -> None:
    """Each log line is one object, and none holds any part of a request body or token."""
    secret = "TOPSECRETBODY"  # noqa: S105 - it is looked for in the log
    body = json.dumps({"flights": [{"airline": secret, "flight_number": f"{secret}\n"}]})
    httpx.post(f"{guarded.url}/predict_delay", content=body)
    httpx.post(f"{guarded.url}/admin/reload", headers={"authorization": f"Bearer {secret}"})
    text = guarded.log.read_text()
    assert secret not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert any(line["message"].startswith("serving flight_delay:") for line in lines)
    assert any("without the admin token" in line["message"] for line in lines)
