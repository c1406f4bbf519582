"""Learns from earlier trainings how alike neighbouring date ranges are, and corrects the test of a verdict for it.

The gain of one setting over another is modelled as a slow component, autoregressive in time, plus independent noise on
every range. Two numbers describe it: the share of the slow component, and its correlation between neighbours. Digests
of earlier sweeps and studies tell which numbers are likely, and these give the correction: the mean over similar ranges
varies more than over independent ones.
`benchmarks/resemblance.md` shows what that is worth. Only validation scores of choosing are read, never a test score.
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

# Chosen by simulation (benchmarks/resemblance.py): a constant between these quantiles stays as it is.
LOW, HIGH = 0.3, 0.9
LEVEL = 0.05
"""False alarms that `corrections` allows, as a share of useless winners."""

FEWEST_RANGES = 3
"""Only differences from a setting's mean count. Two ranges leave one difference, and nothing to compare it with."""

_SHARES = np.linspace(0.1, 1.0, 10)
_CORRELATIONS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
MODELS = np.array([(0.0, 0.0), *product(_SHARES, _CORRELATIONS)])
"""[G, 2]: the slow component's share of the variance, and its correlation between neighbours."""
# Equal weights for all pairs of a share and a correlation, 0 included. If either is 0, the model is the first of
# `MODELS`, so the first has the weight of all such pairs.
_PRIOR = np.array([len(_SHARES) + len(_CORRELATIONS) + 1, *([1] * (len(MODELS) - 1))], dtype=np.float64)

MONTHS_DIFFER = 4
"""Ranges of the same number of months differ by at most so many days."""

# A setting that is worse than the better half, by more than so many standard deviations of the noise, does not count.
_FAR_OFF = 3.0
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Block:
    """Settings that were all trained on the same ranges."""

    positions: Floats
    """[T]: positions of the ranges in time. The unit is the distance of two neighbours."""
    settings: int
    scatter: Floats
    """[..., T - 1, T - 1]: scatter of the double-centred gains over the settings. Leading axes are simulations."""

    @classmethod
    def of(cls, scores: Floats, positions: Floats) -> "Block":
        """The block of scores [..., S, T], on a scale on which a difference is a gain.

        The means of ranges and of settings are removed.
        """
        # Helmert contrasts remove the mean of a setting and leave T - 1 directions.
        contrasts = (scores - scores.mean(axis=-2, keepdims=True)) @ linalg.helmert(scores.shape[-1]).T
        return cls(positions, scores.shape[-2], np.swapaxes(contrasts, -1, -2) @ contrasts)


def posterior(blocks: Sequence[Block]) -> Floats:
    """[..., G]: posterior probability of each of `MODELS`, given the blocks; the prior if there are none.

    The restricted likelihood of double-centred gains, with a variance for each block. Correlated settings count as
    fewer: the effective number of settings comes from the moments of a Wishart matrix, after Liu & Muirhead.
    """
    # The log likelihood of each model, block by block.
    total = np.zeros(len(MODELS))
    parts = []
    for block in blocks:
        inverse, log_determinant = _inverses(block.positions)
        size = inverse.shape[-1]
        explained = np.einsum("gij,...ij->...g", inverse, block.scatter)
        part = -0.5 * (block.settings - 1) * (log_determinant + size * np.log(explained))
        parts.append((block, inverse, part))
        total = total + part
    # Again, with the effective number of settings in each block under the best model.
    best = total.argmax(axis=-1)
    total = sum((_independent(block, inverse[best])[..., None] * part for block, inverse, part in parts), np.zeros(1))
    weights = np.exp(total - total.max(axis=-1, keepdims=True)) * _PRIOR
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _inverses(positions: Floats) -> tuple[Floats, Floats]:
    """For each model, the inverse [G, T - 1, T - 1] of the covariance of `Block.of`'s contrasts, and the log
    determinant [G]."""
    contrasts = linalg.helmert(len(positions))
    covariances = contrasts @ _covariances(positions, positions) @ contrasts.T
    return np.linalg.inv(covariances), np.linalg.slogdet(covariances)[1]


def _covariances(first: Floats, second: Floats, noise: float = 1.0) -> Floats:
    """[G, len(first), len(second)]: for each model, covariances of gains with variance one between two sets of
    positions. `noise` is as in `corrections`."""
    lags = np.abs(first[:, None] - second[None, :])
    share, correlation = np.minimum(MODELS[:, 0, None, None] / noise, 1.0), MODELS[:, 1, None, None]
    # A range has the same noise in both sets.
    return np.where(lags < _ROUNDING, 1.0, share * correlation**lags)


def _independent(block: Block, inverse: Floats) -> Floats:
    """[...]: effective number of independent settings in a block, as a share of its settings."""
    size, most = inverse.shape[-1], block.settings - 1
    root = np.linalg.cholesky(inverse)
    white = np.swapaxes(root, -1, -2) @ block.scatter @ root
    trace, squares = np.trace(white, axis1=-2, axis2=-1), (white**2).sum(axis=(-2, -1))
    # Unbiased tr(K^2) and tr(K)^2 of the covariance K between settings; their ratio is the effective number.
    spread = np.maximum((squares - trace**2 / size) / (size**2 + size - 2), 0.0)
    whole = (trace**2 - 2 * size * spread) / size**2
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(whole / spread / most, 1 / most, 1.0))


