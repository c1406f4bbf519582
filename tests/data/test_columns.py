"""Columns of any type, repeated columns, columns that some files of a folder lack, and very long values.

Columns that a spec does not name never matter.
"""

import decimal
import gzip
import uuid
import warnings
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data import load
from pipeline.data.dataset import Dataset
from pipeline.data.source import FilesSource
from pipeline.data.survey import survey
from pipeline.dates import DateRange
from pipeline.errors import UserError

N = 360
FEBRUARY = DateRange(date(2024, 2, 1), date(2024, 3, 1))
DAY = [date(2024, 1, 1) + timedelta(days=at // 6) for at in range(N)]
X = [float(at % 7) for at in range(N)]
KIND = ["ab"[at % 2] for at in range(N)]
Y = [at % 7 + 0.5 * (at % 3) for at in range(N)]
COLUMNS = {"day": DAY, "x": X, "kind": KIND, "y": Y}


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def source(path: Path | str, **changes: Any) -> FilesSource:
    keys = {"path": str(path), "date": "day", "numeric": ["x"], "categorical": ["kind"], "target": "y"}
    return FilesSource.model_validate(keys | changes)


def loaded(path: Path | str, **changes: Any) -> Dataset:
    return load.load(source(path, **changes), FEBRUARY)


def parquet(path: Path, names: list[str] | None = None, **columns: Any) -> Path:
    content = COLUMNS | columns
    pq.write_table(pa.table([pa.array(value) for value in content.values()], names=names or list(content)), path)
    return path


def csv(path: Path, *names: str, rows: range = range(N), **values: str) -> Path:
    """Writes some of the columns. A column of `values` has the same value in every row."""
    lines = [",".join(values.get(name, "") or str(COLUMNS[name][at]) for name in names) for at in rows]
    path.write_text("\n".join([",".join(names), *lines]) + "\n")
    return path


@pytest.fixture
def plain(tmp_path: Path) -> str:
    return loaded(parquet(tmp_path / "plain.parquet")).fingerprint


ENCODED = [kind.encode() for kind in KIND]
ALIKE = {
    "views of text": {"kind": pa.array(KIND, pa.string_view())},
    "large text": {"kind": pa.array(KIND, pa.large_string())},
    "text as bytes": {"kind": ENCODED, "day": [str(day).encode() for day in DAY], "x": [str(x).encode() for x in X]},
    "text as large bytes": {"kind": pa.array(ENCODED, pa.large_binary())},
    "text as bytes of one length": {"kind": pa.array(ENCODED, pa.binary(1))},
    "views of bytes": {"kind": pa.array(ENCODED, pa.binary_view())},
    "dictionaries": {name: pa.array(COLUMNS[name]).dictionary_encode() for name in ("day", "x", "kind")},
    "decimals": {"x": pa.array([decimal.Decimal(int(x)) for x in X], pa.decimal128(10, 2))},
    "large decimals": {"x": pa.array([decimal.Decimal(int(x)) for x in X], pa.decimal256(60, 2))},
    "half floats": {"x": pa.array(np.array(X, np.float16))},
    "small whole numbers": {"x": pa.array([int(x) for x in X], pa.uint8())},
    "large whole numbers": {"x": pa.array([int(x) for x in X], pa.uint64())},
    "dates in milliseconds": {"day": pa.array(DAY, pa.date64())},
    "times with a zone": {"day": pa.array(DAY).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))},
    "an extension type": {"kind": pa.ExtensionArray.from_storage(pa.json_(), pa.array(KIND))},
    "nested, not named": {"z": [[1.0]] * N, "struct": [{"x": 1.0, "y": [2]}] * N},
    "maps, not named": {"z": pa.array([[("a", 1)]] * N, pa.map_(pa.string(), pa.int64()))},
    "always missing, not named": {"z": pa.nulls(N)},
}


@pytest.mark.parametrize("name", ALIKE)
def test_the_same_values_in_another_type_are_the_same_data(tmp_path: Path, plain: str, name: str) -> None:
    path = parquet(tmp_path / "a.parquet", **ALIKE[name])
    assert loaded(path).fingerprint == plain
    assert survey(source(path)) is not None


OTHER = {
    "identities": (pa.array([uuid.UUID(int=at % 2) for at in range(N)], pa.uuid()), str(uuid.UUID(int=0))),
    "bytes that are no text": ([bytes([255, at % 2]) for at in range(N)], "ff00"),
    "truth": ([at % 2 == 0 for at in range(N)], "False"),
    "large numbers": (pa.array([2**63 + at % 2 for at in range(N)], pa.uint64()), str(2**63)),
    "days": ([date(2024, 1, 1 + at % 2) for at in range(N)], "2024-01-01"),
    "nothing": (pa.nulls(N), None),
}


