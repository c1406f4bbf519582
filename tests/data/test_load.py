"""A user's own files become a dataset, and problems with them are reported."""

import codecs
import gzip
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

from pipeline.data import files, load, parquet_file
from pipeline.data.source import FilesSource
from pipeline.dates import DateRange
from pipeline.errors import UserError
from tests.support import ROOT

JANUARY = DateRange(date(2013, 1, 1), date(2013, 1, 31))  # 30 days: 18 train, 4 or 5 valid, 7 test
DAYS = [date(2012, 12, 1) + timedelta(days=n) for n in range(90)]


def table(**changes: list[Any]) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "day": DAYS,
        "title": [f"Red House {n % 5}" for n in range(90)],
        "shop": [("north", "south", None)[n % 3] for n in range(90)],
        "size": [float(n % 7) for n in range(90)],
        "price": [float(n % 11 + 1) for n in range(90)],
    }
    return pd.DataFrame(columns | changes)


def source(path: Path | str, **changes: Any) -> FilesSource:
    keys = {
        "path": str(path),
        "date": "day",
        "text": "title",
        "categorical": "shop",
        "numeric": "size",
        "target": "price",
    }
    return FilesSource.model_validate(keys | changes)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    table().to_csv(tmp_path / "a.csv", index=False)
    return tmp_path / "a.csv"


def loaded(path: Path, content: bytes | None = None, **changes: Any) -> load.Dataset:
    if content is not None:
        path.write_bytes(content)
    return load.load(source(path, **changes), JANUARY)


def is_same(dataset: load.Dataset, other: load.Dataset) -> bool:
    return dataset.fingerprint == other.fingerprint and all(
        np.array_equal(getattr(getattr(dataset, part), kind), getattr(getattr(other, part), kind))
        for part in ("train", "valid", "test")
        for kind in ("tokens", "dense", "targets")
    )


def test_the_parts_are_the_days_of_the_range_in_order_of_time(csv: Path) -> None:
    dataset = loaded(csv)
    split = JANUARY.split()
    assert (len(dataset.train), len(dataset.valid), len(dataset.test)) == (
        split.train.days,
        split.valid.days,
        split.test.days,
    )
    prices = dataset.encoder.original_units(np.concatenate([dataset.train.targets, dataset.test.targets]))["price"]
    days = [n for n, day in enumerate(DAYS) if split.train.start <= day < split.train.end or day >= split.test.start]
    np.testing.assert_allclose(prices, [n % 11 + 1 for n in days[: len(prices)]], rtol=1e-5)


def test_the_order_of_rows_in_the_files_does_not_matter_across_days(csv: Path, tmp_path: Path) -> None:
    table()[::-1].to_csv(tmp_path / "b.csv", index=False)
    assert is_same(loaded(csv), loaded(tmp_path / "b.csv"))


def test_a_file_is_the_same_zipped_marked_or_in_utf_16(csv: Path, tmp_path: Path) -> None:
    plain, content = loaded(csv), csv.read_bytes()
    other = tmp_path / "other.csv"
    assert is_same(plain, loaded(other, gzip.compress(content)))
    assert is_same(plain, loaded(other, codecs.BOM_UTF8 + content))
    assert is_same(plain, loaded(other, codecs.BOM_UTF8 + b'"day"' + content.removeprefix(b"day")))
    assert is_same(plain, loaded(other, gzip.compress(codecs.BOM_UTF8 + content[:100] + content[100:])))
    assert is_same(plain, loaded(other, content.decode().encode("utf-16")))
    assert is_same(plain, loaded(other, content.replace(b"\n", b"\r\n")))


def test_several_files_are_one_data_set(csv: Path, tmp_path: Path) -> None:
    (tmp_path / "parts" / "deep").mkdir(parents=True)
    table()[:40].to_csv(tmp_path / "parts" / "1.csv", index=False)
    table()[40:].to_parquet(tmp_path / "parts" / "deep" / "2.parquet")
    assert is_same(loaded(csv), loaded(tmp_path / "parts" / "**" / "*.*"))


