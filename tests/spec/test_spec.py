# ruff: noqa: E501 (messages are compared whole)
import json
from pathlib import Path

import pytest

import pipeline
from pipeline import spec
from pipeline.errors import UserError
from pipeline.space import Interval, Values
from tests.support import ROOT

POST = """{"architecture": "lstm-attention",
 "date-range": [["2017-01-01", "2017-04-01"]],
 "parameters": {"num_of_attentions": [1, 2, 3],
                "attention_hidden_layer_size": [32, 128, 256],
                "attention_regularization": [0.1, 0.01, 0.001]}}"""

FILES = {"path": "x.csv", "date": "day", "text": "words", "target": "value"}


def mistakes(raw: dict) -> list[str]:
    with pytest.raises(UserError) as caught:
        spec.from_dict(raw, "s")
    return str(caught.value).splitlines()


def mistake(**changes: object) -> str:
    lines = mistakes({"architecture": "lstm-attention", "parameters": {"dropout": [0.1]}} | changes)
    assert len(lines) == 1, lines
    return lines[0]


def test_the_posts_spec_validates_unchanged():
    parsed = spec.from_json(POST)
    assert parsed.architecture == "lstm-attention"
    assert parsed.parameters["num_of_attentions"] == Values(values=(1, 2, 3))
    assert [str(range_) for range_ in parsed.date_range or ()] == ["[2017-01-01, 2017-04-01)"]


def test_a_range_is_read():
    parsed = spec.from_dict(
        {"architecture": "cnn", "parameters": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}}
    )
    assert parsed.parameters["learning_rate"] == Interval(low=1e-4, high=1e-1, log=True)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"date-rang": []}, 's: date-rang: unknown key; did you mean "date-range"?'),
        ({"training": {"max-epoch": 3}}, 's: training.max-epoch: unknown key; did you mean "max-epochs"?'),
        (
            {"architecture": "lstm-atention"},
            's: architecture: there is no "lstm-atention"; did you mean "lstm-attention"?',
        ),
        (
            {"parameters": {"num_of_atentions": [1]}},
            's: parameters.num_of_atentions: lstm-attention has no such hyperparameter; did you mean "num_of_attentions"?',
        ),
        ({"parameters": {"dropout": []}}, "s: parameters.dropout: is empty"),
        ({"parameters": {"dropout": [0.1, 0.1]}}, "s: parameters.dropout: [0.1, 0.1] names a value twice"),
        ({"parameters": {"dropout": [1.5]}}, "s: parameters.dropout: 1.5 is not possible: "),
        ({"parameters": {"batch_size": ["x"]}}, 's: parameters.batch_size: "x" is not possible: an integer from'),
        ({"parameters": {"batch_size": {"low": 1, "high": 2.5}}}, "s: parameters.batch_size: takes integers"),
        (
            {"parameters": {"learning_rate": {"low": 0, "high": 1, "log": True}}},
            "s: parameters.learning_rate: a log range needs low above 0, not 0",
        ),
        ({"parameters": {"status": [1]}}, "s: parameters.status: is the name of a results column"),
        (
            {"incumbent": {"dropuot": 0.1}},
            's: incumbent.dropuot: lstm-attention has no such hyperparameter; did you mean "dropout"?',
        ),
        (
            {"date-range": [["2017-04-01", "2017-01-01"]]},
            "s: date-range.0: a date range must start before it ends: 2017-04-01 is not before 2017-01-01",
        ),
        ({"date-range": [["2017-04-01"]]}, 's: date-range.0: a date range is ["start", "end"]'),
        (
            {"date-range": [["2017-02-30", "2017-04-01"]]},
            's: date-range.0: ["2017-02-30", "2017-04-01"] are not two dates',
        ),
        ({"date-range": []}, "s: date-range: is empty"),
        ({"date-range": [["2017-01-01", "2017-04-01"]] * 2}, "s: date-range: names a date range twice"),
        ({"as-of": 20140101}, "s: as-of: 20140101 is not a date"),
        ({"search": {"strategy": "bayes"}}, 's: search.strategy: "bayes" is not possible: '),
        ({"training": {"max-epochs": "3"}}, 's: training.max-epochs: "3": '),
        ({"training": {"max-epochs": True}}, "s: training.max-epochs: true: "),
        ({"data": "fligts"}, "s: data: "),
        ({"data": {"source": "flights", "target": "airtime"}}, "s: data.target"),
        ({"phases": [{"name": "scren"}]}, 's: phases.0.name: "scren" is not possible: '),
        ({"image": "-v /:/host"}, "s: image: "),
        (
            {"search": {"early-stopping": {"min-epoch": 1}}},
            's: search.early-stopping.min-epoch: unknown key; did you mean "min-epochs"?',
        ),
        ({"search": {"early_stopping": {}}}, 's: search.early_stopping: unknown key; did you mean "early-stopping"?'),
        ({"phases": [{"name": "screen", "parametrs": {}}]}, "s: phases.0.parametrs: unknown key; did you mean"),
        (
            {"phases": [{"name": "screen", "search": {"early-stopping": {"ruel": "x"}}}]},
            's: phases.0.search.early-stopping.ruel: unknown key; did you mean "rule"?',
        ),
        ({"phases": [{"name": "screen", "parameters": {"dropout": []}}]}, "s: phases.0.parameters.dropout: is empty"),
        ({"phases": [{"name": "screen", "date-range": [1]}]}, "s: phases.0.date-range.0: a date range is"),
        (
            {"parameters": {"dropout": {"low": 0.0, "high": 0.5, "stp": 0.1}}},
            's: parameters.dropout.stp: unknown key; did you mean "step"?',
        ),
        (
            {"parameters": {"dropout": {"values": [0.1], "whn": {}}}},
            's: parameters.dropout.whn: unknown key; did you mean "when"?',
        ),
        (
            {"parameters": {"dropout": {"low": 0.0, "high": 0.5, "when": {"hidden_size": []}}}},
            "s: parameters.dropout.when.hidden_size: is empty",
        ),
        ({"data": FILES | {"tex": "x"}}, 's: data.tex: unknown key; did you mean "text"?'),
        ({"data": FILES | {"files": "x"}}, "s: data.files: unknown key; possible are "),
        ({"data": {"source": "flights", "targt": "x"}}, 's: data.targt: unknown key; did you mean "target"?'),
        ({"data": {"source": "flights", "target": ["air"]}}, 's: data.target.0: "air" is not possible'),
        ({"data": FILES | {"text": [1]}}, "s: data.text.0: 1: text is wanted: write"),
    ],
)
def test_a_mistake_is_one_line_that_names_its_path(changes, line):
    assert mistake(**changes).startswith(line)


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"default": 1.0, "domian": [1]}, 's: hyperparameters.lr.domian: unknown key; did you mean "domain"?'),
        ({"default": 1.0, "domain": []}, "s: hyperparameters.lr.domain: is empty"),
        (
            {"default": 1.0, "domain": {"low": 2, "high": 1}},
            "s: hyperparameters.lr.domain: low (2) must be below high (1)",
        ),
        (
            {"default": 1.0, "limits": {"low": 0, "high": 1, "stp": 1}},
            's: hyperparameters.lr.limits.stp: unknown key; did you mean "step"?',
        ),
        (
            {"default": 1.0, "limits": {"values": [1], "whn": {}}},
            's: hyperparameters.lr.limits.whn: unknown key; did you mean "when"?',
        ),
        ({"default": 1.0, "phase": "x"}, 's: hyperparameters.lr.phase: "x" is not possible: '),
        ({}, "s: hyperparameters.lr.default: is missing"),
        ([1.0], "s: hyperparameters.lr: a default is one value"),
    ],
)
def test_a_mistake_in_a_declaration_is_one_line_that_names_its_path(declared, line):
    raw = {"trainer": "mine:train", "parameters": {"lr": [0.1]}, "hyperparameters": {"lr": declared}}
    (only,) = mistakes(raw)
    assert only.startswith(line)


