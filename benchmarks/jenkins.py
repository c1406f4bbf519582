"""Compares the Jenkinsfile with `hpt run`: the quickstart, and a round of 200 one-second trials.

Both get the same checkout, a ready environment, the same lanes, and a folder as the store. The Jenkinsfile runs in the
harness of tests/jenkinsfile: on Groovy, with real shells, doctors and trainings, but without the time of a controller
for steps, agents and stashes.

With JENKINS_URL, JENKINS_USER, JENKINS_TOKEN and JENKINS_JOB, as for `hpt trigger`, a real controller runs both specs
as well, as committed in its repository. The ratio means something only if this machine is its agent.

    python -m benchmarks.jenkins [--lanes 2] [--trials 200] [--only quickstart|round] [--set NAME=VALUE …]

Bounds: the quickstart 1.6 times `hpt run` and 20 s (docker: 30 s); the round 1.5 s a trial and lane; 12 lines of
Jenkins' own steps a pack.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.jenkins.follow import Patience
from pipeline.jenkins.trigger import trigger
from pipeline.screen.build import Count
from tests.jenkinsfile.conftest import COMMIT, HARNESS, java_home

ROOT = Path(__file__).parents[1]
SPECS = {"quickstart": "specs/quickstart.json", "round": "specs/benchmarks/seconds.json"}
RATIO, MORE_SECONDS, ROUND_SECONDS, LINES = 1.6, {"none": 20.0, "docker": 30.0}, 1.5, 12.0
# A build that takes longer is stuck.
SECONDS_AT_MOST = 3600.0
# `timestamps()` writes a time before each line.
STEP = re.compile(r"(^|\s)\[Pipeline\] ")
# The command that starts a pack's process, in a script of the Jenkinsfile and as `sh -x` writes it.
PACK = re.compile(r"exec \"?(\S*/)?(bin|docker)/(pack|trial)\"?$")


@dataclass(frozen=True)
class Measured:
    """One run of a spec. None: unknown for this kind of run."""

    name: str
    seconds: float
    trials: int
    processes: int | None = None
    """Processes that trained: packs, or lanes."""
    shells: int | None = None
    lines: int | None = None
    """Lines of Jenkins' own steps, between the first pack and the last."""


def checkout(folder: Path, trials: int) -> Path:
    """A copy of this checkout that runs on this Python, and whose round has so many trials."""
    names = ("bin", "docker", "examples", "jobs", "pipeline", "specs")
    for name in names:
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / SPECS["round"]
    spec = json.loads(path.read_text())
    spec["search"]["experiments"] = trials
    path.write_text(json.dumps(spec))
    environment = folder / "bin/environment"
    environment.write_text(
        "#!/bin/sh\nset -eu\n"
        'cd "$(dirname "$0")/.." && mkdir -p .venv/bin\n'
        f"printf '%s\\n' '#!/bin/sh' 'exec {sys.executable} -m pipeline.cli \"$@\"' >.venv/bin/hpt\n"
        "chmod +x .venv/bin/hpt\n"
    )
    return folder


def few_variables() -> dict[str, str]:
    """The environment of an agent's process, for both sides."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def rows(store: Path) -> int:
    return len(list(store.glob("sweeps/*/trials/*/result*.csv")))


def by_hpt_run(spec: str, lanes: int, trials: int, folder: Path) -> Measured:
    source, store = checkout(folder / "source", trials), folder / "store"
    command = ["bin/hpt", "run", spec, "--lanes", str(lanes), "--store", str(store)]
    began = time.monotonic()
    ran = subprocess.run(command, cwd=source, env=few_variables(), capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if ran.returncode:
        sys.exit(f"hpt run ended with {ran.returncode}:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return Measured("hpt run", seconds, rows(store), lanes)


def in_harness(spec: str, lanes: int, trials: int, folder: Path) -> Measured:
    groovy, java = shutil.which("groovy"), java_home()
    if groovy is None or java is None:
        sys.exit("the Jenkinsfile runs on Groovy: Debian has it as the package `groovy`")
    home, store = folder / "build", folder / "store"
    home.mkdir(parents=True)
    agents = [{"name": "small", "labels": "light"}]
    agents += [{"name": f"gpu-{number}", "labels": "gpu"} for number in range(1, lanes + 1)]
    scenario = {
        "home": str(home),
        "source": str(checkout(folder / "source", trials)),
        "commit": COMMIT,
        "tag": "jenkins-benchmark-1",
        "registered": True,
        "agents": agents,
        "params": {"SPEC": spec, "CONTAINER": "none", "STORE": str(store), "LANES": str(lanes)},
    }
    (home / "scenario.json").write_text(json.dumps(scenario))
    command = [groovy, "-cp", str(HARNESS), str(HARNESS / "Run.groovy"), str(ROOT / "Jenkinsfile")]
    environment = few_variables() | {"JAVA_HOME": java, "JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    began = time.monotonic()
    ran = subprocess.run(
        [*command, str(home / "scenario.json")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_AT_MOST,
        check=False,
    )
    seconds = time.monotonic() - began
    log = (home / "log.txt").read_text(errors="replace") if (home / "log.txt").exists() else ""
    trace = json.loads((home / "build.json").read_text()) if (home / "build.json").exists() else {"result": None}
    if trace["result"] != "SUCCESS":
        sys.exit(f"the build ended with {trace['result']}:\n{log[-3000:]}{ran.stderr[-2000:]}")
    packs = sum(1 for shell in trace["shells"] if PACK.search(shell["script"].strip()))
    return Measured("Jenkinsfile in its harness", seconds, rows(store), packs, len(trace["shells"]), step_lines(log))


@dataclass
class Log:
    """Keeps a build's log, and prints its notes."""

    lines: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def log(self, lines: list[str]) -> None:
        self.lines += lines


