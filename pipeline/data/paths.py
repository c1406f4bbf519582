"""Finds the files of a path pattern, on the local disk or in a bucket, and fetches their content to this disk.

Folders named `column=value` that match a wildcard are partitions: their values are columns. If one of them is the date
column, files outside of a date range are skipped. `files.py` reads the files.
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
from pipeline.places import in_project, search_folder_in_words

if TYPE_CHECKING:
    from pipeline.store.client import Bucket

NULL = "__HIVE_DEFAULT_PARTITION__"
# Number of files that are fetched at a time, ahead of the file that is read.
_AHEAD = 8


@dataclass(frozen=True)
class DataFile:
    """A file of data, on this disk or in a bucket."""

    name: str
    """A path, or `gs://bucket/object`."""
    content: Callable[[], AbstractContextManager[Path]] = field(compare=False)
    """A context with the path of its content on this disk."""
    partition: Mapping[str, str | None]
    """Columns and values from the names of its folders, `{"day": "2024-01-31"}`; None for a missing value."""
    day: np.datetime64 | None
    """The day of all of its rows; None if its folders name none, NaT if they name a day outside the calendar."""
    size: int
    """Size as stored, in bytes."""


def matching(pattern: str, date: str, date_range: DateRange | None = None) -> list[DataFile]:
    """The files that match a pattern, sorted by name, without those whose `date` partition lies outside the range.

    Raises UserError if no file matches the pattern.
    """
    if pattern.startswith("gs://"):
        return _in_bucket(pattern, date, date_range)
    full_pattern = re.sub("/+", "/", in_project(pattern))
    paths = [path for path in glob.glob(full_pattern, recursive=True) if os.path.isfile(path)]
    sizes = {path: os.path.getsize(path) for path in paths}
    paths = sorted(path for path in paths if not _is_marker(path, sizes[path]))
    if not paths:
        raise UserError(f'data.path: no file matches "{pattern}" (looked {search_folder_in_words()})')
    partitions = [_partition(path[len(_folder(full_pattern)) :]) for path in paths]
    files = [
        DataFile(path, partial(_local, path), partition, day, sizes[path])
        for path, partition, day in zip(paths, partitions, _days(partitions, date), strict=True)
    ]
    return _within(files, date_range)


def _local(path: str) -> AbstractContextManager[Path]:
    return nullcontext(Path(path))


def fetched(files: Sequence[DataFile]) -> Iterator[tuple[DataFile, Path]]:
    """Each file with the path of its content on this disk. Files of a bucket are fetched ahead, several at a time."""

    def fetch(file: DataFile) -> None:
        with file.content():
            pass

    if not any(file.name.startswith("gs://") for file in files):
        for file in files:
            with file.content() as path:
                yield file, path
        return
    waiting = collections.deque(files)
    fetches: collections.deque[tuple[DataFile, concurrent.futures.Future[None]]] = collections.deque()
    pool = concurrent.futures.ThreadPoolExecutor(_AHEAD)
    try:
        while waiting or fetches:
            while waiting and len(fetches) < _AHEAD:
                file = waiting.popleft()
                fetches.append((file, pool.submit(fetch, file)))
            file, fetch_of_file = fetches.popleft()
            fetch_of_file.result()
            with file.content() as path:
                yield file, path
    finally:
        pool.shutdown(cancel_futures=True)


def _in_bucket(pattern: str, date: str, date_range: DateRange | None) -> list[DataFile]:
    # Imported here, because it is slow and local files do not need it.
    from google.api_core.exceptions import NotFound

    from pipeline.store.client import Bucket, bad_checksums_retried

    name, _, key_pattern = pattern.removeprefix("gs://").partition("/")
    bucket = Bucket(
        name,
        refused=UserError,
        denied=OutOfReachError,
        role="roles/storage.objectViewer",
        instead="correct data.path",
    )
    local_cache = cache.of_this_machine()

    def content(object: str, generation: int, size: int) -> AbstractContextManager[Path]:
        def fetch(file: BinaryIO) -> None:
            def attempt() -> None:
                file.seek(0)
                with bad_checksums_retried():
                    # Raw, because an object stored with gzip encoding would be unpacked and have another size.
                    bucket.blob(object, generation).download_to_file(
                        file, raw_download=True, timeout=bucket.timeout, retry=None
                    )

            try:
                bucket.call("read", object, attempt)
            except NotFound:
                raise InfrastructureError(
                    f"gs://{name}/{object} was replaced or removed while it was read: try again"
                ) from None

        return local_cache.file(f"gs://{name}/{object}#{generation}", size, fetch)

    with bucket.explained("list", _folder(key_pattern)):
        objects, has_other_days = _objects(bucket, key_pattern, date, date_range)
    if not objects and not has_other_days:
        raise UserError(f'data.path: no object matches "{pattern}"')
    partitions = [_partition(object[len(_folder(key_pattern)) :]) for object in objects]
    files = [
        DataFile(f"gs://{name}/{object}", partial(content, object, *version), partition, day, version[1])
        for (object, version), partition, day in zip(objects.items(), partitions, _days(partitions, date), strict=True)
    ]
    return _within(sorted(files, key=lambda file: file.name), date_range)


def _objects(
    bucket: "Bucket", pattern: str, date: str, date_range: DateRange | None
) -> tuple[dict[str, tuple[int, int]], bool]:
    """The matching objects, `{name: (generation, size)}`, and True if there are partitions by day.

    Then objects of days outside the range are not listed.
    """
    folder, start = _folder(pattern), _plain_start(pattern)
    objects: dict[str, tuple[int, int]] = {}

    def list_objects(fields: str = "items(name,generation,size),nextPageToken", **options: str) -> list[str]:
        """Adds the matching objects. Returns the folders, if the options have a delimiter."""
        folders: set[str] = set()
        for page in bucket.list(prefix=start, fields=fields, **options).pages:
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
        # The end is exclusive. A zero sorts right after a slash, so all objects of the last folder are listed.
        list_objects(start_offset=needed[0], end_offset=needed[-1].removesuffix("/") + "0")
    return objects, bool(folders)


def _within(files: list[DataFile], date_range: DateRange | None) -> list[DataFile]:
    """The files without those whose day is known and lies outside the range."""
    if date_range is None:
        return files

    def may_be_within(day: np.datetime64 | None) -> bool:
        return day is None or bool(np.isnat(day)) or bool(contains(date_range, np.array([day]))[0])

    return [file for file in files if may_be_within(file.day)]


def _folder(pattern: str) -> str:
    """The folder that holds all matches, with a slash at its end."""
    start = _plain_start(pattern)
    return start[: start.rfind("/") + 1]


def _plain_start(pattern: str) -> str:
    """The start of the pattern up to its first wildcard."""
    return re.split(r"[*?[]", pattern, maxsplit=1)[0]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Matches like `glob` on a disk: `*` within a name, `**` for any number of folders, neither for `.hidden`."""
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
    """Columns and values from the folder names of a path."""
    folders = (folder.partition("=") for folder in path.split("/")[:-1] if "=" in folder)
    return {unquote(key): None if value == NULL else unquote(value) for key, _, value in folders}


def _days(partitions: Sequence[Mapping[str, str | None]], date: str) -> list[np.datetime64 | None]:
    days = days_of(pd.Series([partition.get(date) for partition in partitions], dtype=object))
    days[~contains(CALENDAR, days)] = np.datetime64("NaT")
    return [day if date in partition else None for partition, day in zip(partitions, days, strict=True)]


def _is_marker(path: str, size: int) -> bool:
    """True for an empty file that marks a folder, or (`_SUCCESS`) the end of a program."""
    return size == 0 and (path.endswith("/") or os.path.basename(path).startswith("_"))
