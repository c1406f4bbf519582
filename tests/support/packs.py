"""Runs trials of a sweep as a lane does, in this process."""

from collections.abc import Sequence
from typing import Any

from pipeline.plan import rounds
from pipeline.sweep import Sweep, Trial, trials_of
from pipeline.trials import pack


def planned(sweep: Sweep) -> list[Trial]:
    """The trials of the round that is to run."""
    return list(trials_of(rounds.plan_packs(sweep)))


def run(
    sweep: Sweep, trials: Sequence[Trial], workbench: pack.Workbench, **options: Any
) -> tuple[bool, list[dict[str, Any]]]:
    """True if no trial failed; and the events."""
    events: list[dict[str, Any]] = []
    fine = pack.run_pack(sweep, "p", trials, workbench, on_event=events.append, **options)
    return fine, events
