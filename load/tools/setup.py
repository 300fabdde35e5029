"""Prepare what a measurement of the service needs: model, request payloads, server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from data.load import load_flights
from load.tools import environment, wrk
from load.tools.payloads import Workload, make_workload
from load.tools.server_process import Probe, Server, service
from model.inference.predictor import Predictor
from serving.models import store
from serving.settings import Batching, settings


@dataclass(frozen=True)
class Setup:
    """Registered model and workload of a measurement, with a folder for its temporary files."""

    folder: Path
    tag: str
    predictor: Predictor
    workload: Workload

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Read the model that the settings name, and write the payloads into the folder."""
        tag, bundle = store.read(settings().model, threads=1)
        return cls(folder, tag, bundle.predictor, make_workload(load_flights(), folder))

    def header(self, module: str) -> dict[str, Any]:
        """Return date, command, machine, versions, model and workload of a measurement."""
        found = environment.header(module, self.tag, self.predictor)
        return found | {"workload": self.workload.to_json()}

    def serve(self, batching: Batching | str = Batching.INLINE) -> Server:
        """Return the service with a batching engine, not yet started."""
        engine = Batching(batching).value
        probe = Probe(wrk.PREDICT_PATH, self.workload.payloads()[0])
        return service(probe, self.folder / f"{engine}.log", batching=engine)
