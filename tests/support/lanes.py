"""Runs sweeps on lanes that a test can watch and kill, and forks programs that have everything imported."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.local import runner
from pipeline.local.process import PROGRAM
from pipeline.results import Row
from pipeline.sweep import Pack, Sweep
from pipeline.sweep.merge import Merged
from tests.support import ROOT, processes

NURSERY = Path(__file__).with_name("nursery.py")
TROUBLED_LANE = Path(__file__).with_name("troubled_lane.py")


class Recorder:
    """A view that records rows and messages, and calls a test's functions on events."""

    def __init__(
        self,
        on_row: Callable[[Row], None] = lambda row: None,
        on_start: Callable[[Pack], None] = lambda pack: None,
        on_epoch: Callable[[int, int], None] = lambda epoch, of: None,
    ) -> None:
        self.rows: list[Row] = []
        self.said: list[str] = []
        self._on_row, self._on_start, self._on_epoch = on_row, on_start, on_epoch

    def round(self, packs: Sequence[Pack], done: Sequence[Row]) -> None: ...
    def idle(self, lane: int) -> None: ...

    def epoch(self, lane: int, trial: str, epoch: int, of: int) -> None:
        self._on_epoch(epoch, of)

    def started(self, lane: int, pack: Pack) -> None:
        self._on_start(pack)

    def say(self, text: str) -> None:
        self.said.append(text)

    def row(self, lane: int, row: Row) -> None:
        self.rows.append(row)
        self._on_row(row)


@dataclass(frozen=True)
class Lanes:
    """A kind of lanes: the command that starts one, and their parent process."""

    program: Sequence[str] = PROGRAM
    parent: int = field(default_factory=os.getpid)
    mark: str = PROGRAM[-1]
    """A word in the command line of their processes."""

    def run(self, sweep: Sweep, view: runner.View | None = None, **options: Any) -> Merged:
        """Runs a sweep on these lanes."""
        return runner.run(sweep, view or Recorder(), program=self.program, **options)

    def pids(self) -> list[int]:
        """Process ids of the running lanes."""
        return processes.children(self.parent, self.mark)


@dataclass(frozen=True)
class Nursery:
    """A process that has imported everything and forks programs on request: see `nursery.py`."""

    name: str
    pid: int

    def command(self, program: str) -> tuple[str, ...]:
        """The command that starts `lane`, `hpt` or a script in the nursery. Arguments can be appended."""
        return (sys.executable, "-S", "-E", str(NURSERY), "run", self.name, program)

    @property
    def lanes(self) -> Lanes:
        """Lanes that need not import torch."""
        return Lanes(self.command("lane"), self.pid, self.name)

    @property
    def troubled_lanes(self) -> Lanes:
        """Lanes whose trainings take no time and may crash: see `troubled_lane.py`."""
        return Lanes(self.command(str(TROUBLED_LANE)), self.pid, self.name)


@contextlib.contextmanager
def nursery(source: Path = ROOT) -> Iterator[Nursery]:
    """Runs a nursery with the code of a folder."""
    name = f"hpt-nursery-{uuid.uuid4().hex}"
    # Other threads would not survive the fork. Lanes have one thread, too.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-P", str(NURSERY), "warm", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment | {"PYTHONPATH": str(source)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"warm\n"
        yield Nursery(name, process.pid)
