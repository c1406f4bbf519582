"""Behaviour of a bucket store alone: bad networks, credentials, permissions, and details of the service."""

import concurrent.futures
import json
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from pipeline.errors import InfrastructureError
from pipeline.store.bucket import BucketStore
from tests.store.test_contract import keys, race
from tests.support.faults import (
    CutBody,
    DamagedBody,
    Fault,
    LostResponse,
    Proxy,
    Request,
    Reset,
    Silence,
    SlowBody,
    Status,
)

PASSING = [Status(429), Status(500), Status(502), Status(503), Reset(), SlowBody()]


@pytest.fixture
def store(proxy: Proxy, bucket: str) -> BucketStore:
    """A store behind the proxy, holding `old`."""
    store = BucketStore(f"gs://{bucket}/p")
    store.write("old", b"old content")
    proxy.requests.clear()
    return store


def metadata(url: str, bucket: str, name: str) -> dict[str, str]:
    with urllib.request.urlopen(f"{url}/storage/v1/b/{bucket}/o/{quote(name, safe='')}") as answer:
        content: dict[str, str] = json.load(answer)
    return content


@pytest.mark.parametrize("fault", [*PASSING, LostResponse()], ids=repr)
@pytest.mark.parametrize("times", [1, 2])
def test_a_create_survives_a_fault_and_happens_once(store: BucketStore, proxy: Proxy, fault: Fault, times: int) -> None:
    proxy.first(times, fault, lambda request: request.is_write)
    assert store.create("row", b"mine")
    assert not store.create("row", b"somebody else's")
    assert store.read("row") == b"mine"
    assert keys(store) == ["old", "row"]


def test_a_lost_answer_is_not_mistaken_for_another_writer(store: BucketStore, proxy: Proxy) -> None:
    _, version = store.read_versioned("old")
    proxy.first(1, LostResponse(), lambda request: request.is_write)
    assert store.replace("old", b"new", version)
    assert not store.replace("old", b"newer", version)
    assert store.read("old") == b"new"


@pytest.mark.parametrize("fault", [Status(503), Reset(), LostResponse()], ids=repr)
def test_another_writer_is_not_mistaken_for_a_lost_answer(store: BucketStore, proxy: Proxy, fault: Fault) -> None:
    proxy.first(1, fault, lambda request: request.is_write)
    assert not store.create("old", b"mine")
    _, version = store.read_versioned("old")
    store.write("old", b"other")
    proxy.first(1, fault, lambda request: request.is_write)
    assert not store.replace("old", b"mine", version)
    assert store.read("old") == b"other"


def test_of_32_writers_on_a_bad_network_exactly_one_wins(store: BucketStore, proxy: Proxy) -> None:
    faults = (None, LostResponse(), Reset(), Status(503))
    lock, writes = threading.Lock(), 0

    def rule(request: Request) -> Fault | None:
        nonlocal writes
        with lock:
            writes += request.is_write
            return faults[writes % 4] if request.is_write and writes % 64 < 32 else None

    proxy.rule = rule
    for key in ("row-0", "row-1", "row-2"):
        won = race(store, key)
        assert won.count(True) == 1
        assert store.read(key) == f"{won.index(True)}".encode()


def test_racing_merges_lose_nothing_on_a_bad_network(store: BucketStore, proxy: Proxy) -> None:
    store.write("merge", b"[]")
    lock, writes = threading.Lock(), 0

    def rule(request: Request) -> Fault | None:
        nonlocal writes
        with lock:
            writes += request.is_write
            return LostResponse() if request.is_write and writes % 3 == 0 else None

    proxy.rule = rule

    def merge(number: int) -> None:
        while True:
            content, version = store.read_versioned("merge")
            if store.replace("merge", json.dumps(sorted({*json.loads(content), number})).encode(), version):
                return

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(merge, range(8)))
    assert json.loads(store.read("merge")) == list(range(8))


