"""An Optuna study in a journal file: `study.py TRIALS WORKERS FOLDER OBJECTIVE`. It imports nothing of hpt.

OBJECTIVE is `function`, which returns at once in the worker's process, or `program`, which starts a program and reads
its output. The study starts the same file with `worker` as each of its workers.
"""

import os
import subprocess
import sys
import time

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

NAME = "nothing"


def storage(folder: str) -> JournalStorage:
    return JournalStorage(JournalFileBackend(os.path.join(folder, "journal.log")))


def function(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0.0, 1.0)


def program(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    printed = subprocess.run(["printf", f"valid {x} test {x}\\n"], capture_output=True, text=True, check=True)
    return float(printed.stdout.split()[1])


def work(trials: int, folder: str, objective: str) -> None:
    study = optuna.load_study(study_name=NAME, storage=storage(folder), sampler=optuna.samplers.RandomSampler())
    study.optimize({"function": function, "program": program}[objective], n_trials=trials)


def tune(trials: int, workers: int, folder: str, objective: str) -> None:
    began = time.monotonic()
    study = optuna.create_study(study_name=NAME, storage=storage(folder))
    shares = [trials // workers + (at < trials % workers) for at in range(workers)]
    processes = [
        subprocess.Popen([sys.executable, __file__, "worker", str(share), folder, objective])
        for share in shares
        if share
    ]
    codes = [process.wait() for process in processes]
    seconds = time.monotonic() - began
    assert not any(codes)
    assert len(study.get_trials(deepcopy=False)) == trials
    print(seconds)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if sys.argv[1] == "worker":
        work(int(sys.argv[2]), *sys.argv[3:])
    else:
        tune(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
