"""`hpt` inside the tests' own process: what a verb prints and its exit code, without the seconds that imports take."""

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


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """A verb takes signals for good: its process ends with it, and this one does not."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def hpt(*arguments: object, cwd: Path, code: int | None = 0) -> Done:
    """Runs the verb in `cwd`, without this machine's HPT_ variables. Fails unless it ends with `code`; None is any."""
    words = ["hpt", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HPT_")}
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.dict(os.environ, environment, clear=True),
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
