"""Plans the next round of a sweep from its definition and its finished rounds.

Planning is a pure step over the store: planning again gives the same packs. While a round is not drained, planning
gives its remaining packs; no packs mean that the sweep is done. `settings.py` chooses the settings of a phase.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.analysis import spending
from pipeline.analysis.history import History
from pipeline.analysis.same_data import comparable
from pipeline.dates import DateRange
from pipeline.plan import labels, packing
from pipeline.plan.settings import settings_of
from pipeline.results import Row, Status
from pipeline.space import Assignment, identity_of
from pipeline.sweep import Definition, Experiment, Pack, Phase, ResultFile, Sweep, Trial, ledger, merge, trials_of
from pipeline.training import references


def plan_packs(sweep: Sweep, *, retry: bool = False, lanes: int | None = None) -> list[Pack]:
    """The packs that should run now; empty if the sweep is done. Writes a new round into the store.

    With `lanes`, a new round is cut into packs for this many lanes, and so are the remaining trials of a round that has
    begun. Without, each trial of a new round is a pack, and packs stay as they were planned. `retry` counts failed
    trials as not run. The next round is planned when all trials so far have a row, or the budget has ended. A trial
    whose row was deleted runs again. Raises UserError if the sweep has the format of another version.
    """
    sweep.definition.check_format()
    rounds = [sweep.round(number) for number in range(sweep.rounds())]
    packs = [pack for planned in rounds for pack in planned]

    # The remaining packs of the rounds so far.
    remaining = unfinished(sweep, packs, retry=retry)
    is_begun = bool(remaining) and remaining != rounds[-1]
    needs_rows = (rounds and not remaining) or (is_begun and lanes) or sweep.definition.is_timed
    rows = merge.look(sweep).rows if needs_rows else []
    history = History(sweep.definition, datetime.now(UTC), planned=frozenset(trials_of(packs)), rows=rows)
    if remaining and spending.choosing_is_over(history):
        remaining = [pack for pack in remaining if not sweep.definition.phase(pack.trials[0].phase).chooses]
    if remaining and is_begun and lanes:
        return _cut_again(sweep, remaining, len(rounds) - 1, len(rounds[-1]), lanes, rows)
    if remaining:
        return remaining

    # The next round.
    if not rounds:
        ledger.note_choosing(sweep.store, sweep.definition)
    history = replace(history, experiments=sweep.experiments())
    new, packs = next_round(history, len(rounds), lanes)
    if rounds and not rounds[-1] and not packs:
        return []
    # A round with packs may follow an empty one: a retry may have given the sweep something to judge.
    sweep.add_experiments(new)
    return sweep.create_round(len(rounds), packs)


def unfinished(sweep: Sweep, packs: Sequence[Pack], *, retry: bool = False) -> list[Pack]:
    """The packs without their finished trials: those with a row or, with `retry`, with a result."""
    files = sweep.result_files()
    reduced = []
    for pack in packs:
        trials = tuple(trial for trial in pack.trials if not _is_finished(sweep, files.get(str(trial)), trial, retry))
        if trials:
            reduced.append(pack.reduced_to(trials))
    return reduced


def _cut_again(
    sweep: Sweep, packs: Sequence[Pack], number: int, first: int, lanes: int, rows: Sequence[Row]
) -> list[Pack]:
    """Cuts the trials of the packs into new packs for this many lanes: `r<number>-p<first>` and those that follow."""
    experiments = sweep.experiments()
    trials = [
        (Experiment.of_reference(trial.experiment) if trial.is_reference else experiments[trial.experiment], trial)
        for trial in trials_of(packs)
    ]
    return _packs(sweep.definition, packing.cut(sweep.definition, trials, lanes, rows), number, first)


def _is_finished(sweep: Sweep, file: ResultFile | None, trial: Trial, retry: bool) -> bool:
    if file is None or not retry:
        return file is not None
    try:
        return Status(sweep.read_row(file, str(trial))["status"]).is_result
    except ValueError:
        return False


def next_round(history: History, number: int, lanes: int | None = None) -> tuple[list[Experiment], list[Pack]]:
    """The new experiments and the packs of round `number`. Without packs, the sweep is done.

    All planned trials must have a row, unless the budget ended first. The round belongs to the first phase with a trial
    that is not planned yet. Round 0 has the references, too.
    """
    for phase in history.definition.of_settings:
        experiments, new = _with_ids(history, phase, settings_of(history, phase))
        trials = [trial for trial in _trials(history, phase, experiments) if trial not in history.planned]
        if trials:
            by_id = {experiment.id: experiment for experiment in experiments}
            pairs = [(by_id[trial.experiment], trial) for trial in trials]
            cut = packing.cut(history.definition, pairs, lanes, history.rows) if lanes else [[pair] for pair in pairs]
            cut += _references(history.definition) if number == 0 else []
            return new, _packs(history.definition, cut, number)
    return [], []


def _references(definition: Definition) -> list[list[packing.Planned]]:
    """The trials of the references, as one pack per date range."""
    return [
        [(Experiment.of_reference(name), Trial(phase.name, name, at, 0)) for name in references.NAMES]
        for phase in definition.phases
        if phase.is_reference
        for at in range(len(phase.ranges))
    ]


def _packs(definition: Definition, cut: Sequence[Sequence[packing.Planned]], number: int, first: int = 0) -> list[Pack]:
    """Packs of round `number`: `r2-p000`, `r2-p001`, … if `number` is 2 and `first` is 0."""
    return [
        Pack(f"r{number}-p{first + at:03d}", label, definition.image, tuple(trial for _, trial in planned))
        for at, (planned, label) in enumerate(zip(cut, labels.labels(definition, cut), strict=True))
    ]


def _with_ids(
    history: History, phase: Phase, settings: Sequence[Assignment]
) -> tuple[list[Experiment], list[Experiment]]:
    """The experiments of a phase, in the order of its settings; and the new ones among them.

    A setting that the sweep has tried before keeps its id.
    """
    by_setting = {identity_of(experiment.assignment): experiment for experiment in history.experiments.values()}
    experiments: list[Experiment] = []
    new: list[Experiment] = []
    for assignment in settings:
        experiment = by_setting.get(identity_of(assignment))
        if experiment is None:
            experiment = Experiment(f"e{len(history.experiments) + len(new):03d}", phase.name, assignment)
            new.append(experiment)
        experiments.append(experiment)
    return experiments, new


# -- the trials of a phase


def _trials(history: History, phase: Phase, experiments: Sequence[Experiment]) -> list[Trial]:
    """All trials of a phase so far, finished or not. A race goes on without the settings that have left it."""
    if phase.race:
        return _race(history, phase, [experiment.id for experiment in experiments])
    # Experiment by experiment: after a third of the time, a third of the settings have a row on every range.
    ranges = range(len(phase.ranges))
    return [
        Trial(phase.name, experiment.id, at, seed)
        for experiment in experiments
        for at in ranges
        for seed in _seeds(phase)
    ]


def _seeds(phase: Phase) -> range:
    return range(phase.first_seed, phase.first_seed + phase.seeds)


def _race(history: History, phase: Phase, experiments: Sequence[str]) -> list[Trial]:
    """The trials of a race up to its current range, range by range.

    Settings that are clearly worse on the ranges so far leave the race. `experiments` are ids, the incumbent's first.
    """
    from pipeline.analysis import racing

    finished = {row["trial"]: row for row in history.rows}
    # Trials whose data differ from those of most trials count as failed.
    comparable_trials = {row["trial"] for row in comparable(history.definition, history.rows_of(phase))}
    rows = {trial: row for trial, row in finished.items() if trial in comparable_trials}
    objective = history.definition.objective
    trials: list[Trial] = []
    incumbent, running = experiments[0], list(experiments)
    for at in range(len(phase.ranges)):
        trials += [Trial(phase.name, experiment, at, seed) for experiment in running for seed in _seeds(phase)]
        if at + 1 < min(racing.FEWEST_RANGES, len(phase.ranges)):
            continue  # the first ranges form one round, as fewer are too few to compare settings
        if not all(str(trial) in finished for trial in trials):
            return trials
        scores = {experiment: _scores(phase, experiment, at + 1, rows, objective.valid) for experiment in running}
        # A setting with a failed trial cannot be ranked; it comes back if a retry succeeds.
        racers = {experiment: by_range for experiment, by_range in scores.items() if len(by_range) == at + 1}
        race = racing.race(racers, incumbent, objective.goal)
        running = [incumbent, *(racer for racer in racers if racer != incumbent and racer not in race.out)]
    return trials


def _scores(
    phase: Phase, experiment: str, ranges: int, rows: Mapping[str, Row], metric: str
) -> dict[DateRange, float | None]:
    """{range: metric} of an experiment on the first `ranges` ranges, as a mean over its seeds.

    A range where a seed has no result is left out. `rows` is {trial: row}.
    """
    scores = {}
    for at, date_range in enumerate(phase.ranges[:ranges]):
        by_seed = [rows.get(str(Trial(phase.name, experiment, at, seed))) for seed in _seeds(phase)]
        results = [row for row in by_seed if row is not None and Status(row["status"]).is_result]
        if len(results) == len(by_seed):
            scores[date_range] = _mean([row.get(metric) for row in results])
    return scores


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values; None if one of them is missing or not finite."""
    numbers = [value for value in values if value is not None and math.isfinite(value)]
    return math.fsum(numbers) / len(numbers) if len(numbers) == len(values) else None


def packs_in_words(packs: Sequence[Pack]) -> str:
    """The contents of packs in words: `31 trials to run, and 27 references in seconds of CPU`."""
    trials = list(trials_of(packs))
    references = sum(trial.is_reference for trial in trials)
    line = f"{len(trials) - references} trials to run"
    return f"{line}, and {references} references in seconds of CPU" if references else line
