"""Check the reading of files, web addresses, buckets and the public copies."""

from __future__ import annotations

import hashlib
import logging
import socket
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pooch
import pytest

from data import download
from data.download import read_source
from data.errors import SourceError, SourceNotFoundError, SourceUnreachableError

CONTENT = b"Emp-I,Vlo-I\nLAN,226\n" * 1000


class Web:
    """Server on the loopback interface that serves the entries of `pages`."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | int] = {}
        self.requested: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    def url(self, path: str, page: bytes | int) -> str:
        """Put a page, or a status to answer with, at a path."""
        self.pages[path] = page
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.requested.append(self.path)
                page = web.pages[self.path]
                body = page if isinstance(page, bytes) else b""
                self.send_response(200 if isinstance(page, bytes) else page)
                promised = len(body) * (2 if "cut" in self.path else 1)
                self.send_header("Content-Length", str(promised))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        return Handler


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Start a server for one test."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    here = Web()
    thread = threading.Thread(target=here.server.serve_forever, args=(0.01,))
    thread.start()
    yield here
    here.server.shutdown()
    here.server.server_close()
    thread.join()


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Use a cache of this test and the hash of `CONTENT`."""
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(download, "DATASET_SHA256", hashlib.sha256(CONTENT).hexdigest())
    return tmp_path / "cache" / download.CACHE_NAME / download.DATASET_FILE


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """A local path gives the bytes of the file."""
    path = tmp_path / "flights.csv"
    path.write_bytes(CONTENT)
    assert read_source(str(path)) == CONTENT


def test_the_home_folder_may_be_abbreviated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tilde is expanded: no shell expands it inside an environment variable."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "flights.csv").write_bytes(CONTENT)
    assert read_source("~/flights.csv") == CONTENT


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The message names the path."""
    path = tmp_path / "nothing.csv"
    with pytest.raises(SourceNotFoundError, match=r"nothing\.csv: there is no such file"):
        read_source(str(path))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """A folder is an error: the message says to name a file."""
    with pytest.raises(SourceError, match="is a folder; name the file in it"):
        read_source(str(tmp_path))


def test_an_error_of_the_operating_system_is_a_sentence(tmp_path: Path) -> None:
    """A path below a file raises a `SourceError`."""
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="cannot be read"):
        read_source(str(tmp_path / "file" / "flights.csv"))


def test_a_web_address_is_downloaded(web: Web) -> None:
    """`http://` gives the page's bytes."""
    assert read_source(web.url("/flights.csv", CONTENT)) == CONTENT


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (404, SourceNotFoundError, "there is no such page"),
        (403, SourceError, "was refused"),
        (500, SourceError, "was refused"),
    ],
)
def test_a_refusal_names_the_status(
    web: Web, status: int, error: type[SourceError], words: str
) -> None:
    """An HTTP error has its status in the message and is not a missing network."""
    with pytest.raises(error, match=rf"{words} \(HTTP {status}\)") as caught:
        read_source(web.url("/flights.csv", status))
    assert not isinstance(caught.value, SourceUnreachableError)


def test_a_download_that_breaks_off_is_not_used(web: Web) -> None:
    """Fewer bytes than the announced length are an error."""
    with pytest.raises(SourceUnreachableError, match="the download broke off"):
        read_source(web.url("/cut.csv", CONTENT))


def test_a_closed_port_is_an_error() -> None:
    """A closed port raises an error with a short message."""
    with pytest.raises(SourceUnreachableError, match="no connection"):
        read_source(f"http://127.0.0.1:{_closed_port()}/flights.csv")


def test_an_error_leaves_out_secrets_of_the_address() -> None:
    """Passwords and signatures are not in the message."""
    secret = f"http://me:hush@127.0.0.1:{_closed_port()}/flights.csv?signature=hush"
    with pytest.raises(SourceUnreachableError) as caught:
        read_source(secret)
    assert "hush" not in str(caught.value)


def test_a_bucket_is_read_through_fsspec() -> None:
    """Any scheme of fsspec gives the object's bytes; the test uses memory."""
    with fsspec.open("memory://bucket/flights.csv", "wb") as stream:
        stream.write(CONTENT)
    assert read_source("memory://bucket/flights.csv") == CONTENT


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("memory://bucket/nothing.csv", SourceNotFoundError, "there is no such object"),
        ("fax://bucket/flights.csv", SourceError, "fax:// cannot be read here"),
    ],
)
def test_errors_of_buckets(address: str, error: type[SourceError], words: str) -> None:
    """A missing object and an unknown scheme have different errors."""
    with pytest.raises(error, match=words):
        read_source(address)


