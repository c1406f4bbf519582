"""Odd data of every kind, from `hpt data` to a trained model: each gets a line, and nothing crashes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.data.load import load
from pipeline.data.source import FilesSource
from pipeline.dates import DateRange
from pipeline.errors import UserError
from tests.support.in_process import hpt

pytestmark = pytest.mark.usefixtures("quick_lanes")

START = date(2024, 1, 1)
RANGE = DateRange(START, date(2024, 3, 1))
PER_DAY = 6
ROWS = 120 * PER_DAY
INSIDE = 60 * PER_DAY
TRAIN = RANGE.split().train.days * PER_DAY

Change = Callable[[pd.DataFrame], pd.DataFrame]


def table() -> pd.DataFrame:
    """120 days from the start of the range: a target that depends on a category and a number."""
    random, rows = np.random.default_rng(0), np.arange(ROWS)
    size = random.normal(size=ROWS).round(3)
    return pd.DataFrame(
        {
            "day": [str(START + timedelta(days=int(row) // PER_DAY)) for row in rows],
            "place": [f"place{row % 4}" for row in rows],
            "size": size,
            "title": [("red house", "blue tree", "old")[row % 3] for row in rows],
            "value": (rows % 4 + size).round(3),
        }
    )


def with_values(column: str, *values: Any, first: int = 0) -> Change:
    """Puts these values into a column of the table, from row `first`."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        changed = list(frame[column])
        changed[first : first + len(values)] = values
        return frame.assign(**{column: changed})

    return change


@dataclass(frozen=True)
class Odd:
    """An odd table, and a part of the line about it."""

    change: Change
    line: str
    data: dict[str, Any] = field(default_factory=dict)
    """Other keys of `data`."""
    in_log: str | None = None
    """A part of the line in the trial's log, if it differs."""


HOPELESS = {
    "a constant target": Odd(lambda f: f.assign(value=3.5), 'target "value" is 3.5 in every row to train on'),
    "one class": Odd(lambda f: f.assign(value=1), 'target "value" is 1 in every row to train on'),
    "a target that is constant while it trains": Odd(
        with_values("value", *[0.1 + 0.2] * 50, *[0.3] * (TRAIN - 50)), 'target "value" is 0.3 in every row to train on'
    ),
    "a target of words": Odd(
        lambda f: f.assign(value="yes"), 'target "value" has no number in any row, for example "yes"'
    ),
    "a target that is always infinite": Odd(
        lambda f: f.assign(value=np.inf), 'target "value" has no number in any row, for example "inf"'
    ),
    "no row to test on": Odd(
        lambda f: f[(f["day"] < "2024-02-20") | (f["day"] >= "2024-03-01")], "no row with a target to test on"
    ),
    "no target to validate on": Odd(
        with_values("value", *[None] * 9 * PER_DAY, first=TRAIN), "no row with a target to validate on"
    ),
    "no row with a date": Odd(lambda f: f.assign(day="soon"), "no row has a date that can be read"),
    "no row at all": Odd(lambda f: f[:0], "have no rows"),
    "all features missing": Odd(
        lambda f: f.assign(place=None, size=None), 'no feature has a value in any row to train on ("place", "size")'
    ),
    "texts without words": Odd(
        lambda f: f.assign(title="?!"),
        'no feature has a value in any row to train on ("title")',
        {"text": "title", "categorical": [], "numeric": []},
    ),
    "a logarithm of zero": Odd(
        with_values("value", 0.0),
        '"log" is impossible for',
        {"target-transform": "log"},
    ),
}

