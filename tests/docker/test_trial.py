"""docker/trial runs one container on one GPU; docker/reap removes containers that were left behind."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docker.conftest import SCRIPTS, TRIAL, Machine, option

Run = Callable[..., "subprocess.CompletedProcess[str]"]

TWO_GPUS = ("GPU 0: NVIDIA L4 (UUID: GPU-aaaa-0)", "GPU 1: NVIDIA L4 (UUID: GPU-bbbb-1)")


def started(machine: Machine) -> list[str]:
    (run,) = machine.called("run")
    return run


def test_the_container_runs_the_packs_trials_and_nothing_else(machine: Machine, trial: Run) -> None:
    done = trial()
    assert (done.returncode, done.stdout) == (0, "what the trial prints\n")
    argv = started(machine)
    command = argv[argv.index(TRIAL["HPT_IMAGE"]) + 1 :]
    assert command[-4:] == ["hpt", "trial", TRIAL["HPT_SWEEP"], TRIAL["HPT_PACK_TRIALS"]]
    assert command[:-4] == ["timeout", "--signal", "TERM", "--kill-after", "60", "90m"]


def test_a_retry_runs_failed_trials_again(machine: Machine, trial: Run) -> None:
    trial(HPT_RETRY="yes")
    assert started(machine)[-2:] == [TRIAL["HPT_PACK_TRIALS"], "--retry"]


def test_the_container_forwards_signals_is_removed_and_has_few_rights(machine: Machine, trial: Run) -> None:
    trial()
    argv = started(machine)
    assert {"--init", "--rm"} <= set(argv)
    assert not {"-t", "-it", "--tty", "--privileged"} & set(argv)
    assert option(argv, "--user") == [f"{os.getuid()}:{os.getgid()}"]
    assert option(argv, "--cap-drop") == ["ALL"]
    assert option(argv, "--shm-size") == ["2g"]


def test_another_verb_runs_on_the_same_gpu(machine: Machine, trial: Run) -> None:
    machine.has_gpus(*TWO_GPUS)
    trial("doctor", EXECUTOR_NUMBER="1", HPT_SWEEP="", HPT_PACK="", HPT_PACK_TRIALS="")
    argv = started(machine)
    assert argv[-2:] == ["hpt", "doctor"]
    assert option(argv, "--gpus") == ["device=GPU-bbbb-1"]


def test_the_container_knows_its_image_and_machine(machine: Machine, trial: Run) -> None:
    trial()
    argv = started(machine)
    assert f"HPT_IMAGE={TRIAL['HPT_IMAGE']}" in option(argv, "--env")
    assert option(argv, "--hostname") != []


def test_containers_of_a_machine_share_its_cache(machine: Machine, trial: Run, tmp_path: Path) -> None:
    cache = tmp_path / "kept here"
    trial(HPT_CACHE=str(cache), HPT_CACHE_GB="7")
    argv = started(machine)
    assert f"type=bind,source={cache},target={cache}" in option(argv, "--mount")
    assert {f"HPT_CACHE={cache}", "HPT_CACHE_GB=7"} <= set(option(argv, "--env"))
    assert cache.is_dir()


def test_without_a_folder_there_is_no_cache(machine: Machine, trial: Run) -> None:
    trial()
    assert not [value for value in option(started(machine), "--env") if value.startswith("HPT_CACHE")]


def test_the_commit_of_the_checkout_has_its_own_variable(machine: Machine, trial: Run) -> None:
    trial(HPT_GIT_COMMIT="0123abc")
    variables = option(started(machine), "--env")
    assert "HPT_CHECKOUT_COMMIT=0123abc" in variables
    assert not [value for value in variables if value.startswith("HPT_GIT_COMMIT")]


@pytest.mark.parametrize(("executor", "uuid"), [("0", "GPU-aaaa-0"), ("1", "GPU-bbbb-1")])
def test_an_executor_has_the_gpu_of_its_number(machine: Machine, trial: Run, executor: str, uuid: str) -> None:
    machine.has_gpus(*TWO_GPUS)
    trial(EXECUTOR_NUMBER=executor)
    assert option(started(machine), "--gpus") == [f"device={uuid}"]


def test_the_parts_of_a_split_gpu_count_as_devices(machine: Machine, trial: Run) -> None:
    machine.has_gpus(
        "GPU 0: NVIDIA H100 (UUID: GPU-aaaa-0)",
        "  MIG 3g.40gb     Device  0: (UUID: MIG-cccc-2)",
        "  MIG 3g.40gb     Device  1: (UUID: MIG-dddd-3)",
        TWO_GPUS[1],
    )
    for executor, uuid in enumerate(["MIG-cccc-2", "MIG-dddd-3", "GPU-bbbb-1"]):
        trial(EXECUTOR_NUMBER=str(executor))
        assert option(machine.called("run")[-1], "--gpus") == [f"device={uuid}"]


@pytest.mark.parametrize(
    ("visible", "executor", "uuid"),
    [
        ("1", "0", "GPU-bbbb-1"),
        ("1,0", "1", "GPU-aaaa-0"),
        ("GPU-bbbb-1", "0", "GPU-bbbb-1"),
        ("GPU-b", "0", "GPU-bbbb-1"),
    ],
)
def test_an_agent_on_a_shared_host_has_only_its_visible_gpus(
    machine: Machine, trial: Run, visible: str, executor: str, uuid: str
) -> None:
    machine.has_gpus(*TWO_GPUS)
    trial(CUDA_VISIBLE_DEVICES=visible, EXECUTOR_NUMBER=executor)
    assert option(started(machine), "--gpus") == [f"device={uuid}"]


def test_an_agent_from_which_gpus_are_hidden_runs_on_its_cpu(machine: Machine, trial: Run) -> None:
    machine.has_gpus(*TWO_GPUS)
    trial(CUDA_VISIBLE_DEVICES="-1")
    assert option(started(machine), "--gpus") == []


@pytest.mark.parametrize(
    ("visible", "reason"),
    [("0", "names fewer devices"), ("7,8", "8 is not one device"), ("1,GPU", "GPU is not one device")],
)
def test_missing_devices_are_named(machine: Machine, trial: Run, visible: str, reason: str) -> None:
    machine.has_gpus(*TWO_GPUS)
    done = trial(CUDA_VISIBLE_DEVICES=visible, EXECUTOR_NUMBER="1")
    assert done.returncode == 3
    assert f"not fit: CUDA_VISIBLE_DEVICES={visible}" in done.stderr or reason in done.stderr
    assert reason in done.stderr
    assert not machine.called("run")


def test_a_machine_without_a_gpu_runs_on_its_cpu(machine: Machine, trial: Run) -> None:
    trial()
    assert option(started(machine), "--gpus") == []


def test_a_driver_that_fails_makes_the_machine_unfit(machine: Machine, trial: Run) -> None:
    machine.has("nvidia-smi", "#!/bin/sh\necho 'Failed to initialize NVML: Unknown Error'\nexit 255\n")
    done = trial()
    assert done.returncode == 3
    assert "nvidia-smi fails" in done.stderr
    assert not machine.called("run")


def test_a_driver_that_hangs_makes_the_machine_unfit(machine: Machine, trial: Run) -> None:
    machine.has_gpus(*TWO_GPUS)
    machine.has_no_patience()
    done = trial()
    assert done.returncode == 3
    assert "nvidia-smi fails" in done.stderr


def test_more_executors_than_gpus_are_reported(machine: Machine, trial: Run) -> None:
    machine.has_gpus(*TWO_GPUS)
    done = trial(EXECUTOR_NUMBER="2")
    assert done.returncode == 3
    assert "executor 2 has no GPU" in done.stderr
    assert done.stderr.strip().endswith("2")
    assert not machine.called("run")


@pytest.mark.parametrize("status", [0, 1, 2, 3, 125, 126, 127, 130, 137])
def test_the_exit_status_is_that_of_the_container(machine: Machine, trial: Run, status: int) -> None:
    machine.set("status", str(status))
    assert trial().returncode == status


def test_a_container_that_passed_its_deadline_is_infrastructure(machine: Machine, trial: Run) -> None:
    machine.set("status", "124")
    done = trial()
    assert done.returncode == 3
    assert "HPT_DEADLINE_MINUTES=90" in done.stderr


def test_a_bucket_is_passed_by_name_and_a_directory_is_mounted(machine: Machine, trial: Run) -> None:
    trial()
    assert "HPT_STORE=gs://bucket/prefix" in option(started(machine), "--env")
    trial(HPT_STORE="results/of mine")
    argv = machine.called("run")[-1]
    path = machine.workspace / "results/of mine"
    assert f"HPT_STORE={path}" in option(argv, "--env")
    assert f"type=bind,source={path},target={path}" in option(argv, "--mount")
    assert path.is_dir()


def test_the_checkout_is_mounted_read_only_at_its_own_path(machine: Machine, trial: Run) -> None:
    trial()
    argv = started(machine)
    workspace = machine.workspace
    assert f"type=bind,source={workspace},target={workspace},readonly" in option(argv, "--mount")
    assert option(argv, "--workdir") == [str(workspace)]


def test_the_key_of_the_bucket_is_mounted_read_only(machine: Machine, trial: Run) -> None:
    key = machine.workspace / "key.json"
    key.write_text("{}")
    trial(GOOGLE_APPLICATION_CREDENTIALS=str(key))
    argv = started(machine)
    assert f"type=bind,source={key},target=/run/secrets/google.json,readonly" in option(argv, "--mount")
    assert "GOOGLE_APPLICATION_CREDENTIALS=/run/secrets/google.json" in option(argv, "--env")


def test_a_directory_with_data_is_mounted_read_only(machine: Machine, trial: Run) -> None:
    trial(HPT_DATA_DIR=str(machine.bin))
    assert f"type=bind,source={machine.bin},target={machine.bin},readonly" in option(started(machine), "--mount")


@pytest.mark.parametrize("name", ["GOOGLE_APPLICATION_CREDENTIALS", "HPT_DATA_DIR"])
def test_mounted_files_must_exist(machine: Machine, trial: Run, name: str) -> None:
    done = trial(**{name: "/not/there"})
    assert done.returncode == 3
    assert "/not/there" in done.stderr
    assert not machine.called("run")


def test_the_name_shows_build_and_pack_and_is_valid_for_docker(machine: Machine, trial: Run) -> None:
    trial(BUILD_TAG="jenkins-team/größe sweep%2F1-7")
    trial(BUILD_TAG="jenkins-team/größe sweep%2F1-7")
    trial(BUILD_TAG="jenkins-team-größe-sweep%2F1-7")
    first, repeated, other = (option(call, "--name")[0] for call in machine.called("run"))
    assert first == repeated
    assert first != other
    assert first.startswith("hpt-jenkins-team-gr")
    assert "gpu-box-0" in first
    assert "r0-p000" in first
    labels = [option(call, "--label") for call in machine.called("run")]
    assert labels[0] == labels[1] != labels[2]
    for name in [first, *(label.removeprefix("hpt.build=").removeprefix("hpt.slot=") for label in labels[0])]:
        assert all(c.isascii() and (c.isalnum() or c in "_.-") for c in name)


# One controller may have all of these but the last on one host; the last belongs to another controller.
AGENTS = (
    {"NODE_NAME": "gpu box"},
    {"NODE_NAME": "gpu-box"},
    {"NODE_NAME": "gpu/box"},
    {"NODE_NAME": "größe"},
    {"NODE_NAME": "grösse"},
    {"NODE_NAME": "gpu-box", "EXECUTOR_NUMBER": "1"},
    {"NODE_NAME": "gpu-box-1"},
    {"NODE_NAME": "a" * 200 + "1"},
    {"NODE_NAME": "a" * 200 + "2"},
    {"NODE_NAME": "gpu-box", "JENKINS_URL": "https://jenkins.example.com/"},
)


def test_agents_with_similar_names_have_different_containers(machine: Machine, trial: Run) -> None:
    for agent in AGENTS:
        trial(**agent)
    runs = machine.called("run")
    assert len({option(run, "--name")[0] for run in runs}) == len(AGENTS)
    assert len({option(run, "--label")[1] for run in runs}) == len(AGENTS)


def test_two_agents_of_one_host_run_the_doctor_for_one_build_at_once(machine: Machine) -> None:
    """One agent per GPU: both use executor 0, and neither may remove the other's container."""
    machine.set("run-waits")
    machine.has_gpus(*TWO_GPUS)
    processes = [
        machine.start(SCRIPTS / "trial", "doctor", **TRIAL | {"NODE_NAME": name, "CUDA_VISIBLE_DEVICES": gpu})
        for name, gpu in (("gpu one", "0"), ("gpu two", "1"))
    ]
    machine.wait_for("running", 2)
    machine.run(SCRIPTS / "reap", **TRIAL | {"NODE_NAME": "gpu two", "EXECUTOR_NUMBER": "1"})
    (machine.state / "run-waits").unlink()
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert ended == [("", 0), ("", 0)]
    gpus = sorted(option(run, "--gpus")[0] for run in machine.called("run"))
    assert gpus == ["device=GPU-aaaa-0", "device=GPU-bbbb-1"]


