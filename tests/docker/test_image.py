"""docker/image gives the same content the same name, and builds only what is missing."""

import re
import shutil
from pathlib import Path

import pytest

from tests.docker.conftest import ROOT, SCRIPTS, Machine
from tests.support.package import Environment

FILES = ("docker/Dockerfile", "docker/requirements.py", "pyproject.toml", "constraints.txt", "LICENSE", "setup.py")


class Tree:
    """A checkout that a test may change, with the real scripts and a small pipeline."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.folder = folder
        self.machine = machine
        shutil.copytree(SCRIPTS, folder / "docker")
        for name in ("pyproject.toml", "constraints.txt", "LICENSE", "README.md", "setup.py"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "hpt").mkdir()
        (folder / "hpt/__init__.py").write_text("")
        (folder / "pipeline").mkdir()
        (folder / "pipeline/cli.py").write_text("print('hello')\n")

    def image(self, **environment: str) -> str:
        done = self.machine.run(self.folder / "docker/image", **environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1, "callers read the output as the image's name"
        return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path, machine: Machine) -> Tree:
    return Tree(tmp_path / "tree", machine)


@pytest.fixture
def other_tree(tmp_path: Path, machine: Machine) -> Tree:
    return Tree(tmp_path / "elsewhere", machine)


def test_the_same_code_has_the_same_image_in_any_folder(tree: Tree, other_tree: Tree) -> None:
    assert tree.image() == other_tree.image()
    assert re.fullmatch(r"hpt-trainer:[0-9a-f]{16}", tree.image())


@pytest.mark.parametrize("changed", [*FILES, "docker/Dockerfile.dockerignore", "pipeline/cli.py", "pipeline/new.html"])
def test_every_input_changes_the_name(tree: Tree, changed: str) -> None:
    before = tree.image()
    with (tree.folder / changed).open("a") as file:
        file.write("# something\n")
    assert tree.image() != before


def test_another_base_is_another_image(tree: Tree) -> None:
    assert tree.image(HPT_BASE_IMAGE="debian:bookworm-slim") != tree.image()
    assert "BASE_IMAGE=debian:bookworm-slim" in tree.machine.called("build")[0]


@pytest.mark.parametrize("changed", ["README.md", "docker/trial", "pipeline/__pycache__/cli.cpython-311.pyc"])
def test_other_files_change_nothing(tree: Tree, changed: str) -> None:
    before = tree.image()
    (tree.folder / changed).parent.mkdir(exist_ok=True)
    with (tree.folder / changed).open("a") as file:
        file.write("# something\n")
    assert tree.image() == before
    assert len(tree.machine.called("build")) == 1


def test_all_files_that_the_dockerfile_copies_are_inputs() -> None:
    """Otherwise an image could change without its name."""
    dockerfile = (SCRIPTS / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.+)$", dockerfile, re.M) for word in line.split()[:-1]]
    ignore = (SCRIPTS / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == set(copied)
    assert ignore[1] == "*"
    assert set(copied) <= {*FILES, "hpt", "pipeline"}


def test_a_local_image_is_used(tree: Tree) -> None:
    image = tree.image()
    calls = len(tree.machine.calls)
    assert tree.image() == image
    assert tree.machine.calls[calls:] == [["image", "inspect", image]]


def test_an_image_of_the_registry_is_pulled_and_not_built(tree: Tree) -> None:
    tag = tree.image().partition(":")[2]
    shared = f"europe-docker.pkg.dev/team/ml/hpt-trainer:{tag}"
    tree.machine.set("registry", shared)
    (tree.machine.state / "calls").unlink()
    assert tree.image(HPT_REGISTRY="europe-docker.pkg.dev/team/ml/") == shared
    assert tree.machine.called("pull") == [["pull", shared]]
    assert not tree.machine.called("build")


def test_an_image_that_the_registry_lacks_is_built_and_pushed_only_on_request(tree: Tree) -> None:
    image = tree.image(HPT_REGISTRY="registry:5000")
    assert len(tree.machine.called("build")) == 1
    assert not tree.machine.called("push")
    assert tree.image(HPT_REGISTRY="registry:5000", HPT_PUSH="1") == image
    assert tree.machine.called("push") == [["push", image]]


def test_without_a_registry_nothing_is_pulled(tree: Tree) -> None:
    tree.image()
    assert not tree.machine.called("pull")


def test_pushing_needs_a_registry(tree: Tree) -> None:
    done = tree.machine.run(tree.folder / "docker/image", HPT_PUSH="1")
    assert done.returncode == 2
    assert "HPT_REGISTRY" in done.stderr


def test_a_failed_build_is_infrastructure(tree: Tree) -> None:
    tree.machine.set("build-fails")
    done = tree.machine.run(tree.folder / "docker/image")
    assert (done.returncode, done.stdout) == (3, "")
    assert "cannot be built" in done.stderr


def test_certificates_and_pip_configuration_come_as_secrets(tree: Tree) -> None:
    tree.image(HPT_CA_BUNDLE="/etc/company.pem", HPT_PIP_CONF="/etc/company-pip.conf")
    (build,) = tree.machine.called("build")
    assert "id=ca,src=/etc/company.pem" in build
    assert "id=pip.conf,src=/etc/company-pip.conf" in build
    assert not any("company" in word for at, word in enumerate(build) if build[at - 1] == "--build-arg")


def test_the_image_knows_the_commit_that_jenkins_names(tree: Tree) -> None:
    tree.image(HPT_GIT_COMMIT="4f2a")
    assert "COMMIT=4f2a" in tree.machine.called("build")[0]


def test_a_named_image_is_never_built_and_pinned_to_its_digest(tree: Tree) -> None:
    tree.machine.set("registry", "registry:5000/hpt:stable")
    tree.machine.set("digests", "registry:5000/hpt@sha256:1111")
    assert tree.image(HPT_IMAGE_PARAM="registry:5000/hpt:stable") == "registry:5000/hpt@sha256:1111"
    assert not tree.machine.called("build")


def test_a_named_image_that_only_this_machine_has_is_used(tree: Tree) -> None:
    tree.machine.set("images", "my-own:1")
    assert tree.image(HPT_IMAGE_PARAM="my-own:1") == "my-own:1"


def test_a_named_image_that_does_not_exist_is_reported(tree: Tree) -> None:
    done = tree.machine.run(tree.folder / "docker/image", HPT_IMAGE_PARAM="my-own:2")
    assert (done.returncode, done.stdout) == (3, "")
    assert "my-own:2 can be neither pulled nor found" in done.stderr


@pytest.mark.parametrize("variable", ["HPT_IMAGE_PARAM", "HPT_REGISTRY", "HPT_BASE_IMAGE"])
@pytest.mark.parametrize("hostile", ["--privileged", "a b", "$(touch x)", "a;b", "a\nb"])
def test_an_invalid_name_never_reaches_docker(tree: Tree, variable: str, hostile: str) -> None:
    done = tree.machine.run(tree.folder / "docker/image", **{variable: hostile})
    assert done.returncode == 2
    assert variable in done.stderr
    assert not tree.machine.calls


def test_a_machine_without_docker_is_reported(tree: Tree) -> None:
    (tree.machine.bin / "docker").unlink()
    done = tree.machine.run(tree.folder / "docker/image")
    assert done.returncode == 3
    assert "no docker here" in done.stderr


def test_a_daemon_that_is_down_makes_a_machine_unfit_and_a_registry_that_does_not_answer_does_not(tree: Tree) -> None:
    done = tree.machine.run(tree.folder / "docker/image", HPT_IMAGE_PARAM="registry.test/hpt:1")
    assert (done.returncode, "not fit" in done.stderr) == (3, False)
    tree.machine.set("daemon-is-down")
    done = tree.machine.run(tree.folder / "docker/image", HPT_IMAGE_PARAM="registry.test/hpt:1")
    assert done.returncode == 3
    assert "docker/image: not fit: docker does not answer" in done.stderr


@pytest.fixture
def team(tree: Tree) -> Path:
    """A team's repository as the current directory; the scripts are in another folder."""
    folder = tree.machine.workspace
    (folder / "hpt.toml").write_text("store = 'here'\n")
    (folder / "requirements.txt").write_text("lightgbm\n")
    (folder / "train.py").write_text("")
    return folder


