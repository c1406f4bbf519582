"""`sweep.json`: the definition of a sweep, frozen when it is made: phases, their date ranges, spaces and strategies."""

from datetime import UTC, date, datetime
from typing import Any, Literal

import pydantic

from pipeline.base import Recorded
from pipeline.data.source import DataSource
from pipeline.errors import UserError
from pipeline.space import Constraint, Scalar, Space
from pipeline.spec.metrics import usual_rope
from pipeline.spec.model import Budget, EarlyStopping, Objective, SpecDateRange, Strategy, Training
from pipeline.training.own.code import Own

FORMAT = 2
"""Format of the sweeps that this version makes. Sweeps of older formats are read, reported, compared and exported
forever. To go on with one, or to retry it, is an error: trainings of two formats are never ranked together."""


class Fidelity(Recorded):
    """Data and epochs of a trial."""

    name: str
    max_epochs: int
    train_days: int | None = None
    """Number of days, at the end of a range's training part, to train on; None: all of it."""


class Calibrating(Recorded):
    """The question of a calibration: what is the cheapest fidelity that still finds the best settings?"""

    top: int
    overlap: float
    """Share of the `top` best settings that must be among the `top` best of a fidelity."""


class Resembling(Recorded):
    """The question of a study of resemblance: how much alike are date ranges, and how many does a confirmation need?"""

    chosen_on: tuple[SpecDateRange, ...]
    judging: tuple[SpecDateRange, ...]
    """On these two, a sweep of this spec would choose and judge if it were made on the day of the study."""
    settings: int
    """Number of settings that it would choose from."""
    rope: float


class JudgedClaim(Recorded):
    """The claim that a sweep of `hpt judge` judges, on new date ranges."""

    id: str
    setting: dict[str, Scalar]
    """A value for every hyperparameter."""


class Resemblance(Recorded):
    """Similarity of neighbouring date ranges, learned from earlier trainings that judged nothing."""

    correction: float
    """The c that the sweep judges with, in variance x (1/R + c): `constant`, clipped to [`at_least`, `at_most`]."""
    constant: float
    """The c that would be used without these trainings."""
    at_least: float
    at_most: float
    """A low and a high quantile of c, as learned from these trainings."""
    correlation: float
    """Correlation of the gains on two neighbouring ranges: its median, and a high quantile in `correlation_at_most`."""
    correlation_at_most: float
    trainings: int
    settings: int
    ranges: int
    """Numbers of trainings, settings and date ranges that it is learned from."""
    sources: tuple[str, ...]
    """The sweeps and studies that the trainings are from, oldest first."""

    @property
    def how_much(self) -> str:
        """`little`, `somewhat`, `much`."""
        return "little" if self.correlation < 0.2 else "somewhat" if self.correlation < 0.5 else "much"


class Judging(Recorded):
    """The rules of a confirmation, fixed before anything runs."""

    rope: float
    """The largest gain that is not worth having: a share of a metric judged by ratio, else in the metric's units."""
    fresh: bool
    """True if its ranges played no part in choosing. Otherwise no gain is ever called real."""
    resemblance: Resemblance | None = None
    """None: there was nothing to learn it from, as in older sweeps, and c is a constant."""


Role = Literal["choose", "judge", "reference", "refit"]


