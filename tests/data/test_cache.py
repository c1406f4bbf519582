"""The cache of a machine: many processes fill it once, also when one is killed or a disk is full.

The tests use real processes and real disks.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from pipeline.data import cache
from pipeline.data.cache import Cache
from pipeline.errors import InfrastructureError, UserError
from tests.support import ROOT

# Reads the object "k" of 3,000 bytes. Prints a line when its fetch begins, and waits for a line of input.
CHILD = """
import sys
from pathlib import Path
from pipeline.data.cache import Cache

def fetch(file):
    file.write(b"x" * 1000)
    file.flush()
    print("fetching", flush=True)
    sys.stdin.readline()
    file.write(b"x" * 2000)

with Cache(Path(sys.argv[1]), 10**6).file("k", 3000, fetch) as path:
    print("read", len(path.read_bytes()), flush=True)
"""


def child(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CHILD, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def content(size: int = 1000, fetches: list[int] | None = None) -> Callable[[BinaryIO], None]:
    def fetch(file: BinaryIO) -> None:
        if fetches is not None:
            fetches.append(size)
        file.write(bytes(size))

    return fetch


def take(disk_cache: Cache, key: str, size: int = 1000) -> bool:
    """Reads an object. True if it had to be fetched."""
    fetches: list[int] = []
    with disk_cache.file(key, size, content(size, fetches)) as path:
        assert path.read_bytes() == bytes(size)
    return bool(fetches)


def files(folder: Path) -> list[tuple[str, int]]:
    return [(path.parent.name, path.stat().st_size) for path in sorted(folder.glob("*/*"))]


def test_a_cached_object_is_not_fetched_again(tmp_path: Path) -> None:
    disk_cache = Cache(tmp_path / "a" / "b", 10**6)
    assert [take(disk_cache, key) for key in ("k", "k", "l", "k")] == [True, False, True, False]
    assert not take(Cache(tmp_path / "a" / "b", 10**6), "l")


def test_an_empty_object_is_cached_too(tmp_path: Path) -> None:
    disk_cache = Cache(tmp_path, 10**6)
    assert [take(disk_cache, "k", 0), take(disk_cache, "k", 0)] == [True, False]


def test_of_many_processes_one_fetches_and_the_others_wait_for_it(tmp_path: Path) -> None:
    lanes = [child(tmp_path) for _ in range(6)]
    for lane in lanes:
        assert lane.stdin is not None
        lane.stdin.write("\n")
        lane.stdin.flush()
    out = [lane.communicate(timeout=60)[0] for lane in lanes]
    assert sorted(text.splitlines()[-1] for text in out) == ["read 3000"] * 6
    assert "".join(out).count("fetching") == 1
    assert files(tmp_path) == [("objects", 3000)]


def test_a_process_killed_during_a_fetch_leaves_no_object(tmp_path: Path) -> None:
    first = child(tmp_path)
    assert first.stdout is not None
    assert first.stdout.readline() == "fetching\n"
    second = child(tmp_path)  # waits for the first
    assert [name for name, _ in files(tmp_path)] == ["partial"]
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert second.communicate("\n", timeout=60)[0] == "fetching\nread 3000\n"
    assert files(tmp_path) == [("objects", 3000)]


def test_the_next_fetch_removes_the_files_of_dead_processes(tmp_path: Path) -> None:
    first = child(tmp_path)
    assert first.stdout is not None
    first.stdout.readline()
    first.kill()
    first.communicate()
    assert len(files(tmp_path)) == 1
    take(Cache(tmp_path, 10**6), "another")
    assert files(tmp_path) == [("objects", 1000)]


def test_a_fetch_that_fails_leaves_nothing_and_the_next_one_tries_again(tmp_path: Path) -> None:
    def fails(file: BinaryIO) -> None:
        file.write(b"half")
        raise InfrastructureError("the network is down")

    disk_cache = Cache(tmp_path, 10**6)
    with pytest.raises(InfrastructureError, match="the network is down"), disk_cache.file("k", 1000, fails):
        pass
    assert files(tmp_path) == []
    with (
        pytest.raises(InfrastructureError, match="4 bytes came instead of 1,000"),
        disk_cache.file("k", 1000, content(4)),
    ):
        pass
    assert files(tmp_path) == []
    assert take(disk_cache, "k")


def test_a_file_cut_short_by_a_power_failure_is_fetched_again(tmp_path: Path) -> None:
    disk_cache = Cache(tmp_path, 10**6)
    take(disk_cache, "k")
    [path] = (tmp_path / "objects").iterdir()
    path.write_bytes(b"")
    assert take(disk_cache, "k")


def test_the_least_recently_used_object_is_removed_first(tmp_path: Path) -> None:
    disk_cache = Cache(tmp_path, 3000)
    for age, key in enumerate(("a", "b", "c")):
        take(disk_cache, key)
        for path in (tmp_path / "objects").iterdir():
            os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**9 * (3 - age)))
    assert not take(disk_cache, "a")
    assert take(disk_cache, "d")
    assert sum(size for _, size in files(tmp_path)) == 3000
    assert [take(disk_cache, key) for key in ("a", "c", "d", "b")] == [False, False, False, True]


def test_an_object_in_use_stays_and_a_fetch_waits_for_room(tmp_path: Path) -> None:
    disk_cache = Cache(tmp_path, 4000)
    with disk_cache.file("in use", 2000, content(2000)) as path:
        waiting = child_with(tmp_path, 4000)  # needs 3,000
        time.sleep(0.5)
        assert waiting.poll() is None
        assert path.stat().st_size == 2000
    assert waiting.communicate("\n", timeout=60)[0] == "fetching\nread 3000\n"
    assert files(tmp_path) == [("objects", 3000)]


def child_with(folder: Path, at_most: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CHILD.replace("10**6", str(at_most)), str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_many_processes_share_a_cache_that_is_too_small_for_all_their_objects(tmp_path: Path) -> None:
    code = """
