"""Prints the requirements in pyproject.toml, a line each. The image installs them in a layer before the code.

The versions that are known to work together are pinned in constraints.txt.
"""

import tomllib
from pathlib import Path

pyproject = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
project = pyproject["project"]
# The built-in data, so that the quickstart runs everywhere; the build tools, so that the code's layer needs no network.
extra = project["optional-dependencies"]["flights"] + pyproject["build-system"]["requires"]
print(*project["dependencies"], *extra, sep="\n")
