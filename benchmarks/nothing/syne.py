"""Syne Tune's local backend with a program that reports at once: `syne.py TRIALS WORKERS FOLDER`.

Run it as a file, with a Python that has syne-tune; it imports nothing of hpt. Syne Tune starts the same file with
`--x VALUE` as the program of a trial.
"""

import logging
import os
import sys
import time


def tune(trials: int, workers: int, folder: str) -> None:
    os.environ["SYNETUNE_FOLDER"] = folder
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend import LocalBackend
    from syne_tune.config_space import uniform
    from syne_tune.optimizer.baselines import RandomSearch

    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    tuner = Tuner(
        trial_backend=LocalBackend(__file__),
        scheduler=RandomSearch({"x": uniform(0.0, 1.0)}, metrics=["loss"]),
        stop_criterion=StoppingCriterion(max_num_trials_finished=trials),
        n_workers=workers,
        sleep_time=0,
        print_update_interval=10**9,
    )
    tuner.run()
    print(time.monotonic() - began)


def train(x: float) -> None:
    from syne_tune import Reporter

    Reporter()(loss=x)


if __name__ == "__main__":
    if "--x" in sys.argv:
        train(float(sys.argv[sys.argv.index("--x") + 1]))
    else:
        tune(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
