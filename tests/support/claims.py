"""Claims of sweeps, made without training: a sweep finds a gain that its confirmation does not prove."""

from typing import Any

from pipeline import spec
from pipeline.plan import resolve, rounds
from pipeline.report.conclude import conclude
from pipeline.report.summary import Summary
from pipeline.store import Store
from pipeline.sweep import Sweep, claims, trials_of
from pipeline.sweep.claims import Claim
from pipeline.sweep.merge import merge
from tests.support.rows import planned_row
from tests.support.sweeps import NOW

DAY = "2024-01-01"
"""The day of the claim. The data of `tiny_csv` begin on it and last five months."""
MONTHS = [[f"2023-{month:02d}-01", f"2023-{month + 1:02d}-01"] for month in range(1, 7)]
MONTHS_OF_FLIGHTS = [[f"2013-{month:02d}-01", f"2013-{month + 1:02d}-01"] for month in range(1, 7)]
HARDLY = (0.80, 1.05, 0.95, 0.85, 1.02, 0.90)
"""The winner's error as a share of the incumbent's, on the ranges that judge."""


def claim_spec(tiny_spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A spec in which e001 beats the incumbent e000 while choosing, and six months judge it."""
    chosen_on = [["2023-10-01", "2023-11-01"], ["2023-11-01", "2023-12-01"]]
    return tiny_spec | {"date-range": chosen_on, "as-of": DAY, "confirm-range": MONTHS, "confirm": {}} | changes


def elsewhere(content: dict[str, Any]) -> dict[str, Any]:
    """The spec with data that this machine does not reach, so that only the calendar limits date ranges."""
    return content | {"data": content["data"] | {"path": "nowhere/*.csv"}}


def finished(
    store: Store, content: dict[str, Any], factors: tuple[float, ...] = HARDLY, *, token: str = "3f9c", **cells: Any
) -> tuple[Sweep, Summary]:
    """A sweep of a spec in which every trial has a row."""
    definition = resolve.resolve(spec.from_dict(content), now=NOW, token=token)
    sweep = Sweep.create(store, definition)
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for trial in trials:
            wins = trial.experiment == "e001"
            test = 0.4 * (factors[trial.range] if wins and trial.phase == "confirm" else 1)
            measured = {"mse_valid": 0.1 if wins else 0.2, "mse_test": test}
            sweep.create_row(trial, planned_row(sweep, trial, training_time=30.0, epochs=2, **measured, **cells))
    return sweep, conclude(sweep, merge(sweep))


def claim_of(store: Store, content: dict[str, Any], **more: Any) -> Claim:
    """The claim of a finished sweep of this spec."""
    finished(store, content, **more)
    (claim,) = claims_of(store)
    return claim


def judge(sweep: Sweep, factors: tuple[float, ...], **cells: Any) -> Summary:
    """Writes a row for every trial of a sweep that judges a claim. `factors` are errors relative to the incumbent's."""
    definition = sweep.definition
    assert definition.claim is not None
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for trial in trials:
            setting = sweep.experiments()[trial.experiment].assignment == definition.claim.setting
            day = definition.phase(trial.phase).ranges[trial.range]
            measured = {
                "mse_valid": 0.1,
                "mse_test": 0.4 * (factors[trial.range] if setting else 1),
                "data_fingerprint": f"rows-{day}",
            }
            sweep.create_row(trial, planned_row(sweep, trial, training_time=30.0, epochs=2, **(measured | cells)))
    return conclude(sweep, merge(sweep))


def claims_of(store: Store) -> list[Claim]:
    """The readable claims of a store, sorted by id."""
    return [stored.claim for stored in claims.all_stored(store) if isinstance(stored, claims.Stored)]
