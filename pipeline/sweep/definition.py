"""`sweep.json`: what a sweep is, frozen when it starts: its phases, their date ranges, what they try and how."""

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
"""Of the sweeps that this version makes. Older ones are read, reported, compared and exported for ever; to go on with
one of them, or to retry it, is an error: two ways of training are never ranked together."""


class Fidelity(Recorded):
    """How much a trial gets."""

    name: str
    max_epochs: int
    train_days: int | None = None
    """Only so many days, the last ones, of a range's training part; None: all of them."""


class Calibrating(Recorded):
    """The question of a calibration: which is the cheapest fidelity that keeps so much of the best?"""

    top: int
    overlap: float
    """The share of the `top` best settings that must be among a fidelity's own `top` best."""


class Resembling(Recorded):
    """The question of a study of resemblance: how alike are date ranges, and how many would a confirmation take?"""

    chosen_on: tuple[SpecDateRange, ...]
    judging: tuple[SpecDateRange, ...]
    """The ranges that the spec's own sweep would choose and judge on when the study was made."""
    settings: int
    """How many it would choose from."""
    rope: float


class JudgedClaim(Recorded):
    """What a sweep judges that `hpt judge` made: a claim on date ranges that are new."""

    id: str
    setting: dict[str, Scalar]
    """A value for every hyperparameter."""


class Resemblance(Recorded):
    """How alike neighbouring date ranges are, by trainings of before that judged nothing."""

    correction: float
    """The c that the sweep judges with, in variance x (1/R + c): `constant`, moved to between the two that follow."""
    constant: float
    """What it would be without evidence."""
    at_least: float
    at_most: float
    """Between these the evidence leaves c: too high for certain, and too low, are what lies outside."""
    correlation: float
    """Of the gains on two neighbouring ranges."""
    correlation_at_most: float
    trainings: int
    settings: int
    ranges: int
    sources: tuple[str, ...]
    """The sweeps and studies that they are from, oldest first."""

    @property
    def how_much(self) -> str:
        """`little`, `somewhat`, `much`."""
        return "little" if self.correlation < 0.2 else "somewhat" if self.correlation < 0.5 else "much"


class Judging(Recorded):
    """How a confirmation judges, fixed before anything runs."""

    rope: float
    """The gain that is no gain worth having: a share of a metric judged by ratio, else in the units of the metric."""
    fresh: bool
    """Whether its ranges played no part in choosing; if they did, nothing is ever called real."""
    resemblance: Resemblance | None = None
    """None: there was no evidence, as in all sweeps of before, and c is a constant."""


Role = Literal["choose", "judge", "reference", "refit"]


