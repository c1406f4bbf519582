"""A build that shares its sweep with other runners plans the trials that they do not train, or waits."""

from typing import Any

import pytest

from pipeline.jenkins import others
from pipeline.plan import rounds
from pipeline.sweep import Sweep, trials_of
from pipeline.sweep.leases import LeasePace, Leases, Runner
from tests.support.in_process import hpt

BUILD = "https://jenkins.test/job/tuning/job/sweep/7/"
PACE = LeasePace(beat=0.05, stale=600.0, look=0.02)


@pytest.fixture
def sweep(new_sweep: Any, tiny_spec: dict[str, Any]) -> Sweep:
    created: Sweep = new_sweep(tiny_spec)
    return created


def unseen_runner(owner: str = "") -> Runner:
    """A runner on another machine, whose process cannot be checked from here."""
    return Runner.of_this_process(1, owner).model_copy(update={"machine": ""})


def test_packs_that_others_train_are_left_out(sweep: Sweep) -> None:
    packs = rounds.plan_packs(sweep)
    with Leases(sweep, unseen_runner()) as other:
        other.take(packs[0].trials)
        work = others.remaining([sweep], BUILD, retry=False, pace=PACE)
    assert work.packs == [packs[1:]]
    assert not work.waits_for


def test_it_waits_once_the_runner_that_trains_the_rest_is_known_to_live(sweep: Sweep) -> None:
    packs = rounds.plan_packs(sweep)
    with Leases(sweep, unseen_runner(), pace=PACE) as other:
        other.take(list(trials_of(packs)))
        work = others.remaining([sweep], BUILD, retry=False, pace=PACE)
    assert work.packs == [[]]
    assert work.waits_for.startswith("6 trials are left, and all of them are being trained by a runner on ")


def test_trials_of_a_dead_runner_are_free_after_a_while(sweep: Sweep) -> None:
    packs = rounds.plan_packs(sweep)
    Leases(sweep, unseen_runner(), pace=LeasePace(beat=3600.0)).take(list(trials_of(packs)))
    work = others.remaining([sweep], BUILD, retry=False, pace=LeasePace(stale=0.2, look=0.02))
    assert work.packs == [packs]


def test_trials_of_the_builds_own_lost_machines_are_free_at_once(sweep: Sweep) -> None:
    packs = rounds.plan_packs(sweep)
    Leases(sweep, unseen_runner(BUILD), pace=LeasePace(beat=3600.0)).take(list(trials_of(packs)))
    assert others.remaining([sweep], BUILD, retry=False).packs == [packs]


def test_a_plan_that_waits_is_a_single_line(sweep: Sweep, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pipeline.jenkins.rounds.others.remaining", lambda *_, **__: others.Remaining([[]], "somebody trains it")
    )
    done = hpt("jenkins-plan", sweep.id, "packs.tsv", "--store", sweep.store.root, cwd=tmp_path)
    assert (tmp_path / "packs.tsv").read_text() == "wait\n"
    assert done.out == "somebody trains it\n"