@pytest.mark.parametrize(
    "spelling",
    [
        "%Y-%m-%d",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M:%S.%f+02:00",
        "%Y/%m/%d",
        "%Y%m%d",
        "%d.%m.%Y",
        "%Y-%m-%dT23:59Z",
        "%d/%m/%Y",
        "%m/%d/%Y %I:%M %p",
        "%d-%m-%Y",
        "%d-%b-%Y",
        "%B %d, %Y",
        "%Y %m %d",
    ],
)
def test_usual_spellings_of_a_day_are_read(csv: Path, tmp_path: Path, spelling: str) -> None:
    table(day=[day.strftime(spelling) for day in DAYS]).to_csv(tmp_path / "b.csv", index=False)
    assert is_same(loaded(csv), loaded(tmp_path / "b.csv"))


@pytest.mark.parametrize("spelling", ["%d.%m.%y", "2013-02-30"])
def test_a_day_that_would_have_to_be_guessed_is_not_read(tmp_path: Path, spelling: str) -> None:
    table(day=[day.strftime(spelling) for day in DAYS]).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(UserError, match="no row has a date that can be read; write dates like 2013-12-31") as caught:
        loaded(tmp_path / "b.csv")
    assert f'for example "{DAYS[0].strftime(spelling)}"' in str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [
        pa.date32(),
        pa.date64(),
        pa.timestamp("us"),
        pa.timestamp("ns"),
        pa.timestamp("ms", "UTC"),
        pa.timestamp("us", "America/New_York"),
        pa.timestamp("us", "Pacific/Auckland"),
        pa.string(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.int64(),
    ],
    ids=str,
)
def test_days_are_read_from_any_type_of_a_parquet_column(csv: Path, tmp_path: Path, kind: pa.DataType) -> None:
    days = pa.array(DAYS)
    if pa.types.is_timestamp(kind) and kind.tz:
        days = pa.compute.assume_timezone(days.cast(pa.timestamp(kind.unit)), kind.tz)
    elif pa.types.is_integer(kind):
        days = pa.array([int(day.strftime("%Y%m%d")) for day in DAYS])
    elif pa.types.is_dictionary(kind):
        days = days.cast(pa.string()).dictionary_encode()
    else:
        days = days.cast(kind) if not pa.types.is_string(kind) else pa.array([f"{day} 10:00" for day in DAYS])
    whole = pa.Table.from_pandas(table())
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(whole.set_column(0, "day", days), path, row_group_size=10)
    assert is_same(loaded(csv), loaded(path))


def test_only_the_row_groups_of_the_range_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.Table.from_pandas(table()), path, row_group_size=10)
    [fragment] = pa.dataset.dataset(path, format="parquet").get_fragments()
    in_january = parquet_file.row_group_filter("day", pa.date32(), DateRange(date(2013, 1, 2), date(2013, 1, 9)))
    assert [group.id for group in fragment.subset(in_january).row_groups] == [3]


def test_a_late_hour_belongs_to_the_day_of_its_own_time_zone(tmp_path: Path) -> None:
    moment = [datetime(2013, 1, 1, 2, tzinfo=UTC) + timedelta(days=n) for n in range(30)]
    times = pa.array(moment, pa.timestamp("us", "America/New_York"))
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"day": times, "x": [1.0] * 30}), path)
    rows = files.Files(str(path), "day").read_rows(("x",), DateRange(date(2012, 12, 31), date(2013, 1, 2)))
    assert [str(day) for day in rows.days] == ["2012-12-31", "2013-01-01"]


def test_long_whole_numbers_stay_apart_beside_a_missing_one(tmp_path: Path) -> None:
    ids = [2**60 + n % 2 if n % 9 else None for n in range(90)]
    whole = pa.Table.from_pandas(table()).append_column("id", pa.array(ids, pa.int64()))
    pa.parquet.write_table(whole, tmp_path / "a.parquet")
    dataset = loaded(tmp_path / "a.parquet", categorical="id")
    assert set(dataset.encoder.categories[0]) == {str(2**60), str(2**60 + 1), None}


