"""Copies of a bucket's objects on this machine's disk, shared by all lanes and sweeps, bounded in size.

Whole objects are kept, as they are in the bucket: one copy serves every sweep, whatever columns and days it reads, and
its checksum was the service's own. It knows nothing of what is in them, nor of buckets: whoever asks brings the fetch.

There is no state but the files, and file locks, which the kernel drops with the process that holds them. What is
fetched grows in `partial/`, locked by the one who fetches; whole, it is renamed into `objects/`. Who reads it holds a
shared lock, and only what nobody holds is removed.
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
# For how long others may keep all of the cache in use.
_PATIENCE_S = 600.0
_LOOK_AGAIN_S = 0.1


def of_this_machine() -> "Cache":
    """The cache in HPT_CACHE, else in the user's folder for caches, of at most HPT_CACHE_GB gigabytes."""
    said = os.environ.get("HPT_CACHE_GB") or str(GB_AT_MOST)
    try:
        gigabytes = float(said)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < 1e9:
        raise UserError(f"HPT_CACHE_GB={said} is no number of gigabytes; write one like 50")
    usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "hpt"
    try:
        folder = Path(os.environ.get("HPT_CACHE") or usual).expanduser()
    except RuntimeError:
        raise UserError("no home folder is known here (HOME is not set): name a folder in HPT_CACHE") from None
    return Cache(folder, int(gigabytes * GB))


class Cache:
    """The cache in `folder`, which is created when it is first needed."""

    def __init__(self, folder: Path, bytes_at_most: int) -> None:
        self.folder = folder
        self._at_most = bytes_at_most
        self._objects = folder / "objects"
        self._partial = folder / "partial"

    @contextlib.contextmanager
    def file(self, key: str, size: int, fetch: Callable[[BinaryIO], None]) -> Iterator[Path]:
        """The file of `key`, for as long as the context lasts; if it is not there, it is fetched by one, once.

        `fetch` writes exactly `size` bytes. A key stands for its content: the same key never means another.
        """
        name = hashlib.sha256(key.encode()).hexdigest()[:40]
        with self._explained():
            for folder in (self._objects, self._partial):
                folder.mkdir(parents=True, exist_ok=True)
        while True:
            with self._explained():
                held = self._held(name, size)
            if held is None:
                self._fetch(key, name, size, fetch)
                continue
            try:
                yield self._objects / name
                return
            finally:
                held.close()

    def _held(self, name: str, size: int) -> BinaryIO | None:
        """The object, open and locked against removal; None if it is not there."""
        path = self._objects / name
        file = _locked(path, os.O_RDONLY, fcntl.LOCK_SH)
        if file is None:
            return None
        if os.fstat(file.fileno()).st_size != size:  # what a machine leaves that lost its power
            path.unlink(missing_ok=True)
            file.close()
            return None
        os.utime(path)
        return file

    def _fetch(self, key: str, name: str, size: int, fetch: Callable[[BinaryIO], None]) -> None:
        partial = self._partial / name
        with self._explained():
            file = _locked(partial, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)
            if file is None:  # another one has finished it meanwhile, or has given it up
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
        """Removes what was used longest ago until there is room, and takes it: the file gets its full size at once."""
        if size > self._at_most:
            raise UserError(
                f"{key} has {_gb(size)}, the cache {self.folder} at most {_gb(self._at_most)}: set HPT_CACHE_GB higher"
            )
        until = time.monotonic() + _PATIENCE_S
        while True:
            # One at a time, or two would take the same room.
            with open(self.folder / "lock", "ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                used = self._tidy(size)
                free = self._free()
                if used + size <= self._at_most and size <= free:
                    if size and hasattr(os, "posix_fallocate"):  # macOS has none: there, others may take the room
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
        """Removes what was left behind, and objects until `size` more fit or all others are in use; what is used."""
        used = 0
        for left in _files(self._partial):
            used += 0 if _removed(left.path) else left.size
        objects = sorted(_files(self._objects), key=lambda file: file.last_use)
        used += sum(file.size for file in objects)
        for file in objects:
            if used + size <= self._at_most and size <= self._free():
                break
            if _removed(file.path):
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
    """The disk refused; in a class of its own, because the client that fetches takes any OSError for the network's."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Sink:
    """The file, for whoever fetches into it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, content: bytes) -> int:
        try:
            return self._file.write(content)
        except OSError as error:
            raise _Unwritable(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _locked(path: Path, flags: int, how: int) -> BinaryIO | None:
    """The file, open and locked; None if there is none under this name, or no longer when the lock was there."""
    try:
        file = os.fdopen(os.open(path, flags | os.O_CLOEXEC, 0o666), "rb" if flags == os.O_RDONLY else "r+b")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, how)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def _removed(path: Path) -> bool:
    """Whether it could be removed, because nobody holds it."""
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
            found = entry.stat()
            yield _File(Path(entry.path), found.st_size, found.st_mtime)


def _gb(size: int) -> str:
    return f"{size / GB:.3g} GB"
