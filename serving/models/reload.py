"""Replace the served model by a newer registered one without losing a request.

A thread loads the newer model, checks its sums and runs the smoke test. One assignment replaces
the model in place. A request is scored and encoded by the model that it began with. Where a step
fails, the model in place goes on serving.

The first worker that accepts a model writes its tag, the reload marker, into a file that the
workers of one supervisor share (`serving.models.served_tag`). The other workers compare the marker
with the tag of their model every second, and load the new one by the same steps.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from model.errors import BundleError
from model.inference.bundle import Bundle
from model.inference.predictor import Predictor
from serving import metrics
from serving.errors import Conflict, ModelRefused, NoModelRegistered
from serving.models import served_tag, smoke_test, store

POLL_SECONDS = 1.0
RETRY_SECONDS = 30.0
"""Wait before a worker retries to load the model of the reload marker."""
LAST_ANSWERS_SECONDS = 30.0
"""Time after which no request of the replaced model is left."""
THREADS = 1
"""Threads of LightGBM in the service."""

logger = logging.getLogger("flight_delay")


class Loaded(Protocol):
    """Loaded model with its tag."""

    @property
    def tag(self) -> str:
        """Return the full tag of the model."""
        ...

    @property
    def predictor(self) -> Predictor:
        """Return the predictor, which scores."""
        ...


class Holder(Protocol):
    """Object whose `runtime` is the served model; it is replaced whole."""

    runtime: Any


@dataclass(frozen=True, slots=True)
class Change:
    """Tags of the model before and after a reload; equal where there was no newer model."""

    before: str
    now: str


class ModelReloader:
    """Reloader of one worker: loads, checks and replaces its model, and writes the marker.

    Parameters
    ----------
    holder
        Object that holds the served model.
    make
        Makes the model that replaces it, from a tag and a bundle; called in a thread.
    reference
        Tag in the settings, usually ``flight_delay:latest``.
    folder
        Folder of the reload marker; ``None`` without a supervisor.
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
        """Reload on SIGHUP and when the reload marker changes; called inside the event loop."""
        metrics.serving_model(self._holder.runtime.tag)
        metrics.buffer.queue = lambda: self._holder.runtime.waiting
        loop = asyncio.get_running_loop()
        with suppress(ValueError, RuntimeError):  # signals reach the main thread only
            loop.add_signal_handler(signal.SIGHUP, self._on_signal)
        served_tag.mark_served()
        if self._folder is not None:
            loop.call_later(POLL_SECONDS, self._poll, self._folder)

    async def reload(self, reference: str | None = None) -> Change:
        """Put a registered model in place and write the reload marker for the other workers.

        Parameters
        ----------
        reference
            Tag of the model; by default the tag in the settings.

        Raises
        ------
        ModelRefused
            If the model cannot be read, is damaged or fails the smoke test, or if the marker
            cannot be written; the model in place goes on serving.
        Conflict
            If this worker is loading a model already.
        """
        return await self._replace(reference or self._reference, announce=True)

    async def _replace(self, reference: str, *, announce: bool) -> Change:
        if self._lock.locked():
            raise Conflict("A model is being loaded already: try again when it is done.")  # noqa: EM101, TRY003
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
            logger.error("roll-over refused, %s goes on serving: %s", before.tag, error)  # noqa: TRY400 - the message is complete
            raise
        if loaded is not before:
            self._swap(loaded)
            logger.info("roll-over: %s took over from %s", loaded.tag, before.tag)
        return Change(before.tag, loaded.tag)

    def _load(self, reference: str, before: Loaded) -> Loaded:
        """Read, check and warm a model; return the one in place where its tag is the same."""
        try:
            if str(store.find(reference).tag) == before.tag:
                return before
            tag, bundle = store.read(reference, THREADS)
            loaded = self._make(tag, bundle)
            loaded.predictor.compile()  # before the smoke test, which then scores by the tables too
            smoke_test.check(tag, loaded.predictor, before.predictor)
        except (NoModelRegistered, BundleError, ModelRefused) as error:
            raise ModelRefused(str(error)) from None
        except Exception as error:  # the model in place goes on serving after any error
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
        gc.freeze()  # the model stays in memory: the collector need not visit its objects

    def _announce(self, tag: str) -> None:
        """Write the reload marker, for running and later workers, before this worker serves it."""
        if self._folder is None or served_tag.read_tag(self._folder) == tag:
            return
        try:
            served_tag.write_tag(self._folder, tag)
        except OSError as error:
            message = (
                f"the reload marker for the other workers could not be written for {tag}: {error}"
            )
            raise ModelRefused(message) from None

    def _poll(self, folder: Path) -> None:
        """Load the model of the reload marker; what fails now is tried again later."""
        loop = asyncio.get_running_loop()
        loop.call_later(POLL_SECONDS, self._poll, folder)
        tag = served_tag.read_tag(folder)
        if tag is None or tag == self._holder.runtime.tag or self._lock.locked():
            return
        if loop.time() >= self._try_again.get(tag, 0.0):
            self._spawn(tag)

    def _on_signal(self) -> None:
        """Reload on a signal; during a reload, reload once more afterwards.

        The tag `latest` may have been resolved before the model was registered that the signal is
        sent for.
        """
        if self._lock.locked():
            self._again = True
        else:
            self._spawn()

    def _spawn(self, tag: str | None = None) -> None:
        """Reload in the background: the tag of the reload marker, or the one in the settings."""
        task = asyncio.get_running_loop().create_task(self._follow(tag))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, tag: str | None) -> None:
        with suppress(Conflict):
            try:
                await (self._replace(tag, announce=False) if tag else self.reload())
            except ModelRefused:  # logged by _replace_locked
                if tag:
                    now = asyncio.get_running_loop().time()
                    self._try_again = {tag: now + RETRY_SECONDS}
