"""Results of a calibration: agreement with the full result, its cost, and the settings for a spec."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline import spec
from pipeline.analysis.calibration import Calibration, calibrate
from pipeline.plan import calibration as study
from pipeline.results import Row
from pipeline.sweep import Calibrating, Definition
from tests.support.sweeps import define

EPOCHS, EXPERIMENTS = 6, 20


def definition(overlap: float = 0.8, **changes: Any) -> Definition:
    """Twenty settings on three months of flights, at four amounts of data."""
    base = spec.from_dict(
        {
            "architecture": "bag-of-words",
            "data": "flights",
            "date-range": [["2013-05-01", "2013-08-01"]],
            "training": {"max-epochs": EPOCHS},
            "parameters": {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}},
        }
        | changes
    )
    resolved = define(study.sample(base, EXPERIMENTS).model_dump(by_alias=True, mode="json", exclude_unset=True))
    return study.define(resolved, base, Calibrating(top=5, overlap=overlap))


def settings_of(result: Calibration) -> tuple[str, int]:
    return result.chosen.amount.words, result.chosen.epochs


Score = Callable[[str, int, int], float]
"""(fidelity, experiment, epoch) -> metric."""


def study_result(study_definition: Definition, score: Score, **statuses: str) -> Calibration | str:
    """Result of a study whose trainings have the metric `score`; an epoch takes a second per training day."""
    rows: list[Row] = []
    epochs: dict[str, list[Row]] = {}
    for phase in study_definition.phases:
        days = phase.fidelity.train_days or 64
        for at in range(EXPERIMENTS):
            trial = f"{phase.name}-e{at:03d}-d0-s0"
            status = statuses.get(f"e{at:03d}_{phase.fidelity.name}".replace("-", "_"), "complete")
            rows.append(
                {
                    **study_definition.incumbent,
                    "trial": trial,
                    "phase": phase.name,
                    "experiment": f"e{at:03d}",
                    "status": status,
                }
            )
            epochs[trial] = [
                {"epoch": epoch, "mse_valid": score(phase.fidelity.name, at, epoch), "seconds": float(days)}
                for epoch in range(1, EPOCHS + 1)
            ]
    return calibrate(study_definition, rows, epochs)


def ok(result: Calibration | str) -> Calibration:
    assert isinstance(result, Calibration), result
    return result


def quickly_right(fidelity: str, experiment: int, epoch: int) -> float:
    """A month or two rank right from their third epoch on, a week never, all the data from their first epoch on."""
    right = {"week": EPOCHS + 1, "month": 3, "two-months": 3, "full": 1}[fidelity]
    return (experiment + 1 if epoch >= right else EXPERIMENTS - experiment + 50) / epoch


def test_the_cheapest_fidelity_that_keeps_the_best_is_chosen_and_written_as_settings():
    result = ok(study_result(definition(), quickly_right))
    assert settings_of(result) == ("one month", 3)
    assert result.settings == {"mode": "short", "short": {"months": 1, "ranges": 1, "max-epochs": 3}}
    assert result.chosen.time_share == pytest.approx(3 * 19 / (6 * 64))
    assert result.answer == (
        "One month of data and 3 epochs keep 5 of the best 5 settings at 15 % of the training time, by a sample of 20 "
        "settings on one date range (90 % interval: 5 to 5 of 5; 25 % would be chance)."
    )


def test_the_settings_are_a_spec_s():
    settings = ok(study_result(definition(), quickly_right)).settings
    parsed = spec.from_dict({"architecture": "bag-of-words", "parameters": {"learning_rate": [0.1, 0.2]}, **settings})
    assert (parsed.mode, parsed.short.months, parsed.short.max_epochs) == ("short", 1, 3)


def test_one_training_gives_the_result_of_every_epoch():
    result = ok(study_result(definition(), quickly_right))
    assert len(result.fidelities) == 4 * EPOCHS
    assert result.full.time_share == 1
    assert result.full.agreement.spearman.value == pytest.approx(1)


def test_one_lucky_epoch_is_not_enough():
    def lucky_first(fidelity: str, experiment: int, epoch: int) -> float:
        # The second epoch of every training but the full ones overturns what the first one said.
        good = fidelity == "full" or epoch == 1
        return experiment + 1 if good else (EXPERIMENTS - experiment) / 100

    result = ok(study_result(definition(), lucky_first))
    assert (result.chosen.amount.words, result.chosen.epochs) == ("all the data", 1)
    assert result.settings["short"] == {"months": 3, "ranges": 1, "max-epochs": 1}


def test_if_only_full_trainings_rank_right_full_mode_stays():
    def late(fidelity: str, experiment: int, epoch: int) -> float:
        right = fidelity == "full" and epoch == EPOCHS
        return (experiment + 1) / 1000 if right else EXPERIMENTS - experiment

    result = ok(study_result(definition(), late))
    assert result.settings == {"mode": "full"}
    assert "Nothing cheaper keeps 4 of the best 5 settings: stay with full mode" in result.answer


def test_a_week_is_never_suggested_but_the_result_says_that_it_would_do():
    result = ok(study_result(definition(), lambda fidelity, experiment, epoch: experiment + 1))
    assert settings_of(result) == ("one month", 1)
    assert result.week_would_do


def test_a_smaller_overlap_takes_a_cheaper_fidelity():
    rng = np.random.default_rng(1)
    noise = {name: rng.normal(size=EXPERIMENTS) for name in ("week", "month", "two-months", "full")}
    size = {"week": 9.0, "month": 6.0, "two-months": 2.0, "full": 0.0}

    def noisy(fidelity: str, experiment: int, epoch: int) -> float:
        return float(experiment + 30 + size[fidelity] * noise[fidelity][experiment]) / epoch

    shares = [ok(study_result(definition(overlap), noisy)).chosen.time_share for overlap in (0.2, 0.6, 1.0)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_a_training_that_diverged_stands_last():
    def diverging(fidelity: str, experiment: int, epoch: int) -> float:
        if experiment < 5 and fidelity == "full" and epoch == EPOCHS:
            return math.nan  # what seems best up to then is worthless in the full result
        return experiment + 1

    statuses = {f"e{at:03d}_full": "diverged" for at in range(5)}
    result = ok(study_result(definition(), diverging, **statuses))
    assert result.best == ("e005", "e006", "e007", "e008", "e009")
    assert result.settings == {"mode": "full"}
    assert result.full.agreement.left_out == 0


def test_a_training_that_failed_is_left_out_with_its_time():
    result = ok(study_result(definition(), quickly_right, e003_month="failed"))
    assert {
        fidelity.agreement.experiments for fidelity in result.fidelities if fidelity.amount.words == "one month"
    } == {19}
    assert result.chosen.time_share == pytest.approx(3 * 19 / (6 * 64))


def test_without_full_trainings_there_is_no_result():
    statuses = {f"e{at:03d}_full": "failed" for at in range(EXPERIMENTS)}
    assert "nothing to compare with" in str(study_result(definition(), quickly_right, **statuses))


def test_a_constant_metric_gives_no_result():
    assert "no order to compare" in str(study_result(definition(), lambda *_: 1.0))


def test_a_metric_can_be_maximized():
    maximizing = definition(objective={"metric": "mse", "goal": "maximize"})
    result = ok(study_result(maximizing, lambda fidelity, experiment, epoch: experiment + 1))
    assert result.best == ("e019", "e018", "e017", "e016", "e015")
    assert result.chosen.behind == 0


def test_the_loss_of_the_first_setting_of_a_cheap_ranking_is_given():
    def swapped(fidelity: str, experiment: int, epoch: int) -> float:
        first = 1 if fidelity != "full" else 0
        return 1.0 if experiment == first else 1.1 + experiment / 10

    result = ok(study_result(definition(), swapped))
    assert result.chosen.behind == pytest.approx(0.2)


def test_the_table_has_few_lines_and_the_chosen_one():
    result = ok(study_result(definition(), quickly_right))
    assert result.chosen in result.table()
    assert [fidelity.epochs for fidelity in result.table()][:4] == [1, 2, 4, 6]


def test_a_month_has_the_training_days_of_a_range_of_a_month():
    assert [(phase.fidelity.name, phase.fidelity.train_days) for phase in definition().phases] == [
        ("week", 7),
        ("month", 19),
        ("two-months", 43),
        ("full", None),
    ]
