"""The specs and settings that follow from a build's parameters, and the values that are refused."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.jenkins.check import Settings, check
from pipeline.jenkins.parameters import PARAMETERS
from pipeline.plan.resolve import resolve
from pipeline.spec import from_dict
from pipeline.spec.normalize import as_written
from pipeline.store import open_store
from pipeline.sweep import Sweep
from pipeline.training import architectures

FLIGHTS = {"source": "flights"}
SPEC = {"architecture": "bag-of-words", "data": FLIGHTS, "parameters": {"learning_rate": [0.001, 0.01]}}
GOOD = {"LABEL": "gpu", "LANES": "2", "STORE": "gs://bucket/tuning", "SPEC_JSON": json.dumps(SPEC)}


def read(**changes: str) -> tuple[dict[str, Any], Settings]:
    """The only spec of a build as JSON, and the settings."""
    specs, settings = check(GOOD | changes)
    (spec,) = specs.values()
    return as_written(spec), settings


def test_parameters_left_empty_change_nothing() -> None:
    spec, settings = read(EXPERIMENTS="", MODE="spec", NOTES="", IMAGE="", SWEEP="")
    assert spec == SPEC
    lines = "protocol=2\nlabel=gpu\nlanes=2\nstore=gs://bucket/tuning\nsweeps=\nretry=\njudge=\ncode=none\n"
    assert settings.as_lines() == lines


def test_parameters_override_the_spec() -> None:
    spec, _ = read(EXPERIMENTS="2", MODE="short", NOTES="why", IMAGE="hpt-trainer:1", AS_OF="2014-01-01")
    assert spec == {
        **SPEC,
        "search": {"experiments": 2},
        "mode": "short",
        "notes": "why",
        "image": "hpt-trainer:1",
        "as-of": "2014-01-01",
    }


def test_an_image_is_the_digest_of_its_tag_and_is_ignored_without_containers() -> None:
    spec, _ = read(IMAGE="r.test/hpt-trainer:1", HPT_REGISTRY="r.test", HPT_IMAGE_MADE="r.test/hpt-trainer@sha256:0a")
    assert spec["image"] == "r.test/hpt-trainer@sha256:0a"
    assert read(HPT_IMAGE_MADE="hpt-trainer:0123")[0] == SPEC
    assert read(IMAGE="r.test/i:1", CONTAINER="none")[0] == SPEC


def test_an_architecture_alone_is_tuned_automatically() -> None:
    spec, _ = read(SPEC_JSON="", ARCHITECTURE="lstm-attention", DATA="flights", SPEC="specs/quickstart.json")
    assert spec == {"architecture": "lstm-attention", "tune": "automatic", "data": FLIGHTS}


def test_all_gives_every_architecture_a_spec_with_the_same_budget() -> None:
    environment = {
        "SPEC_JSON": "",
        "ARCHITECTURE": "all",
        "DATA": "flights",
        "BUDGET": "trials=60",
        "EXPERIMENTS": "12",
    }
    specs, _ = check(GOOD | environment)
    assert list(specs) == [spec.architecture for spec in specs.values()] == architectures.names()
    for spec in map(as_written, specs.values()):
        assert (spec["tune"], spec["budget"], spec["search"]) == ("automatic", {"trials": 60}, {"experiments": 12})


def test_several_architectures_get_a_spec_each_and_unknown_names_are_reported() -> None:
    environment = GOOD | {"SPEC_JSON": "", "DATA": "flights"}
    assert list(check(environment | {"ARCHITECTURE": "lstm, cnn,lstm"})[0]) == ["lstm", "cnn"]
    with pytest.raises(UserError, match='ARCHITECTURE: architecture: there is no "cnm"; did you mean "cnn"'):
        check(environment | {"ARCHITECTURE": "lstm,cnm"})
    with pytest.raises(UserError, match='ARCHITECTURE: "lstm,,cnn" lacks a name'):
        check(environment | {"ARCHITECTURE": "lstm,,cnn"})


def test_an_architecture_alone_needs_data_from_a_parameter_or_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="DATA: is empty, and the repository has no hpt"):
        read(SPEC_JSON="", ARCHITECTURE="lstm")
    (tmp_path / "hpt.toml").write_text('data = "flights"\n')
    assert "data" not in read(SPEC_JSON="", ARCHITECTURE="lstm")[0]


def test_data_are_used_only_if_the_spec_names_none() -> None:
    assert read(DATA='{"source": "flights", "target": "arr_delay"}')[0] == SPEC


@pytest.mark.parametrize(
    "text", ["device-hours=2 trials=30", "device-hours=2,trials=30", " trials=30 , device-hours=2 "]
)
def test_a_budget_replaces_that_of_the_spec(text: str) -> None:
    spec, _ = read(SPEC_JSON=json.dumps(SPEC | {"budget": {"experiments": 3}}), BUDGET=text)
    assert spec["budget"] == {"trials": 30, "device-hours": 2}


def test_the_store_may_come_from_jenkins_or_from_the_spec() -> None:
    assert read(STORE="", HPT_STORE="gs://jenkins")[1].store == "gs://jenkins"
    assert read(STORE="", SPEC_JSON=json.dumps(SPEC | {"store": "/mnt/runs"}))[1].store == "/mnt/runs"
    with pytest.raises(UserError, match="STORE: is empty"):
        read(STORE="")


WRONG = {
    "LANES": ["0", "65", "-1", "2;x", "２"],
    "LABEL": ["", "a'b", "-x"],
    "EXPERIMENTS": ["many", "0"],
    "AS_OF": ["20140101", "2014-02-30", "today"],
    "MODE": ["fast"],
    "CONTAINER": ["podman"],
    "STORE": ["-x", "runs", "/a/../b", "gs://b/../c", "gs://", "/", "s3://bucket"],
    "IMAGE": ["-v", "a b", "$(x)"],
    "SWEEP": ["-x", "a/b", "a -x", "a;b", "a\nb"],
    "NOTES": ["a\nb", "x" * 1001],
    "BUDGET": [
        "2",
        "hours",
        "hours=",
        "hours=-1",
        "hours=two",
        "hours=NaN",
        "hours=Infinity",
        "trials=1.5",
        "days=2",
        "trials=2 trials=3",
        "money=2",
        "hours=[1]",
        "hours=true",
        "trials=$(x)",
        "trials=2\nhours=1",
        ",",
    ],
    "DATA": ["files", "{", "[1]", '{"source": "flights", "target": "weather"}', '{"path": "s3://b/x"}'],
    "RETRY": ["yes", "true"],
    "REQUEST_ID": ["a\tb"],
    "SPEC_JSON": ["{", "[]"],
    "ARCHITECTURE": ["lstm"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_with_the_name_of_its_parameter(name: str, value: str) -> None:
    with pytest.raises(UserError, match=rf"(?m)^{name}: "):
        read(**{name: value})


OUTSIDE = ["../secret.json", "specs/../../secret.json", "/etc/passwd", "-x", "specs", "x\ny", "specs\\a.json"]


@pytest.mark.parametrize("path", [*OUTSIDE, "specs/none.json", "specs/a.txt"])
def test_a_spec_is_a_file_inside_specs(path: str) -> None:
    with pytest.raises(UserError, match=r"(?m)^SPEC: "):
        read(SPEC_JSON="", SPEC=path)


def test_a_link_does_not_lead_out_of_specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "secret.json").write_text(json.dumps(SPEC))
    (tmp_path / "specs/link.json").symlink_to("../secret.json")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="not inside specs/"):
        read(SPEC_JSON="", SPEC="specs/link.json")


def test_all_mistakes_are_reported_together() -> None:
    with pytest.raises(UserError) as caught:
        read(LANES="x", STORE="-", AS_OF="soon")
    assert len(str(caught.value).splitlines()) == 3


def test_sweep_excludes_the_parameters_of_a_new_sweep() -> None:
    with pytest.raises(UserError, match="SPEC_JSON: cannot change a sweep that exists"):
        read(SWEEP="20260614-0210-lstm-attention-3f9c")
    with pytest.raises(UserError) as caught:
        read(SWEEP="20260614-0210-lstm-attention-3f9c", SPEC_JSON="", BUDGET="trials=2", DATA="flights")
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["DATA", "BUDGET"]


def test_several_sweeps_go_on_together_each_once(tmp_path: Path) -> None:
    ids = []
    for architecture, token in (("lstm", "0a0a"), ("mdn", "0b0b")):
        spec = from_dict({"architecture": architecture, "data": "flights", "tune": "automatic"})
        definition = resolve(spec, now=datetime(2026, 6, 14, 2, 10, tzinfo=UTC), token=token)
        ids.append(Sweep.create(open_store(str(tmp_path)), definition).id)
    environment = {"LABEL": "gpu", "STORE": str(tmp_path), "RETRY": "true", "SWEEP": f"{ids[0]} {ids[1]}  {ids[0]}"}
    specs, settings = check(environment)
    assert specs == {}
    assert (settings.sweeps, settings.retry) == (" ".join(ids), "yes")


def test_every_parameter_of_the_job_is_read() -> None:
    class Recorded(dict[str, str]):
        names: set[str]

        def get(self, name: str, default: Any = None) -> Any:
            self.names.add(name)
            return super().get(name, default)

    environment = Recorded(GOOD | {"SPEC_JSON": "", "SPEC": "specs/quickstart.json"})
    environment.names = set()
    check(environment)
    assert {parameter.name for parameter in PARAMETERS} <= environment.names
