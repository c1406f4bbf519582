"""Leaves out packs that other runners are training: a build plans the remaining ones, or waits.

Each plan of a build is a new process, which has not seen yet whether a lease is renewed. So it watches until it can
decide. A runner that renews its leases lives. A runner that has not for three minutes is gone: its trials are free.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.plan import rounds
from pipeline.sweep import Pack, Sweep, trials_of
from pipeline.sweep.leases import LEASE_PACE, LeasePace, Leases, Runner, Situation

WAIT = "wait"
"""The line of a plan whose unfinished trials are all trained by other runners."""


@dataclass(frozen=True)
class Remaining:
    """The unfinished work of a build's sweeps."""

    packs: list[list[Pack]]
    """A list per sweep: the packs that no other runner is training."""
    waits_for: str = ""
    """The runners to wait for, in words, if they train all unfinished trials; else empty."""


def remaining(
    sweeps: Sequence[Sweep],
    owner: str,
    *,
    retry: bool,
    lanes: int | None = None,
    pace: LeasePace = LEASE_PACE,
    sleep: Callable[[float], None] = time.sleep,
) -> Remaining:
    """The packs that should run now and that no other runner is training.

    `owner` names the build: its own stages do not count as other runners. Plans rounds as `rounds.plan_packs` does. If
    others train everything, it returns once each of them has given a sign of life, or once a trial is free.
    """
    views = [Leases(sweep, Runner.of_this_process(0, owner), pace=pace) for sweep in sweeps]
    while True:
        # Some trials are free, or nothing is left at all.
        situations = [view.look() for view in views]
        pending = [
            rounds.plan_packs(sweep, retry=retry, lanes=lanes and lanes + situation.lanes)
            for sweep, situation in zip(sweeps, situations, strict=True)
        ]
        free = [_free(packs, situation) for packs, situation in zip(pending, situations, strict=True)]
        if any(free) or not any(pending):
            return Remaining(free)

        # Others hold all trials: wait for them if they live, else until their leases are stale.
        holders = [
            (view, holder)
            for view, packs, situation in zip(views, pending, situations, strict=True)
            for holder in situation.holders_of(trials_of(packs))
        ]
        if all(view.has_beaten(holder) for view, holder in holders):
            count = sum(1 for packs in pending for _ in trials_of(packs))
            names = " and ".join(sorted({holder.name for _, holder in holders}))
            return Remaining(free, f"{count} trials are left, and all of them are being trained by {names}")
        sleep(pace.look)


def _free(packs: Sequence[Pack], situation: Situation) -> list[Pack]:
    return [pack.reduced_to(trials) for pack in packs if (trials := situation.free(pack.trials))]
