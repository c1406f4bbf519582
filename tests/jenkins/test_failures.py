"""The consequences of failed packs, decided from the failures that the build wrote down."""

import pytest

from pipeline.errors import InfrastructureError
from pipeline.jenkins.failures import Failure, label_without, machines_to_leave, sequel
from pipeline.jenkins.rounds import Line

PACK = Line("r0-p000", "Jan: 3 settings", "-", 90, ("a", "b", "c"), "s")
ONE = Line("r0-p001", "Feb: 1 setting", "-", 30, ("d",), "s")


def failure(
    machine: str, status: str = "3", line: Line | None = ONE, lane: str = "lane 1", ended: int = 0, ended_there: int = 1
) -> Failure:
    return Failure.parse(f"{lane}\t{ended}\t{machine}\t{ended_there}\t{status}\t{line or ''}")


def test_a_failed_pack_runs_again_without_trials_that_have_rows() -> None:
    (repeated,) = sequel([failure("m", line=PACK)], ["b", "c"]).again
    assert (repeated.id, repeated.trials, repeated.minutes) == ("r0-p000", ("b", "c"), 60)
    assert sequel([failure("m", line=PACK)], []).again == ()


def test_a_pack_whose_process_died_runs_again_trial_by_trial() -> None:
    repeated = sequel([failure("m", "137", PACK)], ["b", "c"]).again
    assert [(line.id, line.label, line.trials, line.minutes) for line in repeated] == [
        ("r0-p000-1", "b", ("b",), 30),
        ("r0-p000-2", "c", ("c",), 30),
    ]


def test_a_pack_that_failed_on_two_machines_runs_again_trial_by_trial() -> None:
    failures = [failure("m", line=PACK), failure("n", line=PACK)]
    repeated = sequel(failures, ["a", "b", "c"]).again
    assert [line.trials for line in repeated] == [("a",), ("b",), ("c",)]
    failures += [failure("o", line=repeated[0]), failure("p", line=repeated[0])]
    assert sequel(failures, ["a"]).again == (repeated[0],)


def test_a_trial_is_given_up_after_three_failures_one_of_them_in_a_pack_that_died() -> None:
    (part, *_) = sequel([failure("m", "137", PACK)], ["a", "b", "c"]).again
    failures = [failure("m", "137", PACK), failure("n", "125", part), failure("o", "lost", part)]
    end = sequel(failures, ["a"])
    assert (end.again, end.given_up) == ((), part)
    assert end.reason == "given up after status 137 on m, status 125 on n, o was lost"


def test_a_machine_is_left_after_two_packs_failed_but_not_after_one_failed_twice() -> None:
    assert machines_to_leave([failure("m"), failure("m", line=PACK), failure("n")]) == ["m"]
    assert machines_to_leave([failure("m"), failure("m"), failure("m")]) == []


def test_a_machine_where_nothing_has_ended_is_left_after_two_failures_of_one_pack() -> None:
    assert machines_to_leave([failure("m", ended_there=0), failure("m", ended_there=0)]) == ["m"]


def test_an_unfit_machine_is_left_the_second_time_and_one_that_is_not_ready_the_sixth() -> None:
    assert machines_to_leave([failure("m", "3", None)] * 2) == ["m"]
    assert machines_to_leave([failure("m", "1", None)] * 5) == []
    assert machines_to_leave([failure("m", "1", None)] * 6) == ["m"]
    assert sequel([failure("m", "1", None)], []).pause
    assert not sequel([failure("m", "3", None)], []).pause


def test_failures_count_only_for_trials_of_the_same_sweep() -> None:
    other = Line("t-r0-p001", "Feb", "-", 30, ("d",), "t")
    failures = [failure("m", line=other), failure("n", line=other), failure("o")]
    assert sequel(failures, ["d"]).again == (ONE,)


def test_a_lane_that_loses_three_machines_in_a_row_ends_the_build() -> None:
    lost = [failure(machine, "lost", Line(machine, "", "-", 1, (machine,), "s")) for machine in "mno"]
    with pytest.raises(InfrastructureError, match="three machines in a row were lost"):
        sequel(lost, ["o"])
    assert sequel([failure("q", "lost", lane="lane 2"), *lost[1:]], ["o"]).again


def test_lost_machines_with_finished_trials_in_between_do_not_end_the_build() -> None:
    lost = [failure(machine, "lost", PACK, ended=at // 2) for at, machine in enumerate("mno")]
    assert sequel(lost, ["a", "b", "c"]).again
    in_a_row = [failure(machine, "lost", PACK) for machine in "mno"]
    assert sequel(in_a_row, ["c"]).again


def test_six_different_unfit_machines_in_a_row_end_the_build() -> None:
    failures = [failure(f"pod-{number}", line=None, ended_there=0) for number in range(6)]
    sequel(failures[:5], [])
    with pytest.raises(InfrastructureError, match="6 machines in a row were not fit"):
        sequel(failures, [])
    sequel([*failures[:5], failure("pod-5", line=None, ended_there=0, ended=1)], [])


def test_a_machine_that_is_lost_now_and_then_between_packs_is_kept() -> None:
    assert machines_to_leave([failure("m", "lost", None, ended=n, ended_there=n) for n in (100, 200, 300)]) == []


def test_a_label_without_machines_is_an_expression_that_jenkins_reads() -> None:
    assert label_without("gpu", ["a", "b c"]) == '((gpu) && !"a") && !"b c"'
