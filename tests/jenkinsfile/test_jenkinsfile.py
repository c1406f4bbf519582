"""Executes the Jenkinsfile: builds that go well, and builds with failures. Trainings are real where they matter."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.screen.build import Count
from tests.jenkinsfile.conftest import AGENTS, COMMIT, TWO_RANGES, Build, Controller
from tests.support import ROOT
from tests.support.lanes import Nursery

STAGES = ["Image", "Validate", "Plan", "Trials", "Summary"]
IMAGE = "echo ${HPT_IMAGE_PARAM:-registry.test/hpt:0123}\n"
NOTES = """it's "$(touch ran)" `touch ran` ; rm -rf / && $HOME"""


class TestTheFirstBuild:
    """Jenkins does not know the parameters yet: only those that the Jenkinsfile binds are shell variables."""

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, controller: Controller) -> Build:
        ranges = [["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"], ["2024-03-01", "2024-05-01"]]
        spec = controller.spec(search={"experiments": 1}, **{"date-range": ranges})
        params = {"SPEC_JSON": spec, "NOTES": NOTES, "REQUEST_ID": "'; touch ran #"}
        return controller.build(registered=False, params=params)

    def test_it_runs_all_stages_and_succeeds(self, build: Build) -> None:
        assert list(build.stages()) == STAGES
        assert build.stages()["Image"] == "NOT_BUILT"
        assert build.result == "SUCCESS", build.log

    def test_each_trial_is_a_stage_and_each_lane_is_a_branch(self, build: Build) -> None:
        assert sorted(trial for trial, _ in build.packs()) == sorted(build.rows())
        assert len(build.packs()) == 3
        assert build.trace["branches"] == 2

    def test_trials_run_on_the_label_and_everything_else_on_the_light_one(self, build: Build) -> None:
        machines = {shell["script"]: shell["machine"] for shell in build.trace["shells"]}
        assert {machine for script, machine in machines.items() if "hpt" in script} == {"small"}
        assert {shell["machine"] for shell in build.shells("bin/pack")} == {"gpu-1", "gpu-2"}

    def test_every_machine_has_the_commit_that_was_checked_out_once(self, build: Build) -> None:
        assert build.trace["checkouts"] == 1
        assert {row["git_commit"] for row in build.rows().values()} == {COMMIT}

    def test_it_publishes_page_table_test_cases_and_a_description_with_the_answer(self, build: Build) -> None:
        assert (build.home / "published/Summary/index.html").exists()
        assert sorted(path.name for path in (build.home / "artifacts").iterdir()) == ["results.csv", "summary.zip"]
        assert {row["status"] for row in build.rows().values()} == {"complete"}
        assert [case["name"] for case in build.trace["junit"] if not case["failure"]] == list(build.rows())
        answer, sweep = build.description.split("\n")
        assert "cost" in answer
        assert sweep == f"Sweep: {build.sweep.id}"

    def test_it_prints_its_progress_in_the_form_that_hpt_trigger_reads(self, build: Build) -> None:
        count = Count()
        reported = [progress for line in build.log.splitlines() if (progress := count.read(line))]
        assert reported == [(0, 3), (1, 3), (2, 3), (3, 3), (3, 3)]

    def test_free_text_reaches_the_sweep_unchanged_and_no_shell_as_code(self, build: Build) -> None:
        assert build.sweep.definition.notes == NOTES
        assert not list(build.home.rglob("ran"))


