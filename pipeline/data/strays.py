"""Finds the days that the data cover, without strays: a few rows dated years before or after all others."""

import itertools
from collections.abc import Sequence
from datetime import date, timedelta

_FAR = timedelta(days=366)
_FEW = 0.02


def covered(days: Sequence[date], rows: Sequence[int]) -> slice:
    """The slice of the sorted `days` that the data cover; `rows` are the numbers of rows on these days.

    A date like 1970-01-01 or 2099-12-31 stands for "unknown" or "never", and one like 2204-05-01 is a typo. Days at
    either end are left out if they have fewer than 2 % of all rows and more than a year without rows beside them.
    """
    breaks = [at for at in range(1, len(days)) if days[at] - days[at - 1] > _FAR]
    blocks = list(itertools.pairwise([0, *breaks, len(days)]))
    # The rows that may still be left out: `remaining`.
    sums, remaining = [sum(rows[start:end]) for start, end in blocks], _FEW * sum(rows)
    while len(blocks) > 1 and min(sums[0], sums[-1]) < remaining:
        at = 0 if sums[0] <= sums[-1] else -1
        remaining -= sums.pop(at)
        blocks.pop(at)
    return slice(blocks[0][0], blocks[-1][1]) if blocks else slice(0, 0)


def in_words(days: Sequence[date], rows: Sequence[int]) -> str | None:
    """A line about the days that `covered` leaves out; None if there are none."""
    cover = covered(days, rows)
    strays = [*days[: cover.start], *days[cover.stop :]]
    if not strays:
        return None
    stray_rows = f"{sum(rows) - sum(rows[cover]):,} of {sum(rows):,} rows"
    names = ", ".join(map(str, strays[:3])) + (f" and {len(strays) - 3} more days" if len(strays) > 3 else "")
    return (
        f"the data cover {days[cover.start]} to {days[cover.stop - 1]}, without {stray_rows} more than a year from all "
        f"others ({names})"
    )
