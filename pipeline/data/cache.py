"""A cache of a bucket's objects on this machine's disk, bounded in size and shared by all lanes and sweeps.

It holds whole objects as they are stored, so one copy serves sweeps that read different columns and days, and can
be checked against the service's checksum. The cache knows neither buckets nor what objects contain: its callers pass a
function that fetches.

The only state is files and file locks. The kernel drops the locks of a process that ends. An object is fetched into
`partial/` under an exclusive lock and then renamed into `objects/`. Its readers hold a shared lock. Only unlocked files
are removed.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from pipeline.errors import InfrastructureError, UserError

GB_AT_MOST = 50.0
GB = 10**9

_ADVICE = {
    errno.ENOSPC: "free some space there, or set HPT_CACHE to a folder on a larger disk",
    errno.EDQUOT: "free some of your quota there, or set HPT_CACHE to another folder",
    errno.EFBIG: "files may not be so large there; set HPT_CACHE to another folder",
    errno.ENOLCK: "there are no file locks there; set HPT_CACHE to a folder on a local disk",
}
# How long to wait for room while other processes use the whole cache, and how often to look for it.
_PATIENCE_S = 600.0
_LOOK_AGAIN_S = 0.1


def of_this_machine() -> "Cache":
    """The cache in HPT_CACHE, else in the user's cache folder, of at most HPT_CACHE_GB gigabytes.

    Raises UserError if HPT_CACHE_GB is no number, or if there is no home folder.
    """
    limit = os.environ.get("HPT_CACHE_GB") or str(GB_AT_MOST)
    try:
        gigabytes = float(limit)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < 1e9:
        raise UserError(f"HPT_CACHE_GB={limit} is no number of gigabytes; write one like 50")
    default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "hpt"
    try:
        folder = Path(os.environ.get("HPT_CACHE") or default).expanduser()
    except RuntimeError:
        raise UserError("no home folder is known here (HOME is not set): name a folder in HPT_CACHE") from None
    return Cache(folder, int(gigabytes * GB))


class Cache:
    """The cache in `folder`, which is created on first use. Safe for several processes at once."""

    def __init__(self, folder: Path, bytes_at_most: int) -> None:
        self.folder = folder
        self._at_most = bytes_at_most
        self._objects = folder / "objects"
        self._partial = folder / "partial"

    @contextlib.contextmanager
    def file(self, key: str, size: int, fetch: Callable[[BinaryIO], None]) -> Iterator[Path]:
        """The file of `key`, valid within the context. A missing file is fetched once, by a single process.

        `fetch` writes exactly `size` bytes. A key always stands for the same content. Raises UserError if the object is
        larger than the cache, InfrastructureError if the disk fails or stays full.
        """
        name = hashlib.sha256(key.encode()).hexdigest()[:40]
        with self._explained():
            for folder in (self._objects, self._partial):
                folder.mkdir(parents=True, exist_ok=True)
        while True:
            with self._explained():
                file = self._open_locked(name, size)
            if file is None:
                self._fetch(key, name, size, fetch)
                continue
            try:
                yield self._objects / name
                return
            finally:
                file.close()

    def _open_locked(self, name: str, size: int) -> BinaryIO | None:
        """The object, open and locked against removal; None if it is not there."""
        path = self._objects / name
        file = _locked(path, os.O_RDONLY, fcntl.LOCK_SH)
        if file is None:
            return None
        if os.fstat(file.fileno()).st_size != size:  # a power failure can leave such a file
            path.unlink(missing_ok=True)
            file.close()
            return None
        os.utime(path)
        return file

    def _fetch(self, key: str, name: str, size: int, fetch: Callable[[BinaryIO], None]) -> None:
        partial = self._partial / name
        with self._explained():
            file = _locked(partial, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)
            if file is None:  # another process has just finished or abandoned it
                return
            with file:
                try:
                    if (self._objects / name).exists():
                        partial.unlink()
                        return
                    self._make_room(key, size, file)
                    fetch(cast(BinaryIO, _Sink(file)))
                    file.truncate()
                    if file.tell() != size:
                        raise InfrastructureError(f"{key}: {file.tell():,} bytes came instead of {size:,}: try again")
                    file.flush()
                    os.fsync(file.fileno())
                    os.replace(partial, self._objects / name)
                except _Unwritable as error:
                    partial.unlink(missing_ok=True)
                    raise error.cause from None
                except BaseException:
                    partial.unlink(missing_ok=True)
                    raise

    def _make_room(self, key: str, size: int, file: BinaryIO) -> None:
        """Removes the least recently used objects until there is room, and reserves it for the file."""
        if size > self._at_most:
            raise UserError(
                f"{key} has {_gb(size)}, the cache {self.folder} at most {_gb(self._at_most)}: set HPT_CACHE_GB higher"
            )
        until = time.monotonic() + _PATIENCE_S
        while True:
            # Only one process at a time makes room, or two would count on the same bytes.
            with open(self.folder / "lock", "ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                used = self._tidy(size)
                free = self._free()
                if used + size <= self._at_most and size <= free:
                    if size and hasattr(os, "posix_fallocate"):  # macOS has none and cannot reserve the room
                        os.posix_fallocate(file.fileno(), 0, size)
                    return
            if used == 0:
                raise OSError(errno.ENOSPC, f"{_gb(size)} are needed, {_gb(free)} are free")
            if time.monotonic() > until:
                raise InfrastructureError(
                    f"the cache {self.folder} is full of files in use: set HPT_CACHE_GB higher, or run fewer lanes"
                )
            time.sleep(_LOOK_AGAIN_S)

    def _tidy(self, size: int) -> int:
        """Removes abandoned files, then unused objects until `size` bytes fit. Returns the bytes that stay."""
        used = 0
        for file in _files(self._partial):
            used += 0 if _remove_unlocked(file.path) else file.size
        objects = sorted(_files(self._objects), key=lambda file: file.last_use)
        used += sum(file.size for file in objects)
        for file in objects:
            if used + size <= self._at_most and size <= self._free():
                break
            if _remove_unlocked(file.path):
                used -= file.size
        return used

    def _free(self) -> int:
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            advice = _ADVICE.get(error.errno or 0, "set HPT_CACHE to a folder that can be written to")
            raise InfrastructureError(f"the cache {self.folder}: {error.strerror}: {advice}") from error


@dataclass(frozen=True)
class _File:
    path: Path
    size: int
    last_use: float


class _Unwritable(Exception):
    """The disk refused a write. Not an OSError, because the client that fetches would take it for a network error."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Sink:
    """A file to fetch into. Its write errors are `_Unwritable`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, content: bytes) -> int:
        try:
            return self._file.write(content)
        except OSError as error:
            raise _Unwritable(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _locked(path: Path, flags: int, lock: int) -> BinaryIO | None:
    """The file, open and locked; None if it does not exist, or was removed or renamed while waiting for the lock."""
    try:
        file = os.fdopen(os.open(path, flags | os.O_CLOEXEC, 0o666), "rb" if flags == os.O_RDONLY else "r+b")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, lock)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def _remove_unlocked(path: Path) -> bool:
    """Removes the file unless a process has locked it. True if it is gone."""
    try:
        file = _locked(path, os.O_RDWR, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if file is not None:
        with file:
            path.unlink(missing_ok=True)
    return True


def _files(folder: Path) -> Iterator[_File]:
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            stat = entry.stat()
            yield _File(Path(entry.path), stat.st_size, stat.st_mtime)


def _gb(size: int) -> str:
    return f"{size / GB:.3g} GB"
