"""Evaluates a calibration: how well each cheap fidelity predicts the full result, and the cheapest that will do.

A training is measured after every epoch, and nothing in it depends on its epoch limit. So a single training gives the
result for every lower limit as well. Nothing here reads a store or draws a picture.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from pipeline import dates
from pipeline.analysis.agreement import Agreement, Estimate, agreement
from pipeline.dates import DateRange
from pipeline.results import Row, Status
from pipeline.space import identity_of
from pipeline.sweep import Definition, Phase

WEEK = "week"
WEEK_DAYS = 7
MONTHS = {"month": 1, "two-months": 2, "three-months": 3}
FULL = "full"

_WORDS = {WEEK: "one week", "month": "one month", "two-months": "two months", "three-months": "three months"}


@dataclass(frozen=True)
class Amount:
    """An amount of data: one phase of the study."""

    phase: str
    words: str
    train_days: int
    months: int
    """Value of `short.months` that gives at least so many training days."""
    exact: bool
    """True if a spec can ask for exactly this amount. For a week it cannot."""


@dataclass(frozen=True)
class FidelityResult:
    """One fidelity: an amount of data and a number of epochs."""

    amount: Amount
    epochs: int
    time_share: float
    """Training time as a share of the full trainings' time, over the same experiments."""
    agreement: Agreement
    behind: float | None
    """Share by which this fidelity's best setting is worse than the best of all, both by the full result: 0.01 is 1 %.
    None if a ratio makes no sense."""

    @property
    def overlap_count(self) -> int:
        """Number of the full result's best settings that are among the best of this fidelity."""
        return round(self.agreement.overlap.value * self.agreement.top)


@dataclass(frozen=True)
class Curve:
    """One experiment on one amount of data: its best metric so far after every epoch, until it diverged or ended."""

    experiment: str
    amount: Amount
    values: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """Result of a calibration."""

    top: int
    """Number of best settings that are compared."""
    overlap_required: float
    """Share of the `top` settings that must also be among the fidelity's best."""
    metric: str
    amounts: tuple[Amount, ...]
    """From the least data to all data."""
    fidelities: tuple[FidelityResult, ...]
    """By amount of data, then epochs; the last one is the full result itself."""
    chosen: FidelityResult
    """The cheapest fidelity that keeps `overlap_required`, at its epoch and at every later one."""
    best: tuple[str, ...]
    """The `top` best experiments of the full result, best first."""
    incumbent: str | None
    curves: tuple[Curve, ...]

    @property
    def full(self) -> FidelityResult:
        """The full result itself."""
        return self.fidelities[-1]

    @property
    def week_would_do(self) -> bool:
        """True if one week of data keeps the overlap in less time than `chosen`. A spec cannot ask for a week."""
        week = _cheapest([fidelity for fidelity in self.fidelities if not fidelity.amount.exact], self.overlap_required)
        return week is not None and week.time_share < self.chosen.time_share

    @property
    def settings(self) -> dict[str, Any]:
        """Keys and values to write into a spec."""
        if self.chosen is self.full:
            return {"mode": "full"}
        return {
            "mode": "short",
            "short": {"months": self.chosen.amount.months, "ranges": 1, "max-epochs": self.chosen.epochs},
        }

    @property
    def answer(self) -> str:
        """The result in one sentence."""
        agreement = self.chosen.agreement
        sample = f"by a sample of {agreement.experiments} settings on one date range"
        if self.chosen is self.full:
            return f"Nothing cheaper keeps {self._required_in_words}: stay with full mode, {sample}."
        overlap = agreement.overlap
        low, high = (round(value * self.top) for value in (overlap.low, overlap.high))
        return (
            f"{_fidelity_in_words(self.chosen)} keep {self.chosen.overlap_count} of the best {self.top} settings at "
            f"{percent(self.chosen.time_share)} of the training time, {sample} (90 % interval: {low} to {high} of "
            f"{self.top}; {percent(agreement.by_chance)} would be chance)."
        )

    @property
    def _required_in_words(self) -> str:
        return f"{math.ceil(self.overlap_required * self.top - 1e-9)} of the best {self.top} settings"

    def table(self) -> list[FidelityResult]:
        """The fidelities worth a line: per amount the epochs 1, 2, 4, 8, …, the last one, and the chosen one."""
        last = max(fidelity.epochs for fidelity in self.fidelities)
        epochs = {2**power for power in range(last.bit_length())} | {last}
        return [fidelity for fidelity in self.fidelities if fidelity.epochs in epochs or fidelity is self.chosen]

    def as_json(self) -> dict[str, Any]:
        """The content of `calibration.json`."""
        return {
            "answer": self.answer,
            "settings": self.settings,
            "top": self.top,
            "overlap-asked": self.overlap_required,
            "metric": self.metric,
            "best": list(self.best),
            "chosen": _as_json(self.chosen),
            "fidelities": [_as_json(fidelity) for fidelity in self.fidelities],
        }