def test_a_lane_reaps_only_its_own_executor_while_another_agent_runs_a_pack(machine: Machine) -> None:
    machine.set("run-waits")
    neighbour = machine.start(SCRIPTS / "trial", **TRIAL | {"NODE_NAME": "gpu one"})
    machine.wait_for("running")
    machine.run(SCRIPTS / "reap", **TRIAL | {"NODE_NAME": "gpu two"})
    (machine.state / "run-waits").unlink()
    neighbour.communicate(timeout=60)
    assert neighbour.returncode == 0


def test_two_people_at_one_machine_do_not_end_each_others_trials(machine: Machine) -> None:
    machine.set("run-waits")
    by_hand = {**TRIAL, "NODE_NAME": "", "BUILD_TAG": ""}
    processes = [machine.start(SCRIPTS / "trial", **by_hand) for _ in range(2)]
    machine.wait_for("running", 2)
    (machine.state / "run-waits").unlink()
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    for process in processes:
        process.communicate()


def test_agents_that_share_a_gpu_by_mistake_are_warned(machine: Machine, trial: Run) -> None:
    machine.has_gpus(*TWO_GPUS)
    machine.set("containers", "other:hpt.gpu=GPU-aaaa-0")
    assert "CUDA_VISIBLE_DEVICES" in trial().stderr
    assert trial(CUDA_VISIBLE_DEVICES="1").stderr == ""


