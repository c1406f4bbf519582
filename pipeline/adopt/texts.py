"""The texts of a repository's files as they are."""

from pathlib import Path

from pipeline.errors import UserError


def read(path: Path) -> str:
    """The text of a file; empty if there is none. Raises UserError if it is no text."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
