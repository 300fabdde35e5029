"""Train the delay model and register it in the BentoML store.

    python train.py                 train on the best data available, evaluate, register
    python train.py experiments     run all attempts at a better model, write docs/experiments
    python train.py --help          all options

Data -> features -> model -> evaluation -> gate -> store: each step is one call of its package.
Exit codes: 0 registered (or identical to the registered model), 2 the data cannot be used,
3 refused by the champion gate.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from tqdm import tqdm

from data.errors import DataError
from data.load import Dataset, load_flights
from model.errors import MissingExtra, ModelError
from model.evaluation import gate
from model.evaluation.diagnostics import add_diagnostics
from model.evaluation.protocols import Scored, evaluate, fold_count
from model.experiments.command import run_experiments
from model.inference.bundle import Bundle
from model.inference.decision import COST_RATIO, Decision
from model.reports.card import make_card
from model.reports.evaluation_report import write_report
from model.reports.model_card_page import write_model_card_page
from model.training import refresh as refreshing
from model.training.fit import BoosterTrainer, TrainingConfig, fit, fit_booster
from model.tuning.search import confirm, search
from serving.errors import NoModelRegistered
from serving.models import store

EXIT_DATA, EXIT_GATE = 2, 3
DASK_WORKER_MEMORY = "2GiB"
"""Memory limit of each process of the local cluster."""

logger = logging.getLogger("train")
app = typer.Typer(add_completion=False)

DataOption = Annotated[
    str | None,
    typer.Option(help="Path, http(s), gs:// or s3:// address of the flights, or 'sample'."),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Use only flights scheduled before this date."),
]
MappingOption = Annotated[
    Path | None, typer.Option(help="Description of another airport's file, TOML.")
]
NameOption = Annotated[str, typer.Option(help="Name in the model store.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Register a model that the gate or the check rejects.")
]


class EngineName(StrEnum):
    """Engine that fits the trees."""

    LOCAL = "local"
    """Threads of this process."""
    DASK = "dask"
    """Processes of a Dask cluster."""


@app.callback(invoke_without_command=True)
def train(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    context: typer.Context,
    data: DataOption = None,
    until: UntilOption = None,
    name: NameOption = store.DEFAULT_NAME,
    trials: Annotated[int, typer.Option(min=0, help="Parameter sets to search; 0: none.")] = 0,
    study: Annotated[
        Path | None, typer.Option(help="File of that search; a stopped search continues from it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the fit and of the embedded sample.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds in the evaluation.")] = 1,
    cost_ratio: Annotated[
        float, typer.Option(min=0.01, help="Cost of a missed delay, in false alarms.")
    ] = COST_RATIO,
    force: ForceOption = False,
    skip_evaluation: Annotated[
        bool, typer.Option("--skip-evaluation", help="Fit and register without any comparison.")
    ] = False,
    mapping: MappingOption = None,
    drop_invalid: Annotated[
        bool, typer.Option("--drop-invalid", help="Leave invalid rows out instead of stopping.")
    ] = False,
    engine: Annotated[
        EngineName, typer.Option(help="Engine that fits the trees; the evaluation runs locally.")
    ] = EngineName.LOCAL,
    scheduler: Annotated[
        str | None, typer.Option(help="With dask: address of a running scheduler.")
    ] = None,
    reports: Annotated[
        Path, typer.Option(help="Folder of evaluation.json and report.html.")
    ] = Path("reports"),
) -> None:
    """Train the delay model and register it in the BentoML store."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if context.invoked_subcommand:
        return
    with user_errors():
        dataset = load_flights(data, drop_invalid=drop_invalid, seed=seed, mapping=mapping)
        frame = _window(dataset, until)
        decision = Decision.from_cost_ratio(cost_ratio)
        config = TrainingConfig(seed=seed, decision=decision, home=dataset.airport_config)
        config = search(frame, config, trials, study) if trials else config
        evaluation, scored = ({}, {}) if skip_evaluation else _evaluate(frame, config, seeds)
        with _booster_trainer(engine, scheduler) as train_booster:
            bundle = _fit(frame, dataset, config, evaluation, train_booster)
    _report(reports, bundle, scored, frame)
    _register(bundle, name, dataset, force=force)


