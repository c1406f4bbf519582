"""Plans a sweep without reading its data, for `--no-data`.

The data may turn out to have fewer ranges to judge on than the spec asks for. So it is no mistake yet if the budget has
room for fewer.
Plans that are to run are made in `create.py`.
"""

import json
from contextlib import suppress

from pipeline.data.source import FilesSource
from pipeline.errors import UserError
from pipeline.plan.create import Prepared, Request, prepare
from pipeline.plan.data_access import Reach, Warn
from pipeline.spec.normalize import as_written


def prepare_unseen(request: Request, root: str | None, warn: Warn) -> Prepared:
    """The sweep of a request, with as many ranges to judge on as its `budget.trials` has room for.

    `warn` gets a line if these are fewer than the spec asks for. Raises the errors of `prepare` if no number of ranges
    fits.
    """
    lines: list[str] = []
    try:
        prepared = prepare(request, root, Reach.UNSEEN, lines.append)
    except UserError as error:
        fitting = _with_fewer_ranges(request, root, lines)
        if fitting is None:
            raise
        prepared = fitting
        lines.append(f"{error}; so it is if the data, which were not read, have enough date ranges")
    for line in dict.fromkeys(lines):
        warn(line)
    return prepared


def _with_fewer_ranges(request: Request, root: str | None, lines: list[str]) -> Prepared | None:
    """The sweep with the most ranges to judge on that fit, its warnings in `lines`; None if no number fits."""
    spec = request.spec()
    if spec.budget is None or spec.budget.trials is None:
        return None
    for ranges in range(spec.confirm.ranges - 1, 0, -1):
        confirm = spec.confirm.model_copy(update={"ranges": ranges})
        fewer = Request(text=json.dumps(as_written(spec.model_copy(update={"confirm": confirm}))))
        with suppress(UserError):
            prepared = prepare(fewer, root, Reach.UNSEEN, lines.append)
            return prepared if isinstance(prepared.definition.data, FilesSource) else None
    return None
