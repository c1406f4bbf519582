"""Checks of the machine: `doctor`, a device chosen by its UUID, a time limit that ends a hang in native code."""

import os
import subprocess
import sys
import tempfile
import time

import torch

from benchmarks.gpu.parts import Bench

HANG_S, LIMIT_S = 60, 12
"""Seconds that the device would be busy, and seconds after which the trial is ended."""


def machine(bench: Bench) -> None:
    doctor(bench)
    if bench.device == "cuda":
        visible_devices(bench)
    if bench.check_time(30):
        hang(bench)


def doctor(bench: Bench) -> None:
    from pipeline.trials.doctor import checks

    with tempfile.TemporaryDirectory() as root:
        for check in checks(root):
            bench.write(doctor=check.name, fine=check.fine, seen=check.finding)


def visible_devices(bench: Bench) -> None:
    """Sets `CUDA_VISIBLE_DEVICES` to each UUID that `nvidia-smi` lists, as an agent for one GPU does."""
    uuids = subprocess.run(
        ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"], capture_output=True, text=True, check=True
    ).stdout.split()
    code = "import torch; print(torch.cuda.device_count(), 'GPU-' + str(torch.cuda.get_device_properties(0).uuid))"
    for uuid in uuids:
        count, visible_uuid = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"CUDA_VISIBLE_DEVICES": uuid},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        bench.write(asked=uuid, devices=int(count), got=visible_uuid, same=visible_uuid == uuid)


def hang(bench: Bench) -> None:
    """Runs a trainer that waits inside a library for a minute, where it sees neither its clock nor signals."""
    from benchmarks.automatic import rows_of, run

    on_gpu = f"torch.cuda._sleep({HANG_S} * 2 * 10**9); torch.cuda.synchronize()"
    # The same kind of hang on a CPU: a sleep in C that holds Python's lock.
    on_cpu = f"import ctypes; ctypes.PyDLL(None).sleep({HANG_S})"
    program = f"import torch; {on_gpu if bench.device == 'cuda' else on_cpu}"
    hanging_spec = {
        "architecture": "hangs",
        "command": [sys.executable, "-c", program, "{x}"],
        "metrics-pattern": r"mse_valid (?P<mse_valid>\S+) mse_test (?P<mse_test>\S+)",
        "hyperparameters": {"x": {"default": 1, "domain": [1, 2]}},
        "parameters": {"x": [1, 2]},
        "date-range": [["2013-07-01", "2013-08-01"]],
        "training": {"time-limit-minutes": LIMIT_S / 60},
    }
    with tempfile.TemporaryDirectory() as root:
        began = time.monotonic()
        rows = rows_of(run(root, 0, hanging_spec, 1))
        took = time.monotonic() - began
    works = float(torch.ones(8, device=bench.device).sum()) == 8
    status = ", ".join(f"{row['status']} ({row.get('error')})" for row in rows) or "no row"
    bench.write(
        hang=f"{HANG_S} s in native code", limit_s=LIMIT_S, ended_after_s=took, status=status, device_works=works
    )
