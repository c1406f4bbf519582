"""Runs a team's own program as a process: starts it, reads its output, ends it and every process that it started."""

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import InfrastructureError

_GUARD = Path(__file__).with_name("guard.py")
_READ_AT_ONCE = 256 * 1024
_GUARD_ENDS_WITHIN_S = 15.0


@dataclass(frozen=True)
class Exit:
    """The end of a program."""

    code: int | None
    """Exit status, or minus the signal that killed it; None if it could not be started."""
    error: str | None = None
    """The reason why it could not be started."""
    leftovers: tuple[str, ...] = ()
    """Commands of the processes that it left running. They were ended, too."""


class Child:
    """A running program. Use it as a context manager: leaving the context ends the program.

    `on_output` gets stdout and stderr as they come; `folder` is the program's working directory. `guard.py` runs
    between this process and the program, and ends the program if this process is killed. Raises InfrastructureError if
    no process can be started here.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        on_output: Callable[[bytes], None],
        folder: Path | None = None,
    ) -> None:
        self._on_output = on_output
        self._status = b""
        self._selector = selectors.DefaultSelector()
        status, to_status = os.pipe()
        self._status_file = os.fdopen(status, "rb", buffering=0)
        self._guard: subprocess.Popen[bytes] | None = None
        self._error: str | None = None
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_GUARD), str(to_status), *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                bufsize=0,
                pass_fds=(to_status,),
                start_new_session=True,
            )
        except BlockingIOError as error:  # too many processes
            raise InfrastructureError(f"no process can be started: {error.strerror}") from error
        except (OSError, ValueError) as error:  # arguments that are too long, or that have a NUL
            self._error = getattr(error, "strerror", None) or str(error)
        finally:
            os.close(to_status)
        if self._guard is not None:
            assert self._guard.stdout is not None
            self._selector.register(self._guard.stdout, selectors.EVENT_READ)
            self._selector.register(self._status_file, selectors.EVENT_READ)

    def pump(self, seconds: float) -> bool:
        """Waits for output, at most `seconds`, and reads it. False if the program has ended and everything was read."""
        waiting = self._selector.get_map()
        if not waiting:
            return False
        guard_ended = self._status_file not in {key.fileobj for key in waiting.values()}
        ready = self._selector.select(seconds)
        for key, _ in ready:
            data = os.read(key.fd, _READ_AT_ONCE)
            if not data:
                self._selector.unregister(key.fileobj)
            elif key.fileobj is self._status_file:
                self._status += data
            else:
                self._on_output(data)
        # If the guard has ended and no output comes, but the output is still open, a process that the guard did not
        # find holds it open. Do not wait for that one.
        return bool(self._selector.get_map()) and not (guard_ended and not ready)

    def ask_to_end(self) -> None:
        """Sends SIGTERM to the program and its process group."""
        self._order(b"t")

    def kill(self) -> None:
        """Kills the program and every process that it started."""
        self._order(b"k")

    def exit(self) -> Exit:
        """The end of the program. Call it after `pump` has returned False."""
        if self._error is not None:
            return Exit(None, error=self._error)
        # `("pid", "123")`, `("code", "0")`: `guard.py` says which lines there are.
        lines = [line.partition(" ")[::2] for line in self._status.decode().splitlines()]
        status = dict(lines)
        if "code" not in status and "error" not in status:  # the guard was killed
            if "pid" in status:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(int(status["pid"]), signal.SIGKILL)
            return Exit(-signal.SIGKILL)
        if "error" in status:
            return Exit(None, error=status["error"])
        return Exit(int(status["code"]), leftovers=tuple(command for key, command in lines if key == "left"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._selector.close()
        self._status_file.close()
        if self._guard is None:
            return
        for pipe in (self._guard.stdin, self._guard.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        try:
            self._guard.wait(_GUARD_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()

    def _order(self, order: bytes) -> None:
        assert self._guard is not None
        assert self._guard.stdin is not None
        with suppress(OSError):  # it has just ended
            self._guard.stdin.write(order)
