"""A team's own program and function: real processes that crash, hang, shout and leave others behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.source import FilesSource
from pipeline.errors import InfrastructureError
from pipeline.training import saved
from pipeline.training.job import Job, TrainingResult
from pipeline.training.own import placeholders
from pipeline.training.own.code import ArgumentsIf, Own
from pipeline.training.own.guard import descendants
from pipeline.training.own.trainer import OwnTrainer, Pace
from tests.support.jobs import job_of
from tests.support.processes import is_soon, nap, running

FINE = """echo '{"mse_valid": 1, "mse_test": 2}' >> "$HPT_METRICS"; """


class Bench:
    """Runs trainers as a trial would, and keeps what they made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.epochs: list[tuple[int, dict[str, float]]] = []
        self.stop_after = 10**9
        self.hyperparameters: dict[str, Any] = {"lr": 0.1, "kind": "a b", "wide": True}
        self.data = None
        self.pace = Pace()

    def shell(self, script: str, **options: Any) -> TrainingResult:
        return self.command(["sh", "-c", script.replace("{", "{{").replace("}", "}}")], **options)

    def command(self, argv: list[str], **options: Any) -> TrainingResult:
        return self.train(Own(command=tuple(argv), hyperparameters={}, **options))

    def function(self, code: str, name: str = "mine:train") -> TrainingResult:
        Path("mine.py").write_text(code)
        return self.train(Own(trainer=name, hyperparameters={}))

    def train(self, own: Own, seconds: float | None = None) -> TrainingResult:
        return OwnTrainer(own, "mse", self.pace)(self.job(seconds))

    def job(self, seconds: float | None = None) -> Job:
        self.folder.mkdir(exist_ok=True)
        return job_of(
            hyperparameters=self.hyperparameters,
            data=self.data,
            deadline=time.monotonic() + seconds if seconds else None,
            folder=self.folder,
            say=self.said.append,
            note=self.note,
            goes_on=lambda epoch: len(self.epochs) < self.stop_after,
        )

    def note(self, epoch: int, metrics: Any) -> None:
        self.epochs.append((epoch, dict(metrics)))

    @property
    def log(self) -> str:
        return "\n".join(self.said)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Bench(tmp_path / "files")


# -- what a program is told


def test_a_program_is_told_everything_by_its_environment(bench):
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


def test_placeholders_become_arguments_and_no_shell_sees_them(bench):
    bench.hyperparameters["kind"] = "$(touch made) `touch made`; touch made"
    argv = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "--lr={lr}", "{kind}", "{wide}", "{{lr}} {start}"]
    bench.command(argv)
    assert str(["--lr=0.1", bench.hyperparameters["kind"], "true", "{lr} 2024-01-01"]) in bench.log
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("value", "arguments"),
    [(True, "--x true"), (False, ""), (None, ""), ("", ""), ("a b", "--x a b"), (0, "--x 0"), (0.0, "--x 0.0")],
)  # fmt: skip
def test_arguments_are_left_out_where_their_hyperparameter_is_off(value, arguments):
    command = ("train", ArgumentsIf.model_validate({"if": "x", "arguments": ["--x", "{x}"]}), "{lr}")
    filled = placeholders.filled(command, {}, {"x": value, "lr": 0.1})
    assert " ".join(filled) == " ".join(filter(None, ("train", arguments, "0.1")))


# -- metrics


def test_reported_epochs_and_final_metrics_become_the_measurement(bench):
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


def test_a_pattern_that_takes_for_ever_on_a_line_keeps_no_time_limit_from_being_kept(bench):
    bench.pace = Pace(line=0.2)
    began = time.monotonic()
    result = bench.shell(
        FINE + "for i in 1 2 3 4 5 6 7 8 9; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done",
        metrics_pattern="(a+)+b(?P<mse_train>x)",
    )
    assert result.status == "complete"
    assert time.monotonic() - began < 10
    assert sum("is not used any more" in line for line in bench.said) == 1


