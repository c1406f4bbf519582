"""The files of a saved model: what they are called, and whose they are.

Nothing here reads the weights, so that nothing here needs torch.
"""

import json
from pathlib import Path

from pipeline.errors import UserError

WEIGHTS = "model.pt"
DESCRIPTION = "model.json"


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
