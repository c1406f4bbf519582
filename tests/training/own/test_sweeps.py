"""Own trainers in sweeps: the examples from plan to report, and every kind of trouble that a program may cause.

The examples are a scikit-learn function, a PyTorch script that knows nothing of us and a shell program. The programs
that cause trouble import neither library, which would take seconds each time.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.results import read_csv
from tests.support import environment
from tests.support.processes import is_soon, nap, running
from tests.training.own.conftest import Team

HERE = Path(__file__).parent
NAMES = ("forest", "net", "line")
TROUBLES = ("none", "crash", "segfault", "hang", "garbage", "gap", "shout", "child", "silent")
FINE = ("none", "garbage", "gap", "shout", "child")
FAILURES = {
    "crash": ("failed", "the table is broken"),
    "segfault": ("failed", "killed by SIGSEGV"),
    "hang": ("timed-out", "took longer than 0.2 minutes"),
    "silent": ("failed", "it reported no mse_valid"),
}


def small(team: Team, name: str) -> dict[str, Any]:
    """An example's spec with two settings, three epochs and one range that judges."""
    spec: dict[str, Any] = json.loads((team.folder / f"specs/examples/{name}.json").read_text())
    first = {"forest": {"max_depth": [4, 8]}, "net": {"lr": [0.01, 0.1]}, "line": {"shrink": [0.0, 0.5]}}
    return spec | {"parameters": first[name], "training": {"max-epochs": 3}, "confirm": {"ranges": 1}}


def written(team: Team, name: str, spec: dict[str, Any]) -> str:
    (team.folder / name).write_text(json.dumps(spec))
    return name


# The page of the documentation runs the third one.
@pytest.mark.parametrize("name", ["forest", "line"])
def test_an_example_goes_through_plan_trials_merge_and_report(team: Team, name: str) -> None:
    path = written(team, f"{name}.json", small(team, name))
    sweep = team.sweep(team.hpt("plan", path, "--out", "packs.tsv").out.strip())
    phases = []
    while packs := (team.folder / "packs.tsv").read_text().splitlines():
        trials = ",".join(line.split("\t")[3] for line in packs)
        phases.append(trials.split("-")[0])
        team.hpt("trial", sweep.id, trials)
        team.hpt("plan", "--sweep", sweep.id, "--out", "packs.tsv")
    assert phases == ["screen", "confirm"]
    team.hpt("merge", sweep.id)
    printed = team.hpt("report", sweep.id).out
    rows = team.rows(sweep)
    assert len(rows) == 4
    assert {row["status"] for row in rows.values()} == {"complete"}
    for row in rows.values():
        assert row["mse_valid"] > 0
        assert row["mse_test"] > 0
        assert Path(row["model_url"]).stat().st_size > 0
    page = sweep.store.read(sweep.key("report/index.html")).decode()
    assert "is the best setting" in printed
    assert "not testable" in page


@pytest.fixture(scope="module", params=NAMES)
def troubled(request: pytest.FixtureRequest, team: Team) -> tuple[Team, str, dict[str, Any], str]:
    """A sweep in which each setting causes another trouble, its rows by trouble, and the output of `hpt run`."""
    name: str = request.param
    for file in ("trouble.sh", "troubled.py", "prints.sh"):
        text = (HERE / file).read_text().replace("4811", nap(4811)).replace("4812", nap(4812))
        (team.folder / "examples" / file).write_text(text)
    spec = small(team, name) | {"training": {"max-epochs": 3, "time-limit-minutes": 0.2}}
    spec |= {"parameters": {"trouble": list(TROUBLES)}, "confirm": {"ranges": 0}, "search": {"strategy": "grid"}}
    declared = {"trouble": {"default": "none", "domain": list(TROUBLES)}}
    if name == "forest":
        spec |= {"trainer": "examples.troubled:train", "hyperparameters": declared | {"max_depth": 4}}
    else:
        command = ["sh", "examples/prints.sh", "{lr}", "{hidden}"] if name == "net" else spec["command"]
        spec["command"] = ["sh", "examples/trouble.sh", "{trouble}", *command]
        spec["hyperparameters"] = declared | {"shrink": 0.5} if name == "line" else declared | spec["hyperparameters"]
        spec.pop("describe", None)
    done = team.hpt("run", written(team, f"{name}-trouble.json", spec), "--lanes", "2", code=1)
    sweep = team.sweep(done.out.splitlines()[0])
    return team, sweep.id, {row["trouble"]: row for row in team.rows(sweep).values()}, done.out


