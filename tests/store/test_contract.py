"""The contract of a store, tested for each kind of store."""

import concurrent.futures
import os
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.store import Store, open_store
from pipeline.store.keys import is_key
from tests.support import gcs

T = TypeVar("T")

PARTS = st.text(min_size=1, max_size=20).filter(is_key).filter(lambda part: "/" not in part)
KEYS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


def keys(store: Store, prefix: str = "", suffix: str = "") -> list[str]:
    return [entry.key for entry in store.entries(prefix, suffix)]


def at_once(threads: int, work: Callable[[int], T]) -> list[T]:
    """Calls `work(0)`, `work(1)`, … in as many threads, which start together."""
    start = threading.Barrier(threads)

    def run(number: int) -> T:
        start.wait()
        return work(number)

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def race(store: Store, key: str) -> list[bool]:
    """The results of 32 threads that create `key` at once, each with its number as content."""
    return at_once(32, lambda n: store.create(key, f"{n}".encode()))


def test_what_is_written_is_read_back(store: Store) -> None:
    store.write("a/b.bin", bytes(range(256)))
    assert store.read("a/b.bin") == bytes(range(256))
    assert store.exists("a/b.bin")


def test_empty_content_is_content(store: Store) -> None:
    assert store.create("empty", b"")
    store.write("empty too", b"")
    assert store.read("empty") == store.read("empty too") == b""
    assert [entry.size for entry in store.entries("")] == [0, 0]


def test_a_missing_key_is_file_not_found(store: Store, tmp_path: Path) -> None:
    store.write("a/b", b"1")
    for missing in ("c", "a/c", "a", "a/b/c"):
        assert not store.exists(missing)
        with pytest.raises(FileNotFoundError):
            store.read(missing)
        with pytest.raises(FileNotFoundError):
            store.read_versioned(missing)
        with pytest.raises(FileNotFoundError):
            store.download(missing, tmp_path / "here")
    assert not list(tmp_path.glob("here*"))


def test_an_empty_store_lists_nothing_and_misses_everything(store: Store) -> None:
    assert keys(store) == keys(store, "sweeps/") == store.folders("") == store.folders("sweeps/") == []
    assert not store.exists("a")
    with pytest.raises(FileNotFoundError):
        store.read("a")


def test_only_the_first_create_counts(store: Store) -> None:
    assert store.create("row", b"first")
    assert not store.create("row", b"second")
    assert not store.create("row", b"first")
    assert store.read("row") == b"first"


def test_of_32_creates_at_once_exactly_one_wins(store: Store) -> None:
    for key in ("row-0", "row-1", "row-2", "row-3", "row-4"):
        won = race(store, key)
        assert won.count(True) == 1
        assert store.read(key) == f"{won.index(True)}".encode()


def test_of_several_creates_with_the_same_content_exactly_one_wins(store: Store) -> None:
    assert at_once(8, lambda n: store.create("row", b"the same")).count(True) == 1


def test_replace_writes_only_over_the_version_it_names(store: Store) -> None:
    store.write("a", b"1")
    content, version = store.read_versioned("a")
    assert content == b"1"
    assert store.replace("a", b"2", version)
    assert not store.replace("a", b"3", version)
    assert store.read("a") == b"2"


def test_replace_of_nothing_creates_once(store: Store) -> None:
    assert store.replace("a", b"1", None)
    assert not store.replace("a", b"2", None)
    assert store.read("a") == b"1"


def test_replace_of_a_deleted_object_writes_nothing(store: Store) -> None:
    store.write("a", b"1")
    _, version = store.read_versioned("a")
    store.delete("a")
    assert not store.replace("a", b"2", version)
    assert not store.exists("a")


def test_every_write_changes_the_version_even_with_the_same_content(store: Store) -> None:
    versions = set()
    for _ in range(20):
        store.write("a", b"x")
        versions.add(store.read_versioned("a")[1])
    assert len(versions) == 20


def test_a_listing_and_a_read_agree_on_the_version(store: Store) -> None:
    store.write("a", b"1")
    (entry,) = store.entries("")
    assert entry.version == store.read_versioned("a")[1]
    assert store.replace("a", b"2", entry.version)


