"""Verbs that show sweeps and fetch their results, as a person calls them."""

import json
import subprocess
import time

from tests.support.commands import HPT, hpt


def test_list_names_each_sweep_its_state_and_its_best(finished):
    folder, result = finished
    listed = hpt("list", cwd=folder)
    assert listed.returncode == 0
    line = next(line for line in listed.stdout.splitlines() if result.stdout.splitlines()[0] in line)
    assert "done" in line
    assert "learning_rate=" in line
    empty = hpt("list", "--store", folder / "none", cwd=folder)
    assert (empty.returncode, "holds no sweeps" in empty.stderr) == (2, True)


def test_results_come_as_a_table_as_csv_and_as_json(finished):
    folder, result = finished
    sweep = folder / "hpt-store" / "sweeps" / result.stdout.splitlines()[0]
    name = sweep.name
    table = hpt("results", name, "--best", 2, cwd=folder)
    assert len(table.stdout.strip().splitlines()) == 3
    assert hpt("results", name, "--csv", cwd=folder).stdout == (sweep / "results.csv").read_text()
    rows = json.loads(hpt("results", name, "--json", cwd=folder).stdout)
    assert len(rows) == 6
    best = json.loads(hpt("results", name, "--json", "--best", 1, cwd=folder).stdout)
    assert len(best) == 2
    assert len({row["experiment"] for row in best}) == 1
    assert hpt("results", name, "--json", "--csv", cwd=folder).returncode == 2


def test_watch_prints_the_rows_and_ends_with_the_sweep(finished):
    folder, result = finished
    watched = hpt("watch", result.stdout.splitlines()[0], "--every", 0.1, cwd=folder)
    assert watched.returncode == 0
    assert "[6/6]" in watched.stdout
    assert "is the best of choosing" in watched.stdout.splitlines()[-1]


def test_a_fetched_model_predicts(finished, tmp_path):
    import pandas as pd

    from pipeline.training import model

    folder, result = finished
    name = result.stdout.splitlines()[0]
    fetched = hpt("fetch", name, "--model", "best", "--to", tmp_path / "m", cwd=folder)
    assert fetched.returncode == 0, fetched.stderr
    loaded = model.load(tmp_path / "m")
    assert loaded.predict(pd.DataFrame({"place": ["place1"], "size": [0.5]})).shape == (1, 1)
    nothing = hpt("fetch", name, "--model", "e099", cwd=folder)
    assert (nothing.returncode, 'no model of "e099"' in nothing.stderr) == (2, True)


def test_sweeps_are_compared_nights_listed_and_results_exported(finished, tmp_path):
    folder, result = finished
    first = result.stdout.splitlines()[0]
    second = hpt("run", "spec.json", "--lanes", 1, cwd=folder).stdout.splitlines()[0]
    compared = hpt("compare", first, second, cwd=folder)
    assert compared.returncode == 0, compared.stderr
    assert "equally good" in compared.stdout
    assert json.loads(hpt("compare", first, second, "--json", cwd=folder).stdout)
    nights = hpt("history", "--fail-on-regression", cwd=folder)
    assert nights.returncode == 0, nights.stderr
    for suffix in ("csv", "parquet", "md", "xml"):
        file = tmp_path / f"out.{suffix}"
        assert hpt("results", first, "--export", file, cwd=folder).returncode == 0
        assert file.stat().st_size > 100
    assert hpt("results", first, "--export", tmp_path / "out.doc", cwd=folder).returncode == 2
    assert hpt("compare", first, cwd=folder).returncode == 2


def test_tensorboard_opens_the_curves(finished):
    import socket
    import urllib.request

    folder, _ = finished
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*HPT, "tensorboard", "latest", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/runs", timeout=5) as answer:
                    runs = json.load(answer)
                if len(runs) == 6:
                    break
            except OSError:
                pass
            time.sleep(0.1)
        assert "screen-e000-d0-s0" in runs
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/data/plugin/hparams/experiment",
            data=json.dumps({"experimentName": ""}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            tab = json.load(answer)
        assert "learning_rate" in {hyperparameter["name"] for hyperparameter in tab["hparamInfos"]}
        assert {"mse_valid", "result/mse_test"} <= {metric["name"]["tag"] for metric in tab["metricInfos"]}
    finally:
        process.terminate()
        process.wait(20)
