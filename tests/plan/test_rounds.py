from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import results, spec
from pipeline.analysis.history import History
from pipeline.errors import UserError
from pipeline.plan import rounds
from pipeline.plan.resolve import resolve
from pipeline.space import identity_of
from pipeline.sweep import Definition, Experiment, Sweep, Trial, training_seed, trials_of
from tests.spec.test_spec import POST
from tests.support.rows import bare_row
from tests.support.sweeps import NOW, define


def finish(sweep: Sweep, trials: Sequence[Trial], status: str = "complete", number: int = 1) -> None:
    for trial in trials:
        row = bare_row(sweep, trial, status=status)
        assert sweep.create_row(trial, row, number)


def first_round(definition: Definition) -> tuple[list[Experiment], list]:
    return rounds.next_round(History.at_start(definition), 0)


def post(**changes: object) -> Definition:
    spec_json = spec.from_json(POST).model_dump(mode="json", by_alias=True, exclude_unset=True)
    return define(spec_json | {"data": {"path": "x.csv", "date": "d", "text": "t", "target": "y"}} | changes)


def test_the_posts_spec_plans_unchanged():
    experiments, packs = first_round(post())
    assert len(experiments) == 21
    assert experiments[0].assignment == post().incumbent
    assert len(packs) == 21
    drawn = [tuple(e.assignment[name] for name in post().phases[0].space) for e in experiments[1:]]
    assert len(set(drawn)) == 20
    assert set(drawn) <= {(r, d, w) for r in (1, 2, 3) for d in (32, 128, 256) for w in (0.1, 0.01, 0.001)}


def test_the_whole_grid_is_planned_with_the_incumbent_first():
    experiments, _ = first_round(post(search={"strategy": "grid"}))
    assert len(experiments) == 28  # d_a = 64, the default, is no point of the post's grid
    assert experiments[0].id == "e000"


def test_an_incumbent_inside_the_grid_is_not_run_twice():
    incumbent = {"num_of_attentions": 2, "attention_hidden_layer_size": 128, "attention_regularization": 0.01}
    experiments, _ = first_round(post(search={"strategy": "grid"}, incumbent=incumbent))
    assert len(experiments) == 27
    assert len({identity_of(e.assignment) for e in experiments}) == 27


def test_a_fixed_value_holds_for_the_incumbent_too():
    definition = define(
        {"architecture": "cnn", "data": "flights", "parameters": {"dropout": 0.25, "learning_rate": [0.01, 0.1]}}
    )
    experiments, _ = first_round(definition)
    assert {e.assignment["dropout"] for e in experiments} == {0.25}
    assert list(definition.phases[0].space) == ["learning_rate"]


def test_each_experiment_runs_once_per_date_range_and_seed():
    definition = define(
        {
            "architecture": "cnn",
            "data": "flights",
            "parameters": {"learning_rate": [0.01, 0.1]},
            "search": {"seeds-per-range": 2},
        }
    )
    experiments, packs = first_round(definition)
    trials = list(trials_of(packs))
    assert len(trials) == len(set(trials)) == len(experiments) * 3 * 2
    assert len({pack.id for pack in packs}) == len(packs)


def test_trainings_on_the_same_range_and_seed_index_share_their_seed_and_no_others_do():
    definition = define({"architecture": "cnn", "data": "flights", "parameters": {"learning_rate": [0.01, 0.1]}})
    seeds = {
        (range_, seed): {training_seed(definition, Trial("screen", e, range_, seed)) for e in ("e000", "e001")}
        for range_ in range(3)
        for seed in range(2)
    }
    assert all(len(shared) == 1 for shared in seeds.values())
    assert len(set.union(*seeds.values())) == 6


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    values=st.lists(st.floats(0.001, 1), min_size=1, max_size=6, unique=True),
    strategy=st.sampled_from(["grid", "random"]),
    months=st.integers(1, 12),
)
def test_a_plan_is_repeatable_distinct_and_has_the_incumbent_first(seed, values, strategy, months):
    spec_json = {
        "architecture": "bag-of-words",
        "data": {"path": "x.csv", "date": "d", "text": "t", "target": "y"},
        "parameters": {"learning_rate": values, "hidden_size": [16, 32]},
        "search": {"strategy": strategy, "seed": seed},
        "as-of": date(2024, months, 1).isoformat(),
    }
    experiments, packs = first_round(define(spec_json))
    assert (experiments, packs) == first_round(define(spec_json, token="aaaa"))
    assert experiments[0].assignment == define(spec_json).incumbent
    assert len({identity_of(e.assignment) for e in experiments}) == len(experiments)
    assert len(list(trials_of(packs))) == 3 * len(experiments)


def test_another_day_plans_other_ranges():
    parsed = spec.from_dict({"architecture": "cnn", "parameters": {"dropout": [0.1, 0.2]}})
    files = {"path": "x", "date": "d", "text": "t", "target": "y"}
    data = spec.from_dict({"architecture": "cnn", "parameters": {"dropout": [0.1]}, "data": files}).data
    june = resolve(parsed, now=NOW, token="0000", data=data).phases[0].ranges
    later = parsed.model_copy(update={"as_of": date(2024, 7, 1)})
    july = resolve(later, now=NOW, token="0000", data=data).phases[0].ranges
    assert [str(r) for r in june] == [
        "[2024-01-01, 2024-04-01)",
        "[2024-02-01, 2024-05-01)",
        "[2024-03-01, 2024-06-01)",
    ]
    assert june[1:] == july[:2]


