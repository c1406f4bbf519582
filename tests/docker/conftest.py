"""A machine for the scripts of docker/: the real scripts and shell, but a fake `docker` and a fake `nvidia-smi`.

The fake `docker` records its calls, and knows containers by name, id and label. `test_real.py` uses a real one.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import ROOT

SCRIPTS = ROOT / "docker"

_DOCKER = """#!{python} -IS
import json, os, sys, time
here, argv = {here!r}, sys.argv[1:]
def path(name): return os.path.join(here, name)
def lines(name): return open(path(name)).read().split() if os.path.exists(path(name)) else []
def add(name, line): open(path(name), "a").write(line + "\\n")
def running():
    for name in os.listdir(here):
        if name.startswith("running-"):
            try: yield json.load(open(path(name)))
            except (FileNotFoundError, ValueError): pass
def remove(name):
    try: os.unlink(path("running-" + name))
    except FileNotFoundError: return False
    return True
add("calls", json.dumps(argv))
if os.path.exists(path("daemon-is-down")): sys.exit(1)
match argv:
    case ["image", "inspect", "--format", _, image]:
        print(*[digest for digest in lines("digests") if digest.split("@")[0] == image.rpartition(":")[0]])
    case ["image", "inspect", image]: sys.exit(image not in lines("images"))
    case ["pull", image]:
        print("noise of a pull")
        if image not in lines("registry"): sys.exit(1)
        add("images", image)
    case ["build", *rest]:
        print("noise of a build")
        if os.path.exists(path("build-fails")): sys.exit(1)
        image = rest[rest.index("--tag") + 1]
        add("images", image)
        context = rest[-1]
        for folder, _, names in os.walk(context if context != "." else ""):
            for name in names: add("context", os.path.relpath(os.path.join(folder, name), context))
    case ["push", image]: print("noise of a push")
    case ["ps", *rest]:
        label = rest[-1].removeprefix("label=")
        print(*[line.partition(":")[0] for line in lines("containers") if line.partition(":")[2] == label])
        print(*[each["id"] for each in running() if label in each["labels"]])
    case ["run", *rest]:
        name = rest[rest.index("--name") + 1]
        labels = [rest[at + 1] for at, word in enumerate(rest) if word == "--label"]
        container = path("running-" + name)
        try: file = open(container, "x")
        except FileExistsError: sys.exit(125)
        with file: json.dump({{"id": str(os.getpid()), "name": name, "labels": labels}}, file)
        print("what the trial prints")
        add("running", "yes")
        while os.path.exists(path("run-waits")) and name not in lines("stopped") and os.path.exists(container):
            time.sleep(0.01)
        if not remove(name): sys.exit(137)
        sys.stderr.write("".join(open(path("says"))) if os.path.exists(path("says")) else "")
        sys.exit(int("".join(lines("status")) or 0))
    case ["rm", "--force", *gone]:
        for each in running():
            if {{each["id"], each["name"]}} & set(gone): remove(each["name"])
    case ["stop", *_, name]: add("stopped", name)
"""


class Machine:
    """A folder in which the scripts run, and the calls of docker."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "docker"
        self.workspace = folder / "workspace"
        self.bin = folder / "bin"
        for part in (self.state, self.workspace, self.bin):
            part.mkdir()
        # Only these tools, so that a real docker or GPU of the machine has no effect.
        tools = "awk cat cp cut dirname find git grep head hostname id mkdir mktemp printf rm sed sh sha256sum sleep"
        tools += " sort tail tee timeout tr uname"
        for tool in tools.split():
            path = shutil.which(tool)
            assert path, f"{tool} is missing"
            (self.bin / tool).symlink_to(path)
        self.has("docker", _DOCKER.format(python=sys.executable, here=str(self.state)))
        self.environment = {"PATH": str(self.bin), "HOME": str(folder)}

    def has(self, tool: str, script: str) -> None:
        (self.bin / tool).write_text(script)
        (self.bin / tool).chmod(0o755)

    def has_no_patience(self) -> None:
        """Makes every deadline of a minute pass at once."""
        (self.bin / "timeout").unlink()
        self.has("timeout", '#!/bin/sh\n[ "$1" != 60 ] || exit 124\nexec "$@"\n')

    def has_gpus(self, *lines: str) -> None:
        self.has("nvidia-smi", "#!/bin/sh\n[ \"$*\" = -L ] || exit 9\ncat <<'END'\n" + "\n".join(lines) + "\nEND\n")

    def set(self, name: str, *lines: str) -> None:
        """Sets the state of the fake docker: images, registry, digests, containers, status, …"""
        (self.state / name).write_text("".join(line + "\n" for line in lines))

    def start(self, script: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(script), *arguments],
            cwd=self.workspace,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(script, *arguments, **environment)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess([], process.returncode, out, err)

    def wait_for(self, name: str, times: int = 1) -> None:
        """Waits until docker has written this many lines into a file."""
        path = self.state / name
        for _ in range(2000):
            if path.exists() and len(path.read_text().splitlines()) >= times:
                return
            time.sleep(0.01)
        raise AssertionError(f"never came: {name}")

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call of docker, in order."""
        path = self.state / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def called(self, *start: str) -> list[list[str]]:
        return [call for call in self.calls if call[: len(start)] == list(start)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def trial(machine: Machine) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs docker/trial as the Jenkinsfile does; keywords override its environment."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return machine.run(SCRIPTS / "trial", *arguments, **{**TRIAL, **environment})

    return run


TRIAL = {
    "HPT_IMAGE": "hpt-trainer:0123456789abcdef",
    "HPT_SWEEP": "20260614-0210-lstm-attention-3f9c",
    "HPT_PACK": "r0-p000",
    "HPT_PACK_TRIALS": "screen-e000-d0-s0,screen-e001-d0-s0",
    "HPT_STORE": "gs://bucket/prefix",
    "EXECUTOR_NUMBER": "0",
    "NODE_NAME": "gpu-box",
    "BUILD_TAG": "jenkins-hpt-sweep-7",
    "HPT_DEADLINE_MINUTES": "90",
}


def option(argv: list[str], name: str) -> list[str]:
    """All values of an option before the image."""
    return [argv[at + 1] for at, word in enumerate(argv[: argv.index(TRIAL["HPT_IMAGE"])]) if word == name]
