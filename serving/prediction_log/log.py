"""Takes predictions off the hot path: a bounded buffer and the thread that empties it."""

from __future__ import annotations

import atexit
import logging
import secrets
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count
from time import monotonic, sleep, time

from data.flights import Flights
from model.inference.predictor import Predictor
from serving import metrics
from serving.prediction_log.record import Answered, Headers, Record, records
from serving.prediction_log.sinks import Sink, open_sink
from serving.settings import Settings

logger = logging.getLogger("flight_delay")

CHUNK = 32
"""Flights turned into records at a time: the event loop waits at most that long for its turn."""
IDLE_SECONDS = 0.05
ATTEMPTS = 8
"""Failed writes after which a batch is given up, so that one bad batch does not stop the log."""
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
CLOSE_SECONDS = 2.0
"""How long the end of the process waits for the sink."""


class PredictionLog:
    """Hands predictions to a sink without ever letting a request wait.

    The buffer is bounded: when the sink is slower than the requests, or blocks, or fails, new
    predictions are dropped and counted (`flight_delay_predictions_dropped_total`), and requests
    go on. At any moment at most `capacity` predictions wait here and one batch of the sink
    waits to be written; that is what a process loses that dies at once.

    Parameters
    ----------
    capacity
        Most predictions that may wait in the buffer.
    """

    def __init__(self, sink: Sink, predictor: Predictor, model: str, capacity: int) -> None:
        self._sink = sink
        self._predictor = predictor
        self._model = model
        self._capacity = capacity
        self._buffer: deque[Answered] = deque()
        # each of the two is written by one thread only, so neither needs a lock
        self._put = 0
        self._taken = 0
        self._process = secrets.token_hex(5)
        self._number = count()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    @classmethod
    def of(cls, settings: Settings, predictor: Predictor, model: str) -> PredictionLog | None:
        """Return the log that the settings ask for; nothing where it is off."""
        sink = open_sink(settings.prediction_log, settings.prediction_seconds)
        return cls(sink, predictor, model, settings.prediction_buffer) if sink else None

    def put(self, flights: Flights, probabilities: Sequence[float], headers: Headers) -> None:
        """Take the predictions of a request, or count them as dropped; never waits."""
        if self._put - self._taken + len(flights) > self._capacity:
            metrics.buffer.dropped(len(flights))
            return
        self._put += len(flights)
        self._buffer.append(Answered(time(), flights, probabilities, headers))

    def close(self) -> None:
        """Write what is left, for a bounded time."""
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            logger.warning("prediction log: the sink did not take the last predictions in time")
        atexit.unregister(self.close)

    def _run(self) -> None:
        batch: list[Record] = []
        due = monotonic() + self._sink.seconds
        while not self._closing.is_set():
            for chunk in self._chunks(self._sink.rows - len(batch)):
                batch += chunk
                sleep(0)  # whoever waits for the interpreter goes first
            if len(batch) >= self._sink.rows or (batch and monotonic() >= due):
                self._write(batch)
                batch = []
            if not batch:
                due = monotonic() + self._sink.seconds
            if not self._buffer:
                self._closing.wait(IDLE_SECONDS)
        batch += [record for chunk in self._chunks(self._capacity) for record in chunk]
        if batch:
            self._write(batch)

    def _chunks(self, room: int) -> Iterator[list[Record]]:
        """Records of what waits, a few at a time, until there are at least `room`."""
        made, gathered, flights = 0, list[Answered](), 0
        while self._buffer and made + flights < room:
            answered = self._buffer.popleft()
            for piece in answered.pieces(CHUNK):
                gathered.append(piece)
                flights += len(piece.flights)
                if flights >= CHUNK:
                    yield self._records(gathered)
                    made, gathered, flights = made + flights, [], 0
            self._taken += len(answered.flights)
        if gathered:
            yield self._records(gathered)

    def _records(self, answers: list[Answered]) -> list[Record]:
        try:
            made = records(answers, self._predictor, self._model)
        except Exception:
            if len(answers) > 1:  # the others are not to blame
                return [record for each in answers for record in self._records([each])]
            logger.exception("prediction log: no record could be made")
            metrics.predictions_dropped.labels("unreadable").inc(len(answers[0].flights))
            return []
        return [each._replace(id=f"{self._process}-{next(self._number)}") for each in made]

    def _write(self, batch: list[Record]) -> None:
        """Write a batch, again and again where that fails; give it up in the end, and say so."""
        pause = FIRST_RETRY_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._sink.write(batch)
            except Exception as error:  # noqa: BLE001 - whatever a sink may raise
                logger.warning(
                    "prediction log: write %s of %s failed: %s", attempt, ATTEMPTS, error
                )
            else:
                metrics.predictions_logged.inc(len(batch))
                return
            if self._closing.wait(pause):
                break
            pause = min(2 * pause, LONGEST_RETRY_SECONDS)
        metrics.predictions_dropped.labels("sink").inc(len(batch))
