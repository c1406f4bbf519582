"""Equal requests make the same sweep, whichever door they come through."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.jenkins import check, trigger
from pipeline.plan import create
from pipeline.plan.create import Request, parse_data
from pipeline.spec import Spec, from_dict, parse_budget, read
from pipeline.spec.normalize import as_written
from pipeline.store import Store
from pipeline.sweep import Definition
from pipeline.verbs.common import Mode, request_of
from tests.support import ROOT

SPEC = {
    "architecture": "lstm-attention",
    "parameters": {"hidden_size": [16, 32], "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
    "search": {"strategy": "sobol", "experiments": 4},
}
COMMAND_SPEC = {
    "command": ["train", "--rate={rate}"],
    "hyperparameters": {"rate": {"default": 0.5, "domain": {"low": 0.1, "high": 1.0}}},
    "parameters": {"rate": [0.2, 0.4]},
    "objective": {"metric": "loss"},
}
FLIGHTS = '{"source": "flights", "target": "arr_delay"}'
REQUESTS: list[tuple[Any, dict[str, str]]] = [
    (SPEC, {"data": "flights"}),
    (SPEC, {"data": FLIGHTS, "as_of": "2013-11-01", "mode": "short"}),
    (SPEC | {"data": "flights", "budget": {"hours": 9}}, {"data": FLIGHTS, "budget": "trials=30 device-hours=1.5"}),
    (SPEC | {"as-of": "2013-12-01", "mode": "short"}, {"data": "flights", "mode": "full", "as_of": "2013-10-01"}),
    (COMMAND_SPEC, {"as_of": "2024-06-01"}),
    ("lstm", {"data": "flights"}),
    ("cnn", {"data": FLIGHTS, "budget": "money=3 price-per-device-hour=2", "mode": "full"}),
]
"""(spec or name of an architecture, {option of the command line: value})."""
IDS = [str(number) for number in range(len(REQUESTS))]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without an hpt.toml."""
    monkeypatch.chdir(tmp_path)
    for name in ("HPT_STORE", "HPT_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def by_command_line(folder: Path, source: Any, options: dict[str, str]) -> Spec:
    """The spec that `hpt run`, `plan` and `validate` make of a request."""
    (folder / "spec.json").write_text(json.dumps(source))
    as_of, mode = options.get("as_of"), options.get("mode")
    return request_of(
        folder / "spec.json" if isinstance(source, dict) else None,
        source if isinstance(source, str) else None,
        options.get("data"),
        datetime.fromisoformat(as_of) if as_of else None,
        Mode(mode) if mode else None,
        options.get("budget", "").split(),
    ).spec()


def by_jenkins(folder: Path, source: Any, options: dict[str, str]) -> Spec:
    """The spec that a Jenkins build makes of a request, if a person fills in its parameters."""
    parameters = {"ARCHITECTURE": source} if isinstance(source, str) else {"SPEC_JSON": json.dumps(source)}
    return by_parameters(folder, parameters | {name.upper(): value for name, value in options.items()})


def by_trigger(folder: Path, source: Any, options: dict[str, str]) -> Spec:
    """The spec that a Jenkins build makes of a request, if `hpt trigger` fills in its parameters."""

    class Silent:
        def say(self, text: str) -> None: ...

        def log(self, lines: list[str]) -> None: ...

    (folder / "spec.json").write_text(json.dumps(source))
    spec, architecture = (None, source) if isinstance(source, str) else (folder / "spec.json", None)
    settings = [f"{name.upper()}={value}" for name, value in options.items() if name != "budget"]
    budget = options.get("budget", "").split()
    return by_parameters(folder, trigger.parameters_for(spec, architecture, budget, settings, Silent()))


def by_parameters(folder: Path, parameters: dict[str, str]) -> Spec:
    """The spec that `hpt jenkins-check` writes into a file, and `hpt plan` reads there."""
    specs, _ = check.check({"LABEL": "gpu", "STORE": "/mnt/store", "HPT_ALLOW_INLINE_CODE": "1"} | parameters)
    (spec,) = specs.values()
    (folder / "checked.json").write_text(json.dumps(as_written(spec)))
    return read(folder / "checked.json")


def defined(spec: Spec, store: Store) -> Definition:
    """The definition of a spec's sweep, without its id and its time, which differ between any two sweeps."""
    return create.define(spec, store, trains_here=False).model_copy(update={"id": "", "created": ""})


@pytest.mark.parametrize("door", [by_jenkins, by_trigger])
@pytest.mark.parametrize(("source", "options"), REQUESTS, ids=IDS)
def test_the_command_line_and_jenkins_give_the_same_definition(
    folder: Path, store: Store, door: Any, source: Any, options: dict[str, str]
) -> None:
    expected = defined(by_command_line(folder, source, options), store)
    assert defined(door(folder, source, options), store) == expected


def test_options_change_a_spec_as_if_they_were_written_in_it() -> None:
    request = Request(
        text=json.dumps(SPEC),
        data=parse_data(FLIGHTS, "--data"),
        as_of=date(2013, 11, 1),
        mode="automatic",
        budget=parse_budget(["trials=30"], "--budget"),
        experiments=7,
        notes="why",
        image="r.test/i:1",
    )
    written = SPEC | {
        "data": json.loads(FLIGHTS),
        "as-of": "2013-11-01",
        "tune": "automatic",
        "budget": {"trials": 30},
        "search": {"strategy": "sobol", "experiments": 7},
        "notes": "why",
        "image": "r.test/i:1",
    }
    assert as_written(request.spec()) == as_written(from_dict(written))


@pytest.mark.parametrize("path", sorted((ROOT / "specs").rglob("*.json")), ids=lambda path: path.stem)
def test_a_spec_is_the_same_after_it_is_written_and_read(path: Path) -> None:
    spec = read(path)
    reread = from_dict(as_written(spec))
    assert reread == spec
    assert as_written(reread) == as_written(spec)


def test_an_option_that_contradicts_the_spec_is_refused() -> None:
    phases = {"architecture": "cnn", "phases": [{"name": "screen", "parameters": {"dropout": [0.1, 0.2]}}]}
    with pytest.raises(UserError, match=r"^SPEC_JSON: tune: "):
        Request(text=json.dumps(phases), mode="automatic").spec("SPEC_JSON")


def test_a_request_is_for_a_spec_or_an_architecture() -> None:
    for both_or_none in ({}, {"file": Path("spec.json"), "architecture": "lstm"}):
        with pytest.raises(UserError, match="name either a SPEC or an --architecture"):
            Request(**both_or_none)


def test_checking_a_request_creates_nothing(folder: Path) -> None:
    create.check(
        Request(architecture="lstm", data=parse_data("flights", "--data")), str(folder / "s"), trains_here=True
    )
    assert not (folder / "s").exists()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("fligts", ['--data: there are no built-in data "fligts": did you mean "flights"?']),
        ("{", ["--data: is not JSON"]),
        (
            '{"path": "s3://b/x", "target": "y", "numeric": "x"}',
            ["--data: data.path: ", "--data: data.date: is missing"],
        ),
    ],
)
def test_mistakes_in_data_are_reported_as_in_a_spec(text: str, lines: list[str]) -> None:
    with pytest.raises(UserError) as error:
        parse_data(text, "--data")
    assert [line[: len(start)] for line, start in zip(str(error.value).splitlines(), lines, strict=True)] == lines
