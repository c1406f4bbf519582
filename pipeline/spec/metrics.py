"""What is known of metrics by their names: which direction is better, whether a gain is a ratio or a difference, how
large one must be to be worth having. Any other metric needs a `goal` in the spec.
"""

import math

from pipeline.results import Goal
from pipeline.scale import ROPE, ScaleName

_SHARES = ("auc", "accuracy", "acc", "f1", "precision", "recall")
_MORE_IS_BETTER = (*_SHARES, "r2")
_LESS_IS_BETTER = ("mse", "rmse", "mae", "mape", "loss", "log_loss", "brier", "error", "ece")
_DIRECTIONS: dict[str, Goal] = {
    **dict.fromkeys(_MORE_IS_BETTER, "maximize"),
    **dict.fromkeys(_LESS_IS_BETTER, "minimize"),
}
# Densities are larger than one where a model is sure, so their logarithms have either sign.
_ANY_SIGN = ("nll", "neg_log_likelihood", "negative_log_likelihood", "elbo", "neg_elbo")
_ROPE_BELOW_ONE = 0.002
"""Of a metric that is one at best: 0.2 points."""
# What may stand around such a name and turns nothing round, unlike `neg_mse`, `auc_gap` or `loss_reduction`.
_AROUND = frozenset(
    (
        *("train", "training", "val", "valid", "validation", "dev", "eval", "test", "holdout", "cv", "oof"),
        *("mean", "avg", "average", "median", "macro", "micro", "weighted", "balanced", "binary", "total"),
        *("final", "best", "last", "epoch", "roc", "pr", "top1", "top3", "top5", "score", "rate"),
    )
)


def usual_goal(metric: object) -> Goal | None:
    """The goal of a metric that everybody knows, `val_auc` and `f1_macro` too; None if its name does not say it."""
    return _DIRECTIONS.get(_core(metric)) if isinstance(metric, str) else None


def usual_scale(metric: object, goal: object) -> ScaleName:
    """By ratio what is a positive error; by difference what is bounded above, or may be zero or negative.

    What nobody knows is taken for an error where less of it is better.
    """
    name = _core(metric) if isinstance(metric, str) else ""
    if name in _LESS_IS_BETTER:
        return "ratio"
    return "difference" if name in (*_MORE_IS_BETTER, *_ANY_SIGN) or goal == "maximize" else "ratio"


def usual_rope(metric: str, scale: ScaleName) -> float:
    """How large a gain must be to be worth having, where a spec does not say it: a share of a ratio, else in the
    metric's own units. Of what has no known units it is zero: every gain counts."""
    if scale == "ratio":
        return ROPE
    return _ROPE_BELOW_ONE if bounds(metric)[1] == 1 else 0.0


def bounds(metric: str) -> tuple[float, float]:
    """Between which a metric lies; infinite where its name does not say it."""
    name = _core(metric)
    if name in (*_SHARES, "brier", "error", "ece"):
        return 0.0, 1.0
    if name == "r2":
        return -math.inf, 1.0
    return (0.0 if name in ("mse", "rmse", "mae", "mape", "log_loss") else -math.inf), math.inf


def _core(metric: str) -> str:
    """`auc` of `val_auc_macro`."""
    words = metric.lower().split("_")
    while words and words[0] in _AROUND:
        words = words[1:]
    while words and words[-1] in _AROUND:
        words = words[:-1]
    return "_".join(words)
