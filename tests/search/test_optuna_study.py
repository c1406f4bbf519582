"""What goes wrong when an Optuna study is rebuilt for every round, and does not here."""

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


def tried(n=14, space=SQUARE, value=lambda one: (one["a"] - 0.3) ** 2 + (one["b"] - 0.6) ** 2):
    return [Tried(one, value(one)) for one in STRATEGIES["random"](space, [], 0, n)]


@every_adaptive
def test_one_seed_for_all_rounds_does_not_repeat_points(strategy):
    seen = []
    for _ in range(3):
        new = strategy(SQUARE, [Tried(one, 1.0) for one in seen], 7, 3)
        for one in new:
            nearest = min((math.dist(one.values(), other.values()) for other in seen), default=1)
            assert nearest > 1e-3
        seen += new


@every_adaptive
def test_the_experiments_of_a_round_see_each_other(strategy):
    """Asked for one by one they would come to the same point; each is as good as if the round were shorter."""
    history = tried()
    together = strategy(SQUARE, history, 3, 4)
    assert strategy(SQUARE, history, 3, 2) == together[:2]
    apart = [math.dist(one.values(), other.values()) for one in together for other in together if one is not other]
    assert min(apart) > 0.01


def test_a_process_asked_for_one_at_a_time_would_repeat_itself():
    """The reason for the test above."""
    history = tried()
    alone = [STRATEGIES["gp"](SQUARE, history, seed, 1)[0] for seed in range(3)]
    assert max(math.dist(one.values(), alone[0].values()) for one in alone) < 1e-3


@every_adaptive
def test_a_history_in_another_order_is_another_history(strategy):
    """Why experiments are given in the order of their numbers, never in the order in which they ended."""
    history = tried(30)
    assert strategy(SQUARE, list(history), 3, 2) == strategy(SQUARE, tried(30), 3, 2)
    if strategy is STRATEGIES["tpe"]:
        assert strategy(SQUARE, history[::-1], 3, 2) != strategy(SQUARE, history, 3, 2)


@every_adaptive
def test_diverged_is_as_bad_as_the_worst_that_did_not(strategy):
    history = tried()
    worst = max(one.value for one in history)
    for loss in (math.inf, worst):
        ends = [Tried({"a": 0.99, "b": at / 10}, loss) for at in range(3)]
        said = strategy(SQUARE, [*history, *ends], 3, 2)
        if math.isinf(loss):
            expected = said
    assert said == expected


@every_adaptive
def test_where_all_diverged_the_search_goes_on_at_random(strategy):
    history = [Tried(one.assignment, math.inf) for one in tried()]
    assert strategy(SQUARE, history, 3, 3) == strategy(SQUARE, [Tried(one.assignment) for one in history], 3, 3)


@every_adaptive
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e300, -1e300, 1e99, 0.0])
def test_values_of_any_size_are_borne(strategy, value):
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

    def history(kept):
        past = tried(16, space, lambda one: abs(math.log(one["lr"])) + (one["optimizer"] == "sgd") * one["momentum"])
        idle = {"adam": {"momentum": kept}, "sgd": {}}
        return [Tried(one.assignment | idle[one.assignment["optimizer"]], one.value) for one in past]

    assert strategy(space, history(0.0), 3, 3) == strategy(space, history(0.5), 3, 3)


@every_adaptive
def test_nothing_is_said_and_nothing_global_is_touched(strategy, capfd):
    torch = pytest.importorskip("torch")
    strategy(SQUARE, tried(), 3, 1)
    capfd.readouterr()

    def everything():
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            dict(os.environ),
            logging.getLogger("optuna").level,
            logging.getLogger().level,
        )

    before = everything()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        strategy(SQUARE, [*tried(), Tried({"a": 0.5, "b": 0.5}, math.inf)], 3, 2)
    assert everything() == before
    assert capfd.readouterr() == ("", "")


ANOTHER_PROCESS = """
import json, sys
from pipeline import search
heavy = sorted({"numpy", "scipy", "optuna", "torch"} & set(sys.modules))
from tests.search.test_optuna_study import SQUARE, tried
said = {name: search.STRATEGIES[name](SQUARE, tried(), 3, 2) for name in ("sobol", "tpe", "gp")}
print(json.dumps({"imported": heavy, "said": said}))
"""


def test_another_process_with_other_threads_and_hashes_says_the_same():
    environment = {**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert answer["imported"] == [], "importing pipeline.search must stay cheap"
    for name, said in answer["said"].items():
        for one, other in zip(STRATEGIES[name](SQUARE, tried(), 3, 2), said, strict=True):
            assert list(one.values()) == pytest.approx(list(other.values()), rel=1e-4)
