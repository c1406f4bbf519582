"""The baselines except the network: a constant, ridge regression, boosted trees.

Errors are mean squared errors on a range's test part. scikit-learn is imported inside functions, after the environment
has limited its threads.
"""

import itertools
from collections.abc import Callable, Sequence
from statistics import geometric_mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.strangers.ranges import Floats, Part, Range

TRIALS = 16
_ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0)
# scikit-learn takes at most 255 values of a categorical column.
_MOST_CATEGORIES = 254
_COMPONENTS = 50
_ROUNDS = 1000

Setting = dict[str, Any]


def mse(predicted: Floats, part: Part) -> float:
    return float(np.mean((predicted - part.target) ** 2))


def constant(data: Range) -> float:
    """Error of predicting the training part's mean, which is 0."""
    return mse(np.zeros(len(data.test.target)), data.test)


def ridge(data: Range) -> float:
    """Error of ridge regression; the validation part chooses the penalty.

    Features are one-hot categories, standardised numbers, flags of missing numbers, and TF-IDF of text.
    """
    from sklearn.linear_model import Ridge

    train, valid, test = _linear_inputs(data)
    models = [Ridge(alpha=alpha).fit(train, data.train.target) for alpha in _ALPHAS]
    best = min(models, key=lambda model: mse(model.predict(valid), data.valid))
    return mse(best.predict(test), data.test)


def _linear_inputs(data: Range) -> list[Any]:
    from scipy.sparse import csr_matrix, hstack
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    blocks: list[list[Any]] = []
    if data.train.codes.shape[1]:
        one_hot = OneHotEncoder(handle_unknown="ignore").fit(data.train.codes)
        blocks.append([one_hot.transform(part.codes) for part in data.parts])
    if data.train.numbers.shape[1]:
        imputer = SimpleImputer(add_indicator=True, keep_empty_features=True)
        scaled = make_pipeline(imputer, StandardScaler()).fit(data.train.numbers)
        blocks.append([csr_matrix(scaled.transform(part.numbers)) for part in data.parts])
    if data.has_text:
        blocks.append(_tfidf(data))
    return [hstack(block).tocsr() for block in zip(*blocks, strict=True)]


def _tfidf(data: Range) -> list[Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    tfidf = TfidfVectorizer(min_df=2, sublinear_tf=True).fit(data.train.texts)
    return [tfidf.transform(part.texts) for part in data.parts]


# -- boosted trees


def trees(data: Range) -> float:
    """Error of scikit-learn's `HistGradientBoostingRegressor` with its defaults: 100 trees."""
    inputs, is_categorical = _tree_inputs(data)
    model = _boosting(is_categorical, {"max_iter": 100}).fit(inputs[0], data.train.target)
    return mse(model.predict(inputs[2]), data.test)


def tune_trees(choosing: Sequence[Range], seed: int, trials: int = TRIALS) -> Setting:
    """The setting with the best validation error, of the defaults and random ones; `trials` in all."""
    random = np.random.default_rng(seed)
    prepared = [_tree_inputs(data) for data in choosing]

    def random_setting() -> Setting:
        return {
            "learning_rate": float(np.exp(random.uniform(np.log(0.01), np.log(0.3)))),
            "max_leaf_nodes": round(float(np.exp(random.uniform(np.log(4), np.log(128))))),
            "min_samples_leaf": round(float(np.exp(random.uniform(np.log(2), np.log(100))))),
            "l2_regularization": float(np.exp(random.uniform(np.log(1e-3), np.log(10)))),
            "max_features": float(random.uniform(0.3, 1)),
        }

    settings = [{}, *(random_setting() for _ in range(trials - 1))]
    return min(
        settings,
        key=lambda setting: geometric_mean(
            _boosted(data, *inputs, setting)[0] for data, inputs in zip(choosing, prepared, strict=True)
        ),
    )


def tuned_trees(data: Range, setting: Setting) -> float:
    """Error of a setting; the validation part chooses the number of trees."""
    return _boosted(data, *_tree_inputs(data), setting)[1]


def _boosted(data: Range, inputs: list[Floats], is_categorical: list[bool], setting: Setting) -> tuple[float, float]:
    """Validation and test error."""
    model = _boosting(
        is_categorical,
        {**setting, "max_iter": _ROUNDS, "early_stopping": True, "n_iter_no_change": 20},
    ).fit(inputs[0], data.train.target, X_val=inputs[1], y_val=data.valid.target)
    errors = [mse(predicted, data.valid) for predicted in model.staged_predict(inputs[1])]
    best = int(np.argmin(errors))
    return errors[best], mse(next(itertools.islice(model.staged_predict(inputs[2]), best, None)), data.test)


def _boosting(is_categorical: list[bool], settings: Setting) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    defaults = {"early_stopping": False, "random_state": 0}
    return HistGradientBoostingRegressor(categorical_features=is_categorical, **{**defaults, **settings})


def _tree_inputs(data: Range) -> tuple[list[Floats], list[bool]]:
    """Inputs `[N, F]` of the three parts, and F flags that are true for categories."""
    codes = [np.where(part.codes < _MOST_CATEGORIES, part.codes, 0).astype(np.float64) for part in data.parts]
    blocks = [codes, [part.numbers for part in data.parts]]
    if data.has_text:
        blocks.append(_components(data))
    inputs = [np.hstack(block) for block in zip(*blocks, strict=True)]
    count = codes[0].shape[1]
    return inputs, [True] * count + [False] * (inputs[0].shape[1] - count)


def _components(data: Range) -> list[NDArray[np.float64]]:
    from sklearn.decomposition import TruncatedSVD

    tfidf = _tfidf(data)
    svd = TruncatedSVD(min(_COMPONENTS, tfidf[0].shape[1]), random_state=0).fit(tfidf[0])
    return [svd.transform(block) for block in tfidf]


UNTUNED: dict[str, Callable[[Range], float]] = {"constant": constant, "ridge": ridge, "trees": trees}
