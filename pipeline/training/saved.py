"""Files of saved models: their names, how to recognise and to unpack them.

Nothing here reads weights, so that nothing here needs torch.
"""

import json
import tarfile
from pathlib import Path

from pipeline.errors import UserError

WEIGHTS = "model.pt"
DESCRIPTION = "model.json"
PACKED = {"hpt.model": "packed"}
"""Header of the tar files that we make of a model's files. Other tar files, written by a trainer, stay packed."""


def is_ours(description: Path) -> bool:
    """True if the file exists and describes a built-in architecture's model, or is damaged.

    Raises UserError if it cannot be read.
    """
    try:
        content = json.loads(description.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UserError(f"{description} cannot be read: {error.strerror}") from None
    except ValueError:
        return True
    made_with = content.get("made-with") if isinstance(content, dict) else None
    return isinstance(made_with, dict) and "hpt" in made_with


def unpack(path: Path, folder: Path) -> list[Path] | None:
    """Unpacks the files of a packed model into the folder, removes `path`, and returns what was unpacked.

    Returns None, and leaves the file, if it is no packed model. Raises UserError if it is damaged or cannot be written.
    """
    if path.suffix != ".tar":
        return None
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file) as tar:
            if not PACKED.items() <= tar.pax_headers.items():
                return None
            # Removed first, because one of the files may have the pack's name.
            path.unlink()
            tar.extractall(folder, filter="data")
            return [folder / name for name in dict.fromkeys(name.partition("/")[0] for name in tar.getnames())]
    except tarfile.ReadError:
        return None
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"{path} cannot be unpacked: {getattr(error, 'strerror', None) or error}") from None
