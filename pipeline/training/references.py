"""References: simple models without tuning, measured on the same days as trainings, to show what a network is worth.

`constant` is the training mean, `linear` a ridge regression, `trees` boosted trees. Each takes seconds of one CPU core
and saves no model. Validation errors choose the penalty and the number of trees. Nothing here knows sweeps or stores.
"""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.results import Status
from pipeline.training import predictions
from pipeline.training.job import TRAIN_SAMPLE, Job, TrainingResult, mse_metrics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.data.dataset import Dataset, Part

    _Predict = Callable[[Part], NDArray[np.float64]]
    """Predictions `[N, T]` of the standardised targets of N rows."""

NAMES = ("constant", "linear", "trees")
ROWS_AT_MOST = 200_000
"""Maximal number of training rows that a reference is fitted to; more rows are thinned evenly."""

_FURTHEST = 10.0
"""Distance from the middle, in spreads (`data/encoder.py`); numbers that are further out count as this far out."""
_ALPHAS = (1000, 300, 100, 30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01)
"""Penalties of the linear model, the strongest first."""
_WORSE_IN_A_ROW = 2
"""Number of penalties in a row without a gain, after which weaker ones are not tried: fitting them is slowest."""

_GROWTHS = ({"learning_rate": 0.1, "max_leaf_nodes": 31}, {"learning_rate": 0.1, "max_leaf_nodes": 8})
"""Arguments of the boosted trees: the defaults of scikit-learn, and smaller trees for few or noisy rows."""
_TREES_AT_MOST = 500
_TREES_WITHOUT_GAIN = 20
"""Number of trees in a row without a gain, after which no more are added."""
_CATEGORIES_AT_MOST = 255
"""Number of categories that the trees of scikit-learn allow. In a column with more, a value is replaced by a number:
the mean target of its rows.
"""
_WORD_COMPONENTS = 50
"""Columns into which the TF-IDF of words is condensed for trees."""
_ROWS_FOR_COMPONENTS = 20_000
"""Rows to which these columns are fitted."""


def measure(name: str, dataset: "Dataset", job: Job) -> TrainingResult:
    """Fits the reference `name` to the training part and measures it as trainings are measured.

    Metrics are mean squared errors of the standardised targets. The status is `diverged` if one of them is not finite,
    and `timed-out` if the deadline passed.
    """
    import numpy as np
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401  (the first import of both takes seconds, which are not measured)
    from threadpoolctl import threadpool_limits

    started = time.monotonic()
    for note in dataset.notes:
        job.say(f"data: {note}")
    train = dataset.train.thinned(ROWS_AT_MOST)
    if len(train) < len(dataset.train):
        job.say(f"fitted to {len(train):,} of {len(dataset.train):,} training rows, spread evenly")
    metrics: dict[str, float] = {}
    files: dict[str, Path] = {}
    status = Status.COMPLETE
    try:
        with threadpool_limits(1):  # lanes share the cores
            predict = _FITS[name](train, dataset, job)
            metrics = _errors(predict, dataset)
            if job.keeps_predictions and np.isfinite(list(metrics.values())).all():
                files = predictions.write(job.folder, predict(dataset.test), dataset)
    except _TimedOutError:
        status = Status.TIMED_OUT
    if not np.isfinite(list(metrics.values())).all():
        metrics, status = dict.fromkeys(metrics, float("nan")), Status.DIVERGED
    return TrainingResult(
        status=status,
        metrics=metrics,
        seconds=time.monotonic() - started,
        files=files,
        device="cpu",
        data_fingerprint=dataset.fingerprint,
    )


class _TimedOutError(Exception):
    """The job's deadline has passed."""


def _check_time(job: Job) -> None:
    if job.deadline is not None and time.monotonic() > job.deadline:
        raise _TimedOutError


def _errors(predict: "_Predict", dataset: "Dataset") -> dict[str, float]:
    train = float(_mse(predict, dataset.train.thinned(TRAIN_SAMPLE)).mean())
    valid = float(_mse(predict, dataset.valid).mean())
    return mse_metrics(_mse(predict, dataset.test), train, valid, dataset.target_names)


def _mse(predict: "_Predict", part: "Part") -> "NDArray[np.float64]":
    """Mean squared error of each target, `[T]`."""
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        return ((predict(part) - part.targets) ** 2).mean(axis=0)


# -- the constant


