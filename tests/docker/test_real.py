"""Builds the image and runs trials in it with a real Docker engine. Off unless HPT_TEST_DOCKER=1: it takes minutes.

README.md lists its requirements. Without a GPU it tests everything but `--gpus`.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.conftest import SCRIPTS
from tests.docker.engine import Engine, engine

pytestmark = [
    pytest.mark.skipif(os.environ.get("HPT_TEST_DOCKER") != "1", reason="HPT_TEST_DOCKER=1 runs it; it takes minutes"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(tmp_path_factory.mktemp("engine")) as started:
        yield started


@pytest.fixture(scope="module")
def image(running: Engine) -> str:
    return running.run([str(SCRIPTS / "image")], check=True).stdout.strip()


class Sweep:
    """A planned sweep whose trials run through docker/trial, as in a lane of Jenkins."""

    def __init__(self, folder: Path, spec: dict[str, Any], running: Engine, image: str) -> None:
        self.folder, self.running = folder, running
        (folder / "spec.json").write_text(json.dumps(spec))
        self.environment = {"HPT_STORE": str(folder / "store"), "HPT_IMAGE": image, "BUILD_TAG": "jenkins-real-1"}
        self.id = self.hpt("plan", "spec.json", "--out", "packs.tsv").stdout.strip()
        lines = (folder / "packs.tsv").read_text().splitlines()
        self.packs = [(line.split("\t")[0], line.split("\t")[3]) for line in lines]

    def hpt(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "pipeline.cli", *arguments]
        return self.running.run(command, cwd=self.folder, check=True, **self.environment)

    def pack(self, number: int) -> dict[str, str]:
        pack, trials = self.packs[number]
        return {**self.environment, "HPT_SWEEP": self.id, "HPT_PACK": pack, "HPT_PACK_TRIALS": trials}

    def trial(self, number: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.running.run([str(SCRIPTS / "trial"), *arguments], cwd=self.folder, **self.pack(number))

    def rows(self) -> list[dict[str, str]]:
        self.hpt("merge", self.id)
        with (self.folder / "store/sweeps" / self.id / "results.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def sweep(tmp_path: Path, tiny_spec: dict[str, Any], tiny_csv: Path, running: Engine, image: str) -> Sweep:
    # Relative, so that the trial finds it only if the checkout is mounted at its own path.
    (tmp_path / "tiny.csv").write_bytes(tiny_csv.read_bytes())
    tiny_spec["data"]["path"] = "tiny.csv"
    return Sweep(tmp_path, tiny_spec, running, image)


def test_a_built_image_is_found_at_once(running: Engine, image: str) -> None:
    second_call = running.run([str(SCRIPTS / "image")], check=True)
    assert second_call.stdout.strip() == image
    assert "is here" in second_call.stderr


def test_the_image_has_its_own_user_and_no_secret(running: Engine, image: str) -> None:
    assert running.docker("run", "--rm", image, "id", "-u") == "10001"
    leftovers = running.docker("run", "--rm", image, "sh", "-c", "ls /run/secrets 2>/dev/null; env")
    assert "pip.conf" not in leftovers
    assert "PIP_" not in leftovers


def test_the_doctor_finds_the_container_fit(sweep: Sweep) -> None:
    done = sweep.trial(0, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok   store" in done.stdout


def test_two_agents_of_one_host_run_the_doctor_for_one_build_at_once(sweep: Sweep) -> None:
    environment = {**sweep.running.environment, **sweep.pack(0), "EXECUTOR_NUMBER": "0"}
    processes = [
        subprocess.Popen([str(SCRIPTS / "trial"), "doctor"], cwd=sweep.folder, env={**environment, "NODE_NAME": name})
        for name in ("gpu one", "gpu two")
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert sweep.running.containers() == ""


def test_a_row_names_image_host_and_commit(sweep: Sweep, image: str) -> None:
    done = sweep.trial(0)
    assert done.returncode == 0, done.stderr
    (row,) = sweep.rows()
    assert row["status"] == "complete"
    assert row["image"] == image
    assert row["host"] == os.uname().nodename
    assert row["git_commit"]
    written = sweep.folder / "store/sweeps" / sweep.id / "trials" / row["trial"] / "result.csv"
    assert (written.stat().st_uid, written.stat().st_gid) == (os.getuid(), os.getgid())
    assert sweep.running.containers() == ""


def test_a_mistake_in_the_arguments_has_another_status_than_a_missing_image(sweep: Sweep) -> None:
    sweep.packs[0] = (sweep.packs[0][0], "nonsense")
    assert sweep.trial(0).returncode == 2
    sweep.environment["HPT_IMAGE"] = "hpt-trainer:there-is-no-such-image"
    assert sweep.trial(0).returncode == 125


def started(sweep: Sweep) -> "subprocess.Popen[bytes]":
    """docker/trial, whose container runs."""
    process = subprocess.Popen(
        [str(SCRIPTS / "trial")], cwd=sweep.folder, env={**sweep.running.environment, **sweep.pack(0)}
    )
    for _ in range(600):
        if sweep.running.containers():
            break
        time.sleep(0.05)
    return process


def test_an_abort_leaves_neither_container_nor_row_and_the_trial_runs_again(sweep: Sweep) -> None:
    process = started(sweep)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    assert sweep.running.containers() == ""
    assert sweep.rows() == []
    assert sweep.trial(0).returncode == 0


def test_a_container_whose_script_was_killed_is_reaped(sweep: Sweep) -> None:
    process = started(sweep)
    process.kill()
    process.wait(timeout=60)
    assert sweep.running.run([str(SCRIPTS / "reap"), "build"], BUILD_TAG="jenkins-real-1").returncode == 0
    assert sweep.running.containers() == ""
