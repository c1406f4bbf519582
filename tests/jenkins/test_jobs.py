"""The jobs, rendered offline by Jenkins Job Builder and compared with the Jenkinsfile."""

import difflib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from pipeline.jenkins.parameters import HEADINGS, PARAMETERS
from pipeline.jenkins.render import library, rendered, standalone, start_script
from tests.jenkinsfile.conftest import ROOT, Controller

Jobs = dict[str, ElementTree.Element]
DEFINITIONS = "properties/hudson.model.ParametersDefinitionProperty/parameterDefinitions/"
KINDS = {"String": "string", "Text": "text", "Choice": "choice", "Boolean": "boolean"}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    return rendered_jobs(ROOT / "jobs", tmp_path_factory.mktemp("jobs"))


def rendered_jobs(folder: Path, out: Path) -> Jobs:
    builder = Path(sys.executable).with_name("jenkins-jobs")
    command = [str(builder), "test", "--recursive", str(folder), "--config-xml", "-o", str(out)]
    rendered = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert rendered.returncode == 0, rendered.stderr
    return {str(path.parent.relative_to(out)): ElementTree.parse(path).getroot() for path in out.rglob("config.xml")}


def text(job: ElementTree.Element, path: str) -> str:
    return job.findtext(path) or ""


def test_the_jobs_are_a_folder_sweep_judge_and_one_per_nightly_spec(
    jobs: Jobs,
) -> None:
    nightly = {f"tuning/nightly-{path.stem}" for path in (ROOT / "specs/nightly").glob("*.json")}
    assert set(jobs) == {"tuning", "tuning/sweep", "tuning/judge"} | nightly
    assert len(nightly) >= 2


def test_the_sweep_job_runs_the_jenkinsfile_of_the_repository_in_the_sandbox(
    jobs: Jobs,
) -> None:
    definition = jobs["tuning/sweep"].find("definition")
    assert definition is not None
    assert definition.get("class", "").endswith("CpsScmFlowDefinition")
    assert text(definition, "scriptPath") == "Jenkinsfile"
    assert all(job.findtext("definition/sandbox", "true") == "true" for job in jobs.values())


def test_credentials_of_the_repository_are_configured_if_set(jobs: Jobs, tmp_path: Path) -> None:
    remote = "definition/scm/userRemoteConfigs/hudson.plugins.git.UserRemoteConfig"
    config = jobs["tuning/sweep"].find(remote)
    assert config is not None
    assert [each.tag for each in config] == ["name", "refspec", "url"]
    assert text(config, "url") == "git://git/hpt"
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    settings = tmp_path / "jobs/settings.yaml"
    settings.write_text(settings.read_text().replace("repository-credentials: ''", "repository-credentials: a-key"))
    private = rendered_jobs(tmp_path / "jobs", tmp_path / "out")["tuning/sweep"]
    assert text(private, f"{remote}/credentialsId") == "a-key"


def test_sweeps_may_run_side_by_side(jobs: Jobs) -> None:
    assert not [each.tag for each in jobs["tuning/sweep"].iter() if "DisableConcurrentBuilds" in each.tag]


