"""Specs with an own trainer: the declaration of its hyperparameters, and the mistakes that are reported."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline import spec
from pipeline.errors import UserError
from pipeline.plan import resolve
from pipeline.space import Interval, Values
from pipeline.spec import hyperparameters, names
from pipeline.sweep import Definition

BASE = {
    "command": ["python", "train.py", "--lr", "{lr}"],
    "hyperparameters": {"lr": 0.1, "depth": {"default": 3, "domain": {"low": 1, "high": 9}}},
    "parameters": {"lr": [0.1, 0.2]},
    "date-range": [["2024-01-01", "2024-04-01"]],
}


def define(raw: dict[str, Any]) -> Definition:
    return resolve.resolve(spec.from_dict(raw, "s"), now=datetime(2024, 6, 14, tzinfo=UTC), token="3f9c")


def mistakes(**changes: Any) -> list[str]:
    raw = {key: value for key, value in (BASE | changes).items() if value is not None}
    with pytest.raises(UserError) as caught:
        define(raw)
    return str(caught.value).splitlines()


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_spec_with_a_command_needs_neither_architecture_nor_data():
    definition = define(BASE)
    assert definition.architecture == "train"
    assert definition.id == "20240614-0000-train-3f9c"
    assert definition.data is None
    assert definition.incumbent == {"lr": 0.1, "depth": 3}
    assert definition.own is not None
    assert definition.own.command == ("python", "train.py", "--lr", "{lr}")
    assert definition.own.hyperparameters["depth"].domain == Interval(low=1, high=9)


def test_the_declaration_is_frozen_into_the_definition():
    definition = define(BASE)
    assert Definition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition
    assert define(definition.spec) == definition


@pytest.mark.parametrize(
    ("trainer", "command", "label"),
    [
        (None, ["./mytrainer", "--momentum", "0.9", "--x", "{x}"], "mytrainer"),
        (None, ["awk", "-v", "s=0.05", "-f", "t.awk"], "t"),
        ("my_package.train:train", None, "my-package-train"),
        ("ours", None, "ours"),
        ("cnn", None, "own-cnn"),
        (None, ["python", "src/fit_rides.py", "--lr", "{lr}"], "fit-rides"),
        (None, ["python", "-m", "rides.fit"], "rides-fit"),
        (None, ["/opt/bin/Fit"], "fit"),
        (None, ["sh", "-c", "…"], "sh"),
    ],
)
def test_a_trainer_is_called_after_its_function_or_program(trainer, command, label):
    assert names.label(trainer, command) == label


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"trainer": "a:b"}, 's: command: either a "trainer" or a "command" trains, not both'),
        ({"command": None, "trainer": "a b"}, 's: trainer: "a b": string should match pattern'),
        ({"command": []}, "s: command: is empty"),
        ({"architecture": "lstm"}, 's: architecture: "lstm" is a built-in one: choose another name for your own'),
        ({"architecture": "My Net"}, 's: architecture: "My Net" is not possible: small letters'),
        ({"parameters": {"lr2": [1]}}, 's: parameters.lr2: the trainer has no such hyperparameter; did you mean "lr"?'),
        (
            {"incumbent": {"dept": 1}},
            's: incumbent.dept: the trainer has no such hyperparameter; did you mean "depth"?',
        ),
        ({"parameters": {"depth": [0]}}, "s: parameters.depth: 0 is not possible: an integer from 1 to 9"),
        ({"hyperparameters": {"lr": 0.1, "status": 1}}, "s: hyperparameters.status: is the name of a results column"),
        (
            {"hyperparameters": {"lr": 0.1, "mse_valid": 1}},
            "s: hyperparameters.mse_valid: is the name of the objective",
        ),
        ({"hyperparameters": {"lr": 0.1, "a b": 1}}, "s: hyperparameters.a b: a name has letters, digits, _ and -"),
        ({"hyperparameters": {"lr": 0.1, "a.b": 1}}, 's: hyperparameters.a.b: a name has no dots: call it "a_b"'),
        (
            {"hyperparameters": {"lr": 0.1, "folder": "x"}},
            "s: hyperparameters.folder: {folder} already stands for a value from hpt",
        ),
        (
            {"hyperparameters": {"lr": {"default": 2, "domain": [1, 3]}}},
            "s: hyperparameters.lr: the default 2 is not allowed by its own limits",
        ),
        (
            {"hyperparameters": {"lr": {"defautl": 2}}},
            's: hyperparameters.lr.defautl: unknown key; did you mean "default"',
        ),
        ({"command": ["x", "{rl}"]}, "s: command.1: {rl} stands for nothing; possible are lr, depth, start, end, "),
        ({"command": ["x", '{"a": 1}']}, 's: command.1: {"a": 1} stands for nothing; '),
        ({"command": ["x", "}"]}, "s: command.1: a single }: write }} for a brace"),
        ({"metrics-pattern": "(?P<epoch>.*)"}, "s: metrics-pattern: names no metric: "),
        ({"metrics-pattern": "("}, "s: metrics-pattern: is no regular expression: "),
        ({"hyperparameters": None}, "hyperparameters: the spec does not say which ones its command has: declare them"),
        ({"reuse": True}, "s: reuse: is for built-in architectures"),
    ],
)
def test_a_mistake_is_one_line_that_names_its_path(changes, line):
    lines = mistakes(**changes)
    assert any(reported.startswith(line) for reported in lines), lines
    assert len(lines) <= 2


@pytest.mark.parametrize(
    ("schema", "default", "domain"),
    [
        ({"type": "integer", "default": 4.0, "minimum": 1, "maximum": 9}, 4, Interval(low=1, high=9)),
        ({"type": "integer", "default": 4, "minimum": 0.5, "maximum": 9.7}, 4, Interval(low=1, high=9)),
        ({"type": "integer", "default": 4, "exclusiveMinimum": 0.5, "exclusiveMaximum": 9}, 4, Interval(low=1, high=8)),
        ({"type": "integer", "default": 4.0}, 4, Values(values=(4,))),
    ],
)
def test_an_integer_stays_an_integer_within_its_bounds(schema, default, domain):
    depth = hyperparameters.from_json_schema({"properties": {"depth": schema}}, "w")["depth"]
    assert (depth.default, depth.domain) == (default, domain)
    assert isinstance(depth.default, int)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "default": 1, "minimum": 0, "maximum": 3, "multipleOf": 0},
        {"type": "number", "default": 1, "minimum": 0, "maximum": 3, "multipleOf": "x"},
        {"type": "number", "default": 1, "minimum": [1]},
        {"type": "number", "default": 1, "exclusiveMinimum": "x"},
        {"type": "number", "default": [1]},
        {"type": "integer", "default": 1.5},
        {"type": "boolean", "default": "x"},
        {"type": "string", "default": 1},
        {"default": 1},
    ],
)
def test_a_schema_that_contradicts_itself_is_one_line(schema):
    with pytest.raises(UserError, match=r"^w: depth: has ") as caught:
        hyperparameters.from_json_schema({"properties": {"depth": schema}}, "w")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"hyperparameters": {"lr": [0.1, 0.2]}}, "a default is one value; for a list write"),
        ({"command": [""]}, "command: begins with the name of a program"),
        ({"command": [{"if": "lr", "arguments": ["x"]}]}, "command: begins with the name of a program"),
        ({"command": ["a", {"if": "lr", "arguments": ["b\0"]}]}, "command: has a character that no argument can have"),
        (
            {"command": ["a", {"if": "dpeth", "arguments": ["b"]}]},
            'command.1.if: no hyperparameter has this name; did you mean "depth"?',
        ),
        (
            {"command": ["a", {"if": "lr", "arguments": ["{rl}"]}]},
            "command.1.arguments.0: {rl} stands for nothing; possible",
        ),
        ({"command": ["a", {"if": "lr", "arguments": []}]}, "command.1.arguments: is empty"),
        ({"command": ["a", {"if": "lr"}]}, "command.1.arguments: is missing"),
        ({"command": ["a", "b\0{lr}"]}, "command: has a character that no argument can have"),
        ({"tune": "automatic", "parameters": None, "hyperparameters": {"lr": 0.1}}, 'give one a "domain"'),
    ],
)
def test_a_likely_slip_is_reported_in_one_line(changes, line):
    (only,) = mistakes(**changes)
    assert line in only


def test_arguments_that_may_be_left_out_are_frozen_as_they_were_written():
    command = ["sh", "t.sh", {"if": "depth", "arguments": ["--depth", "{depth}"]}, "{lr}"]
    definition = define(BASE | {"command": command})
    assert definition.architecture == "t"
    assert definition.spec["command"] == command
    reloaded = Definition.model_validate_json(definition.model_dump_json(by_alias=True))
    assert reloaded.own == definition.own
    assert define(reloaded.spec).own == definition.own


def test_an_argument_that_may_be_empty_is_reported():
    flag = {"hyperparameters": {"lr": 0.1, "bn": ""}, "parameters": {"bn": ["", "--use-bn"]}}
    assert define(BASE | flag | {"command": ["t", "{lr}", "{bn}"]}).decided == (
        "command.2: bn may be empty text, which the program gets as an argument; to leave it out then, write "
        '{"if": "bn", "arguments": ["{bn}"]}',
    )
    for word in ("--name={bn}", {"if": "bn", "arguments": ["{bn}"]}):
        assert not define(BASE | flag | {"command": ["t", "{lr}", word]}).decided


def test_keys_of_own_trainers_are_refused_without_an_own_trainer():
    with pytest.raises(UserError) as caught:
        spec.from_dict({"architecture": "lstm", "parameters": {"dropout": [0.1]}, "hyperparameters": {"a": 1}})
    assert 'spec: hyperparameters: is for a trainer of your own: name a "trainer" or a "command", too' in str(
        caught.value
    )
    with pytest.raises(UserError, match="spec: architecture: is missing"):
        spec.from_dict({"parameters": {"dropout": [0.1]}})


@pytest.mark.parametrize("default", ["adam", None, 1, 0.5, True])
def test_choices_may_be_of_several_kinds(default):
    choices = ["adam", None, True, 1 if default == 1 else 1.5, "größe", ""]
    definition = define(BASE | {"hyperparameters": {"lr": 0.1, "x": default}, "parameters": {"x": choices}})
    assert definition.phases[0].space["x"].values == tuple(choices)
    assert definition.incumbent["x"] == default
    assert definition.phases[0].experiments == len({json.dumps(value) for value in [*choices, default]})
    assert Definition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition


@pytest.mark.parametrize(
    ("declared", "raw", "line"),
    [
        (0.1, ["0.1", 0.2], 's: parameters.x: "0.1" is not possible: it is text; did you mean 0.1?'),
        (None, ["None", 0.5], 's: parameters.x: "None" is not possible: it is text; did you mean null?'),
        (False, ["true"], 's: parameters.x: "true" is not possible: it is text; did you mean true?'),
        (True, [1, 0], 's: parameters.x: 1 is not possible: one of false, true; if it is, declare {"default": true, '),
        (
            0.1,
            ["a"],
            's: parameters.x: "a" is not possible: a number; if it is, declare {"default": 0.1, "domain": [0.1, "a"]}',
        ),
        (1, [0.5], "s: parameters.x: 0.5 is not possible: an integer; as its default is 1: write 1.0 there for real"),
        (1, {"low": 0.5, "high": 2}, "s: parameters.x: takes integers: low, high and step must be integers; as its"),
        (
            {"default": "adam", "domain": ["sgd", None]},
            ["sgd"],
            's: hyperparameters.x: the default "adam" is not allowed '
            'by its own limits, one of "sgd", null: name it there, too',
        ),
    ],
)
def test_an_impossible_value_is_one_line_with_advice(declared, raw, line):
    lines = mistakes(hyperparameters={"lr": 0.1, "x": declared}, parameters={"lr": [0.1, 0.2], "x": raw})
    assert len(lines) == 1
    assert lines[0].startswith(line)


def test_text_of_a_json_schema_may_be_any_text():
    schema = {
        "properties": {"opt": {"type": "string", "default": "adam"}, "clip": {"type": ["number", "null"], "default": 1}}
    }
    opt, clip = hyperparameters.from_json_schema(schema, "describe").values()
    assert opt.takes("sgd")
    assert not opt.takes(3)
    assert clip.takes(None)
    assert not clip.takes("x")


def test_a_hyperparameter_takes_the_values_that_its_declaration_allows():
    for declared, takes, refuses in (
        (0.1, [0, 5, 1e9, 0.5], ["x", True]),
        (3, [-7, 10**6], [0.5, "x"]),
        ({"default": 1, "domain": {"low": 0.5, "high": 2}}, [0.5, 1], [3]),
        ({"default": 0, "limits": {"low": 0, "high": 5}}, [5], [6]),
        ("adam", ["adam", "sgd", 3, None], []),
        (None, [None, 0.5, "x", True], ["None"]),
        ({"default": "adam", "domain": ["adam"]}, ["adam"], ["sgd"]),
        (True, [False], [1]),
        ({"default": None, "domain": [None, 3, 5]}, [None, 5], [4]),
    ):
        for value in takes:
            parameters = {"x": [value], "lr": [0.1, 0.2]}
            define(BASE | {"hyperparameters": {"lr": 0.1, "x": declared}, "parameters": parameters})
        for value in refuses:
            lines = mistakes(hyperparameters={"lr": 0.1, "x": declared}, parameters={"x": [value]})
            assert "is not possible" in lines[0]


def test_a_real_number_stays_real_even_if_written_as_an_integer():
    definition = define(
        BASE
        | {"parameters": {"lr": [1, 2]}, "hyperparameters": {"lr": {"default": 1, "domain": {"low": 1, "high": 2.5}}}}
    )
    assert repr(definition.incumbent["lr"]) == "1.0"


# -- asking the trainer

MODEL = """
import pydantic
from typing import Literal, Optional
from enum import Enum
from pydantic import BaseModel, Field
print("noise at import")
EXTRA = {"x-log": True, "x-phase": "learning-rate"}
class Kind(str, Enum):
    A = "a"
    B = "b"
