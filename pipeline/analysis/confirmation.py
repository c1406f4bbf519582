"""What a sweep's confirm phase says about its finalists: rows in, verdicts out.

The test itself is `significance.py`'s.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.analysis.ranking import standings
from pipeline.analysis.same_data import comparable
from pipeline.analysis.verdict import Design, Scores, Verdict
from pipeline.dates import DateRange
from pipeline.results import Row, Status, range_of
from pipeline.space import Assignment, identity_of
from pipeline.sweep import Definition, Phase, Trial
from pipeline.sweep.ledger import EarlierClaim

Earlier = Callable[[Mapping[str, Assignment]], Sequence[EarlierClaim]]


def _no_claims(_: Mapping[str, Assignment]) -> Sequence[EarlierClaim]:
    return ()


@dataclass(frozen=True)
class Compared:
    """A finalist and the incumbent on one range: the test metric, seeds averaged; None where nothing finished."""

    date_range: DateRange
    finalist: float | None
    incumbent: float | None


@dataclass(frozen=True)
class Confirmation:
    """What a sweep whose confirmation is complete says about its finalists, the best of choosing first."""

    design: Design
    incumbent: str
    """The incumbent's experiment; empty if none of its trials has a row."""
    compared: dict[str, list[Compared]]
    """Per finalist, the best of choosing first; empty where nothing beat the incumbent, which was trained alone."""
    base: Scores
    """The incumbent's test metric."""
    scores: dict[str, Scores]
    """The finalists'."""
    settings: dict[str, Assignment] = field(default_factory=dict)
    """The finalists'."""
    earlier: Earlier = field(default=_no_claims, compare=False)
    """Reads the claims of older confirmations that count against those of this one."""

    @property
    def measured(self) -> list[float]:
        """The incumbent's test metric by date range, seeds averaged; without ranges where nothing finished."""
        return [value for by_seed in self.base.values() if (value := _mean(by_seed)) is not None]

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """Per finalist. Worked out when they are asked for: that takes scipy, and the ledger."""
        from pipeline.analysis.significance import judge

        return judge(self.design, self.base, self.scores, [claim.p for claim in self.counted])

    @cached_property
    def counted(self) -> list[EarlierClaim]:
        """The claims of other sweeps that the p-values are adjusted with."""
        return list(self.earlier(self.settings))


def design_of(definition: Definition, phase: Phase) -> Design:
    """How the phase will judge; known before anything runs."""
    assert phase.judging is not None
    training = definition.training
    return Design(
        ranges=phase.ranges,
        rope=phase.judging.rope,
        scale=definition.objective.gains,
        fresh=phase.judging.fresh,
        valid=training.validation_share,
        test=training.test_share,
        them=definition.incumbent_name,
        correction=phase.judging.resemblance.correction if phase.judging.resemblance else None,
    )


def confirmation(definition: Definition, rows: Sequence[Row], earlier: Earlier = _no_claims) -> Confirmation | None:
    """What is known of the finalists; None while there is no row of a confirmation.

    `earlier` gives the claims of older confirmations that count, from the finalists' settings.
    """
    phase = definition.confirm
    judging = [row for row in rows if phase is not None and row["phase"] == phase.name]
    if phase is None or not judging:
        return None

    # The test metric of every setting, the incumbent's apart; on each range of those that read the same data.
    judging = comparable(definition, judging, judges=True)
    names = list(definition.incumbent)
    incumbent_identity = identity_of(definition.incumbent)
    scores: dict[str, dict[DateRange, dict[int, float | None]]] = {}
    incumbent = ""
    settings: dict[str, Assignment] = {}
    for row in judging:
        by_range = scores.setdefault(row["experiment"], {})
        seed = Trial.parse(row["trial"]).seed
        by_range.setdefault(range_of(row), {})[seed] = _metric(row, definition.objective.test)
        settings[row["experiment"]] = {name: row.get(name) for name in names}
        if identity_of(settings[row["experiment"]]) == incumbent_identity:
            incumbent = row["experiment"]
    base = scores.pop(incumbent, {})

    # The finalists, in their order.
    order = [standing.experiment for standing in standings(definition, rows)]
    finalists: dict[str, Scores] = {
        name: scores[name] for name in sorted(scores, key=lambda name: order.index(name) if name in order else 99)
    }
    compared = {
        name: [
            Compared(date_range, _mean(by_range.get(date_range)), _mean(base.get(date_range)))
            for date_range in phase.ranges
        ]
        for name, by_range in finalists.items()
    }
    return Confirmation(
        design=design_of(definition, phase),
        incumbent=incumbent,
        compared=compared,
        base=base,
        scores=finalists,
        settings={name: settings[name] for name in finalists},
        earlier=earlier,
    )


def _metric(row: Row, name: str) -> float | None:
    value: Any = row.get(name)
    return float(value) if row["status"] == Status.COMPLETE and isinstance(value, int | float) else None


def _mean(by_seed: Mapping[int, float | None] | None) -> float | None:
    finite = [value for value in (by_seed or {}).values() if value is not None and math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else None
