"""`benchmarks.jenkins`: its measurements of a controller's build, and the bounds on these."""

import pytest

from benchmarks import jenkins
from benchmarks.jenkins import Measured
from pipeline.jenkins.follow import Patience
from tests.support import jenkins as fakes

# The log of a controller with `timestamps()`. It has no names of branches, which only the build's page shows.
LOG = """Started by user ada
[2026-11-28T06:00:00.000Z] [Pipeline] stage
[2026-11-28T06:00:00.001Z] [Pipeline] { (Trials)
[2026-11-28T06:00:00.002Z] [Pipeline] parallel
[2026-11-28T06:00:01.000Z] [Pipeline] sh
[2026-11-28T06:00:01.500Z] + exec bin/trial
[2026-11-28T06:00:09.000Z] trials: 8 of 12
[2026-11-28T06:00:09.100Z] [Pipeline] sh
[2026-11-28T06:00:09.500Z] + exec ./bin/pack
[2026-11-28T06:00:12.000Z] trials: 12 of 12
[2026-11-28T06:00:12.100Z] [Pipeline] }
[2026-11-28T06:00:12.200Z] [Pipeline] { (Summary)
[2026-11-28T06:00:12.300Z] [Pipeline] sh
Finished: SUCCESS
"""


def test_a_controllers_build_is_measured_by_its_duration_and_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    with fakes.controller() as fake:
        fake.script = fakes.Script(log=(LOG.encode(),))
        for name, value in (("URL", fake.url), ("USER", fakes.USER), ("TOKEN", fakes.TOKEN)):
            monkeypatch.setenv(f"JENKINS_{name}", value)
        ran = jenkins.on_controller("specs/quickstart.json", 2, ["CONTAINER=docker"], Patience(poll=0.01))
    (parameters,) = fake.accepted
    assert {name: parameters[name] for name in ("SPEC", "LANES", "CONTAINER")} == {
        "SPEC": "specs/quickstart.json",
        "LANES": "2",
        "CONTAINER": "docker",
    }
    assert (ran.seconds, ran.trials, ran.processes, ran.shells, ran.lines) == (61.5, 12, 2, 3, 5)


def test_a_log_without_steps_has_no_count_of_step_lines() -> None:
    assert jenkins.step_lines("+ exec bin/trial\ntrials: 1 of 1\n") is None


@pytest.mark.parametrize(("seconds", "is_held"), [(116.0, True), (117.0, False)])
def test_the_quickstart_may_take_1_6_times_as_long_and_20_seconds(seconds: float, is_held: bool) -> None:
    base, ran = Measured("hpt run", 60.0, 73), Measured("Jenkins", seconds, 73)
    (line,) = jenkins.verdict("quickstart", ran, base, 2, "none")
    assert line.endswith("held") == is_held
    assert "116 s" in line


def test_the_round_is_judged_by_trial_and_lane_and_its_lines_by_pack() -> None:
    ran = Measured("Jenkins", 145.0, 200, processes=20, lines=260)
    each, lines = jenkins.verdict("round", ran, ran, 2, "none")
    assert each == "1.45 s a trial and lane; at most 1.5 s: held"
    assert lines == "13.0 lines of Jenkins' own steps a pack; at most 12: MISSED"
