"""The accessibility checker axe-core, fetched from the npm registry on first use and cached.

It is not part of this repository, because of its licence (MPL-2.0).
"""

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

VERSION = "4.10.3"
CACHED = Path.home() / ".cache/hpt-tests" / f"axe-core-{VERSION}.js"


def script() -> str:
    """The source of the checker. Skips the test if there is no npm, or the registry cannot be reached."""
    if not CACHED.exists():
        if shutil.which("npm") is None:
            pytest.skip("no npm here to fetch axe-core with (Debian: apt install npm)")
        CACHED.parent.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", f"axe-core@{VERSION}"]
        done = subprocess.run(command, cwd=CACHED.parent, capture_output=True, text=True, timeout=120, check=False)
        packed = CACHED.parent / f"axe-core-{VERSION}.tgz"
        if done.returncode or not packed.exists():
            pytest.skip(f"npm cannot fetch axe-core: {done.stderr.strip()[-200:]}")
        with tarfile.open(packed) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            part = CACHED.with_suffix(".part")
            part.write_bytes(member.read())
        part.replace(CACHED)
        packed.unlink()
    return CACHED.read_text(encoding="utf-8")


def violations(page: Any) -> list[str]:
    """A line for each violation of WCAG 2.1 A and AA and of axe's best practices on an open page."""
    page.evaluate(script())
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
    violated = page.evaluate("rules => axe.run(document, {runOnly: rules}).then(result => result.violations)", rules)
    return [
        f"{rule['id']}: {node['html'][:160]}: {node['failureSummary'][:300]}"
        for rule in violated
        for node in rule["nodes"]
    ]
