import math
import random
from collections.abc import Callable

import pytest

from pipeline.analysis.importance import Experiments
from pipeline.analysis.suggestion import FEWEST, suggest
from pipeline.space import Assignment, Domain, Interval, Space, Values

RATE = Interval(low=1e-4, high=1e-1, log=True)
SPACE: Space = {
    "learning_rate": RATE,
    "dropout": Interval(low=0.0, high=0.5),
    "layers": Interval(low=1, high=3),
    "batch_size": Values(values=(256, 512, 1024)),
    "activation": Values(values=("relu", "tanh", "gelu")),
}
LIMITS: Space = {"learning_rate": Interval(low=0.0, high=1000.0), "dropout": Interval(low=0.0, high=0.6)}


def tried(
    error: Callable[[Assignment], float], count: int = 40, seed: int = 0, space: Space = SPACE, noise: float = 0.1
) -> Experiments:
    draw = random.Random(seed)
    settings = [{name: domain.at(draw.random()) for name, domain in space.items()} for _ in range(count)]
    return Experiments(settings, [math.exp(error(setting) + draw.gauss(0, noise)) for setting in settings], space)


def number(setting: Assignment, name: str) -> float:
    value = setting[name]
    assert isinstance(value, int | float)
    return value


def best_rate(rate: float) -> Callable[[Assignment], float]:
    return lambda setting: (math.log10(number(setting, "learning_rate")) - math.log10(rate)) ** 2


def new_domain(domain: Domain, error: Callable[[float], float], count: int = 40, limit: Domain | None = None) -> Domain:
    """The suggested domain of the only hyperparameter."""
    experiments = tried(lambda setting: error(setting["x"]), count, space={"x": domain}, noise=0.01)  # type: ignore[arg-type]
    suggestion = suggest(experiments, {"x": limit} if limit else {})
    assert set(suggestion.reasons) == ({"x"} if suggestion.domains["x"] != domain else set())
    return suggestion.domains["x"]


def test_a_range_shrinks_to_where_the_best_lie():
    suggestion = suggest(tried(best_rate(0.003)), LIMITS)
    domain = suggestion.domains["learning_rate"]
    assert isinstance(domain, Interval)
    assert 1e-4 < domain.low < 0.003 < domain.high < 0.03
    assert domain.log
    assert list(suggestion.reasons) == ["learning_rate"]
    assert "the best 10 of 40 experiments all lie from 0.0" in suggestion.reasons["learning_rate"]
    assert "so far 0.0001 to 0.1" in suggestion.reasons["learning_rate"]
    assert {name: suggestion.domains[name] for name in list(SPACE)[1:]} == {
        name: SPACE[name] for name in list(SPACE)[1:]
    }


@pytest.mark.parametrize("rate", [0.1, 10.0])
def test_a_range_is_extended_where_the_best_lies_at_its_end_or_beyond(rate):
    suggestion = suggest(tried(best_rate(rate), seed=1), LIMITS)
    domain = suggestion.domains["learning_rate"]
    assert isinstance(domain, Interval)
    assert domain.high == pytest.approx(1.0)
    assert domain.low > 1e-4
    assert "towards the upper end, one of the best 3 at it: now" in suggestion.reasons["learning_rate"]


def test_a_range_is_extended_downward_too():
    domain = suggest(tried(best_rate(1e-6)), LIMITS).domains["learning_rate"]
    assert isinstance(domain, Interval)
    assert domain.low == pytest.approx(1e-5)


def test_a_range_stays_within_the_limits_of_the_architecture():
    suggestion = suggest(tried(lambda setting: -3 * number(setting, "dropout")), LIMITS)
    assert suggestion.domains["dropout"].high == 0.6  # type: ignore[union-attr]
    assert new_domain(RATE, lambda x: -math.log(x), limit=RATE) in (
        RATE,
        RATE.model_copy(update={"low": lowest_rate()}),
    )


def lowest_rate() -> float:
    domain = new_domain(RATE, lambda x: -math.log(x), limit=RATE)
    assert isinstance(domain, Interval)
    assert domain.high == RATE.high
    return float(domain.low)


def test_a_domain_above_zero_stays_above_zero_without_limits():
    assert new_domain(Interval(low=0.0, high=0.5), lambda x: x).low >= 0  # type: ignore[union-attr]
    assert new_domain(Interval(low=2, high=9), lambda x: x).low == 1  # type: ignore[union-attr]
    assert new_domain(Values(values=(1, 2, 3)), lambda x: x) == Values(values=(1, 2))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("count", [8, 20, 60])
def test_where_nothing_matters_nothing_changes(seed, count):
    suggestion = suggest(tried(lambda setting: 0.0, count, seed + 100), LIMITS)
    assert suggestion.domains == SPACE
    assert suggestion.reasons == {}
    assert "more than luck" in suggestion.note


def test_where_all_values_are_the_same_nothing_changes():
    assert suggest(tried(lambda setting: 0.0, noise=0), LIMITS).reasons == {}


def test_few_experiments_give_no_suggestion_and_the_note_says_so():
    suggestion = suggest(tried(best_rate(0.1), FEWEST - 1), LIMITS)
    assert suggestion.domains == SPACE
    assert suggestion.note == "Only 7 experiments have a result to compare; from 8 on, other ranges are suggested."