def corrections(choosing: Floats, judging: Floats, settings: int, noise: float = 1.0) -> Floats:
    """[G]: for each model, the c (see `power.correction`) that keeps false alarms at 5 %.

    `choosing` and `judging` are positions of ranges, and `settings` is the number of settings of which the best is
    judged. There are three reasons for c above 0. The mean over similar ranges varies more. Their sample standard
    deviation is too small, and has fewer degrees of freedom. And part of the luck that a setting was chosen with
    carries over to where it is judged. `noise` is the variance of a gain in judging as a share of the variance that the
    models were fitted to: it is below 1 if judging averages more seeds.
    """
    # The mean over the ranges that judge, and their sample variance, if the true variance is one.
    count = len(judging)
    covariance = _covariances(judging, judging, noise)
    centred = (np.eye(count) - 1 / count) @ covariance
    variance_of_mean = covariance.mean(axis=(-2, -1))
    trace = np.trace(centred, axis1=-2, axis2=-1)
    sample_variance = trace / (count - 1)
    freedom = trace**2 / np.trace(centred @ centred, axis1=-2, axis2=-1)

    # The luck of the best setting: the expected maximum of n normal draws is about the quantile 0.5264^(1/n) (Chen &
    # Tyler 1999). Half of a gain's variance is the incumbent's, which favours no setting.
    luck = stats.norm.ppf(0.5264 ** (1 / max(settings, 1))) * math.sqrt(0.5)
    carried = _covariances(choosing, judging, noise).mean(axis=(-2, -1))
    chosen = np.sqrt(_covariances(choosing, choosing, noise).mean(axis=(-2, -1)))
    critical = stats.nct.isf(LEVEL, freedom, max(luck, 0.0) * carried / chosen / np.sqrt(variance_of_mean))
    ratio = (critical / stats.t.isf(LEVEL, count - 1)) ** 2 * variance_of_mean / sample_variance
    return np.maximum(ratio - 1 / count, 0.0)


def quantile(values: Floats, probabilities: Floats, at: float) -> Floats:
    """[...]: the quantile `at` of a distribution with `probabilities` [..., G] over `values` [G]."""
    order = values.argsort(kind="stable")
    reached = probabilities[..., order].cumsum(axis=-1) >= at - _ROUNDING
    return np.asarray(values[order][reached.argmax(axis=-1)])


def learned(values: Floats, probabilities: Floats, constant: float) -> Floats:
    """[...]: the constant, clipped to the quantiles `LOW` and `HIGH` of the posterior.

    Weak evidence changes nothing, and a larger (more careful) c takes less evidence than a smaller one.
    """
    low, high = (quantile(values, probabilities, at) for at in (LOW, HIGH))
    return np.clip(constant, low, high)