def training_days(date_range: DateRange, months: int, valid: float, test: float) -> int | None:
    """Training days in the last `months` whole months before the range's end; None if there are too few days."""
    try:
        return dates.whole_months(date_range.end, months).split(valid, test).train.days
    except ValueError:
        return None


def calibrate(definition: Definition, rows: Sequence[Row], epochs: Mapping[str, Sequence[Row]]) -> Calibration | str:
    """Result of a calibration, or a sentence that says why there is none (yet).

    `epochs` is {trial: lines of its `epochs.csv`}. A training that diverged stands last in its ranking. If a training
    failed or has not run, its experiment is left out of both rankings and of the times.
    """
    calibrating = definition.calibrating
    assert calibrating is not None
    metric, sign = definition.objective.valid, definition.objective.sign
    trainings = {phase.name: _trainings(definition, phase.name, metric, rows, epochs) for phase in definition.phases}

    # The full result, which every cheaper fidelity is compared with: the last phase, after its last epoch.
    full = trainings[definition.phases[-1].name]
    if not full:
        return f"No training with all the data has {metric} of its epochs, so there is nothing to compare with."
    reference = {name: training.at(_most_epochs(full)) for name, training in full.items()}
    itself = agreement(_diverged_last(reference), _diverged_last(reference), calibrating.top)
    if isinstance(itself, str):
        return f"Nothing can be compared: {itself}."

    # Every fidelity, and the cheapest that a spec can ask for.
    amounts = tuple(_amount(definition, phase) for phase in definition.phases)
    fidelities = [
        fidelity
        for amount in amounts
        for fidelity in _fidelities(amount, trainings[amount.phase], full, reference, calibrating.top, sign)
    ]
    chosen = _cheapest([fidelity for fidelity in fidelities if fidelity.amount.exact], calibrating.overlap)

    incumbent = identity_of(definition.incumbent)
    return Calibration(
        top=calibrating.top,
        overlap_required=calibrating.overlap,
        metric=metric,
        amounts=amounts,
        fidelities=tuple(fidelities),
        chosen=chosen or fidelities[-1],
        best=tuple(_ranked(reference)[: calibrating.top]),
        incumbent=next((name for name, run in full.items() if identity_of(run.assignment) == incumbent), None),
        curves=tuple(
            Curve(name, amount, tuple(sign * value for value in training.scores if math.isfinite(value)))
            for amount in amounts
            for name, training in trainings[amount.phase].items()
        ),
    )


def percent(share: float) -> str:
    """`12 %`; below 2 %, one decimal: `0.4 %`."""
    return f"{100 * share:.0f} %" if share >= 0.02 else f"{100 * share:.1f} %"


@dataclass(frozen=True)
class _Training:
    assignment: dict[str, Any]
    scores: list[float]
    """Best score so far after each epoch, lower is better; infinite once it diverged."""
    seconds: list[float]
    """Seconds spent up to each epoch."""

    def at(self, epochs: int) -> float:
        """Score after so many epochs; of a training that ended earlier, its last one."""
        return self.scores[min(epochs, len(self.scores)) - 1]

    def seconds_at(self, epochs: int) -> float:
        """Seconds up to so many epochs; of a training that ended earlier, all of them."""
        return self.seconds[min(epochs, len(self.seconds)) - 1]


def _most_epochs(trainings: Mapping[str, _Training]) -> int:
    return max((len(training.scores) for training in trainings.values()), default=0)


def _trainings(
    definition: Definition, phase: str, metric: str, rows: Sequence[Row], epochs: Mapping[str, Sequence[Row]]
) -> dict[str, _Training]:
    """{experiment: training} of a phase; only trainings that have the metric of every epoch."""
    sign = definition.objective.sign
    trainings = {}
    for row in rows:
        lines = sorted(epochs.get(row["trial"], ()), key=lambda line: line["epoch"])
        if row["phase"] != phase or not lines or any(metric not in line for line in lines):
            continue
        if row["status"] not in (Status.COMPLETE, Status.DIVERGED):
            continue
        scores = list(accumulate((sign * _or_infinite(line[metric], sign) for line in lines), min))
        if row["status"] == Status.DIVERGED:
            scores[-1] = math.inf
        seconds = list(accumulate(float(line.get("seconds") or 0.0) for line in lines))
        assignment = {name: row.get(name) for name in definition.incumbent}
        trainings[row["experiment"]] = _Training(assignment, scores, seconds)
    return trainings