class Phase(Recorded):
    """{name, role, space, ranges, fidelity, strategy}: one step of choosing, or the one that judges."""

    name: str
    role: Role = "choose"
    """What its trials are for. Sweeps of before there were roles tell it by `judging`."""
    space: Space
    ranges: tuple[SpecDateRange, ...]
    fidelity: Fidelity
    strategy: Strategy | Literal["finalists"]
    experiments: int
    """At most so many, the incumbent included."""
    wanted: int | None = None
    """How many they were before the budget took some away."""
    open_ended: bool = False
    """Whether nobody asked for a number of them: the budget ends the phase."""
    constraints: tuple[Constraint, ...] = ()
    batch: int | None = None
    """Experiments per round; None: all of them in one."""
    follows: str | None = None
    """The phase whose best setting this one starts from; None: it starts from the incumbent."""
    near: float | None = None
    """Only so much of each range is searched, around the setting that it starts from; None: all of it."""
    faster_within: float | None = None
    """A setting within this relative distance of the best goes first if it trains clearly faster; None: never."""
    early_stopping: EarlyStopping | None = None
    seeds: int = 1
    first_seed: int = 0
    """The index of its first seed: above 0 where earlier ones were used on these ranges already."""
    race: bool = False
    judging: Judging | None = None
    """How it judges; None in every phase of another role."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _with_role(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and "role" not in raw and raw.get("judging") is not None:
            return {**raw, "role": "judge"}
        return raw

    @property
    def trials_at_most(self) -> int:
        """Trials, if all of its experiments run on all of its ranges."""
        return self.experiments * len(self.ranges) * self.seeds

    @property
    def chooses(self) -> bool:
        """Whether its rows may decide what runs next."""
        return self.role == "choose"

    @property
    def judges(self) -> bool:
        """Whether its test scores give the verdict."""
        return self.role == "judge"

    @property
    def is_reference(self) -> bool:
        """Whether models that nobody tunes are measured in it. It belongs to the first round, and nothing waits for it
        but the end of that round."""
        return self.role == "reference"

    @property
    def replicates(self) -> bool:
        """Whether it chooses by training the best of other phases with more seeds, and tries nothing new."""
        return self.chooses and self.strategy == "finalists"


class Definition(Recorded):
    """`sweep.json`: the spec, resolved on one day for one store. It never changes afterwards."""

    format: int = 1
    """Raised when trainings change so that those of before cannot be ranked together with those of after.

    1: an epoch is a pass over the training rows. 2: as many as reach `training.epoch-steps` steps.
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
    """A value for every hyperparameter; what a phase does not search keeps these."""
    phases: tuple[Phase, ...]
    git_commit: str | None
    image: str | None
    notes: str
    spec: dict[str, Any]
    """The spec as it was written, to run it again."""

    budget: Budget | None = None
    reuse: bool = False

    chosen_before: dict[str, int] = pydantic.Field(default_factory=dict)
    """How many earlier sweeps of this architecture and data chose on each of the ranges that this one chooses on."""

    own: Own | None = None
    """A team's own trainer, whose name is then in `architecture`; None: that is a built-in one."""

    rows_by_month: dict[str, int] | None = None
    """`{"2024-01": 620}`, rows with every target, as they were when the sweep was made; None: nobody counted them."""

    decided: tuple[str, ...] = ()
    """What the spec left open, what that came to and why, and what is unusual in it: a line each."""

    lost: tuple[str, ...] = ()
    """Rows and values of the data that nobody can use, where that is more than an accident: a line each."""

    calibrating: Calibrating | None = None
    """None in every sweep but a calibration, whose phases run the same experiments on more and more data."""

    resembling: Resembling | None = None
    """None in every sweep but a study of resemblance, whose one phase runs a few settings on many ranges. It chooses
    nothing, so its ranges stay fresh."""

    claim: JudgedClaim | None = None
    """None in every sweep but one that judges a claim, whose one phase trains its setting and the incumbent."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _with_epochs_of_its_format(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("format", 1) == 1 and isinstance(raw.get("training"), dict):
            return {**raw, "training": {"epoch-steps": 1, **raw["training"]}}
        return raw

    @pydantic.model_validator(mode="before")
    @classmethod
    def _with_the_goal_in_its_spec(cls, raw: Any) -> Any:
        """Where a spec named no goal, older versions minimized, whatever the metric; run again, it means the same.

        They judged by ratio, whatever the metric, and so are their sweeps for ever.
        """
        if not isinstance(raw, dict) or not isinstance(raw.get("objective"), dict):
            return raw
        objective, spec = {"goal": "minimize", "scale": "ratio", **raw["objective"]}, raw.get("spec")
        if isinstance(spec, dict) and isinstance(spec.get("objective"), dict) and "metric" in spec["objective"]:
            spec = {**spec, "objective": {"goal": objective["goal"], **spec["objective"]}}
        return {**raw, "objective": objective, "spec": spec}

    @property
    def is_study(self) -> bool:
        """Whether it answers another question than which setting is best."""
        return self.calibrating is not None or self.resembling is not None or self.claim is not None

    @property
    def is_timed(self) -> bool:
        """Whether its budget can only be kept by looking at what trainings take."""
        return self.budget is not None and self.budget.is_timed

    @property
    def rope(self) -> float:
        """The gain that is no gain worth having, as it was frozen; of a sweep that judges nothing, what is usual."""
        if self.confirm and self.confirm.judging:
            return self.confirm.judging.rope
        return usual_rope(self.objective.metric, self.objective.scale)

    @property
    def incumbent_name(self) -> str:
        """What people call the incumbent: `the defaults`, or `your setting` where the spec names values of its own."""
        return "your setting" if self.spec.get("incumbent") else "the defaults"

    @property
    def of_settings(self) -> list[Phase]:
        """The phases whose trials train settings: all but that of the references."""
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
        """Raises UserError if trainings of today could not be ranked together with those of this sweep."""
        if self.format != FORMAT:
            raise UserError(
                f"{self.id} has the format {self.format}, and this version trains by format {FORMAT}: its results can "
                "be read, compared and exported, but nothing can be added to it; start a new sweep from its spec"
            )

    def phase(self, name: str) -> Phase:
        """The phase of this name, which must be one of the sweep's."""
        return next(phase for phase in self.phases if phase.name == name)


def new_id(now: datetime, architecture: str, token: str) -> str:
    """`20260614-0210-lstm-attention-3f9c`: sorts by time, says what was tuned; `token` is four hex digits."""
    return f"{now.astimezone(UTC):%Y%m%d-%H%M}-{architecture}-{token}"
