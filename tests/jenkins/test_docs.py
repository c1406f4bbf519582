"""The `curl` of docs/rest.md is run as it stands there."""

import os
import re
import shutil
import subprocess

import pytest

from pipeline.jenkins.trigger import Outcome
from tests.support import ROOT
from tests.support import jenkins as fakes
from tests.support.docs import blocks, read

DOCS = ROOT / "docs/rest.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_documented_curl_starts_and_follows_a_build(jenkins: fakes.Fake) -> None:
    jenkins.script = fakes.Script((b"Started\n", b"trials: 1 of 2\n", b"trials: 2 of 2\n"), "UNSTABLE")
    shown = [block.text for block in blocks(read(DOCS)) if block.language == "bash"]
    script = "\n".join(["set -euo pipefail", "sleep() { :; }", *shown])
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | {"no_proxy": "*"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    url, *log, last = done.stdout.splitlines()
    assert url == f"{jenkins.url}/job/tuning/job/sweep/7/"
    assert log == ["Started", "trials: 1 of 2", "trials: 2 of 2"]
    assert '"building":false' in last
    assert '"result":"UNSTABLE"' in last
    (sent,) = jenkins.accepted
    assert (sent["SPEC"], sent["LANES"]) == ("specs/quickstart.json", "2")
    assert sent["REQUEST_ID"].startswith("nightly-")


def test_every_key_of_the_json_is_documented() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), flags=re.MULTILINE))
    assert set(Outcome.__dataclass_fields__) <= rows
