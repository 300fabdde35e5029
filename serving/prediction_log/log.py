"""Prediction log: a bounded buffer, and a thread that writes it to a sink."""

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
"""Flights made into records at a time: in between, the event loop gets the interpreter lock."""
IDLE_SECONDS = 0.05
ATTEMPTS = 8
"""Failed writes after which a batch is dropped, so that one bad batch does not stop the log."""
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
CLOSE_SECONDS = 2.0
"""Longest wait for the sink at the end of the process."""


class PredictionLog:
    """Log that writes predictions to a sink without delaying requests.

    The buffer is bounded. While it is full, because the sink is slow, blocks or fails, new
    predictions are dropped and counted (`flight_delay_predictions_dropped_total`). A process that
    is killed loses at most `capacity` predictions and one batch of the sink.

    Parameters
    ----------
    capacity
        Most predictions in the buffer.
    """

    def __init__(self, sink: Sink, predictor: Predictor, model: str, capacity: int) -> None:
        self._sink = sink
        self._predictor = predictor
        self._model = model
        self._capacity = capacity
        self._buffer: deque[Answered] = deque()
        # only the event loop writes _put and only the thread writes _taken: neither needs a lock
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
        """Return the log of the settings; ``None`` where it is off."""
        sink = open_sink(settings.prediction_log, settings.prediction_seconds)
        return cls(sink, predictor, model, settings.prediction_buffer) if sink else None

    def put(self, flights: Flights, probabilities: Sequence[float], headers: Headers) -> None:
        """Add the predictions of a request, or count them as dropped; never blocks."""
        if self._put - self._taken + len(flights) > self._capacity:
            metrics.buffer.dropped(len(flights))
            return
        self._put += len(flights)
        self._buffer.append(Answered(time(), flights, probabilities, headers))

    def close(self) -> None:
        """Write the buffer, for a bounded time."""
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
                sleep(0)  # releases the interpreter lock for the event loop
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
        """Yield records of the buffer, `CHUNK` at a time, until there are at least `room`."""
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
            if len(answers) > 1:  # only one of them fails
                return [record for each in answers for record in self._records([each])]
            logger.exception("prediction log: no record could be made")
            metrics.predictions_dropped.labels("unreadable").inc(len(answers[0].flights))
            return []
        return [each._replace(id=f"{self._process}-{next(self._number)}") for each in made]

    def _write(self, batch: list[Record]) -> None:
        """Write a batch; retry on errors, and drop and count it after `ATTEMPTS`."""
        pause = FIRST_RETRY_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._sink.write(batch)
            except Exception as error:  # noqa: BLE001 - a sink may raise anything
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
