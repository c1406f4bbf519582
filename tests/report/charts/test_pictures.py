import math
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise

import pytest

from pipeline.plan import rounds
from pipeline.report import experiments
from pipeline.report.experiments import ChoosingResults, ExperimentResult
from pipeline.report.interactive import for_script
from pipeline.report.page import render
from pipeline.sweep import trials_of
from tests.report.conftest import HOSTILE, by_learning_rate, concluded, row, spec_for


def results_of(values: list[float], **fields: object) -> ChoosingResults:
    results = [ExperimentResult(f"e{at:03}", {}, value, 1.0, float(at), False) for at, value in enumerate(values)]
    return replace(ChoosingResults(tuple(sorted(results, key=lambda result: result.value)), 0, True, True, 1), **fields)


def test_every_picture_is_a_well_formed_file_without_script(folder):
    files = sorted(folder.glob("charts/*.svg"))
    names = [file.stem for file in files]
    assert {"curves", "best-so-far", "heat-map", "importance", "time"} <= set(names)
    assert sum(name.startswith("hyperparameter-") for name in names) == 3
    assert sum(name.startswith("ranges-") for name in names) == 1
    for file in files:
        for element in ElementTree.parse(file).iter():
            assert element.tag.rpartition("}")[2] not in ("script", "style", "foreignObject", "image")
            assert not any(name.startswith("on") or "href" in name for name in element.attrib)


def test_hostile_text_in_a_picture_is_text_and_cut_to_what_can_be_read(folder):
    text = (folder / "charts/parallel.svg").read_text()
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert "longlonglong" not in text


def test_the_page_shows_the_pictures_in_the_order_in_which_they_help_to_decide(folder):
    page = (folder / "index.html").read_text()
    stems = ("ranges-", "parallel", "importance", "heat-map", "hyperparameter-1", "best-so-far", "curves", "time")
    places = [page.index(f'src="charts/{stem}') for stem in stems]
    assert places == sorted(places)


def test_results_are_compared_with_the_incumbent_range_by_range(rendered):
    choosing = experiments.choosing_results(rendered[1])
    incumbent = next(result for result in choosing.comparable if result.is_incumbent)
    assert choosing.relative
    assert incumbent.value == pytest.approx(1)
    assert choosing.comparable[0].experiment == rendered[1].best.experiment
    assert "e006" not in [result.experiment for result in choosing.comparable]
    assert choosing.left_out == 1


def test_an_experiment_that_a_race_ended_stands_where_its_own_ranges_put_it(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv))
    for trial in trials_of(rounds.plan_packs(sweep)):
        if (trial.experiment, trial.range) != ("e001", 1):
            # The second range is ten times as hard for everybody.
            value = (2.0 if trial.experiment == "e001" else 1.0) * 10**trial.range
            sweep.create_row(trial, row(sweep, trial, value, value))
    choosing = experiments.choosing_results(concluded(sweep))
    assert next(result for result in choosing.comparable if result.experiment == "e001").value == pytest.approx(2)


def test_without_an_incumbent_to_compare_with_the_metric_itself_is_shown(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv))
    for trial in trials_of(rounds.plan_packs(sweep)):
        failed = {"status": "failed", "error": "out"} if trial.experiment == "e000" else {}
        sweep.create_row(trial, row(sweep, trial, 3.0, 3.0, **failed))
    choosing = experiments.choosing_results(concluded(sweep))
    assert not choosing.relative
    assert list(choosing.values) == pytest.approx([3.0] * len(choosing.values))


def test_best_so_far_only_gets_better_and_counts_from_when_an_experiment_is_through():
    choosing = results_of([5.0, 7.0, 3.0, 4.0, 1.0])
    best = [(result.spent, result.value, result.experiment) for result in experiments.best_so_far(choosing)]
    assert best == [(0.0, 5.0, "e000"), (2.0, 3.0, "e002"), (4.0, 1.0, "e004")]


def test_the_front_holds_the_experiments_that_no_other_beats_in_both():
    measured = (("e1", 1.0, 9.0), ("e2", 2.0, 5.0), ("e3", 3.0, 6.0), ("e4", 4.0, 1.0))
    choosing = ChoosingResults(
        tuple(ExperimentResult(n, {}, value, s, 0.0, False) for n, s, value in measured), 0, True, True, 1
    )
    assert [result.experiment for result in experiments.pareto_front(choosing)] == ["e1", "e2", "e4"]


def test_a_sample_is_bounded_even_and_keeps_both_ends():
    results = results_of([float(at) for at in range(10_000)]).comparable
    sample = experiments.sample(results, 250, ["e5001"])
    assert 250 <= len(sample) <= 252
    assert sample[0] is results[0]
    assert sample[-1] is results[-1]
    assert "e5001" in [result.experiment for result in sample]


