"""Cuts the trials of a round into packs, and says which trials of a pack can be trained side by side.

One process runs a pack: it imports torch and loads the data of its date range once. The trials of a pack share their
phase and range. Packs shrink towards the end of a round, so that lanes end at the same time. The times of
earlier trials limit their size.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from statistics import mean

from pipeline.results import Row, is_reference
from pipeline.sweep import Definition, Experiment, Trial
from pipeline.training import architectures

MOST = 64
"""Most trials of a pack."""
MOST_BYTES = 8 * 1024
"""Most bytes of a pack's trial ids, joined by commas: they travel in an environment variable and a command line."""
PACK_S = 300.0
"""Seconds that a pack should take at most. Starting a process takes five, little in comparison. Jenkins waits
as long for a lost agent. More packs let people see progress, and let other lanes take over the rest."""
_WORTH_A_PROCESS_S = 10.0
"""Seconds that a pack should take at least: starting a process costs half of them."""
_WORTH_SHARING, _CAUTIOUS = 8, 32
"""The fewest and the most trials of a pack as long as their time is unknown."""
_PACKS_OF_A_SHARE = 2
"""Packs per lane that the remaining trials would fill. With one, a lane with slow trials would end after all others."""
_BESIDE_TRAINING_S = 0.1
"""Seconds that a trial takes besides its training: to measure, to save, to write its row."""
_A_WEEK = 7 * 24 * 60

Planned = tuple[Experiment, Trial]


def likeness(definition: Definition, experiment: Experiment, trial: Trial) -> Hashable:
    """Equal for trials that can be trained side by side."""
    # It is unknown how a team's own trainer uses a hyperparameter; references have nothing to share.
    if definition.own is not None or definition.phase(trial.phase).is_reference:
        return trial
    shapes = architectures.shapes(definition.architecture, experiment.assignment)
    return trial.phase, trial.range, trial.seed, shapes


def cut(definition: Definition, trials: Sequence[Planned], lanes: int, rows: Sequence[Row] = ()) -> list[list[Planned]]:
    """Trials as packs in the order in which they should run: phase by phase, ranges in turn, the first trials first.

    Guided self-scheduling (Polychronopoulos and Kuck 1987, IEEE Transactions on Computers): each pack is a part of the
    remaining trials, so that the last packs are small. `rows` are the sweep's rows so far; once they hold times of
    trials of the same fidelity, a pack takes between seconds and a few minutes. References make one pack per range.
    """
    packs: list[list[Planned]] = []
    remaining, share = len(trials), math.ceil(len(trials) / lanes)
    for phase in dict.fromkeys(trial.phase for _, trial in trials):
        seconds = _seconds_of_a_trial(definition, phase, rows)
        is_reference = definition.phase(phase).is_reference
        groups = _by_range(definition, [planned for planned in trials if planned[1].phase == phase])
        while groups:
            # The range with the most remaining trials comes next, so that all ranges advance alike.
            group = max(groups, key=len)
            size = len(group) if is_reference else _size(len(group), remaining, lanes, share, seconds)
            pack = _first(group, size)
            packs.append(pack)
            remaining -= len(pack)
            del group[: len(pack)]
            groups = [group for group in groups if group]
    return packs


def _size(group: int, remaining: int, lanes: int, share: int, seconds: float | None) -> int:
    """Number of trials of the next pack, out of a `group` of trials.

    `remaining` counts the trials of all groups. `share` is the round's trials per lane. A trial takes `seconds`.
    """
    if seconds is None:
        fewest, most = min(_WORTH_SHARING, math.ceil(remaining / lanes)), _CAUTIOUS
    else:
        fewest, most = min(math.ceil(_WORTH_A_PROCESS_S / seconds), share), max(1, min(int(PACK_S / seconds), MOST))
    size = min(max(math.ceil(remaining / lanes / _PACKS_OF_A_SHARE), fewest), most)
    # The pack takes the whole group if the others were not worth a process of their own.
    return group if 2 * (group - size) < fewest and group <= most else size


def _by_range(definition: Definition, trials: Sequence[Planned]) -> list[list[Planned]]:
    """The trials of each date range; trials that can be trained side by side stand together."""
    ranges: dict[int, dict[Hashable, list[Planned]]] = {}
    for experiment, trial in trials:
        by_likeness = ranges.setdefault(trial.range, {})
        by_likeness.setdefault(likeness(definition, experiment, trial), []).append((experiment, trial))
    return [[planned for alike in by_likeness.values() for planned in alike] for by_likeness in ranges.values()]


def _first(group: Sequence[Planned], size: int) -> list[Planned]:
    """The first trials of a group: `size` of them, or as many as fit into a pack."""
    pack: list[Planned] = []
    length = -1
    for experiment, trial in group[: min(size, MOST)]:
        length += 1 + len(str(trial))
        if pack and length > MOST_BYTES:
            break
        pack.append((experiment, trial))
    return pack


# -- how long trials take


def rows_like(definition: Definition, phase: str, rows: Iterable[Row]) -> list[Row]:
    """The rows of trainings with the same fidelity as the phase's; without copied rows."""
    same_as = definition.phase(phase)
    return [
        row
        for row in rows
        if row.get("fidelity") == same_as.fidelity.name
        and is_reference(row) == same_as.is_reference
        and row.get("reused_from") is None
    ]


def seconds_from_start_to_end(row: Row) -> float | None:
    """Seconds between a trial's start and its row, with loading, saving and other trials that trained beside it.

    None if the row has no such times.
    """
    try:
        return (datetime.fromisoformat(row["finished"]) - datetime.fromisoformat(row["started"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None


def _seconds_of_a_trial(definition: Definition, phase: str, rows: Iterable[Row]) -> float | None:
    """Mean seconds that a trial of the phase adds to a pack, from rows of trials like it; None without such rows."""
    seconds = []
    for row in rows_like(definition, phase, rows):
        # For trials that trained side by side, only `training_time` is the trial's share.
        share = row.get("training_time")
        share = share if isinstance(share, int | float) else seconds_from_start_to_end(row)
        if share is not None and math.isfinite(share):
            seconds.append(share + _BESIDE_TRAINING_S)
    return mean(seconds) if seconds else None


def minutes(definition: Definition, trials: int) -> int:
    """Time limit of a pack in minutes, generous: it is for a pack whose trials were not ended by their own limits.

    Each trial may train twice: once beside others, and again alone after a failure.
    """
    limit = definition.training.time_limit_minutes
    return trials * (math.ceil(2 * limit) + 30 if limit else _A_WEEK)