def names(machine: Machine, **environment: str) -> dict[str, str]:
    """The labels of slot and build from docker/names."""
    command = [str(machine.bin / "sh"), "-c", f'. {SCRIPTS}/names; echo "$slot"; echo "$build"']
    variables = {**machine.environment, **TRIAL, **environment}
    done = subprocess.run(command, env=variables, cwd=machine.workspace, capture_output=True, text=True, check=True)
    slot, build = done.stdout.split()
    return {"slot": f"hpt.slot={slot}", "build": f"hpt.build={build}"}


def test_a_container_left_on_this_executor_is_removed_first(machine: Machine, trial: Run) -> None:
    stale, other = names(machine, BUILD_TAG="another"), names(machine, EXECUTOR_NUMBER="1")
    machine.set("containers", f"old1:{stale['slot']}", f"other:{other['slot']}")
    trial()
    removed = machine.called("rm", "--force")
    assert removed[0] == ["rm", "--force", "old1"]
    assert machine.calls.index(removed[0]) < machine.calls.index(started(machine))
    assert not any("other" in call for call in removed)


def test_a_daemon_that_does_not_answer_makes_the_machine_unfit(machine: Machine, trial: Run) -> None:
    machine.set("daemon-is-down")
    done = trial()
    assert done.returncode == 3
    assert "docker does not answer" in done.stderr


