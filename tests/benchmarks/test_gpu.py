"""`benchmarks/gpu` without a GPU: its table, parts that fail or run out of time, synthetic flights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import flights
from benchmarks.gpu.parts import PARTS, Bench, Part

pytest.importorskip("torch")


def part(name: str, seconds: float = 60) -> Part:
    return Part(name, "", seconds, next(part.function for part in PARTS if part.name == name))


def test_parts_stay_within_eight_minutes_together():
    assert sum(part.seconds for part in PARTS) <= 480


def test_a_part_without_time_left_writes_that_the_rest_is_left_out(tmp_path):
    bench = Bench("cpu", until=0.0, path=tmp_path / "records")
    assert not bench.check_time(1)
    assert json.loads(bench.path.read_text()) == {"left_out": "the rest: no time left"}


def test_measurements_of_a_part_survive_its_failure():
    """`machine` writes measurements, then fails, since it finds no GPU."""
    environment = dict(os.environ) | {"CUDA_VISIBLE_DEVICES": ""}
    records, problem = gpu.run_part(part("machine"), "cuda", 60, environment)
    assert "torch" in [record.get("doctor") for record in records]
    assert problem == "ended with 1"


def test_a_hanging_part_is_killed_with_its_child_processes(monkeypatch):
    monkeypatch.setattr(gpu, "GRACE", 0.0)
    records, problem = gpu.run_part(part("rates"), "cpu", 0.5, dict(os.environ))
    assert (records, problem) == ([], "killed after 0 s")


def test_records_with_other_keys_get_their_own_table_head(capsys):
    gpu.print_table(
        [{"architecture": "lstm", "ratio": 0.5}, {"left_out": "x"}, {"architecture": "cnn", "ratio": 12345.6}]
    )
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["architecture   ratio", "lstm             0.5", "cnn           12,346", "left_out", "x"]


def test_synthetic_flights_are_read_like_the_real_ones(tmp_path):
    flights.write_synthetic(tmp_path, rows=20_000)
    code = """
from datetime import date
from pipeline.data.load import load
from pipeline.data.source import FlightsSource
from pipeline.dates import DateRange
dataset = load(FlightsSource(source="flights"), DateRange(date(2013, 7, 1), date(2013, 10, 1)))
print(dataset.inputs.length, dataset.inputs.targets, len(dataset.train) > 3000, dataset.inputs.vocabulary > 200)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["7", "1", "True", "True"]
