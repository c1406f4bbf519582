"""The accessibility checker axe-core, fetched from the npm registry when a test asks for it, and kept for the next.

Its licence (MPL-2.0) does not stand in this repository, and neither does it.
"""

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

VERSION = "4.10.3"
KEPT = Path.home() / ".cache/hpt-tests" / f"axe-core-{VERSION}.js"


def script() -> str:
    """The checker's text. Skips the test where npm is missing, or the registry cannot be reached."""
    if not KEPT.exists():
        if shutil.which("npm") is None:
            pytest.skip("no npm here to fetch axe-core with (Debian: apt install npm)")
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        words = ["npm", "pack", "--silent", f"axe-core@{VERSION}"]
        done = subprocess.run(words, cwd=KEPT.parent, capture_output=True, text=True, timeout=120, check=False)
        packed = KEPT.parent / f"axe-core-{VERSION}.tgz"
        if done.returncode or not packed.exists():
            pytest.skip(f"npm cannot fetch axe-core: {done.stderr.strip()[-200:]}")
        with tarfile.open(packed) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            part = KEPT.with_suffix(".part")
            part.write_bytes(member.read())
        part.replace(KEPT)
        packed.unlink()
    return KEPT.read_text(encoding="utf-8")


def violations(page: Any) -> list[str]:
    """What is wrong with an open page by WCAG 2.1 A and AA and axe's own good practice, a line each."""
    page.evaluate(script())
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
    found = page.evaluate("rules => axe.run(document, {runOnly: rules}).then(result => result.violations)", rules)
    return [
        f"{one['id']}: {node['html'][:160]}: {node['failureSummary'][:300]}" for one in found for node in one["nodes"]
    ]