class TestHostileParameters:
    @pytest.fixture(scope="class")
    @classmethod
    def hostile(cls) -> dict[str, str]:
        return {
            "SPEC": "specs/../../$(touch ran).json",
            "ARCHITECTURE": "",
            "DATA": '{"path": "`touch ran`"}',
            "EXPERIMENTS": "1; touch ran",
            "BUDGET": "trials=$(touch ran)",
            "AS_OF": "`touch ran`",
            "SWEEP": "",
            "STORE": "--store=/tmp/x",
            "LANES": "-1\ntouch ran",
            "LABEL": "gpu'; touch ran",
            "IMAGE": "-v/:/host image",
            "NOTES": "two\nlines",
        }

    def test_each_is_refused_by_name_before_anything_runs(self, fresh: Controller, hostile: dict[str, str]) -> None:
        build = fresh.build(params=hostile)
        assert build.result == "FAILURE"
        assert build.stages() == {"Image": "NOT_BUILT", "Validate": "FAILURE"}
        for name, value in hostile.items():
            assert (f"hpt: {name}: " in build.log) == bool(value), name
        assert not list(build.home.rglob("ran"))

    def test_a_sweep_id_cannot_lead_out_of_the_store(self, fresh: Controller) -> None:
        build = fresh.build(params={"SWEEP": "../$(touch ran)"})
        assert build.stages()["Validate"] == "FAILURE"
        assert 'hpt: SWEEP: "../$(touch ran)" is no sweep id' in build.log

    def test_a_bad_spec_fails_in_validate_with_the_messages_of_hpt(self, fresh: Controller) -> None:
        build = fresh.build(params={"SPEC_JSON": '{"architecture": "bag-of-wrods", "parameters": {}}'})
        assert build.result == "FAILURE"
        assert list(build.stages()) == ["Image", "Validate"]
        assert 'hpt: SPEC_JSON: architecture: there is no "bag-of-wrods"' in build.log
        assert build.trace["published"] == []


class TestCode:
    """Code from parameters is refused; code from a commit runs."""

    REPORTS = """touch ran; printf '{{"mse_valid": %s, "mse_test": 1}}' {x} >>"$HPT_METRICS\""""
    DESCRIBES = """touch asked; key=${GOOGLE_APPLICATION_CREDENTIALS:-none}
printf '{"properties": {"x": {"type": "number", "default": 1.0, "description": "%s"}}}' "$key\""""
    COMMAND = ("sh", "-c", REPORTS)
    DESCRIBE = ("sh", "-c", DESCRIBES)

    def spec(self, controller: Controller, **changes: object) -> str:
        spec = json.loads(
            controller.spec(search={"experiments": 2}, parameters={"x": [1.0, 2.0]}, **TWO_RANGES, **changes)
        )
        return json.dumps({key: value for key, value in spec.items() if key != "architecture"})

    @pytest.mark.parametrize("changes", [{"command": COMMAND, "describe": DESCRIBE}, {"trainer": "os:abort"}])
    def test_code_in_a_parameter_is_refused_before_anything_runs(
        self, fresh: Controller, changes: dict[str, object]
    ) -> None:
        build = fresh.build(params={"SPEC_JSON": self.spec(fresh, **changes)})
        assert build.stages() == {"Image": "NOT_BUILT", "Validate": "FAILURE"}
        for key in changes:
            assert f"hpt: SPEC_JSON: {key}: is code, which only a committed spec may name" in build.log
        assert not [*build.home.rglob("ran"), *build.home.rglob("asked")]

    @pytest.mark.parametrize("name", ["HPT_ALLOW_INLINE_CODE", "HPT_STORES", "HPT_DATA_ROOTS"])
    def test_an_undeclared_parameter_cannot_allow_code(self, fresh: Controller, name: str) -> None:
        spec = self.spec(fresh, command=self.COMMAND, hyperparameters={"x": 1.0})
        build = fresh.build(params={"SPEC_JSON": spec}, kept={name: "1"})
        assert build.stages()["Validate"] == "FAILURE"
        assert "are an administrator's to set, and no parameters" in build.log
        assert not list(build.home.rglob("ran"))

    def test_an_administrator_can_allow_code_and_the_log_says_so(self, fresh: Controller) -> None:
        spec = self.spec(fresh, command=self.COMMAND, hyperparameters={"x": 1.0})
        build = fresh.build(params={"SPEC_JSON": spec}, env={"HPT_ALLOW_INLINE_CODE": "1"})
        assert build.result == "SUCCESS", build.log
        assert "HPT_ALLOW_INLINE_CODE=1: specs in parameters may bring code" in build.log
        assert list(build.home.rglob("ran"))

    def test_code_of_a_committed_spec_runs_and_describes_itself_without_the_key_of_trials(
        self, fresh: Controller
    ) -> None:
        spec = self.spec(fresh, command=self.COMMAND, describe=self.DESCRIBE)
        (fresh.source / "specs/own.json").write_text(spec)
        env = {"HPT_CREDENTIALS": "bucket-key"}
        build = fresh.build(params={"SPEC": "specs/own.json"}, env=env)
        assert build.result == "SUCCESS", build.log
        assert list(build.home.rglob("ran"))
        trainer = build.sweep.definition.own
        assert trainer is not None
        assert trainer.hyperparameters["x"].help == "none"
        assert all(shell["env"]["GOOGLE_APPLICATION_CREDENTIALS"] for shell in build.shells("HPT_HOME"))


