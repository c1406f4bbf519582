"""What is sent, what is refused before it is sent, and what a person is told when Jenkins says no."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import InfrastructureError, UserError
from pipeline.jenkins import trigger as triggering
from pipeline.jenkins.client import Controller, login
from pipeline.jenkins.trigger import Outcome
from tests.jenkins.conftest import Seen
from tests.support import jenkins as fakes

Go = Callable[..., Outcome]


@pytest.fixture
def checkout(tmp_path: Path, a_spec: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of a job's repository with one committed spec."""
    folder = tmp_path / "checkout"
    (folder / "specs/nightly").mkdir(parents=True)
    (folder / "Jenkinsfile").write_text("pipeline {}\n")
    (folder / "specs/nightly/a.json").write_text(a_spec.read_text())
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "specs"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    monkeypatch.chdir(folder)
    return folder


def test_a_spec_outside_the_repository_travels_as_text(go: Go, jenkins: fakes.Fake, a_spec: Path) -> None:
    outcome = go("LANES=8", "CONTAINER=none")
    (sent,) = jenkins.accepted
    assert json.loads(sent["SPEC_JSON"]) == json.loads(a_spec.read_text())
    assert "\n" not in sent["SPEC_JSON"]
    assert (sent["LANES"], sent["CONTAINER"]) == ("8", "none")
    assert sent["REQUEST_ID"] == outcome.request_id
    assert outcome.url == f"{jenkins.url}/job/tuning/job/sweep/7/"
    assert outcome.exit_code == 0


def test_a_committed_spec_travels_by_its_path(go: Go, jenkins: fakes.Fake, checkout: Path) -> None:
    go(spec=Path("specs/nightly/a.json"))
    assert jenkins.accepted[0]["SPEC"] == "specs/nightly/a.json"
    assert jenkins.accepted[0]["SPEC_JSON"] == ""


