"""Trains the delay model and registers it in the BentoML store.

    python train.py                 train on the best data that can be had, evaluate, register
    python train.py experiments     run all attempts at a better model, write docs/experiments
    python train.py --help          all options

Data -> features -> model -> evaluation -> gate -> store: each step is one call of its package.
Exit codes: 0 registered (or identical to the registered model), 2 the data cannot be used,
3 refused by the champion gate.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from tqdm import tqdm

from data.errors import DataError
from data.sources import Dataset, load_flights
from model import gate
from model.bundle import Bundle
from model.card import make_card
from model.decision import COST_RATIO, Decision
from model.errors import ModelError
from model.evaluation import Scored, evaluate, fold_count
from model.experiments.command import run_experiments
from model.report import write_report
from model.search import search
from model.training import Recipe, fit
from serving import registry

EXIT_DATA, EXIT_GATE = 2, 3

logger = logging.getLogger("train")
app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def train(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    context: typer.Context,
    data: Annotated[
        str | None,
        typer.Option(help="Path, http(s), gs:// or s3:// address of the flights, or 'sample'."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Use only flights scheduled before this date."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name in the model store.")] = registry.DEFAULT_NAME,
    trials: Annotated[int, typer.Option(min=0, help="Parameter sets to search; 0: none.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the fit and of the embedded sample.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds that the evaluation runs over.")] = 1,
    cost_ratio: Annotated[
        float, typer.Option(min=0.01, help="False alarms that one missed delay is worth.")
    ] = COST_RATIO,
    force: Annotated[
        bool, typer.Option("--force", help="Register whatever the gate says.")
    ] = False,
    skip_evaluation: Annotated[
        bool, typer.Option("--skip-evaluation", help="Fit and register only; nothing is compared.")
    ] = False,
    drop_invalid: Annotated[
        bool, typer.Option("--drop-invalid", help="Leave invalid rows out instead of stopping.")
    ] = False,
    reports: Annotated[Path, typer.Option(help="Folder of evaluation.json and the page.")] = Path(
        "reports"
    ),
) -> None:
    """Train the delay model and register it in the BentoML store."""
    if context.invoked_subcommand:
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        dataset = load_flights(data, drop_invalid=drop_invalid, seed=seed)
        frame = _window(dataset, until)
        recipe = Recipe(seed=seed, decision=Decision.from_cost_ratio(cost_ratio))
        recipe = search(frame, recipe, trials) if trials else recipe
        evaluation, scored = ({}, {}) if skip_evaluation else _evaluate(frame, recipe, seeds)
        bundle = _fit(frame, dataset, recipe, evaluation)
    except (DataError, ModelError) as error:
        logger.error("%s", error)  # noqa: TRY400 - for people: the text says all, a trace would bury it
        raise typer.Exit(EXIT_DATA) from error
    _report(reports, bundle, scored, frame)
    _register(bundle, name, dataset, force=force)


@app.command()
def experiments(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    data: Annotated[
        str | None,
        typer.Option(help="Path, http(s), gs:// or s3:// address of the flights, or 'sample'."),
    ] = None,
    only: Annotated[str, typer.Option(help="Ids to run, separated by commas.")] = "",
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds of every row, instead of those declared.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    render: Annotated[
        bool, typer.Option("--render", help="Write the page from what is there; run nothing.")
    ] = False,
    reports: Annotated[Path, typer.Option(help="Folder of the results as they come.")] = Path(
        "reports/experiments"
    ),
    docs: Annotated[Path, typer.Option(help="Folder of results.json and the page.")] = Path(
        "docs/experiments"
    ),
) -> None:
    """Run the declared attempts that are not there yet, and write their page."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        frame = load_flights(data).frame
        chosen = [each.strip() for each in only.split(",") if each.strip()]
        page = run_experiments(
            frame,
            folder=reports,
            docs=docs,
            only=chosen,
            seeds=seeds,
            jobs=jobs,
            render=render,
        )
    except (DataError, ModelError) as error:
        logger.error("%s", error)  # noqa: TRY400 - for people: the text says all, a trace would bury it
        raise typer.Exit(EXIT_DATA) from error
    logger.info("page: %s", page)


def _window(dataset: Dataset, until: datetime | None) -> pd.DataFrame:
    """Return the flights scheduled before a date; rows from then on do not exist for the model."""
    logger.info("%s flights from %s", f"{len(dataset.frame):,}", dataset.origin)
    if dataset.dropped:
        logger.info("%s invalid rows were left out", f"{dataset.dropped:,}")
    if until is None:
        return dataset.frame
    frame = dataset.frame[dataset.frame["scheduled_departure"] < pd.Timestamp(until)]
    logger.info("%s of them are scheduled before %s", f"{len(frame):,}", until.date())
    return frame


def _evaluate(
    frame: pd.DataFrame, recipe: Recipe, seeds: int
) -> tuple[dict[str, Any], dict[str, Scored]]:
    with tqdm(total=fold_count(frame) * seeds, unit="fit", desc="evaluating") as bar:
        evaluation, scored = evaluate(
            frame, recipe, range(recipe.seed, recipe.seed + seeds), lambda _fold: bar.update()
        )
    for protocol, figures in evaluation.items():
        logger.info(
            "%-12s AUC %.3f   log loss %.4f (constant %.4f)   calibration error %.3f",
            protocol,
            *(figures[key] for key in ("auc", "log_loss", "log_loss_constant", "ece")),
        )
    return evaluation, scored


def _fit(
    frame: pd.DataFrame, dataset: Dataset, recipe: Recipe, evaluation: dict[str, Any]
) -> Bundle:
    predictor = fit(frame, recipe)
    card = make_card(
        frame,
        is_sample=dataset.is_sample,
        predictor=predictor,
        recipe=recipe,
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
    champion = registry.champion(name)
    verdict = gate.judge(bundle, champion[1] if champion else None)
    if not verdict.accepted and not force:
        logger.error("refused by the champion gate: %s. Use --force to register it", verdict.reason)
        raise typer.Exit(EXIT_GATE)
    tag = registry.register(bundle, name, _labels(bundle), {"data": dataset.origin})
    logger.info("registered %s (%s)", tag, verdict.reason)


def _labels(bundle: Bundle) -> dict[str, str]:
    data = bundle.card["data"]
    labels = {
        "data": "embedded-sample" if data["is_sample"] else "real-flights",
        "through": data["last_departure"][:10],
    }
    if "E3.schedule" in bundle.evaluation:
        labels["e3-auc"] = f"{bundle.evaluation['E3.schedule']['auc']:.3f}"
    return labels


if __name__ == "__main__":
    app()
