"""The goal, scale and rope that follow from a metric's name."""

import pytest

from pipeline import spec
from pipeline.errors import UserError
from pipeline.spec.metrics import usual_goal
from pipeline.sweep import Definition
from tests.spec.test_trainer import BASE, define


@pytest.mark.parametrize(
    ("metric", "goal"),
    [
        *((name, "maximize") for name in ("auc", "accuracy", "acc", "f1", "precision", "recall", "r2")),
        *((name, "minimize") for name in ("mse", "rmse", "mae", "mape", "loss", "log_loss", "brier", "error", "ece")),
        *(
            (name, "maximize")
            for name in ("val_auc", "auc_valid", "AUC", "roc_auc", "macro_f1", "f1_score", "top5_acc")
        ),
        *((name, "minimize") for name in ("val_loss", "error_rate", "brier_score", "train_log_loss", "mean_mse")),
        *((name, None) for name in ("neg_mse", "auc_gap", "loss_reduction", "perplexity", "score", "x", "aucpr")),
        *((name, None) for name in ("accuracy_loss", "one_minus_auc", "_", "", 3, None)),
    ],
)
def test_a_well_known_metric_has_a_goal(metric, goal):
    assert usual_goal(metric) == goal


def test_a_well_known_metric_needs_no_goal_and_the_sweep_records_it():
    definition = define(BASE | {"objective": {"metric": "val_auc"}})
    assert definition.objective.goal == "maximize"
    assert definition.spec["objective"] == {"metric": "val_auc", "goal": "maximize", "scale": "difference"}
    assert not definition.decided


def test_any_other_metric_needs_a_goal():
    with pytest.raises(UserError) as caught:
        spec.from_dict(BASE | {"objective": {"metric": "ndcg"}}, "s")
    assert str(caught.value) == (
        "s: objective.goal: is missing: nobody knows if more or less ndcg is better; "
        'write "goal": "maximize", or "goal": "minimize"'
    )
    assert define(BASE | {"objective": {"metric": "ndcg", "goal": "maximize"}}).objective.goal == "maximize"


def test_an_unusual_goal_is_kept_and_reported():
    definition = define(BASE | {"objective": {"metric": "auc", "goal": "minimize"}})
    assert definition.objective.goal == "minimize"
    assert definition.decided == ("objective: minimizes auc, as `goal` says; usually more of it is better",)


def test_a_column_is_not_a_metric():
    raw = BASE | {"objective": {"metric": "auc_valid"}, "metrics-pattern": r"(?P<auc_valid>\S+) (?P<auc_test>\S+)"}
    with pytest.raises(UserError, match=r'objective\.metric: "auc_valid" is a column: write "auc", whose auc_valid'):
        spec.from_dict(raw, "s")


@pytest.mark.parametrize("frozen", [{"metric": "auc"}, {"metric": "auc", "goal": "minimize"}])
def test_an_old_sweep_and_its_spec_keep_their_goal(frozen):
    dumped = define(BASE | {"objective": {"metric": "auc"}}).model_dump(mode="json", by_alias=True)
    old = Definition.model_validate(
        dumped | {"objective": frozen, "spec": dumped["spec"] | {"objective": {"metric": "auc"}}}
    )
    assert old.objective.goal == "minimize"
    assert old.objective.scale == "ratio"
    assert spec.from_dict(old.spec).objective.goal == "minimize"


def test_a_spec_that_names_no_metric_is_kept_as_it_was_written():
    definition = define(BASE | {"objective": {}})
    assert Definition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition


@pytest.mark.parametrize(
    ("objective", "scale", "rope"),
    [
        ({"metric": "mae"}, "ratio", 0.005),
        ({"metric": "val_auc"}, "difference", 0.002),
        ({"metric": "r2"}, "difference", 0.002),
        ({"metric": "reward", "goal": "maximize"}, "difference", 0.0),
        ({"metric": "perplexity", "goal": "minimize"}, "ratio", 0.005),
        ({"metric": "nll", "goal": "minimize"}, "difference", 0.0),
        ({"metric": "auc", "scale": "ratio"}, "ratio", 0.005),
        ({"metric": "loss", "scale": "difference"}, "difference", 0.0),
    ],
)
def test_scale_and_rope_follow_from_the_metric_and_are_frozen(objective, scale, rope):
    definition = define(BASE | {"objective": objective})
    assert (definition.objective.scale, definition.rope) == (scale, rope)
    assert definition.confirm.judging.rope == rope


@pytest.mark.parametrize(
    ("objective", "rope", "words"),
    [
        (
            {"metric": "auc"},
            0.01,
            "confirm.rope: 0.01 would be a share of auc, which is judged by",
        ),
        (
            {"metric": "mse"},
            {"absolute": 2},
            "confirm.rope: mse is judged by ratio: write a share of it",
        ),
        ({"metric": "mse"}, -0.1, "confirm.rope: -0.1 is no rope: write a share like 0.005"),
        ({"metric": "auc"}, {"absolut": 0.1}, 'confirm.rope: {"absolut": 0.1} is no rope: write a share like 0.005'),
        ({"metric": "auc"}, {"absolute": "x"}, 'confirm.rope: {"absolute": "x"} is no rope'),
    ],
)
def test_a_rope_that_does_not_fit_the_metric_is_refused_with_advice(objective, rope, words):
    with pytest.raises(UserError) as caught:
        spec.from_dict(BASE | {"objective": objective, "confirm": {"rope": rope}}, "s")
    assert str(caught.value).startswith(f"s: {words}")


def test_a_rope_in_the_units_of_the_metric():
    raw = BASE | {"objective": {"metric": "auc"}, "confirm": {"rope": {"absolute": 0.01}}}
    assert define(raw).confirm.judging.rope == 0.01