def test_leading_zeros_of_a_category_count(tmp_path: Path) -> None:
    table(shop=["007" if n % 2 else "7" for n in range(90)]).to_csv(tmp_path / "a.csv", index=False)
    assert set(loaded(tmp_path / "a.csv").encoder.categories[0]) == {"007", "7"}


def test_words_may_hold_commas_and_line_breaks(tmp_path: Path) -> None:
    table(title=["one,\ntwo"] * 90).to_csv(tmp_path / "a.csv", index=False)
    assert loaded(tmp_path / "a.csv").encoder.words == ("one", "two")


def test_values_that_do_not_parse_are_counted_in_notes_with_an_example(tmp_path: Path) -> None:
    in_january = [n for n, day in enumerate(DAYS) if JANUARY.start <= day < JANUARY.end]
    sizes: list[Any] = [n % 7 for n in range(90)]
    prices: list[Any] = [n % 11 + 1 for n in range(90)]
    days: list[Any] = [str(day) for day in DAYS]
    sizes[in_january[0]], sizes[in_january[1]], sizes[in_january[2]] = "1-5", None, "inf"
    prices[in_january[3]], prices[in_january[4]] = "free", None
    days[in_january[5]] = "soon"
    path = tmp_path / "a.csv"
    table(day=days, size=sizes, price=prices).to_csv(path, index=False)
    path.write_text(path.read_text() + "2013-01-05,too,few\n")
    dataset = loaded(path)
    assert dataset.notes == (
        "29 rows in [2013-01-01, 2013-01-31)",
        "1 of 30 (3.3 %) days have no rows",
        'dropped 1 of 90 (1.1 %) rows of the files: no date in "day", for example "soon"',
        "skipped 1 of 91 (1.1 %) lines with more or fewer values than the header has names",
        '"size": 1 of 29 (3.4 %) values are infinite or too large, for example "inf"',
        '"size": 1 of 29 (3.4 %) values are no numbers, for example "1-5"',
        '"size": 1 of 29 (3.4 %) values are missing',
        '"price": 1 of 29 (3.4 %) values are no numbers, for example "free"',
        "dropped 2 of 29 (6.9 %) rows: no price",
        "fewer than 200 rows with a target, so scores are mostly luck",
    )
    assert len(dataset.train) + len(dataset.valid) + len(dataset.test) == 27
    assert dataset.train.dense[:3].tolist() == [[0.0, 1.0]] * 3


