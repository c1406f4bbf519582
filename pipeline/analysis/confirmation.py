"""Reads the rows of a sweep's confirm phase and gives a verdict on each finalist.

The test itself is in `significance.py`.
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
"""Takes {finalist: setting}, and returns the claims of older confirmations that count against the finalists."""


def _no_claims(_: Mapping[str, Assignment]) -> Sequence[EarlierClaim]:
    return ()


@dataclass(frozen=True)
class Compared:
    """Test metric of a finalist and the incumbent on one range, averaged over seeds; None where nothing finished."""

    date_range: DateRange
    finalist: float | None
    incumbent: float | None


@dataclass(frozen=True)
class Confirmation:
    """The test metrics of a sweep's finalists and its incumbent, and the verdicts on the finalists."""

    design: Design
    incumbent: str
    """The incumbent's experiment; empty if none of its trials has a row."""
    compared: dict[str, list[Compared]]
    """{finalist: [its metric and the incumbent's on each range]}, the best of choosing first.

    Empty if nothing beat the incumbent while choosing: then only the incumbent is trained.
    """
    base: Scores
    """The incumbent's test metric, by range and seed."""
    scores: dict[str, Scores]
    """{finalist: its test metric, by range and seed}."""
    settings: dict[str, Assignment] = field(default_factory=dict)
    """{finalist: its hyperparameters}."""
    earlier: Earlier = field(default=_no_claims, compare=False)
    """Reads the ledger, so it is called only when verdicts are needed."""

    @property
    def measured(self) -> list[float]:
        """The incumbent's test metric, averaged over seeds, on each date range where a seed finished."""
        return [value for by_seed in self.base.values() if (value := _mean(by_seed)) is not None]

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """{finalist: verdict}. Computed on first use, since it takes scipy and the ledger."""
        from pipeline.analysis.significance import judge

        return judge(self.design, self.base, self.scores, [claim.p for claim in self.counted])

    @cached_property
    def counted(self) -> list[EarlierClaim]:
        """Claims of other sweeps that the p-values are adjusted for."""
        return list(self.earlier(self.settings))


def design_of(definition: Definition, phase: Phase) -> Design:
    """The design by which a phase judges; known before anything runs."""
    assert phase.judging is not None
    training = definition.training
    return Design(
        ranges=phase.ranges,
        rope=phase.judging.rope,
        scale=definition.objective.gains,
        fresh=phase.judging.fresh,
        valid=training.validation_share,
        test=training.test_share,
        incumbent_name=definition.incumbent_name,
        correction=phase.judging.resemblance.correction if phase.judging.resemblance else None,
    )


def confirmation(definition: Definition, rows: Sequence[Row], earlier: Earlier = _no_claims) -> Confirmation | None:
    """The confirmation of a sweep so far; None while no trial of its confirm phase has a row."""
    phase = definition.confirm
    judging = [row for row in rows if phase is not None and row["phase"] == phase.name]
    if phase is None or not judging:
        return None

    # The test metric of every setting, and then the incumbent's apart. On each range, only trials that read the same
    # data as the incumbent count.
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

    # The finalists, the best of choosing first, those that are not ranked last.
    ranked = [standing.experiment for standing in standings(definition, rows)]
    finalists: dict[str, Scores] = {
        name: scores[name]
        for name in sorted(scores, key=lambda name: ranked.index(name) if name in ranked else len(ranked))
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
