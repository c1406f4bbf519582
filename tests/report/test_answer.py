"""A sweep's answer: its setting and its model."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.compare import sweeps as comparing
from pipeline.compare.nights import series
from pipeline.plan import rounds
from pipeline.report import winner
from pipeline.report.answer import Basis, newest_model
from pipeline.report.conclude import conclude, summary_of
from pipeline.report.export import to_markdown
from pipeline.report.listing import listing
from pipeline.report.state import State, state_of
from pipeline.screen.compare import tables
from pipeline.store import Store
from pipeline.sweep import Definition, Sweep, trials_of
from pipeline.sweep.merge import merge
from tests.support import nights
from tests.support.sweeps import define

OLDER, NEWER, SHORTER = ["2024-01-01", "2024-03-01"], ["2024-02-01", "2024-04-01"], ["2024-03-01", "2024-04-01"]


def trained(phase: str, date_range: list[str], seed: int = 0, **cells: Any) -> dict[str, Any]:
    trial = f"{phase}-e001-d0-s{seed}"
    return {"trial": trial, "phase": phase, "date-range": date_range, "status": "complete", "model_url": trial} | cells


@pytest.fixture
def automatic(tiny_spec: dict[str, Any]) -> Definition:
    """Phases learning-rate, architecture and near-best, in this order."""
    spec = {key: value for key, value in tiny_spec.items() if key not in ("parameters", "search")}
    return define(spec | {"tune": "automatic", "mode": "full"})


NOISE = (0.2, 1.2, 0.9, 1.3, 0.8, 1.1)
"""By range; on average a good deal better than 1."""


def judged(store: Store, spec: dict[str, Any], score: nights.Score, **cells: Any) -> State:
    return nights.night(store, nights.judged_on(spec), score, **cells)


def against(score: float, noise: tuple[float, ...] = (1.0,) * 6) -> nights.Score:
    """The incumbent has 0.4 on every range, the others that much, times noise."""
    return lambda experiment, at: 0.4 if experiment == "e000" else score * noise[at % 6]


@pytest.mark.parametrize(
    ("score", "experiment", "basis"),
    [
        (nights.STEADY, "e001", Basis.JUDGED),
        (against(0.4, NOISE), "e001", Basis.JUDGED),
        (against(0.397), "e001", Basis.JUDGED),
        (against(0.399), "e000", Basis.KEPT),
        (against(0.4), "e000", Basis.KEPT),
        (against(0.6, NOISE), "e000", Basis.KEPT),
        (against(-0.5), "e001", Basis.JUDGED),
        (lambda experiment, at: -0.4 if experiment == "e000" else 0.5, "e000", Basis.KEPT),
    ],
    ids=["much better", "better, not shown", "beyond the rope", "within it", "equal", "worse", "no ratio", "neither"],
)
def test_a_finalist_is_the_answer_if_its_mean_gain_on_what_judged_lies_beyond_the_rope(
    store: Store, tiny_spec: dict[str, Any], score: nights.Score, experiment: str, basis: Basis
) -> None:
    decided = judged(store, tiny_spec, score).decided
    assert decided is not None
    assert (decided.setting.experiment, decided.basis) == (experiment, basis)
    assert decided.rival == ("e001" if basis is Basis.KEPT else None)


@pytest.mark.parametrize(
    ("ended_experiment", "status", "experiment", "basis"),
    [
        ("e001", "diverged", "e000", Basis.KEPT),
        ("e001", "failed", "e001", Basis.JUDGED),
        ("e000", "diverged", "e001", Basis.JUDGED),
    ],
)
def test_a_finalist_that_diverged_where_the_incumbent_did_not_is_not_the_answer(
    store: Store, tiny_spec: dict[str, Any], ended_experiment: str, status: str, experiment: str, basis: Basis
) -> None:
    """A failure may be a machine's; the other ranges count."""
    decided = ended(store, tiny_spec, ended_experiment, status, ranges=1).decided
    assert decided is not None
    assert (decided.setting.experiment, decided.basis) == (experiment, basis)


def test_what_finished_nowhere_where_it_was_judged_is_not_the_answer(store: Store, tiny_spec: dict[str, Any]) -> None:
    state = ended(store, tiny_spec, "e001", "failed", ranges=6)
    assert state.decided is not None
    assert state.decided.basis is Basis.KEPT
    words = "keep your setting: e001, the best while choosing, finished on none of the 6 date ranges that judged"
    assert summary_of(state).answer.startswith(words)
    without = ended(store, tiny_spec, "e000", "failed", ranges=6, token="aaaa")
    assert without.decided is not None
    assert (without.decided.setting.experiment, without.decided.basis) == ("e001", Basis.CHOSEN)


def ended(
    store: Store, spec: dict[str, Any], experiment: str, status: str, *, ranges: int, token: str = "3f9c"
) -> State:
    """A night on which trials that judge one experiment ended in this way, on the first so many ranges."""
    sweep = Sweep.create(store, define(nights.judged_on(spec), token))
    while trials := list(trials_of(rounds.plan_packs(sweep))):
        for trial in trials:
            row = nights.row(sweep, trial, nights.STEADY, "data-1")
            if (trial.phase, trial.experiment) == ("confirm", experiment) and trial.range < ranges:
                row |= {"status": status, "mse_test": None, "error": "why"}
            sweep.create_row(trial, row)
    return state_of(sweep)


