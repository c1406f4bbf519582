"""A request to end `hpt run` at any time: no lane starts again, nothing trains on, exit 130 in seconds."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import INTERRUPTED
from pipeline.local import interrupts
from tests.support import ROOT, processes
from tests.support.processes import is_soon

# Writes a line per training before it sleeps.
TRAINER = """
import os, signal, sys, time
if "{stubborn}": signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("begun", "a").write(os.environ["HPT_TRIAL"] + "\\n")
time.sleep(60)
print("valid 1 test 1")
"""


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    def start(mark: str, *options: str, stubborn: str = "") -> subprocess.Popen[str]:
        (tmp_path / f"{mark}.py").write_text(TRAINER.replace("{stubborn}", stubborn))
        spec = {
            "command": ["{python}", f"{mark}.py", "{x}"],
            "metrics-pattern": r"valid (?P<mse_valid>\S+) test (?P<mse_test>\S+)",
            "hyperparameters": {"x": 0.1},
            "parameters": {"x": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]},
            "date-range": [["2024-01-01", "2024-03-01"]],
            "confirm": {"ranges": 0},
        }
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline.cli", "run", "spec.json", "--store", "store", *options],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Whoever started the tests in the background may have had it ignored, which is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )

    return start


def trainings_begun(folder: Path) -> int:
    begun = folder / "begun"
    return len(begun.read_text().splitlines()) if begun.exists() else 0


def ended(process: subprocess.Popen[str], mark: str) -> str:
    """The output of the process, after checks that it ended as it should."""
    requested_at = time.monotonic()
    _, output = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED, output
    assert time.monotonic() - requested_at < 10
    assert "Traceback" not in output
    assert "run again" not in output
    assert is_soon(lambda: not processes.running(f"{mark}.py"))
    return output


@pytest.mark.parametrize(
    ("number", "to_all"),
    [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, True)],
)
def test_no_lane_is_started_again_and_nothing_trains_on(start, tmp_path, number, to_all):
    mark = f"begun-{number.name}-{to_all}"
    with start(mark, "--lanes", "2") as process:
        assert is_soon(lambda: trainings_begun(tmp_path) == 2)
        (os.killpg if to_all else os.kill)(process.pid, number)
        output = ended(process, mark)
    assert "stopped; what is finished is kept" in output
    assert trainings_begun(tmp_path) == 2


def test_a_second_request_waits_for_no_grace(start, tmp_path):
    with start("twice", "--lanes", "1", stubborn="yes") as process:
        assert is_soon(lambda: trainings_begun(tmp_path) == 1)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        ended(process, "twice")


@pytest.mark.parametrize("after_s", [0.1, 0.4, 0.8, 1.2])
def test_a_request_before_anything_trains_ends_it_too(start, after_s):
    with start(f"early-{after_s}", "--lanes", "2") as process:
        assert is_soon(lambda: _takes_signals(process.pid))
        time.sleep(after_s)
        process.send_signal(signal.SIGTERM)
        ended(process, f"early-{after_s}")


SWALLOWED = """
import signal
from pipeline import cli
from pipeline.verbs import app

def from_a_string():
    exec("signal.raise_signal(signal.SIGTERM)")

def as_an_error_of_its_own():
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException:
        raise ValueError("KeyboardInterrupt") from None

app.app = {way}
cli.main()
"""


@pytest.mark.parametrize("way", ["from_a_string", "as_an_error_of_its_own"])
def test_a_request_that_falls_into_a_librarys_import_ends_it_too(tmp_path, way):
    (tmp_path / "early.py").write_text(SWALLOWED.replace("{way}", way))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    early = subprocess.run([sys.executable, "-m", "early"], cwd=tmp_path, env=environment, capture_output=True)
    assert early.returncode == INTERRUPTED
    assert not early.stderr


def _takes_signals(pid: int) -> bool:
    caught = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt")]
    return bool(int(caught[0].split()[1], 16) >> (signal.SIGTERM - 1) & 1)


class TestRequests:
    @pytest.fixture(autouse=True)
    def handlers(self):
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        interrupts.take_signals()
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    def test_the_same_request_delivered_twice_is_one(self):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert interrupts.requests() == 1

    def test_a_shield_lets_none_through_and_counts(self):
        with interrupts.shielded():
            signal.raise_signal(signal.SIGINT)
        assert interrupts.requests() == 1

    def test_a_block_that_takes_too_long_is_broken_off(self):
        with pytest.raises(interrupts.TooLateError), interrupts.within(0.05):
            time.sleep(5)
        time.sleep(0.1)
