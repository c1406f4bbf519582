"""Infers the properties of a metric from its name: its goal, its scale (ratio or difference), its rope, its bounds.

A metric whose name implies no goal needs a `goal` in the spec.
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
# A density can exceed one, so its logarithm has either sign.
_ANY_SIGN = ("nll", "neg_log_likelihood", "negative_log_likelihood", "elbo", "neg_elbo")
_ROPE_BELOW_ONE = 0.002
"""Rope of a metric that is one at best: 0.2 percentage points."""
# Words around a metric's name that keep its direction, unlike those of `neg_mse`, `auc_gap` or `loss_reduction`.
_AROUND = frozenset(
    (
        *("train", "training", "val", "valid", "validation", "dev", "eval", "test", "holdout", "cv", "oof"),
        *("mean", "avg", "average", "median", "macro", "micro", "weighted", "balanced", "binary", "total"),
        *("final", "best", "last", "epoch", "roc", "pr", "top1", "top3", "top5", "score", "rate"),
    )
)


def usual_goal(metric: object) -> Goal | None:
    """The goal of a well-known metric, also with words around its name, like `val_auc`; None for any other."""
    return _DIRECTIONS.get(_core(metric)) if isinstance(metric, str) else None


def usual_scale(metric: object, goal: object) -> ScaleName:
    """`ratio` for positive errors; `difference` for metrics that are bounded above, or may be zero or negative.

    An unknown metric counts as a positive error if less of it is better.
    """
    name = _core(metric) if isinstance(metric, str) else ""
    if name in _LESS_IS_BETTER:
        return "ratio"
    return "difference" if name in (*_MORE_IS_BETTER, *_ANY_SIGN) or goal == "maximize" else "ratio"


def usual_rope(metric: str, scale: ScaleName) -> float:
    """The default rope, the largest gain that is not worth having: a share for `ratio`, else in the metric's units.

    It is zero for a metric without known units: every gain counts.
    """
    if scale == "ratio":
        return ROPE
    return _ROPE_BELOW_ONE if bounds(metric)[1] == 1 else 0.0


def bounds(metric: str) -> tuple[float, float]:
    """The lowest and the highest value of a metric; infinite where its name implies no bound."""
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
