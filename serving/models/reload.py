"""Model roll-over: a newer registered model takes over without a request lost.

It is loaded beside the one that answers, in a thread, checked against its sums and on golden
flights, and put in place by one assignment. A request that has begun is scored and written by the
model that it began with. Whatever is wrong with the newer one, the older goes on.

Workers follow each other: the first to accept a model writes its tag into a file that the workers
of one supervisor share (`serving.models.served_tag`). The others compare it with what they serve every
second, and load that tag by the same steps.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from model.errors import BundleError
from model.inference.bundle import Bundle
from model.inference.predictor import Predictor
from serving import metrics
from serving.batching.engines import Row, from_rows, score_at_once
from serving.errors import Conflict, ModelRefused, NoModelRegistered
from serving.models import served_tag, smoke_test, store

POLL_SECONDS = 1.0
AGAIN_SECONDS = 30.0
"""Until a worker tries again to load what the others serve."""
LAST_ANSWERS_SECONDS = 30.0
"""Within which the requests end that began with the model before."""
THREADS = 1
"""Of LightGBM, in the service."""

logger = logging.getLogger("flight_delay")


class Loaded(Protocol):
    """What rolls over: a loaded model that knows its name."""

    @property
    def tag(self) -> str:
        """Full tag of the model."""
        ...

    @property
    def predictor(self) -> Predictor:
        """What scores."""
        ...


class Holder(Protocol):
    """What holds the loaded model that answers."""

    runtime: Any


@dataclass(frozen=True, slots=True)
class Change:
    """What a roll-over did: the model before and the model now, the same where none is newer."""

    before: str
    now: str


class ModelReloader:
    """Loads, checks and swaps models for one worker, and tells the other workers.

    Parameters
    ----------
    holder
        Its `runtime` is what answers; replaced whole.
    make
        Makes what answers from a tag and a bundle; called in a thread.
    reference
        Tag as the settings name it, usually ``flight_delay:latest``.
    folder
        Where the workers of one supervisor keep the tag that they serve; nothing without one.
    """

    def __init__(
        self,
        holder: Holder,
        make: Callable[[str, Bundle], Loaded],
        reference: str,
        folder: Path | None = None,
    ) -> None:
        self._holder = holder
        self._make = make
        self._reference = reference
        self._folder = folder
        self._try_again: dict[str, float] = {}
        self._lock = asyncio.Lock()
        self._again = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Roll over on SIGHUP, and when another worker has; called inside the event loop."""
        metrics.serving_model(self._holder.runtime.tag)
        metrics.buffer.queue = lambda: self._holder.runtime.waiting
        loop = asyncio.get_running_loop()
        with suppress(ValueError, RuntimeError):  # outside the main thread there are no signals
            loop.add_signal_handler(signal.SIGHUP, self._asked)
        served_tag.mark_served()
        if self._folder is not None:
            loop.call_later(POLL_SECONDS, self._poll, self._folder)

    async def reload(self, reference: str | None = None) -> Change:
        """Put a registered model in place, and tell the other workers.

        Parameters
        ----------
        reference
            Which one; as the settings name it where not given.

        Raises
        ------
        ModelRefused
            If it cannot be read, is damaged or is not fit, or if the other workers cannot be told
            of it; the model in place goes on.
        Busy
            If this worker is at it already.
        """
        return await self._replace(reference or self._reference, announce=True)

    async def _replace(self, reference: str, *, announce: bool) -> Change:
        if self._lock.locked():
            raise Conflict("A model is being loaded already: ask again when it is done.")  # noqa: EM101, TRY003
        try:
            async with self._lock:
                return await self._replace_locked(reference, announce=announce)
        finally:
            if self._again:
                self._again = False
                self._spawn()

    async def _replace_locked(self, reference: str, *, announce: bool) -> Change:
        before: Loaded = self._holder.runtime
        try:
            loaded = await asyncio.to_thread(self._load, reference, before)
            if announce:
                self._announce(loaded.tag)
        except ModelRefused as error:
            metrics.rollovers.labels("refused").inc()
            logger.error("roll-over refused, %s goes on: %s", before.tag, error)  # noqa: TRY400 - the text says it all
            raise
        if loaded is not before:
            self._swap(loaded)
            logger.info("roll-over: %s took over from %s", loaded.tag, before.tag)
        return Change(before.tag, loaded.tag)

    def _load(self, reference: str, before: Loaded) -> Loaded:
        """Read, check and warm a model; the one in place where it is the same."""
        try:
            if str(store.find(reference).tag) == before.tag:
                return before
            tag, bundle = store.read(reference, THREADS)
            loaded = self._make(tag, bundle)
            loaded.predictor.compile()  # before the check, which then covers the tables too
            smoke_test.check(tag, loaded.predictor, before.predictor)
        except (NoModelRegistered, BundleError, ModelRefused) as error:
            raise ModelRefused(str(error)) from None
        except Exception as error:  # whatever it is, the model in place goes on
            logger.exception("the model %s could not be loaded", reference)
            message = f"{reference} could not be loaded: {type(error).__name__}: see the log"
            raise ModelRefused(message) from None
        return loaded

    def _swap(self, loaded: Loaded) -> None:
        before, self._holder.runtime = self._holder.runtime, loaded
        loop = asyncio.get_running_loop()
        loop.call_later(LAST_ANSWERS_SECONDS, loop.run_in_executor, None, before.close)
        metrics.serving_model(loaded.tag)
        metrics.rollovers.labels("done").inc()
        gc.freeze()  # like the first model, this one stays: the collector need not visit it

    # --- the other workers

    def _announce(self, tag: str) -> None:
        """Tell the other workers, and those that start later, before this one serves it."""
        if self._folder is None or served_tag.read_tag(self._folder) == tag:
            return
        try:
            served_tag.write_tag(self._folder, tag)
        except OSError as error:
            message = f"{tag} could not be announced to the other workers: {error}"
            raise ModelRefused(message) from None

    def _poll(self, folder: Path) -> None:
        """Follow the other workers; what cannot be read or loaded now is tried again later."""
        loop = asyncio.get_running_loop()
        loop.call_later(POLL_SECONDS, self._poll, folder)
        tag = served_tag.read_tag(folder)
        if tag is None or tag == self._holder.runtime.tag or self._lock.locked():
            return
        if loop.time() >= self._try_again.get(tag, 0.0):
            self._spawn(tag)

    def _asked(self) -> None:
        """Roll over on a signal; while that is being done, once more afterwards.

        What is being loaded may have been chosen before the model was registered that the signal
        is about.
        """
        if self._lock.locked():
            self._again = True
        else:
            self._spawn()

    def _spawn(self, tag: str | None = None) -> None:
        """Roll over in the background: to a tag that another worker accepted, or as asked."""
        task = asyncio.get_running_loop().create_task(self._follow(tag))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, tag: str | None) -> None:
        with suppress(Conflict):
            try:
                await (self._replace(tag, announce=False) if tag else self.reload())
            except ModelRefused:  # logged where it arose
                if tag:
                    now = asyncio.get_running_loop().time()
                    self._try_again = {tag: now + AGAIN_SECONDS}


def score_by_model(models: Mapping[str, Loaded], rows: Sequence[Row]) -> list[float]:
    """Score rows by the model that the last entry of each names, in order.

    BentoML's dispatcher joins rows of requests that began with different models.
    """
    scores = [math.nan] * len(rows)
    for tag in {row[-1] for row in rows}:
        places = [place for place, row in enumerate(rows) if row[-1] == tag]
        flights = from_rows([rows[place][:-1] for place in places])
        found = score_at_once(models[tag].predictor, flights)
        for place, score in zip(places, found, strict=True):
            scores[place] = score
    return scores