def test_racing_replacements_lose_no_update(store: Store) -> None:
    store.write("counter", b"0")

    def increment(_: int) -> None:
        while True:
            content, version = store.read_versioned("counter")
            if store.replace("counter", b"%d" % (int(content) + 1), version):
                return

    at_once(16, increment)
    assert store.read("counter") == b"16"


def test_a_reader_never_sees_a_mixture(store: Store) -> None:
    contents = [bytes([65 + n]) * 100_000 for n in range(4)]
    store.write("a", contents[0])

    def work(n: int) -> bool:
        if n < 4:
            for _ in range(5):
                store.write("a", contents[n])
            return True
        return all(store.read("a") in contents for _ in range(10))

    assert all(at_once(8, work))


def test_listings_are_sorted_by_key(store: Store) -> None:
    # "/" sorts after "-" and "." but before letters. A walk folder by folder easily gets that wrong.
    written = ["a", "a-b/c", "a.txt", "b/c/d", "b-/x", "b/c.x", "b/cc", "b0", "é/ü", "z", "日本/語", "𝔘"]
    for key in written[::-1]:
        store.write(key, b"")
    assert keys(store) == sorted(written)
    assert keys(store) == sorted(written, key=str.encode)


def test_a_listing_takes_prefix_and_suffix_literally(store: Store) -> None:
    for key in ("t/e1/result.csv", "t/e1/log.txt", "t/e10/result.csv", "t/e1x", "t/[e]*/result.csv", "result.csv"):
        store.write(key, b"")
    assert keys(store, "t/e1/") == ["t/e1/log.txt", "t/e1/result.csv"]
    assert keys(store, "t/e1") == ["t/e1/log.txt", "t/e1/result.csv", "t/e10/result.csv", "t/e1x"]
    assert keys(store, "t/", "/result.csv") == ["t/[e]*/result.csv", "t/e1/result.csv", "t/e10/result.csv"]
    assert keys(store, "t/[e]*/", ".csv") == ["t/[e]*/result.csv"]
    assert keys(store, "", "result.csv") == ["result.csv", "t/[e]*/result.csv", "t/e1/result.csv", "t/e10/result.csv"]
    assert keys(store, "t/e1/result.csv") == ["t/e1/result.csv"]
    assert keys(store, "", "e1/log.txt") == ["t/e1/log.txt"]
    assert keys(store, "nothing/") == keys(store, "t/e1/", ".png") == []


def test_a_listing_longer_than_a_page_is_complete(store: Store) -> None:
    expected = [f"many/{n:04}" for n in range(1100)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.write(key, b"x"), expected))
    assert keys(store, "many/") == expected


def test_a_listing_tells_sizes(store: Store) -> None:
    store.write("a", b"12345")
    assert [(entry.key, entry.size) for entry in store.entries("a")] == [("a", 5)]


def test_folders_are_the_names_with_objects_below(store: Store) -> None:
    for key in ("sweeps/s1/a/b", "sweeps/s1/c", "sweeps/s 2/x", "sweeps/file", "other/x"):
        store.write(key, b"")
    assert store.folders("") == ["other", "sweeps"]
    assert store.folders("sweeps/") == ["s 2", "s1"]
    assert store.folders("sweeps/s1/") == ["a"]
    assert store.folders("none/") == []
    store.delete("sweeps/s 2/x")
    assert store.folders("sweeps/") == ["s1"]


def test_deleting_twice_is_fine(store: Store) -> None:
    store.write("a/b", b"1")
    store.delete("a/b")
    store.delete("a/b")
    store.delete("never/there")
    assert not store.exists("a/b")
    assert keys(store) == []


def test_a_deleted_object_can_be_created_again(store: Store) -> None:
    assert store.create("a", b"1")
    store.delete("a")
    assert store.create("a", b"2")
    assert store.read("a") == b"2"