def test_the_curves_cost_a_bounded_number_of_reads(new_sweep, tiny_csv):
    from pipeline.report.charts.pictures import MOST_CURVES, pictures

    sweep = new_sweep(spec_for(tiny_csv, search={"experiments": 80}))
    trials = list(trials_of(rounds.plan_packs(sweep)))
    for trial in trials:
        sweep.create_row(trial, by_learning_rate(sweep, trial))
    read: list[int] = []
    summary = concluded(sweep)
    choosing = experiments.choosing_results(summary)
    pictures(
        summary, choosing, experiments.phase_searches(choosing, summary), lambda rows: read.append(len(rows)) or {}
    )
    assert len({trial.experiment for trial in trials}) == 80
    assert read == [pytest.approx(MOST_CURVES, abs=2)]


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
@pytest.mark.parametrize("values", [[1.0, 1.0], [0.0, 1.0, -3.0], [1e-12, 1e12, 1.0], [1.0, 2.0, 1e300]])
def test_no_results_are_too_odd_to_be_drawn(new_sweep, tiny_csv, goal, values):
    sweep = new_sweep(spec_for(tiny_csv, objective={"metric": "mse", "goal": goal}))
    for at, trial in enumerate(trials_of(rounds.plan_packs(sweep))):
        value = values[at % len(values)]
        sweep.create_row(trial, row(sweep, trial, value, value))
    concluded(sweep)
    assert sweep.store.exists(sweep.key("report/charts/hyperparameter-1-learning_rate.svg"))


def test_a_running_sweep_is_rendered_without_the_libraries_that_draw(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv))
    for trial in list(trials_of(rounds.plan_packs(sweep)))[:5]:
        sweep.create_row(trial, by_learning_rate(sweep, trial))
    code = (
        "import sys\n"
        "from pipeline.sweep.merge import merge\n"
        "from pipeline.report.page import render\n"
        "from pipeline.report.summary import summarize\n"
        "from pipeline.store import open_store\n"
        "from pipeline.sweep import Sweep\n"
        f"sweep = Sweep(open_store({sweep.store.root!r}), {sweep.id!r})\n"
        "render(sweep, summarize(sweep.definition, merge(sweep).rows, [], False), pictures=False)\n"
        "print([name for name in ('altair', 'vl_convert', 'scipy', 'pandas', 'torch') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_the_page_of_a_running_sweep_shows_its_progress_and_no_pictures(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv))
    trials = list(trials_of(rounds.plan_packs(sweep)))
    for trial in trials[:17]:
        sweep.create_row(trial, by_learning_rate(sweep, trial))
    summary = concluded(sweep)
    render(sweep, summary, pictures=False)
    page = sweep.store.read(sweep.key("report/index.html")).decode()
    assert f"So far 17 of the {len(trials)} trials planned" in page
    assert "<progress" in page
    assert "<img" not in page
    assert 'href="../results.csv"' in page


def test_json_in_a_page_cannot_end_its_script():
    text = for_script({"a": HOSTILE, "b": "<!--", "c": "\u2028"})
    assert not set("<>&\u2028") & set(text)


def test_the_curves_lie_on_the_range_that_most_experiments_ran_on(new_sweep, tiny_csv):
    sweep = new_sweep(spec_for(tiny_csv))
    trials = list(trials_of(rounds.plan_packs(sweep)))
    for trial in trials:
        if trial.range == 0 or trial.experiment in ("e000", "e001"):
            sweep.create_row(trial, by_learning_rate(sweep, trial))
    rows = experiments.curve_rows(concluded(sweep), sweep.definition.phases[0], 40)
    assert len(rows) == len({trial.experiment for trial in trials})
    assert {tuple(row["date-range"]) for row in rows} == {("2024-01-01", "2024-03-01")}


@pytest.mark.parametrize(
    ("medians", "words"),
    [
        ([1.00004, 1.00001], "no difference between the medians"),
        ([1.1, 1.2], "1 has the best median"),
        ([1.0, 1.1, 1.00001], "1 and 3 share the best median"),
    ],
)
def test_the_title_calls_no_median_the_best_that_is_drawn_like_another(medians, words):
    from pipeline.report.charts.pictures import _title_of_values

    groups = [experiments.Group(str(at), None, None, (), median, True) for at, median in enumerate(medians, 1)]
    assert _title_of_values("depth", groups, results_of([1.0])) == f"depth: {words}"


def test_all_single_values_have_labels_and_of_too_many_at_least_both_ends():
    from pipeline.report.charts.drawing import steps_axis

    four = ["relu", "leaky relu", "hard swish", "gelu"]
    assert steps_axis(four, 180).to_dict()["values"] == four
    assert steps_axis(four, 180).to_dict()["labelAngle"] < 0
    assert steps_axis(["1", "2"], 180).to_dict()["labelAngle"] == 0
    many = [f"value {at}" for at in range(24)]
    labels = steps_axis(many, 180).to_dict()["values"]
    assert [labels[0], labels[-1]] == [many[0], many[-1]]
    gaps = {many.index(b) - many.index(a) for a, b in pairwise(labels)}
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("values", [[0.02, 0.03], [0.01, 0.3]], ids=["linear", "log"])
def test_no_point_lies_on_the_labels_beside_an_axis(values):
    import altair as alt

    from pipeline.report.charts import drawing

    axis = drawing.axis(alt.X, "x:Q", values, "mse_test", width=340, padding=12).to_dict()
    if axis["scale"].get("type") == "log":
        low, high = axis["scale"]["domain"]
        assert 340 * math.log(values[0] / low) / math.log(high / low) > 9
    else:
        assert axis["scale"]["padding"] == 12
