"""The gain that a sweep would find, before it starts."""

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.plan.power import Power, power_of
from pipeline.report.conclude import conclude
from pipeline.screen.plan import power_line
from pipeline.store import Store
from pipeline.sweep import digests
from pipeline.sweep.digests import Digest, Series
from pipeline.sweep.merge import merge
from tests.support import nights

THREE = [["2013-08-01", "2013-09-01"], ["2013-09-01", "2013-10-01"], ["2013-10-01", "2013-11-01"]]


@pytest.fixture
def spec(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    return nights.judged_on(tiny_spec) | {"date-range": THREE}


def power(store: Store, spec: dict[str, Any], earlier: Sequence[Digest] = ()) -> Power:
    result = power_of(nights.night(store, spec, day=9).sweep.definition, earlier)
    assert result is not None
    return result


def test_without_earlier_sweeps_the_spread_is_assumed_and_the_line_says_so(store: Store, spec: dict[str, Any]) -> None:
    line = power_line(power(store, spec))
    assert line is not None
    assert line.startswith("judged on 6 date ranges, a gain of 9.9 %")
    assert line.endswith(
        "if gains differ by 3.0 % from one date range to the next, which is assumed, as no earlier sweep tells"
    )


def test_with_a_ledger_the_spread_is_that_of_earlier_sweeps(store: Store, spec: dict[str, Any]) -> None:
    state = nights.night(store, spec)
    conclude(state.sweep, merge(state.sweep))
    (digest,) = digests.read(store, Series.of(state.sweep.definition))
    noise = iter((1.0, 1.1, 0.9) * 20)
    trials = [
        trial.model_copy(update={"valid": trial.valid * (1.0 if trial.experiment == "e000" else next(noise))})
        for trial in digest.trials
        if trial.valid is not None
    ]
    result = power(store, spec, [digest.model_copy(update={"trials": tuple(trials)})])
    assert result.sweeps == 1
    assert result.spread == pytest.approx(0.1, abs=0.01)
    line = power_line(result)
    assert line is not None
    assert line.endswith("from one date range to the next, as in 1 earlier sweep")


@pytest.mark.parametrize("change", [{"data": None}, {"calibration": True}, {"fidelities": ()}])
def test_sweeps_of_other_data_or_fidelity_tell_nothing(
    store: Store, spec: dict[str, Any], change: dict[str, Any]
) -> None:
    state = nights.night(store, spec)
    digest = digests.digest(state.sweep.definition, state.rows)
    later = nights.night(store, spec, day=9).sweep.definition
    informed, uninformed = power_of(later, [digest]), power_of(later, [digest.model_copy(update=change)])
    assert informed is not None
    assert informed.spread is not None
    assert uninformed is not None
    assert uninformed.spread is None


def test_too_few_ranges_for_a_test_give_a_line(store: Store, tiny_spec: dict[str, Any]) -> None:
    result = power(store, nights.judged_on(tiny_spec, nights.MONTHS[:2]))
    assert power_line(result) == "the winner will be judged on 2 date ranges: too few for a test, which takes 3"


def test_a_sweep_that_judges_nothing_says_nothing(store: Store, tiny_spec: dict[str, Any]) -> None:
    definition = nights.night(store, tiny_spec | {"confirm": {"ranges": 0}}).sweep.definition
    assert power_line(power_of(definition)) is None


def test_a_digest_that_names_a_range_that_it_does_not_have_stops_nothing(store: Store, spec: dict[str, Any]) -> None:
    state = nights.night(store, spec)
    conclude(state.sweep, merge(state.sweep))
    (digest,) = digests.read(store, Series.of(state.sweep.definition))
    trials = tuple(trial.model_copy(update={"range": 99}) for trial in digest.trials)
    assert power(store, spec, [digest.model_copy(update={"trials": trials})]).spread is None
