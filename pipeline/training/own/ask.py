"""Asks a team's own trainer for its hyperparameters. Nothing else runs a team's code before a sweep is made.

A function answers with the pydantic model of its first parameter, a program with the JSON Schema that it prints, and a
script with its argparse arguments. None of them needs credentials to answer, so these are removed from the environment.
"""

import functools
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.training.own.log import last_words
from pipeline.training.own.trainer import CALL, environment

_ANSWERS_WITHIN_S = 120.0
_ARGUMENTS = Path(__file__).with_name("arguments.py")
ADVICE = 'declare them in the spec: "hyperparameters": {"learning_rate": {"default": 0.01}}'
"""Advice for people whose trainer does not answer."""
_CREDENTIALS = re.compile(
    r"GOOGLE_(APPLICATION_)?CREDENTIALS|GOOGLE_CLOUD_KEYFILE_JSON|GOOGLE_(OAUTH_)?ACCESS_TOKEN|GCLOUD_KEYFILE_JSON|"
    r"CLOUDSDK_AUTH_\w+|AWS_\w+|JENKINS_TOKEN|JENKINS_PASSWORD"
)
"""Environment variables that hold credentials, or the path of a file with them."""


@functools.cache
def function_schema(trainer: str, folder: str) -> Any:
    """JSON Schema of the hyperparameters of a function, `module:function`, imported in `folder`.

    Raises UserError if it cannot be imported there, or has no pydantic model of its hyperparameters.
    """
    with tempfile.TemporaryDirectory(prefix="hpt-own-") as scratch:
        out = Path(scratch, "schema.json")
        _output([sys.executable, "-P", str(CALL), "--describe", str(out), trainer], folder, f"trainer: {trainer}")
        return json.loads(out.read_bytes())


@functools.cache
def program_schema(describe: tuple[str, ...], folder: str) -> Any:
    """JSON Schema that a program, started in `folder`, prints. Raises UserError if it prints no JSON."""
    printed = _output(list(describe), folder, "describe")
    try:
        return json.loads(printed)
    except ValueError as error:
        raise UserError(f"describe: {json.dumps(describe)} prints text that is no JSON: {error}") from None


def script_arguments(script: str, folder: str) -> Any:
    """The arguments that a Python script, started in `folder`, reads by argparse, as `arguments.py` writes them.

    Raises UserError if it reads none.
    """
    with tempfile.TemporaryDirectory(prefix="hpt-own-") as scratch:
        out = Path(scratch, "arguments.json")
        _output([sys.executable, "-P", str(_ARGUMENTS), str(out), script], folder, script)
        return json.loads(out.read_bytes())


def _output(argv: list[str], folder: str, name: str) -> bytes:
    """Output of the program. Raises UserError, which begins with `name`, if it fails or takes too long."""
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=_without_credentials(environment({})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWERS_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        problem = f"no answer within {_ANSWERS_WITHIN_S:g} seconds"
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
    else:
        if done.returncode == 0:
            return done.stdout
        problem = last_words(done.stderr) or f"exit status {done.returncode}"
    raise UserError(f"{name} cannot be asked for its hyperparameters here: {problem}. Mend that, or {ADVICE}")


def _without_credentials(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if not _CREDENTIALS.fullmatch(name)}