USABLE = {
    "few rows": Odd(lambda f: f[::PER_DAY], "fewer than 200 rows with a target, so scores are mostly luck"),
    "a feature that is always missing": Odd(
        lambda f: f.assign(size=None),
        'numeric column "size" is always missing',
        in_log=f'"size": {INSIDE} of {INSIDE} (100 %) values are missing',
    ),
    "a category that is always missing": Odd(
        lambda f: f.assign(place=None),
        'categorical column "place" is always missing',
        in_log=f'"place": {INSIDE} of {INSIDE} (100 %) values are missing',
    ),
    "a category that is an id": Odd(
        lambda f: f.assign(place=[f"order {n}" for n in range(len(f))]),
        f'categorical column "place" has {INSIDE} different values in {INSIDE} rows: it looks like an id',
    ),
    "texts of one character": Odd(
        lambda f: f.assign(title=[("a", "b")[n % 2] for n in range(len(f))]),
        'text column "title" never has more than one character',
        {"text": "title"},
        in_log="ends as complete",
    ),
    "dates outside of the calendar": Odd(
        with_values("day", "9999-12-31", "0001-01-01", "1899-12-30"),
        f'dropped 3 of {ROWS} (0.42 %) rows of the files: "day" is before 1970-01-01 or after 2099-12-31, '
        'for example "9999-12-31"',
    ),
    "dates that are none": Odd(
        with_values("day", "soon", "2024-02-30", None),
        f'dropped 3 of {ROWS} (0.42 %) rows of the files: no date in "day", for example "soon"',
    ),
    "infinite targets": Odd(
        with_values("value", np.inf, -np.inf, 1e39),
        f'"value": 3 of {INSIDE} (0.83 %) values are infinite or too large, for example "inf"',
    ),
    "infinite features": Odd(
        with_values("size", *[-np.inf] * 40),
        f'"size": 40 of {INSIDE} (11 %) values are infinite or too large, for example "-inf"',
    ),
    "many rows without a target": Odd(
        with_values("value", *[None] * 36),
        f"36 of {INSIDE} (10 %) rows are left out: no value",
        in_log=f"dropped 36 of {INSIDE} (10 %) rows: no value",
    ),
}


