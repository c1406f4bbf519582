"""Files of saved models: their names, a check whether hpt wrote them, and unpacking.

This module reads no weights, and so does not need torch.
"""

import json
import tarfile
from pathlib import Path

from pipeline.errors import UserError

WEIGHTS = "model.pt"
DESCRIPTION = "model.json"
PACKED = {"hpt.model": "packed"}
"""Header of the tar files into which hpt packs a model. A tar file that a trainer wrote lacks it, and stays packed."""


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
    """Unpacks a packed model into the folder, removes `path`, and returns the files and folders at the top of the pack.

    Returns None, and leaves `path`, if this is no packed model. Raises UserError if the pack is damaged, or if its
    files cannot be written.
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