def test_trouble_fails_only_the_setting_that_caused_it(troubled: tuple[Team, str, dict[str, Any], str]) -> None:
    _, _, rows, _ = troubled
    assert set(rows) == set(TROUBLES)
    for trouble in FINE:
        assert (rows[trouble]["status"], rows[trouble].get("error")) == ("complete", None), trouble
        assert rows[trouble]["mse_test"] == rows["none"]["mse_test"]
    for trouble, (status, error) in FAILURES.items():
        assert rows[trouble]["status"] == status, trouble
        assert error in rows[trouble]["error"]


def test_the_log_says_what_happened_and_stays_small(troubled: tuple[Team, str, dict[str, Any], str]) -> None:
    team, id, rows, _ = troubled
    logs = {trouble: team.file(team.sweep(id), row, "log.txt") for trouble, row in rows.items()}
    assert "the table is broken" in logs["crash"]
    assert "a report is no JSON object; the first: garbage" in logs["garbage"]
    assert "bytes of output are left out here" in logs["shout"]
    assert all(len(log) < 1_000_000 for log in logs.values())
    assert logs["child"].count(f"the program left this process running, so it was ended: sleep {nap(4812)}") == 2


def test_no_process_of_a_program_is_left(troubled: tuple[Team, str, dict[str, Any], str]) -> None:
    assert is_soon(lambda: running(nap(4811)) + running(nap(4812)) == [])


def test_a_metric_that_an_epoch_lacks_is_missing_only_there(troubled: tuple[Team, str, dict[str, Any], str]) -> None:
    team, id, rows, _ = troubled
    epochs = {row["epoch"]: row for row in read_csv(team.file(team.sweep(id), rows["gap"], "epochs.csv").encode())}
    first = epochs.pop(0)
    assert {name: value for name, value in first.items() if value is not None} == {"epoch": 0, "extra": 7}
    assert all(row.get("extra") is None and row["mse_valid"] > 0 for row in epochs.values())
    assert rows["gap"]["extra"] == 7


def test_the_summary_has_the_winner_and_the_failures(troubled: tuple[Team, str, dict[str, Any], str]) -> None:
    team, id, rows, printed = troubled
    sweep = team.sweep(id)
    page = sweep.store.read(sweep.key("report/index.html")).decode()
    assert "5 complete" in page
    assert "the table is broken" in page
    assert "keep the defaults: nothing tried beats them" in printed
    assert len(rows) == len(TROUBLES)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_when_a_run_is_ended_its_programs_end_and_their_files_are_removed(
    team: Team, tmp_path: Path, number: signal.Signals
) -> None:
    spec = small(team, "line") | {"hyperparameters": {"shrink": 0.5}}
    spec["command"] = ["sh", "-c", f'echo x > "$HPT_FOLDER/checkpoint"; sleep {nap(4813)}; : {{shrink}}']
    del spec["describe"]
    run = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "run", written(team, "ended.json", spec), "--lanes", "2"],
        cwd=team.folder,
        env=environment(TMPDIR=str(tmp_path)),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    assert is_soon(lambda: len(list(tmp_path.glob("hpt-*/checkpoint"))) == 2)
    run.send_signal(number)
    run.wait(30)
    assert is_soon(lambda: not running(nap(4813)))
    # A SIGKILL leaves only the runner's folder with the logs of lanes.
    leftovers = ("hpt-lanes-",) if number == signal.SIGKILL else ()
    assert is_soon(lambda: not [path for path in tmp_path.iterdir() if not path.name.startswith(leftovers)])