@app.command()
def experiments(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    data: DataOption = None,
    only: Annotated[str, typer.Option(help="Ids to run, separated by commas.")] = "",
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds of every row, instead of those declared.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    render: Annotated[
        bool, typer.Option("--render", help="Write the page from stored results; run nothing.")
    ] = False,
    reports: Annotated[Path, typer.Option(help="Folder of intermediate results.")] = Path(
        "reports/experiments"
    ),
    docs: Annotated[Path, typer.Option(help="Folder of results.json and the page.")] = Path(
        "docs/experiments"
    ),
) -> None:
    """Run the declared attempts that have no result yet, and write their page."""
    with user_errors():
        frame = load_flights(data).frame
        chosen = [each.strip() for each in only.split(",") if each.strip()]
        page = run_experiments(
            frame, folder=reports, docs=docs, only=chosen, seeds=seeds, jobs=jobs, render=render
        )
    logger.info("page: %s", page)


def _window(dataset: Dataset, until: datetime | None) -> pd.DataFrame:
    """Return the flights scheduled before a date; later rows do not reach the model."""
    logger.info("%s flights from %s", f"{len(dataset.frame):,}", dataset.origin)
    if dataset.dropped:
        logger.info("%s invalid rows were left out", f"{dataset.dropped:,}")
    if until is None:
        return dataset.frame
    frame = dataset.frame[dataset.frame["scheduled_departure"] < pd.Timestamp(until)]
    logger.info("%s of them are scheduled before %s", f"{len(frame):,}", until.date())
    return frame


def _evaluate(
    frame: pd.DataFrame, config: TrainingConfig, seeds: int
) -> tuple[dict[str, Any], dict[str, Scored]]:
    with tqdm(total=fold_count(frame) * seeds, unit="fit", desc="evaluating") as bar:
        evaluation, scored = evaluate(
            frame, config, range(config.seed, config.seed + seeds), lambda _fold: bar.update()
        )
    for protocol, figures in evaluation.items():
        logger.info(
            "%-12s AUC %.3f   log loss %.4f (constant %.4f)   calibration error %.3f",
            protocol,
            *(figures[key] for key in ("auc", "log_loss", "log_loss_constant", "ece")),
        )
    return add_diagnostics(frame, config, evaluation, scored), scored


def _booster_trainer(
    engine: EngineName, scheduler: str | None
) -> AbstractContextManager[BoosterTrainer]:
    if engine is EngineName.LOCAL:
        return nullcontext(fit_booster)
    try:
        from model.training.distributed import cluster_trainer  # noqa: PLC0415 - optional package
    except ImportError as error:
        message = "--engine dask needs the package distributed, of the dependency group `dask`"
        raise MissingExtra(message) from error
    return cluster_trainer(len(os.sched_getaffinity(0)), DASK_WORKER_MEMORY, scheduler)


def _fit(
    frame: pd.DataFrame,
    dataset: Dataset,
    config: TrainingConfig,
    evaluation: dict[str, Any],
    train_booster: BoosterTrainer,
) -> Bundle:
    predictor = fit(frame, config, train_booster)
    card = make_card(
        frame,
        is_sample=dataset.is_sample,
        predictor=predictor,
        config=config,
        evaluation=evaluation,
    )
    return Bundle(predictor, card, evaluation)


