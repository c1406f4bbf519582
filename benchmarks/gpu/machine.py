"""What stands around a training: `doctor`, one device by its UUID, a hang in native code that its limit ends."""

import os
import subprocess
import sys
import tempfile
import time

import torch

from benchmarks.gpu.parts import Bench

HANG_S, LIMIT_S = 60, 12
"""How long the device would be busy, and when the trial's time is over."""


def machine(bench: Bench) -> None:
    doctor(bench)
    if bench.device == "cuda":
        by_uuid(bench)
    if bench.has(30):
        hang(bench)


def doctor(bench: Bench) -> None:
    from pipeline.trials.doctor import checks

    with tempfile.TemporaryDirectory() as root:
        for check in checks(root):
            bench.write(doctor=check.name, fine=check.fine, seen=check.finding)


def by_uuid(bench: Bench) -> None:
    """`CUDA_VISIBLE_DEVICES` as an agent for one GPU sets it: a UUID, of which `nvidia-smi` has the list."""
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"], capture_output=True, text=True, check=True
    ).stdout.split()
    code = "import torch; print(torch.cuda.device_count(), 'GPU-' + str(torch.cuda.get_device_properties(0).uuid))"
    for uuid in listed:
        seen = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"CUDA_VISIBLE_DEVICES": uuid},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        bench.write(asked=uuid, devices=int(seen[0]), got=seen[1], same=seen[1] == uuid)


def hang(bench: Bench) -> None:
    """A trainer whose thread waits inside a library for a minute, and never looks at its clock or at signals."""
    from benchmarks.automatic import rows_of, run

    on_gpu = f"torch.cuda._sleep({HANG_S} * 2 * 10**9); torch.cuda.synchronize()"
    # A hang of the same kind on a CPU: a lock in C that nobody opens.
    on_cpu = f"import ctypes; ctypes.PyDLL(None).sleep({HANG_S})"
    program = f"import torch; {on_gpu if bench.device == 'cuda' else on_cpu}"
    asked = {
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
        rows = rows_of(run(root, 0, asked, 1))
        took = time.monotonic() - began
    works = float(torch.ones(8, device=bench.device).sum()) == 8
    status = ", ".join(f"{row['status']} ({row.get('error')})" for row in rows) or "no row"
    bench.write(
        hang=f"{HANG_S} s in native code", limit_s=LIMIT_S, ended_after_s=took, status=status, device_works=works
    )
