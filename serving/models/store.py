"""BentoML model store: register a bundle atomically, find it and read it."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from bentoml import Tag
from bentoml._internal.models.model import ModelSignature
from bentoml.exceptions import BentoMLException, NotFound
from bentoml.models import ModelContext

from model.errors import BundleError
from serving.errors import NoModelRegistered

if TYPE_CHECKING:
    from model.inference.bundle import Bundle

DEFAULT_NAME = "flight_delay"

logger = logging.getLogger(__name__)

_STAGING_PREFIX = ".staging-"


def store_folder() -> Path:
    """Return the folder of BentoML's model store."""
    return Path(_store()._path)  # noqa: SLF001 - BentoML has no public name for it


def register(bundle: Bundle, name: str, labels: dict[str, str], metadata: dict[str, Any]) -> Tag:
    """Register a bundle under a version made from its content.

    The model is written into a folder on the same file system and then renamed into place, so a
    process that is killed at any moment leaves the whole model or nothing. Registering the same
    content again keeps the files and makes that version the latest.
    """
    from model.inference.bundle import digest  # noqa: PLC0415 - slow, and not needed to find a model

    contents = bundle.files()
    version = f"{_through(bundle).replace('-', '')}-{digest(contents)}"
    tag = Tag(name, version)
    home = store_folder()
    with _staging(home) as staging:
        _write(bundle, tag, staging, labels, metadata)
        final = home / name / version
        final.parent.mkdir(parents=True, exist_ok=True)
        if not final.exists():
            (staging / name / version).rename(final)
    _point_latest(home / name, version)
    return tag


def _through(bundle: Bundle) -> str:
    """Return the day of the last flight that the model was trained or refreshed on."""
    card = bundle.card
    last: str = card.get("refreshed", {}).get("through") or card["data"]["last_departure"]
    return last[:10]


def find(reference: str) -> bentoml.Model:
    """Return the registered model that a tag such as ``flight_delay:latest`` names.

    Raises
    ------
    NoModelRegistered
        If there is none; the message names the command that registers one.
    """
    try:
        return bentoml.models.get(reference)
    except (NotFound, BentoMLException) as error:
        raise NoModelRegistered(reference, store_folder()) from error


def require(reference: str) -> tuple[str, Bundle]:
    """Read a bundle to be served; where that fails, exit with the one-line error."""
    try:
        return read(reference, threads=1)
    except (NoModelRegistered, BundleError) as error:
        raise SystemExit(str(error)) from error


def read(reference: str, threads: int) -> tuple[str, Bundle]:
    """Return the full tag and the bundle of a registered model, checked against its sums."""
    from model.inference.bundle import Bundle  # noqa: PLC0415 - slow, and not needed to find a model

    model = find(reference)
    return str(model.tag), Bundle.read(Path(model.path), threads)


def champion(name: str) -> tuple[str, Bundle] | None:
    """Return the latest registered bundle of a name; ``None`` where none can be read."""
    try:
        return read(f"{name}:latest", threads=0)
    except NoModelRegistered:
        return None
    except BundleError as error:
        logger.warning("no comparison with the registered model: %s", error)
        return None


def _write(
    bundle: Bundle, tag: Tag, staging: Path, labels: dict[str, str], metadata: dict[str, Any]
) -> None:
    versions = {"lightgbm": bundle.card["libraries"]["lightgbm"]}
    with bentoml.models.create(
        tag,
        module="bentoml.lightgbm",
        api_version="v1",
        signatures={"predict": ModelSignature(batchable=True, batch_dim=(0, 0))},
        labels=labels,
        metadata=metadata,
        context=ModelContext(framework_name="lightgbm", framework_versions=versions),
        _model_store=type(_store())(staging),
    ) as model:
        bundle.write(Path(model.path))


@contextmanager
def _staging(home: Path) -> Iterator[Path]:
    """Yield a folder on the store's own file system, so that a rename out of it is atomic."""
    home.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=home.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _point_latest(folder: Path, version: str) -> None:
    pointer = folder / "latest"
    fresh = folder / f".latest-{os.getpid()}"
    fresh.write_text(version)
    fresh.replace(pointer)


def _store() -> Any:
    from bentoml._internal.configuration.containers import BentoMLContainer  # noqa: PLC0415 - it is configured there and nowhere public

    return BentoMLContainer.model_store.get()
