"""Helpers of the tests: builders, fakes, faults and processes. There are no tests here."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The root of the checkout."""
