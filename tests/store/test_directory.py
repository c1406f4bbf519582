"""Behaviour of a directory store alone: readable files, locks, other machines, full disks and killed processes."""

import errno
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from pipeline.errors import InfrastructureError, UserError
from pipeline.store.directory import DirectoryStore
from tests.store.test_contract import at_once, keys

OTHER_MACHINE = {"host": "elsewhere", "machine": ["0123456789abcdef"], "shared": False}


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_an_object_is_a_plain_file_and_nothing_else_is_left(tmp_path: Path) -> None:
    store = DirectoryStore(str(tmp_path))
    store.create("a/row.csv", b"1\n")
    store.write("a/row.csv", b"2\n")
    assert not store.create("a/row.csv", b"3\n")
    assert files(tmp_path) == [".hpt-lock", ".hpt-store.json", "a/row.csv"]
    assert (tmp_path / "a/row.csv").read_text() == "2\n"


def test_other_users_may_read_a_file(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        DirectoryStore(str(tmp_path)).create("a", b"1")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_reading_creates_nothing(tmp_path: Path) -> None:
    store = DirectoryStore(str(tmp_path / "none"))
    assert keys(store) == store.folders("") == []
    assert not store.exists("a")
    store.delete("a")
    assert not (tmp_path / "none").exists()


def test_a_link_is_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert DirectoryStore("here").link("a b/ü") == str(tmp_path / "here/a b/ü")


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        DirectoryStore(str(tmp_path / "file"))


def test_foreign_names_that_no_store_could_write_are_not_listed(tmp_path: Path) -> None:
    for name in (b"line\nbreak", b"latin\xff1", b"fine"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    assert keys(DirectoryStore(str(tmp_path))) == ["fine"]


def test_exactly_once_holds_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    store = DirectoryStore(str(tmp_path))
    won = at_once(32, lambda n: store.create("row", f"{n}".encode()))
    assert won.count(True) == 1
    assert store.read("row") == f"{won.index(True)}".encode()
    assert files(tmp_path) == [".hpt-lock", ".hpt-store.json", "row"]


def test_a_create_succeeds_if_a_mount_repeats_the_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(str(tmp_path))
    store.write("other", b"")
    real = os.link

    def repeated(source: str, target: str) -> None:
        real(source, target)
        real(source, target)

    monkeypatch.setattr(os, "link", repeated)
    assert store.create("row", b"1")


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "check who may"),
        (errno.EIO, "check that"),
    ],
)
def test_a_failing_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    store = DirectoryStore(str(tmp_path))
    store.write("a", b"old")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    (tmp_path / "local").write_bytes(b"x")
    for change in (
        lambda: store.create("b", b"x"),
        lambda: store.write("a", b"new"),
        lambda: store.replace("a", b"new", store.read_versioned("a")[1]),
        lambda: store.upload("b", tmp_path / "local"),
    ):
        with pytest.raises(InfrastructureError, match=advice) as caught:
            change()
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)
    monkeypatch.undo()
    assert store.read("a") == b"old"
    assert files(tmp_path) == [".hpt-lock", ".hpt-store.json", "a", "local"]


def test_a_folder_without_write_access_is_an_infrastructure_error() -> None:
    # Not even root can create folders there.
    with pytest.raises(InfrastructureError, match=r"cannot write 'a' in the store /sys/hpt"):
        DirectoryStore("/sys/hpt").write("a", b"")


def test_a_file_where_a_folder_is_needed_is_one_line(tmp_path: Path) -> None:
    store = DirectoryStore(str(tmp_path))
    store.write("a", b"")
    with pytest.raises(InfrastructureError, match="a file stands where a folder is needed"):
        store.write("a/b", b"")
    store.write("c/d", b"")
    for write in (lambda: store.create("c", b""), lambda: store.write("c", b"")):
        with pytest.raises(InfrastructureError, match="a folder of that name is in the way"):
            write()


def test_another_machine_may_read_but_not_write(tmp_path: Path) -> None:
    DirectoryStore(str(tmp_path)).write("a", b"1")
    (tmp_path / ".hpt-store.json").write_text(json.dumps(OTHER_MACHINE))
    store = DirectoryStore(str(tmp_path))
    assert store.read("a") == b"1"
    assert keys(store) == ["a"]
    for write in (
        lambda: store.create("b", b""),
        lambda: store.replace("a", b"", "1"),
        lambda: store.write("a", b""),
        lambda: store.delete("a"),
    ):
        with pytest.raises(UserError, match=r"'elsewhere'.*HPT_STORE_SHARED=1"):
            write()
    assert files(tmp_path) == [".hpt-lock", ".hpt-store.json", "a"]


def test_a_mount_declared_shared_once_is_shared_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".hpt-store.json").write_text(json.dumps(OTHER_MACHINE))
    monkeypatch.setenv("HPT_STORE_SHARED", "1")
    DirectoryStore(str(tmp_path)).write("a", b"1")
    monkeypatch.delenv("HPT_STORE_SHARED")
    DirectoryStore(str(tmp_path)).write("a", b"2")
    assert json.loads((tmp_path / ".hpt-store.json").read_text()) == {**OTHER_MACHINE, "shared": True}


def test_the_first_machine_needs_no_declaration(tmp_path: Path) -> None:
    DirectoryStore(str(tmp_path)).write("a", b"1")
    DirectoryStore(str(tmp_path)).write("a", b"2")
    assert not json.loads((tmp_path / ".hpt-store.json").read_text())["shared"]


def test_a_damaged_marker_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / ".hpt-store.json").write_text("{")
    with pytest.raises(UserError, match="delete it"):
        DirectoryStore(str(tmp_path)).write("a", b"")


def _increment(root: str, times: int) -> None:
    store = DirectoryStore(root)
    for _ in range(times):
        while True:
            content, version = store.read_versioned("counter")
            if store.replace("counter", b"%d" % (int(content) + 1), version):
                break


def _create_rows(root: str, name: str) -> None:
    store = DirectoryStore(root)
    for row in range(10_000):
        store.create(f"rows/{row:05}", f"{name} {'x' * 2000} {name}".encode())


def test_racing_processes_lose_no_update(tmp_path: Path) -> None:
    root = str(tmp_path)
    DirectoryStore(root).write("counter", b"0")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_increment, args=(root, 25)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert DirectoryStore(root).read("counter") == b"100"


def test_writers_killed_at_any_moment_leave_only_whole_objects(tmp_path: Path) -> None:
    root = str(tmp_path)
    context = multiprocessing.get_context("fork")
    for round_ in range(10):
        processes = [context.Process(target=_create_rows, args=(root, f"{round_}-{n}")) for n in range(2)]
        for process in processes:
            process.start()
        time.sleep(0.03 + 0.007 * round_)
        for process in processes:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
    store = DirectoryStore(root)
    names = keys(store)
    assert names
    for key in names:
        first, middle, last = store.read(key).decode().split(" ")
        assert first == last
        assert len(middle) == 2000
    # The lock of a dead process blocks no other.
    assert store.create("after", b"1")
    store.write("after", b"2")