class TestAFailingTrial:
    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Build:
        controller = Controller(tmp_path_factory.mktemp("failing"), nursery)
        controller.quick_trials(failing="screen-e000-d1-s0")
        return controller.build(params={"SPEC_JSON": controller.spec(**TWO_RANGES), "LANES": "1"})

    def test_a_failing_trial_fails_its_stage_makes_the_build_unstable_and_the_others_run(self, build: Build) -> None:
        assert dict(build.packs()) == {"screen-e000-d0-s0": "SUCCESS", "screen-e000-d1-s0": "FAILURE"}
        assert build.stages()["Trials"] == "SUCCESS"
        assert build.result == "UNSTABLE"

    def test_it_runs_once_and_its_message_is_the_failure_of_its_test_case(self, build: Build) -> None:
        assert len(build.shells("bin/pack")) == 2
        failure = {case["name"]: case["failure"] for case in build.trace["junit"]}
        assert failure["screen-e000-d0-s0"] == ""
        assert failure["screen-e000-d1-s0"] == build.rows()["screen-e000-d1-s0"]["error"]


class TestALostMachine:
    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Build:
        controller = Controller(tmp_path_factory.mktemp("lost"), nursery)
        fault = {"kind": "lost", "pack": "r0-p001", "text": "epoch 2 of", "times": 1}
        spec = controller.spec(training={"max-epochs": 150, "epoch-steps": 1}, **TWO_RANGES)
        return controller.build(params={"SPEC_JSON": spec}, faults=[fault])

    def test_only_the_pack_on_the_lost_machine_runs_again(self, build: Build) -> None:
        assert build.result == "SUCCESS", build.log
        ends: dict[str, list[Any]] = {}
        for shell in build.shells("bin/pack"):
            ends.setdefault(shell["pack"], []).append(shell["status"])
        assert ends == {"r0-p000": [0], "r0-p001": ["AgentLost", 0]}
        assert {row["status"] for row in build.rows().values()} == {"complete"}


