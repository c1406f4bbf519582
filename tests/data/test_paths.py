"""Data in folders by day and in buckets are the same as in a single file, and only the needed part is read."""

import gzip
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pandas as pd
import pytest

from pipeline.data import counting, paths
from pipeline.data import load as loading
from pipeline.data.source import FilesSource
from pipeline.dates import DateRange
from pipeline.errors import InfrastructureError, OutOfReachError, UserError
from pipeline.plan import data_access
from pipeline.store.client import Bucket
from tests.data.test_load import DAYS, JANUARY, is_same, source, table
from tests.support import ROOT
from tests.support.faults import CutBody, DamagedBody, LostResponse, Proxy, Reset, SlowBody, Status


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the objects of the cache."""
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/objects"


@pytest.fixture
def plain(tmp_path: Path) -> loading.Dataset:
    """The data set from one CSV file."""
    table().to_csv(tmp_path / "plain.csv", index=False)
    return load(tmp_path / "plain.csv")


def load(path: Path | str, **changes: Any) -> loading.Dataset:
    return loading.load(source(path, **changes), JANUARY)


def by_day(folder: Path, ending: str = "parquet", spelling: str = "%Y-%m-%d") -> Path:
    for day, rows in table().groupby("day"):
        path = folder / f"day={quote(day.strftime(spelling))}" / f"part-0.{ending}"
        path.parent.mkdir(parents=True)
        rows = rows.drop(columns="day")
        rows.to_csv(path, index=False) if ending == "csv" else rows.to_parquet(path)
    return folder


def put(bucket: str, url: str, name: str, content: bytes, **metadata: str) -> None:
    query = f"uploadType=media&name={quote(name, safe='')}"
    address = f"{url}/upload/storage/v1/b/{bucket}/o?{query}"
    urllib.request.urlopen(urllib.request.Request(address, content, method="POST")).close()
    if metadata:
        change = urllib.request.Request(
            f"{url}/storage/v1/b/{bucket}/o/{quote(name, safe='')}",
            json.dumps(metadata).encode(),
            {"Content-Type": "application/json"},
            method="PATCH",
        )
        urllib.request.urlopen(change).close()


@pytest.fixture
def upload(gcs_url: str, bucket: str) -> Callable[..., str]:
    """Puts a file, or all files of a folder, into the bucket, and returns the address."""

    def put_all(local: Path, name: str) -> str:
        for path in [local] if local.is_file() else sorted(path for path in local.rglob("*") if path.is_file()):
            inside = name if path == local else f"{name}/{path.relative_to(local)}"
            put(bucket, gcs_url, inside, path.read_bytes())
        return f"gs://{bucket}/{name}"

    return put_all


def reads(proxy: Proxy) -> list[str]:
    """The objects whose content was requested."""
    return [unquote(request.path.split("/o/")[1].split("?")[0]) for request in proxy.requests if request.is_read]


# Folders by day


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("pattern", ["**/*.*", "*/*", "day=*/part-*", "day=201[23]-*/part-0.*"])
def test_the_day_is_taken_from_the_folders(tmp_path: Path, plain: loading.Dataset, ending: str, pattern: str) -> None:
    assert is_same(plain, load(by_day(tmp_path / "days", ending) / pattern))


@pytest.mark.parametrize("spelling", ["%Y%m%d", "%Y-%m-%d 00:00:00", "%Y-%m-%dT00:00:00Z"])
def test_a_folders_day_may_be_spelled_as_in_a_file(tmp_path: Path, plain: loading.Dataset, spelling: str) -> None:
    assert is_same(plain, load(by_day(tmp_path, spelling=spelling) / "day=*/*"))


def test_the_files_of_other_days_are_not_opened(tmp_path: Path, plain: loading.Dataset) -> None:
    days = by_day(tmp_path / "days")
    for day in DAYS[:-1]:  # the last one is looked at for its columns
        if not JANUARY.start <= day < JANUARY.end:
            (days / f"day={day}" / "part-0.parquet").write_bytes(b"no parquet at all")
    assert is_same(plain, load(days / "**/*.parquet"))
    assert loading.covered_days(source(days / "*/*")) == DateRange(DAYS[0], DAYS[-1] + timedelta(days=1))


def test_the_day_of_the_folder_counts_if_the_file_has_one_too(tmp_path: Path) -> None:
    path = tmp_path / "days/day=2013-01-05/a.csv"
    path.parent.mkdir(parents=True)
    table().to_csv(path, index=False)
    rows = loading.read_rows(source(tmp_path / "days/*/*.csv"), JANUARY)
    assert {str(day) for day in rows.days} == {"2013-01-05"}
    assert len(rows.days) == 90


def test_a_folder_named_in_the_path_is_no_partition(tmp_path: Path, plain: loading.Dataset) -> None:
    path = tmp_path / "day=2024-01-01" / "a.csv"
    path.parent.mkdir()
    table().to_csv(path, index=False)
    assert is_same(plain, load(path))
    assert is_same(plain, load(path.parent / "*.csv"))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_other_columns_may_be_folders_too(tmp_path: Path, plain: loading.Dataset, ending: str) -> None:
    for (shop, day), rows in table().groupby(["shop", "day"], dropna=False):
        name = "__HIVE_DEFAULT_PARTITION__" if pd.isna(shop) else shop
        path = tmp_path / "both" / f"shop={name}" / f"day={day}" / f"0.{ending}"
        path.parent.mkdir(parents=True)
        rows = rows.drop(columns=["shop", "day"])
        rows.to_csv(path, index=False) if ending == "csv" else rows.to_parquet(path)
    assert is_same(plain, load(tmp_path / "both" / "**" / f"*.{ending}"))


def test_a_note_counts_folders_whose_names_are_no_days(tmp_path: Path) -> None:
    days = by_day(tmp_path / "days", "csv")
    (days / f"day={DAYS[0]}").rename(days / "day=__HIVE_DEFAULT_PARTITION__")
    (days / f"day={DAYS[1]}").rename(days / "day=soon")
    dataset = load(days / "*/*.csv")
    assert any(
        note.startswith('left out 2 files: no day from 1970 to 2099 in the name of a folder like "day=')
        for note in dataset.notes
    )


def test_markers_of_other_programs_are_no_files(
    tmp_path: Path, plain: loading.Dataset, upload: Callable[..., str], gcs_url: str, bucket: str
) -> None:
    days = by_day(tmp_path / "days")
    (days / "_SUCCESS").touch()
    (days / "day=2013-01-02" / "_SUCCESS").touch()
    assert is_same(plain, load(days / "**/*"))
    address = upload(days, "in")
    for folder in ("in/", "in/day=2013-01-02/", "in/day=2013-01-03/"):  # as consoles and mounts make them
        put(bucket, gcs_url, folder, b"")
    assert is_same(plain, load(f"{address}/**"))
    assert is_same(plain, load(f"{address}/*/*"))


def test_the_error_for_a_range_without_a_folder_names_the_days_of_the_data(tmp_path: Path) -> None:
    days = by_day(tmp_path / "days")
    with pytest.raises(UserError, match=r"no rows in \[2019-01-01, 2019-03-01\); they cover 2012-12-01 to 2013-02-28"):
        loading.load(source(days / "*/*"), DateRange(date(2019, 1, 1), date(2019, 3, 1)))


# Buckets


def test_a_bucket_is_read_like_a_disk(tmp_path: Path, plain: loading.Dataset, upload: Callable[..., str]) -> None:
    table()[:40].to_csv(tmp_path / "1.csv", index=False)
    table()[40:].to_parquet(tmp_path / "2.parquet")
    upload(tmp_path / "1.csv", "parts/1.csv")
    address = upload(tmp_path / "2.parquet", "parts/deep/2.parquet").removesuffix("deep/2.parquet")
    assert is_same(plain, load(address + "**/*.*"))
    assert is_same(plain, load(address + "**"))
    assert load(upload(tmp_path / "plain.csv", "one file.csv")).fingerprint == plain.fingerprint
    assert loading.covered_days(source(address + "**")) == DateRange(DAYS[0], DAYS[-1] + timedelta(days=1))


@pytest.mark.parametrize("pattern", ["*.csv", "a?.csv", "[ab]1.csv", "*/*.csv", "**/*.csv", "x=*/*", "**", "a1.csv"])
def test_a_pattern_means_the_same_in_a_bucket_and_on_a_disk(
    tmp_path: Path, upload: Callable[..., str], pattern: str
) -> None:
    names = ["a1.csv", "b1.csv", "a12.csv", "a1.csv.bak", ".hidden.csv", "x=1/a1.csv", "x=1/.h/c.csv", "x=1/y=2/a1.csv"]
    for name in names:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    address = upload(tmp_path / "files", "in/here")
    local = [
        path.name.removeprefix(f"{tmp_path}/files/") for path in paths.matching(f"{tmp_path}/files/{pattern}", "d")
    ]
    assert [file.name.removeprefix(f"{address}/") for file in paths.matching(f"{address}/{pattern}", "d")] == local


@pytest.mark.parametrize("pattern", ["*/*", "**/*.parquet", "day=*/part-0.parquet", "day=2013-*/*"])
def test_only_the_objects_of_the_days_are_listed_and_read(
    tmp_path: Path, plain: loading.Dataset, upload: Callable[..., str], proxy: Proxy, pattern: str
) -> None:
    address = upload(by_day(tmp_path / "days"), "days")
    proxy.requests.clear()
    ten_days = DateRange(date(2013, 1, 5), date(2013, 1, 15))
    assert len(loading.read_rows(source(f"{address}/{pattern}"), ten_days).days) == 10
    assert sorted(reads(proxy)) == [f"days/day=2013-01-{day:02}/part-0.parquet" for day in range(5, 15)]
    folders, objects = (parse_qs(urlsplit(request.path).query) for request in proxy.requests if request.is_list)
    assert folders["delimiter"] == ["/"]
    assert (objects["startOffset"], objects["endOffset"]) == (["days/day=2013-01-05/"], ["days/day=2013-01-140"])
    assert is_same(plain, load(f"{address}/{pattern}"))


def test_the_days_of_folders_are_known_from_the_listing_alone(
    tmp_path: Path, upload: Callable[..., str], proxy: Proxy
) -> None:
    address = upload(by_day(tmp_path / "days"), "days")
    assert loading.covered_days(source(f"{address}/*/*")) == DateRange(DAYS[0], DAYS[-1] + timedelta(days=1))
    assert set(reads(proxy)) == {f"days/day={DAYS[-1]}/part-0.parquet"}  # whether the columns are there


def test_objects_beside_folders_of_days_are_read_too(tmp_path: Path, upload: Callable[..., str]) -> None:
    days = by_day(tmp_path / "days", "csv")
    first = table()[:1].assign(day=date(2013, 1, 3))
    for name in ("more.csv", "old/more.csv"):
        (days / name).parent.mkdir(exist_ok=True)
        first.to_csv(days / name, index=False)
        rows = loading.read_rows(source(upload(days, name.replace("/", "-")) + "/**/*.csv"), JANUARY)
        assert len(rows.days) == 31
        (days / name).unlink()


def test_a_second_load_reads_nothing_from_the_bucket(
    tmp_path: Path, upload: Callable[..., str], proxy: Proxy, plain: loading.Dataset, cached: Path
) -> None:
    address = upload(tmp_path / "plain.csv", "a.csv")
    assert is_same(plain, load(address))
    assert reads(proxy) == ["a.csv"]
    proxy.requests.clear()
    assert not is_same(plain, load(address, text=[]))
    assert is_same(plain, load(address))
    assert reads(proxy) == []
    assert len(list(cached.iterdir())) == 1


def test_an_object_that_changes_is_read_anew(
    tmp_path: Path, upload: Callable[..., str], plain: loading.Dataset, cached: Path
) -> None:
    address = upload(tmp_path / "plain.csv", "a.csv")
    assert is_same(plain, load(address))
    table(price=[float(n % 13 + 1) for n in range(90)]).to_csv(tmp_path / "new.csv", index=False)
    upload(tmp_path / "new.csv", "a.csv")
    assert load(address).fingerprint == load(tmp_path / "new.csv").fingerprint != plain.fingerprint
    assert len(list(cached.iterdir())) == 2


def test_an_object_that_changes_between_listing_and_reading_is_an_error(
    tmp_path: Path, upload: Callable[..., str], plain: loading.Dataset, cached: Path
) -> None:
    address = upload(tmp_path / "plain.csv", "a.csv")
    [file] = paths.matching(address, "day")
    upload(tmp_path / "plain.csv", "a.csv")
    with pytest.raises(InfrastructureError, match=r"gs://.*/a.csv was replaced or removed while it was read"):
        list(paths.fetched([file]))
    assert list(cached.iterdir()) == []


def test_an_object_with_gzip_encoding_is_read(
    tmp_path: Path, gcs_url: str, bucket: str, plain: loading.Dataset
) -> None:
    content = gzip.compress((tmp_path / "plain.csv").read_bytes())
    put(bucket, gcs_url, "a.csv", content, contentEncoding="gzip")
    assert is_same(plain, load(f"gs://{bucket}/a.csv"))


@pytest.mark.parametrize(
    "fault", [Status(429), Status(503), Reset(), LostResponse(), CutBody(), DamagedBody(), SlowBody()], ids=repr
)
def test_a_bad_network_is_survived(
    tmp_path: Path, upload: Callable[..., str], proxy: Proxy, plain: loading.Dataset, fault: Any
) -> None:
    address = upload(tmp_path / "plain.csv", "in/a.csv")
    proxy.first(2, fault, lambda request: request.is_read or not isinstance(fault, CutBody | DamagedBody))
    assert is_same(plain, load(address.replace("a.csv", "*")))


def test_a_network_that_stays_down_is_an_infrastructure_error_and_leaves_no_file(
    tmp_path: Path, upload: Callable[..., str], proxy: Proxy, plain: loading.Dataset, cached: Path, impatient: None
) -> None:
    address = upload(tmp_path / "plain.csv", "a.csv")
    proxy.rule = lambda request: Status(503) if request.is_read else None
    with pytest.raises(InfrastructureError, match=r"cannot read 'a.csv' in the bucket .* tried for 0.2 s"):
        load(address)
    assert list(cached.parent.glob("*/*")) == []
    proxy.always(Reset())
    with pytest.raises(InfrastructureError, match=r"cannot list .* tried for 0.2 s"):
        load(address)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Bucket.__init__
    monkeypatch.setattr(Bucket, "__init__", lambda self, name, **options: before(self, name, 0.2, **options))


def test_an_error_that_no_retry_mends_is_a_user_error(bucket: str, proxy: Proxy) -> None:
    with pytest.raises(UserError, match=r'data.path: no object matches "gs://.*/none/\*.csv"'):
        load(f"gs://{bucket}/none/*.csv")
    with pytest.raises(UserError, match=r"the bucket no-such-bucket: there is no such bucket: correct data.path"):
        load("gs://no-such-bucket/a.csv")
    proxy.always(Status(403, "somebody@example.iam has no permission"))
    with pytest.raises(UserError, match=r"not allowed \(somebody.*roles/storage.objectViewer on this bucket"):
        load(f"gs://{bucket}/a.csv")
    proxy.always(Status(401))
    with pytest.raises(UserError, match=r"no valid credentials .*gcloud auth application-default login"):
        load(f"gs://{bucket}/a.csv")


def test_a_machine_without_access_to_the_bucket_does_not_know_the_days_of_the_data(bucket: str, proxy: Proxy) -> None:
    data = source(f"gs://{bucket}/a.csv")
    for status in (Status(403, "somebody@example.iam has no permission"), Status(401)):
        proxy.always(status)
        assert data_access.covered_days(data, trains_here=False) is None
        with pytest.raises(OutOfReachError):
            data_access.covered_days(data, trains_here=True)


def test_rows_of_a_bucket_are_counted_like_those_of_a_disk(tmp_path: Path, upload: Callable[..., str]) -> None:
    days = by_day(tmp_path / "days")
    counted = counting.count(source(f"{upload(days, 'days')}/*/*"))
    assert counted == counting.count(source(days / "*/*"))
    assert counted is not None
    assert counted.within(JANUARY) == len(loading.read_rows(source(days / "*/*"), JANUARY).days)


def test_a_broken_object_is_named_by_its_address(tmp_path: Path, upload: Callable[..., str]) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(UserError, match=r"gs://.*/a.parquet cannot be read: "):
        load(upload(tmp_path / "a.parquet", "a.parquet"))
    table().drop(columns="shop").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match=r'gs://.*/a.csv has no column "shop"'):
        load(upload(tmp_path / "a.csv", "a.csv"))


LANE = (
    "import sys; sys.path.insert(0, '.'); from tests.data import test_paths as t; "
    "print(t.load(sys.argv[1]).fingerprint)"
)


def lane(path: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", LANE, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_lanes_that_start_together_read_each_object_once(
    tmp_path: Path, upload: Callable[..., str], proxy: Proxy, plain: loading.Dataset
) -> None:
    address = upload(by_day(tmp_path / "days"), "days")
    proxy.requests.clear()
    proxy.latency = 0.01
    lanes = [lane(f"{address}/*/*") for _ in range(3)]
    assert {process.communicate(timeout=100)[0].strip() for process in lanes} == {plain.fingerprint}
    assert len(reads(proxy)) == len(set(reads(proxy))) == JANUARY.days


def test_a_lane_killed_in_the_middle_of_a_download_harms_no_other(
    tmp_path: Path, upload: Callable[..., str], proxy: Proxy, plain: loading.Dataset, cached: Path
) -> None:
    address = upload(tmp_path / "plain.csv", "a.csv")
    proxy.rule = lambda request: SlowBody(pieces=100, pause=0.1) if request.is_read else None
    first = lane(address)
    while not reads(proxy):
        time.sleep(0.01)
    second = lane(address)
    first.kill()
    first.communicate()
    proxy.rule = lambda request: None
    assert second.communicate(timeout=100)[0].strip() == plain.fingerprint
    assert [path.parent for path in cached.parent.glob("*/*")] == [cached]


def test_local_data_do_not_need_the_cloud_client(tmp_path: Path, plain: loading.Dataset) -> None:
    code = (
        "import sys; from datetime import date; from pipeline.data.source import FilesSource; "
        "from pipeline.data import load; load.covered_days(FilesSource.model_validate_json(sys.argv[1])); "
        "assert not [name for name in sys.modules if name.startswith('google.')]"
    )
    data = source(tmp_path / "plain.csv").model_dump_json(by_alias=True)
    subprocess.run([sys.executable, "-c", code, data], cwd=ROOT, check=True)


def test_a_source_in_a_bucket_is_the_same_after_json() -> None:
    source_in_bucket = source("gs://some-bucket/a/*.csv")
    assert FilesSource.model_validate_json(source_in_bucket.model_dump_json(by_alias=True)) == source_in_bucket
