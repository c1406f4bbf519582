"""The next round: what a sweep's definition and its finished rounds say should run now.

Planning is a pure step over the store. Asked again, it answers the same; asked while a round is not drained, it
answers with what is left of that round; an empty answer means that the sweep is done.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pipeline import results
from pipeline.analysis import ranking, spending
from pipeline.analysis.ranking import objective_values, standings
from pipeline.dates import DateRange
from pipeline.plan import packing
from pipeline.results import Row, Status
from pipeline.search import STRATEGIES, SearchSpace, Tried
from pipeline.search.near import near
from pipeline.space import Assignment, identity_of, key
from pipeline.sweep import (
    Definition,
    Experiment,
    Pack,
    Phase,
    ResultFile,
    Sweep,
    Trial,
    ledger,
    merge,
    seed_of,
    trials_of,
)

_LABEL_AT_MOST = 90


def pending(sweep: Sweep, *, retry: bool = False, lanes: int | None = None) -> list[Pack]:
    """The packs that should run now; empty if the sweep is done.

    A new round is cut into packs for so many lanes; where nobody knows how many, each trial is one. `retry` counts
    trials that failed as not run. The next round is planned when all trials of the last one have a row, or the budget
    has ended.
    """
    sweep.definition.check_format()
    rounds = [sweep.round(number) for number in range(sweep.rounds())]
    every = [pack for packs in rounds for pack in packs]
    left = unfinished(sweep, every if retry or not rounds else rounds[-1], retry=retry)
    rows = merge.look(sweep).rows if (rounds and not left) or sweep.definition.is_timed else []
    now = datetime.now(UTC)
    if left and spending.is_over(sweep.definition, rows, now):
        judging = {phase.name for phase in sweep.definition.phases if phase.judges}
        left = [pack for pack in left if pack.trials[0].phase in judging]
    if left:
        return left
    if not rounds:
        ledger.note_choosing(sweep.store, sweep.definition)
    known = sweep.experiments()
    experiments, packs = next_round(sweep.definition, len(rounds), known, trials_of(every), rows, now, lanes)
    if rounds and not rounds[-1] and not packs:
        return []
    # A round after an empty one: what failed was run again, and now there is something to judge.
    sweep.add_experiments(experiments)
    return sweep.create_round(len(rounds), packs)


def unfinished(sweep: Sweep, packs: Sequence[Pack], *, retry: bool = False) -> list[Pack]:
    """The packs, reduced to trials that have no row (with `retry`: no result)."""
    files = sweep.result_files()
    left = []
    for pack in packs:
        trials = tuple(trial for trial in pack.trials if not _is_finished(sweep, files.get(str(trial)), trial, retry))
        if trials:
            left.append(pack if trials == pack.trials else replace(pack, label=_label_of(trials), trials=trials))
    return left


def _is_finished(sweep: Sweep, file: ResultFile | None, trial: Trial, retry: bool) -> bool:
    if file is None or not retry:
        return file is not None
    try:
        return Status(sweep.read_row(file, str(trial))["status"]).is_result
    except ValueError:
        return False


def next_round(
    definition: Definition,
    number: int,
    known: Mapping[str, Experiment],
    planned: Iterable[Trial],
    rows: Sequence[Row],
    now: datetime | None = None,
    lanes: int | None = None,
) -> tuple[list[Experiment], list[Pack]]:
    """Round `number`: the experiments that are new, and the packs to run. No packs: the sweep is done.

    `known` are the experiments asked for before, `planned` the trials of the rounds before, which all have a row
    unless the budget ended first; `now` is what the clock says. The round belongs to the first phase that still wants
    a trial which is not planned.
    """
    planned, now = set(planned), now or datetime.now(UTC)
    for phase in definition.phases:
        wanted = assignments(definition, phase, known, planned, rows, now)
        experiments, new = _numbered(known, phase, wanted)
        trials = [trial for trial in _wanted(definition, phase, experiments, rows) if trial not in planned]
        if trials:
            by_id = {experiment.id: experiment for experiment in experiments}
            pairs = [(by_id[trial.experiment], trial) for trial in trials]
            cut = packing.cut(definition, pairs, lanes or len(pairs))
            return new, [
                Pack(f"r{number}-p{at:03d}", _label(phase, pack), definition.image, tuple(trial for _, trial in pack))
                for at, pack in enumerate(cut)
            ]
    return [], []


def assignments(
    definition: Definition,
    phase: Phase,
    known: Mapping[str, Experiment],
    planned: Collection[Trial],
    rows: Sequence[Row],
    now: datetime,
) -> list[Assignment]:
    """The experiments of a phase as full assignments, the incumbent first; none if there is nothing to judge."""
    if phase.judges:
        return _finalists(definition, phase, known, planned, rows, now)
    asked = _asked(phase, known, planned)
    # Who has planned a later phase is through with this one, even if a retry changed what is known.
    later = {one.name for one in definition.phases[definition.phases.index(phase) + 1 :]}
    whole_at_once = phase.batch is None and phase.follows is not None and asked
    by_room = phase.batch is not None or phase.replicates
    if whole_at_once or (by_room and any(trial.phase in later for trial in planned)):
        return asked
    if phase.replicates:
        return _best(definition, phase, rows, now)
    base = _start(definition, phase, asked, known, rows)
    given = [definition.incumbent]
    if identity_of(base) != identity_of(definition.incumbent):
        given.append(base)
    if phase.batch is None:
        asked, n = given, phase.experiments - len(given)
    else:
        n = min(phase.batch, phase.experiments - len(asked))
        if definition.is_timed:
            n = int(min(n, spending.room(definition, phase, rows, now)))
            # Before anything has run, what a training takes is found out on what has to run anyway. Afterwards a phase
            # without room for something new would run in vain.
            if rows and not asked and n <= len(given):
                return []
        if not asked:
            asked, n = given, n - len(given)
    return asked + _drawn(definition, phase, base, asked, known, rows, n)


def _best(definition: Definition, phase: Phase, rows: Sequence[Row], now: datetime) -> list[Assignment]:
    """The incumbent and the best of the phase before; nothing where it found nothing, or where time has run out."""
    best = [one.assignment for one in ranking.candidates(definition, rows, phase)[: phase.experiments]]
    others = [one for one in best if identity_of(one) != identity_of(definition.incumbent)]
    found = [definition.incumbent, *others[: phase.experiments - 1]]
    if len(found) < 3 or (definition.is_timed and spending.room(definition, phase, rows, now) < len(found)):
        return []
    return found


def _finalists(
    definition: Definition,
    phase: Phase,
    known: Mapping[str, Experiment],
    planned: Collection[Trial],
    rows: Sequence[Row],
    now: datetime,
) -> list[Assignment]:
    begun = any(trial.phase == phase.name for trial in planned)
    if not begun and not spending.judging_fits(definition, rows, now):
        return []
    best = standings(definition, rows)[: phase.experiments - 1]
    finalists = [known[one.experiment].assignment for one in best if not one.is_incumbent]
    return [definition.incumbent, *finalists] if finalists and not best[0].is_incumbent else []


def _asked(phase: Phase, known: Mapping[str, Experiment], planned: Iterable[Trial]) -> list[Assignment]:
    """What the rounds before asked for in this phase, in the order of their numbers, the incumbent first."""
    ids = {trial.experiment for trial in planned if trial.phase == phase.name}
    return [known[id].assignment for id in sorted(ids, key=lambda id: int(id[1:]))]


def _start(
    definition: Definition,
    phase: Phase,
    asked: Sequence[Assignment],
    known: Mapping[str, Experiment],
    rows: Sequence[Row],
) -> Assignment:
    """The setting whose values a phase keeps where it does not search. Once it has begun, no retry changes that."""
    if phase.follows is None:
        return definition.incumbent
    best = [one.assignment for one in ranking.candidates(definition, rows, phase)]
    if asked:
        older = {identity_of(one.assignment) for one in known.values() if one.phase != phase.name}
        begun = [one for one in asked[1:] if identity_of(one) in older]
        best = [one for one in best if one in begun] or begun or [definition.incumbent]
    return best[0] if best else definition.incumbent


def _drawn(
    definition: Definition,
    phase: Phase,
    base: Assignment,
    asked: Sequence[Assignment],
    known: Mapping[str, Experiment],
    rows: Sequence[Row],
    n: int,
) -> list[Assignment]:
    """`n` settings beside those that the phase has, as full assignments; fewer if there are no more."""
    if n <= 0 or not phase.space:
        return []
    domains = near(phase.space, base, phase.near) if phase.near else phase.space
    try:
        space = SearchSpace(domains, phase.constraints, base)
    except ValueError:  # with what the phases before have chosen, nothing can fulfil the constraints
        return []
    # A calibration compares the same experiments in all of its phases.
    seed = seed_of(definition.seed, "calibrate" if definition.calibrating else phase.name)
    return [
        {**base, **one}
        for one in STRATEGIES[phase.strategy](space, _tried(definition, phase, base, asked, known, rows), seed, n)
    ]


def _tried(
    definition: Definition,
    phase: Phase,
    base: Assignment,
    asked: Sequence[Assignment],
    known: Mapping[str, Experiment],
    rows: Sequence[Row],
) -> list[Tried]:
    """What a phase has, and what those before it measured on the same terms, in the order of the numbers."""
    terms = (phase.ranges, phase.fidelity, phase.seeds)
    like = [one for one in definition.choosing if (one.ranges, one.fidelity, one.seeds) == terms]
    measured = objective_values(definition, like, rows) if phase.batch is not None else {}
    new = [one for one in asked if identity_of(one) not in {identity_of(e.assignment) for e in known.values()}]
    kept = {name: key(value) for name, value in base.items() if name not in phase.space}
    wanted = set(map(identity_of, asked))
    found = [
        Tried(one.assignment, measured.get(one.id))
        for one in sorted(known.values(), key=lambda one: int(one.id[1:]))
        if identity_of(one.assignment) in wanted
        or (one.id in measured and all(key(one.assignment[name]) == value for name, value in kept.items()))
    ]
    return found + [Tried(one) for one in new]


def _numbered(
    known: Mapping[str, Experiment], phase: Phase, wanted: Sequence[Assignment]
) -> tuple[list[Experiment], list[Experiment]]:
    """All experiments of a phase, those that were asked for before under their old number; and the new ones alone."""
    by_assignment = {identity_of(experiment.assignment): experiment for experiment in known.values()}
    experiments: list[Experiment] = []
    new: list[Experiment] = []
    for assignment in wanted:
        experiment = by_assignment.get(identity_of(assignment))
        if experiment is None:
            experiment = Experiment(f"e{len(known) + len(new):03d}", phase.name, assignment)
            new.append(experiment)
        experiments.append(experiment)
    return experiments, new


def _wanted(
    definition: Definition, phase: Phase, experiments: Sequence[Experiment], rows: Sequence[Row]
) -> list[Trial]:
    """The trials that a phase asks for, given what is finished."""
    seeds = range(phase.first_seed, phase.first_seed + phase.seeds)
    if phase.race:
        return _raced(definition, phase, [experiment.id for experiment in experiments], rows)
    # Experiment by experiment: after a third of the time, a third of the settings are known on every range.
    ranges = range(len(phase.ranges))
    return [Trial(phase.name, one.id, range_, seed) for one in experiments for range_ in ranges for seed in seeds]


def _raced(definition: Definition, phase: Phase, running: list[str], rows: Sequence[Row]) -> list[Trial]:
    """Range by range; between rounds, what is clearly worse on the ranges so far leaves the race."""
    from pipeline.analysis import racing

    metric = definition.objective.valid
    finished = {row["trial"]: row for row in rows}
    wanted: list[Trial] = []
    scores: dict[str, dict[DateRange, float | None]] = {experiment: {} for experiment in running}
    seeds = range(phase.first_seed, phase.first_seed + phase.seeds)
    for at in range(len(phase.ranges)):
        wanted += [Trial(phase.name, one, at, seed) for one in running for seed in seeds]
        if at + 1 < min(racing.FEWEST_RANGES, len(phase.ranges)):
            continue  # the race has nothing to say yet: these ranges are one round
        if not all(str(trial) in finished for trial in wanted):
            return wanted
        for trial in wanted:
            own = [finished[str(replace(trial, seed=seed))] for seed in seeds]
            if all(Status(row["status"]).is_result for row in own):
                scores[trial.experiment][phase.ranges[trial.range]] = _mean([row.get(metric) for row in own])
        # What failed cannot be ranked any more; it comes back by itself if a retry mends it.
        incumbent, so_far = running[0], set(phase.ranges[: at + 1])
        racers = {one: scores[one] for one in running if scores[one].keys() == so_far}
        race = racing.race(racers, incumbent, definition.objective.goal)
        running = [incumbent, *(one for one in racers if one != incumbent and one not in race.out)]
    return wanted


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return math.fsum(known) / len(known) if len(known) == len(values) else None


def _label(phase: Phase, pack: Sequence[tuple[Experiment, Trial]]) -> str:
    """One line of plain text for people: a stage in Jenkins, a bar on a terminal."""
    experiment, _ = pack[0]
    searched = [name for name in phase.space if all(name in one.assignment for one, _ in pack)]
    same = [name for name in searched if len({key(one.assignment[name]) for one, _ in pack}) == 1]
    told = same if len(pack) > 1 else searched
    settings = " ".join(f"{name}={results.to_cell(experiment.assignment[name])}" for name in told)
    label = f"{_label_of([trial for _, trial in pack])} {settings}"
    plain = "".join(letter if letter.isprintable() else " " for letter in label.strip())
    return plain if len(plain) <= _LABEL_AT_MOST else plain[: _LABEL_AT_MOST - 1] + "…"


def _label_of(trials: Sequence[Trial]) -> str:
    others = len(trials) - 1
    return f"{trials[0]} and {others} more like it" if others else str(trials[0])


def trial_count(packs: Sequence[Pack]) -> int:
    return sum(1 for _ in trials_of(packs))
