"""How alike neighbouring date ranges are, learned from trainings that judge nothing, and what that costs a verdict.

The gain of one setting over another is a slow component, autoregressive in time, plus noise of its own on every range.
Digests of earlier sweeps and studies give the share of the slow one and its correlation; what counts in the end is the
factor that the variance of a mean over ranges must be multiplied with. `benchmarks/resemblance.md` shows its worth.
Only validation scores of choosing come here, never a test score.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from pipeline.dates import DateRange
from pipeline.results import Status
from pipeline.space import identity_of
from pipeline.sweep import Definition, Phase
from pipeline.sweep.definition import Resemblance
from pipeline.sweep.digests import LARGEST_SCORE, Digest

Floats = NDArray[np.float64]
Identity = frozenset[tuple[str, tuple[str, str]]]

# Found by simulation (benchmarks/significance.py --resemblance): the constant stays wherever it lies between the two.
LOW, HIGH = 0.3, 0.9
LEVEL = 0.05

FEWEST_RANGES = 3
"""A constant per setting is taken off, so two ranges have one difference left, and nothing to hold it against."""

_SHARES = np.linspace(0.1, 1.0, 10)
_CORRELATIONS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
MODELS = np.array([(0.0, 0.0), *product(_SHARES, _CORRELATIONS)])
"""[G, 2]: the slow component's share of the variance, and its correlation between neighbours."""
# All is equally likely beforehand. Without a slow component, or without correlation, models are one and the same.
_PRIOR = np.array([len(_SHARES) + len(_CORRELATIONS) + 1, *([1] * (len(MODELS) - 1))], dtype=np.float64)

MONTHS_DIFFER = 4
"""Ranges of as many months may differ by so many days."""

# A setting as far from the best as this many standard deviations is no candidate, unless half of all are.
_FAR_OFF = 3.0
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Block:
    """Settings that were all trained on the same ranges."""

    positions: Floats
    """[T] of the ranges in time, in steps from one neighbour to the next."""
    settings: int
    scatter: Floats
    """[..., T - 1, T - 1]: of the gains, double-centred, over the settings. Leading axes are other worlds."""

    @classmethod
    def of(cls, scores: Floats, positions: Floats) -> "Block":
        """Of scores [..., S, T], on a scale on which a difference is a gain.

        What all settings have in common on a range, and what a setting is better by on all of them, falls out.
        """
        # What is left of a setting without its mean, in T - 1 directions.
        contrasts = (scores - scores.mean(axis=-2, keepdims=True)) @ linalg.helmert(scores.shape[-1]).T
        return cls(positions, scores.shape[-2], np.swapaxes(contrasts, -1, -2) @ contrasts)


def posterior(blocks: Sequence[Block]) -> Floats:
    """[..., G]: how likely each of `MODELS` is, given the blocks; equally for none.

    The restricted likelihood of double-centred gains, with a variance for each block. Settings that move together
    count as fewer: of the effective number of settings after Liu & Muirhead's moments of a Wishart matrix.
    """
    total = np.zeros(len(MODELS))
    parts = []
    for block in blocks:
        inverse, log_determinant = _inverses(block.positions)
        size = inverse.shape[-1]
        explained = np.einsum("gij,...ij->...g", inverse, block.scatter)
        part = -0.5 * (block.settings - 1) * (log_determinant + size * np.log(explained))
        parts.append((block, inverse, part))
        total = total + part
    best = total.argmax(axis=-1)
    total = sum((_independent(block, inverse[best])[..., None] * part for block, inverse, part in parts), np.zeros(1))
    weights = np.exp(total - total.max(axis=-1, keepdims=True)) * _PRIOR
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _inverses(positions: Floats) -> tuple[Floats, Floats]:
    """Per model: the inverse [G, T - 1, T - 1] of the covariance of what `Block.of` leaves, and the log determinant."""
    contrasts = linalg.helmert(len(positions))
    covariances = contrasts @ _covariances(positions, positions) @ contrasts.T
    return np.linalg.inv(covariances), np.linalg.slogdet(covariances)[1]


