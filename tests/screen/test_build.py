"""A build that is followed: its progress and its log, on which stream."""

import pytest

from pipeline.screen.build import BuildView, trials_done


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
    assert trials_done(line) == done


def test_the_log_goes_to_stdout_only_if_asked_for_and_free(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for log_wanted, taken in ((True, False), (True, True), (False, False)):
        with BuildView(follow=log_wanted, stdout_is_taken=taken) as view:
            view.log(["a line", "trials: 1 of 2"])
            view.log(["trials: 1 of 2"])
        shown[log_wanted, taken] = capsys.readouterr()
    log = "a line\ntrials: 1 of 2\ntrials: 1 of 2\n"
    assert shown[True, False] == (log, "")
    assert shown[True, True] == ("", log)
    assert shown[False, False] == ("", "trials: 1 of 2\n")