import random, sys
from pathlib import Path
from pipeline.data.cache import Cache

disk_cache, random = Cache(Path(sys.argv[1]), 5000), random.Random(sys.argv[2])
for _ in range(100):
    key = random.randrange(12)
    size = 500 + 100 * key
    with disk_cache.file(str(key), size, lambda file: file.write(bytes([key]) * size)) as path:
        assert path.read_bytes() == bytes([key]) * size
    used = 0
    for path in Path(sys.argv[1]).glob("*/*"):
        try:
            used += path.stat().st_size
        except FileNotFoundError:
            pass
    assert used < 5000 + 1700, used  # a file may move to the other folder and be counted twice
"""
    lanes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)], cwd=ROOT) for n in range(4)]
    assert [lane.wait(60) for lane in lanes] == [0] * 4
    assert sum(size for _, size in files(tmp_path)) <= 5000
    assert {folder for folder, _ in files(tmp_path)} == {"objects"}


def test_an_object_larger_than_the_cache_is_a_clear_line(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=r"gs://b/k has 2 GB, the cache .* at most 1 GB: set HPT_CACHE_GB higher"),
        Cache(tmp_path, 10**9).file("gs://b/k", 2 * 10**9, content()),
    ):
        pass


FILL = """
import sys
from pathlib import Path
from pipeline.errors import InfrastructureError
from pipeline.data.cache import Cache

folder = Path(sys.argv[1])
disk_cache = Cache(folder, 10**9)
def take(key, size):
    with disk_cache.file(key, size, lambda file: file.write(bytes(size))) as path:
        assert path.stat().st_size == size
take("a", 300_000)
take("b", 300_000)
take("c", 800_000)  # fits once the others are removed
print(sorted(path.stat().st_size for path in folder.glob("*/*")))
try:
    take("d", 2_000_000)
except InfrastructureError as error:
    print(error)
take("e", 100_000)
print([path.parent.name for path in folder.glob("*/*")])
"""


def test_on_a_full_disk_old_objects_are_removed_and_then_it_is_one_clear_line(tmp_path: Path) -> None:
    mount = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    script = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    lines = subprocess.run(
        [*mount, "sh", "-c", script, "sh", str(tmp_path), sys.executable, FILL],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert lines[0] == "[800000]"
    assert re.fullmatch(
        r"the cache .*: 0.002 GB are needed, 0.00\d* GB are free: "
        "free some space there, or set HPT_CACHE to a folder on a larger disk",
        lines[1],
    )
    assert lines[2] == "['objects']"


def test_a_write_error_during_a_fetch_is_one_clear_line(tmp_path: Path) -> None:
    code = f"""
import resource, os
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
os.posix_fallocate = lambda *_: None
{FILL.split("take(")[0].split("def ")[0]}
try:
    with disk_cache.file("k", 9000, lambda file: [file.write(bytes(3000)) and file.flush() for _ in range(3)]):
        pass
except InfrastructureError as error:
    print(error)
print(list(folder.glob("*/*")))
"""
    lines = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert re.fullmatch("the cache .*: File too large: files may not be so large there; set HPT_CACHE .*", lines[0])
    assert lines[1] == "[]"


def test_a_file_in_place_of_the_folder_is_a_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InfrastructureError, match=r"the cache .*file: Not a directory: set HPT_CACHE to a folder"),
        Cache(tmp_path / "file", 10**6).file("k", 1, content(1)),
    ):
        pass


def test_an_error_of_the_reader_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), Cache(tmp_path, 10**6).file("k", 1, content(1)):
        raise PermissionError("of the reader")


def test_the_environment_sets_the_folder_and_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HPT_CACHE", "HPT_CACHE_GB", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.of_this_machine().folder == tmp_path / ".cache/hpt"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache.of_this_machine().folder == tmp_path / "x/hpt"
    monkeypatch.setenv("HPT_CACHE", "~/mine")
    assert cache.of_this_machine().folder == tmp_path / "mine"
    for wrong in ("many", "0", "-1", "nan", "inf"):
        monkeypatch.setenv("HPT_CACHE_GB", wrong)
        with pytest.raises(UserError, match=f"HPT_CACHE_GB={wrong} is no number of gigabytes"):
            cache.of_this_machine()
    monkeypatch.setenv("HPT_CACHE_GB", "0.000001")
    with pytest.raises(UserError, match="set HPT_CACHE_GB higher"):
        take(cache.of_this_machine(), "k", 1001)