def on_controller(spec: str, lanes: int, settings: list[str], patience: Patience = Patience()) -> Measured:  # noqa: B008
    view = Log()
    # Only the path goes to the controller: the spec is committed in its repository.
    parameters = {"SPEC": spec, "LANES": str(lanes), "CONTAINER": "none"}
    parameters |= dict(setting.split("=", 1) for setting in settings)
    outcome = trigger(parameters, view, wait=True, patience=patience)
    if outcome.result != "SUCCESS" or outcome.seconds is None:
        sys.exit(f"{outcome}\n" + "\n".join(view.lines[-30:]))
    count = Count()
    counts = [now for line in view.lines if (now := count.read(line))]
    if not counts:
        sys.exit("the log does not say `trials: 3 of 20`: is that job the sweep job?")
    packs = sum(1 for line in view.lines if re.search(r"(^|\s)\+ exec ", line) and PACK.search(line.rstrip()))
    lines = step_lines("\n".join(view.lines))
    shells = sum(1 for line in view.lines if line.rstrip().endswith("[Pipeline] sh")) or None
    return Measured(
        f"Jenkins at {os.environ['JENKINS_URL']}", outcome.seconds, counts[-1][0], packs or None, shells, lines
    )


def step_lines(log: str) -> int | None:
    """Lines of Jenkins' own steps in the stage Trials; None if the log has none at all, as in the harness."""
    lines = log.splitlines()
    if not any(STEP.search(line) for line in lines):
        return None
    begin = next((at for at, line in enumerate(lines) if "[Pipeline] { (Trials)" in line), 0)
    end = next((at for at, line in enumerate(lines) if "[Pipeline] { (Summary)" in line), len(lines))
    return sum(1 for line in lines[begin:end] if STEP.search(line))


def verdict(name: str, ran: Measured, base: Measured, lanes: int, container: str) -> list[str]:
    """A line for each bound: the value, and whether it holds."""
    lines = []
    if name == "quickstart":
        bound = RATIO * base.seconds + MORE_SECONDS[container]
        ratio = ran.seconds / base.seconds
        lines.append(
            f"{ratio:.2f} times hpt run; at most {RATIO} times and {MORE_SECONDS[container]:.0f} s are {bound:.0f} s: "
            f"{held_or_missed(ran.seconds <= bound)}"
        )
    else:
        each = ran.seconds * lanes / ran.trials
        lines.append(
            f"{each:.2f} s a trial and lane; at most {ROUND_SECONDS} s: {held_or_missed(each <= ROUND_SECONDS)}"
        )
    if ran.processes and ran.lines is not None:
        each = ran.lines / ran.processes
        lines.append(
            f"{each:.1f} lines of Jenkins' own steps a pack; at most {LINES:.0f}: {held_or_missed(each <= LINES)}"
        )
    return lines


def held_or_missed(holds: bool) -> str:
    return "held" if holds else "MISSED"


def show(name: str, runs: list[Measured], lanes: int, container: str) -> None:
    print(f"\n{SPECS[name]}, {lanes} lanes")
    print(f"{'':<44}{'seconds':>9}{'trials':>8}{'s/trial/lane':>14}{'processes':>11}{'shells':>8}{'step lines':>12}")
    for run in runs:
        cells = [f"{value:,}" if value is not None else "-" for value in (run.processes, run.shells, run.lines)]
        each = run.seconds * lanes / run.trials
        print(
            f"{run.name[:43]:<44}{run.seconds:>9.1f}{run.trials:>8}{each:>14.2f}{cells[0]:>11}{cells[1]:>8}{cells[2]:>12}"
        )
    for run in runs[1:]:
        for line in verdict(name, run, runs[0], lanes, container):
            print(f"  {run.name}: {line}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--trials", type=int, default=200, help="of the round; a controller runs what is committed")
    parser.add_argument("--only", choices=sorted(SPECS))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of builds on the controller")
    options = parser.parse_args()
    container = "docker" if "CONTAINER=docker" in options.set else "none"
    for name in [options.only] if options.only else SPECS:
        spec = SPECS[name]
        runs = []
        for measure in (by_hpt_run, in_harness):
            print(f"{spec}: {measure.__name__.replace('_', ' ')}", flush=True)
            with tempfile.TemporaryDirectory(prefix="hpt-benchmark-") as folder:
                runs.append(measure(spec, options.lanes, options.trials, Path(folder)))
        if os.environ.get("JENKINS_URL"):
            print(f"{spec}: on the controller", flush=True)
            runs.append(on_controller(spec, options.lanes, options.set))
        show(name, runs, options.lanes, container)


if __name__ == "__main__":
    main()