@pytest.mark.parametrize(("signal_number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_abort_stops_the_container_before_the_script_ends(machine: Machine, signal_number: int, status: int) -> None:
    machine.set("run-waits")
    process = machine.start(SCRIPTS / "trial", **TRIAL)
    machine.wait_for("running")
    process.send_signal(signal_number)
    process.communicate(timeout=60)
    assert process.returncode == status
    (name,) = option(started(machine), "--name")
    assert machine.called("stop") == [["stop", "-t", "3", name]]
    assert machine.calls[-1] == ["rm", "--force", name]


HOSTILE = {
    "HPT_IMAGE": "--privileged",
    "HPT_SWEEP": "-x",
    "HPT_PACK": "../../etc",
    "HPT_PACK_TRIALS": "a b; touch x",
    "HPT_STORE": "a,readonly=false",
    "EXECUTOR_NUMBER": "0p;x",
    "HPT_DEADLINE_MINUTES": "0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_never_reach_docker(machine: Machine, trial: Run, name: str) -> None:
    done = trial(**{name: HOSTILE[name]})
    assert done.returncode == 2
    assert name in done.stderr
    assert not machine.calls


@pytest.mark.parametrize("name", ["HPT_IMAGE", "HPT_SWEEP", "HPT_PACK", "HPT_PACK_TRIALS", "HPT_STORE"])
def test_a_missing_variable_is_named(machine: Machine, trial: Run, name: str) -> None:
    done = trial(**{name: ""})
    assert done.returncode == 2
    assert f"{name} is not set" in done.stderr


def reap(machine: Machine, *arguments: str) -> list[list[str]]:
    done = machine.run(SCRIPTS / "reap", *arguments, **TRIAL)
    assert done.returncode == 0
    return machine.called("rm")


@pytest.fixture
def stale(machine: Machine) -> None:
    """Containers of this executor, of its neighbour, of this build, and of another build."""
    other = {"EXECUTOR_NUMBER": "1", "BUILD_TAG": "jenkins-hpt-sweep-8"}
    ours, others = names(machine), names(machine, **other)
    machine.set(
        "containers", f"mine:{ours['slot']}", f"next:{others['slot']}", f"a:{ours['build']}", f"b:{others['build']}"
    )


@pytest.mark.usefixtures("stale")
def test_a_lane_reaps_its_own_executor_and_not_its_neighbours(machine: Machine) -> None:
    assert reap(machine) == [["rm", "--force", "mine"]]


@pytest.mark.usefixtures("stale")
def test_at_its_end_a_build_reaps_all_its_containers(machine: Machine) -> None:
    assert reap(machine, "build") == [["rm", "--force", "a"]]


def test_reaping_never_fails_a_build(machine: Machine) -> None:
    machine.set("daemon-is-down")
    assert reap(machine) == []
    (machine.bin / "docker").unlink()
    reap(machine)
