"""Trainings that their limit of epochs ended while they still improved, and the key of the spec that holds it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.results import Row, Status
from pipeline.sweep import Definition, Fidelity

FULL, SHORT = "training.max-epochs", "short.max-epochs"


@dataclass(frozen=True)
class Limit:
    """Trainings with the same limit."""

    keys: tuple[str, ...]
    """Of the spec: those that must change, together, for a longer training."""
    epochs: int
    ended: int
    """Trainings that it ended while they still improved."""
    trainings: int


def limits(definition: Definition, rows: Sequence[Row]) -> list[Limit]:
    """The limits that ended any of these trainings too early. Rows without `at_limit` say nothing."""
    groups: dict[int, list[Row]] = {}
    keys: dict[int, set[str]] = {}
    for phase in definition.phases:
        epochs = phase.fidelity.max_epochs
        rows_of_phase = [row for row in rows if row["phase"] == phase.name and row["status"] == Status.COMPLETE]
        told = [row for row in rows_of_phase if row.get("at_limit") in (0, 1)]
        groups.setdefault(epochs, []).extend(told)
        if any(row["at_limit"] for row in told):
            keys.setdefault(epochs, set()).update(_keys(definition, phase.fidelity))
    return [
        Limit(
            tuple(sorted(named, reverse=True)),
            epochs,
            sum(row["at_limit"] for row in groups[epochs]),
            len(groups[epochs]),
        )
        for epochs, named in keys.items()
    ]


def _keys(definition: Definition, fidelity: Fidelity) -> set[str]:
    if fidelity.name != "short":
        return {FULL}
    # Short trainings end at the smaller of both limits.
    return {SHORT} if fidelity.max_epochs < definition.training.max_epochs else {FULL, SHORT}


def limits_in_words(definition: Definition, rows: Sequence[Row], whose: str = "") -> list[str]:
    """`4 of 6 trainings ended at training.max-epochs = 100 while still improving: set it to 200`, a text per limit.

    `whose` follows on "trainings".
    """
    return [
        f"{limit.ended} of {limit.trainings} training{'s' if limit.trainings > 1 else ''}{whose} ended at "
        f"{' and '.join(limit.keys)} = {limit.epochs} while still improving: "
        f"set {'it' if len(limit.keys) == 1 else 'them'} to {2 * limit.epochs}"
        for limit in limits(definition, rows)
    ]
