"""What becomes of a pack that could not run, and of machines where packs could not: decided from all that failed so far
in the build, as its Jenkinsfile wrote it down, so that a controller that was killed goes on with the same answers.

Where a pack failed says more about the machine than about its trials, so these are given up late, and machines early.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pipeline.errors import InfrastructureError
from pipeline.jenkins.rounds import Line

TRIES = 3
"""So often may a trial fail for reasons that are not its own."""
_STRIKES = {"1": 1 / 3}
"""What a machine that is not ready, for reasons that may be another's, has on its account."""
_STRIKES_OUT = 2.0
_LOST_IN_A_ROW = 3
_UNFIT_IN_A_ROW = 6
"""So many different machines: where each has a new name, as pods do, none is met twice."""


@dataclass(frozen=True)
class Failure:
    """Something that a lane could not run on a machine."""

    lane: str
    ended: int
    """How many packs of the build had ended by then."""
    machine: str
    ended_there: int
    status: str
    """The exit status; `lost` if the machine was."""
    line: Line | None
    """The pack; None: the machine itself was not ready for any, or was lost before."""

    @classmethod
    def parse(cls, text: str) -> Self:
        lane, ended, machine, ended_there, status, line = text.split("\t", 5)
        return cls(lane, int(ended), machine, int(ended_there), status, Line.parse(line) if line else None)

    @property
    def died(self) -> bool:
        """Whether the process did, under one of its trials."""
        return self.status.isdecimal() and (int(self.status) == 124 or int(self.status) > 127)

    def __str__(self) -> str:
        return f"{self.machine} was lost" if self.status == "lost" else f"status {self.status} on {self.machine}"


@dataclass(frozen=True)
class Sequel:
    """What follows from a failure."""

    again: tuple[Line, ...] = ()
    """What runs again."""
    given_up: Line | None = None
    """What does not, having failed so often."""
    why: str = ""
    pause: bool = False
    """Whether the lane that failed should wait a little, since the reason may pass."""


def sequel(failures: Sequence[Failure], unfinished: Sequence[str]) -> Sequel:
    """What becomes of the last failure, of whose pack these trials have no row yet.

    A pack of several whose process died, or that two machines failed under, comes back trial by trial, so that
    whichever it was takes none along the next time. Raises InfrastructureError if a lane lost machine after machine,
    or met one after another that is not fit.
    """
    *before, last = failures
    _raise_if_machines_are_lost_in_a_row(failures, unfinished)
    _raise_if_no_machine_is_fit(failures)
    if last.line is None:
        return Sequel(pause=last.status == "1")
    line = last.line
    at = [place for place, trial in enumerate(line.trials) if trial in unfinished]
    if not at:
        return Sequel()
    counted = [*_counted(before, line), last]
    if len(line.trials) > 1 and (last.died or len(counted) > 1):
        parts = [(place, line.part([place], line.trials[place])) for place in at]
        return Sequel(again=tuple(_renamed(part, place) for place, part in parts))
    left = line if len(at) == len(line.trials) else line.part(at, line.label)
    if len(counted) < TRIES:
        return Sequel(again=(left,))
    return Sequel(given_up=left, why=f"given up after {', '.join(map(str, counted))}")


def _renamed(line: Line, place: int) -> Line:
    return Line(f"{line.id}-{place}", line.label, line.image, line.minutes, line.trials, line.sweep)


def _counted(failures: Sequence[Failure], line: Line) -> list[Failure]:
    """The failures that count against a pack: its own; of those from before it was taken apart, those under which the
    process died."""
    return [
        failure
        for failure in failures
        if failure.line is not None
        and failure.line.sweep == line.sweep
        and set(failure.line.trials) & set(line.trials)
        and (failure.died or (len(failure.line.trials) > 1) == (len(line.trials) > 1))
    ]


def machines_to_leave(failures: Sequence[Failure]) -> list[str]:
    """The machines that get no more packs: a bad GPU would otherwise eat the whole list."""
    strikes: dict[str, float] = {}
    for at, failure in enumerate(failures):
        if failure.status == "lost" and failure.line is None:
            continue  # with no pack on it: in a sweep of days that may happen to any
        before = _counted(failures[:at], failure.line) if failure.line else []
        # A pack that fails again where it failed says more about the pack, if others ended there.
        is_another = failure.machine not in (each.machine for each in before)
        if failure.machine and (is_another or not failure.ended_there):
            of_it = _STRIKES.get(failure.status, 1.0) if failure.line is None else 1.0
            strikes[failure.machine] = strikes.get(failure.machine, 0.0) + of_it
    return [machine for machine, count in strikes.items() if count > _STRIKES_OUT - 0.01]


def label_without(label: str, machines: Sequence[str]) -> str:
    """Jenkins' expression for the machines with a label, without some of them."""
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
    has_come_on = last is not None and not set(last.trials) <= set(unfinished)
    if of_lane[0].ended == of_lane[-1].ended and not has_come_on:
        names = ", ".join(failure.machine or "one before it began" for failure in of_lane)
        raise InfrastructureError(f"three machines in a row were lost, and no trial ended in between: {names}")
