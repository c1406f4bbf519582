# ruff: noqa: E501 (messages are compared whole)
"""Words of other tools, and forms that a spec does not have: one cause gives one line, with a correction."""

import json

import pytest

from pipeline import spec
from pipeline.errors import UserError

BUILT_IN = {"architecture": "lstm-attention", "parameters": {"dropout": [0.1, 0.2]}}
OWN = {
    "command": ["sh", "t.sh", "{lr}"],
    "hyperparameters": {"lr": 0.1, "depth": 3},
    "parameters": {"lr": [0.1, 0.2]},
    "date-range": [["2024-05-01", "2024-07-01"]],
}


def only_mistake(raw: object) -> str:
    with pytest.raises(UserError) as caught:
        spec.from_json(json.dumps(raw), "s")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix("s: ")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"lr": 0.1}, "lr: unknown key; did you mean `parameters.learning_rate`?"),
        ({"dropout": [0.1]}, "dropout: unknown key; did you mean `parameters.dropout`?"),
        ({"hiddensize": [1]}, "hiddensize: unknown key; did you mean `parameters.hidden_size`?"),
        ({"epochs": 5}, "epochs: unknown key; did you mean `training.max-epochs`?"),
        ({"max_epochs": 5}, "max_epochs: unknown key; did you mean `training.max-epochs`?"),
        ({"maxEpochs": 5}, "maxEpochs: unknown key; did you mean `training.max-epochs`?"),
        ({"training": {"epochs": 5}}, 'training.epochs: unknown key; did you mean "max-epochs"?'),
        ({"short": {"epochs": 5}}, 'short.epochs: unknown key; did you mean "max-epochs"?'),
        ({"training": {"lr": 5}}, "training.lr: unknown key; did you mean `parameters.learning_rate`?"),
        ({"strategy": "grid"}, "strategy: unknown key; did you mean `search.strategy`?"),
        ({"search": {"method": "grid"}}, 'search.method: unknown key; did you mean "strategy"?'),
        ({"n_trials": 5}, "n_trials: unknown key; did you mean `search.experiments`?"),
        ({"seed": 5}, "seed: unknown key; did you mean `search.seed`?"),
        ({"budget": {"gpu-hours": 5}}, 'budget.gpu-hours: unknown key; did you mean "device-hours"?'),
        ({"gpu_hours": 5}, "gpu_hours: unknown key; did you mean `budget.device-hours`?"),
        ({"timeout": 5}, "timeout: unknown key; did you mean `training.time-limit-minutes`?"),
        ({"metric": "mse"}, "metric: unknown key; did you mean `objective.metric`?"),
        ({"early_stopping": True}, "early_stopping: unknown key; did you mean `search.early-stopping`?"),
        ({"dataset": "flights"}, 'dataset: unknown key; did you mean "data"?'),
        ({"name": "x"}, 'name: unknown key; did you mean "notes"?'),
        ({"confirm": {"range": 3}}, 'confirm.range: unknown key; did you mean "ranges"?'),
        ({"phases": [{"name": "screen", "strategy": "grid"}]}, "phases.0.strategy: unknown key; did you mean `phases.0.search.strategy`?"),
        ({"parameters": {"lr": [0.1]}}, 'parameters.lr: lstm-attention has no such hyperparameter; did you mean "learning_rate"?'),
        ({"parameters": {"max_epochs": [1]}}, "parameters.max_epochs: lstm-attention has no such hyperparameter; did you mean `training.max-epochs`?"),
        ({"parameters": {"epochs": [1]}}, "parameters.epochs: is the name of a results column, no hyperparameter can be called so; did you mean `training.max-epochs`?"),
        ({"parameters": {"dropout": {"min": 0, "max": 0.5}}}, 'parameters.dropout: unknown keys "min", "max"; write {"low": 0, "high": 0.5}'),
        ({"parameters": {"learning_rate": {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1}}}, 'parameters.learning_rate: unknown keys "distribution", "min", "max"; write {"low": 1e-05, "high": 0.1, "log": true}'),
        ({"parameters": {"dropout": {"choices": [0.1, 0.2]}}}, 'parameters.dropout: unknown key "choices"; write [0.1, 0.2]'),
        ({"parameters": {"dropout": {"value": 0.1}}}, 'parameters.dropout: unknown key "value"; write 0.1'),
        ({"search": {"strategy": "bayes"}}, "search.strategy: \"bayes\" is not possible: 'random', 'grid', 'sobol', 'tpe' or 'gp'; did you mean \"tpe\"?"),
        ({"search": "grid"}, 'search: "grid": an object is wanted, like {"strategy": "grid"}'),
        ({"tune": "auto"}, "tune: \"auto\" is not possible: 'parameters', 'learning-rate', 'automatic' or 'nothing'; did you mean \"automatic\"?"),
        ({"mode": "max"}, "mode: \"max\" is not possible: 'full' or 'short'; did you mean `objective.goal`?"),
        ({"date-range": ["2024-05-01", "2024-07-01"]}, 'date-range: is a list of ranges: write [["2024-05-01", "2024-07-01"]]'),
        ({"training": {"max-epochs": "3"}}, 'training.max-epochs: "3": write the number without quotes'),
        ({"reuse": "yes"}, 'reuse: "yes": write true or false'),
        ({"$schema": "x"}, "$schema: unknown key; leave it out, and name the schema in your editor's settings"),
    ],
)  # fmt: skip
def test_a_word_of_another_tool_gets_its_name_in_a_spec(changes, line):
    assert only_mistake(BUILT_IN | changes) == line


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"learning_rate": 1}, "learning_rate: unknown key; did you mean `parameters.lr`?"),
        ({"objective": "auc"}, 'objective: "auc": an object is wanted, like {"metric": "auc"}'),
        ({"objective": {"metric": "x", "goal": "max"}}, "objective.goal: \"max\" is not possible: 'minimize' or 'maximize'; did you mean \"maximize\"?"),
        ({"objective": {"metric": "x", "direction": "maximize"}}, 'objective.direction: unknown key; did you mean "goal"?'),
        ({"command": "sh t.sh {lr}"}, 'command: is a list, a text for each argument: write ["sh", "t.sh", "{lr}"]'),
        ({"command": ["sh", 3]}, 'command.1: 3: text is wanted: write "3"'),
        ({"command": ["sh", {"fi": "lr", "arguments": ["x"]}]}, 'command.1.fi: unknown key; did you mean "if"?'),
        ({"command": ["sh", {"if": "lr", "arguments": "x"}]}, 'command.1.arguments: "x": a list is wanted: write ["x"]'),
        ({"parameters": {"lr": [[64, 64], [128]]}}, 'parameters.lr: [64, 64] is a list, but a value is a number, text, true, false or null: write "64,64"'),
        ({"parameters": {"lr": {"values": [0.1, {"a": 1}]}}}, 'parameters.lr: {"a": 1} is an object, but a value is a number, text, true, false or null'),
        ({"parameters": {"optimizer": {"parameters": {"lr": {"values": [0.1]}}}}}, 'parameters.optimizer: hyperparameters do not nest: write each by itself, like "optimizer_lr"'),
        ({"parameters": {"optimizer": {"lr": [0.1], "momentum": [0.9]}}}, 'parameters.optimizer: hyperparameters do not nest: write each by itself, like "optimizer_lr"'),
        ({"hyperparameters": {"optimizer": {"lr": 0.1, "momentum": 0.9}}}, 'hyperparameters.optimizer: hyperparameters do not nest: write each by itself, like "optimizer_lr"'),
        ({"hyperparameters": {"lr": {"low": 0, "high": 1}}}, 'hyperparameters.lr: has no default: write {"default": …, "domain": …}, or name what to try in `parameters`'),
        ({"hyperparameters": {"lr": {"default": [64, 64]}}}, 'hyperparameters.lr: default: [64, 64] is a list, but a value is a number, text, true, false or null: write "64,64"'),
        ({"hyperparameters": {"lr": 0.1, "optimizer.lr": 0.1}}, 'hyperparameters.optimizer.lr: a name has no dots: call it "optimizer_lr"; if your program wants dots, write optimizer.lr={optimizer_lr} in `command`'),
        ({"incumbent": {"lr": [0.1]}}, "incumbent.lr: [0.1] is no value: a number, text, true, false or null is wanted"),
    ],
)  # fmt: skip
def test_a_word_of_another_tool_gets_its_name_in_a_spec_with_an_own_trainer(changes, line):
    assert only_mistake(OWN | changes) == line


@pytest.mark.parametrize(
    ("key", "other"), [("command", "program"), ("hyperparameters", "defaults"), ("parameters", "params")]
)
def test_consequences_of_a_misnamed_key_are_not_reported(key, other):
    raw = {other if name == key else name: value for name, value in OWN.items()} | {
        "metrics-pattern": "(?P<mse_valid>.)"
    }
    assert only_mistake(raw) == f'{other}: unknown key; did you mean "{key}"?'


def test_several_causes_are_several_lines():
    with pytest.raises(UserError) as caught:
        spec.from_dict(BUILT_IN | {"epochs": 3, "search": {"strategy": "bayes"}, "parameters": {"dropuot": [1]}}, "s")
    assert len(str(caught.value).splitlines()) == 3
