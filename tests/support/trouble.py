"""Tells `troubled_lane.py` which experiments fail, and how."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest


class Trouble:
    """Sets the trouble of lanes that start later: `trouble({"e002": "segfault"})`.

    A call returns a function that reads the experiments begun so far, in order.
    """

    def __init__(self, patch: pytest.MonkeyPatch, begun: Path) -> None:
        self._patch, self._begun = patch, begun

    def __call__(self, trouble: dict[str, str], at_once: int = 1) -> Callable[[], list[str]]:
        self._patch.setenv("TROUBLE", json.dumps(trouble))
        self._patch.setenv("SIDE_BY_SIDE", str(at_once))
        self._patch.setenv("BEGUN", str(self._begun))
        return lambda: self._begun.read_text().split()
