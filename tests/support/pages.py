"""Summaries and pictures of sweeps of many shapes, made of rows alone."""

import math
from datetime import date, timedelta
from typing import Any

from pipeline.analysis.confirmation import confirmation
from pipeline.report.charts.pictures import pictures
from pipeline.report.experiments import choosing_results, phase_searches
from pipeline.report.summary import Summary, summarize
from pipeline.results import Row
from pipeline.space import Assignment
from pipeline.sweep import Definition, Phase, Trial
from tests.support import nights
from tests.support.rows import row_of
from tests.support.simulation import Simulation
from tests.support.sweeps import define

LONG = "a_hyperparameter_whose_name_nobody_can_remember"
CHOSEN = [["2012-01-01", "2012-06-01"], ["2012-02-01", "2012-07-01"]]


def asked(experiments: int, *, long: bool = False) -> dict[str, Any]:
    """A spec of a program with four hyperparameters of all kinds, with short or long names, and six judging ranges."""
    names = [f"{LONG}_{at}" if long else name for at, name in enumerate(("lr", "wd", "act", "n"))]
    values = (
        ["rectified linear units, leaky", "hyperbolic tangents", "無活性化関数のまま"]
        if long
        else ["relu", "tanh", "no"]
    )
    domains: list[dict[str, Any]] = [
        {"default": 0.001, "domain": {"low": 1e-5, "high": 0.3, "log": True}},
        {"default": 0.01, "domain": {"low": 0.0, "high": 0.1}},
        {"default": values[1], "domain": values},
        {"default": 64, "domain": [16, 32, 64, 128, 256, 512, 1024, 2048]},
    ]
    metric = "mean_squared_error_of_a_long_name" if long else "mse"
    return {
        "command": ["true", *(f"{{{name}}}" for name in names)],
        "hyperparameters": dict(zip(names, domains, strict=True)),
        "metrics-pattern": f"(?P<{metric}_valid>.*)",
        "objective": {"metric": metric, "goal": "minimize"},
        "parameters": {name: domain["domain"] for name, domain in zip(names, domains, strict=True)},
        "date-range": CHOSEN,
        "confirm-range": list(nights.JUDGED),
        "search": {"experiments": experiments, "strategy": "random"},
    }


def measured(definition: Definition, assignment: Assignment, trial: Trial) -> dict[str, Any]:
    """The cells of a trial. The first hyperparameter matters most, the last a little; ranges differ in difficulty."""
    rate, _, _, size = assignment.values()
    assert isinstance(rate, float)
    assert isinstance(size, int)
    error = 0.1 + (math.log10(rate) + 1.7) ** 2 / 5 + abs(math.log2(size) - 8) / 40
    error *= 1 + 0.15 * math.sin(3 * trial.range) + 0.02 * math.sin(trial.range * 100 * rate)
    metric = definition.objective.metric
    return {f"{metric}_valid": error, f"{metric}_test": 1.1 * error, "epochs": 5, "training_time": 3.0 + size / 100}


def curve(valid: str, value: float) -> list[Row]:
    """The rows of `epochs.csv` of a training that ends near a value."""
    return [{"epoch": at, valid: value * (1 + 2 / at)} for at in range(1, 6)]


def noted(row: Row, target: str) -> dict[str, Any]:
    """A training's notes on its predictions. The larger the error, the further they are from the truth."""
    error = next(value for name, value in row.items() if name.endswith("_test"))
    bins = [[10 + at * (1 + error / 9), 10 + at, 30] for at in range(12)]
    first = date.fromisoformat(row["date-range"][1])
    monday = first - timedelta(days=first.weekday() + 14)
    return {"bins": {target: bins}, "weeks": [[str(monday + timedelta(days=7 * at)), error, 99] for at in (0, 1)]}


def references(definition: Definition) -> tuple[Definition, list[Row]]:
    """The definition with a phase of references, and their rows."""
    assert definition.confirm is not None
    fields = {"space": {}, "ranges": definition.confirm.ranges, "fidelity": definition.choosing[-1].fidelity}
    phase = Phase(name="reference", role="reference", strategy="finalists", experiments=3, **fields)
    definition = definition.model_copy(update={"phases": (*definition.phases, phase)})
    nothing: Assignment = dict.fromkeys(definition.incumbent)
    rows = [
        row_of(
            definition, Trial("reference", name, at, 0), nothing, **{definition.objective.test: nights.wave(score, at)}
        )
        for name, score in (("constant", 4.0), ("linear", 1.0), ("trees", 0.4))
        for at in range(len(phase.ranges))
    ]
    return definition, rows


def shown(experiments: int, *, long: bool = False) -> tuple[Summary, list[Any]]:
    """The summary of a sweep with so many experiments, and its pictures."""
    definition = define(asked(experiments, long=long))
    simulation = Simulation(definition, lambda assignment, trial: measured(definition, assignment, trial)).to_the_end()
    definition, rows = references(definition)
    rows = [*simulation.rows, *rows]
    summary = summarize(definition, rows, simulation.planned(), True, confirmation(definition, rows))
    choosing = choosing_results(summary)
    valid = definition.objective.valid
    drawn = pictures(
        summary,
        choosing,
        phase_searches(choosing, summary),
        lambda rows: {row["trial"]: curve(valid, row[valid]) for row in rows},
        lambda rows: {row["trial"]: noted(row, LONG if long else "y") for row in rows},
    )
    return summary, drawn