@pytest.mark.parametrize(
    ("values", "further"),
    [((32, 64, 128), 256), ((1, 2, 3), 4), ((0.0, 1e-3, 1e-2), 0.1), ((0.1, 0.2, 0.3), 0.4), ((64, 16, 256), 1024)],
)
def test_a_list_gets_the_next_number_on_the_side_where_the_best_lie(values, further):
    domain = new_domain(Values(values=values), lambda x: -math.log(x + 1e-4))
    assert isinstance(domain, Values)
    assert further in domain.values


def test_a_number_is_added_only_where_the_limits_allow_it():
    domain = new_domain(Values(values=(1, 2, 3)), lambda x: -x, limit=Interval(low=1, high=3))
    assert max(domain.values) == 3  # type: ignore[union-attr, type-var]


def test_values_that_no_experiment_of_the_better_half_has_are_dropped():
    suggestion = suggest(tried(lambda setting: 2.0 * (setting["activation"] == "tanh")), LIMITS)
    assert suggestion.domains["activation"] == Values(values=("relu", "gelu"))
    assert "has tanh: dropped" in suggestion.reasons["activation"]


def test_one_value_is_left_only_where_all_of_the_better_half_agree():
    suggestion = suggest(tried(lambda setting: 2.0 * (setting["activation"] != "tanh"), 100), LIMITS)
    # A third of the experiments have it, so the better half have others, too.
    assert len(suggestion.domains["activation"].grid()) >= 2
    experiments = tried(lambda setting: 2.0 * (setting["activation"] != "relu"), 60)
    relu = [at for at, setting in enumerate(experiments.assignments) if setting["activation"] == "relu"]
    others = [at for at in range(60) if at not in relu][: len(relu)]
    chosen = [*relu, *others]
    halved = Experiments(
        [experiments.assignments[at] for at in chosen], [experiments.values[at] for at in chosen], SPACE
    )
    assert suggest(halved, LIMITS).domains["activation"] == Values(values=("relu",))


def test_a_rarely_tried_value_is_not_dropped():
    settings: list[Assignment] = [{"x": "a" if at % 2 else "b"} for at in range(20)]
    experiments = Experiments([*settings, {"x": "c"}], [*range(20), 30.0], {"x": Values(values=("a", "b", "c"))})
    assert suggest(experiments, {}).reasons == {}


def test_a_space_never_shrinks_to_a_single_setting():
    settings: list[Assignment] = [{"x": "a" if at < 10 else "b"} for at in range(20)]
    experiments = Experiments(settings, list(range(20)), {"x": Values(values=("a", "b"))})
    assert suggest(experiments, {}).domains == experiments.domains


def test_a_hyperparameter_of_a_dropped_value_is_left_out():
    space: Space = {
        "optimizer": Values(values=("adam", "sgd", "lion")),
        "momentum": Interval(low=0.0, high=1.0, when={"optimizer": ("sgd",)}),  # type: ignore[arg-type]
    }
    suggestion = suggest(tried(lambda setting: 2.0 * (setting["optimizer"] == "sgd"), 60, space=space), {})
    assert list(suggestion.domains) == ["optimizer"]
    assert "only of use where optimizer is sgd" in suggestion.reasons["momentum"]


def test_a_hyperparameter_of_one_that_is_left_out_is_left_out_too():
    space: Space = {
        "optimizer": Values(values=("adam", "sgd", "lion")),
        "momentum": Values(values=("plain", "nesterov"), when={"optimizer": ("sgd",)}),  # type: ignore[arg-type]
        "decay": Interval(low=0.0, high=1.0, when={"momentum": ("nesterov",)}),  # type: ignore[arg-type]
    }
    suggestion = suggest(tried(lambda setting: 2.0 * (setting["optimizer"] == "sgd"), 60, space=space), {})
    assert list(suggestion.domains) == ["optimizer"]
    assert "only of use where momentum is nesterov" in suggestion.reasons["decay"]


def test_a_condition_stays_with_its_hyperparameter():
    space: Space = {
        "optimizer": Values(values=("adam", "sgd")),
        "momentum": Interval(low=0.0, high=1.0, when={"optimizer": ("sgd",)}),  # type: ignore[arg-type]
    }

    def error(setting: Assignment) -> float:
        return 4 * abs(number(setting, "momentum") - 0.5) if setting["optimizer"] == "sgd" else 1.0

    domain = suggest(tried(error, 100, space=space), {}).domains["momentum"]
    assert domain != space["momentum"]
    assert domain.when == {"optimizer": ("sgd",)}


def test_settings_that_diverged_are_no_reason_to_go_there():
    experiments = tried(best_rate(0.1), 60)
    values = [
        math.inf if number(setting, "learning_rate") > 0.02 else value
        for setting, value in zip(experiments.assignments, experiments.values, strict=True)
    ]
    domain = suggest(Experiments(experiments.assignments, values, SPACE), LIMITS).domains["learning_rate"]
    assert isinstance(domain, Interval)
    assert domain.high < 0.1


def test_a_step_is_kept():
    domain = new_domain(Interval(low=10, high=100, step=10), lambda x: -x)
    assert isinstance(domain, Interval)
    assert (domain.high, domain.step) == (130, 10)
    assert domain.low % 10 == 0
