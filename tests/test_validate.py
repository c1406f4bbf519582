"""`hpt validate` and `hpt plan` check the data of a sweep, if their machine reaches them."""

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.in_process import hpt

pytestmark = pytest.mark.usefixtures("quick_lanes")

DAYS = 182
DATA = {"path": "t.csv", "date": "day", "numeric": ["x"], "categorical": ["kind"], "target": "y"}


def table(folder: Path, header: str = "day,x,kind,y", x: str = "{day}", y: str = "{day}.5") -> None:
    """Six rows a day from 2024-01-01 to 2024-06-30."""
    days = (date(2024, 1, 1) + timedelta(days=at // 6) for at in range(6 * DAYS))
    rows = (f"{day},{x},{'ab'[day.day % 2]},{y}".format(day=day.day) for day in days)
    (folder / "t.csv").write_text("\n".join([header, *rows]) + "\n")


def spec(folder: Path, **changes: Any) -> Path:
    content = {
        "architecture": "mdn",
        "data": DATA,
        "date-range": [["2024-01-01", "2024-03-01"]],
        "as-of": "2024-07-01",
        "training": {"max-epochs": 3},
        "confirm": {"ranges": 2},
        "references": False,
        "parameters": {"learning_rate": [0.001, 0.01]},
    }
    (folder / "s.json").write_text(json.dumps(content | changes))
    return folder / "s.json"


def test_a_spec_is_shown_with_coverage_rows_and_a_total(tmp_path: Path) -> None:
    table(tmp_path)
    lines = hpt("validate", spec(tmp_path), cwd=tmp_path).out.splitlines()
    assert "  [2024-01-01, 2024-03-01): train 42, validate 9, test 9 days: 252, 54, 54 rows" in lines
    assert re.fullmatch(
        r"in all at most \d+ trials on 3\d\d to 3\d\d rows \(the data cover \[2024-01-01, 2024-07-01\)\); "
        r"at most about \d+ s of training, .* 5 ms a step",
        lines[-1],
    )
    planned = hpt("plan", tmp_path / "s.json", "--store", tmp_path / "store", cwd=tmp_path)
    assert lines[-1] in planned.err


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (lambda folder: table(folder, "day,x,art,y"), 't.csv has no column "kind"'),
        (lambda folder: table(folder, "date,x,kind,y"), 't.csv has no column "day". Its columns: date'),
        (lambda folder: table(folder, y="much"), 'target "y" has no number in any row, for example "much"'),
        (lambda folder: (folder / "t.csv").write_text("day,x,kind,y\n"), "no row"),
        (lambda folder: (folder / "t.csv").write_text(""), "it is empty"),
        (lambda folder: None, 'data.path: no file matches "t.csv"'),
    ],
)
def test_data_that_cannot_train_a_model_are_refused_as_by_run(tmp_path: Path, broken: Any, line: str) -> None:
    broken(tmp_path)
    spec_file = spec(tmp_path)
    validated = hpt("validate", spec_file, cwd=tmp_path, code=2)
    assert line in validated.err
    assert hpt("run", spec_file, "--store", tmp_path / "store", cwd=tmp_path, code=2).err == validated.err
    assert hpt("validate", spec_file, "--no-data", cwd=tmp_path).err == ""
    assert not (tmp_path / "store").exists()


def test_text_in_a_column_of_numbers_is_refused_unless_it_is_expected(tmp_path: Path) -> None:
    table(tmp_path, x="about {day}")
    for verb, options in (("validate", []), ("plan", ["--store", tmp_path / "store"])):
        err = hpt(verb, spec(tmp_path), *options, cwd=tmp_path, code=2).err
        assert '"x": 1,092 of 1,092 (100 %) values are no numbers, for example' in err
        assert '"may-lose"' in err


def test_ranges_without_rows_are_named(tmp_path: Path) -> None:
    table(tmp_path)
    spec_file = spec(tmp_path, **{"date-range": [["2025-01-01", "2025-03-01"]], "as-of": "2025-07-01"})
    refused = hpt("validate", spec_file, cwd=tmp_path, code=2).err
    assert "[2025-01-01, 2025-03-01)" in refused
    assert "the data cover, [2024-01-01, 2024-07-01)" in refused


def test_the_ranges_are_those_that_a_run_would_use_after_earlier_sweeps(tmp_path: Path) -> None:
    table(tmp_path)

    def judging(spec_file: Path) -> list[str]:
        out = hpt("validate", spec_file, "--store", tmp_path / "store", cwd=tmp_path).out
        return re.findall(r"^  (\[\S+ \S+\)): train", out, re.M)[1:]

    spec_file = spec(tmp_path)
    before = judging(spec_file)
    earlier = spec(
        tmp_path, **{"date-range": [json.loads(before[0].replace("[", '["').replace(", ", '", "')[:-1] + '"]')]}
    )
    hpt("plan", earlier, "--store", tmp_path / "store", cwd=tmp_path)
    spec_file = spec(tmp_path)
    after = judging(spec_file)
    assert after != before
    planned = hpt("plan", spec_file, "--store", tmp_path / "store", cwd=tmp_path).out.strip()
    definition = json.loads((tmp_path / "store/sweeps" / planned / "sweep.json").read_text())
    assert [f"[{start}, {end})" for start, end in definition["phases"][-1]["ranges"]] == after


@pytest.mark.parametrize("path", ["elsewhere/*.csv", "/no/such/mount/{2024}/*.parquet"])
def test_data_that_this_machine_does_not_reach_are_a_warning(tmp_path: Path, path: str) -> None:
    spec_file = spec(tmp_path, data=DATA | {"path": path})
    for verb, options in (("validate", []), ("plan", ["--store", tmp_path / "store"])):
        [line] = [line for line in hpt(verb, spec_file, *options, cwd=tmp_path).err.splitlines() if "warning" in line]
        assert line.startswith(f'warning: data.path: no file matches "{path}"')
        assert line.endswith("this machine does not reach the data, so nothing in them was checked")
    assert "warning" not in hpt("validate", spec_file, "--no-data", cwd=tmp_path).err


def test_a_budget_is_only_a_warning_if_the_data_may_leave_fewer_ranges(tmp_path: Path) -> None:
    table(tmp_path)
    # The six months of data leave four ranges to judge on, not twelve.
    spec_file = spec(tmp_path, confirm={"ranges": 12}, budget={"trials": 18})
    assert "warning: budget" not in hpt("validate", spec_file, cwd=tmp_path).err
    without_data = hpt("validate", spec_file, "--no-data", cwd=tmp_path)
    assert "warning: budget.trials: judging the winner alone takes 24 of 18" in without_data.err
    assert "which were not read" in without_data.err
    assert "in all at most 18 trials" in without_data.out
    hopeless = spec(tmp_path, confirm={"ranges": 12}, budget={"trials": 2})
    assert "budget.trials: judging the winner alone" in hpt("validate", hopeless, "--no-data", cwd=tmp_path, code=2).err


def test_the_time_is_estimated_from_earlier_sweeps(tmp_path: Path) -> None:
    table(tmp_path)
    spec_file = spec(tmp_path, confirm={"ranges": 0})
    hpt("run", spec_file, "--store", tmp_path / "store", "--lanes", "1", cwd=tmp_path)
    total = hpt("validate", spec_file, "--store", tmp_path / "store", cwd=tmp_path).out.splitlines()[-1]
    assert "in all at most 2 trials on 360 rows" in total
    assert total.endswith("of training, as 2 trainings of earlier sweeps took")