def _constant(train: "Part", dataset: "Dataset", job: Job) -> "_Predict":
    import numpy as np

    mean = train.targets.mean(axis=0, dtype=np.float64)
    return lambda part: np.broadcast_to(mean, part.targets.shape)


# -- the linear model


def _linear(train: "Part", dataset: "Dataset", job: Job) -> "_Predict":
    """Ridge regression on one-hot categories, numbers, and the TF-IDF of words."""
    import numpy as np
    from sklearn.linear_model import Ridge

    def predicted(model: Any, inputs: Any) -> "NDArray[np.float64]":
        # For a single target, scikit-learn gives a vector.
        return np.asarray(model.predict(inputs)).reshape(inputs.shape[0], -1)

    features = _sparse_features(train, dataset)
    inputs, valid = features(train), features(dataset.valid)
    targets = train.targets.astype(np.float64)
    errors: dict[str, float] = {}
    best: Any = None
    for alpha in _ALPHAS:
        _check_time(job)
        model = Ridge(alpha=alpha, solver="sparse_cg", tol=1e-4).fit(inputs, targets)
        errors[f"{alpha:g}"] = float(((predicted(model, valid) - dataset.valid.targets) ** 2).mean())
        errors_so_far = list(errors.values())
        if errors_so_far[-1] == min(errors_so_far):
            best = model
        elif min(errors_so_far) < min(errors_so_far[-_WORSE_IN_A_ROW:]):
            break
    job.say(f"{inputs.shape[1]:,} columns; mse_valid by penalty: {_in_words(errors)}")
    return lambda part: predicted(best, features(part))


def _sparse_features(train: "Part", dataset: "Dataset") -> "Callable[[Part], csr_matrix]":
    import numpy as np
    from scipy import sparse
    from sklearn.preprocessing import OneHotEncoder

    categorical = dataset.inputs.categorical
    one_hot = OneHotEncoder(handle_unknown="ignore").fit(train.tokens[:, :categorical]) if categorical else None
    tfidf = _tfidf(train, dataset)

    def features(part: "Part") -> "csr_matrix":
        blocks = [sparse.csr_matrix(np.hstack([part.dense, _unbounded(part.dense)]), dtype="float64")]
        if one_hot is not None:
            blocks.append(one_hot.transform(part.tokens[:, :categorical]))
        if tfidf is not None:
            blocks.append(tfidf(part))
        return sparse.hstack(blocks, format="csr")

    return features


def _unbounded(dense: "NDArray[np.float32]") -> "NDArray[np.float64]":
    """Undoes what keeps dense features within their bound (`data/encoder.py`): a linear model needs the original."""
    import numpy as np

    from pipeline.data.encoder import BOUND

    furthest = BOUND / np.hypot(1, BOUND / _FURTHEST)
    bent = np.clip(dense.astype(np.float64), -furthest, furthest)
    return np.asarray(bent / np.sqrt(1 - (bent / BOUND) ** 2))


# -- words


def _tfidf(train: "Part", dataset: "Dataset") -> "Callable[[Part], csr_matrix] | None":
    """A function from N rows to the TF-IDF of their words, `[N, V]`, fitted to the training part; None without text."""
    from sklearn.feature_extraction.text import TfidfTransformer

    first, vocabulary = dataset.inputs.categorical, dataset.inputs.vocabulary
    if first == dataset.inputs.length:
        return None
    fitted = TfidfTransformer(sublinear_tf=True).fit(_counts(train.tokens[:, first:], vocabulary))
    return lambda part: fitted.transform(_counts(part.tokens[:, first:], vocabulary))


def _counts(tokens: "NDArray[np.int64]", vocabulary: int) -> "csr_matrix":
    """Counts of each word in each row, `[N, V]`."""
    import numpy as np
    from scipy import sparse

    from pipeline.data.inputs import PADDING

    is_word = tokens != PADDING
    ends = np.concatenate(([0], is_word.sum(axis=1).cumsum()))
    words = tokens[is_word].astype(np.int32)
    counts = sparse.csr_matrix((np.ones(len(words), np.float32), words, ends), shape=(len(tokens), vocabulary))
    counts.sum_duplicates()
    return counts


# -- boosted trees


def _trees(train: "Part", dataset: "Dataset", job: Job) -> "_Predict":
    """Boosted trees on categories, numbers, and the main components of the words' TF-IDF; a model for each target."""
    import numpy as np

    components = _components(train, dataset, job)
    fits = [_trees_of(train, target, components, dataset, job) for target in range(dataset.inputs.targets)]
    return lambda part: np.stack([predict(part) for predict in fits], axis=1)


