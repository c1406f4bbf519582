"""Checks that this machine is fit to run trials, before hours of work: its GPU, the store, its disk, its clock.

It checks only for faults that would make a trial fail. It repairs nothing and measures no speed.
"""

import contextlib
import math
import os
import platform
import queue
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import InfrastructureError
from pipeline.sweep.layout import doctor_key

ROOM = 2**30
"""Free bytes for a model and its training data. Less means that the device is in use, or that the disk is full."""
_SECONDS_OFF = 60.0
"""Seconds that the clock may be wrong. With more, Google's services refuse our tokens; and rows are sorted by time."""
STORE_SECONDS = 240.0
"""Time limit of the store's checks, for a mount that hangs; longer than the time for which bucket calls are retried."""


@dataclass(frozen=True)
class Check:
    """Result of one check."""

    name: str
    fine: bool
    """True if trials can run."""
    finding: str
    of_machine: bool = True
    """False for the store, which may fail on all machines alike."""

    def __str__(self) -> str:
        return f"{'ok  ' if self.fine else 'FAIL'} {self.name}: {self.finding}"


def checks(
    store_root: str | None,
    *,
    disk_room: int = ROOM,
    installed: Path = Path(__file__),
    store_seconds: float = STORE_SECONDS,
) -> Iterator[Check]:
    """Yields the result of every check, even if some fail; checks a store only if `store_root` names it.

    A disk needs `disk_room` free bytes. The clock must not be behind the time at which the file `installed` was
    written. A store must answer within `store_seconds`. Raises UserError if the store's name is wrong.
    """
    torch_works = _versions()
    yield torch_works
    if torch_works.fine:
        yield from _device()
    yield _disk("disk", Path(tempfile.gettempdir()), disk_room)
    yield _clock(installed)
    if store_root is not None:
        yield from _answer_of(store_root, disk_room, store_seconds)


def verdict(checks: Sequence[Check]) -> str | None:
    """One line about the checks that failed; None if none did.

    It begins with "not fit" if the machine is at fault, else with "not ready".
    """
    failed = [check for check in checks if not check.fine]
    of_machine = [check for check in failed if check.of_machine]
    findings = "; ".join(f"{check.name}: {check.finding}" for check in of_machine or failed)
    return f"{'not fit' if of_machine else 'not ready'}: {findings}" if failed else None


def _versions() -> Check:
    try:
        import torch
    except Exception as error:  # a library that is missing or broken can raise anything
        return Check("torch", False, f"cannot be imported: {error}")
    built_for = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    return Check("torch", True, f"{torch.__version__} for {built_for}, Python {platform.python_version()}")


def _device() -> Iterator[Check]:
    import torch

    driver = _driver()
    if not torch.cuda.is_available():
        if driver is None:
            yield Check("device", True, f"no GPU here: trials run on the CPU, {os.cpu_count()} cores")
            yield _computes("cpu")
        elif torch.version.cuda is None:
            yield Check("device", False, f"a GPU is here ({driver}), but this torch is built without CUDA")
        else:
            need = f"torch needs one for CUDA {torch.version.cuda}"
            yield Check("device", False, f"a GPU is here ({driver}), but torch cannot use it: {need}")
        return
    try:
        free, total = torch.cuda.mem_get_info()
        finding = f"{torch.cuda.get_device_name()}, {driver}, {_gib(free)} of {_gib(total)} free"
    except RuntimeError as error:
        yield Check("device", False, _first_line(error))
        return
    if free < ROOM:
        finding += ": another process holds its memory; end it, or give this executor another GPU"
    yield Check("device", free >= ROOM, finding)
    yield _computes("cuda")


def _driver() -> str | None:
    """The driver as `nvidia-smi` names it; None without an NVIDIA device."""
    if not Path("/dev/nvidiactl").exists() and shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return "its driver does not answer"
    return f"driver {answer[0]}" if answer else "driver unknown"


