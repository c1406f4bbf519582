"""Waiting for a build, from the queue to its result: the view, and interruptions on the way."""

import json
import os
from collections.abc import Callable

import pytest

from pipeline.errors import InfrastructureError
from pipeline.jenkins import follow
from pipeline.jenkins.client import Controller, login
from pipeline.jenkins.follow import Patience
from pipeline.jenkins.job import Job
from pipeline.jenkins.trigger import Outcome
from tests.jenkins.conftest import RecordedView
from tests.support import jenkins as fakes

TriggerBuild = Callable[..., Outcome]
LOG = (
    b"Started by user ada\n[Pipeline] {\n",
    b"trials: 0 of 60\nsomething with \xc3",
    b"\xbc in it\n",
    b"",
    b"trials: 17 of 60\r\ntrials: 18 of",
    b" 60\nFinished: UNSTABLE",
)


def test_waiting_ends_with_the_result(trigger_build: TriggerBuild, jenkins: fakes.Fake, view: RecordedView) -> None:
    jenkins.script = fakes.Script(LOG, "UNSTABLE")
    outcome = trigger_build(wait=True, request_id="mine")
    assert outcome == Outcome("mine", "tuning/sweep", 7, f"{jenkins.url}/job/tuning/job/sweep/7/", "UNSTABLE", 61.5)
    assert outcome.exit_code == 1
    assert json.loads(outcome.as_json()) == {
        "request_id": "mine",
        "job": "tuning/sweep",
        "number": 7,
        "url": f"{jenkins.url}/job/tuning/job/sweep/7/",
        "result": "UNSTABLE",
        "seconds": 61.5,
    }
    assert "queued: Waiting for next available executor" in view.notes


def test_the_log_arrives_whole_and_once_in_any_pieces(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, view: RecordedView
) -> None:
    jenkins.script = fakes.Script(LOG, "UNSTABLE")
    trigger_build(wait=True)
    assert view.lines == [line.rstrip("\r") for line in b"".join(LOG).decode().split("\n")]


def test_without_waiting_a_build_that_stays_queued_is_named_by_its_item(
    trigger_build: TriggerBuild, jenkins: fakes.Fake
) -> None:
    jenkins.script.looks_in_queue = 1000
    outcome = trigger_build()
    assert (outcome.number, outcome.result, outcome.exit_code) == (None, None, 0)
    assert outcome.url == f"{jenkins.url}/queue/item/41/"


@pytest.mark.parametrize("result", ["FAILURE", "ABORTED", "NOT_BUILT"])
def test_a_build_that_did_not_end_well_is_exit_code_3(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, result: str
) -> None:
    jenkins.script.result = result
    outcome = trigger_build(wait=True)
    assert outcome.exit_code == 3
    assert str(outcome).startswith(f"{result} after 62 s: http")


def test_a_request_cancelled_in_the_queue_is_reported(trigger_build: TriggerBuild, jenkins: fakes.Fake) -> None:
    jenkins.script.looks_in_queue = 1000
    trigger_build(request_id="mine")
    jenkins.cancel_at_look = jenkins.items[41].looks + 2
    outcome = trigger_build(wait=True, request_id="mine")
    assert (outcome.number, outcome.result, outcome.exit_code) == (None, "CANCELLED", 3)


def test_a_trigger_is_found_again_in_the_queue(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, view: RecordedView
) -> None:
    jenkins.script.looks_in_queue = 1000
    first = trigger_build(request_id="nightly-7")
    jenkins.script.looks_in_queue = 1
    second_outcome = trigger_build(wait=True, request_id="nightly-7")
    assert (first.number, second_outcome.number) == (None, 7)
    assert len(jenkins.items) == 1
    assert "found again" in view.notes


@pytest.mark.parametrize("wait", [True, False])
def test_a_trigger_is_found_again_after_its_build_ended(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, wait: bool
) -> None:
    first = trigger_build(wait=True, request_id="nightly-7")
    for _ in range(3):
        trigger_build()
    jenkins.forgets_left_items = True
    second_outcome = trigger_build(wait=wait, request_id="nightly-7")
    assert second_outcome.number == first.number
    assert second_outcome.result == ("SUCCESS" if wait else None)
    assert len(jenkins.builds) == 4


def test_an_item_of_another_job_with_the_same_request_id_is_not_ours(
    trigger_build: TriggerBuild, jenkins: fakes.Fake
) -> None:
    jenkins.script.looks_in_queue = 1000
    jenkins.job = "/job/tuning/job/other/"
    trigger_build(job="tuning/other", request_id="mine")
    jenkins.job = "/job/tuning/job/sweep/"
    assert trigger_build(request_id="mine").url == f"{jenkins.url}/queue/item/42/"


def test_a_build_is_found_after_jenkins_forgot_the_queue_item(trigger_build: TriggerBuild, jenkins: fakes.Fake) -> None:
    jenkins.forgets_left_items = True
    assert trigger_build(wait=True).number == 7


def test_a_lost_answer_never_starts_a_second_build(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, view: RecordedView
) -> None:
    jenkins.lose_answer_to_post = True
    assert trigger_build(wait=True).number == 7
    assert len(jenkins.items) == 1
    assert "found again" in view.notes


@pytest.mark.parametrize("request_number", [1, 2, 3, 4, 5, 8])
def test_waiting_survives_a_restart_of_the_controller_at_any_moment(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, view: RecordedView, request_number: int
) -> None:
    jenkins.script = fakes.Script(LOG, "UNSTABLE")
    jenkins.restart_at = request_number
    outcome = trigger_build(wait=True)
    assert (outcome.number, outcome.result) == (7, "UNSTABLE")
    assert len(jenkins.builds) == 1
    assert view.lines == [line.rstrip("\r") for line in b"".join(LOG).decode().split("\n")]
    assert sum("waiting for it to come back" in text for text in view.notes) == 1
    assert "Jenkins is back" in view.notes


def test_a_controller_that_stays_away_ends_the_waiting(
    trigger_build: TriggerBuild, jenkins: fakes.Fake, view: RecordedView
) -> None:
    jenkins.restart_at = 3
    with pytest.raises(InfrastructureError, match=r"waited 0 s for it to come back$"):
        trigger_build(wait=True, request_id="mine", patience=Patience(0.01, 0, 1))
    assert any("--request-id mine finds it again" in text for text in view.notes)


def test_a_build_deleted_while_waiting_is_reported(trigger_build: TriggerBuild, jenkins: fakes.Fake) -> None:
    trigger_build(request_id="mine")
    build = jenkins.builds[7]

    class Vanishing(RecordedView):
        def log(self, lines: list[str]) -> None:
            jenkins.builds.clear()

    job = Job(Controller(login(None, os.environ)), "tuning/sweep")
    with pytest.raises(InfrastructureError, match="somebody deleted the build"):
        follow.wait_for_end(job, build.number, Vanishing(), Patience(poll=0.01))
