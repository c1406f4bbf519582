"""The packs that a build should run now, from all its sweeps, as lines for the Jenkinsfile."""

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
    """A pack of one of the build's sweeps, in the form that the Jenkinsfile passes to a machine."""

    id: str
    """The name of its container, unique in a build."""
    label: str
    image: str
    """`-` for the image of the build."""
    minutes: int
    """The time after which the pack counts as hung: well above the limits of its trials."""
    trials: tuple[str, ...]
    sweep: str

    def __str__(self) -> str:
        return "\t".join((self.id, self.label, self.image, str(self.minutes), ",".join(self.trials), self.sweep))

    @classmethod
    def parse(cls, text: str) -> Self:
        id, label, image, minutes, trials, sweep = text.split("\t")
        return cls(id, label, image, int(minutes), tuple(trials.split(",")), sweep)

    def part(self, at: Sequence[int], label: str) -> "Line":
        """A line for some of its trials, by position, with their share of the minutes."""
        trials = tuple(self.trials[place] for place in at)
        return replace(self, label=label, minutes=math.ceil(self.minutes * len(at) / len(self.trials)), trials=trials)


@dataclass(frozen=True)
class Plan:
    """The packs that a build should run now."""

    lines: list[Line]
    done: int
    """Finished trials of its sweeps."""
    waits_for: str = ""
    """The runners to wait for, in words, if they train all unfinished trials; else empty."""

    @property
    def trials(self) -> int:
        """Trials of its sweeps that are finished or planned."""
        return self.done + sum(len(line.trials) for line in self.lines)


def plan(sweeps: Sequence[Sweep], environment: Mapping[str, str], *, retry: bool, lanes: int | None = None) -> Plan:
    """The packs that should run now and that no other runner trains; none if all sweeps are done.

    A new round is cut into packs for `lanes` lanes. The packs of several sweeps take turns, because their budgets of
    hours run in parallel.
    Raises UserError if a sweep would run code or an image that the build's parameters were not checked with.
    """
    work = others.remaining(sweeps, owner_in(environment), retry=retry, lanes=lanes)
    for sweep, packs in zip(sweeps, work.packs, strict=True):
        check_code(sweep.definition, [pack.image for pack in packs], environment)
    by_sweep = [
        [_line(sweep, pack, len(sweeps) > 1) for pack in packs] for sweep, packs in zip(sweeps, work.packs, strict=True)
    ]
    lines = [line for line in chain.from_iterable(zip_longest(*by_sweep)) if line is not None]
    done = sum(_done(sweep, packs) for sweep, packs in zip(sweeps, work.packs, strict=True))
    return Plan(lines, done, work.waits_for)


def _done(sweep: Sweep, packs: Sequence[Pack]) -> int:
    """The number of trials with a row that are not in these packs."""
    return len(sweep.result_files().keys() - set(map(str, trials_of(packs))))


def _line(sweep: Sweep, pack: Pack, shared: bool) -> Line:
    definition = sweep.definition
    # The id names the container, and a container ends an older one of its name: sweeps must not share names.
    id, label = pack.id, pack.label
    if shared:
        id, label = f"{sweep.id}-{pack.id}", f"{definition.architecture} {pack.label}"
    minutes = packing.minutes(definition, len(pack.trials))
    return Line(id, label, pack.image or "-", minutes, tuple(map(str, pack.trials)), sweep.id)
