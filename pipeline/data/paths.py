"""Finds the files of a path pattern, on the local disk or in a bucket, and brings their content to this disk.

Folders named `column=value` that the pattern leaves open are partitions: their values are columns, and those of the
date column tell which files a date range needs. What is in a file is read in `files.py`.
"""

import collections
import concurrent.futures
import glob
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote

import numpy as np
import pandas as pd

from pipeline.data import cache
from pipeline.data.date_parts import days_of
from pipeline.data.raw import CALENDAR, contains
from pipeline.dates import DateRange
from pipeline.errors import InfrastructureError, OutOfReachError, UserError
from pipeline.places import in_project, where_looked

if TYPE_CHECKING:
    from pipeline.store.client import Bucket

NULL = "__HIVE_DEFAULT_PARTITION__"
# How many files are fetched at a time, and ahead of the one that is read.
_AHEAD = 8


@dataclass(frozen=True)
class DataFile:
    """A file of data, here or in a bucket."""

    name: str
    """As a person writes it: a path, or `gs://bucket/object`."""
    opened: Callable[[], AbstractContextManager[Path]] = field(compare=False)
    """Its content on this disk, for as long as the context lasts."""
    partition: Mapping[str, str | None]
    """Columns and values that its folders' names give, `{"day": "2024-01-31"}`; None for a missing value."""
    day: np.datetime64 | None
    """The day of all of its rows; None if its folders give none, NaT if what they give is no day of the calendar."""
    size: int
    """Bytes, as it is stored."""


def matching(pattern: str, date: str, date_range: DateRange | None = None) -> list[DataFile]:
    """The files of a pattern, by name, without those whose partition of the `date` column lies outside the range.

    Raises UserError if the pattern means no file at all.
    """
    if pattern.startswith("gs://"):
        return _in_bucket(pattern, date, date_range)
    whole = re.sub("/+", "/", in_project(pattern))
    paths = [path for path in glob.glob(whole, recursive=True) if os.path.isfile(path)]
    sizes = {path: os.path.getsize(path) for path in paths}
    paths = sorted(path for path in paths if not _is_marker(path, sizes[path]))
    if not paths:
        raise UserError(f'data.path: no file matches "{pattern}" (looked {where_looked()})')
    partitions = [_partition(path[len(_folder(whole)) :]) for path in paths]
    files = [
        DataFile(path, partial(_here, path), partition, day, sizes[path])
        for path, partition, day in zip(paths, partitions, _days(partitions, date), strict=True)
    ]
    return _within(files, date_range)


def _here(path: str) -> AbstractContextManager[Path]:
    return nullcontext(Path(path))


def in_turn(files: Sequence[DataFile]) -> Iterator[tuple[DataFile, Path]]:
    """Each file with its content on this disk; meanwhile the next ones of a bucket are fetched."""

    def fetch(file: DataFile) -> None:
        with file.opened():
            pass

    if not any(file.name.startswith("gs://") for file in files):
        for file in files:
            with file.opened() as path:
                yield file, path
        return
    waiting = collections.deque(files)
    coming: collections.deque[tuple[DataFile, concurrent.futures.Future[None]]] = collections.deque()
    pool = concurrent.futures.ThreadPoolExecutor(_AHEAD)
    try:
        while waiting or coming:
            while waiting and len(coming) < _AHEAD:
                file = waiting.popleft()
                coming.append((file, pool.submit(fetch, file)))
            file, fetched = coming.popleft()
            fetched.result()
            with file.opened() as path:
                yield file, path
    finally:
        pool.shutdown(cancel_futures=True)


