"""A build that shares its sweep with other runners plans what they do not train, and waits for the rest."""

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
    made: Sweep = new_sweep(tiny_spec)
    return made


def runner(owner: str = "") -> Runner:
    """One whose process nobody here can see."""
    return Runner.here(1, owner).model_copy(update={"machine": ""})


def test_it_plans_what_nobody_else_trains(sweep: Sweep) -> None:
    packs = rounds.pending(sweep)
    with Leases(sweep, runner()) as other:
        other.take(packs[0].trials)
        left = others.left([sweep], BUILD, retry=False, pace=PACE)
    assert left.packs == [packs[1:]]
    assert not left.waits_for


def test_it_waits_once_it_knows_that_whoever_trains_the_rest_lives(sweep: Sweep) -> None:
    packs = rounds.pending(sweep)
    with Leases(sweep, runner(), pace=PACE) as other:
        other.take(list(trials_of(packs)))
        left = others.left([sweep], BUILD, retry=False, pace=PACE)
    assert left.packs == [[]]
    assert left.waits_for.startswith("6 trials are left, and all of them are being trained by a runner on ")


def test_what_a_dead_runner_held_is_free_after_a_while(sweep: Sweep) -> None:
    packs = rounds.pending(sweep)
    Leases(sweep, runner(), pace=LeasePace(beat=3600.0)).take(list(trials_of(packs)))
    left = others.left([sweep], BUILD, retry=False, pace=LeasePace(stale=0.2, look=0.02))
    assert left.packs == [packs]


def test_what_its_own_lost_machines_held_is_free_at_once(sweep: Sweep) -> None:
    packs = rounds.pending(sweep)
    Leases(sweep, runner(BUILD), pace=LeasePace(beat=3600.0)).take(list(trials_of(packs)))
    assert others.left([sweep], BUILD, retry=False).packs == [packs]


def test_the_plan_is_a_single_line_then(sweep: Sweep, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.jenkins.rounds.others.left", lambda *_, **__: others.Left([[]], "somebody trains it"))
    done = hpt("jenkins-plan", sweep.id, "packs.tsv", "--store", sweep.store.root, cwd=tmp_path)
    assert (tmp_path / "packs.tsv").read_text() == "wait\n"
    assert done.out == "somebody trains it\n"
