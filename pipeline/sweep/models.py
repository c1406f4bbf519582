"""Downloads the model of a row from the store."""

from contextlib import suppress
from pathlib import Path, PurePosixPath

from pipeline.errors import UserError
from pipeline.results import Row
from pipeline.store import Store
from pipeline.store.address import model_address
from pipeline.sweep.layout import beside, model_key
from pipeline.training.saved import DESCRIPTION, WEIGHTS, unpack


def download(store: Store, row: Row, folder: Path) -> list[Path]:
    """Downloads a row's model into the folder, as its trainer saved it: a file, a folder, or several files.

    The model of a built-in architecture comes with its description. Returns the paths. Raises UserError if the model is
    gone.
    """
    # The key comes from the row's address: a reused row points into another sweep. Only the end of the address is used,
    # since a directory may be mounted here under another name.
    key = model_key(model_address(row["model_url"]))
    model = folder / PurePosixPath(key).name
    try:
        store.download(key, model)
    except FileNotFoundError:
        raise UserError(f"{row['trial']}: its model is no longer at {row['model_url']}") from None
    if model.name == WEIGHTS:
        with suppress(FileNotFoundError):
            store.download(beside(key, DESCRIPTION), folder / DESCRIPTION)
            return [model, folder / DESCRIPTION]
    files = unpack(model, folder)
    return [model] if files is None else files
