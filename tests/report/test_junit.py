"""The JUnit report: one case per trial, failures with their message."""

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime

from pipeline import spec as specs
from pipeline.plan.resolve import resolve
from pipeline.report.junit import junit
from pipeline.sweep import Trial

SPEC = '{"architecture": "bag-of-words", "data": "flights", "parameters": {"learning_rate": [0.001, 0.01]}}'
DEFINITION = resolve(specs.from_json(SPEC), now=datetime(2026, 6, 14, tzinfo=UTC), token="3f9c")
PLANNED = [Trial("screen", "e000", number, 0) for number in range(3)]


def cases(*rows: dict[str, object]) -> dict[str, ElementTree.Element]:
    suite = ElementTree.fromstring(junit(DEFINITION, PLANNED, rows))
    return {case.get("name", ""): case for case in suite}


def test_a_result_passes_a_failure_fails_with_its_message_and_what_has_not_run_is_skipped() -> None:
    by_name = cases(
        {"trial": "screen-e000-d0-s0", "status": "diverged", "training_time": 1.5},
        {"trial": "screen-e000-d1-s0", "status": "out-of-memory", "error": "CUDA out of memory"},
    )
    assert list(by_name) == [str(trial) for trial in PLANNED]
    passed, failed, skipped = by_name.values()
    assert [child.tag for child in passed] == ["system-out"]
    assert passed.get("time") == "1.500"
    failure = failed.find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("out-of-memory", "CUDA out of memory")
    assert [child.tag for child in skipped] == ["skipped"]


def test_cases_are_grouped_by_architecture_and_phase() -> None:
    assert {case.get("classname") for case in cases().values()} == {"bag-of-words.screen"}


def test_a_message_that_xml_cannot_hold_is_still_a_report() -> None:
    error = "bad \x00\x1b[31m byte \ud800 & <tag>"
    by_name = cases({"trial": "screen-e000-d0-s0", "status": "failed", "error": error})
    failure = by_name["screen-e000-d0-s0"].find("failure")
    assert failure is not None
    assert (failure.get("message") or "").endswith("& <tag>")
