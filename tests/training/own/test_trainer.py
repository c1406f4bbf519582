"""A team's own program: real processes that crash, hang, print too much and leave others behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.source import FilesSource
from pipeline.errors import InfrastructureError
from pipeline.training.own import placeholders
from pipeline.training.own.code import ArgumentsIf, Own
from pipeline.training.own.guard import descendants
from pipeline.training.own.trainer import Pace
from tests.support.processes import is_soon, nap, running
from tests.training.own.conftest import FINE

# -- the input of a program


def test_a_program_gets_its_input_from_its_environment(bench):
    bench.data = FilesSource(path="x.csv", date="day", numeric=("n",), target=("t",))
    result = bench.shell(FINE + 'env | grep ^HPT_; cat "$HPT_PARAMETERS"; echo; ls -A "$HPT_FOLDER"; pwd')
    assert result.status == "complete"
    for line in (
        "HPT_START=2024-01-01", "HPT_END=2024-04-01", "HPT_TRAIN_START=2024-01-01", "HPT_TRAIN_END=2024-03-04",
        "HPT_VALID_START=2024-03-04", "HPT_VALID_END=2024-03-18",
        "HPT_TEST_START=2024-03-18", "HPT_TEST_END=2024-04-01",
        "HPT_SEED=7", "HPT_MAX_EPOCHS=5", "HPT_TRIAL=screen-e003-d0-s0", f"HPT_FOLDER={bench.folder}", os.getcwd(),
        'HPT_DATA={"path":"x.csv","date":"day","numeric":["n"],"target":["t"]}',
        '{"lr": 0.1, "kind": "a b", "wide": true}',
    ):  # fmt: skip
        assert line in bench.log.splitlines(), line


def test_placeholders_become_arguments_without_a_shell(bench):
    bench.hyperparameters["kind"] = "$(touch made) `touch made`; touch made"
    argv = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "--lr={lr}", "{kind}", "{wide}", "{{lr}} {start}"]
    bench.command(argv)
    assert str(["--lr=0.1", bench.hyperparameters["kind"], "true", "{lr} 2024-01-01"]) in bench.log
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("value", "arguments"),
    [(True, "--x true"), (False, ""), (None, ""), ("", ""), ("a b", "--x a b"), (0, "--x 0"), (0.0, "--x 0.0")],
)  # fmt: skip
def test_arguments_are_left_out_if_their_hyperparameter_is_off(value, arguments):
    command = ("train", ArgumentsIf.model_validate({"if": "x", "arguments": ["--x", "{x}"]}), "{lr}")
    filled = placeholders.filled(command, {}, {"x": value, "lr": 0.1})
    assert " ".join(filled) == " ".join(filter(None, ("train", arguments, "0.1")))


# -- metrics


def test_reported_epochs_and_final_metrics_become_the_result(bench):
    result = bench.shell(
        """for epoch in 1 2 3; do echo "{\\"epoch\\": $epoch, \\"mse_valid\\": 0.$epoch}" >> "$HPT_METRICS"; done
        echo '{"mse_test": 5, "rounds": 12, "lr": 3}' >> "$HPT_METRICS" """
    )
    assert (result.status, result.epochs) == ("complete", 3)
    # A hyperparameter's column stays the hyperparameter's.
    assert result.metrics == {"mse_valid": 0.3, "mse_test": 5, "rounds": 12, "metric_lr": 3}
    assert bench.epochs == [(1, {"mse_valid": 0.1}), (2, {"mse_valid": 0.2}), (3, {"mse_valid": 0.3})]


def test_metrics_may_come_by_a_pattern_from_the_output(bench):
    result = bench.shell(
        "for i in 1 2; do echo [$i] loss 0.$i; printf 'valid 1e-%s\\r\\n' $i; done; printf 'test: 4'",
        metrics_pattern=r"^\[(?P<epoch>\d+)\] loss (?P<loss>\S+)|^valid (?P<mse_valid>\S+)|^test: (?P<mse_test>\S+)",
    )
    assert result.metrics == {"loss": 0.2, "mse_valid": 0.01, "mse_test": 4}
    assert bench.epochs[0] == (1, {"loss": 0.1, "mse_valid": 0.1})


def test_a_pattern_that_takes_for_ever_on_a_line_is_given_up(bench):
    bench.pace = Pace(line=0.2)
    began = time.monotonic()
    result = bench.shell(
        FINE + "for i in 1 2 3 4 5 6 7 8 9; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done",
        metrics_pattern="(a+)+b(?P<mse_train>x)",
    )
    assert result.status == "complete"
    assert time.monotonic() - began < 10
    assert sum("is not used any more" in line for line in bench.lines) == 1


def test_a_pipe_in_place_of_the_metrics_file_does_not_block(bench):
    result = bench.shell('rm "$HPT_METRICS"; mkfifo "$HPT_METRICS"; sleep 1; exit 4')
    assert result.error == "ended with exit status 4"


def test_garbage_among_metrics_is_noted_and_does_no_harm(bench):
    result = bench.shell(
        """printf 'garbage\\n\\377\\376\\n[1, 2]\\n{"epoch": "x", "a": 1}\\n{"mse_va' >> "$HPT_METRICS"
        printf 'lid": 1e999, "": 1}\\n{"mse_valid": 1, "note": "fine", "flag": true, "none": null}\\n' >> "$HPT_METRICS"
        printf '{"mse_test": "2.5"}' >> "$HPT_METRICS" """
    )
    assert result.status == "complete"
    assert result.metrics == {"mse_valid": 1, "mse_test": 2.5}
    assert "3 × a report is no JSON object; the first: garbage" in bench.log
    assert 'is no number; the first: note: "fine"' in bench.log
    assert 'has an epoch that is not a number of at least 0; the first: "x"' in bench.log.replace("'", '"')


def test_a_metric_that_is_missing_in_an_epoch_is_only_missing_there(bench):
    result = bench.shell(
        """printf '{"epoch": 1, "mse_valid": 1, "b": 1}\\n{"epoch": 2, "b": 2}\\n' >> "$HPT_METRICS"
        printf '{"epoch": 3, "mse_valid": 3}\\n{"mse_test": 1}\\n' >> "$HPT_METRICS" """
    )
    assert bench.epochs == [(1, {"mse_valid": 1, "b": 1}), (2, {"b": 2}), (3, {"mse_valid": 3})]
    assert result.metrics["b"] == 2


@pytest.mark.parametrize("part", ["valid", "test"])
def test_without_the_objective_a_training_fails_and_the_error_says_how_to_report_it(bench, part):
    other = {"valid": "test", "test": "valid"}[part]
    result = bench.shell(f"""echo '{{"mse_{other}": 1}}' >> "$HPT_METRICS" """)
    assert result.status == "failed"
    assert result.error == (
        f"it reported no mse_{part}, by which settings are compared: "
        f'add a line {{"mse_{part}": …}} to the file that HPT_METRICS names'
    )


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (r"valid (?P<mse_valid>\S+)|tset (?P<mse_test>\S+)", "no line of its output fits (?P<mse_test>…)"),
        (r"valid (?P<mse_valid>\S+)|test (?P<loss>\S+)", "pattern finds loss, mse_valid: name a group mse_test"),
    ],
)
def test_with_a_pattern_the_error_about_a_missing_objective_names_the_pattern(bench, text, advice):
    own = Own(command=("echo", "valid 1\ntest 2"), hyperparameters={}, metrics_pattern=text)
    error = str(bench.train(own).error)
    assert error.startswith("it reported no mse_test, by which settings are compared: ")
    assert advice in error
    assert "HPT_METRICS" not in error


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"nan"', "-1e999"])
def test_an_objective_that_is_not_finite_is_a_training_that_diverged(bench, value):
    assert bench.shell(f"""echo '{{"mse_valid": {value}}}' >> "$HPT_METRICS" """).status == "diverged"


# -- the end of a program


def test_an_exit_status_is_a_failure_with_the_last_line_of_output(bench):
    result = bench.shell("echo first; echo 'no such table: rides' >&2; exit 3")
    assert (result.status, result.error) == ("failed", "ended with exit status 3: no such table: rides")
    assert "first" in bench.log


def test_a_signal_is_named(bench):
    assert bench.shell("kill -SEGV $$").error == "killed by SIGSEGV"
    for script in ("kill -KILL $$", "exit 137"):
        result = bench.shell(script)
        assert (result.status, result.error) == ("failed", "killed (SIGKILL), which is often for lack of memory")


def test_a_program_that_reports_a_lack_of_memory_is_out_of_memory(bench):
    result = bench.shell("echo 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB'; exit 1")
    assert result.status == "out-of-memory"


def test_a_lost_device_is_a_failure_of_the_infrastructure(bench):
    with pytest.raises(InfrastructureError, match="NVML"):
        bench.shell("echo 'RuntimeError: Failed to initialize NVML: Unknown Error'; exit 1")


def test_the_error_says_why_a_program_cannot_be_started(bench):
    result = bench.command(["no-such-program", "x"])
    assert (result.status, result.error) == (
        "failed", "could not be started: No such file or directory: no-such-program",
    )  # fmt: skip
    assert "Argument list too long" in str(bench.command(["echo", "x" * 10_000_000]).error)
    assert "null" in str(bench.command(["echo", "\0"]).error)


def test_a_hang_ends_at_its_deadline_even_if_it_ignores_sigterm(bench):
    bench.pace = Pace(end_grace=0.3)
    own = Own(command=("sh", "-c", f"trap '' TERM; sleep {nap(4711)} & wait; sleep {nap(4711)}"), hyperparameters={})
    result = bench.train(own, seconds=0.5)
    assert result.status == "timed-out"
    assert not running(nap(4711))


def test_a_program_may_tidy_up_at_its_deadline(bench):
    own = Own(command=("sh", "-c", "trap 'echo saved; exit' TERM; sleep 60 & wait"), hyperparameters={})
    assert bench.train(own, seconds=0.5).status == "timed-out"
    assert "saved" in bench.log


def test_background_processes_end_with_the_training_and_are_noted(bench):
    before = descendants(os.getpid())
    result = bench.shell(FINE + f"sleep {nap(4712)} & (setsid sleep {nap(4713)} > /dev/null 2>&1 &) ; echo done")
    assert result.status == "complete"
    assert not running(nap(4712))
    assert not running(nap(4713))
    assert f"the program left this process running, so it was ended: sleep {nap(4712)}" in bench.lines
    assert f"the program left this process running, so it was ended: sleep {nap(4713)}" in bench.lines
    assert descendants(os.getpid()) == before


def test_no_process_outlives_a_lane_that_was_killed(bench, tmp_path):
    own = {
        "command": ["sh", "-c", f"(setsid sleep {nap(4714)} &); trap '' TERM; sleep {nap(4714)}; sleep {nap(4714)}"],
        "hyperparameters": {},
    }
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from pipeline.training.own import placeholders
from pipeline.training.own.code import ArgumentsIf, Own
from pipeline.training.own.trainer import OwnTrainer
from tests.training.own.conftest import Bench
OwnTrainer(Own.model_validate({own!r}), "mse")(Bench(Path({str(tmp_path / "f")!r})).job())
"""
    lane = subprocess.Popen([sys.executable, "-c", code])
    assert is_soon(lambda: len(running(nap(4714))) == 2)
    lane.kill()
    lane.wait()
    assert is_soon(lambda: not running(nap(4714)))


