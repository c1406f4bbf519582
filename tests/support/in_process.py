"""Runs `hpt` inside the tests' own process, which saves the seconds of its imports."""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from pipeline.cli import main
from tests.support import environment


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Restores the signal handlers, which a verb replaces and never restores."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def hpt(*arguments: object, cwd: Path, code: int | None = 0) -> Done:
    """Runs the verb in `cwd`, without this machine's HPT_ variables.

    Fails unless the exit code is `code`; None allows any.
    """
    words = ["hpt", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.dict(os.environ, environment(), clear=True),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _own_signals(),
    ):
        try:
            main()
        except SystemExit as ended:
            done = Done(int(ended.code or 0), out.getvalue(), err.getvalue())
    assert code in (done.code, None), f"{' '.join(words)}: exit {done.code}\n{done.out}\n{done.err}"
    return done
