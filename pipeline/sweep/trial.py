"""Trials, the experiments that they train, and the packs in which they run."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

from pipeline.errors import UserError
from pipeline.results import REFERENCE
from pipeline.space import Assignment
from pipeline.sweep.definition import Definition
from pipeline.training import references

_TRIAL = re.compile(
    rf"(?P<phase>[a-z][a-z-]*)-(?P<experiment>e\d{{3,}}|{'|'.join(references.NAMES)})-d(?P<range>\d+)-s(?P<seed>\d+)"
)


@dataclass(frozen=True)
class Trial:
    """One experiment on one date range with one seed in one phase: `screen-e012-d2-s0`.

    A reference takes the place of an experiment: `reference-trees-d2-s0`.
    """

    phase: str
    experiment: str
    range: int
    seed: int

    def __str__(self) -> str:
        return f"{self.phase}-{self.experiment}-d{self.range}-s{self.seed}"

    @property
    def is_reference(self) -> bool:
        """True if it measures a reference."""
        return self.phase == REFERENCE

    @classmethod
    def parse(cls, text: str) -> Self:
        """The trial of an id. Raises UserError if the text is no trial's id."""
        match = _TRIAL.fullmatch(text)
        if not match:
            raise UserError(f'"{text}" is no trial: they look like screen-e012-d2-s0')
        return cls(match["phase"], match["experiment"], int(match["range"]), int(match["seed"]))


@dataclass(frozen=True)
class Experiment:
    """One assignment of hyperparameters, as a round planned it."""

    id: str
    phase: str
    """The phase that planned it first."""
    assignment: Assignment
    """Every hyperparameter of the architecture, not only those that the phase searches; empty for a reference."""

    @classmethod
    def of_reference(cls, name: str) -> Self:
        """The experiment in whose place a reference is measured. No round plans it."""
        return cls(name, REFERENCE, {})


@dataclass(frozen=True)
class Pack:
    """Trials that one process trains: one line of a round."""

    id: str
    label: str
    """Short text for people: on a stage in Jenkins, on a bar of a terminal."""
    image: str | None
    trials: tuple[Trial, ...]

    def apart(self) -> "list[Pack]":
        """The same trials, each in a pack of its own."""
        if len(self.trials) == 1:
            return [self]
        return [replace(self, label=str(trial), trials=(trial,)) for trial in self.trials]

    def with_only(self, trials: "tuple[Trial, ...]") -> "Pack":
        """A pack with only these of its trials. If a single trial is left, the label is its id."""
        return replace(self, label=str(trials[0]) if len(trials) == 1 else self.label, trials=trials)

    def reduced_to(self, trials: "tuple[Trial, ...]") -> "Pack":
        """The pack itself if these are all of its trials, else as `with_only`."""
        return self if trials == self.trials else self.with_only(trials)

    def as_line(self) -> str:
        """A line of `plan/<n>.tsv`, without its end; the inverse of `parse`."""
        return "\t".join((self.id, self.label, self.image or "-", ",".join(map(str, self.trials))))

    @classmethod
    def parse(cls, line: str) -> Self:
        pack, label, image, trials = line.split("\t")
        return cls(pack, label, None if image == "-" else image, tuple(map(Trial.parse, trials.split(","))))


def trials_of(packs: Iterable[Pack]) -> Iterator[Trial]:
    """The trials of packs, in their order."""
    return (trial for pack in packs for trial in pack.trials)


def seed_of(*parts: object) -> int:
    """A seed in [0, 2³¹): a hash of the parts, the same on every machine and in every version of Python."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def training_seed(definition: Definition, trial: Trial) -> int:
    """The seed of a training, from (sweep seed, date range, seed index): the same for all experiments.

    So experiments are compared in pairs: same range, same random numbers for the weights and the order of rows.
    """
    date_range = definition.phase(trial.phase).ranges[trial.range]
    return seed_of(definition.seed, date_range, trial.seed)
