"""The spec: its keys, their types, their defaults.

A spec only asks. The ranges and phases that follow from it on a given day are the work of `plan/`. Defaults are written
here and nowhere else.
"""

import json
import math
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StrictBool

from pipeline.base import Hyphenated
from pipeline.data.source import DataSource
from pipeline.dates import DateRange
from pipeline.results import Goal, sign
from pipeline.scale import Scale, ScaleName
from pipeline.space import Constraint, DomainOrFixed, Scalar
from pipeline.spec.hyperparameters import Declared
from pipeline.spec.metrics import bounds, usual_goal, usual_rope, usual_scale
from pipeline.spec.names import label
from pipeline.training.own.code import Word
from pipeline.training.own.pattern import pattern


def _to_date_range(value: Any) -> Any:
    if isinstance(value, DateRange):
        return value
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError('a date range is ["start", "end"], two dates like "2017-01-01", the end not included')
    try:
        days = [date.fromisoformat(day) for day in value]
    except (TypeError, ValueError):
        raise ValueError(f'{json.dumps(value)} are not two dates like "2017-01-01"') from None
    return DateRange(*days)


def _to_date(value: Any) -> Any:
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f'{json.dumps(value)} is not a date like "2017-01-01"') from None


def _to_constraint(value: Any) -> Any:
    try:
        return _CONSTRAINT.validate_python(value)
    except pydantic.ValidationError:
        raise ValueError(
            f'{json.dumps(value)[:80]} is no constraint: write ["hidden_size", "<=", 64], with one of '
            "<, <=, >, >=, ==, != and another hyperparameter or a number"
        ) from None


_CONSTRAINT: pydantic.TypeAdapter[Constraint] = pydantic.TypeAdapter(Constraint)


def _distinct(ranges: list[DateRange]) -> list[DateRange]:
    if len(set(ranges)) < len(ranges):
        raise ValueError("names a date range twice")
    return ranges


def _metrics_pattern(text: str) -> str:
    pattern(text)
    return text


Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
SpecDateRange = Annotated[
    DateRange,
    BeforeValidator(_to_date_range, json_schema_input_type=tuple[date, date]),
    PlainSerializer(DateRange.as_json, return_type=list[str]),
]
DateRanges = Annotated[list[SpecDateRange], Field(min_length=1), AfterValidator(_distinct)]
_MAX_EPOCHS = 100
MOST_EXPERIMENTS = 10**18
"""Upper bound of counts, beyond any real sweep: Python prints no integer of thousands of digits."""


class Training(Hyphenated):
    """Training of every model. Tuned hyperparameters belong in `parameters` instead."""

    max_epochs: Whole = Field(
        _MAX_EPOCHS, ge=1, description="A training ends after so many epochs, if patience does not end it earlier."
    )
    epoch_steps: Whole = Field(
        25,
        ge=1,
        description="An epoch is one pass over the training rows, or the fewest passes that reach so many steps.",
    )
    time_limit_minutes: Number | None = Field(
        None, gt=0, description="A trial that takes longer ends as `timed-out`. Data loading counts."
    )
    validation_share: Number = Field(0.15, gt=0, lt=1, description="Share of a range's days to validate on.")
    test_share: Number = Field(0.15, gt=0, lt=1, description="Share of a range's days, the last ones, to test on.")


class EarlyStopping(Hyphenated):
    """Ends a training that is behind others of the same date range and seed after the same number of epochs."""

    rule: Literal["halving", "median"] = Field(
        "halving",
        description="`halving` compares after min-epochs, min-epochs × reduction, min-epochs × reduction² …, and goes "
        "on with the best 1/reduction; `median` ends, from min-epochs on, every training worse than the median.",
    )
    min_epochs: Whole = Field(2, ge=1, description="Epochs that every training gets.")
    reduction: Whole = Field(3, ge=2, description="`halving` goes on with one in so many.")


Strategy = Literal["random", "grid", "sobol", "tpe", "gp"]
"""The names of `search.STRATEGIES`."""


class Search(Hyphenated):
    """The choice of experiments from `parameters`."""

    strategy: Strategy = Field(
        "random",
        description="`random` draws without replacement; `grid` runs every combination; `sobol` spreads evenly; "
        "`tpe` and `gp` learn from the rounds before.",
    )
    experiments: Whole | None = Field(
        None,
        ge=1,
        le=MOST_EXPERIMENTS,
        description="Settings to try, the incumbent included. Default: 21 (40 in automatic mode), or all of a smaller "
        "space; with `grid`, all.",
    )
    batch: Whole = Field(8, ge=1, description="Settings that `tpe` and `gp` suggest at once, in one round.")
    seed: Whole = Field(0, ge=0, description="The same spec and seed give the same sweep.")
    seeds_per_range: Whole = Field(1, ge=1, le=100, description="Trainings per experiment and date range.")
    race: StrictBool = Field(
        False, description="Run range by range; a setting that is clearly worse after a few does not run on the rest."
    )
    early_stopping: EarlyStopping | None = Field(
        None, description="End trainings that fall behind, while choosing. `{}` takes the defaults."
    )