def test_a_pipe_in_place_of_the_metrics_file_holds_nobody_up(bench):
    result = bench.shell('rm "$HPT_METRICS"; mkfifo "$HPT_METRICS"; sleep 1; exit 4')
    assert result.error == "ended with exit status 4"


def test_garbage_among_metrics_is_noted_and_harms_nothing(bench):
    result = bench.shell(
        """printf 'garbage\\n\\377\\376\\n[1, 2]\\n{"epoch": "x", "a": 1}\\n{"mse_va' >> "$HPT_METRICS"
        printf 'lid": 1e999, "": 1}\\n{"mse_valid": 1, "note": "fine", "flag": true, "none": null}\\n' >> "$HPT_METRICS"
        printf '{"mse_test": "2.5"}' >> "$HPT_METRICS" """
    )
    assert result.status == "complete"
    assert result.metrics == {"mse_valid": 1, "mse_test": 2.5}
    assert "3 × what was reported is no JSON object; the first: garbage" in bench.log
    assert 'is no number; the first: note: "fine"' in bench.log
    assert 'has an epoch that is no number from 0; the first: "x"' in bench.log.replace("'", '"')


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
def test_where_a_pattern_should_find_the_objective_the_error_tells_of_the_pattern(bench, text, advice):
    own = Own(command=("echo", "valid 1\ntest 2"), hyperparameters={}, metrics_pattern=text)
    error = str(bench.train(own).error)
    assert error.startswith("it reported no mse_test, by which settings are compared: ")
    assert advice in error
    assert "HPT_METRICS" not in error


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"nan"', "-1e999"])
def test_an_objective_that_is_no_finite_number_is_a_training_that_diverged(bench, value):
    assert bench.shell(f"""echo '{{"mse_valid": {value}}}' >> "$HPT_METRICS" """).status == "diverged"


# -- how it ends


def test_an_exit_status_is_a_failure_with_the_last_words(bench):
    result = bench.shell("echo first; echo 'no such table: rides' >&2; exit 3")
    assert (result.status, result.error) == ("failed", "ended with exit status 3: no such table: rides")
    assert "first" in bench.log


def test_a_signal_is_named(bench):
    assert bench.shell("kill -SEGV $$").error == "killed by SIGSEGV"
    for script in ("kill -KILL $$", "exit 137"):
        result = bench.shell(script)
        assert (result.status, result.error) == ("failed", "killed (SIGKILL), which is often for lack of memory")


def test_a_program_that_says_that_memory_is_short_is_believed(bench):
    result = bench.shell("echo 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB'; exit 1")
    assert result.status == "out-of-memory"


def test_a_device_that_is_gone_is_no_fault_of_the_setting(bench):
    with pytest.raises(InfrastructureError, match="NVML"):
        bench.shell("echo 'RuntimeError: Failed to initialize NVML: Unknown Error'; exit 1")


def test_a_program_that_cannot_be_started_says_so(bench):
    result = bench.command(["no-such-program", "x"])
    assert (result.status, result.error) == (
        "failed", "could not be started: No such file or directory: no-such-program",
    )  # fmt: skip
    assert "Argument list too long" in str(bench.command(["echo", "x" * 10_000_000]).error)
    assert "null" in str(bench.command(["echo", "\0"]).error)


def test_a_hang_ends_at_its_deadline_also_where_it_ignores_being_asked(bench):
    bench.pace = Pace(end_grace=0.3)
    own = Own(command=("sh", "-c", f"trap '' TERM; sleep {nap(4711)} & wait; sleep {nap(4711)}"), hyperparameters={})
    result = bench.train(own, seconds=0.5)
    assert result.status == "timed-out"
    assert not running(nap(4711))


def test_what_is_asked_to_end_at_its_deadline_may_tidy_up(bench):
    own = Own(command=("sh", "-c", "trap 'echo saved; exit' TERM; sleep 60 & wait"), hyperparameters={})
    assert bench.train(own, seconds=0.5).status == "timed-out"
    assert "saved" in bench.log