class Phase(Recorded):
    """{name, role, space, ranges, fidelity, strategy}: one step of choosing, or the one that judges."""

    name: str
    role: Role = "choose"
    """Purpose of its trials. In a sweep from before there were roles, a phase with `judging` judges, others choose."""
    space: Space
    ranges: tuple[SpecDateRange, ...]
    fidelity: Fidelity
    strategy: Strategy | Literal["finalists"]
    experiments: int
    """Upper limit of its experiments, including the incumbent."""
    wanted: int | None = None
    """Number of experiments before the budget reduced it; None if it did not."""
    open_ended: bool = False
    """True if the spec gives no number of experiments, so that the budget ends the phase."""
    constraints: tuple[Constraint, ...] = ()
    batch: int | None = None
    """Experiments per round; None: all in one round."""
    follows: str | None = None
    """The phase whose best setting this one starts from; None: it starts from the incumbent."""
    near: float | None = None
    """Share of each hyperparameter's domain that is searched, around the setting of the start; None: all of it."""
    faster_within: float | None = None
    """A setting within this relative distance of the best is ranked first if it trains clearly faster; None: never."""
    early_stopping: EarlyStopping | None = None
    seeds: int = 1
    first_seed: int = 0
    """Index of its first seed; above 0 if earlier ones were used on these ranges already."""
    race: bool = False
    """True if settings that are clearly worse on the first date ranges are not trained on the later ones."""
    judging: Judging | None = None
    """Rules of judging; None in a phase of another role."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _with_role(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and "role" not in raw and raw.get("judging") is not None:
            return {**raw, "role": "judge"}
        return raw

    @property
    def trials_at_most(self) -> int:
        """Number of trials if all experiments run on all ranges."""
        return self.experiments * len(self.ranges) * self.seeds

    @property
    def chooses(self) -> bool:
        """True if its rows may decide what runs next."""
        return self.role == "choose"

    @property
    def judges(self) -> bool:
        """True if its test scores give the verdict."""
        return self.role == "judge"

    @property
    def is_reference(self) -> bool:
        """True if it trains references. They belong to the first round; only the end of that round waits for them."""
        return self.role == "reference"

    @property
    def replicates(self) -> bool:
        """True if it trains the best settings of other phases with more seeds, and tries no new ones."""
        return self.chooses and self.strategy == "finalists"


class Definition(Recorded):
    """`sweep.json`: the spec, resolved on one day for one store. It never changes afterwards."""

    format: int = 1
    """Raised when trainings change so that old and new ones cannot be ranked together.

    1: an epoch is a pass over the training rows. 2: it is as many passes as reach `training.epoch-steps` steps.
    """
    id: str
    created: str
    architecture: str
    data: DataSource | None
    as_of: date
    seed: int
    training: Training
    objective: Objective
    incumbent: dict[str, Scalar]
    """A value for every hyperparameter. Hyperparameters that a phase does not search keep these values."""
    phases: tuple[Phase, ...]
    git_commit: str | None
    image: str | None
    notes: str
    spec: dict[str, Any]
    """The spec as it was written, to run it again."""

    budget: Budget | None = None
    reuse: bool = False

    chosen_before: dict[str, int] = pydantic.Field(default_factory=dict)
    """{range that this sweep chooses on: number of earlier sweeps of this architecture and data that chose on it}."""

    own: Own | None = None
    """A team's own trainer, whose name is then in `architecture`; None: a built-in architecture."""

    rows_by_month: dict[str, int] | None = None
    """`{"2024-01": 620}`: rows that lack no target, counted when the sweep was made; None if they were not counted."""

    decided: tuple[str, ...] = ()
    """How this sweep decides what the spec left open, and why, and unusual keys of the spec: a line each."""

    lost: tuple[str, ...] = ()
    """Rows and values of the data that cannot be used, if there are more than a few: a line each."""

    calibrating: Calibrating | None = None
    """Only in a calibration. Its phases run the same experiments on more and more data."""

    resembling: Resembling | None = None
    """Only in a study of resemblance. Its one phase runs a few settings on many ranges. It chooses nothing, so its
    ranges stay fresh."""

    claim: JudgedClaim | None = None
    """Only in a sweep that judges a claim. Its one phase trains the setting of the claim and the incumbent."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _with_epochs_of_its_format(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("format", 1) == 1 and isinstance(raw.get("training"), dict):
            return {**raw, "training": {"epoch-steps": 1, **raw["training"]}}
        return raw

    @pydantic.model_validator(mode="before")
    @classmethod
    def _with_the_goal_in_its_spec(cls, raw: Any) -> Any:
        """Adds the goal to old sweeps and to their specs, so that a spec means the same if it runs again.

        Without a goal, older versions minimized every metric, and judged it by ratio. For their sweeps this stays so.
        """
        if not isinstance(raw, dict) or not isinstance(raw.get("objective"), dict):
            return raw
        objective, spec = {"goal": "minimize", "scale": "ratio", **raw["objective"]}, raw.get("spec")
        if isinstance(spec, dict) and isinstance(spec.get("objective"), dict) and "metric" in spec["objective"]:
            spec = {**spec, "objective": {"goal": objective["goal"], **spec["objective"]}}
        return {**raw, "objective": objective, "spec": spec}

    @property
    def is_study(self) -> bool:
        """True if the sweep does not look for the best setting.

        A calibration, a study of resemblance, or a sweep of `hpt judge`.
        """
        return self.calibrating is not None or self.resembling is not None or self.claim is not None

    @property
    def is_timed(self) -> bool:
        """True if its budget limits time or money, so that planning depends on how long trainings take."""
        return self.budget is not None and self.budget.is_timed

    @property
    def rope(self) -> float:
        """The rope of the sweep's confirmation; the metric's usual rope if it has none."""
        if self.confirm and self.confirm.judging:
            return self.confirm.judging.rope
        return usual_rope(self.objective.metric, self.objective.scale)

    @property
    def incumbent_name(self) -> str:
        """Name of the incumbent for people: `the defaults`, or `your setting` if the spec names its values."""
        return "your setting" if self.spec.get("incumbent") else "the defaults"

    @property
    def of_settings(self) -> list[Phase]:
        """The phases whose trials train settings: all except the references."""
        return [phase for phase in self.phases if not phase.is_reference]

    @property
    def choosing(self) -> list[Phase]:
        """The phases that choose, in the order in which they run."""
        return [phase for phase in self.phases if phase.chooses]

    @property
    def searching(self) -> list[Phase]:
        """The phases that try new settings."""
        return [phase for phase in self.choosing if not phase.replicates]

    @property
    def confirm(self) -> Phase | None:
        """The phase that judges, if there is one."""
        return next((phase for phase in self.phases if phase.judges), None)

    def check_format(self) -> None:
        """Raises UserError if trainings of this version could not be ranked together with those of this sweep."""
        if self.format != FORMAT:
            raise UserError(
                f"{self.id} has the format {self.format}, and this version trains by format {FORMAT}: its results can "
                "be read, compared and exported, but nothing can be added to it; start a new sweep from its spec"
            )

    def phase(self, name: str) -> Phase:
        """The phase of this name. Raises StopIteration if there is none."""
        return next(phase for phase in self.phases if phase.name == name)


def new_id(now: datetime, architecture: str, token: str) -> str:
    """`20260614-0210-lstm-attention-3f9c`: sorts by time and names the architecture; `token` is four hex digits."""
    return f"{now.astimezone(UTC):%Y%m%d-%H%M}-{architecture}-{token}"