class Budget(Hyphenated):
    """Limits of a sweep's total cost. The sweep ends within them, and says what it would do with more."""

    experiments: Whole | None = Field(
        None, ge=1, le=MOST_EXPERIMENTS, description="Settings to try while choosing, the incumbent included."
    )
    trials: Whole | None = Field(
        None, ge=1, le=MOST_EXPERIMENTS, description="Trainings, those that judge the winner included."
    )
    hours: Number | None = Field(None, gt=0, description="From the start of the sweep on, by the clock.")
    device_hours: Number | None = Field(None, gt=0, description="Training time, added up over all machines.")
    money: Number | None = Field(None, gt=0, description="Device hours times `price-per-device-hour`.")
    price_per_device_hour: Number | None = Field(None, gt=0)

    @pydantic.model_validator(mode="after")
    def _money_has_a_price(self) -> "Budget":
        if self.money is not None and self.price_per_device_hour is None:
            raise ValueError("`money` needs `price-per-device-hour`")
        return self

    @property
    def is_timed(self) -> bool:
        """True if keeping the budget needs the measured time of trainings."""
        return any(limit is not None for limit in (self.hours, self.device_hours, self.money))


class Short(Hyphenated):
    """Data and epochs for choosing in short mode."""

    months: Whole | None = Field(
        None, ge=1, le=1200, description="Whole months of data. Left out: the fewest with enough rows to train on."
    )
    ranges: Whole = Field(1, ge=1, description="Date ranges.")
    max_epochs: Whole = Field(_MAX_EPOCHS, ge=1)


class Absolute(Hyphenated):
    """A rope in the units of the metric."""

    absolute: Number = Field(ge=0)


def _to_rope(value: Any) -> Any:
    is_share = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
    size = value.get("absolute") if isinstance(value, Mapping) and set(value) == {"absolute"} else None
    is_size = isinstance(size, int | float) and not isinstance(size, bool) and 0 <= size < math.inf
    if value is None or isinstance(value, Absolute) or is_share or is_size:
        return value
    raise ValueError(
        f"{json.dumps(value)[:80]} is no rope: write a share like 0.005, at least 0 and below 1, "
        'or {"absolute": 0.002}'
    )


Rope = Annotated[Annotated[float, Field(ge=0, lt=1)] | Absolute, BeforeValidator(_to_rope)]


class Confirm(Hyphenated):
    """Judges the winner on date ranges that played no part in choosing it."""

    ranges: Whole = Field(
        6,
        ge=0,
        le=60,
        description="Number of fresh ranges, fewer if the data have fewer; 0: do not confirm. Left out: 6, or 9 or 12 "
        "where they cost little.",
    )
    finalists: Whole = Field(1, ge=1, le=3, description="How many of the best are judged.")
    seeds_per_range: Whole = Field(
        1, ge=1, le=100, description="Trainings per setting and range; their mean counts as one."
    )
    rope: Rope | None = Field(
        None,
        description="The largest gain that is not worth having. For a metric that is judged by ratio: a share (default "
        '0.005). For one that is judged by difference: `{"absolute": 0.002}` (the default if the metric is at most 1, '
        "else 0).",
    )
    day_of_month: Whole | None = Field(
        None, ge=1, le=28, description="Confirm only in sweeps of this day of the month; for nightly sweeps."
    )


