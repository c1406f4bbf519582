"""bin/trial runs the trials of a pack without a container, on one GPU, until a deadline."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.docker.conftest import ROOT, Machine

TRIAL = {"HPT_SWEEP": "20260614-0210-lstm-attention-3f9c", "HPT_PACK_TRIALS": "screen-e000-d0-s0"}


@pytest.fixture
def script(machine: Machine) -> Path:
    """bin/trial in a checkout whose `hpt` only prints its arguments."""
    folder = machine.workspace / "bin"
    folder.mkdir()
    for name in ("trial", "gpu"):
        shutil.copy(ROOT / "bin" / name, folder / name)
    hpt(machine, 'echo "$CUDA_VISIBLE_DEVICES: $*"')
    return folder / "trial"


def hpt(machine: Machine, text: str) -> None:
    (machine.workspace / "bin/hpt").write_text(f"#!/bin/sh\n{text}\n")
    (machine.workspace / "bin/hpt").chmod(0o755)


def test_an_executor_runs_the_trials_on_the_gpu_of_its_number(machine: Machine, script: Path) -> None:
    machine.has_gpus("GPU 0: NVIDIA L4 (UUID: GPU-aaaa)", "GPU 1: NVIDIA L4 (UUID: GPU-bbbb)")
    done = machine.run(script, EXECUTOR_NUMBER="1", **TRIAL)
    assert done.stdout == "GPU-bbbb: trial 20260614-0210-lstm-attention-3f9c screen-e000-d0-s0\n"


def test_an_agent_on_a_shared_host_has_only_its_visible_gpus(machine: Machine, script: Path) -> None:
    machine.has_gpus("GPU 0: NVIDIA L4 (UUID: GPU-aaaa)", "GPU 1: NVIDIA L4 (UUID: GPU-bbbb)")
    assert machine.run(script, CUDA_VISIBLE_DEVICES="1", **TRIAL).stdout.startswith("GPU-bbbb: ")
    assert machine.run(script, CUDA_VISIBLE_DEVICES="-1", **TRIAL).stdout.startswith("-1: ")


def test_a_retry_runs_failed_trials_again(machine: Machine, script: Path) -> None:
    assert machine.run(script, HPT_RETRY="yes", **TRIAL).stdout.endswith(" screen-e000-d0-s0 --retry\n")


def test_a_driver_that_does_not_answer_makes_the_machine_unfit(machine: Machine, script: Path) -> None:
    machine.has("nvidia-smi", "#!/bin/sh\nexit 0\n")
    machine.has_no_patience()
    done = machine.run(script, **TRIAL)
    assert done.returncode == 3
    assert "nvidia-smi fails on this machine" in done.stderr


def test_a_trial_that_hangs_ends_with_124(machine: Machine, script: Path) -> None:
    hpt(machine, "exec sleep 60")
    assert machine.run(script, "doctor", HPT_DEADLINE_MINUTES="0.005").returncode == 124


@pytest.mark.parametrize("status", [0, 1, 2, 3])
def test_the_exit_status_is_that_of_hpt(machine: Machine, script: Path, status: int) -> None:
    hpt(machine, f"exit {status}")
    assert machine.run(script, **TRIAL).returncode == status


def test_an_abort_reaches_hpt(machine: Machine, script: Path) -> None:
    hpt(machine, f"trap 'kill $!; echo told; exit 9' TERM\nsleep 60 &\necho yes >{machine.state}/running\nwait")
    process = machine.start(script, **TRIAL)
    machine.wait_for("running")
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("told\n", 9)
