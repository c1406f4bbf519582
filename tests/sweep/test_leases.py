"""Leases are hints: they keep runners from the same trials, and no failure of them costs a training."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.errors import InfrastructureError
from pipeline.store import Store, open_store
from pipeline.sweep import Sweep, Trial
from pipeline.sweep.leases import Lease, LeasePace, Leases, Runner
from tests.support import faults
from tests.support.processes import is_soon

ID = "20240614-0210-bag-of-words-3f9c"
TRIALS = [Trial("screen", f"e{number:03d}", 0, 0) for number in range(8)]
NEVER = LeasePace(beat=3600.0)
"""No test waits for a heartbeat unless it means to."""


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def runner(owner: str = "") -> Runner:
    """A runner on another machine, whose process cannot be seen here."""
    return Runner.of_this_process(1, owner).model_copy(update={"machine": "another"})


@pytest.fixture
def sweep(store: Store) -> Sweep:
    return Sweep(store, ID)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def keys(sweep: Sweep) -> list[str]:
    return [entry.key.removeprefix(sweep.leases_key) for entry in sweep.store.entries(sweep.leases_key)]


def test_a_lane_of_a_build_that_ends_leaves_its_siblings_their_leases(sweep: Sweep) -> None:
    with Leases(sweep, runner("build-7")) as first:
        first.take(TRIALS[:4])
        with Leases(sweep, runner("build-7")) as second:
            second.take(TRIALS[4:])
        with Leases(sweep, runner()) as another:
            assert another.take(TRIALS).trials == tuple(TRIALS[4:])
    assert keys(sweep) == []


def test_runners_leave_each_others_trials_alone(sweep: Sweep) -> None:
    with Leases(sweep, runner()) as first, Leases(sweep, runner()) as second:
        assert first.take(TRIALS[:4]).trials == tuple(TRIALS[:4])
        assert second.take(TRIALS[:4]).trials == ()
        assert second.take(TRIALS[2:6]).trials == tuple(TRIALS[4:6])
        assert first.look().holders_of(TRIALS[4:5])[0].name == second._runner.name


def test_any_runner_may_take_trials_that_were_given_back(sweep: Sweep) -> None:
    with Leases(sweep, runner()) as first, Leases(sweep, runner()) as second:
        lease = first.take(TRIALS)
        assert second.take(TRIALS).trials == ()
        first.give_back(lease)
        second.look()
        assert second.take(TRIALS).trials == tuple(TRIALS)


def test_the_last_runner_deletes_all_leases(sweep: Sweep, clock: Clock) -> None:
    dead = Leases(sweep, runner(), pace=NEVER)
    dead.take(TRIALS[:2])
    with Leases(sweep, runner(), clock=clock) as living:
        living.take(TRIALS[2:4])
        clock.now += 181
    assert keys(sweep) == []


def test_a_runner_without_a_heartbeat_for_three_minutes_loses_its_leases(sweep: Sweep, clock: Clock) -> None:
    Leases(sweep, runner(), pace=NEVER).take(TRIALS)
    with Leases(sweep, runner(), clock=clock) as living:
        for _ in range(3):
            assert living.take(TRIALS).trials == ()
            clock.now += 59
        living.look()
        assert living.take(TRIALS).trials == ()
        clock.now += 4
        living.look()
        assert living.take(TRIALS).trials == tuple(TRIALS)
        # Whoever comes now need not wait again.
        with Leases(sweep, runner()) as late:
            assert [each.id for each in late.look().others] == [living._runner.id]


def test_a_runner_with_a_heartbeat_keeps_its_leases(sweep: Sweep, clock: Clock) -> None:
    with Leases(sweep, runner(), pace=LeasePace(beat=0.01)) as first, Leases(sweep, runner(), clock=clock) as second:
        first.take(TRIALS)
        assert second.take(TRIALS).trials == ()
        for _ in range(3):
            version = second._signs[first._runner.id].version
            clock.now += 179
            assert is_soon(lambda: second.look() and second._signs[first._runner.id].version != version)  # noqa: B023
        assert second.has_beaten(first._runner)
        assert second.take(TRIALS).trials == ()


def test_a_process_that_ended_on_this_machine_is_gone_at_once(sweep: Sweep) -> None:
    script = (
        "import os, signal, sys\n"
        "from pipeline.store import open_store\n"
        "from pipeline.sweep import Sweep, Trial\n"
        "from pipeline.sweep.leases import Leases, Runner\n"
        "leases = Leases(Sweep(open_store(sys.argv[1]), sys.argv[2]), Runner.of_this_process(1))\n"
        "assert leases.take([Trial.parse(sys.argv[3])]).trials\n"
        "print('taken', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, sweep.store.root, ID, str(TRIALS[0])]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        Leases(sweep, Runner.of_this_process(1)) as leases,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"taken\n"
        assert leases.take(TRIALS[:1]).trials == ()
        process.kill()
        process.wait()
        leases.look()
        assert leases.take(TRIALS[:1]).trials == tuple(TRIALS[:1])


def test_runners_of_one_owner_do_not_wait_for_each_other(sweep: Sweep) -> None:
    build = "https://jenkins.test/job/tuning/job/sweep/7/"
    lost = Leases(sweep, runner(build), pace=NEVER)
    lease = lost.take(TRIALS)
    with Leases(sweep, runner(build)) as sibling, Leases(sweep, runner()) as other:
        assert sibling.take(TRIALS).trials == tuple(TRIALS)
        assert other.take(TRIALS).trials == ()
        lost.give_back(lease)  # it comes back to life, but the lease is not its own any more
        other.look()
        assert other.take(TRIALS).trials == ()


def test_two_runners_that_take_overlapping_packs_at_once_share_no_trial(sweep: Sweep) -> None:
    with Leases(sweep, runner()) as first, Leases(sweep, runner()) as second:
        first.look()
        second.look()
        leases_taken = [first.take(TRIALS[:5]), second.take(TRIALS[3:])]
    assert leases_taken[0].trials == tuple(TRIALS[:5])
    assert leases_taken[1].trials == tuple(TRIALS[5:])


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b"[]", b"null", b'{"runner": 3}'])
@pytest.mark.parametrize("kind", ["lease", "runner"])
def test_a_damaged_file_is_ignored(sweep: Sweep, kind: str, content: bytes) -> None:
    dead = runner()
    Leases(sweep, dead, pace=NEVER).take(TRIALS)
    sweep.store.write(sweep.lease_key(TRIALS[0]) if kind == "lease" else sweep.runner_key(dead.id), content)
    with Leases(sweep, runner()) as leases:
        assert leases.take(TRIALS).trials == tuple(TRIALS)


class Broken:
    """A store that fails at every request."""

    root = "broken"

    def __init__(self) -> None:
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any) -> None:
            self.asked += 1
            raise InfrastructureError("cannot write")

        return fail


def test_a_failing_store_is_reported_once_and_stops_nothing() -> None:
    texts: list[str] = []
    store = Broken()
    with Leases(Sweep(store, ID), runner(), say=texts.append) as leases:
        for _ in range(3):
            lease = leases.take(TRIALS)
            assert lease.trials == tuple(TRIALS)
            leases.give_back(lease)
        assert leases.look().others == ()
    assert store.asked >= 3
    assert texts == ["cannot write; meanwhile other runners of this sweep may train the same trials"]


def test_a_pack_costs_as_many_requests_as_a_single_trial(bucket: str, proxy: faults.Proxy) -> None:
    sweep = Sweep(open_store(f"gs://{bucket}/hpt"), ID)
    with Leases(sweep, runner()) as leases:
        leases.give_back(leases.take(TRIALS[:1]))
        costs = []
        for trials in (TRIALS[:1], [Trial("screen", f"e{number:03d}", 0, 0) for number in range(64)]):
            before = len(proxy.requests)
            leases.give_back(leases.take(trials))
            costs.append(len(proxy.requests) - before)
    assert costs == [4, 4]  # create, list, read, delete


def test_leases_work_in_a_bucket_too(bucket: str) -> None:
    sweep = Sweep(open_store(f"gs://{bucket}/hpt"), ID)
    clock = Clock()
    Leases(sweep, runner(), pace=NEVER).take(TRIALS)
    with Leases(sweep, runner(), clock=clock) as second:
        assert second.take(TRIALS).trials == ()
        clock.now += 181
        second.look()
        assert second.take(TRIALS).trials == tuple(TRIALS)
    assert keys(sweep) == []


def test_people_can_read_the_name_of_a_runner(sweep: Sweep) -> None:
    with Leases(sweep, Runner.of_this_process(2, "https://jenkins.test/7/")) as leases:
        leases.take(TRIALS[:2])
        (lease, sign) = (json.loads(sweep.store.read(sweep.leases_key + key)) for key in keys(sweep))
    if "name" in lease:
        lease, sign = sign, lease
    assert lease["trials"] == [str(trial) for trial in TRIALS[:2]]
    assert lease["runner"] == sign["id"]
    assert sign["name"].startswith("https://jenkins.test/7/ on ")
    assert sign["lanes"] == 2
    assert sign["process"] == os.getpid()


class Protocol(RuleBasedStateMachine):
    """Three runners take, give back, pause, die and start again, in any order, while clocks go on."""

    @initialize()
    def start(self) -> None:
        self.sweep = Sweep(open_store(tempfile.mkdtemp(prefix="hpt-test-")), ID)
        self.clock = Clock()
        self.runners: list[Leases] = []
        self.held: dict[Leases, list[Lease]] = {}
        for _ in range(3):
            self.join()

    def join(self) -> None:
        leases = Leases(self.sweep, runner(), pace=NEVER, clock=self.clock)
        self.runners.append(leases)
        self.held[leases] = []

    @rule(at=st.integers(0, 2), begin=st.integers(0, 7), count=st.integers(1, 8))
    def take(self, at: int, begin: int, count: int) -> None:
        leases = self.runners[at]
        mine = {trial for lease in self.held[leases] for trial in lease.trials}
        requested = [trial for trial in TRIALS[begin : begin + count] if trial not in mine]
        if requested and (lease := leases.take(requested)).trials:
            self.held[leases].append(lease)

    @rule(at=st.integers(0, 2))
    def give_back(self, at: int) -> None:
        leases = self.runners[at]
        if self.held[leases]:
            leases.give_back(self.held[leases].pop())

    @rule(at=st.integers(0, 2))
    def look(self, at: int) -> None:
        self.runners[at].look()

    @rule()
    def time_goes_on(self) -> None:
        """Every living runner writes a heartbeat, and then less than three minutes pass."""
        for number, leases in enumerate(self.runners):
            if leases._heart is not None:
                leases._beat(number)
                for other in self.runners:
                    other.look()
        self.clock.now += 170

    @precondition(lambda self: len(self.held) < 8)
    @rule(at=st.integers(0, 2))
    def dies(self, at: int) -> None:
        del self.held[self.runners[at]]
        del self.runners[at]
        self.join()

    @invariant()
    def no_trial_is_trained_by_two(self) -> None:
        if hasattr(self, "held"):
            trials = [trial for leases in self.held.values() for lease in leases for trial in lease.trials]
            assert len(trials) == len(set(trials))

    def teardown(self) -> None:
        """Once the dead are known to be dead, the last runner deletes all leases."""
        if hasattr(self, "held"):
            with Leases(self.sweep, runner(), pace=NEVER, clock=self.clock) as last:
                last.take([Trial("screen", "e999", 0, 0)])
                for leases in self.runners:
                    with leases:
                        pass
                self.clock.now += 181
            assert keys(self.sweep) == []
            shutil.rmtree(self.sweep.store.root)


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
