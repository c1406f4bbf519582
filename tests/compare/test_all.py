"""`hpt run --architecture a,b,c`: a sweep each, one after another, then a ranking, even if one of them fails."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InfrastructureError, UserError
from pipeline.plan import rounds
from pipeline.store import Store
from pipeline.sweep import Sweep, trials_of
from pipeline.verbs import run as running
from tests.support import nights, rows
from tests.support.in_process import Done, hpt

ARGUMENTS = ("run", "--as-of", "2024-06-01", "--budget", "experiments=6")


@pytest.fixture
def place(tmp_path: Path, tiny_spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which each sweep ends at once, by made-up rows, and the one of `multi-task` with an error."""

    def end_at_once(sweep: Sweep, lanes: int | None, *, name: str, brief: bool) -> int:
        print(f"ran {name}, {'brief' if brief else 'verbose'}")
        architecture = sweep.definition.architecture
        if architecture == "multi-task":
            raise InfrastructureError("no lane could be started")
        while trials := list(trials_of(rounds.plan_packs(sweep))):
            for trial in trials:
                sweep.create_row(trial, made_up_row(sweep, trial))
        return 0

    monkeypatch.setattr(running, "run_to_the_end", end_at_once)
    data = tiny_spec["data"] | {"as-of": "2024-06-01"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in data.items() if key != "as-of"]
    (tmp_path / "hpt.toml").write_text('store = "store"\n[data]\n' + "\n".join(lines) + "\n")
    return tmp_path


def made_up_row(sweep: Sweep, trial: Any) -> dict[str, Any]:
    base = 0.3 if sweep.definition.architecture == "tabular" else 0.2
    value = nights.wave(base, trial.range, 0.1)
    cells = {"mse_valid": value, "mse_test": value, "training_time": 30.0, "fidelity": "full", "error": None}
    cells |= {"epochs": 2, "data_fingerprint": f"data {trial.range}"}
    if trial.is_reference:
        return rows.row_of(sweep.definition, trial, {}, **cells)
    return rows.planned_row(sweep, trial, **cells)


def run_hpt(place: Path, architectures: str, *more: str, code: int) -> Done:
    return hpt(*ARGUMENTS, "--architecture", architectures, *more, cwd=place, code=code)


def test_a_failing_sweep_ends_none_of_the_others_and_the_ranking_says_so(place: Path) -> None:
    done = run_hpt(place, "multi-task,tabular,bag-of-words", code=3)
    ran = [line for line in done.out.splitlines() if line.startswith("ran ")]
    assert ran == ["ran 1/3 multi-task, brief", "ran 2/3 tabular, brief", "ran 3/3 bag-of-words, brief"]
    assert "hpt: 1/3 multi-task: no lane could be started; the others go on" in done.err
    ranked = [line.split()[1] for line in done.out.splitlines() if line[:2] in ("1.", "2.")]
    assert ranked == ["bag-of-words", "tabular"]
    assert "no result" in done.out
    assert "hpt run --sweep" in done.out
    page = Path(done.out.splitlines()[-1].removeprefix("page "))
    text = page.read_text(encoding="utf-8")
    assert text.count("<circle") == 2
    assert "multi-task" in text
    assert len(done.out.splitlines()) <= 3 + 15


def test_a_sweep_that_cannot_begin_is_named_with_the_reason(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.plan import create

    original = create.create

    def failing(request: Any, *arguments: Any, **options: Any) -> Sweep:
        if request.architecture == "tabular":
            raise UserError("the data are <gone>")
        return original(request, *arguments, **options)

    monkeypatch.setattr(create, "create", failing)
    with_one_left = run_hpt(place, "tabular,bag-of-words", code=2)
    assert "fewer than two sweeps have run" in with_one_left.err
    done = run_hpt(place, "tabular,bag-of-words,lstm", "--verbose", code=2)
    assert "tabular has no sweep: the data are <gone>" in done.out
    assert "verbose" in done.out
    assert "best setting" in done.out
    text = Path(done.out.splitlines()[-1].removeprefix("page ")).read_text(encoding="utf-8")
    assert "no sweep: the data are &lt;gone&gt;" in text


def test_an_unknown_architecture_is_reported_before_anything_runs(place: Path, store: Store) -> None:
    done = run_hpt(place, "tabular,bag-of-wodrs", code=2)
    assert 'did you mean "bag-of-words"?' in done.err
    assert not (place / "store" / "sweeps").exists()
