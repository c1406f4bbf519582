"""Describes the arguments that a Python script reads by argparse.

`arguments.py OUT SCRIPT` runs the script until it begins to parse its arguments, writes their descriptions into the
file OUT as JSON, and exits. It runs as a file, and imports nothing of hpt.
"""

import argparse
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any, NoReturn


def main() -> None:
    out, script = Path(sys.argv[1]), sys.argv[2]

    def write_arguments(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> NoReturn:
        actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
        out.write_text(json.dumps([_described(action) for action in actions]), encoding="utf-8")
        # An exception would not do: the script could catch it.
        os._exit(0)

    argparse.ArgumentParser.parse_known_args = write_arguments  # type: ignore[assignment,method-assign]
    argparse.ArgumentParser.parse_known_intermixed_args = write_arguments  # type: ignore[assignment,method-assign]
    sys.argv = [script]
    sys.path.insert(0, str(Path(script).resolve().parent))
    runpy.run_path(script, run_name="__main__")
    sys.exit("it ended without reading arguments by argparse")


def _described(action: argparse.Action) -> dict[str, Any]:
    is_plain = action.default is None or isinstance(action.default, bool | int | float | str)
    return {
        "option": max(action.option_strings, key=len, default=""),
        "name": action.dest,
        "type": getattr(action.type, "__name__", None),
        "default": action.default if is_plain and action.default != argparse.SUPPRESS else None,
        "choices": [choice for choice in action.choices or () if isinstance(choice, int | float | str)],
        "required": action.required,
        "takes_value": action.nargs is None,
        "is_flag": action.nargs == 0 and isinstance(action.default, bool),
    }


if __name__ == "__main__":
    main()
