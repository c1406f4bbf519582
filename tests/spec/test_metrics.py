"""Which direction of a metric is better, where the spec does not say so."""

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
def test_a_metric_that_everybody_knows_has_a_direction(metric, goal):
    assert usual_goal(metric) == goal


def test_a_known_metric_needs_no_goal_and_the_sweep_says_it():
    definition = define(BASE | {"objective": {"metric": "val_auc"}})
    assert definition.objective.goal == "maximize"
    assert definition.spec["objective"] == {"metric": "val_auc", "goal": "maximize"}
    assert not definition.decided


def test_any_other_metric_needs_one():
    with pytest.raises(UserError) as caught:
        spec.from_dict(BASE | {"objective": {"metric": "ndcg"}}, "s")
    assert str(caught.value) == (
        "s: objective.goal: is missing: whether more or less ndcg is better, nobody knows; "
        'write "goal": "maximize", or "goal": "minimize"'
    )
    assert define(BASE | {"objective": {"metric": "ndcg", "goal": "maximize"}}).objective.goal == "maximize"


def test_an_unusual_goal_is_kept_and_said():
    definition = define(BASE | {"objective": {"metric": "auc", "goal": "minimize"}})
    assert definition.objective.goal == "minimize"
    assert definition.decided == ("objective: minimizes auc, as `goal` says; usually more of it is better",)


def test_a_column_is_not_a_metric():
    asked = BASE | {"objective": {"metric": "auc_valid"}, "metrics-pattern": r"(?P<auc_valid>\S+) (?P<auc_test>\S+)"}
    with pytest.raises(UserError, match=r'objective\.metric: "auc_valid" is a column: write "auc", whose auc_valid'):
        spec.from_dict(asked, "s")


@pytest.mark.parametrize("frozen", [{"metric": "auc"}, {"metric": "auc", "goal": "minimize"}])
def test_a_sweep_of_before_keeps_its_direction_and_so_does_its_spec(frozen):
    raw = define(BASE | {"objective": {"metric": "auc"}}).model_dump(mode="json", by_alias=True)
    before = Definition.model_validate(
        raw | {"objective": frozen, "spec": raw["spec"] | {"objective": {"metric": "auc"}}}
    )
    assert before.objective.goal == "minimize"
    assert spec.from_dict(before.spec).objective.goal == "minimize"


def test_a_spec_that_names_no_metric_is_kept_as_it_was_written():
    definition = define(BASE | {"objective": {}})
    assert Definition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition
