"""A lane of this machine: a slot, and the process in it that runs packs and is started again when it has died.

Here: starting, ordering, ending. Which pack a lane runs, and what a death means for it, is `runner.py`'s business.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# -P: a folder called `pipeline` where the user stands is not ours.
PROGRAM = (sys.executable, "-P", "-m", "pipeline.local.lane")

_LOOK_S = 0.02


@dataclass
class Lane:
    """A slot that runs packs one after another in a long-lived process."""

    number: int
    device: str | None
    """CUDA_VISIBLE_DEVICES of the process; None: as it is here."""
    log: Path
    """What the process prints besides its events."""
    program: Sequence[str] = PROGRAM
    grace: float = 5.0
    """Seconds in which the process may end by itself before it is killed."""
    failures: int = 0
    """How often in a row the store or the device failed it."""
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Starts the process, unless it is running."""
        if self.is_running:
            return
        # More threads than cores are many times slower when lanes share the cores.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        if self.device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = self.device
        with self.log.open("ab") as errors:
            self._process = subprocess.Popen(
                self.program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                bufsize=1,
            )

    def run(self, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Sends an order to the process and yields the events that answer it.

        The last event has the key `done`; without one, the process has died.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            for line in self._process.stdout:
                event = json.loads(line)
                yield event
                if "done" in event:
                    return
        except (BrokenPipeError, ValueError):
            pass  # it died while it was spoken to, or in the middle of a line

    def stop(self) -> None:
        """Ends the process, if it is running: by SIGTERM, after the grace by SIGKILL."""
        stop([self])

    @property
    def is_running(self) -> bool:
        """Whether there is a process that has not ended."""
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
        """Whether somebody ended the process by SIGTERM or Ctrl-C."""
        code = self._process.poll() if self._process is not None else None
        return code is not None and (code + 128 if code < 0 else code) - 128 in (signal.SIGTERM, signal.SIGINT)

    def wait_for_death(self) -> str:
        """Waits until a process that no longer answers has ended, by force after the grace; how it ended, in words."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self.grace)
        self.stop()
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return f"its process ended with {self._process.wait()}" + (f" ({lines[-1]})" if lines else "")


def stop(lanes: Sequence[Lane], in_a_hurry: Callable[[], bool] = lambda: False) -> None:
    """Ends the processes of lanes, all at once: by SIGTERM, after the longest grace or `in_a_hurry` by SIGKILL."""
    for lane in lanes:
        lane.terminate()
    until = time.monotonic() + max((lane.grace for lane in lanes), default=0.0)
    while any(lane.is_running for lane in lanes) and time.monotonic() < until and not in_a_hurry():
        time.sleep(_LOOK_S)
    for lane in lanes:
        lane.kill()
