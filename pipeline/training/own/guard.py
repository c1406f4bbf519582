"""Stands between a lane and a team's own program, so that nothing of that program outlives its trial.

`guard.py FD PROGRAM ARGUMENT…` starts the program in a session of its own and reads orders from its standard input: `t`
asks the program to end, `k` ends it; the end of the input means that the lane is dead, whatever killed it. To FD goes a
line with the program's process id, and in the end how it ended, as JSON. All that the program started ends with it,
also what it put into the background.
Run as a file, with nothing but the standard library, so that it starts at once and stays small.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LANE_IS_GONE_GRACE_S = 2.0
_LEFTOVERS_GRACE_S = 1.0
_KILL_AT_MOST_S = 10.0


def main() -> None:
    report_to, argv = int(sys.argv[1]), sys.argv[2:]
    # What loses its parent becomes a child of this process and can be found; without a prctl, the group must do.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    # Handlers, unlike what is ignored, are not inherited by the program.
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    me = os.getpid()

    def die_with_the_guard() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != me:
            os._exit(1)
        os.write(report_to, b"%d\n" % os.getpid())

    try:
        program = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_the_guard
        )
    except (OSError, subprocess.SubprocessError) as error:
        _report(report_to, {"error": f"{getattr(error, 'strerror', None) or error}: {argv[0]}"})
        return
    code = _watch(program.pid, wake)
    left = _left() if code is not None else []
    _end_everything(program.pid)
    if code is None:
        code = _ENDED.get(program.pid)
    program.returncode = code  # it was waited for here
    _report(report_to, {"code": code, "left": left})


_ENDED: dict[int, int] = {}
"""How processes ended that were children of this one."""


def _watch(pid: int, wake: int) -> int | None:
    """Carries out orders until the program ends; None if it is to be ended by force."""
    until = None
    while True:
        _reap()
        if pid in _ENDED:
            return _ENDED[pid]
        if until is not None and time.monotonic() > until:
            return None
        ready, _, _ = select.select([wake] if until else [0, wake], [], [], 0.2 if until else 60.0)
        if wake in ready:
            os.read(wake, 4096)
        if 0 in ready:
            order = os.read(0, 1)
            if order == b"k":
                return None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
            if order != b"t":
                until = time.monotonic() + _LANE_IS_GONE_GRACE_S


def _reap() -> bool:
    """Whether there are children left; without any, nothing is left below them either."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not pid:
            return True
        _ENDED[pid] = os.waitstatus_to_exitcode(status)


def _left() -> list[str]:
    """What the program left running, as commands; some helpers only take a moment to notice that they can go."""
    until = time.monotonic() + _LEFTOVERS_GRACE_S
    while (found := _running()) and time.monotonic() < until:
        time.sleep(0.02)
    return [_command(pid) for pid in found[:10]]


def _end_everything(group: int) -> None:
    until = time.monotonic() + _KILL_AT_MOST_S
    while time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        for pid in _running():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not _running():
            return
        time.sleep(0.02)


def _running() -> list[int]:
    """What stems from this process. To look through all processes is not needed where no child is left."""
    return _below(os.getpid()) if _reap() else []


def _below(ancestor: int) -> list[int]:
    """The processes that stem from one, those that only wait to be reaped left out; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    zombies = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError), open(f"/proc/{entry.name}/stat", errors="replace") as stat:
                    # The command, in brackets, may hold anything.
                    state, parent = stat.read().rpartition(")")[2].split()[:2]
                    children.setdefault(int(parent), []).append(int(entry.name))
                    if state in "ZX":
                        zombies.add(int(entry.name))
    found, below = [], list(children.get(ancestor, ()))
    while below:
        pid = below.pop()
        below += children.get(pid, ())
        if pid not in zombies:
            found.append(pid)
    return sorted(found)


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", errors="replace") as command:
            return " ".join(command.read().replace("\0", " ").split())[:80] or str(pid)
    except OSError:
        return str(pid)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(Exception):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _report(to: int, how: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(to, json.dumps(how).encode())


if __name__ == "__main__":
    main()
    # The lane waits for this, and nothing is left to be tidied up.
    os._exit(0)
