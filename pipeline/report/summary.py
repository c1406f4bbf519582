"""The summary of a sweep as plain values, which the templates lay out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.analysis.ranking import Standing, standings
from pipeline.analysis.same_data import of_same_data, other_data_in_words
from pipeline.analysis.selection import ChoosingGain, gain_of_choosing
from pipeline.report.answer import Answer, Basis, RangeComparison, decide, newest_model, range_comparisons
from pipeline.report.costs import Costs, costs
from pipeline.report.limits import limits_in_words
from pipeline.report.references import References, references_of
from pipeline.report.sentence import sentence, so_far
from pipeline.results import Row, Status, trainings
from pipeline.scale import Scale
from pipeline.sweep import Definition, Trial

if TYPE_CHECKING:
    from pipeline.analysis.calibration import Calibration
    from pipeline.analysis.confirmation import Confirmation
    from pipeline.analysis.ranges_needed import RangesNeeded
    from pipeline.report.judged_claim import ClaimStanding


@dataclass(frozen=True)
class Summary:
    """Everything that the page shows."""

    definition: Definition
    rows: Sequence[Row]
    planned: int
    """Trials of all rounds so far, without references."""
    done: bool
    """True if no more rows will come."""
    ranked: Sequence[Standing]
    decided: Answer | None
    """None while nothing is ranked."""
    comparisons: Sequence[RangeComparison]
    """The answer, or its rival, compared with the incumbent on the ranges that judged, else on those that chose."""
    confirmed: "Confirmation | None"
    choosing_gain: ChoosingGain | None
    """The winner's gain while choosing, with and without the luck of being picked."""
    saved: int
    """Trials that never ran, because races dropped their experiments."""
    answer: str
    """The answer in a sentence, and a second sentence if the data changed during the sweep."""
    other_data: str
    """A sentence about trainings that read other data than the rest; empty if there are none."""
    failures: Sequence[Row]
    """The failed and the diverged rows, without references."""
    skipped: Sequence[tuple[str, str]]
    """Foreign or damaged files under `trials/`: `(key, why)`."""
    counts: dict[str, int]
    """Trials by status: `{"complete": 30, "failed": 1}`."""
    costs: Costs
    why_stopped: str = ""
    """The failure that all trials share, if it stopped the sweep."""
    references: References | None = None
    calibration: "Calibration | None" = None
    """The result of a calibration; None in every other sweep, and as long as there is no result."""
    ranges_needed: "RangesNeeded | None" = None
    """The result of a study of resemblance; None in every other sweep, and as long as there is no result."""
    open_claim: str = ""
    """A sentence about the claim that the sweep makes of its winner; empty if it makes none."""
    claim_standing: "ClaimStanding | None" = None
    """The state of the claim that the sweep judges; None in every other sweep, and while it runs."""

    @property
    def finished(self) -> int:
        """Trials that have a row, without references."""
        return len(trainings(self.rows))

    @property
    def scale(self) -> Scale:
        """The scale of gains, in units that fit the metric's values."""
        objective = self.definition.objective
        return objective.gains.fitting(row.get(name) for row in self.rows for name in (objective.valid, objective.test))

    @property
    def best(self) -> Standing | None:
        """The setting that is the sweep's answer."""
        return self.decided.setting if self.decided else None

    @property
    def leader(self) -> Standing | None:
        """The best of choosing, whether or not it was judged to be better."""
        return self.ranked[0] if self.ranked else None

    @property
    def keeps_incumbent(self) -> bool:
        """True if the incumbent is the answer because no finalist was judged to be better."""
        return self.decided is not None and self.decided.basis is Basis.KEPT

    @property
    def at_limit(self) -> list[str]:
        """One text for each limit of epochs that ended trainings while they still improved."""
        return limits_in_words(self.definition, self.rows)

    @property
    def model(self) -> Row | None:
        """The row whose model is the answer's, on its newest date range."""
        rows = [row for row in self.rows if self.best and row["experiment"] == self.best.experiment]
        return newest_model(self.definition, rows)

    def distinct(self, column: str) -> list[str]:
        """The distinct values of a column, the most frequent first."""
        return [str(value) for value, _ in Counter(row.get(column) for row in self.rows).most_common() if value]

    @property
    def searched(self) -> list[str]:
        """The hyperparameters that a phase searched."""
        return list(dict.fromkeys(name for phase in self.definition.phases for name in phase.space))


def summarize(
    definition: Definition,
    rows: Sequence[Row],
    planned: Sequence[Trial],
    done: bool,
    confirmed: "Confirmation | None" = None,
    skipped: Sequence[tuple[str, str]] = (),
) -> Summary:
    """The summary of these rows. `planned` are the trials of all rounds so far; `done`: no more rows will come."""
    trained, to_train = trainings(rows), [trial for trial in planned if not trial.is_reference]
    ranked = standings(definition, rows)
    decided = decide(definition, of_same_data(definition, trained), ranked, confirmed, done=done)
    comparisons = range_comparisons(definition, ranked, decided, confirmed)
    references = references_of(definition, rows, decided.setting if decided else None)
    progress = so_far(len(trained), len(to_train)) if not done and len(trained) < len(to_train) else ""
    other_data = other_data_in_words(definition, rows)
    answer = progress + sentence(definition, trained, decided, comparisons, confirmed, references)
    return Summary(
        definition=definition,
        rows=rows,
        planned=len(to_train),
        done=done,
        ranked=ranked,
        decided=decided,
        comparisons=comparisons,
        confirmed=confirmed,
        choosing_gain=gain_of_choosing(definition, ranked),
        saved=_trials_saved(definition, planned, done),
        answer=" ".join(filter(None, (answer, other_data))),
        other_data=other_data,
        failures=[row for row in trained if not Status(row["status"]).is_result or row["status"] == Status.DIVERGED],
        skipped=skipped,
        counts=dict(Counter(row["status"] for row in trained)),
        costs=costs(definition, rows, done),
        references=references,
    )


def _trials_saved(definition: Definition, planned: Sequence[Trial], done: bool) -> int:
    """Trials that never ran, because the finished races dropped their experiments."""
    saved = 0
    begun = {trial.phase for trial in planned if not trial.is_reference}
    for at, phase in enumerate(definition.phases):
        trials = [trial for trial in planned if trial.phase == phase.name]
        is_over = done or any(later.name in begun for later in definition.phases[at + 1 :])
        if phase.race and trials and is_over:
            saved += len({trial.experiment for trial in trials}) * len(phase.ranges) * phase.seeds - len(trials)
    return saved
