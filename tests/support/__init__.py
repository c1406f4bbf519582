"""Helpers of the tests: builders, fakes, faults and processes. There are no tests here."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The root of the checkout."""


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes, and without this machine's HPT_ variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HPT_")} | changes