@pytest.mark.parametrize("name", OTHER)
def test_values_of_a_category_are_texts_as_people_write_them(tmp_path: Path, name: str) -> None:
    values, first = OTHER[name]
    assert first in loaded(parquet(tmp_path / "a.parquet", kind=values)).encoder.categories[0]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[1.0]] * N, 'column "x" holds list'),
        ([{"a": 1.0}] * N, 'column "x" holds struct'),
        (pa.array([[("a", 1)]] * N, pa.map_(pa.string(), pa.int64())), 'column "x" holds map'),
    ],
)
def test_a_column_with_several_values_a_row_is_refused_by_name(tmp_path: Path, values: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load.covered_days(source(parquet(tmp_path / "a.parquet", x=values)))


def test_a_name_with_a_dot_is_no_part_of_another_column(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", **{"a.b": X, "a": [{"b": 99.0}] * N})
    assert (loaded(path, numeric=["a.b"]).train.dense == loaded(path).train.dense).all()


@pytest.mark.parametrize("name", ["x", "day", "y", "kind"])
def test_a_repeated_column_is_refused_if_the_spec_names_it(tmp_path: Path, name: str) -> None:
    path = parquet(tmp_path / "a.parquet", [*COLUMNS, name], more=COLUMNS[name])
    with pytest.raises(UserError, match=f'several columns "{name}": give each a name of its own'):
        load.covered_days(source(path))
    with pytest.raises(UserError, match=f'several columns "{name}"'):
        load.covered_days(source(csv(tmp_path / "a.csv", *COLUMNS, name)))


def test_repeated_columns_that_the_spec_does_not_name_do_not_matter(tmp_path: Path, plain: str) -> None:
    path = parquet(tmp_path / "a.parquet", [*COLUMNS, "z", "z", "", ""], a=X, b=Y, c=X, d=Y)
    assert loaded(path).fingerprint == plain
    assert loaded(csv(tmp_path / "a.csv", *COLUMNS, "z", "z", z="1")).fingerprint == plain


# -- folders of files


def folder(tmp_path: Path) -> str:
    """January has no `x`, and February no `other`."""
    csv(tmp_path / "2024-01.csv", "day", "kind", "y", "other", rows=range(186), other="1")
    csv(tmp_path / "2024-02.csv", "y", "x", "day", "kind", rows=range(186, N))
    return str(tmp_path / "*.csv")


def test_a_column_that_came_later_is_missing_before(tmp_path: Path) -> None:
    data = load.load(source(folder(tmp_path)), DateRange(date(2024, 1, 1), date(2024, 3, 1)))
    assert any('"x" is no column of 1 of 2 (50 %) files, as of ' in note for note in data.notes)
    assert any('"x": 186 of 360 (52 %) values are missing' in note for note in data.notes)


def test_a_column_that_vanished_is_missing_since(tmp_path: Path) -> None:
    path = folder(tmp_path)
    load.covered_days(source(path, numeric=["x", "other"]))
    data = loaded(path, numeric=["x", "other"])
    assert any('"other" is no column of 1 of 2 (50 %) files' in note for note in data.notes)


def test_days_whose_files_all_lack_a_column_are_read_without_it(tmp_path: Path) -> None:
    for at, columns in ((0, ("kind", "y")), (1, ("x", "kind", "y"))):
        for day in range(31 if at == 0 else 29):
            (tmp_path / f"day=2024-0{at + 1}-{day + 1:02d}").mkdir()
            csv(tmp_path / f"day=2024-0{at + 1}-{day + 1:02d}" / "a.csv", *columns, rows=range(7 * day, 7 * day + 7))
    january = load.load(source(tmp_path / "*" / "*.csv"), DateRange(date(2024, 1, 1), date(2024, 2, 1)))
    assert any('"x" is no column of 31 of 31 (100 %) files' in note for note in january.notes)


@pytest.mark.parametrize("files", [1, 2, 60])
def test_a_column_that_no_file_has_is_a_mistake(tmp_path: Path, files: int) -> None:
    for at in range(files):
        csv(tmp_path / f"{at:02d}.csv", *COLUMNS, rows=range(at * 6, at * 6 + 6))
    data_source = source(tmp_path / "*.csv", numeric=["x", "kid"])
    for look in (load.covered_days, survey):
        with pytest.raises(UserError, match=r'has no column "kid"; did you mean "kind"') as refused:
            look(data_source)
        assert "\n" not in str(refused.value)


def test_a_file_without_the_date_is_a_mistake(tmp_path: Path) -> None:
    csv(tmp_path / "a.csv", *COLUMNS)
    csv(tmp_path / "0.csv", "x", "kind", "y")
    with pytest.raises(UserError, match=r'0.csv has no column "day"'):
        survey(source(tmp_path / "*.csv"))


@pytest.mark.parametrize("name", ["0.csv", "z.csv", "0.parquet", "z.csv.gz"])
def test_empty_parts_are_left_out_and_counted(tmp_path: Path, plain: str, name: str) -> None:
    csv(tmp_path / "a.csv", *COLUMNS)
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    path = source(str(tmp_path / "*.csv*") if "csv" in name else str(tmp_path / "*[0v]*"))
    load.covered_days(source(tmp_path / "*") if "parquet" in name else path)
    data = load.load(source(tmp_path / "[a0z].*"), FEBRUARY)
    assert data.fingerprint == plain
    assert any("left out 1 of 2 (50 %) files: they are empty, like " in note for note in data.notes)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n\n"])
def test_parts_with_a_header_alone_have_no_rows(tmp_path: Path, plain: str, end: str) -> None:
    csv(tmp_path / "a.csv", *COLUMNS)
    (tmp_path / "b.csv").write_text("day,x,kind,y" + end, newline="")
    pq.write_table(pa.table({name: pa.array(values[:0]) for name, values in COLUMNS.items()}), tmp_path / "c.parquet")
    load.covered_days(source(tmp_path / "[abc].*"))
    data = loaded(tmp_path / "[abc].*")
    assert data.fingerprint == plain
    assert data.notes == loaded(tmp_path / "a.csv").notes


def test_nothing_but_empty_files_is_a_mistake(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).touch()
    for look in (load.covered_days, survey):
        with pytest.raises(UserError, match=r"csv cannot be read: it is empty"):
            look(source(tmp_path / "*.csv"))


def test_parts_of_other_forms_and_types_are_one_table(tmp_path: Path, plain: str) -> None:
    csv(tmp_path / "0.csv", *reversed(COLUMNS), rows=range(200))
    remaining = {name: values[200:] for name, values in COLUMNS.items()}
    pq.write_table(pa.table(remaining | {"x": pa.array([int(x) for x in remaining["x"]])}), tmp_path / "1.parquet")
    assert loaded(tmp_path / "[01].*").fingerprint == plain


# -- long values


MEGABYTE = 2**20
PLACES = ([0], [N - 1], [100, 101, 300])


@pytest.mark.parametrize(
    ("blocks", "places", "block"),
    [*((blocks, places, MEGABYTE // 16) for blocks in (0.9, 1.5, 20) for places in PLACES), (1.5, [N - 1], MEGABYTE)],
)
def test_values_may_be_longer_than_the_block_in_which_a_file_is_read(
    tmp_path: Path, plain: str, blocks: float, places: list[int], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.data.csv_file._BLOCK", block)
    size = int(blocks * block)
    path = csv(tmp_path / "a.csv", *COLUMNS, "text", text="short")
    lines = path.read_text().splitlines()
    for at in places:
        lines[at + 1] = lines[at + 1].removesuffix("short") + '"' + "word,\n" * (size // 6) + '"'
    lines.insert(50, "one,value,too,many,in,this,line")
    path.write_text("\n".join(lines) + "\n")
    data = loaded(path)
    assert data.fingerprint == plain
    assert "skipped 1 of 361 (0.28 %) lines with more or fewer values than the header has names" in data.notes
    surveyed = survey(source(path, text=["text"]))
    assert surveyed is not None
    assert int(surveyed.rows.sum()) == N


def test_a_value_without_an_end_is_an_error_with_a_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.data.csv_file._BLOCK_AT_MOST", 2**21)
    path = csv(tmp_path / "a.csv", *COLUMNS)
    with path.open("a") as file:
        file.write('2024-02-29,1.0,"' + "a,b\n" * 2_000_000)
    with pytest.raises(
        UserError, match=r"a.csv cannot be read: after .* rows comes a row of more than 2 MB; does a quote"
    ):
        survey(source(path))


def test_row_names_without_a_header_as_r_writes_them_shift_no_column(tmp_path: Path, plain: str) -> None:
    path = csv(tmp_path / "r.csv", *COLUMNS)
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(f'"{at}",{row}' for at, row in enumerate(rows, 1))]) + "\n")
    assert loaded(path).fingerprint == plain


def test_blank_rows_at_the_end_of_a_sheet_are_no_loss(tmp_path: Path, plain: str) -> None:
    path = csv(tmp_path / "sheet.csv", *COLUMNS)
    path.write_text(path.read_text() + (",,,\n" * N))
    dataset = loaded(path)
    assert dataset.fingerprint == plain
    assert not any("no date" in note for note in dataset.notes)
