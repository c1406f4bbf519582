"""Decides after a failure whether a pack runs again, and whether its machine gets more packs.

The decision is a function of all failures of the build so far, which the Jenkinsfile wrote down. So a controller that
was killed goes on with the same answers. A failure says more about the machine than about the trials: trials are given
up late, machines early.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pipeline.errors import InfrastructureError
from pipeline.jenkins.rounds import Line

TRIES = 3
"""Failures of infrastructure after which a trial is given up."""
_STRIKES = {"1": 1 / 3}
"""Strikes against a machine by the exit status of `bin/ready`; 1 for any other. At 1 the cause may lie elsewhere."""
_STRIKES_OUT = 2.0
"""A machine with so many strikes gets no more packs."""
_LOST_IN_A_ROW = 3
"""A build ends if one of its lanes loses so many machines while no pack ends."""
_UNFIT_IN_A_ROW = 6
"""A build ends if one of its lanes meets so many different machines that are not fit, while no pack ends.

No pod has the name of an earlier one, so strikes against single machines would never end such a build."""


@dataclass(frozen=True)
class Failure:
    """A failure of a lane to run a pack on a machine."""

    lane: str
    ended: int
    """Packs of the build that had ended before."""
    machine: str
    ended_there: int
    """Packs of the build that had ended on this machine."""
    status: str
    """The exit status; `lost` if the machine was lost."""
    line: Line | None
    """The pack; None if the machine was not ready, or was lost before it got a pack."""

    @classmethod
    def parse(cls, text: str) -> Self:
        lane, ended, machine, ended_there, status, line = text.split("\t", 5)
        return cls(lane, int(ended), machine, int(ended_there), status, Line.parse(line) if line else None)

    @property
    def died(self) -> bool:
        """True if the process died while it ran the pack."""
        return self.status.isdecimal() and (int(self.status) == 124 or int(self.status) > 127)

    def __str__(self) -> str:
        return f"{self.machine} was lost" if self.status == "lost" else f"status {self.status} on {self.machine}"


@dataclass(frozen=True)
class Sequel:
    """The consequence of a failure."""

    again: tuple[Line, ...] = ()
    """The packs that run again."""
    given_up: Line | None = None
    """The pack that is given up, as it failed too often."""
    reason: str = ""
    pause: bool = False
    """True if the lane should wait a little, as the cause may pass."""


def sequel(failures: Sequence[Failure], unfinished: Sequence[str]) -> Sequel:
    """The consequence of the last failure; `unfinished` holds the trials of its pack that have no row yet.

    A pack of several trials runs again trial by trial if its process died, or if it failed on two machines: then a bad
    trial fails alone. Raises InfrastructureError if a lane lost several machines in a row, or met several that are not
    fit.
    """
    *before, last = failures
    _raise_if_machines_are_lost_in_a_row(failures, unfinished)
    _raise_if_no_machine_is_fit(failures)
    if last.line is None:
        return Sequel(pause=last.status == "1")
    line = last.line
    positions = [position for position, trial in enumerate(line.trials) if trial in unfinished]
    if not positions:
        return Sequel()
    counted = [*_counted(before, line), last]
    if len(line.trials) > 1 and (last.died or len(counted) > 1):
        parts = [(position, line.part([position], line.trials[position])) for position in positions]
        return Sequel(again=tuple(_renamed(part, position) for position, part in parts))
    remaining = line if len(positions) == len(line.trials) else line.part(positions, line.label)
    if len(counted) < TRIES:
        return Sequel(again=(remaining,))
    return Sequel(given_up=remaining, reason=f"given up after {', '.join(map(str, counted))}")


def _renamed(line: Line, position: int) -> Line:
    return Line(f"{line.id}-{position}", line.label, line.image, line.minutes, line.trials, line.sweep)


def _counted(failures: Sequence[Failure], line: Line) -> list[Failure]:
    """The failures that count against a pack: its own, and those of the larger pack that it was a part of.

    The latter count only if the process died, as this trial may have killed it.
    """
    return [
        failure
        for failure in failures
        if failure.line is not None
        and failure.line.sweep == line.sweep
        and set(failure.line.trials) & set(line.trials)
        and (failure.died or (len(failure.line.trials) > 1) == (len(line.trials) > 1))
    ]


def machines_to_leave(failures: Sequence[Failure]) -> list[str]:
    """The machines that get no more packs: one bad GPU would otherwise fail them all."""
    strikes: dict[str, float] = {}
    for at, failure in enumerate(failures):
        if failure.status == "lost" and failure.line is None:
            continue  # lost without a pack: in a sweep of days that can happen to any machine
        before = _counted(failures[:at], failure.line) if failure.line else []
        # A second failure of a pack on the same machine counts only if no other pack ended there.
        is_another = failure.machine not in (each.machine for each in before)
        if failure.machine and (is_another or not failure.ended_there):
            weight = _STRIKES.get(failure.status, 1.0) if failure.line is None else 1.0
            strikes[failure.machine] = strikes.get(failure.machine, 0.0) + weight
    # Six thirds need not add up to 2 exactly.
    return [machine for machine, count in strikes.items() if count > _STRIKES_OUT - 0.01]


def label_without(label: str, machines: Sequence[str]) -> str:
    """Jenkins' label expression that excludes some machines."""
    for machine in machines:
        label = f'({label}) && !"{machine}"'
    return label


def _raise_if_no_machine_is_fit(failures: Sequence[Failure]) -> None:
    of_lane = [failure for failure in failures if failure.lane == failures[-1].lane][-_UNFIT_IN_A_ROW:]
    if any(failure.line is not None for failure in of_lane) or of_lane[0].ended != of_lane[-1].ended:
        return
    machines = {failure.machine for failure in of_lane}
    if len(machines) == _UNFIT_IN_A_ROW:
        raise InfrastructureError(
            f"{_UNFIT_IN_A_ROW} machines in a row were not fit, and no pack ended in between: "
            f"{', '.join(sorted(machines))}"
        )


def _raise_if_machines_are_lost_in_a_row(failures: Sequence[Failure], unfinished: Sequence[str]) -> None:
    of_lane = [failure for failure in failures if failure.lane == failures[-1].lane][-_LOST_IN_A_ROW:]
    if len(of_lane) < _LOST_IN_A_ROW or any(failure.status != "lost" for failure in of_lane):
        return
    last = of_lane[-1].line
    has_progressed = last is not None and not set(last.trials) <= set(unfinished)
    if of_lane[0].ended == of_lane[-1].ended and not has_progressed:
        names = ", ".join(failure.machine or "one before it began" for failure in of_lane)
        raise InfrastructureError(f"three machines in a row were lost, and no trial ended in between: {names}")