def _computes(device: str) -> Check:
    """Compares matrix products of the device, in both precisions of training, with the CPU's in double precision."""
    import torch

    tolerances = {torch.float32: 1e-3, torch.bfloat16: 2e-2}
    errors: dict[str, float] = {}
    is_fine = True
    try:
        generator = torch.Generator().manual_seed(0)
        left, right = (torch.randn(256, 256, generator=generator, dtype=torch.float64) for _ in range(2))
        exact = left @ right
        for dtype, tolerance in tolerances.items():
            product = (left.to(device, dtype) @ right.to(device, dtype)).to("cpu", torch.float64)
            error = float((product - exact).norm() / exact.norm())
            errors[str(dtype).removeprefix("torch.")] = error
            is_fine = is_fine and error <= tolerance  # false for NaN, too
    except RuntimeError as failure:
        return Check("compute", False, f"a product on {device} fails: {_first_line(failure)}")
    text = ", ".join(f"{precision} off by {error:.0e}" for precision, error in errors.items())
    return Check("compute", is_fine, f"products on {device}: {text}" + ("" if is_fine else ", which is too much"))


def _disk(name: str, path: Path, room: int) -> Check:
    try:
        free = shutil.disk_usage(path).free
    except OSError as error:
        return Check(name, False, f"{path}: {error.strerror}")
    short = "" if free >= room else f": less than {_gib(room)}, so trials will fail; make room"
    return Check(name, not short, f"{_gib(free)} free in {path}{short}")


def _clock(installed: Path) -> Check:
    """Compares the clock with the time of installation: a computer whose clock battery is empty starts in the past."""
    now = time.time()
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    behind = now < installed.stat().st_mtime - _SECONDS_OFF
    return Check("clock", not behind, text + (", which is before this program was installed: set it" if behind else ""))


def _answer_of(root: str, room: int, seconds: float) -> list[Check]:
    """The store's checks, made in a thread that is abandoned if the store hangs."""
    answers: queue.SimpleQueue[list[Check] | Exception] = queue.SimpleQueue()

    def look() -> None:
        try:
            answers.put(list(_store(root, room)))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=look, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        return [Check("store", False, f"{root}: no answer within {seconds:g} s", of_machine=False)]
    if isinstance(answer, Exception):
        raise answer
    return answer


def _store(root: str, room: int) -> Iterator[Check]:
    from pipeline.store import open_store

    store = open_store(root)
    # A random key: containers of one host can share its name, and even their process ids are equal.
    key = doctor_key(f"{socket.gethostname()}-{secrets.token_hex(8)}")
    began = time.monotonic()
    try:
        try:
            created = store.create(key, b"fit?")
            fine = created and store.read(key) == b"fit?"
        finally:
            store.delete(key)
    except (InfrastructureError, OSError) as error:
        yield Check("store", False, f"{root}: {_first_line(error)}", of_machine=False)
        return
    if not fine:
        yield Check("store", False, f"{root}: does not give back what was written", of_machine=False)
        return
    yield Check("store", True, f"{root}: written, read and deleted in {time.monotonic() - began:.1f} s")
    if root.startswith("gs://"):
        yield from _clock_of_the_service()
    else:
        yield replace(_disk("store's disk", Path(root), room), of_machine=False)


def _clock_of_the_service() -> Iterator[Check]:
    """Compares the clock with the time of the bucket's service, if the service tells it."""
    from email.utils import parsedate_to_datetime

    import requests

    address = os.environ.get("STORAGE_EMULATOR_HOST") or "https://storage.googleapis.com"
    with contextlib.suppress(requests.RequestException, ValueError, KeyError):
        date = requests.head(address, timeout=10, allow_redirects=False).headers["Date"]
        off = time.time() - parsedate_to_datetime(date).timestamp()
        fine = math.fabs(off) <= _SECONDS_OFF
        cure = "" if fine else ": the service will refuse requests; start a time service (NTP)"
        yield Check("clock of the store", fine, f"ours is {off:+.0f} s off{cure}")


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
