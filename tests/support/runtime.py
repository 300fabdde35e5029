"""Loaded model and application in the test's own process, without a server."""

from __future__ import annotations

from functools import partial
from typing import Any

from model.inference.bundle import Bundle
from serving.batching.adaptive import AdaptiveBatcher
from serving.batching.engines import Engine, score_batch
from serving.models.loaded import Runtime
from serving.settings import Settings

TAG = "flight_delay:test"


def make_runtime(
    bundle: Bundle,
    settings: Settings | None = None,
    *,
    tag: str = TAG,
    engine: Engine | None = None,
) -> Runtime:
    """Return a loaded model that answers by an engine; by the default one where none is given."""
    chosen = settings or Settings()
    score = partial(score_batch, bundle.predictor)
    default = AdaptiveBatcher(score, chosen.max_batch, chosen.max_queue, chosen.max_bulk)
    return Runtime(tag, bundle, chosen, engine or default)


async def not_reached(*received: Any) -> Any:
    """Fail: stands in place of BentoML's application where no request must reach it."""
    raise AssertionError(received)
