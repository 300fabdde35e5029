"""Read bytes as a table: CSV or Parquet, compressed or not, detected from the bytes."""

from __future__ import annotations

import gzip
import logging
import zlib
from io import BytesIO

import pandas as pd

from data.errors import EmptySourceError, NotATableError, TruncatedSourceError

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"

UTF8_OR_BOM = "utf-8-sig"
LATIN_1 = "latin-1"

logger = logging.getLogger(__name__)


def read_table(content: bytes, name: str) -> tuple[pd.DataFrame, bytes]:
    """Read a table; its format is detected from the bytes, not from a name.

    Parameters
    ----------
    content
        A CSV file in UTF-8, with or without byte order mark, or in Latin-1; the same under
        gzip; or a Parquet file.
    name
        Name of the source in errors.

    Returns
    -------
    table
        All columns as text for CSV, with their own types for Parquet.
    plain
        The decompressed bytes.

    Raises
    ------
    EmptySourceError
        If there are no bytes, or no text.
    TruncatedSourceError
        If it ends in the middle.
    NotATableError
        If it is neither CSV nor Parquet.
    """
    plain = _decompress(content, name)
    if not plain.strip():
        message = f"{name}: is empty."
        raise EmptySourceError(message)
    if plain.startswith(PARQUET_MAGIC):
        return _read_parquet(plain, name), plain
    return _read_csv(plain, name), plain


def _decompress(content: bytes, name: str) -> bytes:
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except EOFError:
        raise TruncatedSourceError(_cut_short(name)) from None
    except (OSError, zlib.error) as failure:
        message = f"{name}: its gzip data is damaged ({failure}): download it again."
        raise TruncatedSourceError(message) from failure


def _read_parquet(content: bytes, name: str) -> pd.DataFrame:
    if not content.endswith(PARQUET_MAGIC):
        raise TruncatedSourceError(_cut_short(name))
    try:
        return pd.read_parquet(BytesIO(content))
    except (OSError, ValueError) as failure:  # exceptions of pyarrow are subclasses of these
        message = f"{name}: its Parquet data is damaged ({failure})."
        raise NotATableError(message) from failure


def _read_csv(content: bytes, name: str) -> pd.DataFrame:
    if b"\0" in content[:4096] or content.lstrip()[:1] == b"<":
        message = f"{name}: is neither CSV nor Parquet, but a web page or some other file."
        raise NotATableError(message)
    try:
        return pd.read_csv(
            BytesIO(content),
            encoding=_encoding(content, name),
            dtype=str,
            keep_default_na=False,
            na_values=[""],
        )
    except pd.errors.ParserError as failure:
        message = f"{name}: is not a CSV table ({failure})."
        raise NotATableError(message) from failure


def _encoding(content: bytes, name: str) -> str:
    try:
        content.decode(UTF8_OR_BOM)
    except UnicodeDecodeError:
        logger.info("%s: is not UTF-8; read as Latin-1.", name)
        return LATIN_1
    return UTF8_OR_BOM


def _cut_short(name: str) -> str:
    return f"{name}: the file ends in the middle: download it again."
