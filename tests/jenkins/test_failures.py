"""What becomes of packs that could not run, decided from what the build wrote down."""

import pytest

from pipeline.errors import InfrastructureError
from pipeline.jenkins.failures import Failure, label_without, machines_to_leave, sequel
from pipeline.jenkins.rounds import Line

PACK = Line("r0-p000", "Jan: 3 settings", "-", 90, ("a", "b", "c"), "s")
ONE = Line("r0-p001", "Feb: 1 setting", "-", 30, ("d",), "s")


def failed(
    machine: str, status: str = "3", line: Line | None = ONE, lane: str = "lane 1", ended: int = 0, there: int = 1
) -> Failure:
    return Failure.parse(f"{lane}\t{ended}\t{machine}\t{there}\t{status}\t{line or ''}")


def test_a_pack_runs_again_as_it_was_without_what_has_a_row() -> None:
    (again,) = sequel([failed("m", line=PACK)], ["b", "c"]).again
    assert (again.id, again.trials, again.minutes) == ("r0-p000", ("b", "c"), 60)
    assert sequel([failed("m", line=PACK)], []).again == ()


def test_a_pack_whose_process_died_comes_back_trial_by_trial_each_under_a_name_of_its_own() -> None:
    again = sequel([failed("m", "137", PACK)], ["b", "c"]).again
    assert [(line.id, line.label, line.trials, line.minutes) for line in again] == [
        ("r0-p000-1", "b", ("b",), 30),
        ("r0-p000-2", "c", ("c",), 30),
    ]


def test_so_does_one_that_two_machines_failed_under_and_its_trials_begin_anew() -> None:
    told = [failed("m", line=PACK), failed("n", line=PACK)]
    again = sequel(told, ["a", "b", "c"]).again
    assert [line.trials for line in again] == [("a",), ("b",), ("c",)]
    told += [failed("o", line=again[0]), failed("p", line=again[0])]
    assert sequel(told, ["a"]).again == (again[0],)


def test_the_third_time_a_trial_is_given_up_and_a_death_in_company_counts() -> None:
    (part, *_) = sequel([failed("m", "137", PACK)], ["a", "b", "c"]).again
    told = [failed("m", "137", PACK), failed("n", "125", part), failed("o", "lost", part)]
    end = sequel(told, ["a"])
    assert (end.again, end.given_up) == ((), part)
    assert end.why == "given up after status 137 on m, status 125 on n, o was lost"


def test_two_packs_make_a_machine_to_be_left_and_one_pack_that_fails_twice_does_not() -> None:
    assert machines_to_leave([failed("m"), failed("m", line=PACK), failed("n")]) == ["m"]
    assert machines_to_leave([failed("m"), failed("m"), failed("m")]) == []


def test_a_machine_where_nothing_has_ended_yet_is_left_before_it_costs_a_pack_its_rows() -> None:
    assert machines_to_leave([failed("m", there=0), failed("m", there=0)]) == ["m"]


def test_a_machine_that_is_not_fit_is_left_the_second_time_and_one_that_is_not_ready_much_later() -> None:
    assert machines_to_leave([failed("m", "3", None)] * 2) == ["m"]
    assert machines_to_leave([failed("m", "1", None)] * 5) == []
    assert machines_to_leave([failed("m", "1", None)] * 6) == ["m"]
    assert sequel([failed("m", "1", None)], []).pause
    assert not sequel([failed("m", "3", None)], []).pause


def test_of_two_sweeps_with_trials_of_the_same_name_each_has_its_own_failures() -> None:
    other = Line("t-r0-p001", "Feb", "-", 30, ("d",), "t")
    told = [failed("m", line=other), failed("n", line=other), failed("o")]
    assert sequel(told, ["d"]).again == (ONE,)


def test_three_machines_that_a_lane_loses_in_a_row_end_the_build_and_not_those_of_other_lanes() -> None:
    lost = [failed(machine, "lost", Line(machine, "", "-", 1, (machine,), "s")) for machine in "mno"]
    with pytest.raises(InfrastructureError, match="three machines in a row were lost"):
        sequel(lost, ["o"])
    assert sequel([failed("q", "lost", lane="lane 2"), *lost[1:]], ["o"]).again


def test_they_do_not_where_a_trial_ended_in_between() -> None:
    lost = [failed(machine, "lost", PACK, ended=at // 2) for at, machine in enumerate("mno")]
    assert sequel(lost, ["a", "b", "c"]).again
    in_a_row = [failed(machine, "lost", PACK) for machine in "mno"]
    assert sequel(in_a_row, ["c"]).again


def test_six_machines_that_are_not_fit_in_a_row_end_the_build_where_each_has_a_new_name() -> None:
    told = [failed(f"pod-{number}", line=None, there=0) for number in range(6)]
    sequel(told[:5], [])
    with pytest.raises(InfrastructureError, match="6 machines in a row were not fit"):
        sequel(told, [])
    sequel([*told[:5], failed("pod-5", line=None, there=0, ended=1)], [])


def test_a_machine_that_drops_now_and_then_between_packs_is_kept() -> None:
    assert machines_to_leave([failed("m", "lost", None, ended=n, there=n) for n in (100, 200, 300)]) == []


def test_a_label_without_machines_is_an_expression_that_jenkins_reads() -> None:
    assert label_without("gpu", ["a", "b c"]) == '((gpu) && !"a") && !"b c"'
