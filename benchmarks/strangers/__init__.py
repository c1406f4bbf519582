"""Is the automatic mode good on anybody's data? Against what a user would pick instead, on the same ranges and days.

    python -m benchmarks.strangers [--quick] [--seeds 3] [--data bike,titles] [--architecture tabular]
                                   [--bike PATH] [--titles PATH] [--json FILE]

`hpt run` gets the shortest spec that the docs suggest, with 16 experiments, on one lane, and its answer is measured on
the ranges that judged it. The others are a constant, ridge regression (on TF-IDF for text), boosted trees with
scikit-learn's defaults and tuned by 16 random trials, and Optuna (TPE, 16 trials) around an ordinary small network,
a thread each. They choose on what our choosing phases chose on, and are then trained on each judging range: on its
training days, with early stopping on its validation days, measured on its test days. Errors are mean squares of the
target after its transform, standardised by the training days: 1 is about what the constant has.

Wall time: ours from the start of the process to the end of the last trial that chooses; Optuna's is its study in a
fresh process, which imports torch and reads the data, as ours does. Judging is in neither. References are turned off
in our spec, where it knows them: the same models are fitted here.

Two data sets are public files that are not in this repository and are left out without their paths: `--bike` takes
`hour.csv` of the UCI bike sharing data, `--titles` a CSV of news titles with `title`, `num_points`, `created_at`.

`data.py` has the data sets, `ranges.py` their days as tables, `others.py` and `network.py` what we are compared with,
`ours.py` runs `hpt`, `__main__.py` compares and prints.
"""
