"""What a sweep's winner gained on the ranges that chose it: standings in, `selection.py`'s estimate out."""

import math
from collections.abc import Sequence
from datetime import date

from pipeline.analysis.selection import ChoosingGain, choosing_gain
from pipeline.dates import DateRange
from pipeline.ranking import Standing
from pipeline.sweep import Definition


def gain_of_choosing(definition: Definition, ranked: Sequence[Standing]) -> ChoosingGain | None:
    """What the winner gained while choosing, free of selection bias; None without an incumbent to compare with."""
    base = next((standing for standing in ranked if standing.is_incumbent), None)
    metric = f"{definition.objective.metric}_valid"
    if base is None:
        return None
    sign = 1 if definition.objective.goal == "minimize" else -1
    gains: dict[str, dict[DateRange, float]] = {}
    for standing in ranked:
        for range_, row in standing.by_range.items():
            own, theirs = row[metric], base.by_range.get(range_, {}).get(metric, 0)
            if own > 0 and theirs > 0:
                days = DateRange(date.fromisoformat(range_[0]), date.fromisoformat(range_[1]))
                gains.setdefault(standing.experiment, {})[days] = sign * math.log(theirs / own)
    return choosing_gain(gains, base.experiment)