class TestAnAbort:
    @pytest.fixture(scope="class")
    @classmethod
    def builds(cls, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> tuple[Build, Build]:
        # The aborted build forks no processes from a nursery, as their environment could not be read.
        controller = Controller(tmp_path_factory.mktemp("aborted"))
        spec = controller.spec(training={"max-epochs": 60, "epoch-steps": 1}, **TWO_RANGES)
        abort = {"finished": 1, "text": "epoch 2 of"}
        aborted = controller.build(params={"SPEC_JSON": spec, "LANES": "1"}, abort=abort)
        controller.start_from(nursery)
        return aborted, controller.build(params={"SWEEP": aborted.sweep.id})

    def test_nothing_keeps_running(self, builds: tuple[Build, Build]) -> None:
        aborted, _ = builds
        assert aborted.result == "ABORTED", aborted.log
        assert [shell["status"] for shell in aborted.shells("bin/pack")] == [0, "FlowInterrupted"]
        assert all(shell.get("left", []) == [] for shell in aborted.trace["shells"])
        tag = json.loads((aborted.home / "scenario.json").read_text())["tag"].encode()
        assert not [pid for pid in Path("/proc").glob("[0-9]*") if tag in _environment(pid)]

    def test_the_summary_of_what_finished_is_published(self, builds: tuple[Build, Build]) -> None:
        aborted, _ = builds
        assert list(aborted.stages()) == ["Image", "Validate", "Plan", "Trials"]
        assert aborted.trace["published"] == ["Summary"]
        assert len(aborted.rows()) == 1
        assert "So far (1 of 2 trials)" in aborted.description
        assert sum(case["skipped"] for case in aborted.trace["junit"]) == 1

    def test_another_build_goes_on_with_the_sweep_and_repeats_nothing(self, builds: tuple[Build, Build]) -> None:
        aborted, resumed = builds
        finished = next(iter(aborted.rows()))
        assert resumed.result == "SUCCESS", resumed.log
        assert resumed.sweep.id == aborted.sweep.id
        assert finished not in dict(resumed.packs())
        assert len(resumed.packs()) == 1
        assert len(resumed.rows()) == 2
        assert resumed.rows()[finished] == aborted.rows()[finished]


class TestAnAbortInTheMiddleOfAPack:
    @pytest.fixture(scope="class")
    @classmethod
    def builds(cls, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> tuple[Build, Build]:
        controller = Controller(tmp_path_factory.mktemp("halfway"), nursery)
        controller.quick_trials(seconds_each=1)
        changes = {"parameters": {"batch_size": [1024, 512, 256, 128]}, "date-range": [["2024-01-01", "2024-03-01"]]}
        spec = controller.spec(search={"experiments": 4}, **changes)
        abort = {"finished": 0, "text": "screen-e001-d0-s0 complete"}
        aborted = controller.build(params={"SPEC_JSON": spec, "LANES": "1"}, abort=abort)
        return aborted, controller.build(params={"SWEEP": aborted.sweep.id, "LANES": "1"})

    def test_finished_trials_are_kept_and_published(self, builds: tuple[Build, Build]) -> None:
        aborted, _ = builds
        assert aborted.result == "ABORTED", aborted.log
        assert sorted(aborted.rows()) == ["screen-e000-d0-s0", "screen-e001-d0-s0"]
        assert aborted.trace["published"] == ["Summary"]
        assert all(shell.get("left", []) == [] for shell in aborted.trace["shells"])

    def test_another_build_runs_only_the_unfinished_trials(self, builds: tuple[Build, Build]) -> None:
        aborted, resumed = builds
        assert resumed.result == "SUCCESS", resumed.log
        ran = [shell["env"]["HPT_PACK_TRIALS"].split(",") for shell in resumed.shells("bin/pack")]
        assert sorted(trial for pack in ran for trial in pack) == ["screen-e002-d0-s0", "screen-e003-d0-s0"]
        assert {trial: resumed.rows()[trial] for trial in aborted.rows()} == aborted.rows()


def test_a_controller_that_restarts_between_packs_goes_on_with_the_state_on_its_disk(fresh: Controller) -> None:
    """The state of the build is written to disk and read again between any two packs."""
    fresh.quick_trials()
    faults = [{"kind": "status", "value": 3, "machine": "gpu-1", "times": 1}]
    build = fresh.build(params={"SPEC_JSON": fresh.spec(), "LANES": "2"}, restarts=True, faults=faults)
    assert build.result == "SUCCESS", build.log
    assert build.trace["restarts"] >= 4
    ran = [shell["env"]["HPT_PACK_TRIALS"] for shell in build.shells("bin/pack") if shell["status"] == 0]
    assert sorted(ran) == sorted(build.rows())


def test_the_library_runs_the_same_build(fresh: Controller) -> None:
    fresh.quick_trials()
    step = ROOT / "jobs/library/vars/hptSweep.groovy"
    build = fresh.build(params={"SPEC_JSON": fresh.spec(), "LANES": "2"}, jenkinsfile=step, library=True)
    assert build.result == "SUCCESS", build.log
    assert list(build.stages()) == STAGES
    assert len(build.rows()) == 4


def test_a_pipeline_of_another_protocol_than_its_hpt_ends_before_anything_is_planned(
    fresh: Controller, tmp_path: Path
) -> None:
    other = tmp_path / "Jenkinsfile"
    other.write_text((ROOT / "Jenkinsfile").read_text().replace("settings.protocol != '2'", "settings.protocol != '0'"))
    build = fresh.build(params={"SPEC_JSON": fresh.spec()}, jenkinsfile=other)
    assert build.stages() == {"Image": "NOT_BUILT", "Validate": "FAILURE"}
    assert "take both from the same version" in build.log


def _environment(pid: Path) -> bytes:
    try:
        return (pid / "environ").read_bytes()
    except OSError:
        return b""


class TestInfrastructure:
    """Exit statuses of infrastructure. Trials train nothing."""

    @pytest.fixture(scope="class")
    @classmethod
    def quick(cls, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Controller:
        controller = Controller(tmp_path_factory.mktemp("quick"), nursery)
        controller.quick_trials()
        return controller

    def test_packs_that_could_not_run_are_repeated(self, quick: Controller) -> None:
        faults = [
            {"kind": "status", "value": value, "pack": f"r0-p00{pack}", "times": 1}
            for pack, value in enumerate((3, 125, 137))
        ]
        agents = [AGENTS[0], *({"name": f"gpu-{n}", "labels": "gpu"} for n in range(3))]
        build = quick.build(params={"SPEC_JSON": quick.spec(), "LANES": "3"}, faults=faults, agents=agents)
        assert build.result == "SUCCESS", build.log
        trials = sorted(build.rows())
        assert sorted(build.packs()) == sorted(
            [*((trial, "UNSTABLE") for trial in trials[:3]), *((trial, "SUCCESS") for trial in trials)]
        )

    def test_a_pack_that_could_not_run_runs_again_trial_by_trial(self, quick: Controller) -> None:
        faults = [{"kind": "status", "value": 137, "pack": "r0-p000", "times": 1}]
        agents = [AGENTS[0], *({"name": f"gpu-{n}", "labels": "gpu"} for n in range(3))]
        spec = quick.spec(parameters={"learning_rate": [0.01, 0.1]}, search={"strategy": "grid"}, **TWO_RANGES)
        build = quick.build(params={"SPEC_JSON": spec, "LANES": "1"}, faults=faults, agents=agents)
        assert build.result == "SUCCESS", build.log
        trials = sorted(build.rows())
        first, second = ([trial for trial in trials if f"-d{at}-" in trial] for at in (0, 1))
        environments = [shell["env"] for shell in build.shells("bin/pack")]
        packs = [env["HPT_PACK_TRIALS"].split(",") for env in environments]
        assert packs == [first, second, *([trial] for trial in first)]
        names = [env["HPT_PACK"] for env in environments]
        assert len(set(names)) == len(names), "a container's name must not be another's"

    def test_no_trial_is_given_up_for_a_bad_machine(self, quick: Controller) -> None:
        faults = [{"kind": "status", "value": 3, "machine": "gpu-1"}]
        spec = quick.spec(parameters={"learning_rate": [0.01, 0.1]}, search={"strategy": "grid"}, **TWO_RANGES)
        build = quick.build(params={"SPEC_JSON": spec, "LANES": "2"}, faults=faults)
        assert build.result == "SUCCESS", build.log
        packs = [shell["env"]["HPT_PACK_TRIALS"].split(",") for shell in build.shells("bin/pack")]
        assert sorted(len(pack) for pack in packs[:2]) == [2, 3]
        assert {row["status"] for row in build.rows().values()} == {"complete"}

    def test_a_machine_that_fails_twice_is_left_alone_and_another_one_does_its_work(self, quick: Controller) -> None:
        faults = [{"kind": "status", "value": 3, "machine": "gpu-1"}]
        build = quick.build(params={"SPEC_JSON": quick.spec(), "LANES": "1"}, faults=faults, utilitySteps=True)
        assert build.result == "SUCCESS", build.log
        assert [shell["machine"] for shell in build.shells("bin/pack")] == ["gpu-1"] * 2 + ["gpu-2"] * 4

    def test_without_the_plugin_a_lane_waits_for_the_machines_that_other_lanes_have_seen(
        self, quick: Controller
    ) -> None:
        faults = [{"kind": "status", "value": 3, "machine": "gpu-1"}]
        build = quick.build(params={"SPEC_JSON": quick.spec(), "LANES": "2"}, faults=faults)
        assert build.result == "SUCCESS", build.log
        machines = [shell["machine"] for shell in build.shells("bin/pack")]
        assert (machines.count("gpu-1"), machines.count("gpu-2")) in ((1, 4), (2, 4))

    @pytest.mark.parametrize("with_plugin", [True, False])
    def test_packs_that_no_machine_can_run_fail_the_build_with_advice(
        self, quick: Controller, with_plugin: bool
    ) -> None:
        faults = [{"kind": "status", "value": 3}]
        agents = [AGENTS[0], AGENTS[1]]
        build = quick.build(params={"SPEC_JSON": quick.spec()}, faults=faults, agents=agents, utilitySteps=with_plugin)
        assert build.result == "FAILURE"
        assert len(build.shells("bin/pack")) == 2
        assert "4 packs could not be run: no machine with the label gpu is left (given up: gpu-1)" in build.log
        assert f"SWEEP={build.sweep.id} goes on" in build.log
        assert build.trace["published"] == ["Summary"]

    def test_a_pack_that_fails_everywhere_is_given_up_and_the_others_complete(self, quick: Controller) -> None:
        faults = [{"kind": "status", "value": 139, "pack": "r0-p002"}]
        agents = [AGENTS[0], *({"name": f"gpu-{n}", "labels": "gpu"} for n in range(4))]
        build = quick.build(params={"SPEC_JSON": quick.spec(), "LANES": "4"}, faults=faults, agents=agents)
        assert build.result == "UNSTABLE", build.log
        row = build.rows()["screen-e000-d2-s0"]
        assert row["status"] == "failed"
        assert row["error"].startswith("given up after status 139 on gpu-")
        assert sum(row["status"] == "complete" for row in build.rows().values()) == 3

    def test_a_pack_that_always_fails_is_given_up_even_on_a_single_machine(self, quick: Controller) -> None:
        faults = [{"kind": "status", "value": 137, "pack": "r0-p002"}]
        build = quick.build(params={"SPEC_JSON": quick.spec(), "LANES": "1"}, faults=faults, agents=AGENTS[:2])
        assert build.result == "UNSTABLE", build.log
        assert build.rows()["screen-e000-d2-s0"]["error"] == "given up after " + ", ".join(["status 137 on gpu-1"] * 3)
        assert sum(row["status"] == "complete" for row in build.rows().values()) == 3

    def test_machines_may_be_lost_repeatedly_if_trials_finish_in_between(self, quick: Controller) -> None:
        faults = [
            {"kind": "lost", "pack": "r0-p001", "times": 2, "back": 60},
            {"kind": "lost", "pack": "r0-p000", "times": 1, "back": 60},
        ]
        agents = [AGENTS[0], *({"name": f"gpu-{n}", "labels": "gpu"} for n in range(4))]
        build = quick.build(params={"SPEC_JSON": quick.spec(), "LANES": "1"}, faults=faults, agents=agents)
        assert build.result == "SUCCESS", build.log
        assert build.log.count("retrying: ") == 3

    def test_machines_that_are_lost_in_a_row_end_the_build(self, quick: Controller) -> None:
        faults = [{"kind": "lost", "back": 60}]
        agents = [AGENTS[0], *({"name": f"gpu-{n}", "labels": "gpu"} for n in range(4))]
        build = quick.build(params={"SPEC_JSON": quick.spec(), "LANES": "1"}, faults=faults, agents=agents)
        assert build.result == "FAILURE"
        assert "three machines in a row were lost" in build.log
        assert build.trace["published"] == ["Summary"]

    def test_files_of_an_earlier_build_reach_no_machine(self, quick: Controller) -> None:
        files = ["specs/old.json", "build/specs/old.json", "pipeline/old.py", "bin/old", ".venv/kept"]
        build = quick.build(params={"SPEC_JSON": quick.spec()}, leftovers=files)
        assert build.result == "SUCCESS", build.log
        assert not list(build.home.rglob("old*"))
        assert list(build.home.rglob("kept"))

    def test_a_round_is_drained_before_the_next_one_is_planned_until_one_is_empty(self, quick: Controller) -> None:
        confirm = {"confirm": {"ranges": 1}, "confirm-range": [["2024-05-01", "2024-07-01"]]}
        spec = quick.spec(search={"experiments": 2}, **confirm, **TWO_RANGES)
        build = quick.build(params={"SPEC_JSON": spec})
        assert build.result == "SUCCESS", build.log
        plans = [at for at, shell in enumerate(build.trace["shells"]) if "jenkins-plan" in shell["script"]]
        runs = [at for at, shell in enumerate(build.trace["shells"]) if "bin/pack" in shell["script"]]
        assert len(plans) == 3
        runs_by_round = [sum(begin < at < end for at in runs) for begin, end in pairwise(plans)]
        assert runs_by_round[0] == 3
        assert runs_by_round[1] == len(runs) - 3 > 0

    def test_rows_that_never_arrive_end_the_build(self, fresh: Controller) -> None:
        fresh.script("bin/trial", "exit 0\n")
        build = fresh.build(params={"SPEC_JSON": fresh.spec()})
        assert build.result == "FAILURE"
        assert "do all machines see that store?" in build.log
        assert len(build.shells("bin/pack")) == 4

    def test_jenkins_prints_at_most_twelve_lines_per_pack(self, quick: Controller) -> None:
        build = quick.build(params={"SPEC_JSON": quick.spec(), "LANES": "1"})
        lines = [step["line"] for step in build.trace["steps"] if step["branch"]]
        begins = [at for at, line in enumerate(lines) if line == "[Pipeline] stage"]
        ends = [at for at, line in enumerate(lines) if line == "[Pipeline] // stage"]
        assert len(begins) == len(build.packs()) == 4
        assert begins[1:] == [at + 1 for at in ends[:-1]], "nothing stands between packs"
        assert max(end + 1 - begin for begin, end in zip(begins, ends, strict=True)) <= 12, lines

    def test_an_unfit_machine_is_left_and_its_reason_is_a_stage(self, fresh: Controller) -> None:
        fresh.quick_trials()
        fresh.script(
            "bin/ready",
            """mkdir -p build; echo fit >build/ready.txt; [ "$NODE_NAME" = gpu-1 ] || exit 0
echo "not fit: nvidia-smi fails" >build/ready.txt; exit 3
""",
        )
        build = fresh.build(params={"SPEC_JSON": fresh.spec()}, utilitySteps=True)
        assert build.result == "SUCCESS", build.log
        assert {shell["machine"] for shell in build.shells("bin/pack")} == {"gpu-2"}
        reported = [
            stage["result"] for stage in build.trace["stages"] if stage["name"] == "gpu-1: not fit: nvidia-smi fails"
        ]
        assert reported
        assert set(reported) == {"UNSTABLE"}

    def test_a_machine_that_is_not_ready_gets_its_packs_after_a_minute(self, fresh: Controller) -> None:
        fresh.quick_trials()
        fresh.script(
            "bin/ready",
            """mkdir -p build; [ -e ../tried ] || { touch ../tried
echo "not ready: the registry does not answer" >build/ready.txt; exit 1; }
""",
        )
        agents = AGENTS[:2]
        build = fresh.build(params={"SPEC_JSON": fresh.spec(), "LANES": "1"}, agents=agents)
        assert build.result == "SUCCESS", build.log
        assert build.trace["sleeps"] == [{"time": 1, "unit": "MINUTES"}]
        assert len(build.rows()) == 4

    def test_rows_of_a_lost_machine_count_and_only_its_unfinished_trials_run_again(self, fresh: Controller) -> None:
        fresh.quick_trials(seconds_each=1)
        faults = [{"kind": "lost", "text": "screen-e001-d0-s0 complete", "times": 1}]
        spec = fresh.spec(search={"experiments": 3}, **{"date-range": [["2024-01-01", "2024-03-01"]]})
        build = fresh.build(params={"SPEC_JSON": spec, "LANES": "1"}, faults=faults)
        assert build.result == "SUCCESS", build.log
        first, second_pack = (shell["env"]["HPT_PACK_TRIALS"].split(",") for shell in build.shells("bin/pack"))
        assert len(first) == 3
        assert second_pack == first[2:]
        assert set(build.attempts().values()) <= {1, 2}

    def test_a_build_waits_while_others_train_all_unfinished_trials(self, fresh: Controller) -> None:
        fresh.quick_trials()
        hpt = (fresh.source / "bin/.hpt").read_text().partition("set -eu\n")[2]
        fresh.script(
            "bin/.hpt",
            f"""if [ "$1" = jenkins-plan ] && [ ! -e ../waited ]; then touch ../waited; echo wait >"$3"; exit 0; fi
{hpt}""",
        )
        build = fresh.build(params={"SPEC_JSON": fresh.spec()})
        assert build.result == "SUCCESS", build.log
        assert len(build.trace["sleeps"]) == 1
        assert len(build.rows()) == 4


class TestTheSameFailure:
    """All trials fail for the same reason, so the build ends early."""

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Build:
        controller = Controller(tmp_path_factory.mktemp("alike"), nursery)
        controller.script("bin/trial", '[ "$*" = doctor ] || exec bin/hpt trial "$HPT_SWEEP" "$HPT_PACK_TRIALS"\n')
        spec = {
            "command": ["sh", "-c", "echo no module named foo >&2; exit 1"],
            "metrics-pattern": r"valid (?P<mse_valid>\S+)",
            "hyperparameters": {"x": 0.1},
            "parameters": {"x": [n / 10 for n in range(9)]},
            "date-range": [["2024-01-01", "2024-03-01"]],
            "confirm": {"ranges": 0},
        }
        allowed = {"HPT_ALLOW_INLINE_CODE": "1"}
        return controller.build(params={"SPEC_JSON": json.dumps(spec), "LANES": "1"}, env=allowed)

    def test_it_fails_the_build_after_the_first_trials(self, build: Build) -> None:
        assert build.result == "FAILURE", build.log
        assert len(build.rows()) == 3

    def test_log_and_description_say_why(self, build: Build) -> None:
        assert "all trials failed alike: ended with exit status 1: no module named foo" in build.log
        assert "no module named foo" in build.description

    def test_nothing_more_is_planned(self, build: Build) -> None:
        assert build.sweep.why_stopped()
        assert len(build.shells("jenkins-plan")) == 2


class TestContainers:
    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Build:
        controller = Controller(tmp_path_factory.mktemp("docker"), nursery)
        controller.quick_trials("docker/trial")
        controller.script("docker/image", IMAGE)
        controller.script("docker/reap", "echo reaped $BUILD_TAG\n")
        env = {"HPT_CREDENTIALS": "bucket-key"}
        return controller.build(params={"SPEC_JSON": controller.spec(), "CONTAINER": "docker"}, env=env)

    def test_trials_run_in_the_image_that_was_made_first(self, build: Build) -> None:
        assert build.result == "SUCCESS", build.log
        assert build.stages()["Image"] == "SUCCESS"
        assert {shell["env"]["HPT_IMAGE"] for shell in build.shells("bin/pack")} == {"registry.test/hpt:0123"}

    def test_containers_are_reaped_before_and_after(self, build: Build) -> None:
        for machine in ("gpu-1", "gpu-2"):
            shells = [shell for shell in build.trace["shells"] if shell["machine"] == machine and shell["branch"]]
            assert [shell["script"].split("/")[-1] for shell in shells[1:]] == [
                'ready"',
                *['pack"'] * (len(shells) - 3),
                'reap"',
            ]
        assert build.log.count("reaped ") == 4

    def test_the_key_of_the_bucket_comes_from_the_named_credential(self, build: Build) -> None:
        assert set(build.trace["credentials"]) == {"bucket-key"}
        assert all(shell["env"]["GOOGLE_APPLICATION_CREDENTIALS"] for shell in build.shells("HPT_HOME"))

    def test_an_image_that_the_spec_names_wins(self, fresh: Controller) -> None:
        fresh.quick_trials("docker/trial")
        fresh.script("docker/image", IMAGE)
        fresh.script("docker/reap", "")
        (fresh.source / "specs/own.json").write_text(fresh.spec(image="registry.test/own:1", search={"experiments": 1}))
        build = fresh.build(params={"SPEC": "specs/own.json", "CONTAINER": "docker"})
        assert {shell["env"]["HPT_IMAGE"] for shell in build.shells("bin/pack")} == {"registry.test/own:1"}
