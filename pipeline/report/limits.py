"""Counts trainings that still improved when `max-epochs` ended them, and names the keys of the spec to raise."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.results import Row, Status
from pipeline.sweep import Definition, Fidelity

FULL, SHORT = "training.max-epochs", "short.max-epochs"


@dataclass(frozen=True)
class Limit:
    """A limit of epochs that ended trainings too early."""

    keys: tuple[str, ...]
    """Keys of the spec that must all change for a longer training."""
    epochs: int
    improving: int
    """Trainings that still improved when the limit ended them."""
    trainings: int
    """All trainings with this limit."""


def limits(definition: Definition, rows: Sequence[Row]) -> list[Limit]:
    """The limits that ended at least one training too early.

    A row's `at_limit` is 1 if its training still improved at the limit. Rows of older sweeps lack it, and do not count.
    """
    groups: dict[int, list[Row]] = {}
    keys: dict[int, set[str]] = {}
    for phase in definition.phases:
        epochs = phase.fidelity.max_epochs
        rows_of_phase = [row for row in rows if row["phase"] == phase.name and row["status"] == Status.COMPLETE]
        measured = [row for row in rows_of_phase if row.get("at_limit") in (0, 1)]
        groups.setdefault(epochs, []).extend(measured)
        if any(row["at_limit"] for row in measured):
            keys.setdefault(epochs, set()).update(_keys(definition, phase.fidelity))
    return [
        Limit(
            # `training.max-epochs` before `short.max-epochs`.
            keys=tuple(sorted(keys_of_limit, reverse=True)),
            epochs=epochs,
            improving=sum(row["at_limit"] for row in groups[epochs]),
            trainings=len(groups[epochs]),
        )
        for epochs, keys_of_limit in keys.items()
    ]


def _keys(definition: Definition, fidelity: Fidelity) -> set[str]:
    if fidelity.name != "short":
        return {FULL}
    # Short trainings end at the smaller of the two limits.
    return {SHORT} if fidelity.max_epochs < definition.training.max_epochs else {FULL, SHORT}


def limits_in_words(definition: Definition, rows: Sequence[Row], of: str = "") -> list[str]:
    """A text a limit: `4 of 6 trainings ended at training.max-epochs = 100 while still improving: set it to 200`.

    `of` follows the word "trainings": ` of the answer`.
    """
    return [
        f"{limit.improving} of {limit.trainings} training{'s' if limit.trainings > 1 else ''}{of} ended at "
        f"{' and '.join(limit.keys)} = {limit.epochs} while still improving: "
        f"set {'it' if len(limit.keys) == 1 else 'them'} to {2 * limit.epochs}"
        for limit in limits(definition, rows)
    ]
