"""Specs that ask for the impossible, and the line that says so."""

import pytest

from pipeline.errors import UserError
from pipeline.training import architectures
from tests.support.simulation import ADAPTIVE, AUTOMATIC
from tests.support.sweeps import define

LEARNING_RATE = ["learning_rate", "decay_factor", "decay_patience", "early_stopping_patience"]
SIX = {"learning_rate": [0.01, 0.1], "hidden_size": [16, 32, 64]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"constraints": [["hiden_size", "<=", 64]]},
            'constraints: hiden_size <= 64: there is no hyperparameter "hiden_size"; did you mean "hidden_size"',
        ),
        ({"constraints": [["hidden_size", "<=", "embeding_size"]]}, 'there is no hyperparameter "embeding_size"'),
        ({"constraints": [["hidden_size", "<", 16]]}, "constraints: hidden_size < 16: can never hold"),
        ({"constraints": [["dropout", "<=", 0.3]]}, "constraints: dropout <= 0.3: neither side is searched"),
        (
            {
                "constraints": [["hidden_size", "<", "embedding_size"], ["hidden_size", ">", 60]],
                "parameters": {"hidden_size": [16, 64], "embedding_size": [8, 64]},
            },
            "constraints: nothing in `parameters` fulfils",
        ),
        ({"constraints": [["hidden_size", "~", 16]]}, r'constraints.0: \["hidden_size", "~", 16\] is no constraint'),
        ({"constraints": [["hidden_size", "<"]]}, "constraints.0: .* is no constraint"),
        ({"constraints": [["hidden_size", "<=", True]]}, "constraints.0: .* is no constraint"),
        ({"constraints": ["hidden_size <= 3"]}, "constraints.0: .* is no constraint"),
        (
            {"parameters": {"hidden_size": {"values": [16, 32], "when": {"optimiser": "sgd"}}}},
            'parameters.hidden_size: its condition names "optimiser", which is no hyperparameter',
        ),
        (
            {"parameters": {"hidden_size": {"values": [16, 32], "when": {"hidden_layers": 2}}}},
            "its condition never holds",
        ),
        ({"parameters": {"hidden_size": [32]}}, "one setting only"),
        ({"parameters": SIX, "search": {"experiments": 8}}, "there are only 7, the setting to beat included"),
        (
            {"parameters": SIX, "constraints": [["hidden_size", "<", 64]], "search": {"experiments": 6}},
            "there are only 5",
        ),
        (
            {
                "parameters": {
                    "hidden_layers": [1, 2],
                    "dropout": {"values": [0.1, 0.2], "when": {"hidden_layers": 2}},
                },
                "search": {"experiments": 4},
            },
            "there are only 3",
        ),
        ({"search": {"race": True, "strategy": "tpe"}}, "search.race"),
        ({"search": {"race": True}, "budget": {"hours": 1}}, "search.race"),
        ({"budget": {"trials": 1}}, "budget.trials: choosing takes 2 at least"),
        ({"budget": {"experiments": 1}}, "budget.experiments: choosing takes 2 at least"),
        ({"budget": {"trials": 12}, "confirm": {}}, "budget.trials: judging the winner alone takes 12 of 12"),
        ({"budget": {"money": 5}}, "budget: `money` needs `price-per-device-hour`"),
        ({"budget": {"trials": 0}}, "budget.trials"),
        ({"budget": {"hours": -1}}, "budget.hours"),
        ({"budget": {"hours": float("inf")}}, "budget.hours"),
        ({"budget": {"hours": True}}, "budget.hours"),
        ({"budget": {"trails": 3}}, 'budget.trails: unknown key; did you mean "trials"'),
        ({"tune": "learning_rate"}, "tune"),
        (
            {"tune": "learning-rate", "parameters": {"hidden_size": [16, 32]}},
            "parameters.hidden_size: .*searches learning_rate",
        ),
        (
            {"tune": "learning-rate", "parameters": dict(zip(LEARNING_RATE, [0.1, 0.5, 2, 5], strict=True))},
            "no hyperparameter of the learning rate is left",
        ),
        ({"search": {"early-stopping": {"min-epochs": 0}}}, "search.early-stopping.min-epochs"),
        ({"search": {"early-stopping": {"rule": "best"}}}, "search.early-stopping.rule"),
        ({"search": {"early-stopping": {"reduction": 1}}}, "search.early-stopping.reduction"),
        ({"search": {"batch": 0}}, "search.batch"),
        ({"search": {"strategy": "grid"}}, "a grid needs a finite set of values"),
        ({"reuse": "yes"}, "reuse"),
        ({"phases": []}, "phases"),
        ({"phases": [{"name": "architecture"}], "tune": "automatic"}, '"automatic" has phases of its own'),
        ({"phases": [{"name": "fine-tuning"}]}, "phases.0.name"),
    ],
)  # fmt: skip
def test_an_impossible_spec_gives_one_line(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        define(ADAPTIVE | changes)
    assert "\n" not in str(caught.value)


def test_all_fixed_is_nothing_to_tune():
    everything = {
        name: hyperparameter.default for name, hyperparameter in architectures.hyperparameters("bag-of-words").items()
    }
    for tune in ("automatic", "learning-rate", "parameters"):
        with pytest.raises(UserError, match=r"parameters: .*to tune"):
            define(AUTOMATIC | {"tune": tune, "parameters": everything})
    with pytest.raises(UserError, match=r"parameters: .*to tune"):
        define(AUTOMATIC | {"tune": "parameters", "parameters": everything, "phases": [{"name": "architecture"}]})
