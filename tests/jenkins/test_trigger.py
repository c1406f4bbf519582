"""The parameters that are sent, the mistakes that are refused before, and the messages when Jenkins refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import InfrastructureError, UserError
from pipeline.jenkins import trigger as triggering
from pipeline.jenkins.client import Controller, login
from pipeline.jenkins.trigger import Outcome
from tests.jenkins.conftest import RecordedView
from tests.support import jenkins as fakes
from tests.support.git import commit_all

TriggerBuild = Callable[..., Outcome]


@pytest.fixture
def checkout(tmp_path: Path, spec_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a job's repository with one committed spec."""
    folder = tmp_path / "checkout"
    (folder / "specs/nightly").mkdir(parents=True)
    (folder / "Jenkinsfile").write_text("pipeline {}\n")
    (folder / "specs/nightly/a.json").write_text(spec_file.read_text())
    commit_all(folder)
    monkeypatch.chdir(folder)
    return folder


def test_a_spec_outside_the_repository_travels_as_text(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, spec_file: Path
) -> None:
    outcome = trigger_build("LANES=8", "CONTAINER=none")
    (sent,) = jenkins.accepted
    assert json.loads(sent["SPEC_JSON"]) == json.loads(spec_file.read_text())
    assert "\n" not in sent["SPEC_JSON"]
    assert (sent["LANES"], sent["CONTAINER"]) == ("8", "none")
    assert sent["REQUEST_ID"] == outcome.request_id
    assert outcome.url == f"{jenkins.url}/job/tuning/job/sweep/7/"
    assert outcome.exit_code == 0


def test_a_committed_spec_travels_by_its_path(trigger_build: TriggerBuild, jenkins: fakes.Fake, checkout: Path) -> None:
    trigger_build(spec=Path("specs/nightly/a.json"))
    assert jenkins.accepted[0]["SPEC"] == "specs/nightly/a.json"
    assert jenkins.accepted[0]["SPEC_JSON"] == ""


def test_a_committed_spec_is_recognized_from_anywhere_in_the_checkout(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("specs/nightly")
    trigger_build(spec=Path("../nightly/a.json"))
    assert jenkins.accepted[0]["SPEC"] == "specs/nightly/a.json"


def test_a_spec_that_differs_from_its_commit_travels_as_text(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, checkout: Path, view: RecordedView
) -> None:
    changed = checkout / "specs/nightly/a.json"
    changed.write_text(changed.read_text().replace("0.1", "0.2"))
    trigger_build(spec=changed)
    assert json.loads(jenkins.accepted[0]["SPEC_JSON"])["parameters"]["learning_rate"] == [0.01, 0.2]
    assert any("changed since the last commit" in text for text in view.notes)


def test_without_a_checkout_a_path_in_specs_means_the_jobs_repository(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trigger_build(spec=Path("specs/nightly/a.json"))
    assert jenkins.accepted[0]["SPEC"] == "specs/nightly/a.json"
    with pytest.raises(UserError, match="no such spec"):
        trigger_build(spec=Path("specs/../../a.json"))


def test_a_bad_spec_never_reaches_jenkins(trigger_build: TriggerBuild, jenkins: fakes.Fake, spec_file: Path) -> None:
    spec_file.write_text('{"architecture": "bag-of-words", "parametres": {}}')
    with pytest.raises(UserError, match='did you mean "parameters"'):
        trigger_build()
    spec_file.write_text(
        json.dumps({"architecture": "bag-of-words", "parameters": {"dropout": [0.1]}, "notes": "x" * 200_000})
    )
    with pytest.raises(UserError, match="too large"):
        trigger_build()
    assert jenkins.requests == []


def test_parameters_that_the_job_would_drop_refuse_or_change_are_reported_together(
    trigger_build: TriggerBuild, jenkins: fakes.Fake
) -> None:
    with pytest.raises(UserError) as printed:
        trigger_build("lanes=8", "CONTAINERS=none", "PUSH=yes", "CONTAINER=podman", "COLOUR=red")
    assert str(printed.value).splitlines() == [
        'the job tuning/sweep has no parameter lanes; did you mean "LANES"?',
        'the job tuning/sweep has no parameter CONTAINERS; did you mean "CONTAINER"?',
        'PUSH: "yes" is not possible: true or false',
        'CONTAINER: "podman" is not possible: one of "docker", "none"',
        "the job tuning/sweep has no parameter COLOUR; it has ARCHITECTURE, BUDGET, CONTAINER, "
        "LANES, PUSH, REQUEST_ID, SPEC, SPEC_JSON, SWEEP",
    ]
    assert jenkins.accepted == []


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["LANES"], "must be NAME=VALUE"),
        (["LANES=1", "LANES=2"], "given twice"),
        (["SPEC=specs/a.json"], "the argument SPEC"),
        (["REQUEST_ID=x"], "--request-id"),
        (["BUDGET=trials=2"], "use --budget instead"),
        (["ARCHITECTURE=all"], "use --architecture instead"),
    ],
)
def test_a_wrong_setting_is_refused(trigger_build: TriggerBuild, settings: list[str], line: str) -> None:
    with pytest.raises(UserError, match=line):
        trigger_build(*settings)


