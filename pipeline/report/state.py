"""The state of a sweep: progress, failures, ranking, verdicts. Page, terminal, `list`, `watch` and Jenkins share it.

It reads the store and writes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.analysis.confirmation import Confirmation, confirmation
from pipeline.analysis.ranking import Standing, standings, tried
from pipeline.analysis.same_data import of_same_data
from pipeline.report.answer import Answer, decide
from pipeline.results import Row, Status, trainings
from pipeline.sweep import Phase, Sweep, Trial, ledger, merge, trials_of
from pipeline.sweep.merge import Merged

_LONGEST_REASON = 100
"""Characters of `why_stopped` in `State.words`."""


@dataclass(frozen=True)
class State:
    """A sweep at the moment when its store was read."""

    sweep: Sweep
    rows: Sequence[Row]
    skipped: Sequence[tuple[str, str]]
    """Foreign or damaged files under `trials/`: `(key, why)`."""
    planned: Sequence[Trial]
    """The trials of all rounds so far."""
    done: bool
    """True if no more rows will come: the last round is empty, and every planned trial has its row, unless time or
    money ran out first."""
    stopped: bool
    """True if the sweep was stopped, by a person or because all trials failed alike, and not continued since."""
    why_stopped: str = ""
    """The failure that all trials share; empty if a person stopped the sweep."""

    @property
    def failed(self) -> list[Row]:
        """The failed rows, without references."""
        return [row for row in trainings(self.rows) if not Status(row["status"]).is_result]

    @property
    def counts(self) -> tuple[int, int]:
        """Trials with a row, and planned trials, both without references."""
        return len(trainings(self.rows)), sum(not trial.is_reference for trial in self.planned)

    @cached_property
    def ranked(self) -> list[Standing]:
        """The comparable experiments, by the metric that chooses, the best first."""
        if self.sweep.definition.resembling:
            return []  # a person who sees a ranking has chosen on these ranges, which are to judge later
        return standings(self.sweep.definition, self.rows)

    @cached_property
    def tried(self) -> list[tuple[Phase, Standing]]:
        """Every experiment that can be ranked, with the phase that it is ranked in, finalists first."""
        return [] if self.sweep.definition.resembling else tried(self.sweep.definition, self.rows)

    @cached_property
    def confirmed(self) -> Confirmation | None:
        """The confirmation of the finalists; None until the sweep is done, and if nothing was judged.

        None for a claim, too: it is judged on the date ranges of several sweeps together, never of this one alone.
        """
        definition = self.sweep.definition
        if definition.claim or not self.done or not any(definition.phase(trial.phase).judges for trial in self.planned):
            return None
        return confirmation(
            definition,
            self.rows,
            lambda finalists: ledger.earlier_claims(self.sweep.store, self.sweep.definition, finalists),
        )

    @cached_property
    def decided(self) -> Answer | None:
        """The sweep's answer so far; None while nothing is ranked."""
        definition = self.sweep.definition
        return decide(definition, of_same_data(definition, self.rows), self.ranked, self.confirmed, done=self.done)

    @property
    def best(self) -> Standing | None:
        """The setting that is the answer."""
        return self.decided.setting if self.decided else None

    @property
    def words(self) -> str:
        """`done`, `12 of 31 trials, 1 failed`, `stopped at 12 of 31 trials: <the failure that all trials share>`."""
        failed = f", {len(self.failed)} failed" if self.failed else ""
        finished, planned = self.counts
        counts = f"{finished} of {planned} trials"
        if self.done:
            return "done" + (f" with {counts}" if finished < planned else "") + failed
        reason = f": {self.why_stopped[:_LONGEST_REASON]}" if self.why_stopped else ""
        return ("stopped at " if self.stopped else "") + counts + failed + reason


def state_of(sweep: Sweep, merged: Merged | None = None) -> State:
    """The state of a sweep. `merged`, from a caller that has just merged the rows, saves reading them again."""
    merged = merged or merge.look(sweep)
    rounds, unreadable = sweep.readable_rounds()
    planned = [trial for packs in rounds for trial in trials_of(packs or ())]
    # A damaged row ends its trial like any other row: only a retry runs the trial again.
    damaged = {parsed[0] for key, _ in merged.skipped if (parsed := sweep.result_of(key))}
    finished = damaged | {row["trial"] for row in merged.rows}
    complete = sweep.definition.is_timed or all(str(trial) in finished for trial in planned)
    done = bool(rounds) and rounds[-1] == [] and complete
    stopped = not done and sweep.stop_is_asked()
    why_stopped = sweep.why_stopped() if stopped else ""
    return State(sweep, merged.rows, [*merged.skipped, *unreadable], planned, done, stopped, why_stopped)
