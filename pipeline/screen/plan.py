"""The plan of a sweep as lines: its phases, their date ranges, the first experiments, the judging and the cost."""

from collections.abc import Callable, Iterator, Sequence

from pipeline.analysis.history import History
from pipeline.dates import DateRange
from pipeline.plan.estimate import Estimate
from pipeline.plan.power import ASSUMED_PERCENT, Power
from pipeline.plan.rounds import next_round
from pipeline.report.words import duration, resemblance_in_words
from pipeline.results import printable
from pipeline.sweep import Definition, Experiment, Phase

MOST_EXPERIMENTS = 5
"""Experiments that are listed."""
RANGES_FOR_A_TEST = 3
RANGES_RECOMMENDED = 6


CountRows = Callable[[DateRange], int]
"""Counts the rows of a date range that have every target."""


def plan_lines(definition: Definition, rows: CountRows | None = None) -> Iterator[str]:
    """The lines of each phase; the first phase lists the experiments of its first round.

    `rows` is None if the data were not read.
    """
    experiments, _ = next_round(History.at_start(definition), 0)
    yield from definition.decided
    for phase in definition.of_settings:
        yield _amount_line(phase, is_open_ended=phase.judges or definition.is_timed)
        yield from _origin_lines(phase)
        yield from _judging_lines(definition, phase)
        yield from _range_lines(definition, phase, rows)
        if phase is definition.phases[0]:
            yield from _experiment_lines(definition, phase, experiments)
    for phase in [phase for phase in definition.phases if phase.is_reference]:
        yield (
            f"and {_counted(phase.experiments * len(phase.ranges), 'reference')} in seconds of CPU: a constant, a "
            f"linear model and boosted trees on {_counted(len(phase.ranges), 'date range')}; they choose nothing"
        )


def _amount_line(phase: Phase, *, is_open_ended: bool) -> str:
    experiments = ("at most " if is_open_ended else "") + _counted(phase.experiments, "experiment")
    return (
        f"phase {phase.name}: {phase.trials_at_most} trials: {experiments} ({phase.strategy}) on "
        f"{_counted(len(phase.ranges), 'date range')}, {_counted(phase.seeds, 'seed')} each, "
        f"up to {phase.fidelity.max_epochs} epochs" + (", racing" if phase.race else "")
    )


def _origin_lines(phase: Phase) -> Iterator[str]:
    """The number of experiments that the budget cut, and the setting that the search starts from."""
    if phase.wanted:
        yield f"  the budget has no room for {phase.wanted - phase.experiments} more experiments"
    if phase.replicates:
        yield f"  trains the best of {phase.follows} again: after one training each, the first is mostly the luckiest"
    elif phase.follows:
        near = f", searching {phase.near:.0%} of each range around it" if phase.near else ""
        yield f"  starts from the best setting of {phase.follows}{near}"


def _judging_lines(definition: Definition, phase: Phase) -> Iterator[str]:
    if phase.judging is None:
        return
    yield _gain_line(definition)
    if not phase.judging.fresh:
        yield "  no fresh date range: the same ones with new seeds, so the verdict is never above promising"
        return
    yield f"  these ranges play no part in choosing; they judge the winner against {definition.incumbent_name}"
    if phase.judging.resemblance:
        yield f"  {resemblance_in_words(phase.judging.resemblance)}"
    if len(phase.ranges) < RANGES_FOR_A_TEST:
        yield '  with fewer than three there is no test: the verdict will be "not testable"'
    elif len(phase.ranges) < RANGES_RECOMMENDED:
        yield "  six are recommended: with fewer, only larger gains are found"


def _range_lines(definition: Definition, phase: Phase, rows: CountRows | None) -> Iterator[str]:
    training = definition.training
    for date_range in phase.ranges:
        split = date_range.split(training.validation_share, training.test_share)
        line = f"  {date_range}: train {split.train.days}, validate {split.valid.days}, test {split.test.days} days"
        if rows is not None:
            line += ": " + ", ".join(f"{rows(part):,}" for part in (split.train, split.valid, split.test)) + " rows"
        yield line


def total_line(total: Estimate) -> str:
    """Trials, rows and time in one line: `in all at most 12 trials on 801 rows; about 3 min of training, …`."""
    line = f"in all at most {_counted(total.trials, 'trial')}"
    if total.rows:
        low, high = total.rows
        line += f" on {low:,} rows" if low == high else f" on {low:,} to {high:,} rows"
    if total.covers:
        line += f" (the data cover {total.covers})"
    if total.seconds is None:
        line += "; the first ones will show how long they take"
    elif total.earlier:
        line += f"; about {duration(total.seconds)} of training, as {total.earlier} trainings of earlier sweeps took"
    else:
        line += f"; at most about {duration(total.seconds)} of training, if each runs all its epochs at 5 ms a step"
    return line + ("; its budget may end it before" if total.is_timed else "")


def _experiment_lines(definition: Definition, phase: Phase, experiments: Sequence[Experiment]) -> Iterator[str]:
    for at, experiment in enumerate(experiments[:MOST_EXPERIMENTS]):
        words = " ".join(f"{name}={printable(experiment.assignment[name])}" for name in phase.space)
        yield f"  {experiment.id} {words}" + (f" ({definition.incumbent_name})" if at == 0 else "")
    if len(experiments) > MOST_EXPERIMENTS:
        in_round = " in its first round" if len(experiments) < phase.experiments else ""
        yield f"  … and {len(experiments) - MOST_EXPERIMENTS} more{in_round}"


def power_line(power: Power | None) -> str | None:
    """The smallest gain that the sweep would find, and the source of that number; None if nothing is confirmed."""
    if power is None:
        return None
    design = power.design
    scale, ranges = design.scale, _counted(len(design.ranges), "date range")
    if power.in_spreads is None:
        return f"the winner will be judged on {ranges}: too few for a test, which takes {RANGES_FOR_A_TEST}"
    caveat = "" if design.fresh else "; they are not fresh, so no gain is ever called more than promising"
    spread, assumed = power.spread, power.spread is None
    if spread is None:
        spread = scale.of_share(ASSUMED_PERCENT / 100)
    if spread is None:
        beyond = f" beyond {scale.rope(design.rope)}" if design.rope else ""
        return (
            f"judged on {ranges}, a gain{beyond} would be found four times in five if it is "
            f"{power.in_spreads:.1f} times its standard deviation from one date range to the next, which no earlier "
            f"sweep has measured{caveat}"
        )
    least = scale.words(power.finds(spread) or 0.0)
    if assumed:
        source = "which is assumed, as no earlier sweep tells"
    else:
        source = f"as in {_counted(power.sweeps, 'earlier sweep')}"
    return (
        f"judged on {ranges}, a gain of {least} would be found four times in five if gains differ by "
        f"{scale.words(spread)} from one date range to the next, {source}{caveat}"
    )


def _gain_line(definition: Definition) -> str:
    """The definition of a gain, and the rope."""
    objective, rope = definition.objective, definition.rope
    better, units = ("smaller" if objective.goal == "minimize" else "larger"), "in its own units"
    if objective.scale == "ratio":
        units = "in per cent"
    elif objective.gains.is_share:
        units = "in points, hundredths of it"
    worth = f"{objective.gains.rope(rope)} or less is not worth having" if rope else "any is worth having"
    return f"  a gain is how much {better} {objective.test} gets, {units}; {worth} (confirm.rope)"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")
