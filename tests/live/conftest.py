"""A running controller, which JENKINS_URL, JENKINS_USER and JENKINS_TOKEN name; see README.md. Skipped without.

The jobs of jobs/ are installed into the folder HPT_LIVE_FOLDER, which stays with its builds.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import ROOT

NEEDED = ("JENKINS_URL", "JENKINS_USER", "JENKINS_TOKEN")
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Live:
    """The controller, and the settings of its sweeps."""

    url: str
    auth: tuple[str, str]
    folder: str
    settings: dict[str, str]

    def get(self, address: str) -> requests.Response:
        return requests.get(address, auth=self.auth, timeout=60)

    def post(self, path: str, **form: str) -> requests.Response:
        return requests.post(self.url + path, auth=self.auth, data=form, timeout=60)

    def job(self, name: str) -> str:
        return self.url + "".join(f"job/{step}/" for step in f"{self.folder}/{name}".split("/"))

    def trigger(self, spec: Path, **settings: str) -> tuple[int, dict[str, Any]]:
        """`hpt trigger --wait`: its exit code and its JSON."""
        command = [str(BIN / "hpt"), "trigger", str(spec), "--job", f"{self.folder}/sweep", "--wait", "--json"]
        for name, value in (self.settings | settings).items():
            command += ["--set", f"{name}={value}"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
        assert ran.stdout, ran.stderr
        answer: dict[str, Any] = json.loads(ran.stdout)
        return ran.returncode, answer


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        pytest.skip(f"needs a running controller: set {', '.join(missing)}")
    setting = os.environ.get
    controller = Live(
        url=os.environ["JENKINS_URL"].rstrip("/") + "/",
        auth=(os.environ["JENKINS_USER"], os.environ["JENKINS_TOKEN"]),
        folder=setting("HPT_LIVE_FOLDER", "tuning-live"),
        settings={
            "LABEL": setting("HPT_LIVE_LABEL", "gpu"),
            "LIGHT_LABEL": setting("HPT_LIVE_LIGHT_LABEL", "light || !gpu"),
            "CONTAINER": setting("HPT_LIVE_CONTAINER", "none"),
            "STORE": setting("HPT_LIVE_STORE", ""),
            "LANES": "2",
        },
    )
    install_jobs(controller, tmp_path_factory.mktemp("live"))
    return controller


def install_jobs(live: Live, scratch: Path) -> None:
    """Installs the jobs as in docs/jenkins.md, with other settings."""
    jobs = scratch / "jobs"
    shutil.copytree(ROOT / "jobs", jobs)
    text = (jobs / "settings.yaml").read_text()
    for name, variable in (("repository", "HPT_LIVE_REPOSITORY"), ("branch", "HPT_LIVE_BRANCH")):
        if value := os.environ.get(variable):
            text = re.sub(rf"(?m)^( +{name}: ).*$", lambda match, value=value: match[1] + json.dumps(value), text)
    text = re.sub(r"(?m)^( +job-folder: ).*$", lambda match: match[1] + live.folder, text)
    (jobs / "settings.yaml").write_text(text)
    login = scratch / "jobs.ini"
    login.touch(mode=0o600)
    user, token = live.auth
    login.write_text(f"[jenkins]\nurl={live.url}\nuser={user}\npassword={token}\nquery_plugins_info=False\n")
    command = [str(BIN / "jenkins-jobs"), "--conf", str(login), "update", "--recursive", str(jobs)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
