"""A lane of this machine: a slot that runs packs in a process. If the process dies, the lane starts another.

Here: starting the process, sending it packs, ending it. `drain.py` chooses the packs, and handles deaths.
"""

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# -P: a folder `pipeline` in the user's current directory must not be imported.
PROGRAM = (sys.executable, "-P", "-m", "pipeline.local.lane")
TIED = "tied"
"""Argument of a lane that the kernel kills when its parent ends."""

_POLL_S = 0.02
_READ_AT_ONCE = 64 * 1024
_CHECKS_LIFE_EVERY_S = 1.0


@dataclass
class Lane:
    """A slot that runs packs one after another in a long-lived process."""

    number: int
    device: str | None
    """CUDA_VISIBLE_DEVICES of the process; None: inherited."""
    log: Path | None
    """File of the process's standard error; None: inherited."""
    program: Sequence[str] = PROGRAM
    grace: float = 5.0
    """Seconds from SIGTERM to SIGKILL."""
    is_alone: bool = False
    """True if this is the runner's only lane. Its process may use all cores. The kernel kills it, even while it hangs,
    when the thread that started it ends."""
    may_fail: int = 3
    """Consecutive failures of the store or the device after which the lane gives up."""
    failures: int = 0
    """Consecutive failures so far."""
    deadline: float = math.inf
    """`time.monotonic()` at which the process is ended, because its trials then take too long."""
    was_late: bool = False
    """True if the process was ended at its deadline."""
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)
    _unread: bytes = field(default=b"", repr=False)

    def start(self) -> None:
        """Starts the process, unless it is running."""
        if self.is_running:
            return
        environment = dict(os.environ)
        if not self.is_alone:
            # More threads than cores are many times slower when lanes share the cores.
            environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        if self.device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = self.device
        self.deadline, self.was_late, self._unread = math.inf, False, b""
        with self.log.open("ab") if self.log is not None else nullcontext() as errors:
            self._process = subprocess.Popen(
                [*self.program, *([TIED] if self.is_alone else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                bufsize=1,
            )

    def run(self, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Sends an order, such as a pack to run, to the process and yields its events.

        The last event has the key `done`. If it is missing, the process died or was ended at its deadline. The caller
        may move the deadline at each event.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        self.deadline = math.inf
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            while (line := self._line()) is not None:
                event = json.loads(line)
                yield event
                if "done" in event:
                    return
        except (BrokenPipeError, ValueError):
            pass  # the process died before it read the order, or in the middle of a line

    def _line(self) -> bytes | None:
        """The next line of the process; None if it has ended. Ends it at the deadline."""
        assert self._process is not None
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        ready = select.poll()
        ready.register(output, select.POLLIN | select.POLLHUP)
        while b"\n" not in self._unread:
            seconds = self.deadline - time.monotonic()
            if seconds <= 0:
                self.was_late = True
                self.stop()
                return None
            if ready.poll(1000 * min(seconds, _CHECKS_LIFE_EVERY_S)):
                data = os.read(output, _READ_AT_ONCE)
                if not data:
                    return None
                self._unread += data
            elif not self.is_running and not ready.poll(0):
                return None  # it has ended, though a process that it started may hold the pipe open
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def stop(self) -> None:
        """Ends the process, if it is running: by SIGTERM, and after `grace` seconds by SIGKILL."""
        stop([self])

    @property
    def is_running(self) -> bool:
        """True if the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """Asks the process to end, if it is running."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """Ends the process at once, if it is running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def was_asked_to_end(self) -> bool:
        """True if SIGTERM or Ctrl-C ended the process."""
        code = self._process.poll() if self._process is not None else None
        return code is not None and (code + 128 if code < 0 else code) - 128 in (signal.SIGTERM, signal.SIGINT)

    def wait_for_death(self) -> str:
        """Waits for the end of a process that no longer answers, and kills it after `grace` seconds.

        Returns a text like `its process ended with -11 (Segmentation fault)`, with the last line of its log.
        """
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self.grace)
        self.stop()
        lines = self.log.read_text(errors="replace").splitlines() if self.log and self.log.exists() else []
        return f"its process ended with {self._process.wait()}" + (f" ({lines[-1]})" if lines else "")


def stop(lanes: Sequence[Lane], in_a_hurry: Callable[[], bool] = lambda: False) -> None:
    """Ends the processes of lanes together: by SIGTERM, and after the longest `grace` by SIGKILL.

    SIGKILL comes sooner if `in_a_hurry` returns True.
    """
    for lane in lanes:
        lane.terminate()
    until = time.monotonic() + max((lane.grace for lane in lanes), default=0.0)
    while any(lane.is_running for lane in lanes) and time.monotonic() < until and not in_a_hurry():
        time.sleep(_POLL_S)
    for lane in lanes:
        lane.kill()
