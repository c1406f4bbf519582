"""A client of a Google Cloud Storage bucket, with a single policy for retries, deadlines and error messages.

The store (`bucket.py`) and the user's data (`data/paths.py`) share it. `bucket.py` takes care of exactly-once writes.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import requests
import urllib3
from google.api_core.exceptions import (
    Forbidden,
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
    RetryError,
    Unauthorized,
)
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from pipeline.errors import InfrastructureError, UserError

_T = TypeVar("_T")

_TIMEOUT_S = 30.0
"""Silence after which a request counts as lost."""
_CONNECTIONS = 64
"""Number of connections that are kept for the threads."""

_FAILURES = (
    GoogleAPIError,
    GoogleAuthError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
    ValueError,  # an answer that is no JSON; an endpoint that is no URL
)


class Bucket:
    """The bucket `name`. Safe for many threads. Connects on the first call.

    `deadline` is the number of seconds for which a failing call is retried. `refused` and `denied`
    are classes of errors: a missing bucket raises `refused`, with the advice `instead`; missing permissions raise
    `denied` (by default the same class), with the advice to grant `role`.
    """

    def __init__(
        self,
        name: str,
        deadline: float = 60.0,
        *,
        refused: type[InfrastructureError] | type[UserError] = InfrastructureError,
        denied: type[UserError] | None = None,
        role: str = "roles/storage.objectUser",
        instead: str = "create it, or name another with --store",
    ) -> None:
        self.name = name
        self.timeout = min(_TIMEOUT_S, deadline)
        self._deadline = deadline
        self._retry = DEFAULT_RETRY.with_timeout(deadline).with_delay(initial=0.25, maximum=8.0, multiplier=2.0)
        self._refused, self._denied, self._role, self._instead = refused, denied or refused, role, instead
        self._lock = threading.Lock()
        self._connected: storage.Bucket | None = None
        self._exists = False
        """True after any successful call."""

    def blob(self, name: str, generation: int | None = None) -> storage.Blob:
        return self._bucket().blob(name, generation=generation)

    def list(self, **options: Any) -> Any:
        """The client's iterator over objects, which retries each page. Use it inside `explained`."""
        return self._bucket().list_blobs(timeout=self.timeout, retry=self._retry, **options)

    def call(
        self, verb: str, key: str, attempt: Callable[[], _T], on_error: Callable[[Exception], None] | None = None
    ) -> _T:
        """Calls `attempt`, and again after a temporary failure, until the deadline.

        The client's retries must be off in `attempt`: they would resume a download without checking its checksum, and
        would hide that a write was sent twice. NotFound and failed preconditions are raised as they are. Other failures
        are raised as in `explained`.
        """
        with self.explained(verb, key, passing=True):
            result = self._retry(attempt, on_error=on_error)()
        self._exists = True
        return result

    def check(self) -> None:
        """Raises an error if the bucket does not exist.

        For use after a 404, which does not tell which of object and bucket is missing.
        """
        if not self._exists:
            with self.explained("find", ""):
                list(self.list(max_results=1, fields="items(name)"))
            self._exists = True

    @contextlib.contextmanager
    def explained(self, verb: str, key: str, *, passing: bool = False) -> Iterator[None]:
        """Turns failures into errors with a line that names `verb` and `key`.

        With `passing`, NotFound and failed preconditions stay as they are.
        """
        try:
            yield
        except _FAILURES as error:
            if passing and isinstance(error, GoogleAPICallError) and error.code in (404, 412):
                raise
            raise self.explanation(verb, key, error) from error

    def explanation(self, verb: str, key: str, error: Exception) -> Exception:
        failure = f"cannot {verb} {key!r} in the bucket {self.name}" if key else f"cannot {verb} the bucket {self.name}"
        cause = error
        if isinstance(error, RetryError) and isinstance(error.cause, Exception):
            cause = error.cause
            failure += f", tried for {self._deadline:g} s"
        if isinstance(cause, GoogleAuthError | Unauthorized):
            advice = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
            return self._denied(f"{failure}: no valid credentials ({_line(cause)}): {advice}")
        if isinstance(cause, Forbidden):
            advice = f"grant its account the role {self._role} on this bucket"
            return self._denied(f"{failure}: not allowed ({_line(cause)}): {advice}")
        if isinstance(cause, NotFound):
            return self._refused(f"{failure}: there is no such bucket: {self._instead}")
        return InfrastructureError(f"{failure}: {_line(cause)}: check the network and try again")

    def _bucket(self) -> storage.Bucket:
        with self._lock:
            if self._connected is None:
                # None of our calls needs a project, so a user need not configure one.
                client = storage.Client(project=None)
                adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS)
                client._http.mount("https://", adapter)
                client._http.mount("http://", adapter)
                # For this cache the client would read the bucket's metadata, which many accounts may not do.
                client._bucket_metadata_cache = None
                self._connected = client.bucket(self.name)
            return self._connected


@contextlib.contextmanager
def bad_checksums_retried() -> Iterator[None]:
    """Turns a wrong checksum of a download into a ConnectionError, which is retried."""
    try:
        yield
    except DataCorruption as error:
        raise ConnectionError("the content arrived damaged") from error


def _line(error: Exception) -> str:
    """The message of the error, shortened to a line."""
    message = str(error) or type(error).__name__
    if isinstance(error, GoogleAPICallError) and error.response is not None:
        # The service's message without the URL and the JSON around it.
        with contextlib.suppress(ValueError, KeyError, TypeError):
            message = error.response.json()["error"]["message"]
    line = " ".join(message.split())
    return line if len(line) <= 200 else line[:197] + "..."