def _covariances(these: Floats, those: Floats, noise: float = 1.0) -> Floats:
    """[G, len(these), len(those)]: per model, of gains with variance one, where they have so much of the noise."""
    lags = np.abs(these[:, None] - those[None, :])
    share, correlation = np.minimum(MODELS[:, 0, None, None] / noise, 1.0), MODELS[:, 1, None, None]
    # The noise is of a range: the same range has it once.
    return np.where(lags < _ROUNDING, 1.0, share * correlation**lags)


def _independent(block: Block, inverse: Floats) -> Floats:
    """[...]: the share of a block's settings that count, as their scatter would be were they independent and alike."""
    size, most = inverse.shape[-1], block.settings - 1
    root = np.linalg.cholesky(inverse)
    white = np.swapaxes(root, -1, -2) @ block.scatter @ root
    trace, squares = np.trace(white, axis1=-2, axis2=-1), (white**2).sum(axis=(-2, -1))
    # Of a covariance K between settings: tr(K^2) and tr(K)^2 without bias; their ratio is the number that counts.
    spread = np.maximum((squares - trace**2 / size) / (size**2 + size - 2), 0.0)
    whole = (trace**2 - 2 * size * spread) / size**2
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(whole / spread / most, 1 / most, 1.0))


def corrections(choosing: Floats, judging: Floats, settings: int, noise: float = 1.0) -> Floats:
    """[G]: per model, the c in variance x (1/R + c) with which the best of so many settings is called better in 5 %
    of cases where it is not, by ranges at these positions.

    For three reasons c is above 0: the mean varies more than if ranges were unlike; their standard deviation shows
    less than it should, and with fewer degrees of freedom; and of the luck that a setting was chosen with, some is left
    where it is judged. `noise` is the variance that judging has of that which the models were fitted to: less, if it
    averages more seeds.
    """
    count = len(judging)
    covariance = _covariances(judging, judging, noise)
    centred = (np.eye(count) - 1 / count) @ covariance
    of_mean = covariance.mean(axis=(-2, -1))
    trace = np.trace(centred, axis1=-2, axis2=-1)
    seen = trace / (count - 1)
    freedom = trace**2 / np.trace(centred @ centred, axis1=-2, axis2=-1)
    # Half of a gain's variance is the incumbent's, which all have in common, so it favours none of them.
    luck = stats.norm.ppf(0.5264 ** (1 / max(settings, 1))) * math.sqrt(0.5)
    carried = _covariances(choosing, judging, noise).mean(axis=(-2, -1))
    chosen = np.sqrt(_covariances(choosing, choosing, noise).mean(axis=(-2, -1)))
    critical = stats.nct.isf(LEVEL, freedom, max(luck, 0.0) * carried / chosen / np.sqrt(of_mean))
    return np.maximum((critical / stats.t.isf(LEVEL, count - 1)) ** 2 * of_mean / seen - 1 / count, 0.0)


def quantile(values: Floats, probabilities: Floats, at: float) -> Floats:
    """[...]: of `values` [G], the smallest that with probability `at` is not exceeded; `probabilities` [..., G]."""
    order = values.argsort(kind="stable")
    reached = probabilities[..., order].cumsum(axis=-1) >= at - _ROUNDING
    return np.asarray(values[order][reached.argmax(axis=-1)])


def learned(values: Floats, probabilities: Floats, constant: float) -> Floats:
    """[...]: the constant, moved as little as it takes to lie between two quantiles of what the evidence leaves.

    So evidence that tells nothing changes nothing, and it takes less to be careful than to be bold.
    """
    low, high = (quantile(values, probabilities, at) for at in (LOW, HIGH))
    return np.clip(constant, low, high)


