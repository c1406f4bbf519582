import json
from collections.abc import Callable
from pathlib import Path

import pytest

Trouble = Callable[..., Callable[[], list[str]]]


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trouble:
    """Tells `troubled_lane.py` what happens under which experiment; returns what was begun, in order."""
    begun = tmp_path / "begun"

    def tell(trouble: dict[str, str], at_once: int = 1) -> Callable[[], list[str]]:
        monkeypatch.setenv("TROUBLE", json.dumps(trouble))
        monkeypatch.setenv("SIDE_BY_SIDE", str(at_once))
        monkeypatch.setenv("BEGUN", str(begun))
        return lambda: begun.read_text().split()

    return tell
