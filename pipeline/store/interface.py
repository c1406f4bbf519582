"""The interface of a store. `sweep/layout.py` gives keys their meaning."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Entry:
    """An object in a listing. `version` changes whenever the object's content does."""

    key: str
    size: int
    version: str
    content: bytes | None = field(default=None, compare=False)
    """The content, if the listing has it, so that it need not be read. A bucket's listing has the content of small
    objects that were made by `create`."""


class Store(Protocol):
    """A place that keeps objects under keys.

    Every method raises InfrastructureError, with a line of advice, if the store cannot be reached or denies access.
    A missing key raises FileNotFoundError.
    """

    root: str
    """The address, as a person writes it: `gs://bucket/prefix` or a directory."""

    def read(self, key: str) -> bytes: ...

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        """The content and its version, for `replace`."""
        ...

    def exists(self, key: str) -> bool: ...

    def create(self, key: str, data: bytes) -> bool:
        """Writes the object if there is none: whole, and durable before it is visible.

        False if there is one already; it stays as it is. Of several calls that race, exactly one gets True, even if
        the answer to its write is lost and the call has to look again.
        """
        ...

    def replace(self, key: str, data: bytes, version: str | None) -> bool:
        """Writes the object if `version` is its current version; if that is None, only if there is no object.

        Returns False if it did not write. Also if it did, but the answer was lost and another writer replaced the
        object before the call could look. Callers must then compute the content anew from the current object, and their
        change must be safe to apply twice: a merge is, a counter is not.
        """
        ...

    def write(self, key: str, data: bytes) -> None:
        """Writes or replaces the object. Readers see the old content or the new, never a mixture."""
        ...

    def upload(self, key: str, path: Path) -> None:
        """Like `write`, from a local file of any size."""
        ...

    def download(self, key: str, path: Path) -> None:
        """Copies the object to a local file, which appears whole or not at all. Creates its folders."""
        ...

    def delete(self, key: str) -> None:
        """Removes the object. A missing object is no error."""
        ...

    def tidy(self, prefix: str) -> None:
        """Removes empty folders below `prefix`, which ends with a slash. Does nothing in a bucket, which has none."""
        ...

    def entries(self, prefix: str, suffix: str = "") -> Iterator[Entry]:
        """The objects whose key begins with `prefix` and ends with `suffix`, sorted by key."""
        ...

    def folders(self, prefix: str) -> list[str]:
        """The names directly under `prefix` (which ends with `/` or is empty) that have objects below them."""
        ...

    def link(self, key: str) -> str:
        """The URL at which a person gets the object; in a directory, its absolute path."""
        ...


def content_of(store: Store, entry: Entry) -> bytes:
    """The content of a listed object. Raises FileNotFoundError if it was deleted after the listing."""
    return store.read(entry.key) if entry.content is None else entry.content
