"""Bytes from wherever the user points: a local file, an address of the web, a bucket."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
import pooch

from data.errors import SourceError, SourceNotFoundError, SourceUnreachableError

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0

HTTP_NOT_FOUND = frozenset({404, 410})

# By the names that `requests` gives its exceptions.
_REASONS = {
    "ConnectTimeout": "no connection in time",
    "ReadTimeout": "no answer in time",
    "ChunkedEncodingError": "the download broke off",
}


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
        As they stand there, compressed or not.

    Raises
    ------
    SourceNotFoundError
        Where there is nothing of that name.
    SourceUnreachableError
        Where the network or the bucket does not answer, or refuses.
    SourceError
        Where it is a folder or may not be read.
    """
    scheme = urlsplit(source).scheme if "://" in source else ""
    if not scheme:
        return _read_file(Path(source).expanduser())
    if scheme in {"http", "https"}:
        return _read_address(source)
    return _read_bucket(source, scheme)


def public_address(address: str) -> str:
    """Leave passwords and signatures out of an address, so that it can be shown to anybody.

    Examples
    --------
    >>> public_address("https://user:secret@example.org/flights.csv?signature=secret")
    'https://example.org/flights.csv'
    """
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def http_downloader() -> pooch.HTTPDownloader:
    """Make a downloader with time-outs, and with a progress bar where somebody watches."""
    return pooch.HTTPDownloader(
        timeout=(CONNECT_SECONDS, READ_SECONDS), progressbar=sys.stderr.isatty()
    )


def explain(failure: OSError, source: str) -> SourceError:
    """Put an HTTP client's failure, or the operating system's, into a sentence.

    Parameters
    ----------
    failure
        Whatever the download raised: every exception of `requests` is an `OSError`.
    source
        The address.

    Returns
    -------
    SourceNotFoundError, SourceUnreachableError or SourceError
        For HTTP 404 and 410, for no answer, for any other refusal.
    """
    response = getattr(failure, "response", None)
    status = None if response is None else response.status_code
    if response is not None:
        response.close()  # pooch leaves it open where the status is an error
    if status in HTTP_NOT_FOUND:
        return SourceNotFoundError(f"{source}: there is no such page (HTTP {status}).")
    if status is not None:
        return SourceError(f"{source}: was refused (HTTP {status}).")
    reason = _REASONS.get(type(failure).__name__, "no connection")
    return SourceUnreachableError(f"{source}: cannot be read: {reason}.")


def _read_address(url: str) -> bytes:
    content = BytesIO()
    try:
        http_downloader()(url, content, None)
    except OSError as failure:
        raise explain(failure, public_address(url)) from failure
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
    except Exception as failure:  # each bucket's client has exceptions of its own
        message = f"{source}: cannot be read ({type(failure).__name__}: {failure})."
        raise SourceUnreachableError(message) from failure
    return content