def test_rows_without_a_date_are_counted_in_parquet_too(tmp_path: Path) -> None:
    table(day=[None if n % 30 == 0 else day for n, day in enumerate(DAYS)]).to_parquet(tmp_path / "a.parquet")
    assert 'dropped 3 of 90 (3.3 %) rows of the files: no date in "day"' in loaded(tmp_path / "a.parquet").notes


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_error_for_a_range_without_data_names_the_days_of_the_data(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    table().to_csv(path, index=False) if ending == "csv" else table().to_parquet(path)
    with pytest.raises(UserError, match=r"no rows in \[2019-01-01, 2019-03-01\); they cover 2012-12-01 to 2013-02-28"):
        load.load(source(path), DateRange(date(2019, 1, 1), date(2019, 3, 1)))


def test_the_error_for_a_range_inside_a_gap_names_the_gap(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    table()[(table().day < date(2012, 12, 20)) | (table().day > date(2013, 2, 10))].to_csv(path, index=False)
    with pytest.raises(UserError, match="without the days between 2012-12-19 and 2013-02-11"):
        loaded(path)


@pytest.mark.parametrize(("part", "word"), [("train", "training"), ("valid", "validation"), ("test", "test")])
def test_a_part_without_rows_is_named(tmp_path: Path, part: str, word: str) -> None:
    empty = getattr(JANUARY.split(), part)
    path = tmp_path / "a.csv"
    table()[(table().day < empty.start) | (table().day >= empty.end)].to_csv(path, index=False)
    with pytest.raises(UserError, match=f"leaves no rows with a target in its {word} days .*without the days between"):
        loaded(path)


def test_a_range_too_short_to_split_is_the_users_mistake(csv: Path) -> None:
    with pytest.raises(UserError, match="leave none to train on"):
        load.load(source(csv), DateRange(date(2013, 1, 1), date(2013, 1, 6)))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_missing_column_is_an_error_that_names_the_nearest(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    table().to_csv(path, index=False) if ending == "csv" else table().to_parquet(path)
    with pytest.raises(UserError) as caught:
        loaded(path, categorical="shopp", numeric=["weight"])
    first, second = str(caught.value).splitlines()
    assert 'no column "shopp"; did you mean "shop"? Its columns: day, title, shop, size, price' in first
    assert 'no column "weight". Its columns:' in second


def test_a_path_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file matches .*\*\.csv"):
        loaded(tmp_path / "*.csv")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"day,title,shop,size,price\n2013-01-01,\0,a,1,2\n",
        b"PK\x03\x04 a workbook",
        b"PAR1 not really",
        gzip.compress(bytes(999), mtime=0)[:20],
        b'"' + bytes(200_000),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match=r"broken\.csv cannot be read: "):
        loaded(tmp_path / "broken.csv", content)


def test_a_header_without_rows_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the files have no rows"):
        loaded(tmp_path / "a.csv", b"day,title,shop,size,price\n")


def test_a_column_of_lists_is_an_error(tmp_path: Path) -> None:
    table(shop=[["a"]] * 90).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r'"shop" holds list<.*not one value a row'):
        loaded(tmp_path / "a.parquet")


def test_a_transform_that_a_target_does_not_allow_is_an_error(tmp_path: Path) -> None:
    table(price=[-1.0, *range(89)]).to_csv(tmp_path / "a.csv", index=False)
    assert load.load(source(tmp_path / "a.csv", **{"target-transform": "log1p"}), JANUARY)
    with pytest.raises(UserError, match=r'"log1p" is impossible for 1 of 90 .* for example -1; "asinh" takes any'):
        load.load(
            source(tmp_path / "a.csv", **{"target-transform": "log1p"}), DateRange(date(2012, 12, 1), date(2013, 3, 1))
        )


def test_the_encoder_learns_nothing_from_validation_and_test_rows(csv: Path, tmp_path: Path) -> None:
    after = JANUARY.split().valid.start
    frame = table()
    later = frame["day"] >= after
    frame.loc[later, ["title", "shop", "size", "price"]] = ["Green Tree", "west", 1e6, 1e6]
    frame.to_csv(tmp_path / "b.csv", index=False)
    plain, other = loaded(csv), loaded(tmp_path / "b.csv")
    assert plain.encoder == other.encoder
    np.testing.assert_array_equal(plain.train.targets, other.train.targets)
    assert not np.array_equal(plain.test.tokens, other.test.tokens)


def test_raw_rows_encode_after_training_as_they_did_in_training(csv: Path) -> None:
    dataset = loaded(csv)
    rows = load.read_rows(source(csv), JANUARY.split().test)
    tokens, dense = dataset.encoder.encode(rows.frame)
    np.testing.assert_array_equal(tokens, dataset.test.tokens)
    np.testing.assert_array_equal(dense, dataset.test.dense)


def test_the_fingerprint_changes_with_every_used_value_and_with_no_other(csv: Path, tmp_path: Path) -> None:
    middle = DAYS.index(date(2013, 1, 10))
    plain, changed = loaded(csv).fingerprint, tmp_path / "b.csv"
    for column, value in {"title": "Blue", "shop": "west", "size": 99.0, "price": 99.0}.items():
        frame = table()
        frame.loc[middle, column] = value
        frame.to_csv(changed, index=False)
        assert loaded(changed).fingerprint != plain, column
    frame = table()
    frame.loc[0, "price"] = 99.0  # a day outside the range
    frame["unused"] = 1
    frame.to_csv(changed, index=False)
    assert loaded(changed).fingerprint == plain


def test_the_fingerprint_is_the_same_in_another_process(csv: Path) -> None:
    code = (
        "import sys; from tests.data import test_load as t; from pathlib import Path; "
        "print(t.loaded(Path(sys.argv[1])).fingerprint)"
    )
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"
    printed = subprocess.run([sys.executable, "-c", script, str(csv)], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == loaded(csv).fingerprint