@pytest.mark.parametrize("fault", [*PASSING, CutBody(), DamagedBody(), LostResponse()], ids=repr)
def test_a_read_survives_a_fault_and_is_whole(store: BucketStore, proxy: Proxy, fault: Fault, tmp_path: Path) -> None:
    proxy.first(1, fault, lambda request: request.is_read)
    assert store.read("old") == b"old content"
    proxy.first(1, fault, lambda request: request.is_read)
    store.download("old", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"old content"
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_read_cut_off_while_the_object_changes_gets_the_new_content(store: BucketStore, proxy: Proxy) -> None:
    other = BucketStore(store.root)

    def rule(request: Request) -> Fault | None:
        if not request.is_read:
            return None
        proxy.rule = lambda _: None
        return CutBody()

    store.write("big", b"1" * 1_000_000)
    proxy.rule = rule
    assert store.read("big") == b"1" * 1_000_000
    other.write("big", b"2" * 1_000_000)
    proxy.rule = rule
    assert set(store.read("big")) == set(b"2")


@pytest.mark.parametrize("fault", [*PASSING, CutBody(), LostResponse()], ids=repr)
def test_a_listing_survives_a_fault_and_is_complete(store: BucketStore, proxy: Proxy, fault: Fault) -> None:
    store.write("a/b", b"")
    for listing in (lambda: keys(store), lambda: store.folders("")):
        expected = listing()
        proxy.first(1, fault, lambda request: request.is_list)
        assert listing() == expected != []


@pytest.mark.parametrize("fault", [*PASSING, LostResponse()], ids=repr)
def test_a_delete_survives_a_fault(store: BucketStore, proxy: Proxy, fault: Fault) -> None:
    proxy.first(1, fault, lambda request: request.method == "DELETE")
    store.delete("old")
    assert not store.exists("old")


@pytest.mark.parametrize("fault", [Status(503), Reset(), LostResponse()], ids=repr)
@pytest.mark.parametrize("request_number", [1, 2])
def test_a_large_upload_survives_a_fault(
    store: BucketStore, proxy: Proxy, fault: Fault, request_number: int, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 4096 * 9
    (tmp_path / "model.pt").write_bytes(content)
    writes = 0

    def rule(request: Request) -> Fault | None:
        nonlocal writes
        writes += request.is_write
        return fault if request.is_write and writes == request_number else None

    proxy.rule = rule
    store.upload("model.pt", tmp_path / "model.pt")
    assert store.read("model.pt") == content


CALLS: dict[str, Callable[[BucketStore], object]] = {
    "read": lambda store: store.read("old"),
    "exists": lambda store: store.exists("old"),
    "create": lambda store: store.create("new", b""),
    "replace": lambda store: store.replace("old", b"", "1"),
    "write": lambda store: store.write("new", b""),
    "delete": lambda store: store.delete("old"),
    "entries": lambda store: list(store.entries("")),
    "folders": lambda store: store.folders(""),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


def one_line(call: Callable[[BucketStore], object], store: BucketStore) -> str:
    with pytest.raises(InfrastructureError) as caught:
        call(store)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


@every_call
@pytest.mark.parametrize("fault", [Status(500), Reset(), Silence(0.3)], ids=repr)
def test_a_service_that_stays_down_is_one_line_after_the_deadline(
    proxy: Proxy, bucket: str, call: Callable[[BucketStore], object], fault: Fault
) -> None:
    proxy.always(fault)
    store = BucketStore(f"gs://{bucket}", deadline=0.2)
    message = one_line(call, store)
    assert bucket in message
    assert "tried for 0.2 s" in message


@every_call
def test_a_missing_bucket_is_one_line_that_names_it(
    proxy: Proxy, bucket: str, call: Callable[[BucketStore], object]
) -> None:
    message = one_line(call, BucketStore("gs://no-such-bucket/p"))
    assert "bucket no-such-bucket" in message
    assert "there is no such bucket" in message
    assert len(proxy.requests) <= 2


@every_call
def test_missing_permission_is_one_line_and_not_tried_again(
    proxy: Proxy, bucket: str, call: Callable[[BucketStore], object]
) -> None:
    proxy.always(Status(403, "somebody@example.iam does not have\nthe permission"))
    message = one_line(call, BucketStore(f"gs://{bucket}"))
    assert "(somebody@example.iam does not have the permission)" in message
    assert "roles/storage.objectUser" in message
    assert bucket in message
    assert len(proxy.requests) == 1


@every_call
def test_refused_credentials_are_one_line_and_not_tried_again(
    proxy: Proxy, bucket: str, call: Callable[[BucketStore], object]
) -> None:
    proxy.always(Status(401))
    message = one_line(call, BucketStore(f"gs://{bucket}"))
    assert "no valid credentials" in message
    assert "gcloud auth application-default login" in message
    assert bucket in message
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("key_file", [None, "missing.json", "damaged.json"])
@every_call
def test_missing_credentials_are_one_line(
    call: Callable[[BucketStore], object], key_file: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    # Without these, the client would look for a metadata server and for the user's own configuration.
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    (tmp_path / "damaged.json").write_text("{")
    if key_file:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / key_file))
    message = one_line(call, BucketStore("gs://some-bucket"))
    assert "some-bucket" in message
    assert "GOOGLE_APPLICATION_CREDENTIALS" in message


def test_a_missing_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    assert "check the network" in one_line(CALLS["read"], BucketStore("gs://some-bucket", deadline=0.1))


def test_a_missing_object_costs_one_request_once_the_bucket_is_known(store: BucketStore, proxy: Proxy) -> None:
    assert not store.exists("missing")
    with pytest.raises(FileNotFoundError):
        store.read("missing")
    assert len(proxy.requests) == 2


def test_there_is_no_request_before_the_first_call(proxy: Proxy) -> None:
    BucketStore("gs://some-bucket/p").link("a")
    assert proxy.requests == []


def test_a_listing_requests_only_the_needed_fields(store: BucketStore, proxy: Proxy) -> None:
    keys(store, "sweeps/s/trials/", "/result.csv")
    (request,) = proxy.requests
    assert "fields=items%28name%2Csize%2Cgeneration%2Cmetadata%29%2CnextPageToken" in request.path
    assert "matchGlob=%2A%2A%2Fresult.csv" in request.path


def test_foreign_objects_whose_names_are_no_keys_are_not_listed(gcs_url: str, bucket: str) -> None:
    for name in ("p/folder/", "p//double", "outside", "pp/x", "p/fine"):
        address = f"{gcs_url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
        urllib.request.urlopen(urllib.request.Request(address, b"x", method="POST")).close()
    assert keys(BucketStore(f"gs://{bucket}/p/")) == ["fine"]


def test_objects_have_the_content_type_of_their_name(gcs_url: str, bucket: str) -> None:
    store = BucketStore(f"gs://{bucket}")
    expected = {
        "index.html": "text/html; charset=utf-8",
        "results.csv": "text/csv; charset=utf-8",
        "chart.svg": "image/svg+xml",
        "model.pt": "application/octet-stream",
    }
    for name in expected:
        store.write(name, b"x")
    assert {name: metadata(gcs_url, bucket, name)["contentType"] for name in expected} == expected


def test_a_link_can_be_clicked() -> None:
    store = BucketStore("gs://some-bucket/a team")
    assert store.link("s/é 1.pt") == "https://storage.cloud.google.com/some-bucket/a%20team/s/%C3%A9%201.pt"


def test_32_threads_share_one_store_without_losing_connections(
    store: BucketStore, caplog: pytest.LogCaptureFixture
) -> None:
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert set(pool.map(lambda _: store.read("old"), range(200))) == {b"old content"}
    assert "pool is full" not in caplog.text