@dataclass(frozen=True)
class Geometry:
    """What trainings must be like to tell of those that judge."""

    length: int
    """Of a range, in days."""
    step: int
    """From one range to the next, in days."""

    @classmethod
    def of(cls, ranges: Sequence[DateRange]) -> "Geometry | None":
        """Of the ranges of a phase; None for a single one, and where two end on the same day."""
        step = _step(ranges)
        return cls(round(median(date_range.days for date_range in ranges)), step) if step else None

    def fits(self, date_range: DateRange) -> bool:
        """Whether a range is as long."""
        return abs(date_range.days - self.length) <= min(MONTHS_DIFFER, self.length // 7)

    def lies_like(self, ranges: Sequence[DateRange]) -> bool:
        """Whether ranges follow each other at the same distance."""
        return abs(_step(ranges) - self.step) <= min(MONTHS_DIFFER, self.step // 7)

    def positions(self, ranges: Sequence[DateRange]) -> Floats:
        """[T]: in steps. By their ends, which is where ranges validate and test."""
        return np.array([date_range.end.toordinal() / self.step for date_range in ranges])


def _step(ranges: Sequence[DateRange]) -> int:
    """Days between the two ends that lie closest; 0 where there is one range, or two that end on the same day."""
    ends = sorted(date_range.end.toordinal() for date_range in ranges)
    return min((after - before for before, after in pairwise(ends)), default=0)


Key = tuple[Identity, int, int]
"""A setting, the seed of its sweep and the index of the training's: the same ones on the same data train the same."""
Scores = Mapping[Key, Mapping[DateRange, float]]
"""A score on each range, on a scale on which a difference is a gain; lower is better."""


@dataclass(frozen=True)
class Table:
    """Scores of settings that were all trained on the same ranges."""

    keys: tuple[Key, ...]
    ranges: tuple[DateRange, ...]
    scores: Floats
    """[S, T]"""


@dataclass(frozen=True)
class Evidence:
    """What digests tell of one way of training."""

    blocks: tuple[Block, ...]
    trainings: int
    settings: int
    ranges: int
    sources: tuple[str, ...]
    """The sweeps that they are from, oldest first."""
    tables: tuple[Table, ...]
    """The scores, a table for each block."""


def evidence(digests: Iterable[Digest], definition: Definition, phase: Phase) -> Evidence | None:
    """What digests tell of trainings like those of a phase; None if nothing.

    They must have the phase's fidelity and the length and the step of its ranges, be trained in today's way on the
    same data, and be complete. Where gains are log ratios, scores must be above zero.
    """
    ratio = definition.objective.scale == "ratio"
    geometry = Geometry.of(phase.ranges)
    if geometry is None:
        return None
    scores: dict[Key, dict[DateRange, float]] = {}
    origins: dict[tuple[Key, DateRange], str] = {}
    data: dict[DateRange, tuple[str, ...]] = {}
    newest_first = sorted(digests, key=lambda digest: digest.sweep, reverse=True)
    for digest in newest_first:
        if not _is_alike(digest, definition):
            continue
        alike = {one.name for one in digest.fidelities if _amount(one) == _amount(phase.fidelity)}
        for trial in digest.trials:
            if trial.fidelity not in alike or trial.status is not Status.COMPLETE or trial.valid is None:
                continue
            at, setting = digest.range_of(trial), digest.experiments.get(trial.experiment)
            if at is None or setting is None or not geometry.fits(at.range) or (ratio and trial.valid <= 0):
                continue
            # Where data changed, only the newest count; where they changed under the sweep, none.
            read = at.fingerprints.get(trial.fidelity, ())
            if len(read) > 1 or data.setdefault(at.range, read) != read:
                continue
            # The same seed of the same setting is the same training, however many sweeps have it.
            key = (identity_of(setting), digest.seed, trial.seed)
            score = math.log(trial.valid) if ratio else trial.valid
            if abs(score) > LARGEST_SCORE:
                continue
            scores.setdefault(key, {}).setdefault(at.range, definition.objective.sign * score)
            origins.setdefault((key, at.range), digest.sweep)
    return _evidence(_averaged(scores, phase.seeds), geometry, phase.seeds, origins)


def _is_alike(digest: Digest, definition: Definition) -> bool:
    training = definition.training
    return (
        digest.sweep_format == definition.format
        and digest.has_data_of(definition)
        and (digest.validation_share, digest.test_share) == (training.validation_share, training.test_share)
    )


def _amount(fidelity: object) -> tuple[object, object]:
    return getattr(fidelity, "max_epochs", None), getattr(fidelity, "train_days", None)


def _averaged(scores: Scores, seeds: int) -> dict[Key, dict[DateRange, float]]:
    """Means over as many seeds as the phase averages, which are as noisy; a further group of seeds is a further row."""
    groups: dict[tuple[Identity, int], list[Mapping[DateRange, float]]] = {}
    for (setting, sweep_seed, _), by_range in sorted(scores.items(), key=lambda item: item[0][2]):
        groups.setdefault((setting, sweep_seed), []).append(by_range)
    averaged = {}
    for (setting, sweep_seed), rows in groups.items():
        for at in range(0, len(rows) - seeds + 1, seeds):
            group = rows[at : at + seeds]
            common = [date_range for date_range in group[0] if all(date_range in row for row in group)]
            averaged[setting, sweep_seed, at] = {
                date_range: math.fsum(row[date_range] for row in group) / seeds for date_range in common
            }
    return averaged


def _evidence(
    scores: Scores,
    geometry: Geometry,
    seeds: int,
    origins: Mapping[tuple[Key, DateRange], str],
) -> Evidence | None:
    by_ranges: dict[tuple[DateRange, ...], list[Key]] = {}
    for key, by_range in scores.items():
        by_ranges.setdefault(tuple(sorted(by_range)), []).append(key)
    blocks, tables = list[Block](), list[Table]()
    for all_ranges, keys in sorted(by_ranges.items()):
        # Two that end on the same day would be one range to the model.
        if len(all_ranges) < FEWEST_RANGES or not _step(all_ranges) or not geometry.lies_like(all_ranges):
            continue
        table = np.array([[scores[key][date_range] for date_range in all_ranges] for key in keys])
        near = _not_far_off(table)
        keys, table = [keys[at] for at in near], table[near]
        block = Block.of(table, geometry.positions(all_ranges))
        if len(keys) < 2 or np.trace(block.scatter) <= (_ROUNDING * (1 + np.abs(table).max())) ** 2:
            continue
        blocks.append(block)
        tables.append(Table(tuple(keys), all_ranges, table))
    if not blocks:
        return None
    counted = {(key, date_range) for one in tables for key in one.keys for date_range in one.ranges}
    return Evidence(
        blocks=tuple(blocks),
        trainings=seeds * len(counted),
        settings=len({key[0] for key, _ in counted}),
        ranges=len({date_range for _, date_range in counted}),
        sources=tuple(sorted({origins[one] for one in counted if one in origins})),
        tables=tuple(tables),
    )


def _not_far_off(table: Floats) -> list[int]:
    """The rows [S, T] that could win: the better half, and all that are as near to it as noise explains."""
    order = table.mean(axis=-1).argsort(kind="stable")
    core = table[order[: (len(order) + 1) // 2]]
    means = core.mean(axis=-1, keepdims=True)
    noise = (core - means - core.mean(axis=0) + core.mean()).std()
    return [int(at) for at in order if table[at].mean() <= means.max() + _FAR_OFF * noise]


def learn(
    digests: Iterable[Digest], definition: Definition, constant: float, phase: Phase | None = None
) -> Resemblance | None:
    """What a sweep will judge with, by what earlier ones left; None where nothing is judged, or nothing was left.

    `constant` is the c that it judges with otherwise. `phase` takes the place of the one that judges.
    """
    phase = phase or definition.confirm
    if phase is None or len(phase.ranges) < FEWEST_RANGES:
        return None
    others = [digest for digest in digests if digest.sweep != definition.id]
    found = evidence(others, definition, phase)
    geometry = Geometry.of(phase.ranges)
    if found is None or geometry is None:
        return None
    chosen_on = list(dict.fromkeys(date_range for one in definition.choosing for date_range in one.ranges))
    values = corrections(
        geometry.positions(chosen_on),
        geometry.positions(phase.ranges),
        sum(one.experiments for one in definition.searching),
    )
    return resemblance(found, values, constant)


def resemblance(found: Evidence, values: Floats, constant: float) -> Resemblance:
    """What evidence comes to; `values` [G] are the c of each of `MODELS`."""
    probabilities = posterior(found.blocks)
    neighbours = MODELS.prod(axis=-1)

    def at(of: Floats, share: float) -> float:
        return round(float(quantile(of, probabilities, share)), 4)

    return Resemblance(
        correction=round(float(learned(values, probabilities, constant)), 4),
        constant=round(constant, 4),
        at_least=at(values, LOW),
        at_most=at(values, HIGH),
        correlation=at(neighbours, 0.5),
        correlation_at_most=at(neighbours, HIGH),
        trainings=found.trainings,
        settings=found.settings,
        ranges=found.ranges,
        sources=found.sources,
    )
