"""The program of a lane's process: imports torch at most once, keeps the data of a range, runs pack after pack.

It reads one JSON line per pack from its standard input and writes one JSON line per event to its standard output.
When its input ends, its runner has ended, and so does the lane; with the argument `tied`, the kernel kills it then.
"""

import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
from typing import Any

from pipeline.errors import InfrastructureError, UserError

_CLEANUP_S = 8.0
"""Seconds from SIGTERM to a forced exit, to remove scratch folders and end a team's program."""
_PR_SET_PDEATHSIG = 1
"""Option of Linux's `prctl`: the signal that the kernel sends when the parent process dies."""


def main() -> None:
    """Runs packs until the input ends or SIGTERM comes. Started by `process.py` as `python -m pipeline.local.lane`."""
    if sys.argv[1:] == ["tied"]:
        with contextlib.suppress(Exception):  # without prctl (not on Linux), the end of the input ends the lane
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # Ctrl-C reaches the whole process group; the runner decides what that means for a lane.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The runner starts lanes with SIGINT blocked (`drain.py`). A team's own program inherits that, and may need it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # SIGTERM raises SystemExit, so that scratch folders are removed, and a team's own program is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # Events go to a copy of standard output; whatever libraries print goes to standard error instead.
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    packs: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read, args=(packs,), daemon=True).start()

    from pipeline.store import open_store
    from pipeline.sweep import Sweep, Trial
    from pipeline.trials.pack import Workbench, run_pack

    workbench = Workbench()

    def send(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")

    sweeps: dict[str, Sweep] = {}
    send({"ready": os.getpid()})
    while True:
        pack = packs.get()
        try:
            id = pack["sweep"]
            sweep = sweeps.setdefault(id, Sweep(open_store(pack["store"]), id))
            trials = [Trial.parse(trial) for trial in pack["trials"]]
            if sweep.definition.own is None and not all(trial.is_reference for trial in trials):
                import torch  # noqa: F401  (takes seconds, once per lane; here it counts for no trial's time)

            run_pack(sweep, pack["pack"], trials, workbench, retry=pack["retry"], on_event=send)
            send({"done": True})
        except UserError as error:
            send({"done": False, "error": str(error)})
        except InfrastructureError as error:
            # Perhaps only this process has lost its device: the runner starts another one.
            send({"done": False, "error": str(error), "infrastructure": True})


def _read(packs: "queue.Queue[dict[str, Any]]") -> None:
    """Passes packs on until the input ends, then ends this process."""
    for line in sys.stdin:
        packs.put(json.loads(line))
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_CLEANUP_S)
    os._exit(1)


if __name__ == "__main__":
    main()
