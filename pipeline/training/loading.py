"""A model by its address: what stands in `model_url`, or the folder of a model, here or in a bucket.

Only finding the two files is done here; reading them is `training/model.py`'s work.
"""

import shlex
import tempfile
from os import PathLike, fspath
from pathlib import Path

from pipeline.errors import UserError
from pipeline.store import open_store
from pipeline.store.address import plain
from pipeline.training import model
from pipeline.training.model import Model
from pipeline.training.saved import DESCRIPTION, WEIGHTS, is_ours


def load(url: str | PathLike[str]) -> Model:
    """Raises UserError, one line, if there is no model, if it is damaged, or if a team's own trainer made it."""
    place = plain(fspath(url))
    folder, _, name = place.rpartition("/")
    if name not in (WEIGHTS, DESCRIPTION):
        folder = place
    if place.startswith("gs://"):
        return _from_bucket(place, folder)
    return _read(place, Path(folder), folder, Path(place).is_file())


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
