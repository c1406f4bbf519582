"""The next round: what a sweep's definition and its finished rounds say should run now.

Planning is a pure step over the store. Asked again, it answers the same; asked while a round is not drained, it
answers with what is left of that round; an empty answer means that the sweep is done.
"""

import hashlib
from collections.abc import Sequence

from pipeline import results
from pipeline.results import Status
from pipeline.search import STRATEGIES
from pipeline.space import Assignment, key
from pipeline.sweep import Definition, Experiment, Pack, Phase, ResultFile, Sweep, Trial, trials_of

_LABEL_AT_MOST = 90


def seed_of(*parts: object) -> int:
    """A seed in [0, 2³¹) from whatever identifies a draw; the same on every machine and Python."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def training_seed(definition: Definition, trial: Trial) -> int:
    """The seed of a training: of (sweep seed, date range, seed index), so the same for all experiments.

    Comparisons between experiments are then paired: same range, same initial draw, same order of rows.
    """
    date_range = definition.phase(trial.phase).ranges[trial.range]
    return seed_of(definition.seed, date_range, trial.seed)


def pending(sweep: Sweep, *, retry: bool = False) -> list[Pack]:
    """The packs that should run now; empty if the sweep is done.

    `retry` counts trials that failed as not run. The next round is planned when all trials of the last one have
    a row.
    """
    planned = sweep.rounds()
    if retry:
        every = [pack for number in range(planned) for pack in sweep.round(number)]
    else:
        every = sweep.round(planned - 1) if planned else []
    left = unfinished(sweep, every, retry=retry)
    if left or (planned and not every):
        return left
    experiments, packs = next_round(sweep.definition, planned, sweep.experiments())
    sweep.add_experiments(experiments)
    return sweep.create_round(planned, packs)


def unfinished(sweep: Sweep, packs: Sequence[Pack], *, retry: bool = False) -> list[Pack]:
    """The packs, reduced to trials that have no row (with `retry`: no result)."""
    files = sweep.result_files()
    left = []
    for pack in packs:
        trials = tuple(trial for trial in pack.trials if not _is_finished(sweep, files.get(str(trial)), trial, retry))
        if trials:
            left.append(Pack(pack.id, pack.label, pack.image, trials))
    return left


def _is_finished(sweep: Sweep, file: ResultFile | None, trial: Trial, retry: bool) -> bool:
    if file is None or not retry:
        return file is not None
    try:
        return Status(sweep.read_row(file, str(trial))["status"]).is_result
    except ValueError:
        return False


def next_round(
    definition: Definition, number: int, known: dict[str, Experiment]
) -> tuple[list[Experiment], list[Pack]]:
    """Round `number` of a sweep, of which `known` experiments were asked for before. No packs: the sweep is done.

    Grid and random search plan all of a phase at once, so round n is phase n.
    """
    if number >= len(definition.phases):
        return [], []
    phase = definition.phases[number]
    by_assignment = {identity_of(experiment.assignment): experiment for experiment in known.values()}
    experiments: list[Experiment] = []
    new: list[Experiment] = []
    for assignment in assignments(definition, phase):
        experiment = by_assignment.get(identity_of(assignment))
        if experiment is None:
            experiment = Experiment(f"e{len(known) + len(new):03d}", phase.name, assignment)
            new.append(experiment)
        experiments.append(experiment)
    return new, _packs(definition, phase, number, experiments)


def assignments(definition: Definition, phase: Phase) -> list[Assignment]:
    """The experiments of a phase as full assignments, the incumbent first."""
    incumbent = definition.incumbent
    draw = STRATEGIES[phase.strategy]
    seed = seed_of(definition.seed, phase.name)
    drawn = draw(phase.space, [incumbent], seed, phase.experiments - 1)
    return [incumbent, *({**incumbent, **one} for one in drawn)]


def identity_of(assignment: Assignment) -> frozenset[tuple[str, tuple[str, str]]]:
    """What makes two full assignments the same experiment."""
    return frozenset((name, key(value)) for name, value in assignment.items())


def _packs(definition: Definition, phase: Phase, number: int, experiments: Sequence[Experiment]) -> list[Pack]:
    # Experiment by experiment: after a third of the time, a third of the settings are known on every range.
    trials = [
        (experiment, Trial(phase.name, experiment.id, range_, seed))
        for experiment in experiments
        for range_ in range(len(phase.ranges))
        for seed in range(phase.seeds)
    ]
    return [
        Pack(f"r{number}-p{at:03d}", _label(phase, experiment, trial), definition.image, (trial,))
        for at, (experiment, trial) in enumerate(trials)
    ]


def _label(phase: Phase, experiment: Experiment, trial: Trial) -> str:
    """One line of plain text for people: a stage in Jenkins, a bar on a terminal."""
    settings = " ".join(f"{name}={results.to_cell(experiment.assignment[name])}" for name in phase.space)
    label = f"{trial} {settings}"
    plain = "".join(letter if letter.isprintable() else " " for letter in label)
    return plain if len(plain) <= _LABEL_AT_MOST else plain[: _LABEL_AT_MOST - 1] + "…"


def trial_count(packs: Sequence[Pack]) -> int:
    return sum(1 for _ in trials_of(packs))