def test_a_team_gets_our_image_with_its_requirements(tree: Tree, team: Path) -> None:
    image = tree.image(HPT_GIT_COMMIT="of-the-team")
    ours, theirs = tree.machine.called("build")
    assert re.fullmatch(r"hpt-trainer:[0-9a-f]{16}", image)
    assert theirs[theirs.index("--tag") + 1] == image
    assert f"TRAINER={ours[ours.index('--tag') + 1]}" in theirs
    assert theirs[theirs.index("--file") + 1] == str(tree.folder / "docker/team/Dockerfile")
    assert "COMMIT=" in ours, "the commit of their repository is not that of our code"
    assert (tree.machine.state / "context").read_text().split() == ["requirements.txt"], "of their files, no others"


def test_a_teams_own_dockerfile_is_used_with_its_folder(tree: Tree, team: Path) -> None:
    (team / "docker").mkdir()
    (team / "docker/Dockerfile").write_text("ARG TRAINER\nFROM ${TRAINER}\nCOPY docker/fonts /fonts\n")
    (team / "docker/fonts").write_text("")
    tree.image()
    (build,) = [each for each in tree.machine.called("build") if any("TRAINER=" in word for word in each)]
    assert build[build.index("--file") + 1] == f"{build[-1]}/docker/Dockerfile"
    context = (tree.machine.state / "context").read_text().split()
    assert sorted(context) == ["docker/Dockerfile", "docker/fonts", "requirements.txt"]
    assert not Path(build[-1]).exists()


