"""`hpt`: one verb per stage, and those for looking at what came of it.

The whole of it stands under signals and consoles that behave: both come before the imports, which take a moment.
"""

import os
import sys
import traceback
from typing import NoReturn

from pipeline.errors import FINE, INFRASTRUCTURE, INTERRUPTED, WRONG, InfrastructureError, UserError
from pipeline.local import interrupts
from pipeline.screen import console


def main() -> NoReturn:
    """The entry point: every error that a person or Jenkins can cause is one line and its exit code."""
    console.prepare()
    code = console.close(_run())
    # Python ends by SIGINT where KeyboardInterrupt ever left code made from a string, as of a dataclass, even if it
    # was handled since. The next such code makes it forget that.
    exec("")
    sys.exit(code)


def _run() -> int:
    """Runs the verb that the arguments name; its exit code."""
    try:
        interrupts.take_signals()
        from pipeline.verbs.app import app
        from pipeline.verbs.common import complain

        app()
    except SystemExit as ended:
        return int(ended.code or FINE)
    except UserError as error:
        complain(str(error))
        return WRONG
    except InfrastructureError as error:
        complain(str(error))
        return INFRASTRUCTURE
    except KeyboardInterrupt:
        interrupts.ignore_signals()
        return INTERRUPTED
    except console.ReaderIsGoneError:
        return FINE
    except Exception:
        if interrupts.requests():  # a library turned it into an error of its own, as pydantic does
            interrupts.ignore_signals()
            return INTERRUPTED
        if not _is_somewhere():
            complain("the current directory is gone: go to one that is there")
            return WRONG
        traceback.print_exc()
        complain("this should not have happened: please report the lines above")
        return INFRASTRUCTURE
    return FINE


def _is_somewhere() -> bool:
    try:
        return bool(os.getcwd())
    except OSError:
        return False


if __name__ == "__main__":
    main()
