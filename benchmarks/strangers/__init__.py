"""Compares the automatic mode with the models that a user would pick instead, on data that it was not built for.

    python -m benchmarks.strangers [--quick] [--seeds 3] [--data bike,titles] [--architecture tabular]
                                   [--bike PATH] [--titles PATH] [--json FILE]

`hpt run` gets the shortest spec that the docs suggest, with 16 experiments, on one lane. Its answer is measured on the
ranges that judged it. The baselines, one thread each, are:

- a constant;
- ridge regression, on TF-IDF for text;
- boosted trees with scikit-learn's defaults;
- boosted trees tuned by 16 random trials;
- Optuna (TPE, 16 trials) around an ordinary small network.

Baselines are tuned on the ranges of hpt's choosing phases. Then they are trained on each range that judges: on its
training days, with early stopping on its validation days. Its test days give the error: the mean squared error of the
transformed target, standardised by the training days. The constant has an error of about 1.

The wall time of `hpt` ends with the last trial that chooses. The wall time of Optuna is its study in a fresh process.
Both include the start of a process, torch's import and reading the data; neither includes judging. The spec turns
references off, since the same models are fitted here.

Two data sets are public files outside of this repository, and are left out without a path. `--bike` takes `hour.csv` of
the UCI bike sharing data, `--titles` a CSV of news titles with the columns `title`, `num_points` and `created_at`.

`data.py` has the data sets, `ranges.py` reads their date ranges into arrays, `baselines.py` and `network.py` have the
baselines, `processes.py` fits these in fresh processes, `ours.py` runs `hpt`, `comparison.py` compares, `__main__.py`
prints.
"""