def test_a_teams_dockerfile_for_another_purpose_is_ignored(tree: Tree, team: Path) -> None:
    before = tree.image()
    (team / "docker").mkdir()
    (team / "docker/Dockerfile").write_text("FROM python:3.12-slim\nCOPY . /service\n")
    assert tree.image() == before


@pytest.mark.parametrize(
    "changed", ["requirements.txt", "requirements/base.txt", "constraints.txt", "pyproject.toml", "docker/Dockerfile"]
)
def test_a_teams_files_change_the_name_and_its_code_does_not(tree: Tree, team: Path, changed: str) -> None:
    before = tree.image()
    (team / changed).parent.mkdir(exist_ok=True)
    with (team / changed).open("a") as file:
        file.write("FROM ${TRAINER}\n")
    assert tree.image() != before
    (team / changed).write_text("")
    name = tree.image()
    (team / "train.py").write_text("# changed")
    (team / "hpt.toml").write_text("store = 'there'\n")
    assert tree.image() == name


def test_a_wheel_in_the_requirements_is_an_input(tree: Tree, team: Path) -> None:
    (team / "vendor").mkdir()
    (team / "vendor/extra.whl").write_text("one")
    (team / "vendor/other.whl").write_text("")
    (team / "requirements.txt").write_text("./vendor/extra.whl  # ours\n/etc/passwd\n-r ../../x\n*\n")
    before = tree.image()
    assert (tree.machine.state / "context").read_text().split() == ["requirements.txt", "vendor/extra.whl"]
    (team / "vendor/extra.whl").write_text("another")
    assert tree.image() != before


def test_a_team_without_requirements_has_our_image(tree: Tree, team: Path) -> None:
    theirs = tree.image()
    (team / "requirements.txt").unlink()
    assert tree.image() != theirs
    (team / "hpt.toml").unlink()
    assert len(tree.machine.called("build")) == 2


def test_a_teams_image_in_the_registry_needs_none_of_ours(tree: Tree, team: Path) -> None:
    tag = tree.image(HPT_REGISTRY="registry:5000").partition("/")[2]
    tree.machine.set("registry", f"registry:5000/{tag}")
    tree.machine.set("images")
    (tree.machine.state / "calls").unlink()
    assert tree.image(HPT_REGISTRY="registry:5000") == f"registry:5000/{tag}"
    assert not tree.machine.called("build")
    assert tree.machine.called("pull") == [["pull", f"registry:5000/{tag}"]]


def test_a_teams_image_that_cannot_be_built_is_infrastructure(tree: Tree, team: Path) -> None:
    tree.image()
    (team / "requirements.txt").write_text("no-such-package\n")
    tree.machine.set("build-fails")
    done = tree.machine.run(tree.folder / "docker/image")
    assert (done.returncode, done.stdout) == (3, "")
    assert "cannot be built" in done.stderr


def test_the_image_of_a_version_is_the_same_built_from_a_wheel(
    machine: Machine, installed: Environment, tmp_path: Path
) -> None:
    images = [machine.run(home / "docker/image").stdout for home in (ROOT, installed.packages / "hpt/home")]
    assert images[0] == images[1] != ""