def test_a_committed_spec_is_known_from_anywhere_in_the_checkout(
    go: Go, jenkins: fakes.Fake, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("specs/nightly")
    go(spec=Path("../nightly/a.json"))
    assert jenkins.accepted[0]["SPEC"] == "specs/nightly/a.json"


def test_a_spec_that_differs_from_its_commit_travels_as_text(
    go: Go, jenkins: fakes.Fake, checkout: Path, seen: Seen
) -> None:
    changed = checkout / "specs/nightly/a.json"
    changed.write_text(changed.read_text().replace("0.1", "0.2"))
    go(spec=changed)
    assert json.loads(jenkins.accepted[0]["SPEC_JSON"])["parameters"]["learning_rate"] == [0.01, 0.2]
    assert any("not committed" in text for text in seen.said)


def test_without_a_checkout_a_path_in_specs_means_the_jobs_repository(
    go: Go, jenkins: fakes.Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    go(spec=Path("specs/nightly/a.json"))
    assert jenkins.accepted[0]["SPEC"] == "specs/nightly/a.json"
    with pytest.raises(UserError, match="no such spec"):
        go(spec=Path("specs/../../a.json"))


def test_a_bad_spec_never_reaches_jenkins(go: Go, jenkins: fakes.Fake, a_spec: Path) -> None:
    a_spec.write_text('{"architecture": "bag-of-words", "parametres": {}}')
    with pytest.raises(UserError, match='did you mean "parameters"'):
        go()
    a_spec.write_text(
        json.dumps({"architecture": "bag-of-words", "parameters": {"dropout": [0.1]}, "notes": "x" * 200_000})
    )
    with pytest.raises(UserError, match="too large"):
        go()
    assert jenkins.requests == []


def test_parameters_that_the_job_would_drop_refuse_or_bend_are_told_together(go: Go, jenkins: fakes.Fake) -> None:
    with pytest.raises(UserError) as told:
        go("lanes=8", "CONTAINERS=none", "PUSH=yes", "CONTAINER=podman", "COLOUR=red")
    assert str(told.value).splitlines() == [
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
        (["BUDGET=trials=2"], "--budget says that"),
        (["ARCHITECTURE=all"], "--architecture says that"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(go: Go, settings: list[str], line: str) -> None:
    with pytest.raises(UserError, match=line):
        go(*settings)


@pytest.mark.parametrize("architecture", ["lstm", "all"])
def test_an_architecture_is_asked_for_without_a_spec(go: Go, jenkins: fakes.Fake, architecture: str) -> None:
    go(spec=None, architecture=architecture, budget=("device-hours=2", "trials=60"))
    (sent,) = jenkins.accepted
    assert (sent["ARCHITECTURE"], sent["BUDGET"]) == (architecture, "device-hours=2 trials=60")
    assert (sent["SPEC"], sent["SPEC_JSON"]) == ("specs/quickstart.json", "")


def test_a_budget_and_an_architecture_are_checked_before_jenkins_is_asked(go: Go, jenkins: fakes.Fake) -> None:
    with pytest.raises(UserError, match=r'--budget: "hours": write KEY=NUMBER'):
        go(budget=("hours",))
    with pytest.raises(UserError, match=r"--budget: budget.days: unknown key"):
        go(budget=("days=2",))
    with pytest.raises(UserError, match='--architecture: architecture: there is no "lsmt"'):
        go(spec=None, architecture="lsmt")
    with pytest.raises(UserError, match="name either a SPEC or an --architecture"):
        go(architecture="lstm")
    assert jenkins.requests == []


def test_a_sweep_to_go_on_with_needs_no_spec_and_nothing_at_all_is_refused(go: Go, jenkins: fakes.Fake) -> None:
    go("SWEEP=20260614-0210-lstm-3f9c", spec=None)
    assert jenkins.accepted[0]["SWEEP"] == "20260614-0210-lstm-3f9c"
    with pytest.raises(UserError, match="name a SPEC, an --architecture to tune automatically, or --set SWEEP=ID"):
        go(spec=None)


def test_every_value_arrives_as_it_was_given(go: Go, jenkins: fakes.Fake) -> None:
    value = "'; rm -rf ~ #\n& = + % ü \N{SNOWMAN}"
    go(f"LANES={value}")
    assert jenkins.accepted[0]["LANES"] == value
    assert all("LANES" not in path for _, path in jenkins.requests)


def test_another_job_can_be_named(go: Go, jenkins: fakes.Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    jenkins.job = "/job/team a/job/nightly/job/my sweep/"
    assert "/job/team%20a/job/nightly/job/my%20sweep/7/" in go(job="team a/nightly/my sweep").url
    monkeypatch.setenv("JENKINS_JOB", "team a/nightly/my sweep")
    assert go().job == "team a/nightly/my sweep"
    with pytest.raises(UserError, match="not the name of a job"):
        go(job="team a/../sweep")


def test_each_trigger_is_a_build_of_its_own(go: Go, jenkins: fakes.Fake) -> None:
    assert go().request_id != go().request_id
    assert len(jenkins.builds) == 2


def test_303_leads_to_the_item_that_is_queued_already(jenkins: fakes.Fake) -> None:
    controller = Controller(login(None, _environment(jenkins)))
    first = controller.build("job/tuning/job/sweep/", {"LANES": "2"})
    assert controller.build("job/tuning/job/sweep/", {"LANES": "2"}) == first
    assert len(jenkins.items) == 1


def _environment(jenkins: fakes.Fake) -> dict[str, str]:
    return {"JENKINS_URL": jenkins.url, "JENKINS_USER": fakes.USER, "JENKINS_TOKEN": fakes.TOKEN}


# What a person is told


def test_a_wrong_token_and_a_missing_permission_are_told_apart(
    go: Go, jenkins: fakes.Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JENKINS_TOKEN", "wr0ng-t0ken")
    with pytest.raises(UserError, match="401: Jenkins does not accept JENKINS_USER"):
        go()
    monkeypatch.setenv("JENKINS_USER", fakes.READER)
    monkeypatch.setenv("JENKINS_TOKEN", fakes.READERS_TOKEN)
    with pytest.raises(UserError, match=r"403: reader needs the permission hudson.model.Item.Build"):
        go()


def test_a_password_instead_of_a_token_is_told(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JENKINS_TOKEN", fakes.PASSWORD)
    with pytest.raises(UserError, match="must be an API token of ada, not the password"):
        go()


def test_a_controller_without_crumbs_is_triggered_all_the_same(go: Go, jenkins: fakes.Fake) -> None:
    jenkins.crumbs = False
    assert go().number == 7


def test_a_missing_job_a_folder_and_a_disabled_job_are_told(go: Go, jenkins: fakes.Fake) -> None:
    with pytest.raises(UserError, match="has no job tuning/sweeep, or ada may not see it: install it from jobs/"):
        go(job="tuning/sweeep")
    with pytest.raises(UserError, match="tuning is a folder"):
        go(job="tuning")
    jenkins.buildable = False
    with pytest.raises(UserError, match="is disabled"):
        go()


def test_a_job_without_parameters_is_told_what_to_do(go: Go, jenkins: fakes.Fake) -> None:
    jenkins.parameters = []
    with pytest.raises(UserError, match="has no parameters: build it once in Jenkins, or install it from jobs/"):
        go()


def test_a_job_that_changes_after_it_was_looked_at_is_told_in_jenkins_words(jenkins: fakes.Fake) -> None:
    controller = Controller(login(None, _environment(jenkins)))
    with pytest.raises(UserError, match="500: Illegal choice for parameter CONTAINER: podman"):
        controller.build("job/tuning/job/sweep/", {"CONTAINER": "podman"})
    jenkins.parameters = []
    with pytest.raises(UserError, match=r"500: .*This build is not parameterized!"):
        controller.build("job/tuning/job/sweep/", {"CONTAINER": "none"})


def test_a_wrong_address_is_told_by_kind(go: Go, jenkins: fakes.Fake) -> None:
    with pytest.raises(UserError, match="is not the address of a Jenkins: it may lack a last part, like /jenkins"):
        go(url=jenkins.url.removesuffix("/jenkins"))
    with pytest.raises(UserError, match="is not the address of a Jenkins, like https"):
        go(url="jenkins.example.com:8080")
    with pytest.raises(UserError, match="is not the address of a Jenkins, like https"):
        go(url="http://:x/")
    with pytest.raises(InfrastructureError, match=r"http://127.0.0.1:1/ cannot be reached: Connection refused"):
        go(url="http://127.0.0.1:1")
    with pytest.raises(InfrastructureError, match=r"http://no-such-host.invalid/ cannot be reached: "):
        go(url="http://no-such-host.invalid")


def test_a_login_page_or_a_redirect_before_jenkins_is_told(go: Go, jenkins: fakes.Fake) -> None:
    jenkins.moved_to = "/login?from=secret"
    with pytest.raises(UserError, match="does a login page stand before it"):
        go()
    jenkins.moved_to, jenkins.moves = "https://jenkins.example.com/login?from=secret", ("POST",)
    with pytest.raises(UserError, match=r"redirects to https://jenkins.example.com/login: set JENKINS_URL"):
        go()


def test_what_is_missing_in_the_environment_is_named(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JENKINS_USER")
    monkeypatch.setenv("JENKINS_TOKEN", " ")
    with pytest.raises(UserError, match="JENKINS_USER and JENKINS_TOKEN must be set"):
        go()


def test_the_token_is_never_shown(go: Go, jenkins: fakes.Fake, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [go(wait=True).as_json(), repr(login(None, _environment(jenkins)))]
    for url in ("http://127.0.0.1:1", f"http://ada:{fakes.TOKEN}@127.0.0.1/", f"ada:{fakes.TOKEN}@host"):
        with pytest.raises((UserError, InfrastructureError)) as error:
            go(url=url)
        told.append(str(error.value))
    monkeypatch.setenv("JENKINS_USER", "nobody")
    with pytest.raises(UserError) as error:
        go()
    assert fakes.TOKEN not in "\n".join([*told, *seen.said, *seen.lines, str(error.value)])


def test_errors_are_one_line(go: Go, jenkins: fakes.Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    jenkins.starting = 1
    with pytest.raises(InfrastructureError, match="503: Jenkins is starting") as error:
        go()
    assert "\n" not in str(error.value)


def test_exit_codes_follow_the_result() -> None:
    codes = {
        result: Outcome("r", "tuning/sweep", 1, "http://x/", result, 1.0).exit_code
        for result in (None, "SUCCESS", "UNSTABLE", "FAILURE", "ABORTED", "NOT_BUILT", "CANCELLED")
    }
    assert list(codes.values()) == [0, 0, 1, 3, 3, 3, 3]
    assert triggering.FAILED == 3
