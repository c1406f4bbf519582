import math
import random
import warnings
from collections.abc import Callable

import pytest

from pipeline.analysis.importance import Experiments, best_values, importances, interaction
from pipeline.space import Assignment, Interval, Space, Values

SPACE: Space = {
    "learning_rate": Interval(low=1e-4, high=1e-1, log=True),
    "dropout": Interval(low=0.0, high=0.5),
    "hidden_size": Interval(low=16, high=256, log=True),
    "batch_size": Values(values=(256, 512, 1024)),
    "activation": Values(values=("relu", "tanh")),
}


def tried(
    count: int, error: Callable[[Assignment], float], seed: int = 0, noise: float = 0.1, space: Space = SPACE
) -> Experiments:
    draw = random.Random(seed)
    settings = [{name: domain.at(draw.random()) for name, domain in space.items()} for _ in range(count)]
    return Experiments(settings, [math.exp(error(one) + draw.gauss(0, noise)) for one in settings], space)


def by_rate(setting: Assignment) -> float:
    return (math.log10(float(setting["learning_rate"] or 1)) + 2) ** 2


def flat(setting: Assignment) -> float:
    return 0.0


def rates(first: float, second: float) -> Callable[[Assignment], float]:
    return lambda setting: first * by_rate(setting) + second * (setting["activation"] == "tanh")


def test_what_the_results_depend_on_comes_first_and_is_clear():
    found = importances(tried(40, by_rate))
    assert found[0].name == "learning_rate"
    assert found[0].clear
    assert found[0].share > 0.5
    assert not any(one.clear for one in found[1:])


def test_what_matters_less_comes_second():
    found = importances(tried(200, rates(1, 0.5)))
    assert [one.name for one in found[:2]] == ["learning_rate", "activation"]
    assert [one.clear for one in found] == [True, True, False, False, False]


def test_where_nothing_matters_hardly_any_sweep_says_that_something_does():
    alarms = sum(any(one.clear for one in importances(tried(16, flat, seed))) for seed in range(20))
    assert alarms <= 3


def test_of_few_experiments_nothing_is_said():
    assert importances(tried(11, by_rate)) == []
    assert interaction(tried(11, by_rate), "learning_rate", "batch_size") is None


def test_the_same_experiments_give_the_same_numbers():
    assert importances(tried(30, by_rate)) == importances(tried(30, by_rate))


def test_whoever_asks_hears_nothing_but_the_answer(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importances(tried(20, by_rate))
    assert capfd.readouterr() == ("", "")


def test_a_monotone_change_of_the_values_changes_nothing():
    known = tried(40, by_rate)
    assert importances(known) == importances(Experiments(known.assignments, [v**3 for v in known.values], SPACE))


def test_settings_that_diverged_count_as_bad_ones():
    known = tried(60, flat, noise=0.01)
    values = [
        math.inf if float(one["learning_rate"] or 0) > 0.005 else value
        for one, value in zip(known.assignments, known.values, strict=True)
    ]
    known = Experiments(known.assignments, values, SPACE)
    assert importances(known)[0].name == "learning_rate"
    assert best_values(known)[0].part.high < 0.01


def test_values_that_are_all_the_same_make_nothing_important():
    known = tried(30, flat, noise=0)
    assert all(one.share == 0 and not one.clear for one in importances(known))


def test_where_a_hyperparameter_is_of_no_use_it_is_not_looked_at():
    space: Space = {
        "optimizer": Values(values=("adam", "sgd")),
        "momentum": Interval(low=0.0, high=1.0, when={"optimizer": ("sgd",)}),  # type: ignore[arg-type]
        "dropout": Interval(low=0.0, high=0.5),
    }
    known = tried(80, lambda one: 2 * abs(float(one["momentum"] or 0) - 0.2) * (one["optimizer"] == "sgd"), space=space)
    settings = [one if one["optimizer"] == "sgd" else one | {"momentum": 0.9} for one in known.assignments]
    known = Experiments(settings, known.values, space)
    momentum = next(one for one in importances(known) if one.name == "momentum")
    sgd = sum(one["optimizer"] == "sgd" for one in settings)
    assert momentum.experiments == sgd < 80
    best = next(one for one in best_values(known) if one.name == "momentum")
    assert best.of == sgd
    assert best.part.low == pytest.approx(0.0) or best.part.low == pytest.approx(0.2)


@pytest.mark.parametrize("values", [(1, 1.0, True), (None, "x", 2), ("a", "b"), tuple(range(20))])
def test_values_of_every_kind_are_told_apart(values):
    space: Space = {"odd": Values(values=values), "dropout": Interval(low=0.0, high=0.5)}
    known = tried(60, lambda one: 3.0 * (str(one["odd"]) == str(values[0])), space=space)
    assert {one.name for one in importances(known)} == {"odd", "dropout"}
    assert sum(len(part.members) for part in known.parts("odd")) == 60


def test_an_incumbent_outside_what_was_searched_is_one_of_the_experiments():
    known = tried(30, by_rate)
    settings = [*known.assignments, known.assignments[0] | {"learning_rate": 0.5, "batch_size": 7}]
    known = Experiments(settings, [*known.values, 0.001], SPACE)
    assert len(importances(known)) == 5
    assert known.parts("learning_rate")[-1].high == pytest.approx(0.5)


def test_the_best_value_says_how_many_experiments_stand_behind_it():
    best = {one.name: one for one in best_values(tried(60, rates(1, 1)))}
    assert best["activation"].part.value == "relu"
    assert len(best["activation"].part.members) < best["activation"].of == 60
    assert best["learning_rate"].part.low < 0.01 < best["learning_rate"].part.high


def test_one_lucky_experiment_is_no_best_value():
    known = tried(30, flat)
    settings = [*known.assignments, known.assignments[0] | {"batch_size": 2048}]
    best = best_values(Experiments(settings, [*known.values, 1e-6], SPACE))
    assert next(one for one in best if one.name == "batch_size").part.value != 2048


def test_what_two_do_only_together_is_seen():
    def together(setting: Assignment) -> float:
        return float((setting["batch_size"] == 256) == (setting["activation"] == "relu"))

    found = interaction(tried(60, together), "batch_size", "activation")
    assert found is not None
    assert found.clear
    assert found.share > 0.5
    assert sum(count for _, count in found.cells.values()) == 60
    medians = {(found.parts[0][a].value, found.parts[1][b].value): value for (a, b), (value, _) in found.cells.items()}
    assert medians[256, "relu"] > 2 * medians[256, "tanh"]


def test_two_that_act_each_alone_explain_no_more_together():
    alarms = [interaction(tried(80, rates(1, 1), seed), "batch_size", "activation") for seed in range(20)]
    assert sum(one is not None and one.clear for one in alarms) <= 3
    assert all(one is not None and one.share < 0.3 for one in alarms)
