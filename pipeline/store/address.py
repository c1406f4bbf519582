"""What an address names: a store, or the place of a model in one."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.errors import UserError
from pipeline.places import canonical, local
from pipeline.store.interface import Store

# A browser's address of an object, as a store's links are, and the one that programs use.
_LONGEST = 4000
_BUCKET_HOSTS = ("storage.cloud.google.com", "storage.googleapis.com")


def open_store(root: str) -> Store:
    """The store at `root`: `gs://bucket/prefix`, or else a directory (created when first written to)."""
    root = canonical(root)
    if not root or ("://" in root and not root.startswith("gs://")):
        raise UserError(f"{root!r} is no store: name a directory or gs://bucket/prefix")
    if root.startswith("gs://"):
        from pipeline.store.bucket import BucketStore

        return BucketStore(root)
    from pipeline.store.directory import DirectoryStore

    return DirectoryStore(local(root))


def plain(url: str) -> str:
    """An address in any form as `gs://bucket/key` or as an absolute path, without a slash at its end."""
    wrong = UserError(f"{url[:200]!r} is no place for a model: give a model_url, a folder or gs://bucket/folder")
    url = canonical(url)
    if "\0" in url or len(url) > _LONGEST or url == "gs://":
        raise wrong
    try:
        parts = urlsplit(url) if "://" in url else None
    except ValueError:
        raise wrong from None
    if parts is None:
        return str(Path(local(url)).absolute())
    if parts.scheme == "gs":
        return url.rstrip("/")
    if parts.scheme == "https" and parts.netloc in _BUCKET_HOSTS:
        return f"gs:/{unquote(parts.path)}".rstrip("/")
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return str(Path(unquote(parts.path)))
    raise wrong
