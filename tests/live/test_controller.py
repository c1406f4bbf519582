"""Builds on a real controller, which test what the harness of tests/jenkinsfile cannot show."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline import results
from pipeline.screen.build import Count
from tests.live.conftest import Live
from tests.support import ROOT

SPEC = {
    "architecture": "bag-of-words",
    "data": "flights",
    "date-range": [["2013-01-01", "2013-03-01"], ["2013-02-01", "2013-04-01"]],
    "training": {"max-epochs": 1, "time-limit-minutes": 15},
    "search": {"experiments": 2},
    "parameters": {"learning_rate": [0.001, 0.01]},
}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("specs") / "live.json"
    path.write_text(json.dumps(SPEC))
    return path


@pytest.fixture(scope="module")
def build(live: Live, spec: Path) -> dict[str, Any]:
    code, answer = live.trigger(spec, NOTES="""it's "$(touch ran)" `id` $HOME""")
    log = live.get(answer["url"] + "consoleText").text
    assert (code, answer["result"]) == (0, "SUCCESS"), log[-5000:]
    details: dict[str, Any] = live.get(answer["url"] + "api/json").json()
    rows = results.read_csv(live.get(answer["url"] + "artifact/results.csv").content)
    return {"log": log, "rows": rows, **details}


def test_the_controller_accepts_the_jenkinsfile(live: Live) -> None:
    answer = live.post("pipeline-model-converter/validate", jenkinsfile=(ROOT / "Jenkinsfile").read_text())
    assert "successfully validated" in answer.text


def test_stages_show_the_settings_of_their_packs(build: dict[str, Any]) -> None:
    # Two lanes. The settings of a date range form packs of any size.
    for stage in ("Validate", "Plan", "Trials", "Summary", "Jan–Feb", "Feb–Mar"):
        assert f"[Pipeline] {{ ({stage}" in build["log"], stage
    assert re.search(r"\[Pipeline\] \{ \(Jan–Feb[ \d]*: \d settings?, learning_rate 0\.0", build["log"])


def test_progress_is_reported_trial_by_trial(build: dict[str, Any]) -> None:
    count, rows = Count(), len(build["rows"])
    progress = [now for line in build["log"].splitlines() if (now := count.read(line))]
    assert progress[-1] == (rows, rows)
    assert {done for done, _ in progress} == set(range(rows + 1))


def test_the_description_contains_the_answer_without_markup(build: dict[str, Any]) -> None:
    assert "cost" in build["description"]
    assert "<" not in build["description"]


def test_results_are_an_artifact_with_a_row_per_trial(build: dict[str, Any]) -> None:
    files = {each["relativePath"] for each in build["artifacts"]}
    assert files == {"results.csv", "summary.zip"}
    rows = build["rows"]
    assert {row["status"] for row in rows} == {"complete"}
    assert sorted(row["trial"] for row in rows if row["phase"] == "screen") == [
        f"screen-e00{experiment}-d{at}-s0" for experiment in (0, 1) for at in (0, 1)
    ]
    # If the searched setting beat the defaults, both were trained once on each range that judges.
    judged = {str(row["date-range"]) for row in rows if row["phase"] == "confirm"}
    assert sum(row["phase"] == "confirm" for row in rows) == 2 * len(judged)
    assert {row["phase"] for row in rows} <= {"screen", "confirm", "reference"}
    assert len({row["git_commit"] for row in rows}) == 1


def test_the_summary_is_published(live: Live, build: dict[str, Any]) -> None:
    assert live.get(build["url"] + "Summary/").status_code == 200


def test_each_trial_is_a_test_case(live: Live, build: dict[str, Any]) -> None:
    report = live.get(build["url"] + "testReport/api/json").json()
    assert (report["passCount"], report["failCount"], report["skipCount"]) == (len(build["rows"]), 0, 0)


def test_a_sweep_that_is_done_is_summarized_again_and_runs_nothing(live: Live, build: dict[str, Any]) -> None:
    code, answer = live.trigger(ROOT / "specs/quickstart.json", SWEEP=build["description"].split()[-1])
    assert (code, answer["result"]) == (0, "SUCCESS")
    log = live.get(answer["url"] + "consoleText").text
    assert f"trials: {len(build['rows'])} of {len(build['rows'])}" in log
    assert "bin/pack" not in log


def test_hostile_parameters_fail_the_build_with_the_reasons(live: Live) -> None:
    code, answer = live.trigger(ROOT / "specs/quickstart.json", EXPERIMENTS="1; touch ran", LANES="$(id)")
    assert (code, answer["result"]) == (3, "FAILURE")
    log = live.get(answer["url"] + "consoleText").text
    assert "hpt: EXPERIMENTS: " in log
    assert "hpt: LANES: " in log


def test_a_failing_trial_makes_the_build_unstable(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "failing.json"
    # A millisecond is never enough: the trial ends as timed-out.
    path.write_text(json.dumps(SPEC | {"training": {"max-epochs": 50, "time-limit-minutes": 0.00002}}))
    code, answer = live.trigger(path, EXPERIMENTS="1")
    assert (code, answer["result"]) == (1, "UNSTABLE")
    report = live.get(answer["url"] + "testReport/api/json").json()
    assert report["failCount"] == 2


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "specs/nightly").glob("*.json")))
def test_the_nightly_jobs_exist(live: Live, name: str) -> None:
    job = live.get(live.job(f"nightly-{name}") + "api/json").json()
    assert job["buildable"]
