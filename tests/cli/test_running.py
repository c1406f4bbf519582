"""Verbs that make, check and run sweeps, as a person or Jenkins calls them."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import HPT, hpt
from tests.support.processes import is_soon


def test_run_prints_the_sweep_the_answer_and_where_things_are(finished):
    folder, result = finished
    lines = result.stdout.splitlines()
    sweep = folder / "hpt-store" / "sweeps" / lines[0]
    assert "is the best of choosing" in lines[1]
    assert lines[2] == f"results {sweep / 'results.csv'}"
    assert lines[3] == f"summary {sweep / 'report/index.html'}"
    assert lines[4] == f"all sweeps {folder / 'hpt-store/index.html'}"
    assert lines[0] in (folder / "hpt-store/index.html").read_text()
    assert len((sweep / "results.csv").read_text().splitlines()) == 7
    assert "[6/6]" in result.stderr


def test_the_folder_of_a_sweep_has_the_documented_files(finished):
    folder, result = finished
    sweep = folder / "hpt-store" / "sweeps" / result.stdout.splitlines()[0]
    names = {path.relative_to(sweep).as_posix() for path in sweep.rglob("*") if path.is_file()}
    for name in (
        "sweep.json", "plan/0.tsv", "plan/1.tsv", "experiments.csv", "results.csv", "report/index.html",
        "report/style.css", "trials/screen-e000-d0-s0/result.csv",
    ):  # fmt: skip
        assert name in names
    assert (sweep / "plan/1.tsv").read_text() == ""


def test_the_stages_as_verbs_do_the_same_as_run(finished, tmp_path):
    folder, result = finished
    planned = hpt("plan", "spec.json", "--store", tmp_path / "s", "--out", tmp_path / "packs.tsv", cwd=folder)
    assert planned.returncode == 0, planned.stderr
    id = planned.stdout.strip()
    lines = (tmp_path / "packs.tsv").read_text().splitlines()
    assert len(lines) == 6
    assert all(len(line.split("\t")) == 4 for line in lines)
    trials = [line.split("\t")[3] for line in lines]
    ran = hpt("trial", id, ",".join(trials[:4]), *trials[4:], "--store", tmp_path / "s", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    replanned = hpt("plan", "--sweep", id, "--store", tmp_path / "s", "--out", tmp_path / "packs.tsv", cwd=folder)
    assert (replanned.stdout.strip(), (tmp_path / "packs.tsv").read_text()) == (id, "")
    assert hpt("merge", id, cwd=folder, HPT_STORE=str(tmp_path / "s")).returncode == 0
    reported = hpt("report", "latest", "--store", tmp_path / "s", cwd=folder)
    assert reported.stdout.splitlines()[0].split(";")[0] == result.stdout.splitlines()[1].split(";")[0]

    def measured(store: Path, id: str) -> list[str]:
        lines = (store / "sweeps" / id / "results.csv").read_text().splitlines()
        at = lines[0].split(",").index("mse_test")
        return [line.rsplit('"', 1)[1].split(",")[at - 1] for line in lines[1:]]

    assert measured(tmp_path / "s", id) == measured(folder / "hpt-store", result.stdout.splitlines()[0])


def test_validate_prints_phases_experiments_ranges_trials_and_assignments(finished):
    folder, _ = finished
    result = hpt("validate", "spec.json", cwd=folder)
    assert result.returncode == 0
    assert "phase screen: 6 trials: 3 experiments (grid) on 2 date ranges, 1 seed each" in result.stdout
    assert "[2024-01-01, 2024-03-01): train 42, validate 9, test 9 days" in result.stdout
    assert "e000 learning_rate=0.001 (the defaults)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["validate", "none.json"], "hpt: none.json: there is no such spec"),
        (["run"], "hpt: name a SPEC, an --architecture to tune automatically, or --sweep ID to go on with"),
        (["run", "--sweep", "latest", "spec.json"], "hpt: name either a SPEC"),
        (["merge", "../../etc"], 'holds no sweep "../../etc"'),
        (["trial", "latest", "screen"], 'hpt: "screen" is no trial'),
        (["trial", "latest", "screen-e000-d9-s0"], "no round of"),
        (["validate", "spec.json", "--data", "fligts"], "hpt: --data: "),
        (["validate", "spec.json", "--data", "{"], "hpt: --data: "),
        (["validate", "spec.json", "--as-of", "June"], "--as-of"),
        (["run", "spec.json", "--lanes", "0"], "--lanes"),
        (["validate"], "SPEC"),
    ],
)
def test_wrong_arguments_are_a_clear_line_and_exit_2(finished, arguments, message):
    folder, _ = finished
    result = hpt(*arguments, cwd=folder)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_broken_hpt_toml_is_a_clear_line(tmp_path):
    (tmp_path / "hpt.toml").write_text("stoer = 'x'\n")
    (tmp_path / "s.json").write_text('{"architecture": "cnn", "parameters": {"dropout": [0.1, 0.2]}}')
    result = hpt("validate", "s.json", cwd=tmp_path)
    assert (result.returncode, "stoer" in result.stderr, "Traceback" in result.stderr) == (2, True, False)


def test_a_range_without_data_is_refused_before_anything_runs(finished, tmp_path):
    folder, _ = finished
    spec = json.loads((folder / "spec.json").read_text()) | {"date-range": [["2025-01-01", "2025-03-01"]]}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    result = hpt("run", tmp_path / "spec.json", "--store", tmp_path / "s", cwd=folder)
    assert result.returncode == 2
    assert "none of the days that the data cover, [2024-01-01, 2024-05-30)" in result.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "nowhere/*.csv"}, 'no file matches "nowhere/*.csv"'),
        ({"numeric": ["sise"]}, 'has no column "sise"; did you mean "size"?'),
    ],
)
def test_wrong_data_are_refused_before_anything_runs(finished, tmp_path, change, message):
    folder, _ = finished
    spec = json.loads((folder / "spec.json").read_text()) | {"data": data_of(folder) | change}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    result = hpt("run", tmp_path / "spec.json", "--store", tmp_path / "s", cwd=folder)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert not (tmp_path / "s").exists()


def test_a_failed_trial_is_exit_1_and_a_store_that_fails_exit_3(finished, tmp_path):
    folder, _ = finished
    data_file = Path(shutil.copy(data_of(folder)["path"], tmp_path / "gone.csv"))
    spec = json.loads((folder / "spec.json").read_text()) | {
        "data": data_of(folder) | {"path": str(data_file)},
        "date-range": [["2024-01-01", "2024-03-01"]],
        "parameters": {"learning_rate": [0.001, 0.01]},
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    sweep = hpt("plan", tmp_path / "spec.json", "--store", tmp_path / "s", cwd=folder).stdout.strip()
    data_file.write_text("day,place,size,value\n")
    result = hpt("run", "--sweep", sweep, "--store", tmp_path / "s", "--lanes", 1, cwd=folder)
    assert result.returncode == 1
    assert "2 of 2 trials failed" in result.stderr
    (tmp_path / "file").write_text("")
    assert hpt("plan", "spec.json", "--store", tmp_path / "file" / "s", cwd=folder).returncode == 3


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_goes_on_where_it_was(finished, tmp_path, signal_number):
    folder, _ = finished
    spec = json.loads((folder / "spec.json").read_text())
    spec |= {"training": {"max-epochs": 40, "epoch-steps": 1}, "incumbent": {"early_stopping_patience": 1000}}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    store = tmp_path / "s"
    command = [*HPT, "run", str(tmp_path / "spec.json"), "--store", str(store)]
    with subprocess.Popen(
        [*command, "--lanes", "2"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[1/6]"):
                break
        process.send_signal(signal_number)
        process.stderr.read()
    assert process.returncode == (-9 if signal_number == signal.SIGKILL else 130)
    (sweep,) = (store / "sweeps").iterdir()
    done = {path.parent.name: path.read_bytes() for path in sweep.glob("trials/*/result.csv")}
    assert done
    assert is_soon(lambda: not lanes_in(folder))
    if signal_number != signal.SIGKILL:
        watched = hpt("watch", sweep.name, "--store", store, cwd=folder)
        assert "stopped at" in watched.stderr
    result = hpt("run", "--sweep", sweep.name, "--store", store, "--lanes", 1, cwd=folder)
    assert result.returncode == 0, result.stderr
    after = {path.parent.name: path.read_bytes() for path in sweep.glob("trials/*/result.csv")}
    assert len(after) == 6
    assert done.items() <= after.items()


def lanes_in(folder: Path) -> list[str]:
    lanes = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if "pipeline.local.lane" in (process / "cmdline").read_text() and os.readlink(process / "cwd") == str(
                folder
            ):
                lanes.append(process.name)
        except OSError:
            pass
    return lanes


def test_the_fast_verbs_import_neither_torch_nor_pandas_nor_the_cloud_client(finished):
    folder, _ = finished
    code = (
        "import sys, runpy\n"
        "sys.argv = ['hpt', 'validate', 'spec.json', '--no-data']\n"
        "try:\n    runpy.run_module('pipeline.cli', run_name='__main__')\n"
        "except SystemExit as e:\n    assert not e.code\n"
        "heavy = ('torch', 'pandas', 'numpy', 'google.cloud.storage', 'pyarrow')\n"
        "print([m for m in heavy if m in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stderr.splitlines()[-1] == "[]"


def test_only_verbs_that_train_import_torch(finished):
    folder, _ = finished
    verbs = [
        *("validate spec.json", "data spec.json", "architectures", "schema", "plan --sweep latest", "merge latest"),
        *("report latest", "results latest --best 3", "list", "history", "fetch latest --to fetched"),
    ]
    code = (
        "import sys, runpy\n"
        f"for line in {verbs}:\n"
        "    sys.argv = ['hpt', *line.split()]\n"
        "    try:\n        runpy.run_module('pipeline.cli', run_name='__main__')\n"
        "    except SystemExit as e:\n        assert not e.code, line\n"
        "    assert 'torch' not in sys.modules, line\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "verb",
    [
        "validate",
        "plan",
        "trial",
        "merge",
        "report",
        "run",
        "stop",
        "tensorboard",
        "schema",
        "compare",
        "history",
        "calibrate",
        "doctor",
        "trigger",
    ],
)
def test_every_verb_explains_itself(verb, tmp_path):
    result = hpt(verb, "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert "Usage" in result.stdout


def test_a_sweep_in_a_bucket_is_watched_and_gone_on_with_from_another_folder(finished, bucket, gcs_url, tmp_path):
    folder, _ = finished
    spec = json.loads((folder / "spec.json").read_text()) | {"data": data_of(folder)}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    environment = {"STORAGE_EMULATOR_HOST": gcs_url, "HPT_STORE": f"gs://{bucket}/team"}
    id = hpt("plan", tmp_path / "spec.json", cwd=folder, **environment).stdout.strip()
    assert hpt("trial", id, "screen-e000-d0-s0", cwd=folder, **environment).returncode == 0
    watched = hpt("results", id, "--json", cwd=tmp_path, **environment)
    (row,) = json.loads(watched.stdout)
    assert row["model_url"].startswith(f"https://storage.cloud.google.com/{bucket}/team/sweeps/{id}/trials/")
    ran = hpt("run", "--sweep", id, "--lanes", 1, cwd=tmp_path, **environment)
    assert ran.returncode == 0, ran.stderr
    assert "5 trials to run, 1 done before" in ran.stderr
    rows = json.loads(hpt("results", id, "--json", cwd=tmp_path, **environment).stdout)
    assert (len(rows), row in rows) == (6, True)


def test_a_missing_bucket_is_one_clear_line_and_exit_3(finished, gcs_url):
    folder, _ = finished
    result = hpt("plan", "spec.json", "--store", "gs://no-such-bucket/x", cwd=folder, STORAGE_EMULATOR_HOST=gcs_url)
    assert result.returncode == 3
    assert "no-such-bucket" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def data_of(folder: Path) -> dict:
    import tomllib

    return tomllib.loads((folder / "hpt.toml").read_text())["data"]


def test_retry_runs_exactly_the_failed_trials(finished, tmp_path):
    folder, _ = finished
    spec = json.loads((folder / "spec.json").read_text())
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    store = tmp_path / "s"
    id = hpt("plan", tmp_path / "spec.json", "--store", store, cwd=folder).stdout.strip()
    gave_up = hpt("trial", id, "screen-e001-d0-s0", "--give-up", "no GPU", "--store", store, cwd=folder)
    assert gave_up.returncode == 1
    assert hpt("run", "--sweep", id, "--store", store, "--lanes", 1, cwd=folder).returncode == 1
    retried = hpt("retry", id, "--store", store, "--lanes", 1, cwd=folder)
    assert retried.returncode == 0, retried.stderr
    assert "1 trials to run, 5 done before" in retried.stderr
    numbers = sorted(path.name for path in (store / "sweeps" / id).glob("trials/*/result*.csv"))
    assert numbers == ["result-2.csv", *["result.csv"] * 6]
