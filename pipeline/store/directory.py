"""A store in a directory, on this machine or on a mount that several machines share.

An object is a plain file that a person can `ls` and `cat`. A file gets its name only once it is whole and
flushed to disk. A mount needs working file locks.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import InfrastructureError, UserError
from pipeline.store.interface import Entry
from pipeline.store.keys import INTERNAL, check_key, check_prefix, is_key, temporary_name

_MARKER = f"{INTERNAL}store.json"
_LOCK = f"{INTERNAL}lock"

_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
# Errors of link(2) on file systems without hard links (FAT, some FUSE and SMB mounts).
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}

_ADVICE = {
    errno.ENOSPC: "free some space there, or use another store",
    errno.EDQUOT: "free some of your quota there, or use another store",
    errno.EROFS: "it is mounted read-only; use another store, or mount it writable",
    errno.EACCES: "check who may read and write there",
    errno.EPERM: "check who may read and write there",
    errno.ENOLCK: "its server offers no file locks; use another directory, or a bucket",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EISDIR: "a folder of that name is in the way",
    errno.ESTALE: "the mount went away; mount it again",
}


class DirectoryStore:
    """The store in the directory `root`, which is created by the first write.

    The first machine that writes marks the store as its own. Other machines may read it. They may write only if the
    store is declared a shared mount, by `shared` or HPT_STORE_SHARED=1. The store keeps the declaration.

    Raises UserError if `root` is a file, and at a write by a machine that may not write.
    """

    def __init__(self, root: str, shared: bool | None = None) -> None:
        self.root = root
        self._folder = os.path.abspath(os.path.expanduser(root))
        if os.path.exists(self._folder) and not os.path.isdir(self._folder):
            raise UserError(f"the store {root} is a file: name a directory or gs://bucket/prefix")
        self._shared = os.environ.get("HPT_STORE_SHARED", "0") not in ("", "0") if shared is None else shared
        self._claimed = False
        self._thread_lock = threading.Lock()

    def read(self, key: str) -> bytes:
        return self.read_versioned(key)[0]

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        with self._explained("read", key), self._open(key) as file:
            return file.read(), _version(os.fstat(file.fileno()))

    def exists(self, key: str) -> bool:
        path = self._path(key)
        with self._explained("read", key):
            try:
                with open(path, "rb"):
                    return True
            except _MISSING:
                return False

    def create(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        with self._explained("write", key), self._filled(path, data) as temporary:
            return self._link(temporary, path)

    def replace(self, key: str, data: bytes, version: str | None) -> bool:
        if version is None:
            return self.create(key, data)
        path = self._path(key)
        with self._explained("write", key), self._filled(path, data) as temporary:
            return self._rename(temporary, path, version)

    def write(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with self._explained("write", key), self._filled(path, data) as temporary:
            self._rename(temporary, path)

    def upload(self, key: str, path: Path) -> None:
        target = self._path(key)
        with open(path, "rb") as source, self._explained("write", key), self._filled(target, source) as temporary:
            self._rename(temporary, target)

    def download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(temporary_name())
        try:
            with self._explained("download", key), self._open(key) as source:
                _fill(str(temporary), source)
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._explained("delete", key):
            if not os.path.isfile(path):
                return
            self._claim()
            with self._locked(), contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            _sync_folder(os.path.dirname(path))

    def tidy(self, prefix: str) -> None:
        with self._explained("tidy", prefix):
            folder = self._path(check_prefix(prefix).removesuffix("/"))
            for path, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):  # not empty, or already removed
                    os.rmdir(path)

    def entries(self, prefix: str, suffix: str = "") -> Iterator[Entry]:
        base = check_prefix(prefix).rpartition("/")[0]
        base += "/" if base else ""
        with self._explained("list", prefix):
            for key, entry in self._walk(base, prefix, suffix):
                with contextlib.suppress(FileNotFoundError):  # deleted since the folder was read
                    stat = entry.stat()
                    yield Entry(key, stat.st_size, _version(stat))

    def folders(self, prefix: str) -> list[str]:
        if prefix and not prefix.endswith("/"):
            raise ValueError(f"{prefix!r} does not end with a slash")
        check_prefix(prefix)
        with self._explained("list", prefix):
            names = [name for name, entry in self._scan(prefix) if name.endswith("/")]
            return [name[:-1] for name in names if any(True for _ in self._walk(prefix + name, "", ""))]

    def link(self, key: str) -> str:
        return self._path(key)

    def _path(self, key: str) -> str:
        return os.path.join(self._folder, check_key(key))

    def _open(self, key: str) -> BinaryIO:
        try:
            return open(self._path(key), "rb")
        except _MISSING:
            raise FileNotFoundError(errno.ENOENT, f"no such file in the store {self.root}", key) from None

    def _scan(self, base: str) -> list[tuple[str, "os.DirEntry[str]"]]:
        """The entries of the folder `base`, sorted like keys: the names of folders end with a slash."""
        entries = []
        with contextlib.suppress(*_MISSING), os.scandir(os.path.join(self._folder, base)) as scan:
            for entry in scan:
                # Skips temporary files, and names in odd encodings, which no store can have written.
                if is_key(entry.name):
                    entries.append((entry.name + "/" if entry.is_dir() else entry.name, entry))
        return sorted(entries, key=itemgetter(0))

    def _walk(self, base: str, prefix: str, suffix: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
        for name, entry in self._scan(base):
            key = base + name
            if name.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(key, prefix, suffix)
            elif key.endswith(suffix) and key.startswith(prefix):
                yield key, entry

    @contextlib.contextmanager
    def _filled(self, path: str, content: bytes | BinaryIO) -> Iterator[str]:
        """A temporary file in the folder of `path` with this content. The file and new folders are flushed to disk."""
        self._claim()
        folder = os.path.dirname(path)
        new_folders = _make_folder(folder)
        temporary = os.path.join(folder, temporary_name())
        try:
            _fill(temporary, content)
            # Flush the folders after the file: on most file systems that makes it cheap.
            for new_folder in new_folders:
                _sync_folder(os.path.dirname(new_folder))
            yield temporary
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)

    def _link(self, temporary: str, path: str) -> bool:
        """Gives the temporary file the name `path`. False if there is such a file already."""
        try:
            os.link(temporary, path)
        except FileExistsError:
            if os.path.isdir(path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from None
            # A network mount repeats a call whose answer was lost, and then finds the name that it has just given.
            return _is_same_file(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # All writers of this file system take this branch, so the lock keeps them apart.
            with self._locked():
                if os.path.exists(path):
                    return False
                os.rename(temporary, path)
        _sync_folder(os.path.dirname(path))
        return True

    def _rename(self, temporary: str, path: str, version: str | None = None) -> bool:
        """Puts the temporary file in place of `path`. False if `path` does not have this version."""
        with self._locked():
            old = _stat(path)
            if version is not None and (old is None or _version(old) != version):
                return False
            if old is not None:
                # A version is inode number, time and size. Clocks of file systems tick slowly and inode numbers are
                # reused, so the content of two writes ago could have the same version: each write gets a later time.
                new = os.stat(temporary)
                newer = max(new.st_mtime_ns, old.st_mtime_ns + 1)
                os.utime(temporary, ns=(new.st_atime_ns, newer))
            os.replace(temporary, path)
        _sync_folder(os.path.dirname(path))
        return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock for changes of this store. It is held during a rename, never while content is written."""
        with self._thread_lock:
            # The lock ends when the file is closed, or the process dies.
            lock = os.open(os.path.join(self._folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)

    def _claim(self) -> None:
        """Marks the store as this machine's, or checks that this machine may write to it."""
        if self._claimed:
            return
        marker = os.path.join(self._folder, _MARKER)
        for folder in _make_folder(self._folder):
            _sync_folder(os.path.dirname(folder))
        mine = {"host": socket.gethostname(), "machine": _machine(), "shared": self._shared}
        temporary = os.path.join(self._folder, temporary_name())
        _fill(temporary, json.dumps(mine).encode())
        try:
            if not self._link(temporary, marker):
                self._join(marker)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        self._claimed = True

    def _join(self, marker: str) -> None:
        """Checks that this machine may write to a store with a marker, or marks the store as shared."""
        with open(marker, "rb") as file:
            content = file.read()
        try:
            owner = json.loads(content)
            host, machine, shared = owner["host"], owner["machine"], owner["shared"]
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{marker} is damaged: delete it, and the next machine that writes claims it") from None
        if shared:
            return
        if self._shared:
            temporary = os.path.join(self._folder, temporary_name())
            _fill(temporary, json.dumps({**owner, "shared": True}).encode())
            self._rename(temporary, marker)
        elif not set(machine) & set(_machine()):
            raise UserError(
                f"the store {self.root} belongs to the machine {host!r}: if both machines see the same mount, declare "
                "it shared by setting HPT_STORE_SHARED=1 once; else use gs://bucket/prefix or another directory"
            )

    @contextlib.contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if error.filename == key:  # from `_open`: the object is missing
                raise
            raise self._explanation(verb, key, error) from error
        except OSError as error:
            raise self._explanation(verb, key, error) from error

    def _explanation(self, verb: str, key: str, error: OSError) -> InfrastructureError:
        advice = _ADVICE.get(error.errno or 0, "check that the directory is there and can be used")
        reason = error.strerror or type(error).__name__
        return InfrastructureError(f"cannot {verb} {key!r} in the store {self.root}: {reason}: {advice}")


def _fill(path: str, content: bytes | BinaryIO) -> None:
    """Creates a file with this content and flushes it to disk. Its permissions follow the umask."""
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb")
    with file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            shutil.copyfileobj(content, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: str) -> list[str]:
    """Creates the folder and its parents. Returns the new ones, whose names are not flushed to disk yet."""
    if os.path.isdir(folder):
        return []
    new_parents = _make_folder(os.path.dirname(folder))
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    return [*new_parents, folder]


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE mounts cannot flush a folder; their servers keep the names.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(descriptor)


def _stat(path: str) -> os.stat_result | None:
    # Open it: a mount may answer a stat from its cache, but asks the server before it opens a file.
    try:
        with open(path, "rb") as file:
            return os.fstat(file.fileno())
    except FileNotFoundError:
        return None


def _is_same_file(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except FileNotFoundError:  # deleted meanwhile
        return False


def _version(stat: os.stat_result) -> str:
    return f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"


def _machine() -> list[str]:
    """Hashed ids of this machine. A container often has no machine id, but always the boot id of its host."""
    ids = []
    for source in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        with contextlib.suppress(OSError), open(source) as file:
            ids.append(file.read().strip())
    ids = [id for id in ids if id] or [socket.gethostname()]
    return [hashlib.sha256(id.encode()).hexdigest()[:16] for id in ids]
