"""What the pipeline needs of a place that keeps files. What a key means is the business of `sweep/layout.py`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Entry:
    """One object of a listing. `version` changes whenever the object's content does."""

    key: str
    size: int
    version: str
    content: bytes | None = field(default=None, compare=False)
    """The content itself where the listing brought it along, which saves reading it: a bucket does so for what is
    small and was made by `create`."""


class Store(Protocol):
    """What the pipeline needs of a place that keeps files.

    Every method raises InfrastructureError, one line that says what to do, if the store cannot be reached
    or does not allow it; a missing key is FileNotFoundError.
    """

    root: str
    """As a person writes it: `gs://bucket/prefix` or a directory."""

    def read(self, key: str) -> bytes: ...

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        """The content and its version, for `replace`."""
        ...

    def exists(self, key: str) -> bool: ...

    def create(self, key: str, data: bytes) -> bool:
        """Writes the object if there is none: whole, and durable before it can be seen.

        False if there was one already, which then stays as it is. Of several that race, exactly one gets True, also
        when the answer to its write was lost on the way and the call had to look again.
        """
        ...

    def replace(self, key: str, data: bytes, version: str | None) -> bool:
        """Writes over exactly `version` (None: over nothing). False, and nothing written, if it changed.

        One exception: if the answer to a write was lost, and somebody wrote over it before the call could look, it
        is False too. So what is written must be computed anew from what is there now, and must not mind being
        written twice, as a merge does not; it is no way to count.
        """
        ...

    def write(self, key: str, data: bytes) -> None:
        """Writes the object, whatever was there. Readers see the old content or the new, never a mixture."""
        ...

    def upload(self, key: str, path: Path) -> None:
        """`write`, from a local file of any size."""
        ...

    def download(self, key: str, path: Path) -> None:
        """Into a local file, which appears whole or not at all; folders on the way are made."""
        ...

    def delete(self, key: str) -> None:
        """Removes the object; one that is not there is fine."""
        ...

    def tidy(self, prefix: str) -> None:
        """Removes folders without objects below `prefix`, which ends with a slash, where a store has such."""
        ...

    def entries(self, prefix: str, suffix: str = "") -> Iterator[Entry]:
        """All objects whose key begins with `prefix` and ends with `suffix`, in the order of their keys."""
        ...

    def folders(self, prefix: str) -> list[str]:
        """The names directly under `prefix` (which ends with `/` or is empty) that have objects below them."""
        ...

    def link(self, key: str) -> str:
        """Where a person clicks to get the object; for a directory, its absolute path."""
        ...


def content_of(store: Store, entry: Entry) -> bytes:
    """The content of a listed object. Raises FileNotFoundError if it was deleted since."""
    return store.read(entry.key) if entry.content is None else entry.content
