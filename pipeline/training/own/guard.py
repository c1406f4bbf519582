"""Runs a team's own program for a lane, so that no process of the program outlives its trial or the lane.

`guard.py FD PROGRAM ARGUMENT…` starts the program in a new session and reads orders from its standard input. `t` asks
the program to end, `k` kills it, and the end of the input means that the lane is dead. It writes lines to FD: `pid 123`
at the start, `code 0` or `error WHY` at the end, and `left COMMAND` for each process that the program left running.
Processes that the program put into the background end with it.

It runs as a file and imports few modules, so that it starts at once and stays small: json and subprocess take longer to
import than all of its modules together.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LANE_IS_GONE_GRACE_S = 2.0
"""Time between SIGTERM and SIGKILL if the lane is dead."""
_LEFTOVERS_GRACE_S = 1.0
"""Time in which processes that the program started may end by themselves, after the program."""
_KILL_AT_MOST_S = 10.0
"""Time after which processes that survive SIGKILL are given up."""


def main() -> None:
    report_to, argv = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(report_to, False)
    # Processes that lose their parent become children of this one and can be found. Without prctl, only the program's
    # process group is found.
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    # Every signal writes into this pipe, and so ends the wait for orders.
    signals, to_signals = os.pipe()
    os.set_blocking(to_signals, False)
    signal.set_wakeup_fd(to_signals, warn_on_full_buffer=False)
    # The program inherits ignored signals, but no handlers.
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    try:
        pid = _start(argv, report_to)
    except OSError as error:
        _report(report_to, [f"error {error.strerror}: {argv[0]}"])
        return
    code = _watch(pid, signals)
    leftovers = _leftovers() if code is not None else []
    _end_everything(pid)
    # A program without an exit code has survived SIGKILL so far, as in a hanging system call. It counts as killed.
    _report(report_to, [f"code {_EXIT_CODES.get(pid, -signal.SIGKILL)}", *(f"left {command}" for command in leftovers)])


def _start(argv: list[str], report_to: int) -> int:
    """Starts the program and returns its process id. Raises OSError if it cannot be started."""
    parent, (failure, to_failure) = os.getpid(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before prctl took effect
                os._exit(1)
            os.write(report_to, b"pid %d\n" % os.getpid())
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            # Python ignores these signals, and the program would inherit that.
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.execvp(argv[0], argv)
        except OSError as error:
            os.write(to_failure, b"%d" % (error.errno or 0))
        finally:
            os._exit(127)
    os.close(to_failure)
    # exec closes the writing end, so that the pipe is empty if the program has started.
    if error_number := os.read(failure, 16):
        raise OSError(int(error_number), os.strerror(int(error_number)))
    os.close(failure)
    return pid


_EXIT_CODES: dict[int, int] = {}
"""`{process id: exit code}` of children that have ended."""


def _watch(pid: int, signals: int) -> int | None:
    """Obeys orders until the program ends. Returns its exit code, or None if it is still running and must be killed."""
    kill_at = None
    while True:
        _reap()
        if pid in _EXIT_CODES:
            return _EXIT_CODES[pid]
        if kill_at is not None and time.monotonic() > kill_at:
            return None
        ready, _, _ = select.select([signals] if kill_at else [0, signals], [], [], 0.2 if kill_at else 60.0)
        if signals in ready:
            os.read(signals, 4096)
        if 0 in ready:
            order = os.read(0, 1)
            if order == b"k":
                return None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
            if order != b"t":  # the end of the input: the lane is dead
                kill_at = time.monotonic() + _LANE_IS_GONE_GRACE_S


def _reap() -> bool:
    """Records the exit codes of children that have ended. False if no child, and so no descendant, remains."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not pid:
            return True
        _EXIT_CODES[pid] = os.waitstatus_to_exitcode(status)


def _leftovers() -> list[str]:
    """Commands of processes that the program left running, after a moment in which helpers may end by themselves."""
    until = time.monotonic() + _LEFTOVERS_GRACE_S
    while (pids := _running()) and time.monotonic() < until:
        time.sleep(0.02)
    return [_command(pid) for pid in pids[:10]]


def _end_everything(group: int) -> None:
    """Kills the program's process group and all descendants, and waits until they are gone."""
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
    """Descendants of this process. All processes are searched only if a child remains."""
    return descendants(os.getpid()) if _reap() else []


def descendants(ancestor: int) -> list[int]:
    """Process ids of the descendants of a process, without zombies; none if there is no /proc."""
    children: dict[int, list[int]] = {}
    zombies = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError), open(f"/proc/{entry.name}/stat", errors="replace") as stat:
                    # The command stands in brackets and may contain any characters.
                    state, parent = stat.read().rpartition(")")[2].split()[:2]
                    children.setdefault(int(parent), []).append(int(entry.name))
                    if state in "ZX":
                        zombies.add(int(entry.name))
    alive, below = [], list(children.get(ancestor, ()))
    while below:
        pid = below.pop()
        below += children.get(pid, ())
        if pid not in zombies:
            alive.append(pid)
    return sorted(alive)


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", errors="replace") as command:
            return " ".join(command.read().replace("\0", " ").split())[:80] or str(pid)
    except OSError:
        return str(pid)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(Exception):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _report(to: int, lines: list[str]) -> None:
    text = "".join(" ".join(line.split()) + "\n" for line in lines)
    with contextlib.suppress(OSError):
        os.write(to, text.encode(errors="backslashreplace"))


if __name__ == "__main__":
    main()
    # The lane waits for the end of this process, and nothing needs a cleanup.
    os._exit(0)
