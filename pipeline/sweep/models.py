"""The model that a row names, fetched from the store."""

from contextlib import suppress
from pathlib import Path, PurePosixPath

from pipeline.errors import UserError
from pipeline.results import Row
from pipeline.store import Store
from pipeline.store.address import plain
from pipeline.sweep.layout import beside, model_key
from pipeline.training.saved import DESCRIPTION, WEIGHTS


def download(store: Store, row: Row, folder: Path) -> list[Path]:
    """Downloads a row's model into the folder: the file itself, and its description if it is a built-in one's.

    Raises UserError if it is no longer there.
    """
    # Not the attempt's folder: a row that is reused points into another sweep. Not the whole address either: a
    # directory may have another name where it is mounted here.
    key = model_key(plain(row["model_url"]))
    model = folder / PurePosixPath(key).name
    try:
        store.download(key, model)
    except FileNotFoundError:
        raise UserError(f"{row['trial']}: its model is no longer at {row['model_url']}") from None
    if model.name == WEIGHTS:
        with suppress(FileNotFoundError):
            store.download(beside(key, DESCRIPTION), folder / DESCRIPTION)
            return [model, folder / DESCRIPTION]
    return [model]