def test_what_nothing_judged_is_the_best_of_choosing_and_says_so(store: Store, tiny_spec: dict[str, Any]) -> None:
    running = judged(store, tiny_spec, nights.STEADY, done=False)
    unjudged = nights.night(store, tiny_spec, token="aaaa")
    for state, doubt in ((running, "not judged yet"), (unjudged, "nothing judged it")):
        assert state.decided is not None
        assert (state.decided.setting.experiment, state.decided.basis) == ("e001", Basis.CHOSEN)
        assert f"; {doubt}; " in summary_of(state).answer
        assert "e001 is the best of choosing: its mse_test is " in summary_of(state).answer
    words = [line.best for line in listing(store)]
    assert words[0].startswith("e001 mse_valid 0.1 learning_rate=")
    assert [best.split(", ")[1] for best in words] == ["not judged yet", "nothing judged it"]


@pytest.mark.parametrize("names_it", [False, True])
def test_where_the_incumbent_is_kept_everybody_says_so_and_hands_it_out(
    store: Store, tiny_spec: dict[str, Any], tmp_path: Path, names_it: bool
) -> None:
    spec = {key: value for key, value in tiny_spec.items() if names_it or key != "incumbent"}
    incumbent, theirs = ("your setting", "its") if names_it else ("the defaults", "theirs")
    model = store.link("sweeps/a/model.pt")
    store.write("sweeps/a/model.pt", b"weights")
    state = judged(store, spec, against(0.6, NOISE), model_url=model)
    summary = conclude(state.sweep, merge(state.sweep))

    # In words.
    size = f"keep {incumbent}: the mse_test of e001, the best while choosing, is "
    assert summary.answer.startswith(size)
    assert f" {theirs}, better on " in summary.answer
    assert next(iter(listing(store))).best == f"e000 mse_valid 0.4 {incumbent}"
    page = store.read(state.sweep.page_key).decode()
    assert f'<h1 id="answer">Keep {incumbent}</h1>' in page
    assert "incumbent" not in page.split("<h3>The spec</h3>")[0].replace(store.root, "").lower()
    assert f"It starts from {incumbent}: the setting that was chosen was judged, and is not better" in page
    assert to_markdown(state, 3).startswith(f"**keep {incumbent}: ")
    the_winner = winner.winner_of(state)
    assert the_winner.verdict == f"e001 was chosen, and is not better than {incumbent} on the date ranges that judged"

    # What is handed out: the incumbent's setting and model, on the newest range.
    assert the_winner.standing.assignment == state.sweep.definition.incumbent
    assert the_winner.row["trial"] == "screen-e000-d1-s0"
    folder = winner.fetch_model(state.sweep, "best", tmp_path / "model")
    assert (folder / "model.pt").read_bytes() == b"weights"
    best = json.loads(store.read(state.sweep.key("report/best.json")))
    assert best["incumbent"] == state.sweep.definition.incumbent

    # Beside other sweeps.
    other = judged(store, spec, nights.STEADY, day=1)
    comparison = comparing.compare([other, state])
    assert comparison.pairs[0].ranges[0].other == 0.4
    assert json.loads(comparing.as_json(comparison))["sweeps"][1]["best"]["experiment"] == "e000"
    assert f"e000: {incumbent}" in str([list(column.cells) for column in tables(comparison)[0].columns])
    night = next(iter(series(store))).nights[0]
    assert night.best == night.incumbent


def test_the_list_of_a_store_needs_no_test_to_know_the_answer(store: Store, tiny_spec: dict[str, Any]) -> None:
    sweep = judged(store, tiny_spec, nights.STEADY).sweep
    conclude(sweep, merge(sweep))  # which notes the verdict
    code = (
        "import sys\n"
        "from pipeline.report.listing import listing\n"
        "from pipeline.store import open_store\n"
        "print(list(listing(open_store(sys.argv[1])))[0].best)\n"
        "print([name for name in ('scipy', 'numpy', 'jinja2') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, store.root]
    output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert output[0].startswith("e001 mse_valid 0.1 ")
    assert output[1] == "[]"


def test_the_model_is_of_the_range_that_ends_last_and_of_these_of_the_one_that_starts_last(
    automatic: Definition,
) -> None:
    rows = [trained("near-best", OLDER), trained("near-best", SHORTER), trained("near-best", NEWER)]
    for order in (rows, rows[::-1]):
        assert newest_model(automatic, order) is rows[1]


def test_on_the_same_range_the_model_is_of_the_latest_phase_and_then_of_the_lowest_seed(automatic: Definition) -> None:
    rows = [
        trained("learning-rate", NEWER),
        trained("near-best", NEWER, seed=2),
        trained("near-best", NEWER, seed=1),
        trained("architecture", NEWER),
        trained("near-best", OLDER),
    ]
    for order in (rows, rows[::-1]):
        assert newest_model(automatic, order) is rows[2]


def test_a_training_that_was_not_completed_gives_its_model_only_where_no_other_has_one(automatic: Definition) -> None:
    stopped = trained("near-best", NEWER, status="stopped")
    complete = trained("learning-rate", OLDER)
    without = trained("near-best", NEWER, model_url=None)
    assert newest_model(automatic, [stopped, complete, without]) is complete
    assert newest_model(automatic, [stopped, without]) is stopped
    assert newest_model(automatic, [without]) is None
