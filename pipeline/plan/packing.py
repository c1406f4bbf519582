"""How the trials of a round are cut into packs, and which trials of a pack can be trained side by side.

A pack is what one process runs: it imports torch and loads the data of its date range once; its trials have one phase
and one range, whatever else they differ in. Sizes are guided: large packs first, small ones last, so that lanes end
together; what earlier trials of the sweep took bounds them.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from statistics import mean

from pipeline.results import Row, is_reference
from pipeline.sweep import Definition, Experiment, Trial
from pipeline.training import architectures

MOST = 64
"""Trials in a pack."""
MOST_BYTES = 8 * 1024
"""Length of its trials' ids with commas between them, which travel in an environment variable and a command line."""
PACK_S = 300.0
"""What a pack should take at most. Some five seconds to start a process are nothing beside it, and it is as long as
Jenkins waits for an agent that went away: a person sees pack after pack end, and other lanes can take over."""
_WORTH_A_PROCESS_S = 10.0
"""What a pack should take at least: starting a process costs half of it."""
_WORTH_SHARING, _CAUTIOUS = 8, 32
"""The fewest and the most trials of a pack while nothing is known about how long they take."""
_PACKS_OF_A_SHARE = 2
"""A pack is so small a part of a lane's share of what is left: the trials of one may be slower than all others."""
_BESIDE_TRAINING_S = 0.1
"""What a trial takes to be measured, saved and written down."""
_A_WEEK = 7 * 24 * 60

Planned = tuple[Experiment, Trial]


def likeness(definition: Definition, experiment: Experiment, trial: Trial) -> Hashable:
    """Equal for trials that can be trained side by side."""
    # What a trainer of one's own makes of a hyperparameter, nobody knows; references have nothing to share.
    if definition.own is not None or definition.phase(trial.phase).is_reference:
        return trial
    shapes = architectures.shapes(definition.architecture, experiment.assignment)
    return trial.phase, trial.range, trial.seed, shapes


def cut(definition: Definition, trials: Sequence[Planned], lanes: int, rows: Sequence[Row] = ()) -> list[list[Planned]]:
    """Trials as packs in the order in which they should run: phase by phase, ranges in turn, the first trials first.

    Guided self-scheduling (Polychronopoulos and Kuck 1987, IEEE Transactions on Computers): each pack is a part of what
    is left, so that the last ones are small. `rows` are those of the sweep so far: by what trials of the same fidelity
    took, a pack is worth its process and no longer than a few minutes. References make one pack per range.
    """
    packs: list[list[Planned]] = []
    left, share = len(trials), math.ceil(len(trials) / lanes)
    for phase in dict.fromkeys(trial.phase for _, trial in trials):
        seconds = _seconds_of_a_trial(definition, phase, rows)
        is_reference = definition.phase(phase).is_reference
        groups = _by_range(definition, [planned for planned in trials if planned[1].phase == phase])
        while groups:
            # The range with most trials left comes next, so that all of them come on alike.
            group = max(groups, key=len)
            size = len(group) if is_reference else _size(len(group), left, lanes, share, seconds)
            pack = _first(group, size)
            packs.append(pack)
            left -= len(pack)
            del group[: len(pack)]
            groups = [group for group in groups if group]
    return packs


def _size(group: int, left: int, lanes: int, share: int, seconds: float | None) -> int:
    """Trials of the next pack, out of a group of so many.

    `left` are those of all groups, of which a lane's share was `share` at first; a trial takes so many seconds.
    """
    if seconds is None:
        fewest, most = min(_WORTH_SHARING, math.ceil(left / lanes)), _CAUTIOUS
    else:
        fewest, most = min(math.ceil(_WORTH_A_PROCESS_S / seconds), share), max(1, min(int(PACK_S / seconds), MOST))
    size = min(max(math.ceil(left / lanes / _PACKS_OF_A_SHARE), fewest), most)
    # A rest that is not worth a process of its own goes along.
    return group if 2 * (group - size) < fewest and group <= most else size


def _by_range(definition: Definition, trials: Sequence[Planned]) -> list[list[Planned]]:
    """The trials of each date range; those that can be trained side by side stand together."""
    ranges: dict[int, dict[Hashable, list[Planned]]] = {}
    for experiment, trial in trials:
        alike = ranges.setdefault(trial.range, {})
        alike.setdefault(likeness(definition, experiment, trial), []).append((experiment, trial))
    return [[planned for likes in alike.values() for planned in likes] for alike in ranges.values()]


def _first(group: Sequence[Planned], size: int) -> list[Planned]:
    """The first trials of a group, so many or as many as fit into a pack."""
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
    """The rows of what was run as the trials of a phase are: with the same fidelity, and not copied."""
    its = definition.phase(phase)
    return [
        row
        for row in rows
        if row.get("fidelity") == its.fidelity.name
        and is_reference(row) == its.is_reference
        and row.get("reused_from") is None
    ]


def seconds_from_start_to_end(row: Row) -> float | None:
    """Seconds between a trial's start and its row, data, saving and whatever trained beside it included."""
    try:
        return (datetime.fromisoformat(row["finished"]) - datetime.fromisoformat(row["started"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None


def _seconds_of_a_trial(definition: Definition, phase: str, rows: Iterable[Row]) -> float | None:
    """What a trial of the phase takes of a pack's time, as far as earlier ones tell; None if there are none."""
    seconds = []
    for row in rows_like(definition, phase, rows):
        # Of what trained side by side, only this is the trial's share.
        its = row.get("training_time")
        its = its if isinstance(its, int | float) else seconds_from_start_to_end(row)
        if its is not None and math.isfinite(its):
            seconds.append(its + _BESIDE_TRAINING_S)
    return mean(seconds) if seconds else None


def minutes(definition: Definition, trials: int) -> int:
    """The time in which a pack of so many trials ends by itself, well counted: what kills it then is the last net.

    Trials that have a limit are ended by it long before: each of them, even if it is tried again alone after it trained
    beside others.
    """
    limit = definition.training.time_limit_minutes
    return trials * (math.ceil(2 * limit) + 30 if limit else _A_WEEK)
