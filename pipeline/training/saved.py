"""The files of a saved model: what they are called, and whose they are.

Nothing here reads the weights, so that nothing here needs torch.
"""

import json
import tarfile
from pathlib import Path

from pipeline.errors import UserError

WEIGHTS = "model.pt"
DESCRIPTION = "model.json"
PACKED = {"hpt.model": "packed"}
"""Header of a tar file that holds the files of a model; one that a trainer wrote itself is a file like any other."""


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


def unpack(path: Path, folder: Path) -> list[Path] | None:
    """Unpacks the model's files from `path`, which is removed, into the folder; what lies there then.

    None, and the file stays, if it is no packed model.

    Raises UserError if it is damaged, or cannot be written there.
    """
    if path.suffix != ".tar":
        return None
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file) as tar:
            if not PACKED.items() <= tar.pax_headers.items():
                return None
            # One of the files may have the pack's name.
            path.unlink()
            tar.extractall(folder, filter="data")
            return [folder / name for name in dict.fromkeys(name.partition("/")[0] for name in tar.getnames())]
    except tarfile.ReadError:
        return None
    except (OSError, tarfile.TarError) as error:
        raise UserError(f"{path} cannot be unpacked: {getattr(error, 'strerror', None) or error}") from None
