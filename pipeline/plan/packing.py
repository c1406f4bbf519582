"""Which trials can be trained side by side, and how those of a round are cut into packs.

What goes together has the same phase, date range and seed, so that it reads the same rows in the same order, and the
same values of all that shapes a network or a batch.
"""

import math
from collections.abc import Hashable, Iterator, Sequence

from pipeline.sweep import Definition, Experiment, Trial
from pipeline.training import architectures

MOST = 32
"""Trials in a pack: what a process that dies leaves to be trained again."""
_WORTH_SHARING = 4
_PACKS_PER_LANE = 2

Planned = tuple[Experiment, Trial]


def likeness(definition: Definition, experiment: Experiment, trial: Trial) -> Hashable:
    """Equal for trials that can be trained side by side."""
    # What a trainer of one's own makes of a hyperparameter, nobody knows; references have nothing to share.
    if definition.own is not None or definition.phase(trial.phase).is_reference:
        return trial
    shapes = architectures.shapes(definition.architecture, experiment.assignment)
    return trial.phase, trial.range, trial.seed, shapes


def cut(definition: Definition, trials: Sequence[Planned], lanes: int) -> list[list[Planned]]:
    """A round's trials as packs, in the order of each pack's first trial.

    No pack is larger than a lane's share, and where that leaves packs of a size that is worth it, than half of it, so
    that no lane waits long for the last one.
    """
    alike: dict[Hashable, list[int]] = {}
    for at, planned in enumerate(trials):
        alike.setdefault(likeness(definition, *planned), []).append(at)
    each = len(trials) / lanes
    size = min(MOST, math.ceil(each), max(_WORTH_SHARING, math.ceil(each / _PACKS_PER_LANE)))
    packs = [part for group in alike.values() for part in _evenly(group, size)]
    return [[trials[at] for at in pack] for pack in sorted(packs)]


def _evenly(group: list[int], size: int) -> Iterator[list[int]]:
    parts = math.ceil(len(group) / size)
    for part in range(parts):
        yield group[len(group) * part // parts : len(group) * (part + 1) // parts]
