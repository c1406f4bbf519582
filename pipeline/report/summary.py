"""What the summary says, as plain values; how it looks is the templates' business."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.analysis.ranking import Standing, standings
from pipeline.analysis.same_data import of_same_data, other_data_in_words
from pipeline.analysis.selection import ChoosingGain, gain_of_choosing
from pipeline.report.answer import Answer, Basis, Judged, decide, judged_ranges, newest_model
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
    """All that the page shows."""

    definition: Definition
    rows: Sequence[Row]
    planned: int
    """Trials that all rounds so far asked for, without references."""
    done: bool
    """Whether nothing more will come."""
    ranked: Sequence[Standing]
    decided: Answer | None
    """None while nothing is ranked."""
    judged: Sequence[Judged]
    """The answer, or the rival of an incumbent that is kept, on the ranges that judged it, else on those that chose."""
    confirmed: "Confirmation | None"
    choosing_gain: ChoosingGain | None
    saved: int
    """Trials that a race made needless."""
    answer: str
    """What it all comes to, in one sentence; a second one, where the data changed under the sweep."""
    other_data: str
    """A sentence about trainings that read other data than the rest; empty if there are none."""
    failures: Sequence[Row]
    skipped: Sequence[tuple[str, str]]
    counts: dict[str, int]
    costs: Costs
    why_stopped: str = ""
    """The one failure of all trials that it was stopped for."""
    references: References | None = None
    """None where there are none."""
    calibration: "Calibration | None" = None
    """What a calibration found; None in every other sweep, and where it has nothing to say yet."""
    ranges_needed: "RangesNeeded | None" = None
    """Likewise what a study of resemblance found."""
    claim: str = ""
    """What becomes of a winner that was not shown to be better, in a sentence; empty in every other sweep."""
    judges: "ClaimStanding | None" = None
    """Where the claim stands that the sweep judges; None in every other sweep, and while it runs."""

    @property
    def finished(self) -> int:
        """Trials that have a row, without references."""
        return len(trainings(self.rows))

    @property
    def scale(self) -> Scale:
        """What gains are measured on, in the units that the metric has here."""
        objective = self.definition.objective
        return objective.gains.fitting(row.get(name) for row in self.rows for name in (objective.valid, objective.test))

    @property
    def best(self) -> Standing | None:
        """The setting that is the sweep's answer."""
        return self.decided.setting if self.decided else None

    @property
    def leader(self) -> Standing | None:
        """The best of choosing, whatever it came to where it was judged."""
        return self.ranked[0] if self.ranked else None

    @property
    def keeps(self) -> bool:
        """Whether the incumbent is the answer because what was chosen is not better where it was judged."""
        return self.decided is not None and self.decided.basis is Basis.KEPT

    @property
    def at_limit(self) -> list[str]:
        """Which limits of epochs ended trainings of any setting that still improved, a text each."""
        return limits_in_words(self.definition, self.rows)

    @property
    def model(self) -> Row | None:
        """The row whose model is the answer's, on its newest date range."""
        rows = [row for row in self.rows if self.best and row["experiment"] == self.best.experiment]
        return newest_model(self.definition, rows)

    @property
    def wanted_more(self) -> str:
        """What the sweep would do with a larger budget; empty if it did all that was asked for."""
        return self.costs.wanted_more

    def distinct(self, column: str) -> list[str]:
        """What stands in a column, each value once, most frequent first."""
        return [str(value) for value, _ in Counter(row.get(column) for row in self.rows).most_common() if value]

    @property
    def searched(self) -> list[str]:
        """The hyperparameters that any phase searched."""
        return list(dict.fromkeys(name for phase in self.definition.phases for name in phase.space))


def summarize(
    definition: Definition,
    rows: Sequence[Row],
    planned: Sequence[Trial],
    done: bool,
    confirmed: "Confirmation | None" = None,
    skipped: Sequence[tuple[str, str]] = (),
) -> Summary:
    """`planned` are the trials that all rounds so far asked for; `done` says that no more will come."""
    trained, to_train = trainings(rows), [trial for trial in planned if not trial.is_reference]
    ranked = standings(definition, rows)
    decided = decide(definition, of_same_data(definition, trained), ranked, confirmed, done=done)
    judged = judged_ranges(definition, ranked, decided, confirmed)
    references = references_of(definition, rows, decided.setting if decided else None)
    progress = so_far(len(trained), len(to_train)) if not done and len(trained) < len(to_train) else ""
    other_data = other_data_in_words(definition, rows)
    answer = progress + sentence(definition, trained, decided, judged, confirmed, references)
    return Summary(
        definition=definition,
        rows=rows,
        planned=len(to_train),
        done=done,
        ranked=ranked,
        decided=decided,
        judged=judged,
        confirmed=confirmed,
        choosing_gain=gain_of_choosing(definition, ranked),
        saved=_saved(definition, planned, done),
        answer=" ".join(filter(None, (answer, other_data))),
        other_data=other_data,
        failures=[row for row in trained if not Status(row["status"]).is_result or row["status"] == Status.DIVERGED],
        skipped=skipped,
        counts=dict(Counter(row["status"] for row in trained)),
        costs=costs(definition, rows, done),
        references=references,
    )


def _saved(definition: Definition, planned: Sequence[Trial], done: bool) -> int:
    """How many more trials would have run without races: in those that are over."""
    saved = 0
    begun = {trial.phase for trial in planned if not trial.is_reference}
    for at, phase in enumerate(definition.phases):
        trials = [trial for trial in planned if trial.phase == phase.name]
        over = done or any(later.name in begun for later in definition.phases[at + 1 :])
        if phase.race and trials and over:
            saved += len({trial.experiment for trial in trials}) * len(phase.ranges) * phase.seeds - len(trials)
    return saved
