"""The length of ranges follows the rows of the data: the fewest months that are enough, within bounds."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import dates
from pipeline.data import counting
from pipeline.data.counting import RowCounts
from pipeline.data.load import load
from pipeline.data.source import FilesSource, FlightsSource
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.plan import create, survey
from pipeline.plan.calendar import Calendar
from pipeline.plan.months import ENOUGH_TRAINING_ROWS, RANGES_LEFT, VALIDATION_ROWS, decide, noise_of
from pipeline.plan.phases import STEPS_A_PASS
from pipeline.plan.resolve import resolve
from pipeline.screen.plan import plan_lines
from pipeline.spec import from_dict
from pipeline.store import Store
from pipeline.sweep import Definition
from tests.support.in_process import hpt

TODAY = date(2024, 6, 14)
NOW = datetime(2024, 6, 14, tzinfo=UTC)
FILES = {"path": "x.csv", "date": "day", "categorical": ["shop"], "numeric": ["size"], "target": "y"}
AUTOMATIC = {"architecture": "bag-of-words", "tune": "automatic", "data": FILES}
FULL = AUTOMATIC | {"mode": "full"}
SCREEN = {"architecture": "bag-of-words", "parameters": {"dropout": [0.1, 0.2]}, "data": FILES}


def rows(months: int, a_day: int, *, every: int = 1) -> RowCounts:
    """So many whole months up to June 2024, with `a_day` rows on every day, or on each `every`-th."""
    end = date(2024, 6, 1)
    first = dates.month_start(end, -months)
    days = [first + timedelta(days=n) for n in range(0, (end - first).days, every)]
    return RowCounts(tuple(days), (a_day,) * len(days))


def define(spec_json: dict[str, Any], counted: RowCounts | None, **more: Any) -> Definition:
    return resolve(from_dict(spec_json), now=NOW, token="3f9c", rows_by_day=counted, **more)


def months_of(date_range: DateRange) -> int:
    return (date_range.end.year - date_range.start.year) * 12 + date_range.end.month - date_range.start.month


def score(counted: RowCounts, ranges: list[DateRange]) -> tuple[bool, int]:
    """True if each part of each range has rows; and the fewest rows to train on, up to enough."""
    splits = [date_range.split() for date_range in ranges]
    is_whole = all(counted.within(part) for split in splits for part in (split.train, split.valid, split.test))
    return is_whole, min(ENOUGH_TRAINING_ROWS, *(counted.within(split.train) for split in splits))


def training_rows(counted: RowCounts, date_range: DateRange) -> int:
    return counted.within(date_range.split().train)


# Uneven days, and days without rows, of a file that may be long or short, and end before today.
counted_rows = st.builds(
    lambda start, counts, every: RowCounts(
        tuple(start + timedelta(days=n * every) for n in range(len(counts))), tuple(counts)
    ),
    st.dates(date(2019, 1, 1), date(2024, 4, 1)),
    st.lists(st.integers(0, 200), min_size=40, max_size=500),
    st.sampled_from([1, 1, 7]),
)


# -- ranges that rotate


@settings(max_examples=60)
@given(counted_rows)
def test_rotating_ranges_are_the_fewest_months_that_are_enough_and_leave_six_to_judge(counted: RowCounts) -> None:
    spec, covered = from_dict(FULL), counted.covers
    assert covered is not None
    months = decide(spec, spec.data, TODAY, covered, counted).spec.range_months
    assert months is not None

    # Bounds: whole months of data, of which six ranges must be left.
    first = dates.month_start(covered.start, int(covered.start.day > 1))
    whole = (TODAY.year - first.year) * 12 + TODAY.month - first.month
    assert dates.MONTHS_PER_RANGE <= months <= max(dates.MONTHS_PER_RANGE, (whole - 7) // 2)

    def left_to_judge(months: int) -> int:
        calendar = Calendar(spec.model_copy(update={"range_months": months}), TODAY, covered, ())
        return len(calendar.judging(dates.rotating_ranges(TODAY, months=months), is_short=False))

    assert months == dates.MONTHS_PER_RANGE or left_to_judge(months) == RANGES_LEFT

    # No fewer are as good, no more are better.
    best = score(counted, dates.rotating_ranges(TODAY, months=months))
    for other in range(dates.MONTHS_PER_RANGE, (whole - 7) // 2 + 1):
        if other == dates.MONTHS_PER_RANGE or left_to_judge(other) == RANGES_LEFT:
            other_score = score(counted, dates.rotating_ranges(TODAY, months=other))
            assert other_score < best if other < months else other_score <= best


@settings(max_examples=40)
@given(counted_rows, st.sampled_from([AUTOMATIC, FULL, SCREEN, SCREEN | {"mode": "short"}]))
def test_the_same_spec_day_and_rows_give_the_same_sweep_whatever_earlier_sweeps_chose_on(
    counted: RowCounts, spec_json: dict[str, Any]
) -> None:
    def come_to(**more: Any) -> Definition | str:
        try:
            return define(spec_json, counted, **more)
        except UserError as error:
            return str(error)

    first, second = come_to(), come_to()
    assert first == second
    if isinstance(first, str):
        return
    used = come_to(used=[phase.ranges[0] for phase in first.phases])
    assert isinstance(used, Definition)
    assert [phase.ranges for phase in used.choosing] == [phase.ranges for phase in first.choosing]
    assert Definition.model_validate_json(first.model_dump_json(by_alias=True)) == first


@pytest.mark.parametrize(
    ("counted", "months", "line"),
    [
        (rows(60, 100), 3, "ranges of three months: 6,200 rows or more to train on"),
        (rows(60, 40), 6, "ranges of six months: three have 2,480 rows to train on, six 5,120"),
        # Ranges of seven and eight months: neighbours would share test days, and only four could judge.
        (
            rows(24, 24),
            6,
            "ranges of six months: three have 1,488 rows to train on, six 3,072 (5,000 would be enough, but longer "
            "ones have no more, or leave fewer than six ranges to judge)",
        ),
        (rows(36, 24), 10, "ranges of ten months: three have 1,488 rows to train on, ten 5,112"),
        (rows(9, 24), 3, "ranges of three months: 1,488 rows or more to train on (5,000 would be enough"),
    ],
)
def test_the_plan_says_how_long_ranges_are_and_why(counted: RowCounts, months: int, line: str) -> None:
    definition = define(FULL, counted)
    assert {months_of(date_range) for date_range in definition.phases[0].ranges} == {months}
    assert definition.decided[0].startswith(line)
    assert next(plan_lines(definition)) == definition.decided[0]


def test_months_in_the_spec_are_taken() -> None:
    counted = rows(60, 4)
    definition = define(AUTOMATIC | {"range-months": 4, "short": {"months": 2}}, counted)
    assert definition.choosing[0].ranges == (DateRange(date(2023, 10, 1), date(2023, 12, 1)),)
    assert definition.confirm is not None
    assert {months_of(date_range) for date_range in definition.confirm.ranges} == {4}
    assert not any(line.startswith(("ranges", "short: two months")) for line in definition.decided)


def test_range_months_beside_date_range_is_a_mistake() -> None:
    with pytest.raises(UserError, match="range-months"):
        from_dict(SCREEN | {"range-months": 4, "date-range": [["2024-01-01", "2024-04-01"]]})
    for months in (0, 1201, 2.5):
        with pytest.raises(UserError, match="range-months"):
            from_dict(SCREEN | {"range-months": months})


# -- short choosing


@settings(max_examples=60)
@given(counted_rows, st.integers(1, 2))
def test_short_choosing_has_the_fewest_months_that_are_enough_before_the_ranges_that_judge(
    counted: RowCounts, count: int
) -> None:
    spec, covered = from_dict(AUTOMATIC | {"short": {"ranges": count}}), counted.covers
    assert covered is not None
    decided = decide(spec, spec.data, TODAY, covered, counted).spec
    first = dates.rotating_ranges(TODAY, months=decided.range_months or 0)[0].start
    before = (first.year - covered.start.year) * 12 + first.month - covered.start.month - (count - 1)

    scores = {
        other: score(counted, dates.rotating_ranges(first, count, other)) for other in range(1, max(before, 1) + 1)
    }

    if decided.mode == "full":
        assert not any(is_whole for is_whole, _ in scores.values())
        return
    months = decided.short.months
    assert months in scores
    assert scores[months][0]
    best = scores[months]
    assert all(other < best if count < months else other <= best for count, other in scores.items())


def test_the_plan_says_why_short_choosing_is_longer_and_which_gains_its_validation_cannot_see() -> None:
    definition = define(AUTOMATIC, rows(60, 40))
    assert definition.decided[1] == "short: six months, because one has 760 rows to train on; six have 5,160"
    (date_range,) = definition.choosing[0].ranges
    assert date_range == DateRange(date(2023, 4, 1), date(2023, 10, 1))
    assert not [line for line in definition.decided if "calibrate" in line]

    thin = define(AUTOMATIC, rows(24, 4))
    [line] = [line for line in thin.decided if "to validate on" in line]
    assert "gains below" in line
    assert "`hpt calibrate`" in line
    assert noise_of(200) == pytest.approx(0.1)
    assert noise_of(VALIDATION_ROWS) < 0.05


def test_two_mean_squared_errors_of_gaussian_errors_scatter_as_the_plan_says() -> None:
    errors = np.random.default_rng(0).normal(size=(4000, 97)) ** 2
    assert errors.mean(axis=1).std() == pytest.approx(noise_of(97), rel=0.05)


@pytest.mark.parametrize("spec_json", [AUTOMATIC, SCREEN | {"mode": "short"}, AUTOMATIC | {"short": {"months": 2}}])
@pytest.mark.parametrize("is_counted", [True, False])
def test_choosing_is_full_where_the_data_have_nothing_before_the_ranges_that_judge(
    spec_json: dict[str, Any], is_counted: bool
) -> None:
    counted = rows(5, 400)
    definition = define(spec_json, counted) if is_counted else define(spec_json, None, covered=counted.covers)
    assert {phase.fidelity.name for phase in definition.phases} == {"full"}
    assert definition.choosing[0].ranges == tuple(dates.rotating_ranges(TODAY))
    assert "replicate" not in [phase.name for phase in definition.phases]
    assert any(line.startswith("choosing is full: before 2024-01-01") for line in definition.decided)


def test_phases_with_ranges_of_their_own_keep_them() -> None:
    ranges = [["2024-03-01", "2024-04-01"]]
    phases = [
        {"name": "screen", "parameters": {"dropout": [0.1, 0.2]}, "date-range": ranges, "mode": "short"},
        {"name": "near-best", "mode": "short"},
    ]
    definition = define({"architecture": "bag-of-words", "data": FILES, "phases": phases}, rows(5, 400))
    assert [date_range.as_json() for date_range in definition.phases[0].ranges] == ranges
    assert [phase.fidelity.name for phase in definition.choosing] == ["short", "full"]


# -- where nobody has counted


def test_without_a_count_the_calendar_alone_decides_and_the_plan_says_so() -> None:
    definition = define(AUTOMATIC, None)
    assert definition.choosing[0].ranges == (DateRange(date(2023, 12, 1), date(2024, 1, 1)),)
    assert definition.rows_by_month is None
    assert definition.decided == (
        "ranges of three months, short: one month: by the calendar alone, as nobody has counted the rows of the data",
    )
    assert define(SCREEN | {"date-range": [["2024-01-01", "2024-04-01"]]}, None).decided == ()
    own_spec = {"command": ["true", "{rate}"], "hyperparameters": {"rate": 0.5}, "parameters": {"rate": [0.1, 0.2]}}
    assert define(own_spec | {"objective": {"metric": "loss"}}, None).decided == ()


# -- from files to a sweep


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A `data` key of a file with rows every so many days."""

    def write(every: int, a_day: int, months: int = 24, gap: bool = False) -> dict[str, Any]:
        dice, lines = np.random.default_rng(0), ["day,shop,size,y"]
        for day in rows(months, a_day, every=every).days:
            for n in range(a_day):
                size = dice.normal()
                lines.append(f"{day},s{n % 3},{size:.4f},{'' if gap and n == 0 else f'{size + n % 3:.4f}'}")
        (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
        return FILES | {"path": str(tmp_path / "rows.csv")}

    return write


def test_rows_with_a_target_are_counted_by_day(written: Callable[..., dict[str, Any]]) -> None:
    counted = counting.count(FilesSource.model_validate(written(7, 5, months=3, gap=True)))
    assert counted is not None
    assert counted.days[:2] == (date(2024, 3, 1), date(2024, 3, 8))
    assert set(counted.usable) == {4}
    assert counted.covers == DateRange(date(2024, 3, 1), date(2024, 6, 1))
    assert counted.by_month() == {"2024-03": 20, "2024-04": 16, "2024-05": 20}
    assert counted.within(DateRange(date(2024, 3, 2), date(2024, 3, 9))) == 4


def test_the_rows_of_the_example_data_are_counted() -> None:
    counted = counting.count(FlightsSource(source="flights"))
    assert counted is not None
    assert counted.covers == DateRange(date(2013, 1, 1), date(2014, 1, 1))
    assert sum(counted.usable) == 327_346  # departures that have a time in the air
    assert len(counted.by_month()) == 12


def test_folders_by_day_with_too_much_in_them_are_not_read_for_a_count(
    written: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path(written(1, 5, months=1)["path"]).read_text()
    (tmp_path / "day=2024-05-01").mkdir()
    (tmp_path / "day=2024-05-01/a.csv").write_text(text)
    source = FilesSource.model_validate(FILES | {"path": str(tmp_path / "*/*.csv")})
    assert counting.count(source) is not None
    monkeypatch.setattr(counting, "COUNTED_BYTES", 10)
    assert counting.count(source) is None
    assert counting.count(FilesSource.model_validate(FILES | {"path": str(tmp_path / "rows.csv")})) is not None


@pytest.mark.parametrize("spec_json", [AUTOMATIC, SCREEN | {"mode": "short"}])
def test_a_weekly_file_has_rows_in_every_part_of_every_range(
    written: Callable[..., dict[str, Any]], store: Store, spec_json: dict[str, Any]
) -> None:
    spec_json = spec_json | {"data": written(7, 30, months=26), "as-of": "2024-06-14"}
    definition = create.define(from_dict(spec_json), store, trains_here=True)
    assert definition.choosing[0].fidelity.name == "short"
    for date_range in {date_range for phase in definition.phases for date_range in phase.ranges}:
        dataset = load(definition.data, date_range)  # type: ignore[arg-type]
        assert len(dataset.valid.targets) > 0
    assert definition.rows_by_month is not None
    assert sum(definition.rows_by_month.values()) == 30 * len(rows(26, 30, every=7).days)

    # One month, as before, has days of validation without a row.
    with pytest.raises(UserError, match="no row with a target to validate on"):
        create.define(from_dict(spec_json | {"short": {"months": 1}}), store, trains_here=True)


def test_every_verb_that_plans_says_the_same(
    written: Callable[..., dict[str, Any]], tmp_path: Path, store: Store
) -> None:
    spec_json = AUTOMATIC | {"data": written(1, 24), "as-of": "2024-06-14"}
    (tmp_path / "spec.json").write_text(json.dumps(spec_json))
    decided = create.define(from_dict(spec_json), store, trains_here=True).decided
    assert len(decided) == 3
    assert tuple(hpt("validate", "spec.json", cwd=tmp_path).out.splitlines()[:3]) == decided
    assert tuple(hpt("plan", "spec.json", cwd=tmp_path).err.splitlines()[:3]) == decided
    looked = hpt("data", "spec.json", cwd=tmp_path).out.splitlines()
    assert set(decided) <= set(looked)
    look = survey.look_for(from_dict(spec_json), None)
    assert tuple(look.decided) == decided
    assert list(look.ranges) == sorted(
        {
            date_range
            for phase in create.define(from_dict(spec_json), store, trains_here=True).phases
            for date_range in phase.ranges
        }
    )


def test_a_machine_without_the_file_plans_by_the_calendar(store: Store) -> None:
    spec = from_dict(AUTOMATIC | {"as-of": "2024-06-14", "data": FILES | {"path": "elsewhere/*.csv"}})
    (decision, *_) = create.define(spec, store, trains_here=False).decided
    assert decision.endswith("as nobody has counted the rows of the data")
    with pytest.raises(UserError, match="no file matches"):
        create.define(spec, store, trains_here=True)


# -- ready-made domains


@given(st.integers(1, 200_000))
def test_ready_made_batch_sizes_make_enough_steps_of_a_pass(a_month: int) -> None:
    definition = define(AUTOMATIC, rows(36, max(1, a_month // 30)))
    ready = define(AUTOMATIC, None)
    for phase, whole in zip(definition.choosing, ready.choosing, strict=True):
        if "batch_size" not in phase.space:
            continue
        values, all_values = phase.space["batch_size"].grid(), whole.space["batch_size"].grid()
        least = min(training_rows(rows(36, max(1, a_month // 30)), date_range) for date_range in phase.ranges)
        enough = [value for value in all_values if isinstance(value, int) and -(-least // value) >= STEPS_A_PASS]
        incumbent = definition.incumbent["batch_size"]
        assert set(enough) <= set(values) <= set(all_values)
        assert len(values) >= 2
        assert incumbent in values or incumbent not in all_values
        extra = set(values) - set(enough) - {incumbent}
        assert extra <= set(sorted(all_values)[:2])  # type: ignore[type-var]


def test_batch_sizes_that_the_spec_names_are_its_own() -> None:
    parameters = {"batch_size": [512, 4096]}
    thin = rows(36, 10)
    assert define(SCREEN | {"parameters": parameters}, thin).phases[0].space["batch_size"].grid() == (512, 4096)
    automatic = define(AUTOMATIC | {"parameters": parameters}, thin)
    assert {phase.space["batch_size"].grid() for phase in automatic.choosing if "batch_size" in phase.space} == {
        (512, 4096)
    }
    assert not [line for line in automatic.decided if line.startswith("batch_size")]
    assert [line for line in define(AUTOMATIC, thin).decided if line.startswith("batch_size: ")]
