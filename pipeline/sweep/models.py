"""The model that a row names, fetched from the store."""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.results import Row
from pipeline.store import Store
from pipeline.store.address import plain
from pipeline.sweep.folder import SWEEPS
from pipeline.training.saved import DESCRIPTION, WEIGHTS


def download(store: Store, row: Row, folder: Path) -> list[Path]:
    """Downloads a row's model into the folder: the file itself, and its description if it is a built-in one's.

    Raises UserError if it is no longer there.
    """
    # Not the attempt's folder: a row that is reused points into another sweep. Not the whole address either: a
    # directory may have another name where it is mounted here.
    key = SWEEPS + plain(row["model_url"]).rpartition(f"/{SWEEPS}")[2]
    attempt, _, name = key.rpartition("/")
    files = []
    for wanted in dict.fromkeys([name, DESCRIPTION] if name == WEIGHTS else [name]):
        try:
            store.download(f"{attempt}/{wanted}", folder / wanted)
        except FileNotFoundError:
            if wanted == name:
                raise UserError(f"{row['trial']}: its model is no longer at {row['model_url']}") from None
        else:
            files.append(folder / wanted)
    return files
