"""`hpt`: one verb per stage, and those for looking at what came of it.

The whole of it stands under signals and consoles that behave: both come before the imports, which take a moment.
"""

import sys
import traceback
from typing import NoReturn

from pipeline.errors import FINE, INFRASTRUCTURE, INTERRUPTED, WRONG, InfrastructureError, UserError
from pipeline.local import interrupts


def main() -> NoReturn:
    """The entry point: every error that a person or Jenkins can cause is one line and its exit code."""
    try:
        interrupts.take_signals()
        from pipeline.verbs.app import app
        from pipeline.verbs.common import complain

        app()
    except UserError as error:
        complain(str(error))
        sys.exit(WRONG)
    except InfrastructureError as error:
        complain(str(error))
        sys.exit(INFRASTRUCTURE)
    except KeyboardInterrupt:
        interrupts.ignore_signals()
        sys.exit(INTERRUPTED)
    except Exception:
        traceback.print_exc()
        complain("this should not have happened: please report the lines above")
        sys.exit(INFRASTRUCTURE)
    sys.exit(FINE)


if __name__ == "__main__":
    main()