class Settings(BaseModel):
    lr: float = Field(1, gt=0, le=1, description="how fast", json_schema_extra=EXTRA)
    depth: int = Field(3, ge=1, lt=10)
    width: int = Field(8, ge=3, le=30, multiple_of=4)
    most: Optional[int] = 5
    kind: Kind = Kind.A
    loss: Literal["l1", "l2"] = "l2"
    fast: bool = False
    alpha: float = 0
    backend: str = "cpu"
def train(settings: Settings, run): ...
def bare(settings, run): ...
def marked(settings, run): ...
marked.hyperparameters = Settings
class Wrong(BaseModel):
    a: float
    b: list[int] = []
    c: int | str = 3
    d: int | None = None
def wrong(settings: Wrong, run): ...
"""


@pytest.mark.parametrize("function", ["train", "marked"])
def test_a_function_declares_its_hyperparameters_by_a_pydantic_model(tmp_path, function):
    (tmp_path / "mine.py").write_text(MODEL)
    raw = {"trainer": f"mine:{function}", "parameters": {"lr": {"low": 0.01, "high": 1, "log": True}}}
    definition = define(raw)
    assert definition.architecture == f"mine-{function}"
    assert definition.own is not None
    declared = definition.own.hyperparameters
    assert declared["lr"].domain == Interval(low=1e-12, high=1.0, log=True)
    assert (declared["lr"].help, declared["lr"].phase) == ("how fast", "learning-rate")
    assert declared["depth"].domain == Interval(low=1, high=9)
    assert declared["width"].domain == Interval(low=4, high=30, step=4)
    assert declared["most"].domain == Values(values=(5,))
    assert 10**6 in (declared["most"].limits or declared["most"].domain)
    assert declared["kind"].domain == Values(values=("a", "b"))
    assert declared["loss"].domain == Values(values=("l1", "l2"))
    assert declared["fast"].domain == Values(values=(False, True))
    assert declared["backend"].domain == Values(values=("cpu",))
    assert definition.incumbent == {
        "lr": 1.0, "depth": 3, "width": 8, "most": 5, "kind": "a", "loss": "l2", "fast": False, "alpha": 0.0,
        "backend": "cpu",
    }  # fmt: skip


def test_a_spec_is_checked_against_the_declaration_of_its_function(tmp_path):
    (tmp_path / "mine.py").write_text(MODEL)
    lines = mistakes(command=None, hyperparameters=None, trainer="mine:train", parameters={"lr": [2.0], "dept": [1]})
    assert lines == [
        "parameters.lr: 2.0 is not possible: from 1e-12 to 1.0",
        'parameters.dept: the trainer has no such hyperparameter; did you mean "depth"?',
    ]


def test_an_impossible_declaration_is_a_line_per_mistake(tmp_path):
    (tmp_path / "mine.py").write_text(MODEL)
    lines = mistakes(command=None, hyperparameters=None, trainer="mine:wrong")
    assert lines == [
        "trainer: mine:wrong: a: has no default: the incumbent needs a value for every hyperparameter",
        'trainer: mine:wrong: b: is a hyperparameter of type "array"; possible are number, integer, boolean, string',
        "trainer: mine:wrong: c: one type is wanted, not a choice of several",
        "trainer: mine:wrong: d: may be null or a number: list the values that it may have (enum)",
    ]


@pytest.mark.parametrize(
    ("trainer", "reason"),
    [
        ("nowhere:train", "ModuleNotFoundError: No module named 'nowhere'"),
        ("mine:bare", "annotate its first parameter with a pydantic model"),
        ("mine:missing", "AttributeError: module 'mine' has no attribute 'missing'"),
        ("entry", 'no package here has an entry point "entry" in the group hpt.trainers'),
    ],
)
def test_a_function_that_declares_nothing_gets_advice(tmp_path, trainer, reason):
    (tmp_path / "mine.py").write_text(MODEL)
    (line,) = mistakes(command=None, hyperparameters=None, trainer=trainer)
    assert line.startswith(f"trainer: {trainer} cannot be asked for its hyperparameters here: ")
    assert reason in line
    assert line.endswith('declare them in the spec: "hyperparameters": {"learning_rate": {"default": 0.01}}')


def test_a_program_declares_its_hyperparameters_by_the_json_schema_that_it_prints():
    schema = {"properties": {"lr": {"type": "number", "default": 0.1, "minimum": 0}, "n": {"const": 3}}}
    definition = define(
        BASE | {"describe": [sys.executable, "-c", f"print({json.dumps(json.dumps(schema))})"], "hyperparameters": None}
    )
    assert definition.incumbent == {"lr": 0.1, "n": 3}


SHOWS = """
import json, os, sys
kept = [name for name in os.environ if "CREDENTIALS" in name or "TOKEN" in name]
print(json.dumps({"properties": {"kept": {"const": " ".join(kept)}, "home": {"const": os.environ["HOME"]}}}))
"""
KEYED = """
import os
from pydantic import BaseModel
class H(BaseModel):
    kept: str = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