def write_spec(folder: Path, form: str, odd: Odd) -> Path:
    """Writes the odd table to a file of this form, and a spec with one trial for each setting. Returns the spec."""
    frame, path = odd.change(table()), folder / f"a.{form}"
    frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path)
    data = {"path": str(path), "date": "day", "categorical": "place", "numeric": "size", "target": "value", **odd.data}
    spec = {
        "architecture": "bag-of-words",
        "data": data,
        "date-range": [RANGE.as_json()],
        "training": {"max-epochs": 1},
        "parameters": {"learning_rate": [0.01, 0.1]},
        "search": {"strategy": "grid"},
        "confirm": {"ranges": 0},
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    return folder / "spec.json"


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("name", HOPELESS)
def test_data_without_anything_to_learn_are_refused_before_a_sweep(tmp_path: Path, form: str, name: str) -> None:
    odd = HOPELESS[name]
    spec = write_spec(tmp_path, form, odd)
    if name in ("no row with a date", "no row at all"):
        assert odd.line in hpt("data", spec, cwd=tmp_path, code=2).err
    else:
        assert "a trial on this range will fail" in hpt("data", spec, cwd=tmp_path).out
    assert odd.line in hpt("validate", spec, cwd=tmp_path, code=2).err
    hpt("validate", spec, "--no-data", cwd=tmp_path)
    for verb in ("run", "plan"):
        refused = hpt(verb, spec, "--store", tmp_path / "store", cwd=tmp_path, code=2)
        assert refused.out == ""
        assert refused.err.startswith("hpt: date-range: ")
        assert str(RANGE) in refused.err
        assert odd.line in refused.err
        assert len(refused.err.splitlines()) == 1
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", HOPELESS)
def test_a_trial_on_unchecked_data_fails_with_a_line(tmp_path: Path, name: str) -> None:
    spec = json.loads(write_spec(tmp_path, "csv", HOPELESS[name]).read_text())
    with pytest.raises(UserError) as refused:
        load(FilesSource.model_validate(spec["data"]), RANGE)
    assert "\n" not in str(refused.value)
    assert str(RANGE) in str(refused.value) or "target-transform" in str(refused.value)


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("name", USABLE)
def test_odd_but_usable_data_are_warned_about_and_train(tmp_path: Path, form: str, name: str) -> None:
    odd = USABLE[name]
    spec = write_spec(tmp_path, form, odd)
    if name != "few rows":  # `hpt data` has a line for each part
        assert f"warning: {odd.line}" in hpt("data", spec, cwd=tmp_path).out
    assert odd.line in hpt("validate", spec, cwd=tmp_path).err
    planned = hpt("plan", spec, "--store", tmp_path / "store", cwd=tmp_path)
    assert sum(odd.line in line for line in planned.err.splitlines() if line.startswith("warning: ")) == 1
    hpt("trial", planned.out.strip(), "screen-e000-d0-s0", "--store", tmp_path / "store", cwd=tmp_path)
    [log] = (tmp_path / "store").rglob("log.txt")
    assert (odd.in_log or odd.line) in log.read_text()
    assert "ends as complete" in log.read_text()


def test_good_data_have_no_warning(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "csv", Odd(lambda frame: frame, ""))
    assert "warning" not in hpt("plan", spec, "--store", tmp_path / "store", cwd=tmp_path).err


def test_one_of_several_judging_ranges_may_lack_rows(tmp_path: Path) -> None:
    path = write_spec(tmp_path, "csv", Odd(lambda f: f[(f["day"] < "2024-02-10") | (f["day"] >= "2024-03-01")], ""))
    spec = json.loads(path.read_text())
    spec["date-range"] = [["2024-04-01", "2024-04-29"]]
    spec["confirm-range"] = [["2024-01-01", "2024-02-08"], ["2024-02-01", "2024-02-29"]]
    del spec["confirm"]
    path.write_text(json.dumps(spec))
    planned = hpt("plan", path, "--store", tmp_path / "store", cwd=tmp_path)
    assert (
        "warning: date-range: [2024-02-01, 2024-02-29): no row with a target to validate on or test on; choose days "
        "that have some; trials there will fail"
    ) in planned.err
    spec["confirm-range"] = spec["confirm-range"][1:]
    path.write_text(json.dumps(spec))
    refused = hpt("plan", path, "--store", tmp_path / "store", cwd=tmp_path, code=2)
    assert "no row with a target to validate on or test on" in refused.err


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_repeated_columns_are_an_error(tmp_path: Path, form: str) -> None:
    spec, frame = write_spec(tmp_path, "csv", Odd(lambda frame: frame, "")), table()
    frame = pd.concat([frame, frame["size"]], axis="columns")
    path = tmp_path / "a.csv"  # the content decides the form, not the name
    frame.to_csv(path, index=False)
    if form == "parquet":
        columns = pa.table([pa.array(frame.iloc[:, at]) for at in range(6)], names=list(frame.columns))
        pyarrow.parquet.write_table(columns, path)
    for verb in ("data", "plan"):
        assert 'has several columns "size": give each a name of its own' in hpt(verb, spec, cwd=tmp_path, code=2).err


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("us", "America/New_York")])
def test_days_of_any_parquet_type_may_lie_outside_of_the_calendar(tmp_path: Path, kind: pa.DataType) -> None:
    spec = json.loads(write_spec(tmp_path, "csv", Odd(lambda frame: frame, "")).read_text())
    frame = table()
    days = pa.array(frame["day"].astype("datetime64[s]"), pa.timestamp("s"))
    odd = pa.array([-2_000_000_000, 253_402_300_799, 300_000_000_000], pa.timestamp("s"))
    stored = pa.concat_arrays([odd, days[3:]])
    if pa.types.is_timestamp(kind):  # the time zone comes last, so that it does not shift the days
        stored = stored.cast(pa.timestamp(kind.unit))
    columns = pa.table(frame.drop(columns="day")).append_column("day", stored.cast(kind))
    # Small row groups, most of which can be skipped for a date range.
    pyarrow.parquet.write_table(columns, tmp_path / "a.parquet", row_group_size=10)
    spec["data"]["path"] = str(tmp_path / "a.parquet")
    dataset = load(FilesSource.model_validate(spec["data"]), DateRange(date(2024, 2, 1), date(2024, 4, 1)))
    assert any(
        note.startswith(f'dropped 3 of {ROWS} (0.42 %) rows of the files: "day" is before') for note in dataset.notes
    )


def test_strays_are_counted_and_not_covered(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "csv", Odd(with_values("day", "1970-01-01", "2099-12-31"), ""))
    data = json.dumps(json.loads(spec.read_text())["data"])
    out = hpt("data", "--data", data, cwd=tmp_path).out
    assert "[2024-01-01, 2024-04-30)" in out
    assert "without 2 of 720 rows more than a year from all others (1970-01-01, 2099-12-31)" in out
    assert len(out.splitlines()) < 60


# -- what is lost


