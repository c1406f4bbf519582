"""bin/ready prints in one sentence if a machine is fit; it is unfit only for causes that lie in the machine."""

import shutil
from pathlib import Path

import pytest

from tests.docker.conftest import ROOT, SCRIPTS, TRIAL, Machine

IMAGE = TRIAL["HPT_IMAGE"]
NO_CUDA = "hpt: not fit: device: a GPU is here (driver 580), but torch cannot use it"


@pytest.fixture
def ready(machine: Machine) -> Path:
    """bin/ready in a checkout with a ready environment, whose doctor finds no problem."""
    (machine.workspace / "bin").mkdir()
    for name in ("ready", "trial", "gpu"):
        shutil.copy(ROOT / "bin" / name, machine.workspace / "bin" / name)
    shutil.copytree(SCRIPTS, machine.workspace / "docker")
    script(machine, "bin/environment", "exit 0")
    script(machine, "bin/hpt", 'echo "ok   torch: fine"')
    script(machine, "docker/image", f"echo {IMAGE}")
    return machine.workspace / "bin/ready"


def script(machine: Machine, name: str, text: str) -> None:
    path = machine.workspace / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def result_of(machine: Machine, ready: Path, container: str = "none", **environment: str) -> tuple[int, str]:
    """The exit status, and the sentence, which is also the last line of the log."""
    done = machine.run(ready, **{**TRIAL, "HPT_IMAGE": "", "CONTAINER": container, **environment})
    sentence = (machine.workspace / "build/ready.txt").read_text().strip()
    assert done.stdout.splitlines()[-1] == f"bin/ready: {sentence}"
    return done.returncode, sentence


@pytest.mark.parametrize("container", ["docker", "none"])
def test_a_fit_machine_is_reported_fit(machine: Machine, ready: Path, container: str) -> None:
    assert result_of(machine, ready, container) == (0, "fit")


def test_the_image_is_written_down_for_the_trials(machine: Machine, ready: Path) -> None:
    result_of(machine, ready, "docker")
    assert (machine.workspace / "image.txt").read_text().strip() == IMAGE
    (run,) = machine.called("run")
    assert run[-3:] == ["10m", "hpt", "doctor"]


def test_the_sentence_is_the_finding_of_the_doctor(machine: Machine, ready: Path) -> None:
    script(machine, "bin/hpt", f'echo "ok   torch: fine"; echo "{NO_CUDA}" >&2; exit 3')
    assert result_of(machine, ready) == (3, NO_CUDA.removeprefix("hpt: "))


def test_the_sentence_is_the_finding_of_the_doctor_in_a_container(machine: Machine, ready: Path) -> None:
    machine.set("says", NO_CUDA)
    machine.set("status", "3")
    assert result_of(machine, ready, "docker") == (3, NO_CUDA.removeprefix("hpt: "))


def test_a_store_that_does_not_answer_makes_no_machine_unfit(machine: Machine, ready: Path) -> None:
    script(machine, "bin/hpt", 'echo "hpt: not ready: store: gs://b: check the network" >&2; exit 3')
    assert result_of(machine, ready) == (1, "not ready: store: gs://b: check the network")


def test_a_missing_image_makes_no_machine_unfit(machine: Machine, ready: Path) -> None:
    script(
        machine, "docker/image", 'echo "docker/image: registry.test/a:1 can be neither pulled nor found" >&2; exit 3'
    )
    status, sentence = result_of(machine, ready, "docker")
    assert status == 1
    assert sentence == (
        "not ready: docker/image failed (status 3): docker/image: registry.test/a:1 can be neither pulled nor found"
    )
    assert not machine.called("run")


def test_a_package_index_that_does_not_answer_makes_no_machine_unfit(machine: Machine, ready: Path) -> None:
    script(machine, "bin/environment", 'echo "ERROR: No matching distribution found for torch" >&2; exit 1')
    status, sentence = result_of(machine, ready)
    assert status == 1
    assert sentence.startswith("not ready: bin/environment failed (status 1): ERROR: No matching")


@pytest.mark.parametrize(("step", "container"), [("bin/environment", "none"), ("docker/image", "docker")])
def test_a_full_disk_makes_a_machine_unfit(machine: Machine, ready: Path, step: str, container: str) -> None:
    script(machine, step, 'echo "ERROR: OSError: [Errno 28] No space left on device" >&2; exit 1')
    assert result_of(machine, ready, container) == (3, f"not fit: {step}: No space left on device")


def test_a_missing_python_docker_or_driver_makes_a_machine_unfit(machine: Machine, ready: Path) -> None:
    script(machine, "bin/environment", 'echo "bin/environment: not fit: no Python 3.11 or newer" >&2; exit 2')
    assert result_of(machine, ready) == (3, "not fit: no Python 3.11 or newer")
    machine.has("nvidia-smi", "#!/bin/sh\nexit 255\n")
    script(machine, "bin/environment", "exit 0")
    for container in ("docker", "none"):
        assert result_of(machine, ready, container)[1].startswith("not fit: nvidia-smi fails on this machine")
    (machine.bin / "nvidia-smi").unlink()
    (machine.bin / "docker").unlink()
    assert result_of(machine, ready, "docker")[1].startswith("not fit: there is no docker here")


def test_a_container_that_docker_cannot_start_makes_a_machine_unfit(machine: Machine, ready: Path) -> None:
    machine.set("status", "125")
    machine.set(
        "says", 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]'
    )
    assert result_of(machine, ready, "docker") == (
        3,
        'not fit: docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]',
    )


def test_a_doctor_that_hangs_makes_a_machine_unfit(machine: Machine, ready: Path) -> None:
    script(machine, "bin/trial", 'echo "ok   torch: fine"; exit 124')
    sentence = "not fit: hpt doctor did not end within 10 minutes; its last line: ok   torch: fine"
    assert result_of(machine, ready) == (3, sentence)
    machine.set("status", "124")
    assert result_of(machine, ready, "docker")[0] == 3


def test_a_killed_doctor_makes_no_machine_unfit(machine: Machine, ready: Path) -> None:
    script(machine, "bin/trial", "exit 137")
    assert result_of(machine, ready) == (1, "not ready: hpt doctor failed (status 137)")


def test_the_result_of_an_earlier_call_is_forgotten(machine: Machine, ready: Path) -> None:
    script(machine, "bin/hpt", f'echo "{NO_CUDA}" >&2; exit 3')
    result_of(machine, ready)
    script(machine, "bin/hpt", "exit 0")
    assert result_of(machine, ready) == (0, "fit")