def train(h: H, run): pass
"""


def test_a_trainer_asked_for_its_hyperparameters_sees_no_credentials(tmp_path, monkeypatch):
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_ACCESS_TOKEN", "AWS_SESSION_TOKEN", "JENKINS_TOKEN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("HOME", "kept")
    raw = BASE | {"command": ["true"], "parameters": {}, "tune": "nothing"}
    del raw["hyperparameters"]
    definition = define(raw | {"describe": [sys.executable, "-c", SHOWS]})
    assert definition.incumbent == {"kept": "", "home": "kept"}
    (tmp_path / "keyed.py").write_text(KEYED)
    del raw["command"]
    assert define(raw | {"trainer": "keyed:train"}).incumbent == {"kept": ""}


@pytest.mark.parametrize(
    ("describe", "reason"),
    [
        (["no-such-program"], "No such file or directory"),
        ([sys.executable, "-c", "raise SystemExit('broken')"], "broken"),
        ([sys.executable, "-c", "print('hello')"], "prints text that is no JSON"),
        ([sys.executable, "-c", "print('[]')"], 'an object with "properties" is wanted'),
    ],
)
def test_a_program_that_prints_no_schema_is_a_mistake(describe, reason):
    (line,) = mistakes(describe=describe, hyperparameters=None)
    assert reason in line


def test_the_automatic_mode_searches_the_declared_domains():
    raw = BASE | {"tune": "automatic", "parameters": {}, "confirm": {"ranges": 0}}
    hyperparameters = {
        "lr": {"default": 0.1, "domain": {"low": 0.01, "high": 1.0, "log": True}, "phase": "learning-rate"},
        "depth": {"default": 3, "domain": [1, 3, 5]},
        "backend": "cpu",
    }
    definition = define(raw | {"hyperparameters": hyperparameters})
    assert [phase.name for phase in definition.phases][:2] == ["learning-rate", "architecture"]
    assert list(definition.phases[0].space) == ["lr"]
    assert "depth" in definition.phases[1].space
