"""Builds without a spec: one architecture, or all of them compared, tuned automatically within a budget.

Trials train nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import results
from pipeline.report.state import state_of
from pipeline.results import trainings
from tests.jenkinsfile.conftest import TWO_RANGES, Build, Controller
from tests.support import lanes
from tests.support.lanes import Nursery

ARCHITECTURE_FILES = ("bag_of_words.py", "lstm.py", "mdn.py")


def automatic(controller: Controller, **changes: str) -> dict[str, str]:
    data = {"path": str(controller.data), "date": "day", "numeric": ["x"], "categorical": ["kind"], "target": "y"}
    return {"ARCHITECTURE": "bag-of-words", "DATA": json.dumps(data), "AS_OF": "2024-07-01"} | changes


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Controller:
    controller = Controller(tmp_path_factory.mktemp("quick"), nursery)
    controller.quick_trials()
    return controller


class TestAnArchitectureAlone:
    @pytest.fixture(scope="class")
    @classmethod
    def build(cls, quick: Controller) -> Build:
        return quick.build(params=automatic(quick, MODE="automatic", EXPERIMENTS="6", BUDGET="trials=20"))

    def test_each_phase_is_planned_from_the_rows_of_the_phase_before(self, build: Build) -> None:
        assert build.result == "SUCCESS", build.log
        begun = list(dict.fromkeys(trial.phase for trial in build.sweep.planned()))
        assert begun == ["learning-rate", "reference", "architecture", "near-best", "confirm"]
        assert len(build.shells("jenkins-plan")) == build.sweep.rounds() >= 5
        assert sorted(build.rows()) == sorted(map(str, build.sweep.planned()))

    def test_the_parameters_set_the_size_of_the_sweep(self, build: Build) -> None:
        definition = build.sweep.definition
        assert definition.budget is not None
        assert definition.budget.trials == 20
        assert 6 <= sum(phase.experiments for phase in definition.choosing) <= 9
        assert len(trainings(list(build.rows().values()))) <= 20

    def test_validate_shows_what_would_run(self, build: Build) -> None:
        assert "phase learning-rate: 2 trials" in build.log
        assert "these ranges play no part in choosing" in build.log


class TestABudget:
    def test_a_budget_limits_the_sweep_of_a_spec(self, quick: Controller) -> None:
        params = {
            "SPEC_JSON": quick.spec(search={"experiments": 3}, **TWO_RANGES),
            "BUDGET": "trials=5, device-hours=2",
        }
        build = quick.build(params=params)
        assert build.result == "SUCCESS", build.log
        assert build.sweep.definition.spec["budget"] == {"trials": 5, "device-hours": 2}
        assert len(build.rows()) == 4

    def test_a_budget_too_small_for_two_settings_fails_in_validate(self, quick: Controller) -> None:
        build = quick.build(
            params={"SPEC_JSON": quick.spec(search={"experiments": 2}, **TWO_RANGES), "BUDGET": "trials=1"}
        )
        assert build.stages()["Validate"] == "FAILURE"
        assert "hpt: budget.trials: choosing takes 4 at least, but 1 are left for it: allow more" in build.log


class TestRetry:
    def test_only_failed_trials_run_again_on_request(self, fresh: Controller) -> None:
        fresh.quick_trials(failing="screen-e000-d1-s0")
        first = fresh.build(params={"SPEC_JSON": fresh.spec()})
        assert first.result == "UNSTABLE", first.log
        fresh.quick_trials()
        second_build = fresh.build(params={"SWEEP": first.sweep.id, "RETRY": "true"})
        assert second_build.result == "SUCCESS", second_build.log
        assert second_build.packs() == [("screen-e000-d1-s0", "SUCCESS")]
        assert second_build.attempts() == {trial: 1 + (trial == "screen-e000-d1-s0") for trial in second_build.rows()}

    def test_a_trial_that_fails_again_is_not_repeated_forever(self, fresh: Controller) -> None:
        fresh.quick_trials(failing="screen-e000-d1-s0")
        first = fresh.build(params={"SPEC_JSON": fresh.spec()})
        second_build = fresh.build(params={"SWEEP": first.sweep.id, "RETRY": "true"})
        assert second_build.result == "UNSTABLE", second_build.log
        assert second_build.packs() == [("screen-e000-d1-s0", "FAILURE")]


class TestEveryArchitecture:
    """One build that breaks off, and another that goes on with its sweeps."""

    @pytest.fixture(scope="class")
    @classmethod
    def builds(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Build, Build]]:
        controller = Controller(tmp_path_factory.mktemp("all"))
        for path in (controller.source / "pipeline/training/architectures").glob("[a-z]*.py"):
            if path.name not in ARCHITECTURE_FILES:
                path.unlink()
        with lanes.nursery(controller.source) as nursery:
            controller.start_from(nursery)
            controller.quick_trials(at_most=7)
            params = automatic(controller, ARCHITECTURE="all", EXPERIMENTS="6", BUDGET="trials=20")
            lost = controller.build(params=params)
            controller.quick_trials()
            yield lost, controller.build(params={"SWEEP": " ".join(sweep.id for sweep in lost.sweeps)})

    def test_each_has_a_sweep_with_the_same_budget(self, builds: tuple[Build, Build]) -> None:
        definitions = [sweep.definition for sweep in builds[0].sweeps]
        assert [definition.architecture for definition in definitions] == ["bag-of-words", "lstm", "mdn"]
        assert [definition.budget and definition.budget.trials for definition in definitions] == [20] * 3

    def test_they_take_turns(self, builds: tuple[Build, Build]) -> None:
        begun = [stage["name"].split(" ")[0] for stage in builds[0].trace["stages"] if "trials" in stage]
        # Two lanes take the packs in turn, but may print them in another order.
        third = min(at for at, name in enumerate(begun) if begun[:at].count(name) == 2)
        assert set(begun[:third]) == {"bag-of-words", "lstm", "mdn"}

    def test_a_build_that_breaks_off_compares_its_rows_and_says_how_to_go_on(self, builds: tuple[Build, Build]) -> None:
        lost, _ = builds
        assert lost.result == "FAILURE"
        assert f"SWEEP={' '.join(sweep.id for sweep in lost.sweeps)} goes on" in lost.log
        assert lost.trace["published"] == ["Summary"]
        assert "not finished" in lost.description or "cannot be compared" in lost.description

    def test_another_build_goes_on_with_all_sweeps_and_repeats_nothing(self, builds: tuple[Build, Build]) -> None:
        lost, resumed = builds
        assert resumed.result == "SUCCESS", resumed.log
        assert [sweep.id for sweep in resumed.sweeps] == [sweep.id for sweep in lost.sweeps]
        for sweep in resumed.sweeps:
            state = state_of(sweep)
            assert state.done
            assert len(state.rows) == len(state.planned)
        shells = [shell for build in builds for shell in build.shells("bin/pack") if shell["status"] == 0]
        environments = [shell["env"] for shell in shells]
        ran = [(env["HPT_SWEEP"], trial) for env in environments for trial in env["HPT_PACK_TRIALS"].split(",")]
        assert len(set(ran)) == len(ran) == sum(len(sweep.planned()) for sweep in resumed.sweeps)

    def test_no_two_sweeps_share_the_name_of_a_container(self, builds: tuple[Build, Build]) -> None:
        for shell in builds[1].shells("bin/pack"):
            assert shell["env"]["HPT_PACK"].startswith(shell["env"]["HPT_SWEEP"])

    def test_the_answer_of_the_build_is_the_comparison_best_first(self, builds: tuple[Build, Build]) -> None:
        _, resumed = builds
        sentence, ids = resumed.description.split("\n")
        first, second, third = (sweep.id for sweep in resumed.sweeps)
        names = [sweep.definition.architecture for sweep in resumed.sweeps]
        assert sentence.startswith(f"{names[0]} is ahead of 2 others: mse_test ")
        assert ids == f"Sweeps: {first} {second} {third}"

    def test_the_page_links_each_sweeps_page_and_the_table_has_all_rows(self, builds: tuple[Build, Build]) -> None:
        _, resumed = builds
        published = resumed.home / "published/Summary"
        page = (published / "index.html").read_text()
        places = [page.index(f'<a href="{sweep.id}/index.html">') for sweep in resumed.sweeps]
        assert places == sorted(places)
        assert all((published / sweep.id / "index.html").exists() for sweep in resumed.sweeps)
        assert (published / "style.css").exists()
        assert "<script" not in page
        assert "style=" not in page
        rows = results.read_csv(Path(resumed.home / "artifacts/results.csv").read_bytes())
        assert {row["architecture"] for row in rows} == {"bag-of-words", "lstm", "mdn"}
        assert len(rows) == len(resumed.trace["junit"]) == sum(len(sweep.planned()) for sweep in resumed.sweeps)