def test_what_is_left_in_the_background_ends_with_the_training_and_is_told(bench):
    before = descendants(os.getpid())
    result = bench.shell(FINE + f"sleep {nap(4712)} & (setsid sleep {nap(4713)} > /dev/null 2>&1 &) ; echo done")
    assert result.status == "complete"
    assert not running(nap(4712))
    assert not running(nap(4713))
    assert f"left behind, and ended: sleep {nap(4712)}" in bench.said
    assert f"left behind, and ended: sleep {nap(4713)}" in bench.said
    assert descendants(os.getpid()) == before


def test_nobody_outlives_a_lane_that_was_killed(bench, tmp_path):
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
from tests.training.own.test_trainer import Bench
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
def test_output_without_lines_or_of_any_bytes_can_stand_in_a_log(bench, source):
    result = bench.shell(FINE + f"head -c 3000000 {source}; echo; echo last")
    assert result.status == "complete"
    assert bench.log.endswith("last")
    assert not any(letter in bench.log for letter in "\0\x1b\r")
    assert len(bench.log) < 4_000_000


# -- stopping


def test_a_program_that_looks_for_the_stop_file_is_stopped(bench):
    bench.stop_after = 2
    result = bench.shell(
        """epoch=0; while [ ! -e "$HPT_STOP" ]; do epoch=$((epoch + 1))
        echo "{\\"epoch\\": $epoch, \\"mse_valid\\": 1}" >> "$HPT_METRICS"; sleep 0.05; done; echo heard"""
    )
    assert (result.status, result.error) == ("stopped", None)
    assert "heard" in bench.said


def test_a_program_that_does_not_look_is_ended_after_a_while(bench):
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


# -- the model


def in_folder(script: str) -> str:
    """A script in HPT_FOLDER whose variable NAME, text or a list, is the model's name."""
    code = "import json, os; n = os.getenv('NAME'); print(json.dumps({'model': eval(n) if n and n[0] == '[' else n}))"
    return f"""cd "$HPT_FOLDER"; {script}; export NAME; cd /; {sys.executable} -c "{code}" >> "$HPT_METRICS" """


