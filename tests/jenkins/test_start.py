"""`start.sh`: a machine with nothing but Python gets the hpt of hpt.toml, in any repository but this one."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from pipeline.errors import INFRASTRUCTURE
from pipeline.jenkins import fill, start
from pipeline.jenkins.render import start_script
from pipeline.provenance import __version__
from tests.support import ROOT, team
from tests.support.linters import lint
from tests.support.package import Environment, outside


@pytest.fixture
def repository(tmp_path: Path, wheel: Path) -> Path:
    folder = team.repository(tmp_path / "a repository", wheel)
    (folder / ".hpt").mkdir()
    (folder / ".hpt/start").write_text(start_script(), encoding="utf-8")
    return folder


def start_process(folder: Path, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ["sh", ".hpt/start"],
        cwd=folder,
        env=outside() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def home_of(process: "subprocess.Popen[str]") -> Path:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return Path(out.strip())


def test_agents_that_share_a_folder_make_one_environment_which_the_first_call_fills(
    repository: Path, packages: Environment
) -> None:
    at_once = [start_process(repository, HPT_PACKAGES=str(packages.folder)) for _ in range(2)]
    home, other = map(home_of, at_once)
    assert home == other == next((repository / ".hpt").glob("venv-*")) / "home"
    assert (home / "bin/hpt").read_text() == (ROOT / "bin/agent/hpt").read_text()
    for script in ("bin/environment", "bin/ready", "docker/image"):
        assert os.access(home / script, os.X_OK)
    machine = outside() | {"HPT_PACKAGES": str(packages.folder)}

    def hpt() -> "subprocess.CompletedProcess[str]":
        command = [home / "bin/hpt", "--version"]
        return subprocess.run(command, cwd=repository, env=machine, capture_output=True, text=True, check=False)

    requirements = (repository / "requirements.txt").read_text()
    (repository / "requirements.txt").write_text("no-such-package-anywhere\n")
    failed = hpt()
    assert (failed.returncode, failed.stdout) == (3, "")
    assert failed.stderr.endswith("bin/environment: not ready: pip cannot install what is asked for, see above\n")
    (repository / "requirements.txt").write_text(requirements)
    filled, called_again = hpt(), hpt()
    assert filled.stdout == called_again.stdout == f"hpt {__version__}\n"
    assert "some minutes, once" in filled.stderr
    assert called_again.stderr == ""
    old = home.parent.with_name("venv-old")
    old.mkdir()
    os.utime(old, (0, 0))
    assert home_of(start_process(repository, HPT_PACKAGES=str(packages.folder))) == home
    assert not old.exists(), "an environment unused for weeks is removed"


@pytest.mark.parametrize(
    ("hpt_toml", "status", "reason"),
    [
        (
            'store = "here"\n',
            2,
            'not ready: hpt.toml names no version of hpt: hpt = "hpt==…", or a wheel, or its address',
        ),
        ('hpt = "--index-url=x"\n', 2, "not ready: hpt.toml names no version of hpt"),
        ("hpt = \n", 2, "not ready: hpt.toml cannot be read"),
        ('hpt = "./no-such.whl"\n', 3, "not ready: pip cannot install ./no-such.whl"),
    ],
)
def test_without_hpt_the_scripts_of_a_build_fail_with_the_reason(
    repository: Path, packages: Environment, hpt_toml: str, status: int, reason: str
) -> None:
    (repository / "hpt.toml").write_text(hpt_toml)
    check_reason(repository, home_of(start_process(repository, HPT_PACKAGES=str(packages.folder))), status, reason)


def check_reason(repository: Path, home: Path, status: int, reason: str) -> None:
    """Checks that the scripts in place of hpt fail with the reason, and with no status that means failed trials."""
    for script in ("bin/hpt", "bin/ready", "docker/image"):
        done = subprocess.run([home / script, "x"], cwd=repository, capture_output=True, text=True, check=False)
        # bin/ready ends with 1 if the cause may pass.
        assert (done.returncode, done.stdout) == (1 if (script, status) == ("bin/ready", 3) else status, "")
        assert done.stderr.startswith(f"hpt: {reason}")
    assert (repository / "build/ready.txt").read_text().startswith(reason)


def test_an_error_of_the_file_system_is_not_reported_as_failed_trials(repository: Path) -> None:
    (repository / ".hpt/lock").mkdir()
    check_reason(repository, home_of(start_process(repository)), 3, "not ready: [Errno ")


def test_a_broken_python_is_not_reported_as_failed_trials(repository: Path, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text('#!/bin/sh\n[ "$1" = -c ]\n')
    broken.chmod(0o755)
    check_reason(
        repository,
        home_of(start_process(repository, PYTHON=str(broken))),
        3,
        "not ready: the environment could not be made",
    )


def test_an_error_of_the_file_system_while_installing_is_not_reported_as_failed_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path / "gone"))
    assert fill.main() == INFRASTRUCTURE
    assert "not ready: [Errno " in capsys.readouterr().err


def test_a_machine_without_python_is_not_fit(repository: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "mkdir", "rm", "mv", "cat", "chmod", "cp", "dirname"):
        path = shutil.which(tool)
        assert path
        (tools / tool).symlink_to(path)
    home = home_of(start_process(repository, PATH=str(tools)))
    done = subprocess.run([home / "bin/ready"], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert (repository / "build/ready.txt").read_text().startswith("not fit: no Python 3.11 or newer")


def test_in_a_checkout_of_hpt_the_home_is_the_checkout(tmp_path: Path) -> None:
    for name in ("bin/hpt", "pipeline/jenkins/sweep.groovy"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".hpt").mkdir()
    (tmp_path / ".hpt/start").write_text(start_script(), encoding="utf-8")
    assert home_of(start_process(tmp_path)) == Path()


def test_changed_requirements_or_a_changed_wheel_make_another_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {start.fingerprint("hpt==1", "")}
    names.add(start.fingerprint("hpt==2", ""))
    for name in ("requirements.txt", "requirements-gpu.txt", "requirements/base.txt", "pyproject.toml", "hpt.whl"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("one")
        names.add(start.fingerprint("hpt.whl[flights]", ""))
        Path(name).write_text("another")
        names.add(start.fingerprint("hpt.whl[flights]", ""))
    assert len(names) == 12
    Path("requirements.txt").write_text("./extra.whl")
    for text in ("one", "another"):
        Path("extra.whl").write_text(text)
        names.add(start.fingerprint("hpt.whl[flights]", ""))
    assert len(names) == 14
    Path("train.py").write_text("")
    assert start.fingerprint("hpt==1", "") not in names
    assert start.fingerprint("hpt.whl[flights]", "") in names


PACKAGE = '[build-system]\nrequires = []\n[project]\nname = "x"\ndependencies = ["lightgbm>=4"]\n'


@pytest.mark.parametrize(
    ("files", "with_code", "arguments"),
    [
        ({}, True, []),
        ({"requirements.txt": ""}, True, ["-r", "requirements.txt"]),
        ({"pyproject.toml": "[tool.ruff]\n"}, True, []),
        ({"pyproject.toml": '[project]\nname = "x"\ndependencies = ["polars"]\n'}, True, ["polars"]),
        ({"pyproject.toml": PACKAGE}, True, ["-e", "."]),
        ({"pyproject.toml": PACKAGE, "requirements.txt": ""}, False, ["-r", "requirements.txt", "lightgbm>=4"]),
    ],
)
def test_the_files_of_a_repository_decide_what_is_installed(
    tmp_path: Path, files: dict[str, str], with_code: bool, arguments: list[str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert fill.requirements(tmp_path, with_code=with_code) == [f"hpt=={__version__}", *arguments]


@pytest.mark.parametrize(
    ("pinned", "extras"),
    [("hpt[flights]==0.1.0", "[flights]"), ("vendor/hpt-0.1.0-py3-none-any.whl[flights]", "[flights]"), ("hpt==1", "")],
)
def test_extras_that_hpt_toml_names_are_kept(tmp_path: Path, pinned: str, extras: str) -> None:
    (tmp_path / "hpt.toml").write_text(f'hpt = "{pinned}"\n')
    assert fill.requirements(tmp_path, with_code=True) == [f"hpt{extras}=={__version__}"]


@pytest.mark.parametrize("text", ['[project]\ndynamic = ["dependencies"]\n', "[build-system]\n", "[project\n"])
def test_an_image_needs_a_pyproject_that_lists_its_dependencies(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ValueError, match=r"pyproject\.toml (does not say itself|cannot be read)"):
        fill.requirements(tmp_path, with_code=False)


def test_the_script_is_plain_sh(tmp_path: Path) -> None:
    script = tmp_path / "start"
    script.write_text(start_script(), encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    subprocess.run(["sh", "-n", str(script)], check=True)
    lint("shellcheck", script)