def test_an_interrupt_ends_the_program(bench):
    def interrupt(epoch: int, metrics: Any) -> None:
        raise KeyboardInterrupt

    bench.note = interrupt
    with pytest.raises(KeyboardInterrupt):
        bench.shell(f"""echo '{{"epoch": 1, "mse_valid": 1}}' >> "$HPT_METRICS"; sleep {nap(4715)}""")
    assert not running(nap(4715))


def test_a_guard_that_is_killed_takes_the_program_with_it(bench):
    result = bench.shell(f"kill -KILL $PPID; sleep {nap(4716)}")
    assert (result.status, result.error) == ("failed", "killed (SIGKILL), which is often for lack of memory")
    assert is_soon(lambda: not running(nap(4716)))


# -- output


def test_much_output_is_cut_in_the_middle(bench):
    result = bench.shell(FINE + "echo first; yes 0123456789 | head -c 100000000; echo; echo last")
    assert result.status == "complete"
    assert "first" in bench.log[:200]
    assert bench.log.endswith("last")
    assert "bytes of output are left out here" in bench.log
    assert len(bench.log) < 2_000_000


@pytest.mark.parametrize("source", ["/dev/zero", "/dev/urandom"])
def test_output_of_any_bytes_becomes_a_short_readable_log(bench, source):
    result = bench.shell(FINE + f"head -c 3000000 {source}; echo; echo last")
    assert result.status == "complete"
    assert bench.log.endswith("last")
    assert not any(letter in bench.log for letter in "\0\x1b\r")
    assert len(bench.log) < 4_000_000


