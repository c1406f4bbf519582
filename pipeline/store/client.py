"""A Google Cloud Storage bucket under one policy: how a call is tried again, until when, and what a failure says.

A store (`bucket.py`) and a user's data (`data/paths.py`) share it, so that a network is treated alike by both.
What objects mean, and what must happen exactly once, is not for here.
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


class Bucket:
    """The bucket `name`. May be used by many threads at once; nothing is asked before the first call.

    `deadline` is for how many seconds a call that fails is tried again. What trying again does not mend (no such
    bucket, no access) is raised as `refused`, and says to grant `role` or to name another bucket, `instead`; no access
    as `denied`, where that is another one.
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
        self.timeout = min(_SILENCE, deadline)
        self._deadline = deadline
        self._retry = DEFAULT_RETRY.with_timeout(deadline).with_delay(initial=0.25, maximum=8.0, multiplier=2.0)
        self._refused, self._denied, self._role, self._instead = refused, denied or refused, role, instead
        self._lock = threading.Lock()
        self._connected: storage.Bucket | None = None
        self._seen = False

    def blob(self, name: str, generation: int | None = None) -> storage.Blob:
        return self._bucket().blob(name, generation=generation)

    def list(self, **what: Any) -> Any:
        """The client's iterator; each page is tried again by itself. Use it inside `explained`."""
        return self._bucket().list_blobs(timeout=self.timeout, retry=self._retry, **what)

    def call(
        self, verb: str, key: str, attempt: Callable[[], _T], on_error: Callable[[Exception], None] | None = None
    ) -> _T:
        """Carries out `attempt`, again and again from its beginning while it fails in a way that may pass.

        The client's own retries must be off inside it: they would resume a download without checking its checksum,
        and would hide whether a write was sent twice. NotFound and failed preconditions pass through.
        """
        with self.explained(verb, key, passing=True):
            result = self._retry(attempt, on_error=on_error)()
        self._seen = True
        return result

    def check(self) -> None:
        """After a 404: an object that is missing is no error of the bucket, a bucket that is missing is one."""
        if not self._seen:
            with self.explained("find", ""):
                list(self.list(max_results=1, fields="items(name)"))
            self._seen = True

    @contextlib.contextmanager
    def explained(self, verb: str, key: str, *, passing: bool = False) -> Iterator[None]:
        """Failures leave it as one line each; `passing` lets a missing object and a failed precondition through."""
        try:
            yield
        except _FAILURES as error:
            if passing and isinstance(error, GoogleAPICallError) and error.code in (404, 412):
                raise
            raise self.explanation(verb, key, error) from error

    def explanation(self, verb: str, key: str, error: Exception) -> Exception:
        what = f"cannot {verb} {key!r} in the bucket {self.name}" if key else f"cannot {verb} the bucket {self.name}"
        cause = error
        if isinstance(error, RetryError) and isinstance(error.cause, Exception):
            cause = error.cause
            what += f", tried for {self._deadline:g} s"
        if isinstance(cause, GoogleAuthError | Unauthorized):
            advice = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
            return self._denied(f"{what}: no valid credentials ({_line(cause)}): {advice}")
        if isinstance(cause, Forbidden):
            advice = f"grant its account the role {self._role} on this bucket"
            return self._denied(f"{what}: not allowed ({_line(cause)}): {advice}")
        if isinstance(cause, NotFound):
            return self._refused(f"{what}: there is no such bucket: {self._instead}")
        return InfrastructureError(f"{what}: {_line(cause)}: check the network and try again")

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
                self._connected = client.bucket(self.name)
            return self._connected


@contextlib.contextmanager
def whole() -> Iterator[None]:
    """A download with a wrong checksum was damaged on its way, which another attempt may mend."""
    try:
        yield
    except DataCorruption as error:
        raise ConnectionError("the content arrived damaged") from error


def _line(error: Exception) -> str:
    """What the error says, in one line of bearable length."""
    message = str(error) or type(error).__name__
    if isinstance(error, GoogleAPICallError) and error.response is not None:
        # The service's own words, without the address and the JSON that the client wraps them in.
        with contextlib.suppress(ValueError, KeyError, TypeError):
            message = error.response.json()["error"]["message"]
    line = " ".join(message.split())
    return line if len(line) <= 200 else line[:197] + "..."
