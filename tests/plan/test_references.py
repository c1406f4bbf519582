"""References are planned beside the first round and change nothing of what else a sweep does."""

from typing import Any

import pytest

from pipeline import spec
from pipeline.analysis import spending
from pipeline.analysis.history import History
from pipeline.plan import calibration
from pipeline.plan.rounds import next_round, packs_in_words
from pipeline.sweep import Definition, Pack, Trial
from pipeline.training import references
from tests.support.rows import row_of
from tests.support.simulation import ADAPTIVE, Simulation
from tests.support.sweeps import NOW, define

WANTED = ADAPTIVE | {
    "references": True,
    "date-range": [["2024-01-01", "2024-03-01"], ["2024-03-01", "2024-05-01"]],
    "confirm-range": [["2023-01-01", "2023-03-01"], ["2023-03-01", "2023-05-01"]],
    "confirm": {},
}


def first_packs(definition: Definition) -> tuple[list[Pack], list[Pack]]:
    """The first round: packs of settings, and packs of references."""
    _, packs = next_round(History.at_start(definition), 0, lanes=2)
    references = [pack for pack in packs if pack.trials[0].phase == "reference"]
    return [pack for pack in packs if pack not in references], references


def test_references_run_on_ranges_that_judge_then_on_those_that_choose_a_pack_each() -> None:
    definition = define(WANTED)
    phase = definition.phase("reference")
    assert (phase.role, phase.chooses, phase.judges, phase.space) == ("reference", False, False, {})
    assert [str(range_.start) for range_ in phase.ranges] == ["2023-01-01", "2023-03-01", "2024-01-01", "2024-03-01"]
    packs = first_packs(definition)[1]
    assert [list(map(str, pack.trials)) for pack in packs] == [
        [f"reference-{name}-d{at}-s0" for name in references.NAMES] for at in range(4)
    ]
    assert packs[0].label == "Jan–Feb 2023: references constant, linear, trees"
    assert [Pack.parse(pack.as_line()) for pack in packs] == packs


def test_a_range_that_several_phases_use_has_references_once() -> None:
    definition = define(WANTED | {"tune": "automatic", "parameters": {}, "mode": "full"})
    ranges = definition.phase("reference").ranges
    assert len(definition.choosing) == 3
    assert len(set(ranges)) == len(ranges) == 4


def test_the_settings_of_a_sweep_are_the_same_without_references() -> None:
    with_references, without = (define(WANTED | {"references": is_on}) for is_on in (True, False))
    assert with_references.phases[:-1] == without.phases
    assert first_packs(with_references)[0] == first_packs(without)[0]
    assert first_packs(without)[1] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"references": False},
        {
            "architecture": "mine",
            "trainer": "mine.train:train",
            "hyperparameters": {"learning_rate": 0.1},
            "parameters": {"learning_rate": [0.1, 0.2]},
        },
    ],
)
def test_there_are_no_references_if_the_spec_wants_none_or_the_units_are_unknown(changes: dict[str, Any]) -> None:
    assert all(not phase.is_reference for phase in define(WANTED | changes).phases)


def test_a_calibration_has_no_references() -> None:
    assert calibration.sample(spec.from_dict(WANTED), 10).references is False


def test_later_rounds_have_no_references_and_end_as_without_them() -> None:
    with_references, without = (Simulation(define(WANTED | {"references": is_on})) for is_on in (True, False))
    for simulation in (with_references, without):
        while trials := simulation.plan():
            for trial in trials:
                if trial.phase == "reference":
                    cells = {"mse_valid": 0.0, "mse_test": 0.0, "training_time": 1000.0}
                    simulation.rows.append(row_of(simulation.definition, trial, {}, **cells))
                else:
                    simulation.finish(trial)
    assert {trial.phase for trial in with_references.planned()} == {"screen", "confirm", "reference"}
    assert all(trial.phase != "reference" for trials in with_references.rounds[1:] for trial in trials)
    assert [trial for trial in with_references.planned() if trial.phase != "reference"] == without.planned()


def test_a_budget_does_not_count_references() -> None:
    definition = define(WANTED | {"budget": {"device-hours": 1.0}})
    trained = row_of(definition, Trial("screen", "e000", 0, 0), definition.incumbent, training_time=10.0)
    measured = row_of(definition, Trial("reference", "trees", 0, 0), {}, training_time=3600.0)
    with_them, without = (History(definition, NOW, rows=rows) for rows in ([trained, measured], [trained]))
    assert spending.spent(with_them) == spending.spent(without)
    assert spending.spent(with_them).trials == 1
    assert spending.device_seconds([trained, measured]) == 10.0


def test_counts_in_words_tell_references_apart() -> None:
    packs = [pack for kind in first_packs(define(WANTED)) for pack in kind]
    trials = sum(trial.phase != "reference" for pack in packs for trial in pack.trials)
    assert packs_in_words(packs) == f"{trials} trials to run, and 12 references in seconds of CPU"
    assert packs_in_words(packs[:1]) == f"{len(packs[0].trials)} trials to run"
