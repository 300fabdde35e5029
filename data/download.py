"""Read bytes from a local file, a web address, a bucket or the public copies of the data set."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import sys
import tempfile
import threading
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import fsspec
import pooch

from data.errors import (
    SourceError,
    SourceNotFoundError,
    SourceUnreachableError,
    WrongHashError,
)

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0

HTTP_NOT_FOUND = frozenset({404, 410})

DATASET_FILE = "dataset_SCL.csv"
DATASET_SHA256 = "66d7334fbc9c2c070842e9a99d465f552f94a2b1d5c4047be825e5954e12e829"
PUBLISHED_ORIGIN = f"the public {DATASET_FILE}, downloaded and its SHA-256 checked"

CACHE_NAME = "flight-delay-service"

_GITHUB = "https://raw.githubusercontent.com"
MIRRORS = (
    f"{_GITHUB}/igonzalezperez/airline-challenge/1fc4157bec24ee53a96364a70e303969cdcf3cfb/data/dataset_SCL.csv",
    f"{_GITHUB}/rodrigo-hp/flight-delays-mlops/844a785e49e1511822eed197ae023b7033ab8cbb/dataset_SCL.csv",
    f"{_GITHUB}/Danielriarte/desafio_latam/41e8b125228df7f3b5c7d2c3b5964eb698aaa808/data/dataset_SCL.csv",
    f"{_GITHUB}/cnettlev/flight-delay/8fdbff4a9f622cd55d8a773f0130b6f4bcf5e8cb/data/dataset_SCL.csv",
    f"{_GITHUB}/gpablo6/LATAM-MLE-Challenge/63d5e18d22e3908fac900eb1703d8b9d8d55d797/data/data.csv",
    f"{_GITHUB}/oscarjquintana/ChallengeLATAM/cea6f444890144dfccfdb010bf67b42f09749a68/dataset_SCL.csv",
)
"""Addresses of the same file, each pinned to a commit; tried in this order."""

GIVE_UP_AFTER = 2
"""Number of mirrors without any answer after which the network is taken to be down."""

# By the class names of the exceptions of `requests`.
_REASONS = {
    "ConnectTimeout": "no connection in time",
    "ReadTimeout": "no answer in time",
    "ChunkedEncodingError": "the download broke off",
}

logger = logging.getLogger(__name__)


def read_source(source: str) -> bytes:
    """Read a whole source, once.

    Parameters
    ----------
    source
        A local path; an ``http(s)://`` address; or any address that fsspec knows, such as
        ``s3://bucket/key`` and ``gs://bucket/key``.

    Returns
    -------
    bytes
        The source's content, compressed or not.

    Raises
    ------
    SourceNotFoundError
        If it does not exist.
    SourceUnreachableError
        If the network or the bucket does not answer or gives an error.
    SourceError
        If it is a folder or may not be read.
    """
    scheme = urlsplit(source).scheme if "://" in source else ""
    if not scheme:
        return _read_file(Path(source).expanduser())
    if scheme in {"http", "https"}:
        return _read_address(source)
    return _read_bucket(source, scheme)


def download_published() -> bytes:
    """Fetch the published file from the cache or from the first mirror that has it.

    Returns
    -------
    bytes
        The file, its SHA-256 checked.

    Raises
    ------
    SourceUnreachableError
        If no mirror gives the file. Each failure is logged; without a network this takes a second
        or two, and at most about `GIVE_UP_AFTER` times `CONNECT_SECONDS`.
    """
    unanswered = 0
    cached = _cached()
    if cached is not None:
        return cached
    for url in MIRRORS:
        try:
            return _download_mirror(url)
        except SourceError as failure:
            logger.warning("%s", failure)
            unanswered += isinstance(failure, SourceUnreachableError)
        if unanswered >= GIVE_UP_AFTER:
            break
    message = f"No public copy of {DATASET_FILE} could be downloaded."
    raise SourceUnreachableError(message)


def public_address(address: str) -> str:
    """Remove passwords and signatures from an address, so that it can be logged.

    Examples
    --------
    >>> public_address("https://user:secret@example.org/flights.csv?signature=secret")
    'https://example.org/flights.csv'
    """
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _http_downloader() -> pooch.HTTPDownloader:
    """Return a downloader with time-outs, and with a progress bar on a terminal."""
    return pooch.HTTPDownloader(
        timeout=(CONNECT_SECONDS, READ_SECONDS), progressbar=sys.stderr.isatty()
    )


def _explain(failure: OSError, source: str) -> SourceError:
    """Convert a failure of the HTTP client or the operating system to an error with a sentence.

    Parameters
    ----------
    failure
        Exception of the download: every exception of `requests` is an `OSError`.
    source
        The address.

    Returns
    -------
    SourceNotFoundError, SourceUnreachableError or SourceError
        Not found for HTTP 404 and 410, unreachable without an answer, else the general one.
    """
    response = getattr(failure, "response", None)
    status = None if response is None else response.status_code
    if response is not None:
        response.close()  # pooch leaves it open if the status is an error
    if status in HTTP_NOT_FOUND:
        return SourceNotFoundError(f"{source}: there is no such page (HTTP {status}).")
    if status is not None:
        return SourceError(f"{source}: was refused (HTTP {status}).")
    reason = _REASONS.get(type(failure).__name__, "no connection")
    return SourceUnreachableError(f"{source}: cannot be read: {reason}.")


def _read_address(url: str) -> bytes:
    content = BytesIO()
    try:
        _http_downloader()(url, content, None)
    except OSError as failure:
        raise _explain(failure, public_address(url)) from failure
    return content.getvalue()


def _read_file(path: Path) -> bytes:
    if path.is_dir():
        message = f"{path}: is a folder; name the file in it."
        raise SourceError(message)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        message = f"{path}: there is no such file."
        raise SourceNotFoundError(message) from None
    except OSError as failure:
        message = f"{path}: cannot be read ({failure.strerror})."
        raise SourceError(message) from failure


def _read_bucket(source: str, scheme: str) -> bytes:
    try:
        with fsspec.open(source, "rb") as stream:
            content: bytes = stream.read()
    except FileNotFoundError:
        message = f"{source}: there is no such object."
        raise SourceNotFoundError(message) from None
    except (ImportError, ValueError) as failure:
        message = f"{source}: addresses with {scheme}:// cannot be read here ({failure})."
        raise SourceError(message) from failure
    except Exception as failure:  # the client of each kind of bucket has its own exceptions
        message = f"{source}: cannot be read ({type(failure).__name__}: {failure})."
        raise SourceUnreachableError(message) from failure
    return content


def _cache_folder() -> Path:
    """Return the user's cache, or a temporary folder if that cannot be written (containers)."""
    folder = Path(pooch.os_cache(CACHE_NAME))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir(), CACHE_NAME)
    return folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir(), CACHE_NAME)


