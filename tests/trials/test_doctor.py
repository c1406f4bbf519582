"""`hpt doctor`: a machine that would fail trials says so before they start, and nothing is changed."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.errors import UserError
from pipeline.store import open_store
from pipeline.trials import doctor
from pipeline.trials.doctor import Check

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine's torch has a GPU")


def checks_of(store_root: str | None = None, **options: Any) -> dict[str, Check]:
    return {check.name: check for check in doctor.checks(store_root, **options)}


def test_a_fit_machine_passes_every_check(tmp_path: Path) -> None:
    checks = checks_of(str(tmp_path / "store"))
    assert list(checks) == ["torch", "device", "compute", "disk", "clock", "store", "store's disk"]
    assert all(check.fine for check in checks.values()), [str(check) for check in checks.values()]


def test_every_check_is_one_line_that_begins_with_its_verdict(tmp_path: Path) -> None:
    for check in doctor.checks(str(tmp_path)):
        assert "\n" not in str(check)
        assert str(check).startswith("ok   ")
    assert str(Check("disk", False, "none")) == "FAIL disk: none"


def test_nothing_stays_in_the_store(tmp_path: Path) -> None:
    checks_of(str(tmp_path))
    assert list(open_store(str(tmp_path)).entries("")) == []


def test_the_store_is_left_alone_unless_it_is_named() -> None:
    assert "store" not in checks_of()


def test_a_store_that_cannot_be_written_fails_and_the_other_checks_still_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    checks = checks_of(str(tmp_path / "file" / "store"))
    assert not checks["store"].fine
    assert str(tmp_path) in checks["store"].finding
    assert checks["disk"].fine


def test_a_store_with_a_wrong_name_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="s3://"):
        checks_of("s3://bucket")


def test_a_bucket_is_written_and_its_clock_compared_with_ours(bucket: str) -> None:
    checks = checks_of(f"gs://{bucket}/team")
    assert checks["store"].fine
    assert checks["clock of the store"].fine
    assert "store's disk" not in checks
    assert list(open_store(f"gs://{bucket}/team").entries("")) == []


def test_a_bucket_that_is_not_there_fails(bucket: str) -> None:
    check = checks_of(f"gs://{bucket}-not")["store"]
    assert not check.fine
    assert f"{bucket}-not" in check.finding


@without_gpu
@pytest.mark.parametrize(
    ("script", "finding"),
    [
        ("echo 580.65.06", "driver 580.65.06"),
        ("echo 'Failed to initialize NVML: Unknown Error'; exit 255", "does not answer"),
    ],
    ids=["torch cannot use it", "its driver does not answer"],
)
def test_a_gpu_that_cannot_be_used_fails_instead_of_training_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, finding: str
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    checks = checks_of()
    assert not checks["device"].fine
    assert finding in checks["device"].finding
    assert "compute" not in checks


def test_a_full_disk_fails() -> None:
    check = checks_of(disk_room=2**70)["disk"]
    assert not check.fine
    assert "make room" in check.finding


def test_a_clock_that_stands_in_the_past_fails(tmp_path: Path) -> None:
    installed = tmp_path / "doctor.py"
    installed.touch()
    in_an_hour = time.time() + 3600
    os.utime(installed, (in_an_hour, in_an_hour))
    assert not checks_of(installed=installed)["clock"].fine


def test_agents_of_one_host_may_ask_at_once(tmp_path: Path) -> None:
    """Even of a store that is still empty."""
    with ThreadPoolExecutor(4) as agents:
        checks = list(agents.map(lambda _: checks_of(str(tmp_path / "store")), range(4)))
    assert all(check.fine for machine in checks for check in machine.values()), [*map(str, checks)]
    assert list(open_store(str(tmp_path / "store")).entries("")) == []


def test_a_machine_is_unfit_only_for_its_own_faults() -> None:
    fine = Check("torch", True, "2.13")
    gpu, disk = Check("device", False, "CUDA is not available"), Check("disk", False, "1 GiB free")
    store = Check("store", False, "gs://b: does not answer", of_machine=False)
    assert doctor.verdict([fine]) is None
    assert doctor.verdict([fine, store]) == "not ready: store: gs://b: does not answer"
    assert doctor.verdict([gpu, disk, store]) == "not fit: device: CUDA is not available; disk: 1 GiB free"


@pytest.mark.parametrize("name", ["store", "store's disk"])
def test_a_store_that_fails_is_not_the_machines_fault(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")
    root = tmp_path / "file" / "store" if name == "store" else tmp_path
    check = checks_of(str(root), disk_room=2**62)[name]
    assert not check.fine
    assert not check.of_machine


def test_a_store_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a mount does whose server is gone."""
    go_on = threading.Event()
    monkeypatch.setattr("pipeline.store.open_store", lambda root: go_on.wait(60))
    check = checks_of(str(tmp_path), store_seconds=0.05)["store"]
    go_on.set()
    assert (check.fine, check.of_machine) == (False, False)
    assert "no answer within 0.05 s" in check.finding
