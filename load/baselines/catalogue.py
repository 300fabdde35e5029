"""List the baselines, with their commands, locks and payload formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from load.tools.payloads import Flight
from load.tools.wrk import PREDICT_PATH

PayloadFormat = Callable[[Sequence[Flight]], Mapping[str, Any]]

OURS, FASTAPI, CEILING = "ours", "fastapi", "uvicorn"
REFERENCES = (OURS, FASTAPI, CEILING)
"""Baselines that the others are compared with in the table."""


def contract(flights: Sequence[Flight]) -> Mapping[str, Any]:
    """Return the payload of the service's own contract."""
    return {"flights": flights}


def records(flights: Sequence[Flight]) -> Mapping[str, Any]:
    """Return the payload of MLflow's scoring server."""
    return {"dataframe_records": flights}


def v2(flights: Sequence[Flight]) -> Mapping[str, Any]:
    """Return the payload of the V2 inference protocol: one input per column."""
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [len(flights)], "data": values}
        for name in flights[0]
        if (values := [flight[name] for flight in flights])
    ]
    return {"inputs": inputs}


@dataclass(frozen=True)
class Baseline:
    """Server that is compared with the service.

    Attributes
    ----------
    key
        Short name for ``--only``.
    requirements
        Name of its lock, ``requirements/NAME.txt``; None uses the project's own environment.
    packages
        Packages whose versions the table shows.
    command, prepare
        ``{python}`` is its interpreter, ``{bin}`` the folder of the interpreter, ``{port}`` a free
        port and ``{folder}`` a temporary folder; `prepare` runs first.
    scores
        Whether its answers contain the model's probability, which is then checked.
    """

    key: str
    name: str
    requirements: str | None
    packages: tuple[str, ...]
    command: str
    path: str = PREDICT_PATH
    payload: PayloadFormat = contract
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: str = ""
    scores: bool = True


_UVICORN = "--host 127.0.0.1 --port {port} --no-access-log --log-level warning"
_BENTOML = (
    "{python} -m bentoml serve load.baselines.servers.bentoml_%s:Baseline"
    " --host 127.0.0.1 --port {port}"
)
_QUIET_BENTOML = {"BENTOML_DO_NOT_TRACK": "true"}
_BENTOML_PACKAGES = ("bentoml", "uvicorn", "uvloop", "httptools")

BASELINES = (
    Baseline(
        key=CEILING,
        name="uvicorn, constant answer (the ceiling)",
        requirements="uvicorn",
        packages=("uvicorn", "uvloop", "httptools"),
        command="{python} -m uvicorn load.baselines.servers.constant:app --lifespan off "
        + _UVICORN,
        scores=False,
    ),
    Baseline(
        key="granian",
        name="granian, constant answer",
        requirements="granian",
        packages=("granian", "uvloop"),
        command=(
            "{bin}/granian --interface asginl --loop uvloop --host 127.0.0.1 --port {port} "
            "--log-level warning load.baselines.servers.constant:app"
        ),
        scores=False,
    ),
    Baseline(
        key=OURS,
        name="this service",
        requirements=None,
        packages=_BENTOML_PACKAGES,
        command="{python} -m bentoml serve --host 127.0.0.1 --port {port}",
        variables=_QUIET_BENTOML,
    ),
    Baseline(
        key=FASTAPI,
        name="FastAPI and uvicorn, by hand",
        requirements="fastapi",
        packages=("fastapi", "uvicorn", "uvloop", "httptools"),
        command="{python} -m uvicorn load.baselines.servers.fastapi_app:app " + _UVICORN,
    ),
    Baseline(
        key="bentoml",
        name="BentoML, asynchronous API, defaults",
        requirements="bentoml",
        packages=_BENTOML_PACKAGES,
        command=_BENTOML % "async",
        variables=_QUIET_BENTOML,
    ),
    Baseline(
        key="batchable",
        name="BentoML, batchable, defaults",
        requirements="bentoml",
        packages=_BENTOML_PACKAGES,
        command=_BENTOML % "batchable",
        variables=_QUIET_BENTOML,
    ),
    Baseline(
        key="hello",
        name="BentoML, hello world without a model",
        requirements="bentoml",
        packages=_BENTOML_PACKAGES,
        command=_BENTOML % "hello",
        variables=_QUIET_BENTOML,
        scores=False,
    ),
    Baseline(
        key="litserve",
        name="LitServe, defaults",
        requirements="litserve",
        packages=("litserve", "uvicorn", "uvloop", "httptools"),
        command="{python} -m load.baselines.servers.litserve_app",
        variables={"BASELINE_PORT": "{port}"},
    ),
    Baseline(
        key="mlserver",
        name="MLServer, in one process",
        requirements="mlserver",
        packages=("mlserver", "uvicorn"),
        command="{bin}/mlserver start load/baselines/servers/mlserver",
        path="/v2/models/flight-delay/infer",
        payload=v2,
        variables={
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "0",
            "MLSERVER_METRICS_PORT": "0",
        },
    ),
    Baseline(
        key="ray",
        name="Ray Serve, batched",
        requirements="ray",
        packages=("ray",),
        command="{python} -m load.baselines.servers.ray_app",
        variables={"BASELINE_PORT": "{port}", "RAY_USAGE_STATS_ENABLED": "0"},
    ),
    Baseline(
        key="mlflow",
        name="MLflow models serve",
        requirements="mlflow",
        packages=("mlflow", "uvicorn"),
        command=(
            "{bin}/mlflow models serve --model-uri {folder}/model --env-manager local "
            "--host 127.0.0.1 --port {port} --workers 1"
        ),
        path="/invocations",
        payload=records,
        variables={"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        prepare="{python} -m load.baselines.servers.mlflow_model {folder}/model",
    ),
)
BY_KEY = {baseline.key: baseline for baseline in BASELINES}
