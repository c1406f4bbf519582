"""bin/ready: a machine is unfit only for what it said itself, and says it in one sentence."""

import shutil
from pathlib import Path

import pytest

from tests.docker.conftest import ROOT, SCRIPTS, TRIAL, Machine

IMAGE = TRIAL["HPT_IMAGE"]
NO_CUDA = "hpt: not fit: device: a GPU is here (driver 580), but torch cannot use it"


@pytest.fixture
def ready(machine: Machine) -> Path:
    """bin/ready in a checkout whose environment is made at once, and whose doctor finds nothing."""
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


def asked(machine: Machine, ready: Path, container: str = "none", **environment: str) -> tuple[int, str]:
    """The exit status, and the sentence, which is the log's last line, too."""
    done = machine.run(ready, **{**TRIAL, "HPT_IMAGE": "", "CONTAINER": container, **environment})
    sentence = (machine.workspace / "build/ready.txt").read_text().strip()
    assert done.stdout.splitlines()[-1] == f"bin/ready: {sentence}"
    return done.returncode, sentence


@pytest.mark.parametrize("container", ["docker", "none"])
def test_a_fit_machine_says_so(machine: Machine, ready: Path, container: str) -> None:
    assert asked(machine, ready, container) == (0, "fit")


def test_in_a_container_the_image_is_kept_for_the_trials(machine: Machine, ready: Path) -> None:
    asked(machine, ready, "docker")
    assert (machine.workspace / "image.txt").read_text().strip() == IMAGE
    (run,) = machine.called("run")
    assert run[-3:] == ["10m", "hpt", "doctor"]


def test_what_the_doctor_finds_on_the_machine_is_the_sentence(machine: Machine, ready: Path) -> None:
    script(machine, "bin/hpt", f'echo "ok   torch: fine"; echo "{NO_CUDA}" >&2; exit 3')
    assert asked(machine, ready) == (3, NO_CUDA.removeprefix("hpt: "))


def test_the_doctor_in_a_container_is_heard_too(machine: Machine, ready: Path) -> None:
    machine.set("says", NO_CUDA)
    machine.set("status", "3")
    assert asked(machine, ready, "docker") == (3, NO_CUDA.removeprefix("hpt: "))


def test_a_store_that_does_not_answer_is_not_the_machines_unfitness(machine: Machine, ready: Path) -> None:
    script(machine, "bin/hpt", 'echo "hpt: not ready: store: gs://b: check the network" >&2; exit 3')
    assert asked(machine, ready) == (1, "not ready: store: gs://b: check the network")


def test_an_image_that_cannot_be_had_is_not_the_machines_unfitness(machine: Machine, ready: Path) -> None:
    script(
        machine, "docker/image", 'echo "docker/image: registry.test/a:1 can be neither pulled nor found" >&2; exit 3'
    )
    status, sentence = asked(machine, ready, "docker")
    assert status == 1
    assert sentence == (
        "not ready: docker/image failed (status 3): docker/image: registry.test/a:1 can be neither pulled nor found"
    )
    assert not machine.called("run")


def test_a_package_index_that_does_not_answer_is_not_the_machines_unfitness(machine: Machine, ready: Path) -> None:
    script(machine, "bin/environment", 'echo "ERROR: No matching distribution found for torch" >&2; exit 1')
    status, sentence = asked(machine, ready)
    assert status == 1
    assert sentence.startswith("not ready: bin/environment failed (status 1): ERROR: No matching")


@pytest.mark.parametrize(("step", "container"), [("bin/environment", "none"), ("docker/image", "docker")])
def test_a_full_disk_is(machine: Machine, ready: Path, step: str, container: str) -> None:
    script(machine, step, 'echo "ERROR: OSError: [Errno 28] No space left on device" >&2; exit 1')
    assert asked(machine, ready, container) == (3, f"not fit: {step}: No space left on device")


def test_no_python_no_docker_and_no_driver_are_the_machines(machine: Machine, ready: Path) -> None:
    script(machine, "bin/environment", 'echo "bin/environment: not fit: no Python 3.11 or newer" >&2; exit 2')
    assert asked(machine, ready) == (3, "not fit: no Python 3.11 or newer")
    machine.has("nvidia-smi", "#!/bin/sh\nexit 255\n")
    script(machine, "bin/environment", "exit 0")
    for container in ("docker", "none"):
        assert asked(machine, ready, container)[1].startswith("not fit: nvidia-smi fails on this machine")
    (machine.bin / "nvidia-smi").unlink()
    (machine.bin / "docker").unlink()
    assert asked(machine, ready, "docker")[1].startswith("not fit: there is no docker here")


def test_a_container_that_docker_cannot_start_is_the_machines_in_dockers_words(machine: Machine, ready: Path) -> None:
    machine.set("status", "125")
    machine.set(
        "says", 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]'
    )
    assert asked(machine, ready, "docker") == (
        3,
        'not fit: docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]',
    )


def test_a_doctor_that_hangs_is_the_machines_and_says_where(machine: Machine, ready: Path) -> None:
    script(machine, "bin/trial", 'echo "ok   torch: fine"; exit 124')
    told = "not fit: hpt doctor did not end within 10 minutes; its last line: ok   torch: fine"
    assert asked(machine, ready) == (3, told)
    machine.set("status", "124")
    assert asked(machine, ready, "docker")[0] == 3


def test_a_doctor_that_is_killed_has_said_nothing(machine: Machine, ready: Path) -> None:
    script(machine, "bin/trial", "exit 137")
    assert asked(machine, ready) == (1, "not ready: hpt doctor failed (status 137)")


def test_what_an_earlier_call_said_is_forgotten(machine: Machine, ready: Path) -> None:
    script(machine, "bin/hpt", f'echo "{NO_CUDA}" >&2; exit 3')
    asked(machine, ready)
    script(machine, "bin/hpt", "exit 0")
    assert asked(machine, ready) == (0, "fit")
