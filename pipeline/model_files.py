"""The files of a trained model: what they are called, and how the one that a row names is found and fetched.

Nothing here loads a model, so that nothing here needs torch.
"""

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.errors import UserError
from pipeline.results import Row
from pipeline.store import Store
from pipeline.sweep import SWEEPS

WEIGHTS = "model.pt"
DESCRIPTION = "model.json"

# A browser's address of an object, as a store's links are, and the one that programs use.
_LONGEST = 4000
_BUCKET_HOSTS = ("storage.cloud.google.com", "storage.googleapis.com")


def plain(url: str) -> str:
    """An address in any form as `gs://bucket/key` or as an absolute path, without a slash at its end."""
    wrong = UserError(f"{url[:200]!r} is no place for a model: give a model_url, a folder or gs://bucket/folder")
    if "\0" in url or len(url) > _LONGEST or url == "gs://":
        raise wrong
    try:
        parts = urlsplit(url) if "://" in url else None
    except ValueError:
        raise wrong from None
    if parts is None:
        return str(Path(url).expanduser().absolute())
    if parts.scheme == "gs":
        return url.rstrip("/")
    if parts.scheme == "https" and parts.netloc in _BUCKET_HOSTS:
        return f"gs:/{unquote(parts.path)}".rstrip("/")
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return str(Path(unquote(parts.path)))
    raise wrong


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
