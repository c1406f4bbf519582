"""Runs the Jenkinsfile itself, on Groovy 2.4 and the fake controller in harness/."""

import atexit
import csv
import datetime
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest

from pipeline import results
from pipeline.store import open_store
from pipeline.sweep import Sweep
from tests.support import ROOT
from tests.support.lanes import Nursery
from tests.support.package import Environment

HARNESS = Path(__file__).parent / "harness"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TWO_RANGES = {"date-range": [["2024-01-01", "2024-03-01"], ["2024-03-01", "2024-05-01"]]}
AGENTS = (
    {"name": "small", "labels": "light"},
    {"name": "gpu-1", "labels": "gpu"},
    {"name": "gpu-2", "labels": "gpu"},
)
ONE_MACHINE = ({"name": "box", "labels": "gpu light"},)


def java_home() -> str | None:
    """The home of a Java that Groovy 2.4 supports, preferably 17; None if there is no Java."""
    homes = sorted(Path("/usr/lib/jvm").glob("*/bin/java"), key=lambda path: ("-17-" not in str(path), str(path)))
    on_path = shutil.which("java")
    candidates = [*homes, *([Path(on_path).resolve()] if on_path else [])]
    return next((str(path.parent.parent) for path in candidates if path.exists()), None)


@dataclass(frozen=True)
class Build:
    """The result of one build."""

    home: Path
    store: Path

    @cached_property
    def trace(self) -> dict[str, Any]:
        trace: dict[str, Any] = json.loads((self.home / "build.json").read_text())
        return trace

    @property
    def result(self) -> str:
        return str(self.trace["result"])

    @property
    def description(self) -> str:
        return str(self.trace["description"])

    @cached_property
    def log(self) -> str:
        return (self.home / "log.txt").read_text(errors="replace")

    def stages(self) -> dict[str, str]:
        """The stages of the Jenkinsfile with their results."""
        return {stage["name"]: stage["result"] for stage in self.trace["stages"] if not stage["within"]}

    def packs(self) -> list[tuple[str, str]]:
        """The stages of packs: their trials and results."""
        return [(stage["trials"], stage["result"]) for stage in self.trace["stages"] if "trials" in stage]

    def shells(self, script: str) -> list[dict[str, Any]]:
        return [shell for shell in self.trace["shells"] if script in shell["script"]]

    @cached_property
    def sweeps(self) -> list[Sweep]:
        ids = next(shell["env"]["HPT_SWEEPS"] for shell in self.trace["shells"] if shell["env"].get("HPT_SWEEPS"))
        return [Sweep(open_store(str(self.store)), id) for id in ids.split()]

    @property
    def sweep(self) -> Sweep:
        (sweep,) = self.sweeps
        return sweep

    def rows(self) -> dict[str, results.Row]:
        rows = results.read_csv((self.home / "artifacts/results.csv").read_bytes())
        return {row["trial"]: row for row in rows}

    def attempts(self) -> dict[str, int]:
        """The number of attempts of each trial."""
        counts: dict[str, set[str]] = {}
        for entry in self.sweep.store.entries(self.sweep.key("trials/")):
            parts = entry.key.removeprefix(self.sweep.key("trials/")).split("/")
            if parts[1] == "attempts":
                counts.setdefault(parts[0], set()).add(parts[2])
        return {trial: len(attempts) for trial, attempts in counts.items()}