def test_other_exceptions_of_a_bucket_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any exception of a client library becomes a `SourceUnreachableError`."""

    def refuse(*_: object) -> None:
        raise RuntimeError("no credentials")  # noqa: EM101, TRY003 - as a third-party library would raise it

    monkeypatch.setattr(fsspec, "open", refuse)
    with pytest.raises(SourceUnreachableError, match="RuntimeError: no credentials"):
        read_source("gs://bucket/flights.csv")


def test_the_first_mirror_that_has_the_file_is_enough(
    web: Web, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Mirrors are tried in order: a missing page and a wrong hash are logged."""
    gone, wrong = web.url("/gone.csv", 404), web.url("/wrong.csv", CONTENT[1:])
    right, spare = web.url("/right.csv", CONTENT), web.url("/spare.csv", CONTENT)
    monkeypatch.setattr(download, "MIRRORS", (gone, wrong, right, spare))
    assert download.download_published() == CONTENT
    assert web.requested == ["/gone.csv", "/wrong.csv", "/right.csv"]
    assert caplog.messages == [
        f"{gone}: there is no such page (HTTP 404).",
        f"{wrong}: is not the published file: its SHA-256 differs.",
    ]


def test_the_file_is_downloaded_once(
    web: Web, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second call reads the cache and sends no request."""
    monkeypatch.setattr(download, "MIRRORS", (web.url("/flights.csv", CONTENT),))
    assert download.download_published() == download.download_published() == CONTENT
    assert web.requested == ["/flights.csv"]
    assert cache.read_bytes() == CONTENT


def test_a_damaged_cache_is_replaced(
    web: Web, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in the cache that is not the published one is downloaded again."""
    cache.parent.mkdir(parents=True)
    cache.write_bytes(CONTENT[:100])
    monkeypatch.setattr(download, "MIRRORS", (web.url("/flights.csv", CONTENT),))
    assert download.download_published() == cache.read_bytes() == CONTENT


def test_without_a_network_it_gives_up_soon(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After two mirrors without an answer, the others are not tried."""
    nowhere = f"http://127.0.0.1:{_closed_port()}"
    monkeypatch.setattr(download, "MIRRORS", tuple(f"{nowhere}/{i}" for i in range(6)))
    with pytest.raises(SourceUnreachableError, match="No public copy of dataset_SCL"):
        download.download_published()
    assert caplog.messages == [f"{nowhere}/{i}: cannot be read: no connection." for i in (0, 1)]


def test_the_connection_timeout_includes_the_name_look_up(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time for a connection includes the look-up, which no HTTP client limits."""
    released = threading.Event()

    def hang(*_: object, timeout: float) -> None:
        assert released.wait(60 + timeout), "the user waited for the look-up"
        raise TimeoutError

    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(socket, "create_connection", hang)
    monkeypatch.setattr(download, "MIRRORS", ("https://a.invalid/1", "https://b.invalid/2"))
    try:
        with pytest.raises(SourceUnreachableError):
            download.download_published()
    finally:
        released.set()


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_behind_a_proxy_mirrors_are_not_probed(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the proxy connects to the mirror, where one is set."""
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert download._answers("https://mirror.invalid/flights.csv")


def test_a_cache_that_cannot_be_written_is_replaced(
    web: Web, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If the user's cache cannot be written, the file is kept in a temporary folder."""
    (tmp_path / "cache").touch()
    stand_in = tmp_path / "temporary"
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(stand_in))
    monkeypatch.setattr(download, "MIRRORS", (web.url("/flights.csv", CONTENT),))
    assert download.download_published() == CONTENT
    assert (stand_in / download.CACHE_NAME / download.DATASET_FILE).read_bytes() == CONTENT


def test_every_mirror_is_pinned() -> None:
    """The address of each public copy has a commit, so that its content cannot change."""
    assert len(set(download.MIRRORS)) == 6
    for url in download.MIRRORS:
        commit = url.split("/")[5]
        assert len(commit) == 40
        assert set(commit) <= set("0123456789abcdef")


@pytest.fixture(autouse=True)
def _capture_warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "data.download")