def _csv(folder: Path, change: Callable[[list[str]], list[str]], **keys: Any) -> Path:
    """Writes the good table as CSV with changed lines, and returns a spec for it."""
    spec = write_spec(folder, "csv", Odd(lambda frame: frame, "", keys))
    path = folder / "a.csv"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    return spec


def _with_open_quotes(*places: int) -> Callable[[list[str]], list[str]]:
    return lambda lines: [line.replace(",place", ',"place') if at in places else line for at, line in enumerate(lines)]


def test_lines_between_two_open_quotes_are_lost_and_counted_in_the_sweep(tmp_path: Path) -> None:
    spec = _csv(tmp_path, _with_open_quotes(100, 160))
    planned = hpt("plan", spec, "--store", tmp_path / "store", cwd=tmp_path)
    assert "lost 61 of 720 (8.5 %) lines of the files: a quote opens there and does not close" in planned.err
    [frozen] = (tmp_path / "store").rglob("sweep.json")
    assert "61 of 720" in json.loads(frozen.read_text())["lost"][0]


def test_an_unclosed_quote_stops_a_sweep_unless_may_lose_allows_it(tmp_path: Path) -> None:
    refused = hpt("plan", _csv(tmp_path, _with_open_quotes(500)), "--store", tmp_path / "s", cwd=tmp_path, code=2)
    assert "221 of 720 (31 %) rows of the files are lost" in refused.err
    assert 'write "may-lose": 0.31 in data' in refused.err
    expected = _csv(tmp_path, _with_open_quotes(500), **{"may-lose": 0.31})
    hpt("plan", expected, "--store", tmp_path / "s", cwd=tmp_path)


def test_strays_are_warned_about_before_a_sweep(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, "csv", Odd(with_values("day", "1970-01-01", "2099-12-31"), ""))
    message = hpt("plan", spec, "--store", tmp_path / "store", cwd=tmp_path).err
    assert "without 2 of 720 rows more than a year from all others (1970-01-01, 2099-12-31)" in message


def test_text_of_several_lines_is_no_open_quote(tmp_path: Path) -> None:
    notes = "".join(
        f'2024-0{1 + n % 6}-{1 + n % 28:02},"Hello, Bob\n{n % 9} apples, pears",{n % 13}\n' for n in range(600)
    )
    (tmp_path / "notes.csv").write_text("date,note,y\n" + notes)
    out = hpt("data", "notes.csv", cwd=tmp_path).out
    assert "600 rows in" in out
    assert "quote" not in out


# -- a file without a spec


def test_the_data_key_proposed_for_a_bare_file_can_be_pasted(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "When": [f"{1 + at % 28:02}/{1 + at % 6:02}/2024 {at % 24}:00" for at in range(720)],
            "shop": [f"shop {at % 5}" for at in range(720)],
            "title": [f"one of {at} words more" for at in range(720)],
            "id": range(720),
            "price": [f"{at % 97},5" for at in range(720)],
            "sold": [at % 53 for at in range(720)],
        }
    )
    frame.to_csv(tmp_path / "bare.csv", sep=";", index=False, encoding="utf-16")
    out = hpt("data", "bare.csv", cwd=tmp_path).out
    key = json.loads("{" + out.splitlines()[0] + "}")["data"]
    assert key == {
        "path": "bare.csv", "date": "When", "categorical": ["shop"], "numeric": ["price"], "text": ["title"],
        "target": "sold",
    }  # fmt: skip
    assert '"target" is a guess' in out
    assert "720 rows in [2024-01-01, 2024-06-29)" in out
    assert hpt("data", "--data", json.dumps(key), cwd=tmp_path).out in out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1,2\n", "no column looks like dates"),
        ("day,b\n2024-01-01,x\n2024-01-02,y\n", "no column of numbers is there to predict"),
        ("day,b\n", "has no rows"),
        ("2024-01-01,1\n2024-01-02,2\n2024-01-03,5\n", "its first line is a row, not names of columns"),
        ("PK\x03\x04", "Excel workbook or a zip archive"),
    ],
)
def test_a_bare_file_without_a_proposal_is_one_line(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "bare.csv").write_text(content)
    message = hpt("data", "bare.csv", cwd=tmp_path, code=2).err
    assert says in message
    assert len(message.splitlines()) == 1
