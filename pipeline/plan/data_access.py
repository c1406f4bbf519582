"""Reads the data of a new sweep on the planning machine, which need not always reach them."""

import glob
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from pipeline.data.source import DataSource, FilesSource
from pipeline.dates import DateRange
from pipeline.errors import InfrastructureError, OutOfReachError
from pipeline.places import in_project, search_folder_in_words

_T = TypeVar("_T")

Warn = Callable[[str], None]
"""Takes a line about data that people should read before a sweep starts."""


class Reach(Enum):
    """Duty of a planning machine to reach the data of a sweep: an error, a warning or nothing if it does not."""

    HERE = "this machine trains: missing data are a mistake"
    MOSTLY = "missing data are a mistake if their folder exists; else another machine probably trains: a warning"
    ELSEWHERE = "another machine may train: missing data are a warning"
    UNSEEN = "the user asked not to look at the data"


def reach_of(*, trains_here: bool) -> Reach:
    """The duty of a machine that will run the sweep, or will not."""
    return Reach.HERE if trains_here else Reach.ELSEWHERE


@dataclass
class DataAccess:
    """Data, and the machine's duty to reach them. Warns once if it does not reach them."""

    source: DataSource | None
    reach: Reach
    warn: Warn | None
    _has_warned: bool = False

    def read(self, look: Callable[[DataSource], _T | None]) -> _T | None:
        """The result of `look`; None if this machine does not reach the data, and need not.

        Raises UserError if the data are wrong, or are missing where they must exist; InfrastructureError if a bucket
        fails.
        """
        if self.source is None:
            return None
        if not isinstance(self.source, FilesSource) or self.reach is Reach.HERE:
            return look(self.source)
        if self.reach is Reach.UNSEEN:
            return None
        path = self.source.path
        if not path.startswith("gs://"):
            whole = in_project(path)
            may_be_missing = self.reach is Reach.ELSEWHERE or not _has_folder(whole)
            if may_be_missing and not glob.glob(whole, recursive=True):
                self._warn(f'data.path: no file matches "{path}" (looked {search_folder_in_words()})')
                return None
        try:
            return look(self.source)
        except OutOfReachError as error:
            self._warn(str(error).splitlines()[0])
        except InfrastructureError as error:
            if self.reach is not Reach.MOSTLY:
                raise
            self._warn(str(error).splitlines()[0])
        return None

    def _warn(self, problem: str) -> None:
        if self.warn and not self._has_warned:
            self._has_warned = True
            self.warn(f"{problem}: this machine does not reach the data, so nothing in them was checked")


def _has_folder(pattern: str) -> bool:
    """True if the folder before the first wildcard of a pattern exists: `data/2024` for `data/2024/*.csv`."""
    # The added letter makes a file's name of the rest, even after a slash.
    plain = Path(re.split(r"[*?[]", pattern, maxsplit=1)[0] + "x")
    return plain.parent.is_dir()


def covered_days(source: DataSource, *, trains_here: bool) -> DateRange | None:
    """The days of the data; None if there are none, or if this machine does not reach them.

    Missing data are a mistake only if this machine runs the trials (`trains_here`). Raises UserError if the data are
    wrong.
    """
    access = DataAccess(source, reach_of(trains_here=trains_here), None)
    return access.read(lambda data: coverage(data)[0])


def coverage(source: DataSource) -> tuple[DateRange | None, str | None]:
    """The days that the data cover, and a line about days that have rows but are not covered."""
    if not isinstance(source, FilesSource):
        # Not by way of `load`, which imports pandas.
        return source.covers, None
    from pipeline.data import load

    return load.coverage(source)
