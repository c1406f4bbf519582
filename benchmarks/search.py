"""Do our stateless rounds search as well as Optuna does in one process, and without trying anything twice?

Public test functions of the COCO platform (Hansen et al. 2021): `bbob-mixint`, of five variables one real and four
integer, and `bbob-noisy`, five reals under multiplicative Gaussian noise. Each strategy gets 64 evaluations in 8 rounds
of 8; Optuna's own samplers get the same batches (ask 8, tell 8) in one process that lives through all of them. The
regret is that of the best setting as observed, at its true value, in units of what a random setting has. Needs the
package `coco-experiment`, which nothing else here needs. Twenty minutes on two cores, no GPU; `--quick` takes two.

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
"""What Optuna has no stateless counterpart of; shown beside the others."""
LEAST = 1e-3
"""Regrets below a thousandth of a random setting's are all the same: solved."""


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
    """A test function; integers are integers, as in a spec."""

    function: Any
    space: SearchSpace
    optimum: float
    noisy: bool

    def value(self, setting: Assignment) -> float:
        return float(self.function(list(setting.values())))

    def excess(self, setting: Assignment) -> float:
        """How far it is from the best, without the noise, which is a factor whose median is one."""
        values = [self.value(setting) for _ in range(201 if self.noisy else 1)]
        return max(float(np.median(values)) - self.optimum, 0.0)

    @cached_property
    def scale(self) -> float:
        return float(np.median([self.excess(one) for one in STRATEGIES["random"](self.space, [], 0, 300)]))


@cache
def problem(suite: str, function: int, instance: int) -> Problem:
    made = _suite(suite).get_problem_by_function_dimension_instance(function, DIMENSION, instance)
    space: Space = {}
    for at, (low, high) in enumerate(zip(made.lower_bounds, made.upper_bounds, strict=True)):
        number = int if at < made.number_of_integer_variables else float
        space[f"x{at}"] = Interval(low=number(low), high=number(high))
    # COCO writes the best setting into a file of the folder it runs in.
    with tempfile.TemporaryDirectory(prefix="hpt-benchmark-") as folder, contextlib.chdir(folder):
        made._best_parameter("print")
        best = np.loadtxt("._bbob_problem_best_parameter.txt")
    return Problem(made, SearchSpace(space), float(made(best)), suite == NOISY)


@cache
def _suite(name: str) -> Any:
    return importlib.import_module("cocoex").Suite(name, "", f"dimensions:{DIMENSION}")


def ours(task: Task, at: Problem) -> list[Tried]:
    """Round by round, each from nothing but the experiments before it, as the planner asks."""
    tried: list[Tried] = []
    for number in range(ROUNDS):
        seed = seed_of(task.seed, number) if task.strategy in ADAPTIVE else task.seed
        settings = STRATEGIES[task.strategy](at.space, tried, seed, BATCH)
        tried += [Tried(one, at.value(one)) for one in settings]
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
        asked = []
        for _ in range(BATCH):
            trial = study.ask()
            setting: Assignment = {}
            for name, domain in at.space.domains.items():
                assert isinstance(domain, Interval)
                suggest = trial.suggest_int if domain.integer else trial.suggest_float
                setting[name] = suggest(name, domain.low, domain.high)  # type: ignore[arg-type]
            asked.append((trial, setting))
        for trial, setting in asked:
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
    best = min(tried, key=lambda one: one.value if one.value is not None else np.inf)
    different = {at.space.identity(one.assignment) for one in tried}
    return Outcome(at.excess(best.assignment) / at.scale, ROUNDS * BATCH - len(different), seconds)


Found = dict[Task, Outcome]


def of(found: Found, strategy: str, is_ours: bool, suites: Iterable[str]) -> list[Outcome]:
    """In the order of the tasks, so that two of them are pairs: same function, same seed."""
    return [found[task] for task in found if (task.strategy, task.ours) == (strategy, is_ours) and task.suite in suites]


def regrets(outcomes: Sequence[Outcome]) -> Floats:
    return np.array([one.regret for one in outcomes])


def print_table(found: Found, suites: Sequence[str]) -> None:
    print(f"\n{' and '.join(suites)}: normalised regret after {ROUNDS * BATCH} evaluations in {ROUNDS} rounds")
    print(f"{'':<8}{'mean':>16}{'median':>16}{'duplicates':>14}{'s per sweep':>16}{'better, equal':>16}")
    print(f"{'':<8}" + f"{'ours':>8}{'theirs':>8}" * 2 + f"{'ours':>7}{'theirs':>7}{'ours':>8}{'theirs':>8}")
    for name in (*NAMES, *ALONE):
        sides = [of(found, name, is_ours, suites) for is_ours in (True, False)]
        if not sides[1]:
            sides[1] = of(found, "random", False, suites)
        values = [regrets(side) for side in sides]
        both = np.maximum(values, LEAST)
        line = f"{name:<8}"
        line += "".join(f"{statistic(value):>8.3f}" for statistic in (np.mean, np.median) for value in values)
        line += "".join(f"{sum(one.duplicates for one in side):>7}" for side in sides)
        line += "".join(f"{np.mean([one.seconds for one in side]):>8.2f}" for side in sides)
        better, equal = float(np.mean(both[0] < both[1])), float(np.mean(both[0] == both[1]))
        print(line + f"{100 * better:>9.0f} %{100 * equal:>3.0f} %")


@dataclass(frozen=True)
class Ratio:
    """Geometric mean of our regret over theirs, with the middle 95 % of a bootstrap."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(one: Floats, other: Floats) -> Ratio:
    differences = np.log(np.maximum(one, LEAST)) - np.log(np.maximum(other, LEAST))
    source = np.random.default_rng(0)
    means = source.choice(differences, (4000, len(differences))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Ratio(float(np.exp(differences.mean())), float(np.exp(low)), float(np.exp(high)))


def print_functions(found: Found) -> None:
    print("\nmedian regret by function" + "".join(f"{name:>16}" for name in NAMES))
    for suite, functions in FUNCTIONS.items():
        for function, title in functions.items():
            line = f"{suite[5:] + ' ' + title:<25}"
            for name, is_ours in product(NAMES, (True, False)):
                tasks = [task for task in found if (task.suite, task.function) == (suite, function)]
                line += f"{np.median(regrets(of({task: found[task] for task in tasks}, name, is_ours, [suite]))):>8.3f}"
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
    # One thread each: else the processes take the cores from each other.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with ProcessPoolExecutor(options.processes) as pool:
        found = dict(zip(tasks, pool.map(run, tasks, chunksize=7), strict=True))
    for suites in [*([suite] for suite in FUNCTIONS), list(FUNCTIONS)]:
        print_table(found, suites)
    if not options.quick:
        print_functions(found)
    print()
    worse = []
    for name in NAMES:
        own = ratio(*(regrets(of(found, name, is_ours, FUNCTIONS)) for is_ours in (True, False)))
        said = "worse" if own.low > 1 else "better" if own.high < 1 else "no difference to be seen"
        print(f"{name}, ours over theirs: {own}: {said}")
        worse += [name] if own.low > 1 else []
    for name in (*NAMES[1:], *ALONE):
        ahead = ratio(regrets(of(found, name, True, FUNCTIONS)), regrets(of(found, "random", True, FUNCTIONS)))
        print(f"{name} over random, both ours: {ahead}")
    twice = sum(one.duplicates for task, one in found.items() if task.ours)
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
