"""Reads the files of a repository as text."""

from pathlib import Path

from pipeline.errors import UserError


def read(path: Path) -> str:
    """The text of a file; empty if it does not exist. Raises UserError if it cannot be read as UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
