"""The command `hpt`: runs a verb and turns its errors into exit codes.

The console and the signal handlers are prepared before the verbs are imported, since that import takes a moment.
"""

import os
import sys
import traceback
from typing import NoReturn

from pipeline.errors import FINE, INFRASTRUCTURE, INTERRUPTED, WRONG, InfrastructureError, UserError
from pipeline.local import interrupts
from pipeline.screen import console


def main() -> NoReturn:
    """The entry point. Errors that a person or Jenkins can cause are printed as lines, without a traceback."""
    console.prepare()
    code = console.close(_run())
    # After a KeyboardInterrupt inside code compiled from a string (a dataclass has some), Python ends by SIGINT even
    # if the interrupt was handled. Running other compiled code resets that.
    exec("")
    sys.exit(code)


def _run() -> int:
    """Runs the verb that the arguments name, and returns its exit code."""
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
        if interrupts.requests():  # a library, such as pydantic, wrapped the interrupt in another error
            interrupts.ignore_signals()
            return INTERRUPTED
        if not _has_current_directory():
            complain("the current directory no longer exists: change to another one")
            return WRONG
        traceback.print_exc()
        complain("this should not have happened: please report the lines above")
        return INFRASTRUCTURE
    return FINE


def _has_current_directory() -> bool:
    try:
        return bool(os.getcwd())
    except OSError:
        return False


if __name__ == "__main__":
    main()
