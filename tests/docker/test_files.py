"""Rules for the files of docker/ and bin/: scripts for any sh, pinned versions, a private controller."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.conftest import ROOT, SCRIPTS
from tests.support.linters import lint

FILES = [*SCRIPTS.rglob("*"), *(ROOT / "bin").rglob("*")]
SHELL = sorted(path for path in FILES if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh\n"))
DOCKERFILES = sorted(SCRIPTS.rglob("Dockerfile"))


def read(name: str) -> Any:
    return yaml.safe_load((SCRIPTS / name).read_text())


def test_the_scripts_that_the_jenkinsfile_calls_exist() -> None:
    assert {SCRIPTS / "image", SCRIPTS / "trial", SCRIPTS / "reap"} <= set(SHELL)


@pytest.mark.parametrize("path", SHELL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_scripts_are_executable_and_plain_sh(path: Path) -> None:
    assert path.stat().st_mode & 0o111 == 0o111
    subprocess.run(["sh", "-n", str(path)], check=True)


@pytest.mark.parametrize("path", SHELL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shellcheck_finds_nothing_in_scripts(path: Path) -> None:
    lint("shellcheck", path)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_hadolint_finds_nothing_in_dockerfiles(path: Path) -> None:
    lint("hadolint", path)


@pytest.mark.parametrize(
    "path", [SCRIPTS / name / "Dockerfile" for name in (".", "agent", "pod")], ids=lambda p: p.parent.name
)
def test_our_images_do_not_run_as_root(path: Path) -> None:
    assert re.findall(r"^USER (.+)$", path.read_text(), re.M)[-1] == "10001"


def test_every_base_image_has_a_version() -> None:
    images = [line.split()[-1] for path in DOCKERFILES for line in path.read_text().splitlines() if "FROM " in line]
    images += re.findall(r"^ARG BASE_IMAGE=(.+)$", (SCRIPTS / "Dockerfile").read_text(), re.M)
    images += [service["image"] for service in read("compose.yaml")["services"].values() if "build" not in service]
    for name in images:
        assert name in ("${BASE_IMAGE}", "${TRAINER}") or re.search(r":.*(\d|slim)", name), (
            f"{name} can change under us"
        )


def test_every_plugin_has_a_version_and_none_needs_approvals() -> None:
    lines = (SCRIPTS / "controller/plugins.txt").read_text().splitlines()
    pinned = dict(line.split(":") for line in lines if line and not line.startswith("#"))
    assert all(pinned.values())
    used = "workflow-aggregator git junit htmlpublisher pipeline-graph-view credentials-binding configuration-as-code"
    used += " pipeline-utility-steps antisamy-markup-formatter"
    assert set(used.split()) <= set(pinned)
    assert "job-dsl" not in pinned


def test_the_controller_runs_no_builds_and_needs_a_password() -> None:
    jenkins = read("controller/casc.yaml")["jenkins"]
    assert jenkins["numExecutors"] == 0
    assert jenkins["authorizationStrategy"]["loggedInUsersCanDoAnything"]["allowAnonymousRead"] is False
    (user,) = jenkins["securityRealm"]["local"]["users"]
    assert user["password"] == "${JENKINS_PASSWORD}"


def test_the_trial_controller_is_only_for_this_machine() -> None:
    services = read("compose.yaml")["services"]
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:8080:8080"]
    assert "docker.sock" not in (SCRIPTS / "compose.yaml").read_text()


def test_the_trial_controllers_agent_has_the_labels_of_builds() -> None:
    """By default, trials run on `gpu`, and everything else on `light || !gpu`."""
    (node,) = read("controller/casc.yaml")["jenkins"]["nodes"]
    assert {"gpu", "light"} <= set(node["permanent"]["labelString"].split())
    assert "computer/agent/" in (SCRIPTS / "agent/connect").read_text()
    assert node["permanent"]["name"] == "agent"


def test_services_name_commands_that_the_agent_image_has() -> None:
    services = read("compose.yaml")["services"]
    ours = {service["command"] for service in services.values() if isinstance(service.get("command"), str)}
    assert ours == {"connect", "jobs", "serve"}
    assert all((SCRIPTS / "agent" / command).is_file() for command in ours)
