"""A model by its address: what stands in `model_url`, or the folder of a model, here or in a bucket.

Only finding and fetching the two files is done here; reading them is `training/model.py`'s work.
"""

import json
import shlex
import tempfile
from os import PathLike, fspath
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.errors import UserError
from pipeline.store import open_store
from pipeline.training import model
from pipeline.training.model import DESCRIPTION, WEIGHTS, Model

# A browser's address of an object, as a store's links are, and the one that programs use.
_BUCKET_HOSTS = ("storage.cloud.google.com", "storage.googleapis.com")


def load(url: str | PathLike[str]) -> Model:
    """Raises UserError, one line, if there is no model, if it is damaged, or if a team's own trainer made it."""
    place = plain(fspath(url))
    folder, _, name = place.rpartition("/")
    if name not in (WEIGHTS, DESCRIPTION):
        folder = place
    if place.startswith("gs://"):
        return _from_bucket(place, folder)
    return _read(place, Path(folder), folder, Path(place).is_file())


def plain(url: str) -> str:
    """An address in any form as `gs://bucket/key` or as an absolute path, without a slash at its end."""
    parts = urlsplit(url) if "://" in url else None
    if parts is None:
        return str(Path(url).expanduser().absolute())
    if parts.scheme == "gs":
        return url.rstrip("/")
    if parts.scheme == "https" and parts.netloc in _BUCKET_HOSTS:
        return f"gs:/{unquote(parts.path)}".rstrip("/")
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return str(Path(unquote(parts.path)))
    raise UserError(f"{url} is no place for a model: give a model_url, a folder or gs://bucket/folder")


def is_ours(description: Path) -> bool:
    """Whether this file, if it is there, describes a built-in architecture's model, be it damaged."""
    try:
        described = json.loads(description.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UserError(f"{description} cannot be read: {error.strerror}") from None
    except ValueError:
        return True
    made_with = described.get("made-with") if isinstance(described, dict) else None
    return isinstance(made_with, dict) and "hpt" in made_with


def _from_bucket(place: str, folder: str) -> Model:
    bucket, _, key = place.removeprefix("gs://").partition("/")
    store = open_store(f"gs://{bucket}")
    start = len(f"gs://{bucket}/")
    with tempfile.TemporaryDirectory(prefix="hpt-model-") as local:
        for name in (DESCRIPTION, WEIGHTS):
            try:
                store.download(f"{folder}/{name}"[start:], Path(local, name))
            except FileNotFoundError:
                break
        is_file = bool(key) and not is_ours(Path(local, DESCRIPTION)) and store.exists(key)
        return _read(place, Path(local), folder, is_file)


def _read(place: str, local: Path, folder: str, is_file: bool) -> Model:
    """The model in the folder `local`, which people know as `folder`."""
    if not is_ours(local / DESCRIPTION):
        if not is_file:
            raise UserError(f"{place} holds no model: give a model_url, or a folder with {WEIGHTS} and {DESCRIPTION}")
        fetch = f"; fetch it: gcloud storage cp {shlex.quote(place)} ." if place.startswith("gs://") else ""
        raise UserError(f"{place} was made by a trainer of your own: load the file itself as that trainer does{fetch}")
    try:
        return model.load(local)
    except UserError as error:
        raise UserError(str(error).replace(str(local), folder)) from error
