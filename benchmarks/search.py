"""Compares the search of our stateless rounds with Optuna in one process, and counts settings that are tried twice.

The test functions are public, from the COCO platform (Hansen et al. 2021): `bbob-mixint`, with one real variable and
four integers, and `bbob-noisy`, with five reals and multiplicative Gaussian noise. Each strategy gets 64 evaluations in
8 rounds of 8. Optuna's own samplers get the same batches (ask 8, tell 8) in a single process. The regret is the true
value of the best observed setting, in units of a random setting's regret.

It needs the package `coco-experiment`, which nothing else here needs, and takes twenty minutes on two cores without a
GPU; `--quick` takes two.

    python -m benchmarks.search [--quick] [--seeds 20] [--processes 2]
"""

import argparse
import contextlib
import importlib
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.search import ADAPTIVE, STRATEGIES, SearchSpace, Tried
from pipeline.space import Assignment, Interval, Space
from pipeline.sweep.trial import seed_of

Floats = NDArray[np.float64]

ROUNDS, BATCH, DIMENSION = 8, 8, 5
INSTANCES = 15
MIXED, NOISY = "bbob-mixint", "bbob-noisy"
FUNCTIONS = {
    MIXED: {
        1: "sphere",
        3: "Rastrigin",
        8: "Rosenbrock",
        17: "Schaffers",
        21: "Gallagher",
    },
    NOISY: {104: "Rosenbrock", 107: "sphere", 128: "Gallagher"},
}
NAMES = ("random", "tpe", "gp")
ALONE = ("sobol",)
"""Strategies without a counterpart in Optuna; they are compared with its random search."""
LEAST = 1e-3
"""Smaller regrets are all the same: the function is solved. A thousandth of a random setting's."""


@dataclass(frozen=True)
class Task:
    suite: str
    function: int
    seed: int
    strategy: str
    ours: bool


@dataclass(frozen=True)
class Outcome:
    regret: float
    duplicates: int
    seconds: float


@dataclass(frozen=True)
class Problem:
    """A test function; integer variables have integer domains, as in a spec."""

    function: Any
    space: SearchSpace
    optimum: float
    noisy: bool

    def value(self, setting: Assignment) -> float:
        return float(self.function(list(setting.values())))

    def excess(self, setting: Assignment) -> float:
        """Distance of a setting from the best, without the noise, which is a factor with median one."""
        values = [self.value(setting) for _ in range(201 if self.noisy else 1)]
        return max(float(np.median(values)) - self.optimum, 0.0)

    @cached_property
    def scale(self) -> float:
        return float(np.median([self.excess(setting) for setting in STRATEGIES["random"](self.space, [], 0, 300)]))


@cache
def problem(suite: str, function: int, instance: int) -> Problem:
    coco = _suite(suite).get_problem_by_function_dimension_instance(function, DIMENSION, instance)
    space: Space = {}
    for at, (low, high) in enumerate(zip(coco.lower_bounds, coco.upper_bounds, strict=True)):
        number = int if at < coco.number_of_integer_variables else float
        space[f"x{at}"] = Interval(low=number(low), high=number(high))
    # COCO writes the best setting into a file in the working directory.
    with tempfile.TemporaryDirectory(prefix="hpt-benchmark-") as folder, contextlib.chdir(folder):
        coco._best_parameter("print")
        best = np.loadtxt("._bbob_problem_best_parameter.txt")
    return Problem(coco, SearchSpace(space), float(coco(best)), suite == NOISY)


@cache
def _suite(name: str) -> Any:
    return importlib.import_module("cocoex").Suite(name, "", f"dimensions:{DIMENSION}")


def ours(task: Task, at: Problem) -> list[Tried]:
    """Our settings round by round, each from the earlier experiments alone, as the planner works."""
    tried: list[Tried] = []
    for number in range(ROUNDS):
        seed = seed_of(task.seed, number) if task.strategy in ADAPTIVE else task.seed
        settings = STRATEGIES[task.strategy](at.space, tried, seed, BATCH)
        tried += [Tried(setting, at.value(setting)) for setting in settings]
    return tried


def theirs(task: Task, at: Problem) -> list[Tried]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = {
        "random": optuna.samplers.RandomSampler,
        "tpe": optuna.samplers.TPESampler,
        "gp": optuna.samplers.GPSampler,
    }[task.strategy](seed=task.seed)
    study = optuna.create_study(sampler=sampler)
    tried: list[Tried] = []
    for _ in range(ROUNDS):
        batch = []
        for _ in range(BATCH):
            trial = study.ask()
            setting: Assignment = {}
            for name, domain in at.space.domains.items():
                assert isinstance(domain, Interval)
                suggest = trial.suggest_int if domain.integer else trial.suggest_float
                setting[name] = suggest(name, domain.low, domain.high)  # type: ignore[arg-type]
            batch.append((trial, setting))
        for trial, setting in batch:
            tried.append(Tried(setting, at.value(setting)))
            study.tell(trial, tried[-1].value)
    return tried


def run(task: Task) -> Outcome:
    import torch

    torch.set_num_threads(1)
    at = problem(task.suite, task.function, 1 + task.seed % INSTANCES)
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tried = ours(task, at) if task.ours else theirs(task, at)
    seconds = time.monotonic() - began
    best = min(tried, key=lambda trial: trial.value if trial.value is not None else np.inf)
    different = {at.space.identity(trial.assignment) for trial in tried}
    return Outcome(at.excess(best.assignment) / at.scale, ROUNDS * BATCH - len(different), seconds)