def _in_bucket(pattern: str, date: str, date_range: DateRange | None) -> list[DataFile]:
    # Here, because most never need it and it takes its time.
    from google.api_core.exceptions import NotFound

    from pipeline.store.client import Bucket, whole

    name, _, inside = pattern.removeprefix("gs://").partition("/")
    bucket = Bucket(
        name,
        refused=UserError,
        denied=OutOfReachError,
        role="roles/storage.objectViewer",
        instead="correct data.path",
    )
    kept = cache.of_this_machine()

    def opened(object: str, generation: int, size: int) -> AbstractContextManager[Path]:
        def fetch(file: BinaryIO) -> None:
            def attempt() -> None:
                file.seek(0)
                with whole():
                    # As it is stored: else what is stored zipped would come unzipped, and its size be another.
                    bucket.blob(object, generation).download_to_file(
                        file, raw_download=True, timeout=bucket.timeout, retry=None
                    )

            try:
                bucket.call("read", object, attempt)
            except NotFound:
                raise InfrastructureError(
                    f"gs://{name}/{object} was replaced or removed while it was read: try again"
                ) from None

        return kept.file(f"gs://{name}/{object}#{generation}", size, fetch)

    with bucket.explained("list", _folder(inside)):
        objects, left_out = _objects(bucket, inside, date, date_range)
    if not objects and not left_out:
        raise UserError(f'data.path: no object matches "{pattern}"')
    partitions = [_partition(object[len(_folder(inside)) :]) for object in objects]
    files = [
        DataFile(f"gs://{name}/{object}", partial(opened, object, *version), partition, day, version[1])
        for (object, version), partition, day in zip(objects.items(), partitions, _days(partitions, date), strict=True)
    ]
    return _within(sorted(files, key=lambda file: file.name), date_range)


def _objects(
    bucket: "Bucket", pattern: str, date: str, date_range: DateRange | None
) -> tuple[dict[str, tuple[int, int]], bool]:
    """Generation and size of each object of the pattern; and whether partitions were left out of the listing."""
    folder, start = _folder(pattern), _plain_start(pattern)
    objects: dict[str, tuple[int, int]] = {}

    def list_objects(fields: str = "items(name,generation,size),nextPageToken", **what: str) -> list[str]:
        """Adds the objects that match; returns the folders, if a delimiter asks for them."""
        folders: set[str] = set()
        for page in bucket.list(prefix=start, fields=fields, **what).pages:
            for blob in page:
                if _matches(blob.name.split("/"), pattern.split("/")) and not _is_marker(blob.name, blob.size):
                    objects[blob.name] = int(blob.generation), int(blob.size)
            folders.update(page.prefixes)
        return sorted(folders)

    if "/" not in pattern[len(folder) :] or date_range is None:
        list_objects()
        return objects, False
    folders = list_objects("items(name,generation,size),prefixes,nextPageToken", delimiter="/")
    days = _days([_partition(name[len(folder) :]) for name in folders], date)
    if objects or not all(day is not None and not np.isnat(day) for day in days):
        list_objects()
        return objects, False
    needed = [name for name, day in zip(folders, days, strict=True) if contains(date_range, np.array([day]))[0]]
    if needed:
        # To the end of the last of them: a zero is what sorts right behind a slash.
        list_objects(start_offset=needed[0], end_offset=needed[-1].removesuffix("/") + "0")
    return objects, bool(folders)


def _within(files: list[DataFile], date_range: DateRange | None) -> list[DataFile]:
    """Without the files whose day is known and lies outside the range."""
    if date_range is None:
        return files

    def may_be_within(day: np.datetime64 | None) -> bool:
        return day is None or bool(np.isnat(day)) or bool(contains(date_range, np.array([day]))[0])

    return [file for file in files if may_be_within(file.day)]


def _folder(pattern: str) -> str:
    """The folder of all matches, with its slash."""
    start = _plain_start(pattern)
    return start[: start.rfind("/") + 1]


def _plain_start(pattern: str) -> str:
    """What every match begins with."""
    return re.split(r"[*?[]", pattern, maxsplit=1)[0]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """As `glob` does on a disk: `*` stays inside a name, `**` is any number of folders, neither matches `.hidden`."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        if _matches(parts, pattern[1:]):
            return True
        return bool(parts) and not parts[0].startswith(".") and _matches(parts[1:], pattern)
    if not parts or not parts[0] or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _partition(path: str) -> dict[str, str | None]:
    """Columns and values that the names of a path's folders give."""
    folders = (folder.partition("=") for folder in path.split("/")[:-1] if "=" in folder)
    return {unquote(key): None if value == NULL else unquote(value) for key, _, value in folders}


def _days(partitions: Sequence[Mapping[str, str | None]], date: str) -> list[np.datetime64 | None]:
    days = days_of(pd.Series([partition.get(date) for partition in partitions], dtype=object))
    days[~contains(CALENDAR, days)] = np.datetime64("NaT")
    return [day if date in partition else None for partition, day in zip(partitions, days, strict=True)]


def _is_marker(path: str, size: int) -> bool:
    """Whether an empty file only marks something: a folder, or by `_SUCCESS` that a program was done."""
    return size == 0 and (path.endswith("/") or os.path.basename(path).startswith("_"))
