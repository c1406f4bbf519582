"""Loads a model by its address: a `model_url` of the results, or the folder of a model, on disk or in a bucket.

This module only finds the two files; `model.py` reads them.
"""

import shlex
import tempfile
from os import PathLike, fspath
from pathlib import Path

from pipeline.errors import UserError
from pipeline.store import open_store
from pipeline.store.address import model_address
from pipeline.training import model
from pipeline.training.model import Model
from pipeline.training.saved import DESCRIPTION, WEIGHTS, is_ours


def load(url: str | PathLike[str]) -> Model:
    """The model at an address. Raises UserError, one line, if it is missing, damaged, or by a team's own trainer."""
    place = model_address(fspath(url))
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
    """The model in the folder `local`. Messages name addresses: `place`, as it was given, or `folder` for `local`."""
    if not is_ours(local / DESCRIPTION):
        if not is_file:
            raise UserError(f"{place} holds no model: give a model_url, or a folder with {WEIGHTS} and {DESCRIPTION}")
        fetch = f"; fetch it: gcloud storage cp {shlex.quote(place)} ." if place.startswith("gs://") else ""
        raise UserError(f"{place} was made by a trainer of your own: load the file itself as that trainer does{fetch}")
    try:
        return model.load(local)
    except UserError as error:
        raise UserError(str(error).replace(str(local), folder)) from error
