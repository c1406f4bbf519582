"""Resolves addresses: of a store, or of a model in it."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.errors import UserError
from pipeline.places import canonical, local
from pipeline.store.interface import Store

_CHARACTERS_AT_MOST = 4000
# Hosts of a bucket's objects: for browsers, as in `Store.link`, and for programs.
_BUCKET_HOSTS = ("storage.cloud.google.com", "storage.googleapis.com")


def open_store(root: str) -> Store:
    """The store at `root`: `gs://bucket/prefix`, or a directory, which is created by the first write.

    Raises UserError if `root` is neither.
    """
    root = canonical(root)
    if not root or ("://" in root and not root.startswith("gs://")):
        raise UserError(f"{root!r} is no store: name a directory or gs://bucket/prefix")
    if root.startswith("gs://"):
        from pipeline.store.bucket import BucketStore

        return BucketStore(root)
    from pipeline.store.directory import DirectoryStore

    return DirectoryStore(local(root))


def model_address(url: str) -> str:
    """Rewrites the address of a model as `gs://bucket/key`, or as an absolute path, without a slash at its end.

    `https://storage.cloud.google.com/bucket/key` becomes `gs://bucket/key`.

    Raises UserError if it is no address of a model.
    """
    error = UserError(f"{url[:200]!r} is no place for a model: give a model_url, a folder or gs://bucket/folder")
    url = canonical(url)
    if "\0" in url or len(url) > _CHARACTERS_AT_MOST or url == "gs://":
        raise error
    try:
        parts = urlsplit(url) if "://" in url else None
    except ValueError:
        raise error from None
    if parts is None:
        return str(Path(local(url)).absolute())
    if parts.scheme == "gs":
        return url.rstrip("/")
    if parts.scheme == "https" and parts.netloc in _BUCKET_HOSTS:
        return f"gs:/{unquote(parts.path)}".rstrip("/")
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return str(Path(unquote(parts.path)))
    raise error