def _fidelities(
    amount: Amount,
    trainings: Mapping[str, _Training],
    full: Mapping[str, _Training],
    reference: Mapping[str, float],
    top: int,
    sign: int,
) -> Iterator[FidelityResult]:
    """Yields a result for each epoch on one amount of data, except where its ranking cannot be compared."""
    common = [name for name in full if name in trainings]
    full_seconds = math.fsum(full[name].seconds[-1] for name in common)
    target = _diverged_last({name: reference[name] for name in common})
    scores: dict[str, float] = {}
    agreed: Agreement | str = ""
    for epoch in range(1, _most_epochs(trainings) + 1):
        before, scores = scores, {name: trainings[name].at(epoch) for name in common}
        # If no training got better, the agreement is the same: save its thousand resamples.
        if epoch == 1 or scores != before:
            agreed = agreement(_diverged_last(scores), target, top)
        if isinstance(agreed, str):
            continue
        seconds = math.fsum(trainings[name].seconds_at(epoch) for name in common)
        yield FidelityResult(
            amount=amount,
            epochs=epoch,
            time_share=seconds / full_seconds if full_seconds else 1.0,
            agreement=agreed,
            behind=_behind(reference, _ranked(scores)[0], sign),
        )


def _or_infinite(value: float, sign: float) -> float:
    return float(value) if value is not None and math.isfinite(value) else sign * math.inf


def _diverged_last(scores: Mapping[str, float]) -> dict[str, float | None]:
    """Scores with diverged trainings tied for last. Without them, a fidelity that ranks them high would look better."""
    finite = [value for value in scores.values() if math.isfinite(value)]
    last = max(finite) + 1 if finite else 0.0
    return {name: value if math.isfinite(value) else last for name, value in scores.items()}


def _ranked(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda name: (scores[name], name))


def _behind(reference: Mapping[str, float], first: str, sign: float) -> float | None:
    """Share by which experiment `first` is worse than the best, both by the full result.

    None if a ratio makes no sense.
    """
    best, reached = sign * min(reference.values()), sign * reference[first]
    if not (math.isfinite(reached) and math.isfinite(best) and min(reached, best) > 0):
        return None
    return reached / best - 1 if sign > 0 else 1 - reached / best


def _amount(definition: Definition, phase: Phase) -> Amount:
    shares = definition.training.validation_share, definition.training.test_share
    date_range, name = phase.ranges[0], phase.fidelity.name
    days = phase.fidelity.train_days or date_range.split(*shares).train.days
    months = MONTHS.get(name) or next(m for m in range(1, 1200) if (training_days(date_range, m, *shares) or 0) >= days)
    words = "all the data" if name == FULL else _WORDS[name]
    return Amount(phase.name, words, days, months, name != WEEK)


def _cheapest(fidelities: Iterable[FidelityResult], overlap: float) -> FidelityResult | None:
    """The fidelity with the least time that keeps the overlap from its epoch on: one lucky epoch is not enough."""
    keeping: list[FidelityResult] = []
    lost: set[str] = set()
    for fidelity in reversed(list(fidelities)):
        if fidelity.agreement.overlap.value < overlap - 1e-9:
            lost.add(fidelity.amount.phase)
        elif fidelity.amount.phase not in lost:
            keeping.append(fidelity)
    return min(keeping, key=lambda fidelity: (fidelity.time_share, fidelity.epochs), default=None)


def _fidelity_in_words(fidelity: FidelityResult) -> str:
    amount = fidelity.amount
    epochs = f"{fidelity.epochs} epoch" + ("s" if fidelity.epochs > 1 else "")
    words = amount.words if amount.phase.endswith(FULL) else f"{amount.words} of data"
    return f"{words[0].upper()}{words[1:]} and {epochs}"


def _as_json(fidelity: FidelityResult) -> dict[str, Any]:
    amount, agreement = fidelity.amount, fidelity.agreement
    return {
        "phase": amount.phase,
        "train-days": amount.train_days,
        "months": amount.months if amount.exact else None,
        "epochs": fidelity.epochs,
        "time-share": round(fidelity.time_share, 5),
        "experiments": agreement.experiments,
        "by-chance": agreement.by_chance,
        "behind": fidelity.behind,
        **{name: _estimate(getattr(agreement, name)) for name in ("overlap", "spearman", "kendall")},
    }


def _estimate(estimate: Estimate) -> dict[str, float]:
    return {"value": round(estimate.value, 4), "low": round(estimate.low, 4), "high": round(estimate.high, 4)}
