"""The command `hpt`, where the wheel has it too."""

from pipeline.cli import main

__all__ = ["main"]
