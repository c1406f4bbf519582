"""The examples of GPU machines on demand (docs/cloud.md): valid, with one GPU per executor, and the label of builds."""

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.jenkins.parameters import PARAMETERS
from tests.docker.conftest import ROOT, SCRIPTS

CLOUDS = sorted((SCRIPTS / "controller/clouds").glob("*.yaml"))
SCHEMA = yaml.safe_load(Path(__file__).with_name("clouds.schema.yaml").read_text())
LABEL = next(parameter.default for parameter in PARAMETERS if parameter.name == "LABEL")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def mistakes(written: Any, part: str = "") -> list[str]:
    """The errors that the schema, or one part of it, finds."""
    schema = {**SCHEMA["$defs"][part], "$defs": SCHEMA["$defs"]} if part else SCHEMA
    errors = jsonschema.Draft202012Validator(schema).iter_errors(written)
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in errors]


def template() -> dict[str, Any]:
    (cloud,) = read(SCRIPTS / "controller/clouds/kubernetes.yaml")["jenkins"]["clouds"]
    (only,) = cloud["kubernetes"]["templates"]
    return dict(only)


def pod() -> dict[str, Any]:
    return dict(yaml.safe_load(template()["yaml"]))


def machine() -> dict[str, Any]:
    (cloud,) = read(SCRIPTS / "controller/clouds/gce.yaml")["jenkins"]["clouds"]
    (only,) = cloud["computeEngine"]["configurations"]
    return dict(only)


@pytest.mark.parametrize("path", CLOUDS, ids=lambda path: path.stem)
def test_a_cloud_has_only_keys_that_its_plugin_knows(path: Path) -> None:
    assert mistakes(read(path)) == []


def test_the_pod_is_valid_for_kubernetes() -> None:
    assert mistakes(pod(), "pod") == []


def test_the_schema_finds_common_mistakes() -> None:
    wrong = copy.deepcopy(pod())
    container = wrong["spec"]["containers"][0]
    container["resource"] = container.pop("resources")
    container["env"][1]["value"] = 40
    wrong["spec"]["volumes"][0]["emptyDir"]["sizeLimit"] = "50 GB"
    assert len(mistakes(wrong, "pod")) == 3
    cloud = read(SCRIPTS / "controller/clouds/kubernetes.yaml")
    cloud["jenkins"]["clouds"][0]["kubernetes"]["templates"][0]["labels"] = "gpu"
    assert len(mistakes(cloud)) == 1


@pytest.mark.parametrize("path", CLOUDS, ids=lambda path: path.stem)
def test_a_cloud_shares_no_key_with_the_controllers_own_file(path: Path) -> None:
    """Jenkins refuses two files with different values of one key."""
    common = read(path)["jenkins"].keys() & read(SCRIPTS / "controller/casc.yaml")["jenkins"].keys()
    assert not common


def test_builds_find_the_machines_by_their_label_and_nothing_else_does() -> None:
    assert template()["label"].split() == machine()["labelString"].split() == [LABEL]
    assert template()["nodeUsageMode"] == machine()["mode"] == "EXCLUSIVE"


def test_there_is_one_gpu_for_one_executor() -> None:
    (container,) = pod()["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert machine()["acceleratorConfiguration"]["gpuCount"] == machine()["numExecutorsStr"] == "1"


def test_shells_run_in_the_trainers_container_as_its_user() -> None:
    (container,) = pod()["spec"]["containers"]
    assert template()["agentInjection"] is True
    assert template()["agentContainer"] == container["name"]
    # The plugin sets the command of the agent's container.
    assert not {"command", "args"} & set(container)
    users = re.findall(r"^USER (.+)$", (SCRIPTS / "pod/Dockerfile").read_text(), re.M)
    assert pod()["spec"]["securityContext"]["runAsUser"] == int(users[-1])


def test_every_mounted_volume_exists() -> None:
    spec = pod()["spec"]
    mounted = {mount["name"] for container in spec["containers"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["volumes"]}


def test_the_pods_image_uses_the_packages_of_the_trainer_image() -> None:
    packages = re.search(r"^ENV HPT_PACKAGES=(\S+)$", (SCRIPTS / "pod/Dockerfile").read_text(), re.M)
    assert packages
    assert f"python3 -m venv {packages[1]} " in (SCRIPTS / "Dockerfile").read_text()


@pytest.mark.parametrize("path", CLOUDS, ids=lambda path: path.stem)
def test_the_page_names_every_example_and_says_that_it_was_not_run(path: Path) -> None:
    page = (ROOT / "docs/cloud.md").read_text()
    assert str(path.relative_to(ROOT)) in page
    assert "not run" in page
