"""A budget as people type it, `device-hours=2`: for `--budget` and for Jenkins' parameter BUDGET.

What a budget may hold is the spec's to say, so a mistake reads here as it does there.
"""

import json
from collections.abc import Iterable
from typing import NoReturn

from pipeline.errors import UserError
from pipeline.spec import Budget, from_dict


def parse(items: Iterable[str], origin: str) -> Budget:
    """The budget of items `KEY=N`. Raises UserError, a line per mistake, which begins with `origin`."""
    found: dict[str, float] = {}
    for item in items:
        name, _, number = item.partition("=")
        if name in found:
            raise UserError(f"{origin}: {name} is given twice")
        try:
            found[name] = json.loads(number, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise UserError(
                f"{origin}: {json.dumps(item[:80])}: write KEY=NUMBER, like trials=200 or device-hours=1.5"
            ) from None
    budget = from_dict({"architecture": "bag-of-words", "tune": "nothing", "budget": found}, origin).budget
    assert budget is not None
    return budget


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