def _trees_of(
    train: "Part", target: int, components: "_Predict | None", dataset: "Dataset", job: Job
) -> "Callable[[Part], NDArray[np.float64]]":
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingRegressor

    targets, valid_targets = (part.targets[:, target].astype(np.float64) for part in (train, dataset.valid))
    features, inputs, are_categories = _dense_features(train, targets, components, dataset, job)
    valid = features(dataset.valid)
    best: Any = None
    least, trees = np.inf, 1
    errors: dict[str, float] = {}
    for growth in _GROWTHS:
        _check_time(job)
        model = HistGradientBoostingRegressor(
            **growth,
            max_iter=_TREES_AT_MOST,
            categorical_features=are_categories,
            early_stopping=True,
            n_iter_no_change=_TREES_WITHOUT_GAIN,
            random_state=job.seed,
        ).fit(inputs, targets, X_val=valid, y_val=valid_targets)
        # Scores are half the error with a minus sign, of 0, 1, 2, … trees.
        scores = model.validation_score_
        number = max(1, int(np.argmax(scores)))
        error = -2 * float(scores[number])
        errors[f"{number} of {growth['max_leaf_nodes']} leaves"] = error
        if best is None or error < least:
            best, least, trees = model, error, number
    job.say(f"{dataset.target_names[target]}: mse_valid by trees: {_in_words(errors)}")
    return lambda part: next(islice(best.staged_predict(features(part)), trees - 1, None))


def _dense_features(
    train: "Part", targets: "NDArray[np.float64]", components: "_Predict | None", dataset: "Dataset", job: Job
) -> "tuple[_Predict, NDArray[np.float64], Sequence[bool]]":
    """Columns for trees: a function from N rows to `[N, C]`, the columns of the training rows, and a flag per column.

    The flag is True for categories.
    """
    import numpy as np
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import TargetEncoder

    columns = range(dataset.inputs.categorical)
    values = [np.unique(train.tokens[:, at]) for at in columns]
    few = [at for at in columns if len(values[at]) <= _CATEGORIES_AT_MOST]
    many = [at for at in columns if len(values[at]) > _CATEGORIES_AT_MOST]

    def with_means(part: "Part", means: "NDArray[np.float64]") -> "NDArray[np.float64]":
        codes = [_codes(part.tokens[:, at], values[at])[:, None] for at in few]
        words = [components(part)] if components is not None else []
        return np.concatenate([*codes, means, part.dense.astype(np.float64), *words], axis=1)

    # A training row gets the mean of other rows, so that its own target does not leak into its columns.
    mean_of = TargetEncoder(target_type="continuous", cv=KFold(shuffle=True, random_state=job.seed))
    fitted = mean_of.fit_transform(train.tokens[:, many], targets) if many else np.empty((len(train), 0))
    inputs = with_means(train, fitted)
    are_categories = [True] * len(few) + [False] * (inputs.shape[1] - len(few))
    return (
        lambda part: with_means(part, mean_of.transform(part.tokens[:, many]) if many else np.empty((len(part), 0))),
        inputs,
        are_categories,
    )


def _codes(tokens: "NDArray[np.int64]", values: "NDArray[np.int64]") -> "NDArray[np.float64]":
    """The place of each token among the sorted `values`; NaN, a missing value to trees, for all other tokens."""
    import numpy as np

    places = np.minimum(np.searchsorted(values, tokens), len(values) - 1)
    return np.where(values[places] == tokens, places, np.nan)


def _components(train: "Part", dataset: "Dataset", job: Job) -> "_Predict | None":
    from sklearn.decomposition import TruncatedSVD

    tfidf = _tfidf(train, dataset)
    if tfidf is None:
        return None
    words = tfidf(train.thinned(_ROWS_FOR_COMPONENTS))
    count = min(_WORD_COMPONENTS, *(size - 1 for size in words.shape))
    fitted = TruncatedSVD(max(1, count), random_state=job.seed).fit(words)
    return lambda part: fitted.transform(tfidf(part))


def _in_words(errors: "dict[str, float]") -> str:
    return ", ".join(f"{name}: {error:.4g}" for name, error in errors.items())


_FITS: "dict[str, Callable[[Part, Dataset, Job], _Predict]]" = {
    "constant": _constant,
    "linear": _linear,
    "trees": _trees,
}
