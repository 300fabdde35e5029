"""Download the public flights to a file and check their hash: `python -m deploy.flights FILE`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from data.download import download_published
from data.errors import DataError


def main(path: Path) -> None:
    """Download the published file; exit with a message if no copy is available."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        path.write_bytes(download_published())
    except DataError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main(Path(sys.argv[1]))
