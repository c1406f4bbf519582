"""A store in a Google Cloud Storage bucket, on the official client.

What must happen exactly once leans on generations, which the service checks, and on nothing else. Every call is
tried again under one policy until one deadline. It is not for other object stores.
"""

import base64
import contextlib
import mimetypes
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import requests
import urllib3
from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
    PreconditionFailed,
    RetryError,
    Unauthorized,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from pipeline.errors import InfrastructureError, UserError
from pipeline.store import Entry
from pipeline.store.keys import check_key, check_prefix, is_key, temporary_name

_T = TypeVar("_T")

# How long one request may be silent before it counts as lost, and how many connections are kept for threads to share.
_SILENCE = 30.0
_CONNECTIONS = 64

_FAILURES = (
    GoogleAPIError,
    GoogleAuthError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
    ValueError,  # an answer that is no JSON; an endpoint that is no URL
)

# What is created once and is as small as this travels in the object's metadata as well (of which the service takes
# 8 KiB), so that a listing brings a thousand of them in one request.
_INLINE_BYTES = 5000
_INLINE = "hpt-content"

# Only the built-in table: what a browser is told must not depend on the machine that wrote the file.
_TYPES = mimetypes.MimeTypes()
# In a glob these characters mean themselves.
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")


class BucketStore:
    """The store at `gs://bucket/prefix`. May be used by many threads at once; nothing is asked before the first call.

    `deadline` is for how many seconds a call that fails is tried again.
    """

    def __init__(self, root: str, deadline: float = 60.0) -> None:
        bucket, _, prefix = root.removeprefix("gs://").partition("/")
        if not root.startswith("gs://") or not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", bucket):
            raise UserError(f"{root!r} names no bucket: write gs://bucket or gs://bucket/prefix")
        prefix = prefix.rstrip("/")
        self.root = root
        self._name = bucket
        self._prefix = check_key(prefix) + "/" if prefix else ""
        self._deadline = deadline
        self._timeout = min(_SILENCE, deadline)
        self._retry = DEFAULT_RETRY.with_timeout(deadline).with_delay(initial=0.25, maximum=8.0, multiplier=2.0)
        self._lock = threading.Lock()
        self._connected: storage.Bucket | None = None
        self._seen = False

    def read(self, key: str) -> bytes:
        return self.read_versioned(key)[0]

    def read_versioned(self, key: str) -> tuple[bytes, str]:
        def attempt() -> tuple[bytes, str]:
            blob = self._blob(key)
            with _whole():
                data = blob.download_as_bytes(timeout=self._timeout, retry=None)
            return data, str(blob.generation)

        return self._existing(key, attempt)

    def exists(self, key: str) -> bool:
        try:
            self._existing(key, lambda: self._blob(key).reload(timeout=self._timeout, retry=None))
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
                    file, size=size, content_type=_type(key), timeout=self._timeout, retry=None
                )

            self._call("upload", key, attempt)

    def download(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(temporary_name())

        def attempt() -> None:
            with open(temporary, "wb") as file, _whole():
                self._blob(key).download_to_file(file, timeout=self._timeout, retry=None)

        try:
            self._existing(key, attempt)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def delete(self, key: str) -> None:
        try:
            self._call("delete", key, lambda: self._blob(key).delete(timeout=self._timeout, retry=None))
        except NotFound:
            self._check_bucket()

    def entries(self, prefix: str, suffix: str = "") -> Iterator[Entry]:
        check_prefix(prefix)
        start = self._prefix + prefix
        fields = "items(name,size,generation,metadata),nextPageToken"
        with self._explained("list", prefix):
            for blob in self._list(prefix=start, fields=fields, match_glob=_glob(start, suffix), page_size=1000):
                key = blob.name[len(self._prefix) :]
                # The glob only saves traffic: what a server makes of it is not relied on.
                if key.endswith(suffix) and is_key(key):
                    yield Entry(key, blob.size, str(blob.generation), _inline(blob))

    def folders(self, prefix: str) -> list[str]:
        if prefix and not prefix.endswith("/"):
            raise ValueError(f"{prefix!r} does not end with a slash")
        check_prefix(prefix)
        start = self._prefix + prefix
        with self._explained("list", prefix):
            pages = self._list(prefix=start, delimiter="/", fields="prefixes,nextPageToken").pages
            names = {name[len(start) : -1] for page in pages for name in page.prefixes}
        return sorted(name for name in names if is_key(name))

    def link(self, key: str) -> str:
        return f"https://storage.cloud.google.com/{self._name}/{quote(self._prefix + check_key(key))}"

    def _bucket(self) -> storage.Bucket:
        with self._lock:
            if self._connected is None:
                # No call of ours needs a project; without one, none has to be configured.
                client = storage.Client(project=None)
                adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS)
                client._http.mount("https://", adapter)
                client._http.mount("http://", adapter)
                # Else it asks for the bucket's own metadata in the background, which many accounts may not read.
                client._bucket_metadata_cache = None
                self._connected = client.bucket(self._name)
            return self._connected

    def _blob(self, key: str) -> storage.Blob:
        return self._bucket().blob(self._prefix + check_key(key))

    def _list(self, **what: Any) -> Any:
        return self._bucket().list_blobs(timeout=self._timeout, retry=self._retry, **what)

    def _put(self, key: str, data: bytes, generation: int | None) -> bool:
        """Uploads; False if there is another generation than the one asked for (0: any at all; None: do not ask)."""
        repeated = False

        def remember(_: Exception) -> None:
            nonlocal repeated
            repeated = True

        def attempt() -> None:
            blob = self._blob(key)
            if generation == 0 and len(data) <= _INLINE_BYTES:
                blob.metadata = {_INLINE: base64.b64encode(data).decode()}
            blob.upload_from_string(
                data,
                content_type=_type(key),
                if_generation_match=generation,
                timeout=self._timeout,
                retry=None,
            )

        try:
            self._call("write", key, attempt, remember)
        except PreconditionFailed:
            # An earlier attempt of this very call may have been carried out and only its answer lost.
            return repeated and self._holds(key, data)
        return True

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return self.read(key) == data
        except FileNotFoundError:
            return False

    def _existing(self, key: str, attempt: Callable[[], _T]) -> _T:
        try:
            return self._call("read", key, attempt)
        except NotFound:
            self._check_bucket()
            raise FileNotFoundError(2, f"no such object in the store {self.root}", key) from None

    def _call(
        self, verb: str, key: str, attempt: Callable[[], _T], on_error: Callable[[Exception], None] | None = None
    ) -> _T:
        """Carries out `attempt`, again and again from its beginning while it fails in a way that may pass.

        The client's own retries are off inside it: they would resume a download without checking its checksum, and
        would hide whether a write was sent twice.
        """
        try:
            with self._explained(verb, key, passing=(NotFound, PreconditionFailed)):
                result = self._retry(attempt, on_error=on_error)()
        except NotFound:
            if verb in ("write", "upload"):
                raise self._explanation(verb, key, NotFound("")) from None
            raise
        self._seen = True
        return result

    def _check_bucket(self) -> None:
        """After a 404: an object that is missing is no error of the store, a bucket that is missing is one."""
        if not self._seen:
            with self._explained("find", ""):
                list(self._list(max_results=1, fields="items(name)"))
            self._seen = True

    @contextlib.contextmanager
    def _explained(self, verb: str, key: str, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        try:
            yield
        except passing:
            raise
        except _FAILURES as error:
            raise self._explanation(verb, key, error) from error

    def _explanation(self, verb: str, key: str, error: Exception) -> InfrastructureError:
        what = f"cannot {verb} {key!r} in the bucket {self._name}" if key else f"cannot {verb} the bucket {self._name}"
        cause = error
        if isinstance(error, RetryError) and isinstance(error.cause, Exception):
            cause = error.cause
            what += f", tried for {self._deadline:g} s"
        if isinstance(cause, GoogleAuthError | Unauthorized):
            advice = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
            return InfrastructureError(f"{what}: no valid credentials ({_line(cause)}): {advice}")
        if isinstance(cause, Forbidden):
            advice = "grant its account the role roles/storage.objectUser on this bucket"
            return InfrastructureError(f"{what}: not allowed ({_line(cause)}): {advice}")
        if isinstance(cause, NotFound):
            return InfrastructureError(f"{what}: there is no such bucket: create it, or name another with --store")
        return InfrastructureError(f"{what}: {_line(cause)}: check the network and try again")


@contextlib.contextmanager
def _whole() -> Iterator[None]:
    """A download with a wrong checksum was damaged on its way, which another attempt may mend."""
    try:
        yield
    except DataCorruption as error:
        raise ConnectionError("the content arrived damaged") from error


def _inline(blob: storage.Blob) -> bytes | None:
    try:
        content = base64.b64decode((blob.metadata or {})[_INLINE], validate=True)
    except (KeyError, ValueError):
        return None
    return content if len(content) == blob.size else None


def _type(key: str) -> str:
    kind = _TYPES.guess_type(key)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _glob(prefix: str, suffix: str) -> str | None:
    """A glob for names with `suffix`, where every reading of `**` agrees on what it matches."""
    if not suffix or not _PLAIN.fullmatch(suffix):
        return None
    if suffix.startswith("/"):
        return f"**{suffix}"
    # `**/` may ask for a slash, so there must be one: the prefix has it.
    return f"**/*{suffix}" if "/" in prefix and "/" not in suffix else None


def _line(error: Exception) -> str:
    """What the error says, in one line of bearable length."""
    message = str(error) or type(error).__name__
    if isinstance(error, GoogleAPICallError) and error.response is not None:
        # The service's own words, without the address and the JSON that the client wraps them in.
        with contextlib.suppress(ValueError, KeyError, TypeError):
            message = error.response.json()["error"]["message"]
    line = " ".join(message.split())
    return line if len(line) <= 200 else line[:197] + "..."
