"""What a sweep comes to on data that nobody looks at, to be shown beforehand.

They may have fewer ranges to judge on than the spec allows, so a budget that has room for fewer is no mistake yet. A
plan that is to run is `create.py`'s.
"""

import json
from contextlib import suppress

from pipeline.data.source import FilesSource
from pipeline.errors import UserError
from pipeline.plan.create import Prepared, Reach, Request, Warn, prepare
from pipeline.spec.normalize import as_written


def prepare_unseen(request: Request, root: str | None, warn: Warn) -> Prepared:
    """The sweep of a request, with as many ranges to judge on as its `budget.trials` has room for.

    `warn` is told where these are fewer than asked for. Raises what `prepare` would raise for any number of them.
    """
    said: list[str] = []
    try:
        prepared = prepare(request, root, Reach.UNSEEN, said.append)
    except UserError as error:
        fitting = _with_fewer_ranges(request, root, said)
        if fitting is None:
            raise
        prepared = fitting
        said.append(f"{error}; that holds if the data, which were not looked at, have so many date ranges")
    for line in dict.fromkeys(said):
        warn(line)
    return prepared


def _with_fewer_ranges(request: Request, root: str | None, said: list[str]) -> Prepared | None:
    """The sweep with most ranges to judge on that can be, `said` being told of it; None if there is none."""
    spec = request.spec()
    if spec.budget is None or spec.budget.trials is None:
        return None
    for ranges in range(spec.confirm.ranges - 1, 0, -1):
        confirm = spec.confirm.model_copy(update={"ranges": ranges})
        fewer = Request(text=json.dumps(as_written(spec.model_copy(update={"confirm": confirm}))))
        with suppress(UserError):
            prepared = prepare(fewer, root, Reach.UNSEEN, said.append)
            return prepared if isinstance(prepared.definition.data, FilesSource) else None
    return None