@pytest.mark.parametrize("architecture", ["lstm", "all"])
def test_an_architecture_needs_no_spec(trigger_build: TriggerBuild, jenkins: fakes.Fake, architecture: str) -> None:
    trigger_build(spec=None, architecture=architecture, budget=("device-hours=2", "trials=60"))
    (sent,) = jenkins.accepted
    assert (sent["ARCHITECTURE"], sent["BUDGET"]) == (architecture, "device-hours=2 trials=60")
    assert (sent["SPEC"], sent["SPEC_JSON"]) == ("specs/quickstart.json", "")


def test_a_budget_and_an_architecture_are_checked_before_jenkins_is_asked(
    trigger_build: TriggerBuild, jenkins: fakes.Fake
) -> None:
    with pytest.raises(UserError, match=r'--budget: "hours": write KEY=NUMBER'):
        trigger_build(budget=("hours",))
    with pytest.raises(UserError, match=r"--budget: budget.days: unknown key"):
        trigger_build(budget=("days=2",))
    with pytest.raises(UserError, match='--architecture: architecture: there is no "lsmt"'):
        trigger_build(spec=None, architecture="lsmt")
    with pytest.raises(UserError, match="name either a SPEC or an --architecture"):
        trigger_build(architecture="lstm")
    assert jenkins.requests == []


def test_a_sweep_to_go_on_with_needs_no_spec(trigger_build: TriggerBuild, jenkins: fakes.Fake) -> None:
    trigger_build("SWEEP=20260614-0210-lstm-3f9c", spec=None)
    assert jenkins.accepted[0]["SWEEP"] == "20260614-0210-lstm-3f9c"
    with pytest.raises(UserError, match="name a SPEC, an --architecture to tune automatically, or --set SWEEP=ID"):
        trigger_build(spec=None)


def test_every_value_arrives_unchanged(trigger_build: TriggerBuild, jenkins: fakes.Fake) -> None:
    value = "'; rm -rf ~ #\n& = + % ü \N{SNOWMAN}"
    trigger_build(f"LANES={value}")
    assert jenkins.accepted[0]["LANES"] == value
    assert all("LANES" not in path for _, path in jenkins.requests)