@dataclass(frozen=True)
class Geometry:
    """Length and distance of a phase's ranges. Only trainings on ranges of about this geometry count as evidence."""

    length: int
    """Days of a range."""
    step: int
    """Days from one range to the next."""

    @classmethod
    def of(cls, ranges: Sequence[DateRange]) -> "Geometry | None":
        """The geometry of a phase's ranges; None for a single one, and if two end on the same day."""
        step = _step(ranges)
        return cls(round(median(date_range.days for date_range in ranges)), step) if step else None

    def fits(self, date_range: DateRange) -> bool:
        """True if a range has this length."""
        return abs(date_range.days - self.length) <= min(MONTHS_DIFFER, self.length // 7)

    def lies_like(self, ranges: Sequence[DateRange]) -> bool:
        """True if ranges follow each other at this distance."""
        return abs(_step(ranges) - self.step) <= min(MONTHS_DIFFER, self.step // 7)

    def positions(self, ranges: Sequence[DateRange]) -> Floats:
        """[T]: positions of ranges, in steps. By their ends, where the validation and test days lie."""
        return np.array([date_range.end.toordinal() / self.step for date_range in ranges])


def _step(ranges: Sequence[DateRange]) -> int:
    """Days between the two closest ends; 0 for a single range, and if two end on the same day."""
    ends = sorted(date_range.end.toordinal() for date_range in ranges)
    return min((after - before for before, after in pairwise(ends)), default=0)


Key = tuple[Identity, int, int]
"""(setting, seed of the sweep, seed index). On the same data, equal keys give equal trainings."""
Scores = Mapping[Key, Mapping[DateRange, float]]
"""{key: {range: score}}, on a scale on which a difference is a gain; lower is better."""


@dataclass(frozen=True)
class Table:
    """Scores of settings that were all trained on the same ranges."""

    keys: tuple[Key, ...]
    ranges: tuple[DateRange, ...]
    scores: Floats
    """[S, T]"""


@dataclass(frozen=True)
class Evidence:
    """The scores of digests that are evidence for a phase."""

    blocks: tuple[Block, ...]
    trainings: int
    settings: int
    ranges: int
    sources: tuple[str, ...]
    """The sweeps that the scores are from, oldest first."""
    tables: tuple[Table, ...]
    """The scores, one table for each block."""


def evidence(digests: Iterable[Digest], definition: Definition, phase: Phase) -> Evidence | None:
    """The evidence that digests hold for a phase; None if they hold none.

    A training counts if it is complete, has the phase's fidelity, the length and the step of its ranges, the sweep's
    format and its data. If gains are log ratios, its score must be above zero.
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
        fidelities = {fidelity.name for fidelity in digest.fidelities if _amount(fidelity) == _amount(phase.fidelity)}
        for trial in digest.trials:
            if trial.fidelity not in fidelities or trial.status is not Status.COMPLETE or trial.valid is None:
                continue
            at, setting = digest.range_of(trial), digest.experiments.get(trial.experiment)
            if at is None or setting is None or not geometry.fits(at.range) or (ratio and trial.valid <= 0):
                continue
            # If the data changed between sweeps, only trainings on the newest count; if during a sweep, none of its.
            read = at.fingerprints.get(trial.fidelity, ())
            if len(read) > 1 or data.setdefault(at.range, read) != read:
                continue
            # Several sweeps may hold the same training: the same setting and seed. It counts once.
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
    """Means over groups of `seeds` seeds, so that they are as noisy as the means of the phase.

    {(setting, seed of the sweep, place of the group's first seed): {range: mean}}.
    """
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
    # A table for each set of ranges that several settings share.
    by_ranges: dict[tuple[DateRange, ...], list[Key]] = {}
    for key, by_range in scores.items():
        by_ranges.setdefault(tuple(sorted(by_range)), []).append(key)
    blocks, tables = list[Block](), list[Table]()
    for all_ranges, keys in sorted(by_ranges.items()):
        # The model knows only the ends of ranges: two that end on the same day would be one to it.
        if len(all_ranges) < FEWEST_RANGES or not _step(all_ranges) or not geometry.lies_like(all_ranges):
            continue
        values = np.array([[scores[key][date_range] for date_range in all_ranges] for key in keys])
        near = _not_far_off(values)
        keys, values = [keys[at] for at in near], values[near]
        block = Block.of(values, geometry.positions(all_ranges))
        if len(keys) < 2 or np.trace(block.scatter) <= (_ROUNDING * (1 + np.abs(values).max())) ** 2:
            continue
        blocks.append(block)
        tables.append(Table(tuple(keys), all_ranges, values))
    if not blocks:
        return None

    cells = {(key, date_range) for table in tables for key in table.keys for date_range in table.ranges}
    return Evidence(
        blocks=tuple(blocks),
        trainings=seeds * len(cells),
        settings=len({key[0] for key, _ in cells}),
        ranges=len({date_range for _, date_range in cells}),
        sources=tuple(sorted({origins[cell] for cell in cells if cell in origins})),
        tables=tuple(tables),
    )


def _not_far_off(table: Floats) -> list[int]:
    """Indices of the settings of [S, T] that could win: the better half, and those as near to it as noise explains."""
    order = table.mean(axis=-1).argsort(kind="stable")
    core = table[order[: (len(order) + 1) // 2]]
    means = core.mean(axis=-1, keepdims=True)
    noise = (core - means - core.mean(axis=0) + core.mean()).std()
    return [int(at) for at in order if table[at].mean() <= means.max() + _FAR_OFF * noise]


def learn(
    digests: Iterable[Digest], definition: Definition, constant: float, phase: Phase | None = None
) -> Resemblance | None:
    """The resemblance with which a sweep judges, learned from digests of other sweeps.

    None if there is no evidence, or no phase that judges on enough ranges. `constant` is the c of a sweep that learned
    nothing. `phase` takes the place of `definition.confirm`.
    """
    phase = phase or definition.confirm
    if phase is None or len(phase.ranges) < FEWEST_RANGES:
        return None
    others = [digest for digest in digests if digest.sweep != definition.id]
    earlier = evidence(others, definition, phase)
    geometry = Geometry.of(phase.ranges)
    if earlier is None or geometry is None:
        return None
    chosen_on = list(dict.fromkeys(date_range for choosing in definition.choosing for date_range in choosing.ranges))
    values = corrections(
        geometry.positions(chosen_on),
        geometry.positions(phase.ranges),
        sum(searching.experiments for searching in definition.searching),
    )
    return resemblance(earlier, values, constant)


def resemblance(evidence: Evidence, values: Floats, constant: float) -> Resemblance:
    """The resemblance that follows from evidence. `values` [G] holds the c of each of `MODELS` (see `corrections`)."""
    probabilities = posterior(evidence.blocks)
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
        trainings=evidence.trainings,
        settings=evidence.settings,
        ranges=evidence.ranges,
        sources=evidence.sources,
    )