def test_a_big_file_survives_upload_and_download(store: Store, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 12
    source, target = tmp_path / "model.pt", tmp_path / "copy.pt"
    source.write_bytes(content)
    store.upload("m/model.pt", source)
    assert [entry.size for entry in store.entries("m/")] == [len(content)]
    target.write_bytes(b"an older file")
    store.download("m/model.pt", target)
    assert target.read_bytes() == content
    assert store.read("m/model.pt") == content
    store.write("m/again.pt", content)
    assert store.read("m/again.pt") == content
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["copy.pt", "model.pt"]


def test_an_upload_replaces_the_object(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for content in (b"1", b"", b"22"):
        source.write_bytes(content)
        store.upload("a", source)
        assert store.read("a") == content


NO_KEYS = ["", "/", "/etc/passwd", "..", "../a", "a/../../b", "a/./b", "a//b", "a/", ".", "a\0b", "a\nb", "\ud800"]
NO_KEYS += [".hpt-lock", "a/.hpt-x/b", "x" * 256, "x/" * 600 + "x"]


@pytest.mark.parametrize("key", NO_KEYS, ids=lambda key: ascii(key[:20]))
def test_an_invalid_key_is_refused_by_every_method(store: Store, key: str, tmp_path: Path) -> None:
    (tmp_path / "local").write_bytes(b"x")
    calls: list[Callable[[], object]] = [
        lambda: store.read(key),
        lambda: store.read_versioned(key),
        lambda: store.exists(key),
        lambda: store.create(key, b""),
        lambda: store.replace(key, b"", None),
        lambda: store.replace(key, b"", "1"),
        lambda: store.write(key, b""),
        lambda: store.upload(key, tmp_path / "local"),
        lambda: store.download(key, tmp_path / "copy"),
        lambda: store.delete(key),
        lambda: store.link(key),
    ]
    for call in calls:
        with pytest.raises(UserError, match="cannot be a name in a store"):
            call()


@pytest.mark.parametrize("prefix", ["../", "/", "a//", "../a", "a/../b"])
def test_a_prefix_cannot_lead_out_either(store: Store, prefix: str) -> None:
    with pytest.raises(UserError):
        list(store.entries(prefix))
    if prefix.endswith("/"):
        with pytest.raises(UserError):
            store.folders(prefix)


@pytest.fixture(scope="module", params=["directory", "bucket"])
def lasting_store(request: pytest.FixtureRequest, gcs_url: str) -> Iterator[Store]:
    with gcs.pointed_at(gcs_url), tempfile.TemporaryDirectory() as folder:
        yield open_store(folder if request.param == "directory" else f"gs://{gcs.new_bucket(gcs_url)}/p")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=KEYS, content=st.binary(max_size=200))
def test_any_key_and_any_content_round_trip(lasting_store: Store, key: str, content: bytes) -> None:
    # Each example has its folder, because no key may be the folder of another.
    folder = f"{uuid.uuid4()}/"
    assert lasting_store.create(folder + key, content)
    assert lasting_store.read(folder + key) == content
    assert keys(lasting_store, folder) == keys(lasting_store, folder + key) == [folder + key]
    assert lasting_store.folders(folder) == ([key.split("/")[0]] if "/" in key else [])
    lasting_store.delete(folder + key)
    assert keys(lasting_store, folder) == []


@pytest.mark.parametrize("root", ["", "s3://bucket/x", "gs://", "gs:///x", "gs://Not A Bucket/x", "gs://b-1/../x"])
def test_a_root_that_is_no_store_is_refused(root: str) -> None:
    with pytest.raises(UserError):
        open_store(root)


def test_content_in_a_listing_is_the_content_of_the_object(store: Store) -> None:
    created, large = b"\xff\x00 a row\n", b"x" * 100_000
    assert store.create("t/row", created)
    assert store.create("t/large", large)
    store.write("t/written", b"over nothing")
    store.write("t/row-2", b"old")
    assert store.replace("t/row-2", b"new", store.read_versioned("t/row-2")[1])
    for entry in store.entries("t/"):
        assert entry.content in (None, store.read(entry.key))
    store.write("t/row", b"something else")
    assert all(entry.content is None for entry in store.entries("t/"))
