"""A followed build: its progress, and the stream of its log."""

import pytest

from pipeline.screen.build import BuildView, Count, total_line, trial_line


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("trials: 17 of 60", (17, 60)),
        ("[2026-06-14T02:10:00.000Z] trials: 17 of 60", (17, 60)),
        ("02:10:00  \x1b[32mtrials: 17 of 60\x1b[0m", (17, 60)),
        ("retrials: 17 of 60", None),
        ("trials: many of 60", None),
        ("trials: 17 of 60 failed", None),
    ],
)
def test_the_progress_of_a_build_is_read_from_its_log(line: str, done: tuple[int, int] | None) -> None:
    assert Count().read(line) == done


SWEEP = "20261128-0721-bag-of-words-5425"


def ended(trial: str, sweep: str = SWEEP, **more: str) -> str:
    return trial_line(sweep, {"trial": trial, "status": "complete"} | more)


def test_it_moves_on_trial_by_trial_and_each_counts_once() -> None:
    count = Count()
    lines = [
        total_line(1, 4),
        "[2026-06-14T02:10:00.000Z] " + ended("screen-e001-d0-s0"),
        ended("screen-e001-d0-s0"),
        "screen-e002-d0-s0 epoch 2 of 3",
        ended("screen-e001-d0-s0", SWEEP.replace("5425", "0a0a")),
        ended("reference-trees-d1-s0", status="failed", error="no such column: x"),
    ]
    assert [count.read(line) for line in lines] == [(1, 4), (2, 4), None, None, (3, 4), (4, 4)]


def test_every_plan_sets_it_right_and_the_last_one_to_the_end() -> None:
    count = Count()
    lines = [total_line(0, 3), ended("screen-e000-d0-s0"), total_line(3, 5), ended("a-e000-d0-s0"), total_line(5, 5)]
    assert [count.read(line) for line in lines] == [(0, 3), (1, 3), (3, 5), (4, 5), (5, 5)]


def test_it_never_passes_its_end() -> None:
    count = Count()
    assert [count.read(line) for line in (total_line(1, 1), ended("screen-e000-d0-s0"))] == [(1, 1), (1, 1)]


def test_the_log_goes_to_stdout_only_if_asked_for_and_free(capsys: pytest.CaptureFixture[str]) -> None:
    output = {}
    for follow, is_taken in ((True, False), (True, True), (False, False)):
        with BuildView(follow=follow, stdout_is_taken=is_taken) as view:
            view.log(["a line", "trials: 1 of 2"])
            view.log(["trials: 1 of 2"])
        output[follow, is_taken] = capsys.readouterr()
    log = "a line\ntrials: 1 of 2\ntrials: 1 of 2\n"
    assert output[True, False] == (log, "")
    assert output[True, True] == ("", log)
    assert output[False, False] == ("", "trials: 1 of 2\n")