class Objective(Hyphenated):
    """The metric to compare: `<metric>_valid` chooses, `<metric>_test` judges."""

    metric: str = Field("mse", pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    # A factory, as the schema should name no default: it depends on the metric.
    goal: Goal = Field(
        default_factory=lambda: "minimize",
        description="May be left out for a well-known metric, like `auc` or `val_loss`; any other needs it.",
    )

    scale: ScaleName = Field(
        default_factory=lambda: "ratio",
        description="A gain is a `ratio` of the metric, or a `difference`. Left out: a ratio for errors, which are "
        "positive, and a difference for metrics that are bounded above, or may be zero or negative, like `auc` or a "
        "reward.",
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _with_usual_goal_and_scale(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        if "goal" not in raw and (goal := usual_goal(raw.get("metric"))):
            raw = {**raw, "goal": goal}
        if "scale" not in raw and usual_scale(raw.get("metric"), raw.get("goal")) == "difference":
            raw = {**raw, "scale": "difference"}
        return raw

    @property
    def gains(self) -> Scale:
        """The scale on which gains are measured."""
        low, high = bounds(self.metric)
        return Scale(self.scale, self.goal, low, high)

    @property
    def sign(self) -> int:
        """1 to minimize, -1 to maximize: the metric times this sign is always minimized."""
        return sign(self.goal)

    @property
    def valid(self) -> str:
        """The column that chooses."""
        return f"{self.metric}_valid"

    @property
    def test(self) -> str:
        """The column that judges."""
        return f"{self.metric}_test"


class PhaseSpec(Hyphenated):
    """One phase. The phases that a spec lists replace those that follow from `tune` and `mode`."""

    name: Literal["screen", "learning-rate", "architecture", "near-best", "train"]
    parameters: dict[str, DomainOrFixed] | None = None
    date_range: DateRanges | None = None
    mode: Literal["full", "short"] | None = None
    search: Search | None = None


class Spec(Hyphenated):
    """A request for a sweep."""

    architecture: str = Field(
        "", description="Which network to train; `hpt architectures` lists them. Any name, for a trainer of your own."
    )
    trainer: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][\w.-]*(:[A-Za-z_][\w.]*)?$",
        description="Your own Python function, `my_package.train:train`, or an entry point in `hpt.trainers`.",
    )
    command: list[Word] | None = Field(
        None,
        min_length=1,
        description="Your own program and its arguments, with `{placeholders}`; never a shell. Arguments that are left "
        'out where a hyperparameter is false, null or empty text: `{"if": "amp", "arguments": ["--amp"]}`.',
    )
    hyperparameters: dict[str, Declared] | None = Field(
        None, min_length=1, description="The hyperparameters of your own trainer, if it does not declare them itself."
    )
    describe: list[str] | None = Field(
        None, min_length=1, description="A program that prints the JSON Schema of your command's hyperparameters."
    )
    metrics_pattern: Annotated[str, AfterValidator(_metrics_pattern)] | None = Field(
        None, description="A regular expression for lines of your command's output, its named groups epoch and metrics."
    )
    parameters: dict[str, DomainOrFixed] = Field(
        default_factory=dict,
        description="Per hyperparameter a list of values, a range {low, high, log, step}, or one fixed value.",
    )
    date_range: DateRanges | None = Field(
        None, description="Half-open ranges [start, end). Left out: the last three ranges, each `range-months` long."
    )
    range_months: Whole | None = Field(
        None,
        ge=1,
        le=1200,
        description="Whole months of each range, if `date-range` is left out. Left out itself: the fewest, from three "
        "on, with enough rows to train on.",
    )
    confirm: Confirm = Confirm()
    confirm_range: DateRanges | None = Field(None, description="Ranges that judge the winner and choose nothing.")
    data: DataSource | None = None
    training: Training = Training()
    search: Search = Search()
    objective: Objective = Objective()
    incumbent: dict[str, Scalar] = Field(
        default_factory=dict,
        description="The setting that a winner must beat, where it differs from the architecture's defaults.",
    )
    as_of: Annotated[date | None, BeforeValidator(_to_date)] = Field(
        None, description='"Today" for rotating date ranges. Default: today, or the data\'s own.'
    )
    mode: Literal["full", "short"] | None = Field(
        None,
        description="Data and epochs for choosing: all, or few. Default: full; short if `tune` is automatic.",
    )
    short: Short = Short()
    tune: Literal["parameters", "learning-rate", "automatic", "nothing"] = Field(
        "parameters",
        description="What to choose: the `parameters` of this spec; the learning rate and what goes with it; the whole "
        "ready-made space of the architecture, step by step; or nothing: the incumbent alone is trained.",
    )
    constraints: list[Annotated[Constraint, BeforeValidator(_to_constraint)]] = Field(
        default_factory=list, description='Conditions on every setting, like `["hidden_size", "<=", "embedding_size"]`.'
    )
    budget: Budget | None = None
    reuse: StrictBool = Field(
        False, description="While choosing, copy rows of earlier sweeps instead of training exactly the same again."
    )
    references: StrictBool = Field(
        True,
        description="Measure a constant, a linear model and boosted trees on the same days. Not with a trainer of your "
        "own.",
    )
    phases: list[PhaseSpec] | None = Field(None, min_length=1)
    store: str | None = Field(None, min_length=1, description="`gs://bucket/prefix` or a directory.")
    image: str | None = Field(None, min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$")
    notes: str = ""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _with_label(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping) or "architecture" in raw:
            return raw
        trainer, command = raw.get("trainer"), raw.get("command")
        if isinstance(trainer, str) or isinstance(command, list):
            function = trainer if isinstance(trainer, str) else None
            return {**raw, "architecture": label(function, [word for word in command or () if isinstance(word, str)])}
        return raw

    @property
    def rope(self) -> float:
        """The largest gain that is not worth having: a share for `ratio`, else in the units of the metric."""
        rope = self.confirm.rope
        if rope is None:
            return usual_rope(self.objective.metric, self.objective.scale)
        return rope.absolute if isinstance(rope, Absolute) else rope

    @property
    def trains_own_code(self) -> bool:
        """True if a trainer of the user's own trains, not a built-in architecture."""
        return self.trainer is not None or self.command is not None

    @pydantic.model_validator(mode="after")
    def _names_ranges_or_months(self) -> "Spec":
        if self.date_range and self.range_months:
            raise ValueError("`range-months` is for ranges that rotate: leave out either it or `date-range`")
        return self

    @pydantic.model_validator(mode="after")
    def _tunes_something(self) -> "Spec":
        if self.tune == "parameters" and not self.parameters and not self.phases:
            raise ValueError("`parameters` names no hyperparameter: nothing to tune")
        return self