@pytest.mark.parametrize("path", rendered())
def test_rendered_files_are_current(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == rendered()[path], "python -m pipeline.jenkins.render"


def test_the_library_is_a_teams_jenkinsfile_as_a_function() -> None:
    step = library()
    assert step.count("\ndef call() {\npipeline {\n") == 1
    _, text = step.replace("def call() {\n", "").replace("\n}\n}\n", "\n}\n", 1).split("\n", 1)
    assert text == standalone().split("\n", 1)[1]


def test_a_teams_jenkinsfile_differs_from_ours_in_its_first_spec_and_the_source_of_hpt() -> None:
    own_lines, team_lines = rendered()["Jenkinsfile"].splitlines(), standalone().splitlines()
    end = team_lines.index("/** The script for a machine without hpt. It prints the folder of `bin/hpt`. */") - 1
    changes = [line for line in difflib.ndiff(own_lines, team_lines[:end]) if line[0] in "+-"]
    assert len(changes) == 7
    assert [line for line in changes if "'specs/first.json'" in line or "'specs/quickstart.json'" in line] == changes[
        2:4
    ]
    assert changes[4:] == [
        "-     return '.'",
        "+     writeFile file: '.hpt/start', text: startScript(), encoding: 'UTF-8'",
        "+     return sh(returnStdout: true, script: 'sh .hpt/start').trim()",
    ]


def test_a_teams_jenkinsfile_contains_the_start_script_unchanged() -> None:
    (text,) = re.findall(r"return '''(.*?)'''", standalone(), re.DOTALL)
    assert re.sub(r"\\(.)", r"\1", text) == start_script()
    assert len(text.encode()) < 60_000, "a class of Java holds no longer text"


def test_the_form_has_three_groups_and_the_first_has_five_parameters(jobs: Jobs) -> None:
    descriptions = {
        text(each, "name"): text(each, "description") for each in jobs["tuning/sweep"].findall(DEFINITIONS + "*")
    }
    headings = [name for name, description in descriptions.items() if re.match(r"[A-Z ]{10,}", description)]
    assert headings == list(HEADINGS)
    assert list(descriptions)[:6] == ["SPEC", "ARCHITECTURE", "BUDGET", "LANES", "SWEEP", headings[1]]


def test_the_page_lists_every_parameter_in_the_order_of_the_form() -> None:
    page = (ROOT / "docs/jenkins.md").read_text(encoding="utf-8")
    table = page[page.index("| parameter | |") :].partition("\n\n")[0]
    listed = [name for line in table.splitlines()[2:] for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])]
    assert listed == [parameter.name for parameter in PARAMETERS]


def test_job_and_jenkinsfile_declare_the_same_parameters(jobs: Jobs, tmp_path: Path) -> None:
    declared: dict[str, dict[str, Any]] = Controller(tmp_path).build(params={"SPEC": ""}).trace["parameters"]
    of_job: dict[str, dict[str, Any]] = {}
    for each in jobs["tuning/sweep"].findall(DEFINITIONS + "*"):
        kind = next(kind for word, kind in KINDS.items() if f".{word}ParameterDefinition" in each.tag)
        parameter: dict[str, Any] = {"kind": kind, "name": text(each, "name"), "description": text(each, "description")}
        if kind == "choice":
            parameter["choices"] = [choice.text for choice in each.iter("string")]
            parameter["defaultValue"] = parameter["choices"][0]
        else:
            parameter["defaultValue"] = text(each, "defaultValue")
        if kind == "boolean":
            parameter["defaultValue"] = parameter["defaultValue"] == "true"
        if kind == "string":
            parameter["trim"] = text(each, "trim") == "true"
        of_job[parameter["name"]] = parameter
    assert of_job == declared
    assert list(of_job) == list(declared)


def test_a_nightly_job_only_starts_the_sweep_job_with_its_spec_at_a_spread_time(
    jobs: Jobs,
) -> None:
    for name, job in jobs.items():
        if "nightly" not in name:
            continue
        script = text(job, "definition/script")
        spec = name.removeprefix("tuning/nightly-")
        assert script.startswith("build job: 'sweep', wait: false")
        assert f"value: 'specs/nightly/{spec}.json'" in script
        passed = dict(re.findall(r"string\(name: '(\w+)', value: '(.*)'\)", script))
        assert passed == {"SPEC": passed["SPEC"], "LABEL": "gpu", "LANES": "2", "CONTAINER": "none", "STORE": ""}
        timer = next(job.iter("hudson.triggers.TimerTrigger"))
        zone, cron = text(timer, "spec").splitlines()
        assert zone.startswith("TZ=")
        assert cron.startswith("H H")


def test_the_judge_job_starts_the_sweep_job_once_a_month_for_all_claims_that_are_due(jobs: Jobs) -> None:
    script = text(jobs["tuning/judge"], "definition/script")
    assert script.startswith("build job: 'sweep', wait: false")
    passed = dict(re.findall(r"string\(name: '(\w+)', value: '(.*)'\)", script))
    assert passed == {"JUDGE": "due", "LABEL": "gpu", "LANES": "2", "CONTAINER": "none", "STORE": ""}
    assert set(passed) < {parameter.name for parameter in PARAMETERS}
    timer = next(jobs["tuning/judge"].iter("hudson.triggers.TimerTrigger"))
    zone, cron = text(timer, "spec").splitlines()
    assert zone.startswith("TZ=")
    assert re.fullmatch(r"H H\(\d-\d\) \d+ \* \*", cron)
