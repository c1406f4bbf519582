"""A study of resemblance chooses nothing: a few settings on many ranges, for later sweeps to learn from."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline import spec as specs
from pipeline.analysis.ranges_needed import RangesNeeded, noise_of, ranges_needed
from pipeline.analysis.resemblance import Table
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.plan import create, resemblance, rounds
from pipeline.plan.create import Request
from pipeline.report.conclude import conclude
from pipeline.report.words import resemblance_in_words
from pipeline.store import open_store
from pipeline.sweep import Definition, Sweep, all_sweeps, digests, ledger, trials_of
from pipeline.sweep.digests import Series
from pipeline.sweep.layout import digest_key, digests_key
from pipeline.sweep.merge import merge
from pipeline.verbs.app import app
from tests.support.rows import planned_row
from tests.support.sweeps import define

CHOSEN = [["2024-04-17", "2024-05-01"], ["2024-05-01", "2024-05-15"]]


@pytest.fixture
def spec(tiny_spec: dict[str, Any]) -> dict[str, Any]:
    """A spec that chooses on two stretches of fourteen days, and judges on those before."""
    space = {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}}
    return tiny_spec | {
        "date-range": CHOSEN,
        "confirm": {"ranges": 3},
        "parameters": space,
        "search": {"experiments": 3},
        "as-of": "2024-05-15",
    }


def study(spec: dict[str, Any], settings: int = 4, ranges: int = 6, seeds: int = 2) -> Definition:
    parsed = specs.from_dict(spec)
    usual = define(spec)
    on = resemblance.ranges_of(usual, None, ranges)
    sampled = resemblance.sample(parsed, settings, on).model_dump(by_alias=True, mode="json", exclude_unset=True)
    return resemblance.define(define(sampled), parsed, usual, seeds)


def test_the_study_runs_a_few_settings_in_full_on_ranges_like_those_that_judge(spec: dict[str, Any]) -> None:
    definition = study(spec)
    (phase,) = definition.phases
    assert [str(range_) for range_ in phase.ranges[-2:]] == [
        "[2024-04-17, 2024-05-01)",
        "[2024-05-01, 2024-05-15)",
    ]
    assert len(phase.ranges) == 6
    assert all(before.end == after.start for before, after in zip(phase.ranges, phase.ranges[1:], strict=False))
    assert (phase.experiments, phase.seeds, phase.strategy, phase.fidelity.name) == (4, 2, "random", "full")
    usual = define(spec)
    assert usual.confirm is not None
    assert phase.fidelity == usual.confirm.fidelity
    assert definition.resembling is not None
    assert definition.resembling.judging == usual.confirm.ranges
    assert definition.confirm is None
    assert Definition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition


def test_whole_months_stay_whole_months(spec: dict[str, Any]) -> None:
    months = [["2024-02-01", "2024-04-01"], ["2024-03-01", "2024-05-01"]]
    ranges = study(spec | {"date-range": months}, ranges=5).phases[0].ranges
    assert [f"{date_range.start:%y-%m-%d}" for date_range in ranges] == [
        "23-11-01",
        "23-12-01",
        "24-01-01",
        "24-02-01",
        "24-03-01",
    ]


def test_the_study_takes_only_ranges_that_the_data_cover_and_says_if_these_are_too_few(spec: dict[str, Any]) -> None:
    usual = define(spec)
    covered = DateRange(date(2024, 3, 1), date(2024, 5, 29))
    assert len(resemblance.ranges_of(usual, covered, 12)) == 5
    with pytest.raises(UserError, match="there are 2 date ranges like those that would judge"):
        resemblance.ranges_of(usual, DateRange(date(2024, 4, 10), date(2024, 5, 29)), 12)


def test_too_few_settings_are_a_mistake(spec: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="takes at least 3 settings, not 2"):
        study(spec, settings=2)


def test_the_study_is_for_the_day_on_which_the_spec_confirms(spec: dict[str, Any]) -> None:
    monthly = specs.from_dict(spec | {"confirm": {"ranges": 3, "day-of-month": 1}})
    assert resemblance.ordinary(monthly).confirm.day_of_month is None


def finished(store: Any, definition: Definition, missing: int = 0) -> Sweep:
    """The study with a row for all trials but `missing` ones; settings differ from range to range by their number."""
    sweep = Sweep.create(store, definition)
    trials = list(trials_of(rounds.plan_packs(sweep)))
    for trial in trials[: len(trials) - missing]:
        setting = int(trial.experiment[1:])
        value = 1 + 0.02 * (((setting + 1) * (trial.range + 2) * 7) % 11) + 0.005 * ((trial.seed + setting) % 2)
        row = planned_row(sweep, trial, mse_test=value, mse_valid=value, training_time=1.0, fidelity="full", epochs=2)
        sweep.create_row(trial, row)
    return sweep


def test_the_study_uses_up_no_range(store: Any, spec: dict[str, Any]) -> None:
    definition = study(spec)
    finished(store, definition)
    assert ledger.chosen_on(store, definition.architecture, definition.data) == []


def test_the_study_names_no_setting(store: Any, spec: dict[str, Any]) -> None:
    sweep = finished(store, study(spec))
    summary = conclude(sweep, merge(sweep))
    assert summary.best is None
    assert summary.ranges_needed is not None
    page = Path(sweep.store.root, sweep.key("report"), "index.html").read_text()
    assert "How many date ranges does it take?" in page
    assert "is the best" not in page


def test_an_interrupted_study_says_how_far_it_is_and_leaves_nothing_to_learn(store: Any, spec: dict[str, Any]) -> None:
    definition = study(spec)
    sweep = finished(store, definition, missing=3)
    summary = conclude(sweep, merge(sweep))
    assert summary.answer.startswith("So far (45 of 48 trials): Your date ranges resemble each other")
    assert digests.read(store, Series.of(definition)) == ()
    nothing = finished(store, study(spec | {"notes": "other"}).model_copy(update={"id": "20240614-0211-x-0000"}), 48)
    summary = conclude(nothing, merge(nothing))
    assert "Nothing can be said of how alike date ranges are" in summary.answer
    assert summary.ranges_needed is None


def needed(store: Any, spec: dict[str, Any], seeds: int = 2) -> RangesNeeded:
    sweep = finished(store, study(spec, seeds=seeds))
    result = ranges_needed(sweep.definition, merge(sweep).rows)
    assert isinstance(result, RangesNeeded)
    return result


def test_more_ranges_and_more_seeds_find_smaller_gains(store: Any, spec: dict[str, Any]) -> None:
    result = needed(store, spec)
    for by_count in result.smallest.values():
        assert list(by_count.values()) == sorted(by_count.values(), reverse=True)
    assert result.smallest[5][6] <= result.smallest[1][6]
    counts = [result.ranges(gain, 1) or 99 for gain in (0.5, 0.05, 0.02)]
    assert counts == sorted(counts)
    assert json.loads(json.dumps(result.as_json()))["resemblance"]["settings"] == 4


def test_one_seed_tells_nothing_about_more(store: Any, spec: dict[str, Any]) -> None:
    result = needed(store, spec, seeds=1)
    assert list(result.smallest) == [1]
    assert result.seed_share is None


def test_the_split_of_noise_is_recovered() -> None:
    rng = np.random.default_rng(0)
    months, seeds = rng.standard_normal((100, 1, 80)), rng.standard_normal((100, 2, 80))
    keys = tuple((frozenset({("x", ("int", str(at)))}), 0, seed) for at in range(100) for seed in (0, 1))
    ranges = tuple(DateRange(date(2000 + at, 1, 1), date(2001 + at, 1, 1)) for at in range(80))
    noise = noise_of([Table(keys, ranges, (3 * months + 4 * seeds).reshape(200, 80))])
    assert noise.of_ranges == pytest.approx(2 * 9, rel=0.15)
    assert noise.of_seeds == pytest.approx(2 * 16, rel=0.15)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, tiny_csv: Path) -> tuple[Path, Any]:
    """A whole study of real, tiny trainings, by the command; and what it printed."""
    folder = tmp_path_factory.mktemp("studied")
    data = {"path": str(tiny_csv), "date": "day", "categorical": ["place"], "numeric": ["size"], "target": "value"}
    spec = {
        "architecture": "bag-of-words",
        "data": data,
        "date-range": CHOSEN,
        "training": {"max-epochs": 1, "epoch-steps": 1},
        "incumbent": {"batch_size": 64},
        "parameters": {"learning_rate": {"low": 0.01, "high": 0.1, "log": True}},
        "search": {"experiments": 3},
        "confirm": {"ranges": 4},
        "references": False,
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    command = ["calibrate", str(folder / "spec.json"), "--resemblance", "--store", str(folder / "store")]
    done = run(*command, "--experiments", "3", "--ranges", "5", "--lanes", "2")
    assert done.exit_code == 0, done.output
    return folder, done


def test_the_command_says_the_cost_first_and_then_answers(studied: tuple[Path, Any]) -> None:
    _, done = studied
    progress = done.stderr
    assert "in all at most 30 trials" in progress[: progress.index("[1/30]")]
    lines = done.stdout.splitlines()
    assert lines[1].startswith("Your date ranges resemble each other")
    assert sum(line.startswith("│") for line in lines) == 3


def test_the_picture_and_the_numbers_lie_beside_the_page(studied: tuple[Path, Any]) -> None:
    store = open_store(str(studied[0] / "store"))
    report = Path(store.root, Sweep(store, all_sweeps(store)[0]).key("report"))
    assert (report / "charts" / "ranges-needed.svg").read_text().startswith("<svg")
    assert 'src="charts/ranges-needed.svg" alt="The smallest gain' in (report / "index.html").read_text()
    assert json.loads((report / "resemblance.json").read_text())["answer"] in studied[1].stdout


def test_later_sweeps_freeze_the_result_of_the_study_and_say_so(studied: tuple[Path, Any]) -> None:
    folder = studied[0]
    store = open_store(str(folder / "store"))
    sweep = create.create(Request(file=folder / "spec.json"), store.root, trains_here=True)
    confirm = sweep.definition.confirm
    assert confirm is not None
    assert confirm.judging is not None
    assert (result := confirm.judging.resemblance) is not None
    assert result.trainings <= 30
    stored = Sweep(store, sweep.id).definition.confirm
    assert stored == confirm
    plan = run("validate", str(folder / "spec.json"), "--store", store.root)
    assert resemblance_in_words(result) in plan.stdout


def test_damaged_notes_leave_the_constant(studied: tuple[Path, Any], tmp_path: Path) -> None:
    folder = studied[0]
    store = open_store(str(tmp_path))
    spec = specs.read(folder / "spec.json")
    usual = create.define(spec, store, trains_here=True)
    series = Series.of(usual)
    store.write(digests_key(series.name), b"{damaged")
    store.write(digest_key(series.name, "20240101-0000-bag-of-words-0000"), b"\x00\xff")
    damaged = create.define(spec, store, trains_here=True)
    assert damaged.confirm == usual.confirm
    assert damaged.confirm is not None
    assert damaged.confirm.judging is not None
    assert damaged.confirm.judging.resemblance is None


def test_ranges_and_seeds_without_resemblance_are_a_mistake(studied: tuple[Path, Any]) -> None:
    done = run("calibrate", str(studied[0] / "spec.json"), "--seeds", "2")
    assert isinstance(done.exception, UserError)
    assert "--ranges and --seeds go with --resemblance" in str(done.exception)