def _cached() -> bytes | None:
    path = _cache_folder() / DATASET_FILE
    content = path.read_bytes() if path.is_file() else b""
    return content if hashlib.sha256(content).hexdigest() == DATASET_SHA256 else None


def _download_mirror(url: str) -> bytes:
    if not _answers(url):
        message = f"{url}: cannot be read: no connection."
        raise SourceUnreachableError(message)
    pooch.get_logger().setLevel(logging.WARNING)  # the failure is logged here
    try:
        path = pooch.retrieve(
            url,
            known_hash=f"sha256:{DATASET_SHA256}",
            fname=DATASET_FILE,
            path=_cache_folder(),
            downloader=_http_downloader(),
        )
    except OSError as failure:
        raise _explain(failure, url) from failure
    except ValueError as failure:
        message = f"{url}: is not the published file: its SHA-256 differs."
        raise WrongHashError(message) from failure
    return Path(path).read_bytes()


def _answers(url: str) -> bool:
    """Return whether the host accepts a connection within `CONNECT_SECONDS`, DNS included.

    An HTTP client applies its time-out to each address of the host separately and not to the name
    look-up: together they can last a minute where packets are dropped.
    """
    address = urlsplit(url)
    host = address.hostname or ""
    proxied = getproxies().keys() & {address.scheme, "all"}
    if proxied and not proxy_bypass(host):
        return True  # the proxy connects, not this machine
    port = address.port or (443 if address.scheme == "https" else 80)
    connected = threading.Event()
    probe = threading.Thread(target=_connect, args=(host, port, connected), daemon=True)
    probe.start()
    probe.join(CONNECT_SECONDS)
    return connected.is_set()


def _connect(host: str, port: int, connected: threading.Event) -> None:
    try:
        with socket.create_connection((host, port), timeout=CONNECT_SECONDS):
            connected.set()
    except OSError:
        return
