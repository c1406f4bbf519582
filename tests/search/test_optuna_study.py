"""Mistakes that a study of Optuna, rebuilt for every round, would invite."""

import itertools
import json
import logging
import math
import os
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest

from pipeline.search import ADAPTIVE, STRATEGIES, SearchSpace, Tried
from pipeline.space import Interval, Values

every_adaptive = pytest.mark.parametrize(
    "strategy", [STRATEGIES[name] for name in sorted(ADAPTIVE)], ids=sorted(ADAPTIVE)
)

SQUARE = SearchSpace({"a": Interval(low=0.0, high=1.0), "b": Interval(low=0.0, high=1.0)})


def bowl(setting):
    return (setting["a"] - 0.3) ** 2 + (setting["b"] - 0.6) ** 2


def tried(n=14, space=SQUARE, value=bowl):
    return [Tried(setting, value(setting)) for setting in STRATEGIES["random"](space, [], 0, n)]


def distance(setting, other):
    return math.dist(setting.values(), other.values())


@every_adaptive
def test_one_seed_for_all_rounds_does_not_repeat_points(strategy):
    earlier = []
    for _ in range(3):
        new = strategy(SQUARE, [Tried(setting, 1.0) for setting in earlier], 7, 3)
        assert all(distance(setting, other) > 1e-3 for setting in new for other in earlier)
        earlier += new


@every_adaptive
def test_the_experiments_of_a_round_see_each_other(strategy):
    """A longer round begins as a shorter one does, and its experiments lie apart."""
    history = tried()
    together = strategy(SQUARE, history, 3, 4)
    assert strategy(SQUARE, history, 3, 2) == together[:2]
    assert min(distance(first, second) for first, second in itertools.combinations(together, 2)) > 0.01


def test_a_process_asked_for_single_experiments_would_repeat_itself():
    """The reason for the test above."""
    history = tried()
    alone = [STRATEGIES["gp"](SQUARE, history, seed, 1)[0] for seed in range(3)]
    assert max(distance(setting, alone[0]) for setting in alone) < 1e-3


@every_adaptive
def test_a_history_in_another_order_is_another_history(strategy):
    """The reason why experiments come in the order of their numbers, never in the order in which they ended."""
    history = tried(30)
    assert strategy(SQUARE, list(history), 3, 2) == strategy(SQUARE, tried(30), 3, 2)
    if strategy is STRATEGIES["tpe"]:
        assert strategy(SQUARE, history[::-1], 3, 2) != strategy(SQUARE, history, 3, 2)


@every_adaptive
def test_diverged_is_as_bad_as_the_worst_that_did_not(strategy):
    history = tried()
    worst = max(experiment.value for experiment in history)

    def settings_after(loss):
        return strategy(SQUARE, [*history, *(Tried({"a": 0.99, "b": at / 10}, loss) for at in range(3))], 3, 2)

    assert settings_after(math.inf) == settings_after(worst)


@every_adaptive
def test_if_all_diverged_the_search_goes_on_at_random(strategy):
    diverged = [Tried(experiment.assignment, math.inf) for experiment in tried()]
    failed = [Tried(experiment.assignment) for experiment in diverged]
    assert strategy(SQUARE, diverged, 3, 3) == strategy(SQUARE, failed, 3, 3)


@every_adaptive
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e300, -1e300, 1e99, 0.0])
def test_values_of_any_size_do_no_harm(strategy, value):
    history = [*tried(), Tried({"a": 0.5, "b": 0.5}, value), Tried({"a": 0.6, "b": 0.5}, math.nan)]
    assert len(strategy(SQUARE, history, 3, 2)) == 2


@every_adaptive
def test_an_inactive_hyperparameter_teaches_nothing(strategy):
    space = SearchSpace(
        {
            "optimizer": Values(values=("sgd", "adam")),
            "lr": Interval(low=1e-5, high=1e-1, log=True),
            "momentum": Interval(low=0.0, high=0.99, when={"optimizer": ("sgd",)}),
        },
        otherwise={"momentum": 0.0},
    )

    def value(setting):
        return abs(math.log(setting["lr"])) + (setting["optimizer"] == "sgd") * setting["momentum"]

    def history(momentum):
        inactive = {"adam": {"momentum": momentum}, "sgd": {}}
        return [
            Tried(experiment.assignment | inactive[experiment.assignment["optimizer"]], experiment.value)
            for experiment in tried(16, space, value)
        ]

    assert strategy(space, history(0.0), 3, 3) == strategy(space, history(0.5), 3, 3)


@every_adaptive
def test_nothing_is_printed_and_nothing_global_changes(strategy, capfd):
    torch = pytest.importorskip("torch")
    strategy(SQUARE, tried(), 3, 1)
    capfd.readouterr()

    def global_state():
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            dict(os.environ),
            logging.getLogger("optuna").level,
            logging.getLogger().level,
        )

    before = global_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        strategy(SQUARE, [*tried(), Tried({"a": 0.5, "b": 0.5}, math.inf)], 3, 2)
    assert global_state() == before
    assert capfd.readouterr() == ("", "")


ANOTHER_PROCESS = """
import json, sys
from pipeline import search
heavy = sorted({"numpy", "scipy", "optuna", "torch"} & set(sys.modules))
from tests.search.test_optuna_study import SQUARE, tried
settings = {name: search.STRATEGIES[name](SQUARE, tried(), 3, 2) for name in ("sobol", "tpe", "gp")}
print(json.dumps({"imported": heavy, "settings": settings}))
"""


def test_another_process_with_other_threads_and_hashes_chooses_the_same():
    environment = {**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert answer["imported"] == [], "importing pipeline.search must stay cheap"
    for name, settings in answer["settings"].items():
        for setting, other in zip(STRATEGIES[name](SQUARE, tried(), 3, 2), settings, strict=True):
            assert list(setting.values()) == pytest.approx(list(other.values()), rel=1e-4)