Outcomes = dict[Task, Outcome]


def of(outcomes: Outcomes, strategy: str, is_ours: bool, suites: Iterable[str]) -> list[Outcome]:
    """Outcomes of a strategy in the order of the tasks, so that two lists are pairs: same function, same seed."""
    return [
        outcome
        for task, outcome in outcomes.items()
        if (task.strategy, task.ours) == (strategy, is_ours) and task.suite in suites
    ]


def regrets(outcomes: Sequence[Outcome]) -> Floats:
    return np.array([outcome.regret for outcome in outcomes])


def print_table(outcomes: Outcomes, suites: Sequence[str]) -> None:
    print(f"\n{' and '.join(suites)}: normalised regret after {ROUNDS * BATCH} evaluations in {ROUNDS} rounds")
    print(f"{'':<8}{'mean':>16}{'median':>16}{'duplicates':>14}{'s per sweep':>16}{'better, equal':>16}")
    print(f"{'':<8}" + f"{'ours':>8}{'theirs':>8}" * 2 + f"{'ours':>7}{'theirs':>7}{'ours':>8}{'theirs':>8}")
    for name in (*NAMES, *ALONE):
        sides = [of(outcomes, name, is_ours, suites) for is_ours in (True, False)]
        if not sides[1]:
            sides[1] = of(outcomes, "random", False, suites)
        values = [regrets(side) for side in sides]
        our_regrets, their_regrets = np.maximum(values, LEAST)
        line = f"{name:<8}"
        line += "".join(f"{statistic(value):>8.3f}" for statistic in (np.mean, np.median) for value in values)
        line += "".join(f"{sum(outcome.duplicates for outcome in side):>7}" for side in sides)
        line += "".join(f"{np.mean([outcome.seconds for outcome in side]):>8.2f}" for side in sides)
        better, equal = float(np.mean(our_regrets < their_regrets)), float(np.mean(our_regrets == their_regrets))
        print(line + f"{100 * better:>9.0f} %{100 * equal:>3.0f} %")


@dataclass(frozen=True)
class Ratio:
    """Geometric mean of our regret over theirs, with the middle 95 % of a bootstrap."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(ours: Floats, theirs: Floats) -> Ratio:
    differences = np.log(np.maximum(ours, LEAST)) - np.log(np.maximum(theirs, LEAST))
    source = np.random.default_rng(0)
    means = source.choice(differences, (4000, len(differences))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Ratio(float(np.exp(differences.mean())), float(np.exp(low)), float(np.exp(high)))


def print_functions(outcomes: Outcomes) -> None:
    print("\nmedian regret by function" + "".join(f"{name:>16}" for name in NAMES))
    for suite, functions in FUNCTIONS.items():
        for function, title in functions.items():
            line = f"{suite[5:] + ' ' + title:<25}"
            for name, is_ours in product(NAMES, (True, False)):
                of_function = {
                    t: outcome for t, outcome in outcomes.items() if (t.suite, t.function) == (suite, function)
                }
                line += f"{np.median(regrets(of(of_function, name, is_ours, [suite]))):>8.3f}"
            print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds and four functions: says little")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds, most = (2, 2) if options.quick else (options.seeds, None)
    tasks = [
        Task(suite, function, seed, name, is_ours)
        for suite, functions in FUNCTIONS.items()
        for function, seed in product(list(functions)[:most], range(seeds))
        for name, is_ours in [*product(NAMES, (True, False)), *((name, True) for name in ALONE)]
    ]
    began = time.monotonic()
    print(
        f"{len(tasks)} sweeps: {seeds} seeds, {sum(len(list(f)[:most]) for f in FUNCTIONS.values())} functions",
        flush=True,
    )
    # One thread each, or the processes take the cores from each other.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with ProcessPoolExecutor(options.processes) as pool:
        outcomes = dict(zip(tasks, pool.map(run, tasks, chunksize=7), strict=True))
    for suites in [*([suite] for suite in FUNCTIONS), list(FUNCTIONS)]:
        print_table(outcomes, suites)
    if not options.quick:
        print_functions(outcomes)
    print()
    worse = []
    for name in NAMES:
        result = ratio(*(regrets(of(outcomes, name, is_ours, FUNCTIONS)) for is_ours in (True, False)))
        words = "worse" if result.low > 1 else "better" if result.high < 1 else "no difference to be seen"
        print(f"{name}, ours over theirs: {result}: {words}")
        worse += [name] if result.low > 1 else []
    for name in (*NAMES[1:], *ALONE):
        result = ratio(regrets(of(outcomes, name, True, FUNCTIONS)), regrets(of(outcomes, "random", True, FUNCTIONS)))
        print(f"{name} over random, both ours: {result}")
    twice = sum(outcome.duplicates for task, outcome in outcomes.items() if task.ours)
    print(f"{time.monotonic() - began:.0f} s in all")
    if twice:
        print(f"FAILED: {twice} settings were tried twice")
    if worse:
        print(f"FAILED: {', '.join(worse)}: Optuna's sampler in one process is better, with 95 % confidence")
    else:
        print("Our stateless rounds are no worse than Optuna's samplers in one process in the same batches, as far as")
        print(f"{seeds} seeds show (the intervals say how far that is).")
    sys.exit(1 if twice or worse else 0)


if __name__ == "__main__":
    main()
