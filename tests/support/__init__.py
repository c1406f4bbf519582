"""Helpers of the tests: builders, fakes, faults, processes. No test stands here."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""Of the checkout."""
