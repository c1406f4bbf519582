"""What of a build's sweeps other runners are training: a build plans the rest, or waits.

A build that plans is a new process each time. So it looks for as long as it takes to tell: a runner that gives a sign
of life lives; one that gives none for three minutes is gone, and what it held is free.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.plan import rounds
from pipeline.sweep import Pack, Sweep, trials_of
from pipeline.sweep.leases import LEASE_PACE, LeasePace, Leases, Runner, Situation

WAIT = "wait"
"""The line of a plan that has trials left, all of which others train."""


@dataclass(frozen=True)
class Left:
    """What is left of a build's sweeps."""

    packs: list[list[Pack]]
    """Per sweep, what nobody else is training."""
    waits_for: str = ""
    """Whom the build has to wait for, in words, where others train all that is left."""


def left(
    sweeps: Sequence[Sweep],
    owner: str,
    *,
    retry: bool,
    lanes: int | None = None,
    pace: LeasePace = LEASE_PACE,
    sleep: Callable[[float], None] = time.sleep,
) -> Left:
    """What should run now and nobody else is training; `owner` names the build, whose own stages are not others.

    Plans rounds as `rounds.pending` does. Where others train all that is left, it returns once each of them has given a
    sign of life, or something is free.
    """
    views = [Leases(sweep, Runner.here(0, owner), pace=pace) for sweep in sweeps]
    while True:
        now = [view.look() for view in views]
        packs = [
            rounds.pending(sweep, retry=retry, lanes=lanes and lanes + situation.lanes)
            for sweep, situation in zip(sweeps, now, strict=True)
        ]
        free = [_free(its, situation) for its, situation in zip(packs, now, strict=True)]
        if any(free) or not any(packs):
            return Left(free)
        holders = [
            (view, holder)
            for view, its, situation in zip(views, packs, now, strict=True)
            for holder in situation.holders_of(trials_of(its))
        ]
        if all(view.has_beaten(holder) for view, holder in holders):
            count = sum(1 for its in packs for _ in trials_of(its))
            names = " and ".join(sorted({holder.name for _, holder in holders}))
            return Left(free, f"{count} trials are left, and all of them are being trained by {names}")
        sleep(pace.look)


def _free(packs: Sequence[Pack], now: Situation) -> list[Pack]:
    return [pack.reduced_to(trials) for pack in packs if (trials := now.free(pack.trials))]