# -- stopping


def test_a_program_that_heeds_the_stop_file_is_stopped(bench):
    bench.stop_after = 2
    result = bench.shell(
        """epoch=0; while [ ! -e "$HPT_STOP" ]; do epoch=$((epoch + 1))
        echo "{\\"epoch\\": $epoch, \\"mse_valid\\": 1}" >> "$HPT_METRICS"; sleep 0.05; done; echo heard"""
    )
    assert (result.status, result.error) == ("stopped", None)
    assert "heard" in bench.lines


def test_a_program_that_ignores_the_stop_file_is_ended_after_a_while(bench):
    bench.pace = Pace(heedless_grace=0.2)
    bench.stop_after = 1
    result = bench.shell(
        """epoch=0; while true; do epoch=$((epoch + 1))
        echo "{\\"epoch\\": $epoch, \\"mse_valid\\": 1}" >> "$HPT_METRICS"; sleep 0.05; done"""
    )
    assert result.status == "stopped"
    bench.pace = Pace(stop_grace=0.2)
    result = bench.shell(f"""echo '{{"epoch": 1, "mse_valid": 1}}' >> "$HPT_METRICS"; sleep {nap(4717)}""")
    assert result.status == "stopped"


# -- what it inherits


def test_a_json_file_has_all_hyperparameters(bench):
    bench.command([sys.executable, "-c", "import json, sys; print(json.load(open(sys.argv[1])))", "{parameters}"])
    assert str(bench.hyperparameters) in bench.lines


def test_a_lane_that_ignores_ctrl_c_does_not_make_its_programs_ignore_it(bench):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert bench.shell("kill -INT $$; echo still here").error == "killed by SIGINT"
    finally:
        signal.signal(signal.SIGINT, before)