def test_the_built_in_data_have_a_today_of_their_own():
    definition = define({"architecture": "cnn", "data": "flights", "parameters": {"dropout": [0.1, 0.2]}})
    assert definition.as_of == date(2014, 1, 1)
    assert str(definition.phases[0].ranges[-1]) == "[2013-10-01, 2014-01-01)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": {"experiments": 30}}, "there are only 28, the setting to beat included"),
        ({"parameters": {"dropout": {"low": 0.1, "high": 0.5}}, "search": {"strategy": "grid"}}, "grid needs a finite"),
        ({"parameters": {"dropout": 0.1}}, "nothing to tune"),
        ({"date-range": [["2017-01-01", "2017-01-08"]]}, "leave none to train on"),
        ({"data": "flights"}, "none of the days that the data cover"),
        ({"confirm-range": [["2017-01-10", "2017-03-20"]]}, "is not fresh"),
        ({"phases": [{"name": "screen"}, {"name": "screen"}]}, "is named twice"),
    ],
)
def test_an_impossible_plan_gives_one_line_before_anything_starts(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        post(**changes)
    assert "\n" not in str(caught.value)


def test_no_data_names_the_three_places_for_it():
    with pytest.raises(UserError, match=r'"data" in the spec, give --data, or .* hpt.toml'):
        define({"architecture": "cnn", "parameters": {"dropout": [0.1, 0.2]}})


def test_a_round_is_planned_once_and_the_next_when_it_is_drained(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    first = rounds.plan_packs(sweep)
    assert len(first) == 6
    assert rounds.plan_packs(sweep) == first
    assert sweep.rounds() == 1
    trials = list(trials_of(first))
    finish(sweep, trials[:4])
    assert list(trials_of(rounds.plan_packs(sweep))) == trials[4:]
    finish(sweep, trials[4:])
    assert rounds.plan_packs(sweep) == []
    assert rounds.plan_packs(sweep) == []
    assert (sweep.rounds(), sweep.round(1)) == (2, [])


def test_a_retry_plans_exactly_the_failed_and_missing_trials(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    trials = list(trials_of(rounds.plan_packs(sweep)))
    finish(sweep, trials[:2])
    finish(sweep, trials[2:3], "failed")
    finish(sweep, trials[3:4], "diverged")
    finish(sweep, trials[4:5], "timed-out")
    assert list(trials_of(rounds.plan_packs(sweep))) == trials[5:]
    assert list(trials_of(rounds.plan_packs(sweep, retry=True))) == [trials[2], trials[4], trials[5]]
    finish(sweep, trials[2:3], "complete", number=2)
    assert list(trials_of(rounds.plan_packs(sweep, retry=True))) == trials[4:]


def test_labels_are_one_plain_line(new_sweep, tiny_spec):
    _, packs = first_round(
        post(architecture="multi-task", parameters={"weighting": ["uniform", "uncertainty"]}, incumbent={})
    )
    for pack in packs:
        assert len(pack.label) <= 100
        assert pack.label.isprintable()
        assert len(pack.as_line().split("\t")) == 4
    assert packs[1].label == "Jan–Mar 2017: 1 setting, weighting uncertainty"


def test_experiments_come_back_as_they_were_planned(new_sweep, tiny_spec):
    sweep = new_sweep(tiny_spec)
    rounds.plan_packs(sweep)
    planned, _ = first_round(sweep.definition)
    back = sweep.experiments()
    assert list(back.values()) == planned
    for experiment in planned:
        types = {name: type(value) for name, value in back[experiment.id].assignment.items()}
        assert types == {name: type(value) for name, value in experiment.assignment.items()}
    header = sweep.store.read(sweep.key("experiments.csv")).decode().splitlines()[0]
    assert header.startswith("experiment,phase,")
    assert "experiment" in results.RESERVED


@pytest.mark.parametrize("values", [[0, 1], [0, 1.0], {"low": 0, "high": 1, "step": 1}])
def test_a_real_number_written_without_its_point_is_the_same_number(values):
    definition = define(
        {
            "architecture": "cnn",
            "data": "flights",
            "parameters": {"gradient_clip": values},
            "search": {"strategy": "grid"},
        }
    )
    experiments, _ = first_round(definition)
    clips = [e.assignment["gradient_clip"] for e in experiments]
    assert clips == [0.0, 1.0]
    assert {type(clip) for clip in clips} == {float}


def test_a_range_of_reals_between_integers_holds_more_than_integers():
    parameters = {"gradient_clip": {"low": 0, "high": 1}}
    experiments, _ = first_round(define({"architecture": "cnn", "data": "flights", "parameters": parameters}))
    assert len({e.assignment["gradient_clip"] for e in experiments}) == 21


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(UserError) as caught:
        post(
            **{
                "date-range": [["2017-01-01", "2017-01-08"]],
                "search": {"experiments": 99},
                "phases": [{"name": "screen"}, {"name": "screen"}],
            }
        )
    assert len(str(caught.value).splitlines()) == 3