def _report(folder: Path, bundle: Bundle, scored: dict[str, Scored], frame: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if bundle.evaluation:
        text = json.dumps(bundle.evaluation, indent=1, sort_keys=True) + "\n"
        (folder / "evaluation.json").write_text(text)
    page = write_report(folder, bundle.card, bundle.evaluation, scored, bundle.predictor, frame)
    logger.info("report: %s", page)


def _register(bundle: Bundle, name: str, dataset: Dataset, *, force: bool) -> None:
    champion = store.champion(name)
    verdict = gate.judge(bundle, champion[1] if champion else None)
    if not verdict.accepted and not force:
        logger.error("refused by the champion gate: %s. Use --force to register it", verdict.reason)
        raise typer.Exit(EXIT_GATE)
    tag = store.register(bundle, name, _labels(bundle), {"data": dataset.origin})
    logger.info("registered %s (%s)", tag, verdict.reason)


def _labels(bundle: Bundle) -> dict[str, str]:
    data = bundle.card["data"]
    labels = {
        "data": "embedded-sample" if data["is_sample"] else "real-flights",
        "through": data["last_departure"][:10],
    }
    if "refreshed" in bundle.card:
        labels["refreshed-through"] = bundle.card["refreshed"]["through"][:10]
        labels["parent"] = bundle.card["refreshed"]["parent"].partition(":")[2]
    if "E3.schedule" in bundle.evaluation:
        labels["e3-auc"] = f"{bundle.evaluation['E3.schedule']['auc']:.3f}"
    return labels


@app.command("search")
def search_parameters(
    data: DataOption = None,
    mapping: MappingOption = None,
    trials: Annotated[int, typer.Option(min=1, help="Parameter sets of the study.")] = 40,
    study: Annotated[
        Path, typer.Option(help="File of the study; a stopped study continues from it.")
    ] = Path("reports/study.json"),
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds in the comparison.")] = 5,
) -> None:
    """Search parameters on the first months; compare with the present ones on later months."""
    with user_errors():
        dataset = load_flights(data, mapping=mapping)
        frame, present = dataset.frame, TrainingConfig(home=dataset.airport_config)
        found = search(frame, present, trials, study)
        for name, config in (("present", present), ("found", found)):
            for protocol, figures in confirm(frame, config, range(seeds)).items():
                logger.info(
                    "%-8s %-12s AUC %.4f +- %.4f   log loss %.5f +- %.5f",
                    *(name, protocol),
                    *(figures["auc"], figures["spread"]["auc"]),
                    *(figures["log_loss"], figures["spread"]["log_loss"]),
                )


@app.command()
def refresh(
    data: DataOption = None,
    mapping: MappingOption = None,
    until: UntilOption = None,
    name: NameOption = store.DEFAULT_NAME,
    force: ForceOption = False,
) -> None:
    """Refresh the registered model with newer outcomes, without fitting it.

    The history tables are rebuilt from all flights of --data, so they must reach back far enough.
    """
    with user_errors():
        dataset = load_flights(data, mapping=mapping)
        frame = _window(dataset, until)
        tag, parent = store.read(f"{name}:latest", threads=0)
        bundle = refreshing.refresh(
            parent, tag, frame, is_sample=dataset.is_sample, home=dataset.airport_config
        )
    if refreshing.changes_nothing(bundle, parent):
        logger.info("%s already has these flights: nothing to refresh", tag)
        return
    result = refreshing.check(bundle, parent, frame)
    if not result.accepted and not force:
        logger.error("not refreshed: %s. Use --force to register it", result.reason)
        raise typer.Exit(EXIT_GATE)
    newer = store.register(bundle, name, _labels(bundle), {"data": dataset.origin})
    logger.info("registered %s, refreshed from %s (%s)", newer, tag, result.reason)


@app.command()
def card(
    name: NameOption = store.DEFAULT_NAME,
    folder: Annotated[Path, typer.Option(help="Where to write it.")] = Path("docs"),
) -> None:
    """Write the registered model's card as a Markdown page with pictures."""
    with user_errors():
        tag, bundle = store.read(f"{name}:latest", threads=0)
    folder.mkdir(parents=True, exist_ok=True)
    decision = bundle.predictor.decision.to_json()
    logger.info("model card: %s", write_model_card_page(folder, bundle.card, tag, decision))


@contextmanager
def user_errors() -> Iterator[None]:
    """Log an expected error as one line and exit with code 2."""
    try:
        yield
    except (DataError, ModelError, NoModelRegistered) as error:
        logger.error("%s", error)  # noqa: TRY400 - the message is complete without a traceback
        raise typer.Exit(EXIT_DATA) from error


if __name__ == "__main__":
    app()
