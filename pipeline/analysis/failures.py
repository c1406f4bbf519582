"""Groups failures by cause. A sweep in which every trial fails alike is not worth going on with."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.results import Row, Status, trainings

_FEWEST = 3
# Parts of an error that differ between trials that fail alike: numbers and random names, but not an exit status.
_BY_CHANCE = re.compile(
    r"(status \d+)|\b(?:tmp|hpt-)[\w-]+|\b(?=[a-f]*\d)[0-9a-fx-]{6,}\b|\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE
)


def _needed_alike(lanes: int) -> int:
    """Number of trials that must fail alike to end a sweep: two for each lane, and at least three."""
    return max(_FEWEST, 2 * lanes)


def same_failure(rows: Iterable[Row], lanes: int = 1) -> str | None:
    """The error that all trials fail with; None if a trial has a result, or too few have failed alike.

    Only the newest failures count: earlier mistakes may be mended by now.
    """
    trained = trainings(rows)
    if len(trained) < _needed_alike(lanes) or any(Status(row["status"]).is_result for row in trained):
        return None
    newest = sorted(trained, key=lambda row: row.get("finished") or "")[-_needed_alike(lanes) :]
    # A single setting may fail on every range while all others work.
    if len({row["experiment"] for row in newest}) < 2:
        return None
    if len({(row["status"], _without_chance(row.get("error") or "")) for row in newest}) > 1:
        return None
    return newest[-1].get("error") or newest[-1]["status"]


def _without_chance(error: str) -> str:
    return _BY_CHANCE.sub(lambda match: match[1] or "#", error)


@dataclass(frozen=True)
class Cause:
    """Trials that failed alike."""

    status: str
    error: str
    """Error of the first of them; empty if it has none."""
    trials: tuple[str, ...]


def causes(rows: Iterable[Row]) -> list[Cause]:
    """Groups rows without a result by status and error, the most frequent cause first."""
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        alike.setdefault((row["status"], _without_chance(row.get("error") or "")), []).append(row)
    groups = [
        Cause(status, members[0].get("error") or "", tuple(row["trial"] for row in members))
        for (status, _), members in alike.items()
    ]
    return sorted(groups, key=lambda cause: -len(cause.trials))
