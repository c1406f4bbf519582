"""A calibration is a sweep: the same settings, the same judging days, more and more data to train on."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import spec
from pipeline.data.load import load
from pipeline.dates import DateRange
from pipeline.errors import UserError
from pipeline.plan import calibration, rounds
from pipeline.report.conclude import conclude
from pipeline.store import open_store
from pipeline.sweep import Calibrating, Definition, Sweep, Trial, all_sweeps, training_seed, trials_of
from pipeline.sweep.merge import merge
from pipeline.training.loop import train
from pipeline.verbs.app import app
from tests.support.browser import browser, needs_browser, published
from tests.support.sweeps import define

ASKED = Calibrating(top=2, overlap=0.5)
SPACE = {"learning_rate": {"low": 0.001, "high": 0.3, "log": True}}


def study(spec_json: dict, calibrating: Calibrating = ASKED, experiments: int = 6, **more: object) -> Definition:
    parsed = spec.from_dict(spec_json)
    sample = calibration.sample(parsed, experiments).model_dump(by_alias=True, mode="json", exclude_unset=True)
    return calibration.define(define(sample), parsed, calibrating, **more)  # type: ignore[arg-type]


@pytest.fixture
def wide_spec(tiny_spec) -> dict:
    return tiny_spec | {"parameters": SPACE}


def test_every_amount_of_data_gets_the_same_experiments_and_seeds(store, wide_spec):
    sweep = Sweep.create(store, study(wide_spec))
    experiments = []
    for phase in sweep.definition.phases:
        packs = rounds.plan_packs(sweep)
        trials = list(trials_of(packs))
        assert {trial.phase for trial in trials} == {phase.name}
        experiments.append([trial.experiment for trial in trials])
        for trial in trials:
            row = {"sweep": sweep.id, "trial": str(trial), "phase": trial.phase, "experiment": trial.experiment}
            sweep.create_row(trial, row | {"date-range": phase.ranges[0].as_json(), "status": "failed"})
    assert rounds.plan_packs(sweep) == []
    assert len(experiments) == 3
    assert experiments[0] == experiments[1] == experiments[2]
    seeds = {training_seed(sweep.definition, Trial(p.name, "e000", 0, 0)) for p in sweep.definition.phases}
    assert len(seeds) == 1
    assert len(sweep.experiments()) == 6


def test_a_calibration_confirms_nothing_and_keeps_the_spec_as_it_was_written(wide_spec):
    definition = study(wide_spec | {"mode": "short", "confirm": {"ranges": 3}})
    assert definition.confirm is None
    assert definition.spec["mode"] == "short"
    assert definition.spec["search"]["strategy"] == "grid"
    assert {phase.strategy for phase in definition.phases} == {"random"}
    assert Definition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition


def test_it_runs_before_the_ranges_that_will_judge_where_the_data_go_so_far_back(wide_spec):
    spec_json = wide_spec | {"date-range": [["2024-04-01", "2024-06-01"], ["2024-03-01", "2024-05-01"]]}
    covered = DateRange(date(2024, 1, 1), date(2024, 6, 1))
    assert study(spec_json, covered=covered).phases[0].ranges == (DateRange(date(2024, 1, 1), date(2024, 3, 1)),)
    late = DateRange(date(2024, 1, 2), date(2024, 6, 1))
    oldest = DateRange(date(2024, 3, 1), date(2024, 5, 1))
    assert study(spec_json, covered=late).phases[0].ranges == (oldest,)
    assert study(spec_json).phases[0].ranges == (oldest,)


def test_earlier_use_of_its_range_is_counted(wide_spec):
    used = [DateRange(date(2024, 1, 1), date(2024, 3, 1))] * 2
    assert study(wide_spec, used=used).chosen_before == {"[2024-01-01, 2024-03-01)": 2}


@pytest.mark.parametrize(
    ("days", "names"),
    [
        (14, ["full"]),
        (30, ["week", "full"]),
        (91, ["week", "month", "two-months", "full"]),
        (365, ["week", "month", "two-months", "three-months", "full"]),
    ],
)
def test_no_amount_is_more_than_the_range_has(days, names):
    end = date(2024, 4, 1)
    amounts = list(calibration.amounts(DateRange(end - timedelta(days=days), end), 0.15, 0.15))
    assert [name for name, _ in amounts] == names
    days = [train for _, train in amounts if train is not None]
    assert days == sorted(days)


def test_too_few_settings_to_compare_is_said_before_anything_runs(wide_spec):
    with pytest.raises(UserError, match="comparing the best 5 takes at least 6 experiments, not 3"):
        study(wide_spec, Calibrating(top=5, overlap=0.8), experiments=3)


def test_fewer_training_days_are_the_last_ones_and_the_judging_days_stay(tiny_spec):
    source = spec.from_dict(tiny_spec).data
    assert source is not None
    everything = DateRange(date(2024, 1, 1), date(2024, 3, 1))
    full, week = load(source, everything), load(source, everything, train_days=7)
    assert (len(full.train), len(week.train)) == (6 * 42, 6 * 7)
    assert (len(full.valid), len(full.test)) == (len(week.valid), len(week.test)) == (6 * 9, 6 * 9)
    assert full.fingerprint != week.fingerprint
    assert load(source, everything, train_days=1000).fingerprint == full.fingerprint
    # Encoders know nothing of the days that were left out.
    alone = load(source, DateRange(date(2024, 2, 5), date(2024, 3, 1)), valid=9 / 25, test=9 / 25)
    assert alone.encoder.to_json() == week.encoder.to_json()
    assert (alone.valid.targets == week.valid.targets).all()


def test_a_longer_training_begins_as_a_shorter_one_does(tiny_spec):
    source = spec.from_dict(tiny_spec).data
    assert source is not None
    data = load(source, DateRange(date(2024, 1, 1), date(2024, 3, 1)))
    curves: dict[int, list[float]] = {}
    for most in (2, 5):
        curve = curves.setdefault(most, [])
        train(
            "bag-of-words",
            {"batch_size": 64},
            data,
            seed=3,
            max_epochs=most,
            on_epoch=lambda epoch, curve=curve: curve.append(epoch.metrics["mse_valid"]),
        )
    assert len(curves[5]) > 2
    assert curves[5][:2] == curves[2]


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory, tiny_csv: Path, quick_lanes: None) -> tuple[Sweep, str]:
    """A whole study of real, tiny trainings, by the command; and what it printed."""
    folder = tmp_path_factory.mktemp("calibrated")
    spec_json = {
        "architecture": "bag-of-words",
        "data": {
            "path": str(tiny_csv),
            "date": "day",
            "categorical": ["place"],
            "numeric": ["size"],
            "target": "value",
        },
        "date-range": [["2024-01-01", "2024-03-01"]],
        "training": {"max-epochs": 3, "epoch-steps": 1},
        "incumbent": {"batch_size": 64},
        "parameters": SPACE,
    }
    (folder / "spec.json").write_text(json.dumps(spec_json))
    command = ["calibrate", str(folder / "spec.json"), "--store", str(folder / "store")]
    done = CliRunner().invoke(app, [*command, "--experiments", "6", "--top", "2", "--overlap", "0.5", "--lanes", "2"])
    assert done.exit_code == 0, done.output
    store = open_store(str(folder / "store"))
    return Sweep(store, all_sweeps(store)[0]), done.stdout


def report_of(sweep: Sweep) -> Path:
    return Path(sweep.store.root, sweep.key("report"))


def test_the_command_prints_an_answer_a_table_and_settings_to_paste(calibrated):
    sweep, output = calibrated
    lines = output.splitlines()
    assert lines[0] == sweep.id
    assert "of the best 2 settings" in lines[1]
    (settings,) = [line.removeprefix("settings ") for line in lines if line.startswith("settings ")]
    assert json.loads(settings)["mode"] in ("short", "full")
    assert sum(line.startswith("│") for line in lines) >= 9


def test_the_numbers_are_there_for_machines(calibrated):
    sweep, output = calibrated
    numbers = json.loads((report_of(sweep) / "calibration.json").read_text())
    assert f"settings {json.dumps(numbers['settings'])}" in output
    assert numbers["answer"] in output
    assert [fidelity["epochs"] for fidelity in numbers["fidelities"]] == [1, 2, 3] * 3
    assert [fidelity["train-days"] for fidelity in numbers["fidelities"]] == [7] * 3 + [18] * 3 + [42] * 3
    assert numbers["fidelities"][-1]["overlap"]["value"] == 1
    assert {"low", "high"} < numbers["chosen"]["kendall"].keys()


def test_rendering_again_says_the_same(calibrated):
    sweep, output = calibrated
    before = (report_of(sweep) / "calibration.json").read_bytes()
    rendered = CliRunner().invoke(app, ["report", sweep.id, "--store", sweep.store.root])
    assert rendered.stdout.splitlines()[0] == output.splitlines()[1]
    assert (report_of(sweep) / "calibration.json").read_bytes() == before


def test_the_report_shows_both_pictures_with_words_for_those_who_do_not_see_them(calibrated):
    folder = report_of(calibrated[0])
    page = (folder / "index.html").read_text()
    for name in ("calibration-fidelity", "calibration-curves"):
        assert f'<img src="charts/{name}.svg" alt="' in page
        picture = (folder / "charts" / f"{name}.svg").read_text()
        assert picture.startswith("<svg")
        assert "<script" not in picture
    assert "training time, % of the full trainings" in (folder / "charts" / "calibration-fidelity.svg").read_text()
    assert "style=" not in page


def test_an_unfinished_study_says_how_far_it_is(store, wide_spec):
    sweep = Sweep.create(store, study(wide_spec))
    rounds.plan_packs(sweep)
    summary = conclude(sweep, merge(sweep))
    assert summary.calibration is None
    assert summary.answer == (
        "So far (0 of 6 trials): No training with all the data has mse_valid of its epochs, "
        "so there is nothing to compare with."
    )


@needs_browser
def test_the_pictures_show_under_jenkins_policy(calibrated):
    with published(report_of(calibrated[0])) as url, browser() as chromium:
        page = chromium.new_page()
        page.goto(f"{url}/index.html")
        widths = page.eval_on_selector_all("img[src*=calibration]", "all => all.map(one => one.naturalWidth)")
    assert len(widths) == 2
    assert min(widths) > 200
