"""Goldens: texts in `tests/goldens/` whose changes users would notice.

`GOLDENS=renew python -m pytest tests/test_goldens.py tests/test_old_stores.py` renews them. `git diff` then shows the
changes for users, which belong into CHANGELOG.
"""

import os
import re

import pytest

from tests.support import ROOT

FOLDER = ROOT / "tests/goldens"
_REAL = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


def check(name: str, text: str, rel: float = 1e-9) -> None:
    """Fails unless the text equals the golden `name`.

    Numbers with a decimal point may differ by the share `rel`, because processors round differently.
    """
    path = FOLDER / name
    now = [line.rstrip() for line in text.splitlines()]
    if os.environ.get("GOLDENS") == "renew":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in now), encoding="utf-8")
    golden = path.read_text(encoding="utf-8").splitlines()
    assert [_REAL.sub("0.0", line) for line in now] == [_REAL.sub("0.0", line) for line in golden]
    for line, expected in zip(now, golden, strict=True):
        assert _reals(line) == pytest.approx(_reals(expected), rel=rel), f"{line}\nwas\n{expected}"


def _reals(line: str) -> list[float]:
    return [float(number) for number in _REAL.findall(line)]
