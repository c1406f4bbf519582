"""How far a sweep is, and whether it is done: the one answer that page, terminal, `list`, `watch` and Jenkins give.

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

_WHY_AT_MOST = 100


@dataclass(frozen=True)
class State:
    """A sweep as it was when somebody looked."""

    sweep: Sweep
    rows: Sequence[Row]
    skipped: Sequence[tuple[str, str]]
    """Foreign or damaged files under `trials/`: `(key, why)`."""
    planned: Sequence[Trial]
    """The trials that all rounds so far asked for."""
    done: bool
    """Whether nothing more will come: the last round is empty, and every planned trial has its row, unless time or
    money ended before it could run."""
    stopped: bool
    """Whether somebody stopped it, and nobody went on with it since."""
    why_stopped: str = ""
    """The one failure of its trials that it was stopped for; empty where a person stopped it."""

    @property
    def failed(self) -> list[Row]:
        """The rows of settings that are no results."""
        return [row for row in trainings(self.rows) if not Status(row["status"]).is_result]

    @property
    def counts(self) -> tuple[int, int]:
        """How many trials have a row, and how many the rounds asked for, without references."""
        return len(trainings(self.rows)), sum(not trial.is_reference for trial in self.planned)

    @cached_property
    def ranked(self) -> list[Standing]:
        """The experiments that can be compared, by what chooses, the best first."""
        if self.sweep.definition.resembling:
            return []  # whoever sees which setting is ahead has chosen on ranges that are to judge
        return standings(self.sweep.definition, self.rows)

    @cached_property
    def tried(self) -> list[tuple[Phase, Standing]]:
        """All experiments that can be ranked, finalists first, each with the phase that it is ranked in."""
        return [] if self.sweep.definition.resembling else tried(self.sweep.definition, self.rows)

    @cached_property
    def confirmed(self) -> Confirmation | None:
        """What is known of the finalists; None until the sweep is done, and where nothing was judged. Of a claim its
        date ranges count together with those of other sweeps, so there is no verdict of this one's alone."""
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
        """`done`, `12 of 31 trials, 1 failed`, `stopped at 12 of 31 trials`, and why where nobody did it."""
        failed = f", {len(self.failed)} failed" if self.failed else ""
        finished, planned = self.counts
        counts = f"{finished} of {planned} trials"
        if self.done:
            return "done" + (f" with {counts}" if finished < planned else "") + failed
        why = f": {self.why_stopped[:_WHY_AT_MOST]}" if self.why_stopped else ""
        return ("stopped at " if self.stopped else "") + counts + failed + why


def state_of(sweep: Sweep, merged: Merged | None = None) -> State:
    """The state of a sweep; `merged` saves reading its rows once more where somebody has just merged them."""
    merged = merged or merge.look(sweep)
    rounds, unreadable = sweep.readable_rounds()
    planned = [trial for packs in rounds for trial in trials_of(packs or ())]
    # A damaged row ends its trial as well as any: nobody runs it again unless a retry is asked for.
    damaged = {parsed[0] for key, _ in merged.skipped if (parsed := sweep.result_of(key))}
    finished = damaged | {row["trial"] for row in merged.rows}
    complete = sweep.definition.is_timed or all(str(trial) in finished for trial in planned)
    done = bool(rounds) and rounds[-1] == [] and complete
    stopped = not done and sweep.stop_is_asked()
    why = sweep.why_stopped() if stopped else ""
    return State(sweep, merged.rows, [*merged.skipped, *unreadable], planned, done, stopped, why)
