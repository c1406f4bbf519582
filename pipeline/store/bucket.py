"""A store in a Google Cloud Storage bucket, on the official client.

Each write of an object gives it a new generation, a version number. A write that names the generation it expects fails
if another write came first; exactly-once writes rely on nothing else. All calls are retried under the same policy,
until a deadline. Other object stores are not supported.
"""

import base64
import mimetypes
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud import storage

from pipeline.errors import UserError
from pipeline.store.client import Bucket, bad_checksums_retried
from pipeline.store.interface import Entry
from pipeline.store.keys import check_key, check_prefix, is_key, temporary_name

_T = TypeVar("_T")

# A small object made by `create` also has its content in its metadata, so that one request lists a thousand of them
# with content. Metadata hold 8 KiB at most, and base64 makes the content a third longer.
_INLINE_BYTES = 5000
_INLINE = "hpt-content"

# Knows only Python's own table of types: a content type must not depend on the machine that writes the object.
_TYPES = mimetypes.MimeTypes()
# A text of characters that have no special meaning in a glob.
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")


class BucketStore:
    """The store at `gs://bucket/prefix`. Safe for many threads. Connects on the first call.

    `deadline` is the number of seconds for which a failing call is retried. Raises UserError if `root`
    is no address of a bucket.
    """

    def __init__(self, root: str, deadline: float = 60.0) -> None:
        bucket, _, prefix = root.removeprefix("gs://").partition("/")
        if not root.startswith("gs://") or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", bucket):
            raise UserError(f"{root!r} names no bucket: write gs://bucket or gs://bucket/prefix")
        prefix = prefix.rstrip("/")
        self.root = root
        self._bucket = Bucket(bucket, deadline)
        self._prefix = check_key(prefix) + "/" if prefix else ""

    def read(self, key: str) -> bytes:
        return self.read_versioned(key)[0]

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        def attempt() -> tuple[bytes, str]:
            blob = self._blob(key)
            with bad_checksums_retried():
                data = blob.download_as_bytes(timeout=self._bucket.timeout, retry=None)
            return data, str(blob.generation)

        return self._existing(key, attempt)

    def exists(self, key: str) -> bool:
        try:
            self._existing(key, lambda: self._blob(key).reload(timeout=self._bucket.timeout, retry=None))
        except FileNotFoundError:
            return False
        return True

    def create(self, key: str, data: bytes) -> bool:
        return self._put(key, data, 0)

    def replace(self, key: str, data: bytes, version: str | None) -> bool:
        return self._put(key, data, int(version) if version is not None else 0)

    def write(self, key: str, data: bytes) -> None:
        self._put(key, data, None)

    def upload(self, key: str, path: Path) -> None:
        with open(path, "rb") as file:
            size = path.stat().st_size

            def attempt() -> None:
                file.seek(0)
                self._blob(key).upload_from_file(
                    file, size=size, content_type=_type(key), timeout=self._bucket.timeout, retry=None
                )

            self._call("upload", key, attempt)

    def download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(temporary_name())

        def attempt() -> None:
            with open(temporary, "wb") as file, bad_checksums_retried():
                self._blob(key).download_to_file(file, timeout=self._bucket.timeout, retry=None)

        try:
            self._existing(key, attempt)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        try:
            self._call("delete", key, lambda: self._blob(key).delete(timeout=self._bucket.timeout, retry=None))
        except NotFound:
            self._bucket.check()

    def tidy(self, prefix: str) -> None:
        """Does nothing: a bucket has no empty folders to remove."""

    def entries(self, prefix: str, suffix: str = "") -> Iterator[Entry]:
        check_prefix(prefix)
        start = self._prefix + prefix
        fields = "items(name,size,generation,metadata),nextPageToken"
        with self._bucket.explained("list", prefix):
            for blob in self._bucket.list(prefix=start, fields=fields, match_glob=_glob(start, suffix), page_size=1000):
                key = blob.name[len(self._prefix) :]
                # The glob only saves traffic; servers may interpret it differently.
                if key.endswith(suffix) and is_key(key):
                    yield Entry(key, blob.size, str(blob.generation), _inline(blob))

    def folders(self, prefix: str) -> list[str]:
        if prefix and not prefix.endswith("/"):
            raise ValueError(f"{prefix!r} does not end with a slash")
        check_prefix(prefix)
        start = self._prefix + prefix
        with self._bucket.explained("list", prefix):
            pages = self._bucket.list(prefix=start, delimiter="/", fields="prefixes,nextPageToken").pages
            names = {name[len(start) : -1] for page in pages for name in page.prefixes}
        return sorted(name for name in names if is_key(name))

    def link(self, key: str) -> str:
        return f"https://storage.cloud.google.com/{self._bucket.name}/{quote(self._prefix + check_key(key))}"

    def _blob(self, key: str) -> storage.Blob:
        return self._bucket.blob(self._prefix + check_key(key))

    def _put(self, key: str, data: bytes, generation: int | None) -> bool:
        """Writes the object if `generation` is its current one. True if this call wrote it.

        Generation 0 means that no object exists yet; None writes in any case.
        """
        is_repeated = False

        def remember(_: Exception) -> None:
            nonlocal is_repeated
            is_repeated = True

        def attempt() -> None:
            blob = self._blob(key)
            if generation == 0 and len(data) <= _INLINE_BYTES:
                blob.metadata = {_INLINE: base64.b64encode(data).decode()}
            blob.upload_from_string(
                data,
                content_type=_type(key),
                if_generation_match=generation,
                timeout=self._bucket.timeout,
                retry=None,
            )

        try:
            self._call("write", key, attempt, remember)
        except PreconditionFailed:
            # An earlier try of this call may have written the object, although its answer was lost on the way.
            return is_repeated and self._has_content(key, data)
        return True

    def _has_content(self, key: str, data: bytes) -> bool:
        try:
            return self.read(key) == data
        except FileNotFoundError:
            return False

    def _existing(self, key: str, attempt: Callable[[], _T]) -> _T:
        try:
            return self._call("read", key, attempt)
        except NotFound:
            self._bucket.check()
            raise FileNotFoundError(2, f"no such object in the store {self.root}", key) from None

    def _call(
        self, verb: str, key: str, attempt: Callable[[], _T], on_error: Callable[[Exception], None] | None = None
    ) -> _T:
        try:
            return self._bucket.call(verb, key, attempt, on_error)
        except NotFound as error:
            if verb in ("write", "upload"):
                raise self._bucket.explanation(verb, key, error) from None
            raise


def _inline(blob: storage.Blob) -> bytes | None:
    """The content of a small object from its metadata; None if they lack it, or if its length is not the object's."""
    try:
        content = base64.b64decode((blob.metadata or {})[_INLINE], validate=True)
    except (KeyError, ValueError):
        return None
    return content if len(content) == blob.size else None


def _type(key: str) -> str:
    kind = _TYPES.guess_type(key)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _glob(prefix: str, suffix: str) -> str | None:
    """A glob for names that end with `suffix`; None if there is none that all servers understand alike."""
    if not suffix or not _PLAIN.fullmatch(suffix):
        return None
    if suffix.startswith("/"):
        return f"**{suffix}"
    # For some servers, `**/` only matches names with a slash. Names with this prefix have one.
    return f"**/*{suffix}" if "/" in prefix and "/" not in suffix else None
