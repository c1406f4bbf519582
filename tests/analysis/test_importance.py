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
    return Experiments(settings, [math.exp(error(setting) + draw.gauss(0, noise)) for setting in settings], space)


def by_rate(setting: Assignment) -> float:
    return (math.log10(float(setting["learning_rate"] or 1)) + 2) ** 2


def flat(setting: Assignment) -> float:
    return 0.0


def rates(first: float, second: float) -> Callable[[Assignment], float]:
    return lambda setting: first * by_rate(setting) + second * (setting["activation"] == "tanh")


def test_the_hyperparameter_that_matters_comes_first_and_is_clear():
    ranked = importances(tried(40, by_rate))
    assert ranked[0].name == "learning_rate"
    assert ranked[0].clear
    assert ranked[0].share > 0.5
    assert not any(importance.clear for importance in ranked[1:])


def test_a_hyperparameter_that_matters_less_comes_second():
    ranked = importances(tried(200, rates(1, 0.5)))
    assert [importance.name for importance in ranked[:2]] == ["learning_rate", "activation"]
    assert [importance.clear for importance in ranked] == [True, True, False, False, False]


def test_where_nothing_matters_hardly_any_sweep_has_a_clear_hyperparameter():
    alarms = sum(any(importance.clear for importance in importances(tried(16, flat, seed))) for seed in range(20))
    assert alarms <= 3


def test_few_experiments_have_no_importances():
    assert importances(tried(11, by_rate)) == []
    assert interaction(tried(11, by_rate), "learning_rate", "batch_size") is None


def test_the_same_experiments_give_the_same_numbers():
    assert importances(tried(30, by_rate)) == importances(tried(30, by_rate))


def test_importances_print_nothing(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importances(tried(20, by_rate))
    assert capfd.readouterr() == ("", "")


def test_a_monotone_change_of_the_values_changes_nothing():
    experiments = tried(40, by_rate)
    assert importances(experiments) == importances(
        Experiments(experiments.assignments, [v**3 for v in experiments.values], SPACE)
    )


def test_settings_that_diverged_count_as_bad_ones():
    experiments = tried(60, flat, noise=0.01)
    values = [
        math.inf if float(setting["learning_rate"] or 0) > 0.005 else value
        for setting, value in zip(experiments.assignments, experiments.values, strict=True)
    ]
    experiments = Experiments(experiments.assignments, values, SPACE)
    assert importances(experiments)[0].name == "learning_rate"
    assert best_values(experiments)[0].part.high < 0.01


def test_values_that_are_all_the_same_make_nothing_important():
    experiments = tried(30, flat, noise=0)
    assert all(importance.share == 0 and not importance.clear for importance in importances(experiments))


def test_only_experiments_in_which_a_hyperparameter_is_active_count():
    space: Space = {
        "optimizer": Values(values=("adam", "sgd")),
        "momentum": Interval(low=0.0, high=1.0, when={"optimizer": ("sgd",)}),  # type: ignore[arg-type]
        "dropout": Interval(low=0.0, high=0.5),
    }
    experiments = tried(
        80,
        lambda setting: 2 * abs(float(setting["momentum"] or 0) - 0.2) * (setting["optimizer"] == "sgd"),
        space=space,
    )
    settings = [
        setting if setting["optimizer"] == "sgd" else setting | {"momentum": 0.9} for setting in experiments.assignments
    ]
    experiments = Experiments(settings, experiments.values, space)
    momentum = next(importance for importance in importances(experiments) if importance.name == "momentum")
    sgd = sum(setting["optimizer"] == "sgd" for setting in settings)
    assert momentum.experiments == sgd < 80
    best = next(best_value for best_value in best_values(experiments) if best_value.name == "momentum")
    assert best.of == sgd
    assert best.part.low == pytest.approx(0.0) or best.part.low == pytest.approx(0.2)


@pytest.mark.parametrize("values", [(1, 1.0, True), (None, "x", 2), ("a", "b"), tuple(range(20))])
def test_values_of_different_types_are_different(values):
    space: Space = {"odd": Values(values=values), "dropout": Interval(low=0.0, high=0.5)}
    experiments = tried(60, lambda setting: 3.0 * (str(setting["odd"]) == str(values[0])), space=space)
    assert {importance.name for importance in importances(experiments)} == {"odd", "dropout"}
    assert sum(len(part.members) for part in experiments.parts("odd")) == 60


def test_an_incumbent_outside_the_domain_counts_as_an_experiment():
    experiments = tried(30, by_rate)
    settings = [*experiments.assignments, experiments.assignments[0] | {"learning_rate": 0.5, "batch_size": 7}]
    experiments = Experiments(settings, [*experiments.values, 0.001], SPACE)
    assert len(importances(experiments)) == 5
    assert experiments.parts("learning_rate")[-1].high == pytest.approx(0.5)


def test_the_best_value_counts_its_experiments():
    best = {best_value.name: best_value for best_value in best_values(tried(60, rates(1, 1)))}
    assert best["activation"].part.value == "relu"
    assert len(best["activation"].part.members) < best["activation"].of == 60
    assert best["learning_rate"].part.low < 0.01 < best["learning_rate"].part.high


def test_one_lucky_experiment_is_no_best_value():
    experiments = tried(30, flat)
    settings = [*experiments.assignments, experiments.assignments[0] | {"batch_size": 2048}]
    best = best_values(Experiments(settings, [*experiments.values, 1e-6], SPACE))
    assert next(best_value for best_value in best if best_value.name == "batch_size").part.value != 2048


def test_an_effect_of_two_together_is_clear():
    def together(setting: Assignment) -> float:
        return float((setting["batch_size"] == 256) == (setting["activation"] == "relu"))

    effect = interaction(tried(60, together), "batch_size", "activation")
    assert effect is not None
    assert effect.clear
    assert effect.share > 0.5
    assert sum(count for _, count in effect.cells.values()) == 60
    medians = {
        (effect.parts[0][a].value, effect.parts[1][b].value): value for (a, b), (value, _) in effect.cells.items()
    }
    assert medians[256, "relu"] > 2 * medians[256, "tanh"]


def test_two_independent_effects_have_no_interaction():
    alarms = [interaction(tried(80, rates(1, 1), seed), "batch_size", "activation") for seed in range(20)]
    assert sum(pair is not None and pair.clear for pair in alarms) <= 3
    assert all(pair is not None and pair.share < 0.3 for pair in alarms)