def test_another_job_can_be_named(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    jenkins.job = "/job/team a/job/nightly/job/my sweep/"
    assert "/job/team%20a/job/nightly/job/my%20sweep/7/" in trigger_build(job="team a/nightly/my sweep").url
    monkeypatch.setenv("JENKINS_JOB", "team a/nightly/my sweep")
    assert trigger_build().job == "team a/nightly/my sweep"
    with pytest.raises(UserError, match="not the name of a job"):
        trigger_build(job="team a/../sweep")


def test_each_trigger_is_a_build_of_its_own(trigger_build: TriggerBuild, jenkins: fakes.Fake) -> None:
    assert trigger_build().request_id != trigger_build().request_id
    assert len(jenkins.builds) == 2


def test_303_leads_to_the_item_that_is_queued_already(jenkins: fakes.Fake) -> None:
    controller = Controller(login(None, _environment(jenkins)))
    first = controller.build("job/tuning/job/sweep/", {"LANES": "2"})
    assert controller.build("job/tuning/job/sweep/", {"LANES": "2"}) == first
    assert len(jenkins.items) == 1


def _environment(jenkins: fakes.Fake) -> dict[str, str]:
    return {"JENKINS_URL": jenkins.url, "JENKINS_USER": fakes.USER, "JENKINS_TOKEN": fakes.TOKEN}


# -- messages


def test_a_wrong_token_and_a_missing_permission_have_different_messages(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JENKINS_TOKEN", "wr0ng-t0ken")
    with pytest.raises(UserError, match="401: Jenkins does not accept JENKINS_USER"):
        trigger_build()
    monkeypatch.setenv("JENKINS_USER", fakes.READER)
    monkeypatch.setenv("JENKINS_TOKEN", fakes.READERS_TOKEN)
    with pytest.raises(UserError, match=r"403: reader needs the permission hudson.model.Item.Build"):
        trigger_build()


def test_a_password_instead_of_a_token_is_reported(
    trigger_build: TriggerBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JENKINS_TOKEN", fakes.PASSWORD)
    with pytest.raises(UserError, match="must be an API token of ada, not the password"):
        trigger_build()


def test_a_controller_without_crumbs_is_triggered_all_the_same(
    trigger_build: TriggerBuild, jenkins: fakes.Fake
) -> None:
    jenkins.crumbs = False
    assert trigger_build().number == 7


def test_a_missing_job_a_folder_and_a_disabled_job_are_reported(
    trigger_build: TriggerBuild, jenkins: fakes.Fake
) -> None:
    with pytest.raises(UserError, match="has no job tuning/sweeep, or ada may not see it: install it from jobs/"):
        trigger_build(job="tuning/sweeep")
    with pytest.raises(UserError, match="tuning is a folder"):
        trigger_build(job="tuning")
    jenkins.buildable = False
    with pytest.raises(UserError, match="is disabled"):
        trigger_build()


def test_a_job_without_parameters_gets_advice(trigger_build: TriggerBuild, jenkins: fakes.Fake) -> None:
    jenkins.parameters = []
    with pytest.raises(UserError, match="has no parameters: build it once in Jenkins, or install it from jobs/"):
        trigger_build()


def test_a_job_that_changed_meanwhile_is_reported_in_jenkins_words(jenkins: fakes.Fake) -> None:
    controller = Controller(login(None, _environment(jenkins)))
    with pytest.raises(UserError, match="500: Illegal choice for parameter CONTAINER: podman"):
        controller.build("job/tuning/job/sweep/", {"CONTAINER": "podman"})
    jenkins.parameters = []
    with pytest.raises(UserError, match=r"500: .*This build is not parameterized!"):
        controller.build("job/tuning/job/sweep/", {"CONTAINER": "none"})


def test_each_kind_of_wrong_address_has_its_message(trigger_build: TriggerBuild, jenkins: fakes.Fake) -> None:
    with pytest.raises(UserError, match="is not the address of a Jenkins: it may lack a last part, like /jenkins"):
        trigger_build(url=jenkins.url.removesuffix("/jenkins"))
    with pytest.raises(UserError, match="is not the address of a Jenkins, like https"):
        trigger_build(url="jenkins.example.com:8080")
    with pytest.raises(UserError, match="is not the address of a Jenkins, like https"):
        trigger_build(url="http://:x/")
    with pytest.raises(InfrastructureError, match=r"http://127.0.0.1:1/ cannot be reached: Connection refused"):
        trigger_build(url="http://127.0.0.1:1")
    with pytest.raises(InfrastructureError, match=r"http://no-such-host.invalid/ cannot be reached: "):
        trigger_build(url="http://no-such-host.invalid")


def test_a_login_page_or_a_redirect_is_reported(trigger_build: TriggerBuild, jenkins: fakes.Fake) -> None:
    jenkins.moved_to = "/login?from=secret"
    with pytest.raises(UserError, match="does a login page stand before it"):
        trigger_build()
    jenkins.moved_to, jenkins.moves = "https://jenkins.example.com/login?from=secret", ("POST",)
    with pytest.raises(UserError, match=r"redirects to https://jenkins.example.com/login: set JENKINS_URL"):
        trigger_build()


def test_missing_variables_are_named(trigger_build: TriggerBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JENKINS_USER")
    monkeypatch.setenv("JENKINS_TOKEN", " ")
    with pytest.raises(UserError, match="JENKINS_USER and JENKINS_TOKEN must be set"):
        trigger_build()


def test_the_token_is_never_shown(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, view: RecordedView, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = [trigger_build(wait=True).as_json(), repr(login(None, _environment(jenkins)))]
    for url in ("http://127.0.0.1:1", f"http://ada:{fakes.TOKEN}@127.0.0.1/", f"ada:{fakes.TOKEN}@host"):
        with pytest.raises((UserError, InfrastructureError)) as error:
            trigger_build(url=url)
        printed.append(str(error.value))
    monkeypatch.setenv("JENKINS_USER", "nobody")
    with pytest.raises(UserError) as error:
        trigger_build()
    assert fakes.TOKEN not in "\n".join([*printed, *view.notes, *view.lines, str(error.value)])


def test_errors_are_one_line(trigger_build: TriggerBuild, jenkins: fakes.Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    jenkins.starting = 1
    with pytest.raises(InfrastructureError, match="503: Jenkins is starting") as error:
        trigger_build()
    assert "\n" not in str(error.value)


def test_exit_codes_follow_the_result() -> None:
    codes = {
        result: Outcome("r", "tuning/sweep", 1, "http://x/", result, 1.0).exit_code
        for result in (None, "SUCCESS", "UNSTABLE", "FAILURE", "ABORTED", "NOT_BUILT", "CANCELLED")
    }
    assert list(codes.values()) == [0, 0, 1, 3, 3, 3, 3]
    assert triggering.FAILED == 3