class Controller:
    """Runs builds without containers, with a directory as store.

    With a nursery, `hpt` and quick trials are forked from it, so that they start at once.
    """

    def __init__(self, home: Path, nursery: Nursery | None = None) -> None:
        self.home = home
        self._nursery = nursery
        self.source = home / "source"
        self.store = home / "store"
        self._builds = 0
        self._copy_source()
        self.data = home / "rows.csv"
        _write_rows(self.data)

    def _copy_source(self) -> None:
        for name in ("bin", "docker", "hpt", "pipeline", "specs"):
            if (ROOT / name).exists():
                shutil.copytree(ROOT / name, self.source / name, ignore=shutil.ignore_patterns("__pycache__"))
        # All machines use the environment of the tests, with the code of the workspace.
        self.script("bin/environment", "mkdir -p .venv/bin && cp bin/.hpt .venv/bin/hpt\n")
        self.start_from(self._nursery)

    def start_from(self, nursery: Nursery | None) -> None:
        """Forks further processes from this nursery, or starts them anew for None."""
        self._nursery = nursery
        # `hpt doctor` takes seconds, and has its own tests.
        hpt = shlex.join(nursery.command("hpt") if nursery else (sys.executable, "-m", "pipeline.cli"))
        self.script("bin/.hpt", f'[ "$1" = doctor ] || exec {hpt} "$@"\n')

    def script(self, path: str, text: str) -> None:
        """Writes a script into the source that builds check out."""
        file = self.source / path
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(f"#!/bin/sh\nset -eu\n{text}")
        file.chmod(0o755)

    def quick_trials(
        self, path: str = "bin/trial", failing: str = "", at_most: int = 1000, seconds_each: float = 0
    ) -> None:
        """Replaces trials by ones that train nothing. `failing` fails; after `at_most` trials, none can run."""
        script = str(Path(__file__).with_name("quick_trial.py"))
        quick = shlex.join(self._nursery.command(script) if self._nursery else (sys.executable, script))
        self.script(
            path,
            f"""[ "$*" != doctor ] || exit 0
[ "$(ls -d "$HPT_STORE"/sweeps/*/trials/* 2>/dev/null | wc -l)" -lt {at_most} ] || exit 3
SECONDS_EACH={seconds_each} FAILING={failing} PYTHONPATH=. exec {quick}
""",
        )

    def spec(self, **changes: Any) -> str:
        return json.dumps(
            {
                "architecture": "bag-of-words",
                "data": {
                    "path": str(self.data),
                    "date": "day",
                    "numeric": ["x"],
                    "categorical": ["kind"],
                    "target": "y",
                },
                # Each trial has its own range, and so its own pack.
                "date-range": [[f"2024-0{month}-01", f"2024-0{month + 2}-01"] for month in range(1, 5)],
                "training": {"max-epochs": 2, "epoch-steps": 1},
                "search": {"experiments": 1},
                "confirm": {"ranges": 0},
                "references": False,
                "parameters": {"batch_size": [1024, 512, 256]},
                **changes,
            }
        )

    def build(
        self,
        *,
        registered: bool = True,
        jenkinsfile: Path = ROOT / "Jenkinsfile",
        within_s: float = 240,
        **scenario: Any,
    ) -> Build:
        self._builds += 1
        home = self.home / f"build-{self._builds}"
        home.mkdir()
        params = {"CONTAINER": "none", "STORE": str(self.store), "LANES": "2"} | scenario.pop("params", {})
        described = {
            "home": str(home),
            "source": str(self.source),
            "commit": COMMIT,
            "tag": f"jenkins-{self.home.name}-{self._builds}",
            "registered": registered,
            "agents": AGENTS,
            "params": params,
            **scenario,
        }
        (home / "scenario.json").write_text(json.dumps(described))
        command = ["groovy", "-cp", str(_harness()), "-e", "Run.main(args)"]
        command += [str(jenkinsfile), str(home / "scenario.json")]
        environment = _java() | {"OMP_NUM_THREADS": "1"}
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=within_s, check=False)
        assert (home / "build.json").exists(), ran.stdout + ran.stderr
        return Build(home, self.store)


class TeamController(Controller):
    """Runs builds in a team's repository, where this checkout cannot be found: machines install `hpt` from a wheel.

    `make_repository` writes the repository, with its Jenkinsfile, into the folder that builds check out.
    """

    def __init__(self, home: Path, packages: Environment, make_repository: Callable[[Path], object]) -> None:
        self._make_repository = make_repository
        super().__init__(home)
        self._machines = {"HPT_PACKAGES": str(packages.folder), "PIP_NO_INDEX": "1", "PIP_NO_COMPILE": "1"}

    def _copy_source(self) -> None:
        self._make_repository(self.source)

    def run(self, within_s: float = 240, **params: str) -> Build:
        return self.build(
            jenkinsfile=self.source / "Jenkinsfile",
            agents=ONE_MACHINE,
            env=self._machines,
            params={"LANES": "1"} | params,
            within_s=within_s,
        )


def _java() -> dict[str, str]:
    # A build is too short for the optimizing compiler to pay.
    return os.environ | {"JAVA_HOME": java_home() or "", "JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


@cache
def _harness() -> Path:
    """The harness, compiled once, which would take half of the time of a short build."""
    classes = Path(tempfile.mkdtemp(prefix="hpt-harness-"))
    atexit.register(shutil.rmtree, classes, ignore_errors=True)
    sources = map(str, HARNESS.glob("*.groovy"))
    subprocess.run(["groovyc", "-cp", str(HARNESS), "-d", str(classes), *sources], env=_java(), check=True)
    return classes


def _write_rows(path: Path) -> None:
    draw = random.Random(1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["day", "x", "kind", "y"])
        for number in range(185 * 5):  # five rows a day
            day = datetime.date(2024, 1, 1) + datetime.timedelta(days=number // 5)
            x, kind = draw.random(), draw.choice("ab")
            writer.writerow([day, x, kind, 3 * x + (kind == "a") + draw.random()])


@pytest.fixture(scope="session", autouse=True)
def _needs_groovy() -> None:
    if shutil.which("groovy") is None or java_home() is None:
        pytest.skip("the Jenkinsfile runs on Groovy: Debian has it as the package `groovy`")


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """A controller with the real `hpt` of the workspace's code."""
    return Controller(tmp_path_factory.mktemp("controller"))


@pytest.fixture
def fresh(tmp_path: Path, nursery: Nursery) -> Controller:
    return Controller(tmp_path, nursery)