@pytest.mark.parametrize("name", ["parameters", "range", "list", "values", "training", "domain", "flights"])
def test_a_hyperparameter_may_be_called_like_a_key_of_the_spec(name):
    domain = {"low": 1, "hig": 2}
    raw = {
        "trainer": "mine:train",
        "parameters": {name: domain},
        "hyperparameters": {name: {"default": 1, "domain": domain}},
    }
    assert mistakes(raw) == [
        f's: hyperparameters.{name}.domain.hig: unknown key; did you mean "high"?',
        f's: parameters.{name}.hig: unknown key; did you mean "high"?',
    ]


def test_all_mistakes_are_reported_at_once():
    lines = mistakes(
        {"architecture": "lstm-attention", "date-rang": 1, "parameters": {"num_of_atentions": [1], "dropout": []}}
    )
    assert len(lines) == 3


def test_nothing_to_tune_is_a_mistake():
    assert "nothing to tune" in mistakes({"architecture": "lstm"})[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"architecture": "lstm" "x"}', "not JSON: a comma is missing at line 1, column 25"),
        ("[1]", "a spec is a JSON object"),
        ('{"architecture": "a", "architecture": "b"}', '"architecture" stands twice'),
        ('{"architecture": NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "not JSON"),
        ("", "not JSON"),
    ],
)
def test_broken_json_is_one_line(text, message):
    with pytest.raises(UserError) as caught:
        spec.from_json(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_one_line(tmp_path):
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name in ("none.json", "binary.json"):
        with pytest.raises(UserError, match=name):
            spec.read(tmp_path / name)


def test_a_byte_order_mark_is_fine(tmp_path):
    path = tmp_path / "s.json"
    path.write_bytes(b"\xef\xbb\xbf" + POST.encode())
    assert spec.read(path).architecture == "lstm-attention"


def test_the_shipped_schema_is_current():
    shipped = Path(pipeline.__file__).with_name("spec.schema.json")
    assert shipped.read_text() == spec.json_schema(), "renew it: hpt schema > pipeline/spec.schema.json"
    assert json.loads(shipped.read_text())["properties"]["date-range"]


@pytest.mark.parametrize("path", sorted(ROOT.glob("specs/**/*.json")), ids=lambda p: p.stem)
def test_every_spec_that_ships_is_valid(path):
    spec.read(path)
