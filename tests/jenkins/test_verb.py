"""`hpt trigger` as a process: its exit code, and its output on each stream."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support import jenkins as fakes

UNSTABLE = fakes.Script((b"Started\ntrials: 1 of 2\n",), "UNSTABLE", looks_in_queue=0)


def hpt_trigger(spec: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.cli", "trigger", str(spec), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | {"NO_COLOR": "1"})


def test_json_is_alone_on_stdout(jenkins: fakes.Fake, spec_file: Path) -> None:
    jenkins.script = UNSTABLE
    done = hpt_trigger(spec_file, "--set", "LANES=2", "--follow", "--json", "--request-id", "mine")
    printed = json.loads(done.stdout)
    assert (printed["request_id"], printed["number"], printed["result"]) == ("mine", 7, "UNSTABLE")
    assert done.returncode == 1
    assert "trials: 1 of 2" in done.stderr
    assert fakes.TOKEN not in done.stdout + done.stderr


def test_without_waiting_the_address_of_the_build_is_printed(jenkins: fakes.Fake, spec_file: Path) -> None:
    jenkins.script = UNSTABLE
    done = hpt_trigger(spec_file)
    assert (done.returncode, done.stdout) == (0, f"{jenkins.url}/job/tuning/job/sweep/7/\n")


def test_a_mistake_exits_with_2_and_one_line_and_an_unreachable_jenkins_with_3(
    jenkins: fakes.Fake, spec_file: Path
) -> None:
    mistaken = hpt_trigger(spec_file, "--job", "tuning/other")
    assert (mistaken.returncode, mistaken.stdout, mistaken.stderr.count("\n")) == (2, "", 1)
    unreachable = hpt_trigger(spec_file, "--url", "http://127.0.0.1:1")
    assert (unreachable.returncode, unreachable.stdout) == (3, "")
    assert unreachable.stderr == "hpt: http://127.0.0.1:1/ cannot be reached: Connection refused\n"


def test_an_interrupt_exits_with_130_and_says_how_to_wait_again(jenkins: fakes.Fake, spec_file: Path) -> None:
    jenkins.script.looks_in_queue = 1000
    command = [sys.executable, "-m", "pipeline.cli", "trigger", str(spec_file), "--wait", "--request-id", "mine"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        lines = iter(waiting.stderr)
        assert any(line.startswith("queued: ") for line in lines)
        waiting.send_signal(signal.SIGINT)
        output = "".join(lines)
    assert waiting.returncode == 130
    assert "--request-id mine finds it again" in output
    assert "Traceback" not in output
