"""Which direction is better, of metrics that everybody knows. Any other metric needs a `goal` in the spec."""

from pipeline.results import Goal

_MORE_IS_BETTER = ("auc", "accuracy", "acc", "f1", "precision", "recall", "r2")
_LESS_IS_BETTER = ("mse", "rmse", "mae", "mape", "loss", "log_loss", "brier", "error", "ece")
_DIRECTIONS: dict[str, Goal] = {
    **dict.fromkeys(_MORE_IS_BETTER, "maximize"),
    **dict.fromkeys(_LESS_IS_BETTER, "minimize"),
}
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
    if not isinstance(metric, str):
        return None
    words = metric.lower().split("_")
    while words and words[0] in _AROUND:
        words = words[1:]
    while words and words[-1] in _AROUND:
        words = words[:-1]
    return _DIRECTIONS.get("_".join(words))
