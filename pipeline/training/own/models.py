"""Finds the model among the files of a team's own training, and packs it if it has several files.

A training that has reported its metrics never fails because of its files: the log says which ones cannot be kept.
"""

import os
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.store.keys import is_key
from pipeline.training.saved import PACKED

_OUR_FILES = ("log.txt", "epochs.csv")
"""Files that hpt writes beside the model; a model of such a name is kept under another."""
_PACK = "model"
"""Name of a packed model, without its suffix."""


@dataclass(frozen=True)
class Kept:
    """A model to keep: a file, and the name under which it is kept."""

    name: str
    path: Path


def keep_model(model: str | Sequence[str] | None, folder: Path, say: Callable[[str], None]) -> Kept | None:
    """The model of a training: the file, folder or files that it named, relative to `folder`; None if there is none.

    Without a name the model is everything in `folder`. A model that is no single file is packed into a new file in
    `folder`, which `saved.unpack` unpacks. `say` gets notes for the log.
    """
    names = [model] if isinstance(model, str) else list(model or ())
    try:
        paths = [Path(os.path.normpath(folder / name)) for name in names]
        missing = [name for name, path in zip(names, paths, strict=True) if not _can_be_kept(path, folder)]
        if missing:
            say(f"the model that it names, {', '.join(map(repr, missing))}, is no file or folder that can be read")
            paths = [path for path in paths if _can_be_kept(path, folder)]
            if not paths and any(folder.iterdir()):
                say("all that lies in HPT_FOLDER is kept instead")
        return _collect(paths or [folder], folder, say)
    except (OSError, ValueError, tarfile.TarError) as error:
        say(f"the model is not kept: {getattr(error, 'strerror', None) or error}")
        return None


def _collect(paths: Sequence[Path], folder: Path, say: Callable[[str], None]) -> Kept | None:
    """The paths as a single file: as it is if they are one file, else packed."""
    pack = _Pack(say)
    for path in paths:
        name = "" if path.resolve() == folder.resolve() else path.name
        if len(paths) > 1 and path.is_relative_to(folder) and name:
            name = path.relative_to(folder).as_posix()
        pack.add(path.resolve() if path.is_dir() else path, name)
    files = [(name, path) for name, path in pack.members.items() if path.is_file() and name not in pack.links]
    if not files:
        return None
    # A single file is kept as it is. But a folder that the training named is packed even with one file in it, so that
    # unpacking gives a folder again.
    is_named_folder = paths[0] != folder and paths[0].is_dir()
    if len(files) == 1 and not pack.links and not is_named_folder:
        name, path = Path(files[0][0]).name, files[0][1]
        if is_key(name):
            return Kept(f"model-{name}" if name in _OUR_FILES else name, path)
    # Everything else is packed. The pack is written into a new folder, so that it overwrites no file of the training.
    name = f"{paths[0].name}.tar" if len(paths) == 1 and is_named_folder else f"{_PACK}.tar"
    packed = Kept(name if is_key(name) else f"{_PACK}.tar", Path(tempfile.mkdtemp(dir=folder), "packed"))
    pack.write(packed.path)
    say(f"the model is kept as {packed.name}: {len(files)} files, {packed.path.stat().st_size:,} bytes")
    return packed


def _can_be_kept(path: Path, folder: Path) -> bool:
    """True for a readable file, or a readable folder that does not contain the training's folder."""
    if path.is_dir():
        return os.access(path, os.R_OK | os.X_OK) and path.resolve() not in folder.resolve().parents
    return path.is_file() and os.access(path, os.R_OK)


class _Pack:
    """Files, folders and links to pack."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.members: dict[str, Path] = {}
        """`{name in the pack: path}`."""
        self.links: dict[str, str] = {}
        """`{name in the pack: target}` of members that are links to another member."""

    def add(self, path: Path, name: str, root: Path | None = None, above: tuple[Path, ...] = ()) -> None:
        """Adds a file, or a folder with its content. A link that leads out of `root` is replaced by its target.

        `root` is the outermost folder that is being added, and `above` all folders from it down to `path`.
        """
        if path.is_symlink() and root is not None:
            target = path.resolve()
            if target.is_relative_to(root) and target.exists():
                self.members[name] = path
                self.links[name] = os.path.relpath(target, path.parent.resolve())
                return
        if path.is_dir():
            resolved = path.resolve()
            if resolved in above or not os.access(path, os.R_OK | os.X_OK):
                self._say(f"not kept: {name}, which leads back to itself or cannot be read")
                return
            if name:
                self.members[name] = path
            for entry in sorted(path.iterdir()):
                self.add(entry, f"{name}/{entry.name}" if name else entry.name, root or resolved, (*above, resolved))
        elif path.is_file() and os.access(path, os.R_OK):
            self.members[name] = path
        else:
            self._say(f"not kept: {name}, which is no file that can be read")

    def write(self, to: Path) -> None:
        """Writes the pack as a tar file. Raises OSError if a file cannot be read or the pack cannot be written."""
        with tarfile.open(to, "w", format=tarfile.PAX_FORMAT, pax_headers=PACKED) as tar:
            for name, path in self.members.items():
                member = tarfile.TarInfo(name)
                if name in self.links:
                    member.type, member.linkname = tarfile.SYMTYPE, self.links[name]
                    tar.addfile(member)
                elif path.is_dir():
                    member.type, member.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(member)
                else:
                    with path.open("rb") as file:
                        status = os.fstat(file.fileno())
                        member.size, member.mtime = status.st_size, int(status.st_mtime)
                        member.mode = 0o755 if status.st_mode & 0o100 else 0o644
                        tar.addfile(member, file)
