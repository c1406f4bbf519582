"""Which days the data cover: without a few rows whose dates lie years before or after all others."""

import itertools
from collections.abc import Sequence
from datetime import date, timedelta

_FAR = timedelta(days=366)
_FEW = 0.02


def covered(days: Sequence[date], rows: Sequence[int]) -> slice:
    """Those of the days, in order, that the data cover: without a few rows, years before or after all others.

    A date like 1970-01-01 or 2099-12-31 stands for "unknown" or "never", and one like 2204-05-01 is a slip: days at
    either end with fewer than 2 % of all rows are left out if more than a year without rows sets them apart.
    """
    breaks = [at for at in range(1, len(days)) if days[at] - days[at - 1] > _FAR]
    blocks = list(itertools.pairwise([0, *breaks, len(days)]))
    sums, most = [sum(rows[start:end]) for start, end in blocks], _FEW * sum(rows)
    while len(blocks) > 1 and min(sums[0], sums[-1]) < most:
        at = 0 if sums[0] <= sums[-1] else -1
        most -= sums.pop(at)
        blocks.pop(at)
    return slice(blocks[0][0], blocks[-1][1]) if blocks else slice(0, 0)


def in_words(days: Sequence[date], rows: Sequence[int]) -> str | None:
    """A line about the days that `covered` leaves out; None if there are none."""
    kept = covered(days, rows)
    left_out = [*days[: kept.start], *days[kept.stop :]]
    if not left_out:
        return None
    count = sum(rows) - sum(rows[kept])
    part = f"{count:,} of {sum(rows):,} rows"
    shown = ", ".join(map(str, left_out[:3])) + (f" and {len(left_out) - 3} more days" if len(left_out) > 3 else "")
    return (
        f"the data cover {days[kept.start]} to {days[kept.stop - 1]}, without {part} more than a year from all others "
        f"({shown})"
    )
