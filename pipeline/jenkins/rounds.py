"""The packs that a build should run now, of all its sweeps together, as the lines that the Jenkinsfile reads."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Self

from pipeline.jenkins import others
from pipeline.jenkins.trust import check_code
from pipeline.plan import packing
from pipeline.sweep import Pack, Sweep, trials_of
from pipeline.sweep.leases import owner_in


@dataclass(frozen=True)
class Line:
    """A pack of one of the build's sweeps, as the Jenkinsfile hands it to a machine."""

    id: str
    """Names its container: no other line of a build has the same."""
    label: str
    image: str
    """`-`: the build's."""
    minutes: int
    """After so long it is taken for hung. Well above its trials' own limits."""
    trials: tuple[str, ...]
    sweep: str

    def __str__(self) -> str:
        return "\t".join((self.id, self.label, self.image, str(self.minutes), ",".join(self.trials), self.sweep))

    @classmethod
    def parse(cls, text: str) -> Self:
        id, label, image, minutes, trials, sweep = text.split("\t")
        return cls(id, label, image, int(minutes), tuple(trials.split(",")), sweep)

    def part(self, at: Sequence[int], label: str) -> "Line":
        """Some of its trials, by their places, in the minutes that they have of all."""
        trials = tuple(self.trials[place] for place in at)
        return replace(self, label=label, minutes=math.ceil(self.minutes * len(at) / len(self.trials)), trials=trials)


@dataclass(frozen=True)
class Plan:
    """What a build should run now."""

    lines: list[Line]
    done: int
    """Trials of its sweeps that nothing is left to do for."""
    waits_for: str = ""
    """Whom the build has to wait for, in words, where other runners train all that is left."""

    @property
    def trials(self) -> int:
        """All trials of its sweeps so far."""
        return self.done + sum(len(line.trials) for line in self.lines)


def plan(sweeps: Sequence[Sweep], environment: Mapping[str, str], *, retry: bool, lanes: int | None = None) -> Plan:
    """The packs that should run now and that no other runner trains; none if all sweeps are done.

    A new round is cut into packs for so many lanes. Sweeps take turns, so that they come on equally: hours count for
    all of them at once. Raises UserError if one wants to run what the build's environment was not checked with.
    """
    left = others.left(sweeps, owner_in(environment), retry=retry, lanes=lanes)
    packs = left.packs
    for sweep, its in zip(sweeps, packs, strict=True):
        check_code(sweep.definition, [pack.image for pack in its], environment)
    of_sweeps = [
        [_line(sweep, pack, len(sweeps) > 1) for pack in its] for sweep, its in zip(sweeps, packs, strict=True)
    ]
    lines = [line for line in chain.from_iterable(zip_longest(*of_sweeps)) if line is not None]
    done = sum(_done(sweep, its) for sweep, its in zip(sweeps, packs, strict=True))
    return Plan(lines, done, left.waits_for)


def _done(sweep: Sweep, packs: Sequence[Pack]) -> int:
    """The trials that have a row and are not about to run again."""
    return len(sweep.result_files().keys() - set(map(str, trials_of(packs))))


def _line(sweep: Sweep, pack: Pack, shared: bool) -> Line:
    its = sweep.definition
    # The id names the container: what two sweeps have in common would end the other one's.
    id, label = (f"{sweep.id}-{pack.id}", f"{its.architecture} {pack.label}") if shared else (pack.id, pack.label)
    minutes = packing.minutes(its, len(pack.trials))
    return Line(id, label, pack.image or "-", minutes, tuple(map(str, pack.trials)), sweep.id)
