"""The verb for a look at data before a sweep trains on them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UserError
from pipeline.places import relative_to_project
from pipeline.verbs.common import AsOfOption, DataOption, request_of

app = typer.Typer()


@app.command("data")
def look_at_data(
    spec: Annotated[
        Path | None,
        typer.Argument(metavar="[SPEC|FILE]", help="A spec, or a Parquet or CSV file.", show_default=False),
    ] = None,
    data: DataOption = None,
    as_of: AsOfOption = None,
) -> None:
    """Show what the pipeline sees of the data: rows by day, columns, targets by month; with a SPEC, its date ranges.

    Of a bare FILE, it proposes the `data` key to begin with.
    """
    from pipeline.plan import survey
    from pipeline.plan.create import parse_data
    from pipeline.screen.data import tables
    from pipeline.screen.tables import print_table
    from pipeline.spec import project

    if spec is not None and _holds_rows(spec):
        from pipeline.data.proposal import propose

        proposal = propose(relative_to_project(str(spec)))
        print(f'"data": {json.dumps(proposal.data, ensure_ascii=False)}')
        for remark in proposal.remarks:
            print(f"warning: {remark}")
        look = survey.look_at(parse_data(json.dumps(proposal.data), str(spec)))
    elif spec is not None:
        look = survey.look_for(request_of(spec, data=data, as_of=as_of).spec(), project.load().data)
    else:
        source = parse_data(data, "--data") if data else project.load().data
        if source is None:
            raise UserError('no data: name a SPEC or a file, give --data, or put `data = "flights"` into hpt.toml')
        look = survey.look_at(source)
    if look.covered:
        print(f"the data cover {look.covered}; what follows is about the days of the spec's date ranges")
    for line in (*look.survey.recognised, *look.decided):
        print(line)
    for table in tables(look.survey, look.ranges, look.shares):
        print_table(table)
    print("\n".join(f"warning: {line}" for line in look.warnings) or "nothing to warn about")


def _holds_rows(path: Path) -> bool:
    """True for a pattern of files, and for a file that is no spec: not named `.json`, and not beginning with `{`."""
    if path.suffix == ".json" or not path.is_file():
        return any(letter in str(path) for letter in "*?[")
    with open(path, "rb") as file:
        return not file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
