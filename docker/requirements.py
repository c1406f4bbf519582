"""Prints what pyproject.toml asks for, a line each: the image installs it in a layer of its own, before the code.

It knows nothing of versions that were seen to work together; that is constraints.txt.
"""

import tomllib
from pathlib import Path

asked = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
project = asked["project"]
# The built-in data, so that the quickstart runs everywhere; and what builds the package, whose layer needs no network.
extra = project["optional-dependencies"]["flights"] + asked["build-system"]["requires"]
print(*project["dependencies"], *extra, sep="\n")
