"""The command `hpt`, at the path that it has in the wheel."""

from pipeline.cli import main

__all__ = ["main"]
