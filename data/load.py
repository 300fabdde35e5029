"""Load flights from a path, an address, a bucket, the public copies or the embedded sample."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.airports.config import SANTIAGO, AirportConfig
from data.airports.mapped import to_mapped_frame
from data.airports.mapping import load_mapping
from data.download import PUBLISHED_ORIGIN, download_published, public_address, read_source
from data.errors import MappingError, SourceError
from data.frame import data_hash, to_flights_frame
from data.read_table import read_table
from data.sample import generate_flights

SOURCE_VARIABLE = "SCL_DATASET"
SAMPLE_SOURCE = "sample"
DATA_FOLDER = Path(__file__).parent
PLACED_FILES = ("dataset_SCL.csv", "dataset_SCL.csv.gz", "dataset_SCL.parquet")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Flights with their source.

    Attributes
    ----------
    frame
        Typed frame: one row per flight, columns of `data.schema.FRAME_COLUMNS`, in order of
        time.
    origin
        Phrase that names the source.
    is_sample
        Whether these are generated flights and not real ones.
    dropped
        Number of invalid rows left out.
    sha256
        Of the decompressed bytes of the table; for the sample, which has none, its
        `data.frame.data_hash`.
    airport_config
        The airport that they leave from.
    """

    frame: pd.DataFrame
    origin: str
    is_sample: bool
    dropped: int
    sha256: str
    airport_config: AirportConfig = SANTIAGO


def load_flights(
    source: str | None = None,
    *,
    drop_invalid: bool = False,
    seed: int = 0,
    mapping: Path | None = None,
) -> Dataset:
    """Load flights from a named source, or from the best available one.

    Parameters
    ----------
    source
        Path of a CSV file (gzip or not) or a Parquet file; an ``http(s)://`` address; an
        ``s3://`` or ``gs://`` address; or ``"sample"`` for the embedded sample. If it is not
        given: the environment's ``SCL_DATASET``; a file placed in the data folder; the public
        copies; the embedded sample.
    drop_invalid
        Leave invalid rows out, and count them, instead of refusing the file.
    seed
        Of the embedded sample, if that is used.
    mapping
        File that describes flights of another airport, `data.airports.mapping`; it needs `source`.

    Returns
    -------
    Dataset
        The flights in order of time, with their source.

    Raises
    ------
    data.errors.DataError
        If a named source cannot be read or does not hold flights. A named source is never
        replaced by another one.
    """
    if mapping is not None:
        return _load_mapped(source, mapping, drop_invalid)
    named = source or os.environ.get(SOURCE_VARIABLE)
    if named == SAMPLE_SOURCE:
        return _load_sample(seed, "selected by name")
    if named:
        how = "" if source else f", named by {SOURCE_VARIABLE}"
        return _parse(read_source(named), f"{_shown(named)}{how}", drop_invalid)
    placed = _placed_file()
    if placed is not None:
        shown = f"the file {placed.name} in the data folder"
        return _parse(read_source(str(placed)), shown, drop_invalid)
    return _load_published(drop_invalid, seed)


def _load_mapped(source: str | None, path: Path, drop_invalid: bool) -> Dataset:
    mapping = load_mapping(path)
    if source in {None, SAMPLE_SOURCE}:
        message = f"the mapping {path.name} describes a file: name that file with --data."
        raise MappingError(message)
    shown = f"{_shown(source)}, mapped by {path.name}"
    raw, plain = read_table(read_source(source), shown)
    frame, dropped = to_mapped_frame(raw, mapping, drop_invalid=drop_invalid)
    digest = hashlib.sha256(plain).hexdigest()
    return Dataset(frame, shown, False, dropped, digest, mapping.airport_config)


def _load_published(drop_invalid: bool, seed: int) -> Dataset:
    try:
        content = download_published()
    except SourceError as failure:
        logger.warning("%s", failure)
        return _load_sample(seed, "no real flights are available")
    return _parse(content, PUBLISHED_ORIGIN, drop_invalid)


def _load_sample(seed: int, why: str) -> Dataset:
    logger.warning(
        "These are not real flights (%s): the embedded sample is a made-up year that resembles "
        "Santiago's. To use real ones, set %s to a file or address of dataset_SCL.csv.",
        why,
        SOURCE_VARIABLE,
    )
    frame, _ = to_flights_frame(generate_flights(seed))
    origin = f"the embedded sample of generated flights, seed {seed}: not real ones"
    return Dataset(frame, origin, is_sample=True, dropped=0, sha256=data_hash(frame))


def _parse(content: bytes, origin: str, drop_invalid: bool) -> Dataset:
    raw, plain = read_table(content, origin)
    frame, dropped = to_flights_frame(raw, drop_invalid=drop_invalid)
    if dropped:
        logger.warning("%s of %s rows are not valid flights: left out.", dropped, len(raw))
    digest = hashlib.sha256(plain).hexdigest()
    return Dataset(frame, origin, is_sample=False, dropped=dropped, sha256=digest)


def _placed_file() -> Path | None:
    placed = (DATA_FOLDER / name for name in PLACED_FILES)
    return next((path for path in placed if path.is_file()), None)


def _shown(source: str) -> str:
    """Return the name of a source without folders, passwords or signatures."""
    return public_address(source) if "://" in source else f"the file {Path(source).name}"