def unpacked(result: TrainingResult, to: Path) -> dict[str, str]:
    """What a packed model holds: text by path; of a link, `-> target`."""
    assert result.model is not None
    to.mkdir()
    pack = to / result.model
    shutil.copy(result.files[result.model], pack)
    assert saved.unpack(pack, to) is not None
    return {
        str(path.relative_to(to)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(to.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_the_model_that_is_named_is_kept(bench):
    result = bench.shell(FINE + """echo x > "$HPT_FOLDER/m.bin"; echo '{"model": "m.bin"}' >> "$HPT_METRICS" """)
    assert (result.model, result.files) == ("m.bin", {"m.bin": bench.folder / "m.bin"})


def test_a_model_that_is_not_there_is_said_and_fails_no_training(bench):
    result = bench.shell(FINE + """echo '{"model": "m.bin"}' >> "$HPT_METRICS" """)
    assert (result.status, result.model) == ("complete", None)
    assert "the model that it names, 'm.bin', is no file or folder that can be read" in bench.log


def test_a_model_whose_name_no_store_takes_is_packed(bench, tmp_path):
    result = bench.shell(FINE + """touch "$HPT_FOLDER/$(printf 'a\\nb')" """)
    assert (result.status, result.model) == ("complete", "model.tar")
    assert unpacked(result, tmp_path / "to") == {"a\nb": ""}


def test_a_model_called_like_a_file_of_ours_takes_nobodys_place(bench):
    result = bench.shell(FINE + """echo x > "$HPT_FOLDER/log.txt"; echo '{"model": "log.txt"}' >> "$HPT_METRICS" """)
    assert result.model == "model-log.txt"


@pytest.mark.parametrize(
    ("script", "model", "files"),
    [
        ("mkdir best; echo w > best/w.bin; echo c > best/c.json; NAME=best", "best.tar", {"best/w.bin", "best/c.json"}),
        ("mkdir best; echo w > best/w.bin; echo x > other; NAME=best", "best.tar", {"best/w.bin"}),
        ("mkdir -p best/deep; echo w > best/deep/w; NAME=$PWD/best", "best.tar", {"best/deep/w"}),
        ("mkdir best; echo w > best/w; NAME=best/", "best.tar", {"best/w"}),
        ("mkdir ckpt-3; echo w > ckpt-3/w; ln -s ckpt-3 latest; NAME=latest", "latest.tar", {"latest/w"}),
        ("mkdir best; echo w > best/w; ln -s w best/v; NAME=best", "best.tar", {"best/w", "best/v -> w"}),
        ("mkdir best; echo w > out; ln -s ../out best/w; ln -s $PWD best/up; ln -s no best/gone; NAME=best",
         "best.tar", {"best/w", "best/up/out"}),
        ("mkdir best; echo w > best/w; mkfifo best/pipe; NAME=best", "best.tar", {"best/w"}),
        ("echo w > w; echo c > c", "model.tar", {"w", "c"}),
        ("mkdir x; echo w > w; echo c > x/c; NAME=.", "model.tar", {"w", "x/c"}),
        ("mkdir x; echo w > w; echo c > x/c; NAME=no.bin", "model.tar", {"w", "x/c"}),
        ("echo w > model.tar; echo c > c", "model.tar", {"model.tar", "c"}),
        ("echo w > w; ln -s w latest", "model.tar", {"w", "latest -> w"}),
        ("echo w > w; echo c > c; echo d > d; NAME='[\"w\", \"c\"]'", "model.tar", {"w", "c"}),
    ],
)  # fmt: skip
def test_a_model_of_several_files_is_packed_as_it_lies_there(bench, tmp_path, script, model, files):
    result = bench.shell(FINE + in_folder(script))
    assert (result.status, result.model) == ("complete", model), bench.log
    found = unpacked(result, tmp_path / "to")
    assert {f"{name} {text}" if text.startswith("->") else name for name, text in found.items()} == files


@pytest.mark.parametrize(
    "script",
    [
        *("true", "mkdir x", "mkfifo pipe", "ln -s nowhere x", "NAME=/", "NAME=..", "NAME=$PWD/..", 'rmdir "$PWD"'),
        "mkdir x; NAME=x",
    ],
)
def test_files_that_cannot_be_kept_fail_no_training(bench, script):
    result = bench.shell(FINE + in_folder(script))
    assert (result.status, result.model, result.files) == ("complete", None, {})


@pytest.mark.parametrize("name", ["a.bin", "x/y/m.bin", "my model é.bin", "$PWD/a.bin", "./a.bin"])
def test_a_model_of_one_file_is_kept_as_that_file(bench, name):
    result = bench.shell(FINE + in_folder(f'NAME="{name}"; mkdir -p x/y; echo w > "$NAME"; echo other > z'))
    assert (result.status, result.model) == ("complete", name.rpartition("/")[2])
    assert result.files[result.model].read_text() == "w\n"


# -- Python functions


def test_a_function_gets_its_hyperparameters_and_all_that_belongs_to_a_run(bench):
    bench.data = FilesSource(path="x.csv", date="day", numeric=("n",), target=("t",))
    result = bench.function("""
import numpy
def train(hyperparameters, run):
    print(hyperparameters, run.train.start, run.test.end, run.seed, run.max_epochs, run.data["path"], run.trial)
    for epoch in range(1, run.max_epochs + 1):
        if not run.report(epoch, mse_valid=numpy.float32(0.5), kind="x"):
            break
    run.model = run.folder / "m.txt"
    run.model.write_text("hello")
    return {"mse_test": numpy.array(0.25)}
""")
    assert (result.status, result.epochs, result.model) == ("complete", 5, "m.txt")
    assert result.metrics == {"mse_valid": 0.5, "mse_test": 0.25}
    assert "{'lr': 0.1, 'kind': 'a b', 'wide': True} 2024-01-01 2024-04-01 7 5 x.csv screen-e003-d0-s0" in bench.said


def test_a_function_may_take_a_pydantic_model(bench):
    result = bench.function("""
from __future__ import annotations
from pydantic import BaseModel
class Settings(BaseModel):
    lr: float = 1
    kind: str = ""
    wide: bool = False
def train(settings: Settings, run):
    return {"mse_valid": settings.lr, "mse_test": len(settings.kind)}
""")
    assert result.metrics == {"mse_valid": 0.1, "mse_test": 3}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("def train(h, run): raise ValueError('no rows')", "ended with exit status 1: ValueError: no rows"),
        ("import nowhere", "ended with exit status 1: ModuleNotFoundError: No module named 'nowhere'"),
        ("def other(): pass", "AttributeError: module 'mine' has no attribute 'train'"),
        ("train = 3", "TypeError: mine:train is no function"),
        ("def train(h, run): return 3", "TypeError: mine:train should return its metrics as a dict, or None, not int"),
        ("import os\ndef train(h, run): os._exit(5)", "ended with exit status 5"),
        ("import os\ndef train(h, run): os.abort()", "killed by SIGABRT"),
        (
            "def train(h, run): pass",
            'it reported no mse_valid, by which settings are compared: return {"mse_valid": …}',
        ),
    ],
)
def test_what_goes_wrong_in_a_function_is_told_in_its_words(bench, code, error):
    result = bench.function(code)
    assert result.status == "failed"
    assert error in str(result.error)


def test_memory_that_is_short_in_a_function_is_told_as_that(bench):
    assert bench.function("def train(h, run): raise MemoryError").status == "out-of-memory"


def test_a_function_hears_that_it_should_stop(bench):
    bench.stop_after = 2
    result = bench.function("""
import time
def train(h, run):
    epoch = 1
    while run.report(epoch, mse_valid=1 / epoch) and not run.should_stop:
        epoch += 1
        time.sleep(0.05)
    return {"mse_test": 1}
""")
    assert result.status == "stopped"
    assert result.metrics["mse_test"] == 1


def test_a_folder_called_pipeline_may_hold_the_function(bench):
    Path("pipeline").mkdir()
    Path("pipeline/__init__.py").write_text("")
    Path("pipeline/mine.py").write_text("def train(h, run): return {'mse_valid': 1, 'mse_test': 1}")
    assert bench.train(Own(trainer="pipeline.mine:train", hyperparameters={})).status == "complete"


def test_an_entry_point_is_found_by_its_name(bench):
    bench.function("class T:\n    def train(h, run): return {'mse_valid': 1, 'mse_test': 1}")
    Path("mine-1.0.dist-info").mkdir()
    Path("mine-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    Path("mine-1.0.dist-info/entry_points.txt").write_text("[hpt.trainers]\nours = mine:T.train\n")
    assert bench.train(Own(trainer="ours", hyperparameters={})).status == "complete"
    assert 'no package here has an entry point "theirs"' in str(
        bench.train(Own(trainer="theirs", hyperparameters={})).error
    )


def test_all_hyperparameters_are_in_one_file_of_json(bench):
    bench.command([sys.executable, "-c", "import json, sys; print(json.load(open(sys.argv[1])))", "{parameters}"])
    assert str(bench.hyperparameters) in bench.said


def test_a_lane_that_ignores_ctrl_c_does_not_make_its_programs_ignore_it(bench):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert bench.shell("kill -INT $$; echo still here").error == "killed by SIGINT"
    finally:
        signal.signal(signal.SIGINT, before)
