// Written by `python -m pipeline.jenkins.render` from pipeline/jenkins/: do not edit it by hand.
// Runs one sweep, or one per architecture. Python decides; Groovy passes files and calls `hpt`. Read it from `stages`
// down: Image makes the image, Validate checks the parameters, Plan gets packs of trials from Python, Trials lets lanes
// take packs from one list until a new plan is empty, Summary publishes. docs/jenkins.md tells how to set up a controller.
import groovy.transform.Field

// The state of the build, which survives the loss of any machine. It is one map, whose entries change: if a closure
// assigned to the field itself, functions would not see the change. Branches can switch at every step and at every call
// of a function below, so each read and change of the state is one statement without such a call.
@Field Map batch = [
    settings: [:],      // of the check: protocol, label, lanes, store, sweeps, retry, judge, code
    image: '',          // from the Image stage
    sweeps: '',         // the ids of the sweeps that this build runs, with spaces between
    commit: '',         // the commit that every machine gets
    hasSource: false,   // true once the source is stashed
    plan: '',           // the last plan, as Python wrote it
    hasWaited: false,   // true if that plan had to wait for other runners
    waiting: [],        // lines of plans that no lane has taken: id, label, image, minutes, trials, sweep, between tabs
    failures: [],       // a line for each pack that could not run, written by `note`
    ended: 0,           // packs whose trials have rows now
    label: '',          // label expression of the machines that get packs, without those that get no more
    asking: [:],        // machines with a failure that Python has not decided about yet
    left: [:],          // machines that get no more packs
    seen: [:],          // machines that a lane has been on -> packs that ended there
    summarized: false,
]

def call() {
pipeline {
    agent none
    options {
        skipDefaultCheckout()
        timestamps()
    }
    parameters {
        string(name: 'SPEC', defaultValue: 'specs/first.json', trim: true,
            description: 'WHAT TO TUNE (these five are enough for most). The spec of the sweep: a path in this repository, inside specs/.')
        string(name: 'ARCHITECTURE', defaultValue: '', trim: true,
            description: 'An architecture to tune automatically, without any spec; or several with commas between, or all, to compare them. Given, it is used instead of SPEC.')
        string(name: 'BUDGET', defaultValue: '', trim: true,
            description: 'What it may cost, for each architecture: device-hours=2, or several like trials=200 hours=8. Empty: what the spec says.')
        string(name: 'LANES', defaultValue: '4', trim: true,
            description: 'How many packs of trials run at a time: at most the executors of the machines with LABEL.')
        string(name: 'SWEEP', defaultValue: '', trim: true,
            description: 'The id of a sweep to go on with, or several with spaces between. Only what has no row yet runs; the spec is not read.')
        booleanParam(name: 'RETRY', defaultValue: false,
            description: 'MORE ABOUT WHAT TO TUNE. With SWEEP: trials that failed run again, too.')
        string(name: 'JUDGE', defaultValue: '', trim: true,
            description: 'due: judge all claims that have a new date range; or a claim\'s id. Given, no spec is read.')
        text(name: 'SPEC_JSON', defaultValue: '',
            description: 'The spec itself, as JSON. Given, it is used instead of SPEC.')
        string(name: 'DATA', defaultValue: '', trim: true,
            description: 'Data where no spec names any: flights, or the JSON of a data key. Empty: what hpt.toml says.')
        choice(name: 'MODE', choices: ['spec', 'full', 'short', 'automatic'],
            description: 'How to tune: as the spec says, or with all data, or cheaply first, or automatically.')
        string(name: 'EXPERIMENTS', defaultValue: '', trim: true,
            description: 'How many settings to try. Empty: what the spec says.')
        string(name: 'AS_OF', defaultValue: '', trim: true,
            description: 'The day that counts as today for date ranges, like 2026-06-14. Empty: the spec\'s, or today.')
        string(name: 'NOTES', defaultValue: '', trim: true,
            description: 'A line about why this sweep runs, for its summary.')
        choice(name: 'CONTAINER', choices: ['docker', 'none'],
            description: 'WHERE IT RUNS. How trials run: in a container, or with the Python of the machine.')
        string(name: 'LABEL', defaultValue: 'gpu', trim: true,
            description: 'Label of the machines that run trials.')
        string(name: 'LIGHT_LABEL', defaultValue: 'light || !gpu', trim: true,
            description: 'Label of the machines that plan and summarize; they need no GPU.')
        string(name: 'IMAGE', defaultValue: '', trim: true,
            description: 'The image for trials. Empty: the one made from this commit.')
        string(name: 'STORE', defaultValue: '', trim: true,
            description: 'Where results go: gs://bucket/prefix, or a directory on all machines. Empty: HPT_STORE.')
        string(name: 'REQUEST_ID', defaultValue: '', trim: true,
            description: 'Set by programs that trigger builds, to find theirs again. Leave it empty.')
    }
    environment {
        // A job's first build has no shell variables of its parameters yet: bound here, they have their defaults. An empty
        // parameter becomes no variable at all: `env` has null for it.
        SPEC = "${params.SPEC}"
        ARCHITECTURE = "${params.ARCHITECTURE}"
        BUDGET = "${params.BUDGET}"
        LANES = "${params.LANES}"
        SWEEP = "${params.SWEEP}"
        RETRY = "${params.RETRY}"
        JUDGE = "${params.JUDGE}"
        SPEC_JSON = "${params.SPEC_JSON}"
        DATA = "${params.DATA}"
        MODE = "${params.MODE}"
        EXPERIMENTS = "${params.EXPERIMENTS}"
        AS_OF = "${params.AS_OF}"
        NOTES = "${params.NOTES}"
        CONTAINER = "${params.CONTAINER}"
        LABEL = "${params.LABEL}"
        LIGHT_LABEL = "${params.LIGHT_LABEL}"
        IMAGE = "${params.IMAGE}"
        STORE = "${params.STORE}"
        REQUEST_ID = "${params.REQUEST_ID}"
        HPT_IMAGE_PARAM = "${params.IMAGE}"
        // Only an administrator may set these. If a controller lets undeclared parameters through, the check refuses them.
        HPT_FORGED = "${params.HPT_ALLOW_INLINE_CODE} ${params.HPT_STORES} ${params.HPT_DATA_ROOTS}"
    }
    stages {
        stage('Image') {
            when { environment name: 'CONTAINER', value: 'docker' }
            steps { script { makeImage() } }
        }
        stage('Validate') {
            steps { script { validate() } }
        }
        stage('Plan') {
            steps { script { startSweeps() } }
        }
        stage('Trials') {
            steps { script { runRounds() } }
        }
        stage('Summary') {
            // Without a claim to judge, there is nothing to summarize.
            steps { script { if (batch.sweeps) { summarize() } } }
        }
    }
    post {
        always {
            // After a failure or an abort, no stage publishes the finished trials.
            script { if (batch.sweeps && !batch.summarized) { summarize() } }
        }
    }
}
}

/** Builds the image, or finds it; a tag is resolved to its present digest. */
def makeImage() {
    onMachine(env.LABEL) {
        sh '"$HPT_HOME/docker/image" > image.txt'
        batch.image = readFile('image.txt').trim()
        echo "image: ${batch.image}"
    }
}

/** Checks the parameters, and prints what would run. */
def validate() {
    onMachine(env.LIGHT_LABEL) {
        sh '"$HPT_HOME/bin/hpt" jenkins-check build'
        Map settings = parseSettings(readFile(file: 'build/settings.txt', encoding: 'UTF-8'))
        if (settings.protocol != '2') {
            error "this pipeline and its hpt do not fit together (protocol 2 and ${settings.protocol}): " +
                'take both from the same version'
        }
        if (!settings.sweeps && !settings.judge) {
            sh 'for spec in build/specs/*.json; do "$HPT_HOME/bin/hpt" validate --no-data "$spec"; done'
            stash name: 'specs', includes: 'build/specs/*.json'
        }
        // Set last: if the machine is lost and this runs again, HPT_STORE must still be the administrator's.
        batch.label = settings.label
        batch.settings = settings
    }
}

/** Creates the sweeps, or finds those to go on with, and plans their first packs. */
def startSweeps() {
    batch.sweeps = batch.settings.sweeps
    if (batch.settings.judge) {
        onMachine(env.LIGHT_LABEL) { judgeClaims() }
        if (!batch.sweeps) {
            currentBuild.description = 'No claim has a date range that is new.'
            return
        }
    } else if (!batch.sweeps) {
        onMachine(env.LIGHT_LABEL) {
            unstash 'specs'
            String ids = sh(returnStdout: true,
                script: 'for spec in build/specs/*.json; do "$HPT_HOME/bin/hpt" plan "$spec" --lanes "$HPT_LANES"; done')
            batch.sweeps = ids.trim().replace('\n', ' ')
        }
    }
    currentBuild.description = "${batch.sweeps}: running"
    batch.plan = ask('')
}

/** Makes the sweeps that judge claims, or finds those begun before. Exit status 1: some claims could not be judged. */
def judgeClaims() {
    int status = sh(returnStatus: true,
        script: '"$HPT_HOME/bin/hpt" judge --plan "$HPT_JUDGE" ${AS_OF:+--as-of "$AS_OF"} > sweeps.txt')
    if (status != 0 && status != 1) {
        error "claims cannot be judged (status ${status})"
    }
    batch.sweeps = readFile(file: 'sweeps.txt', encoding: 'UTF-8').trim().replace('\n', ' ')
    if (status == 1) {
        mark('UNSTABLE', 'UNSTABLE', 'Some claims could not be judged; the lines above say why.')
    }
}

/** Plans a round, drains it, and plans again, until a round is empty. */
def runRounds() {
    while (batch.waiting) {
        drain()
        if (batch.waiting) {
            error "${batch.waiting.size()} packs could not be run: no machine with the label ${batch.settings.label} is " +
                "left (given up: ${batch.left.keySet().join(', ')}). When one works again, SWEEP=${batch.sweeps} goes on."
        }
        String before = batch.plan
        batch.plan = ask('')
        if (batch.waiting && batch.plan == before && !batch.hasWaited) {
            error "${batch.sweeps}: all packs ran, but ${batch.settings.store} has no rows of them: " +
                'do all machines see that store?'
        }
    }
}

/** Lets lanes empty the list of packs. */
def drain() {
    def lanes = [:]
    int count = Math.min(batch.settings.lanes.toInteger(), batch.waiting.size())
    for (int n = 1; n <= count; n++) {
        String name = "lane ${n}"
        lanes[name] = { lane(name) }
    }
    parallel lanes
}

/** Works on one machine after another. Leaves a machine after a failure, and asks Python what follows from it. */
def lane(String name) {
    Map own = [name: name, machine: '', failure: '']  // the lane, its present machine, and the failure there
    while (batch.waiting && someMachineIsLeft()) {
        own.machine = ''
        own.failure = ''
        boolean isHeld = holdMachine(batch.label) { work(own) }
        if (!isHeld && !own.failure) {
            note(own, 'lost', '')
        }
        if (own.failure) {
            try {
                ask(own.failure)
            } finally {
                batch.asking[own.machine] = false
            }
        } else if (batch.asking[own.machine] || batch.left[own.machine]) {
            sleep time: 10, unit: 'SECONDS'
        }
    }
}

/** True if a machine may still come: without any, Jenkins would wait forever. */
boolean someMachineIsLeft() {
    if (!batch.left) {
        return true
    }
    try {
        return !nodesByLabel(label: batch.label, offline: true).isEmpty()
    } catch (NoSuchMethodError noSuchStep) {
        // Without the plugin pipeline-utility-steps, the build knows only the machines that it has worked on.
        return batch.seen.size() > batch.left.size()
    }
}

/** Runs pack after pack on a machine, until none waits or one could not run. */
def work(Map own) {
    own.machine = env.NODE_NAME
    batch.seen[own.machine] = batch.seen[own.machine] ?: 0
    // While this lane waited for the machine, others may have taken the last pack.
    String next = batch.waiting ? batch.waiting[0] : ''
    if (!next || batch.left[own.machine] || batch.asking[own.machine] || !isReady(next.split('\t')[2], own)) {
        return
    }
    try {
        while (!own.failure && batch.waiting && !batch.left[own.machine]) {
            runPack(batch.waiting.remove(0), own)
        }
    } finally {
        if (env.CONTAINER == 'docker') {
            sh '"$HPT_HOME/docker/reap"'
        }
    }
}

/** Prepares the image or the environment on this machine, and tests its GPU before hours of work. False if it is not fit. */
boolean isReady(String image, Map own) {
    int status = -1
    withEnv(["HPT_IMAGE_PARAM=${image == '-' ? (env.IMAGE ?: '') : image}"]) {
        status = sh(returnStatus: true, script: '"$HPT_HOME/bin/ready"')
    }
    if (status != 0) {
        String why = fileExists('build/ready.txt') ? readFile(file: 'build/ready.txt', encoding: 'UTF-8').trim() : "ended with status ${status}"
        stage("${own.machine}: ${why}") { mark('SUCCESS', 'UNSTABLE', "${own.machine}: ${why}") }
        note(own, "${status}", '')
    }
    return status == 0
}

/** Runs one pack as a stage. With exit status 0 or 1 its trials have rows; with any other it could not run here. */
def runPack(String line, Map own) {
    String[] cells = line.split('\t')
    String status = 'lost'  // stays so if the machine is lost
    try {
        stage(cells[1]) {
            // A trial ends at its time limit, a pack at its deadline. This timeout lies above both, as it would end the
            // whole build.
            timeout(time: cells[3].toInteger() + 15, unit: 'MINUTES') {
                writeFile file: 'pack.tsv', text: "${line}\n", encoding: 'UTF-8'
                status = sh(returnStatus: true, script: 'exec "$HPT_HOME/bin/pack"').toString()
            }
            if (status == '1') {
                mark('UNSTABLE', 'FAILURE', "${cells[1]}: failed; its row, or the line above, says why")
            } else if (status != '0') {
                mark('SUCCESS', 'UNSTABLE', "${cells[1]}: could not run on ${own.machine} (status ${status})")
            }
        }
    } finally {
        if (status == '0' || status == '1') {
            batch.ended = batch.ended + 1
            batch.seen[own.machine] = batch.seen[own.machine] + 1
        } else {
            note(own, status, line)
        }
    }
}

/** Notes a failure on a machine. Without a line of the plan, the machine itself failed. */
def note(Map own, String status, String line) {
    int endedHere = batch.seen[own.machine] ?: 0
    own.failure = "${own.name}\t${batch.ended}\t${own.machine}\t${endedHere}\t${status}\t${line}".toString()
    batch.failures.add(own.failure)
    batch.asking[own.machine] = true
}

/**
 * Gets from Python what should run now: the rest of a round, the next round, or nothing. After a failure it gets the
 * consequence: trials that run again (together or apart) or are given up with rows, and machines that get no more packs.
 */
String ask(String failure) {
    Map answer = [lines: 'wait']
    batch.hasWaited = false
    String failures = (batch.failures + [failure]).join('\n')
    while (answer.lines == 'wait') {
        onMachine(env.LIGHT_LABEL) {
            writeFile file: 'failures.tsv', text: failures, encoding: 'UTF-8'
            sh '''
                "$HPT_HOME/bin/hpt" jenkins-plan "$HPT_SWEEPS" packs.tsv --failures failures.tsv \\
                    --lanes "$HPT_LANES" ${HPT_RETRY:+--retry} ${HPT_AGAIN:+--again}
            '''
            answer.lines = readFile(file: 'packs.tsv', encoding: 'UTF-8').trim()
        }
        if (answer.lines == 'wait') {
            batch.hasWaited = true
            sleep time: 1, unit: 'MINUTES'  // other runners train all unfinished trials
        }
    }
    String[] lines = answer.lines.split('\n')
    for (int i = 0; i < lines.length; i++) {
        take(lines[i], lines[i].split('\t'))
    }
    return answer.lines
}

/** Applies one line of Python's answer. */
def take(String line, String[] cells) {
    if (cells.length > 3) {
        batch.waiting.add(line)
    } else if (cells[0] == 'left') {
        batch.left[cells[1]] = true
        // The label only grows, and answers may come out of order: the longest is the newest.
        String present = batch.label
        if (cells[2].length() > present.length()) {
            batch.label = cells[2]
        }
    } else if (cells[0] == 'pause') {
        sleep time: 1, unit: 'MINUTES'
    } else if (cells[0] == 'given-up') {
        stage("given up: ${cells[1]}") { mark('UNSTABLE', 'FAILURE', "given up: ${cells[1]}") }
    }
}

/** Publishes the finished trials: page, table, a test case per trial, and the answer as the build's description. */
def summarize() {
    onMachine(env.LIGHT_LABEL) {
        int status = sh(returnStatus: true, script: '"$HPT_HOME/bin/hpt" publish "$HPT_SWEEPS" build/summary')
        if (status != 0 && status != 1) {
            error "${batch.sweeps}: cannot be summarized (status ${status})"
        }
        dir('build/summary') {
            currentBuild.description = readFile(file: 'description.txt', encoding: 'UTF-8').trim()
            archiveArtifacts artifacts: 'results.csv, summary.zip'
            publishHTML target: [reportName: 'Summary', reportDir: 'report', reportFiles: 'index.html',
                keepAll: true, alwaysLinkToLastBuild: true, allowMissing: false]
            junit testResults: 'junit.xml', allowEmptyResults: true
        }
        if (status == 1) {
            mark('UNSTABLE', 'UNSTABLE', 'Some trials failed; the summary says which, and why.')
        }
    }
    batch.summarized = true
}

/** Sets the result of a stage and of the build without ending them. An abort passes through. */
def mark(String buildResult, String stageResult, String why) {
    catchError(buildResult: buildResult, stageResult: stageResult, catchInterruptions: false, message: why) {
        error why
    }
}

/** Runs `body` on a machine. If the machine is lost, it starts again on another. */
def onMachine(String label, Closure body) {
    int lost = 0
    while (!holdMachine(label, body)) {
        lost = lost + 1
        if (lost == 3) {
            error 'three machines in a row were lost: the lines above say which'
        }
    }
}

/** Runs `body` on a machine with this build's source. False if the machine was lost meanwhile. */
boolean holdMachine(String label, Closure body) {
    // `retry` starts its block again after the loss of the machine. The second time the block does nothing, so that the
    // caller decides.
    Map attempt = [number: 0]
    retry(count: 2, conditions: [agent(), nonresumable()]) {
        attempt.number = attempt.number + 1
        if (attempt.number == 1) {
            node(label ?: '') {
                takeSource()
                Map settings = batch.settings
                withEnv(["HPT_HOME=${findHome()}", "HPT_SWEEPS=${batch.sweeps}",
                         "HPT_STORE=${settings.store ?: env.HPT_STORE ?: ''}",
                         "HPT_GIT_COMMIT=${batch.commit}", "HPT_IMAGE_MADE=${batch.image}", "HPT_CODE=${settings.code ?: ''}",
                         "HPT_LANES=${settings.lanes ?: ''}", "HPT_RETRY=${settings.retry ?: ''}",
                         "HPT_JUDGE=${settings.judge ?: ''}", "HPT_AGAIN=${batch.plan ? 'yes' : ''}"]) {
                    withBucket(body)
                }
            }
        }
    }
    return attempt.number == 1
}

/** Checks the source out once and stashes it for all machines: a branch that moves during the build changes nothing. */
def takeSource() {
    // Files of an earlier build, of another commit, would be stashed for all machines, or planned again. Hidden files
    // stay, above all the environment.
    sh 'find . -mindepth 1 -maxdepth 1 ! -name ".*" ! -name hpt-store ! -name "*.egg-info" -exec rm -rf {} +'
    if (batch.hasSource) {
        unstash 'source'
    } else {
        batch.commit = checkout(scm).GIT_COMMIT ?: ''
        stash name: 'source', excludes: '.venv/**, .environment.lock, .hpt/**, **/__pycache__/**, hpt-store/**, *.egg-info/**'
        batch.hasSource = true
    }
}

/** The folder of `bin/hpt` and of the other scripts on this machine. */
String findHome() {
    writeFile file: '.hpt/start', text: startScript(), encoding: 'UTF-8'
    return sh(returnStdout: true, script: 'sh .hpt/start').trim()
}

/** Runs `body` with the key of the bucket, if HPT_CREDENTIALS of the controller or the machine names one. */
def withBucket(Closure body) {
    if (env.HPT_CREDENTIALS) {
        withCredentials([file(credentialsId: env.HPT_CREDENTIALS, variable: 'GOOGLE_APPLICATION_CREDENTIALS')]) {
            body()
        }
    } else {
        body()
    }
}

/** The lines `name=value` as a map. */
Map parseSettings(String text) {
    Map settings = [:]
    String[] lines = text.trim().split('\n')
    for (int i = 0; i < lines.length; i++) {
        int at = lines[i].indexOf('=')
        settings[lines[i].substring(0, at)] = lines[i].substring(at + 1)
    }
    return settings
}

/** The script for a machine without hpt. It prints the folder of `bin/hpt`. */
String startScript() {
    return '''#!/bin/sh
# Prints the folder that holds bin/ and docker/ of hpt on this machine. In a checkout of hpt itself that is the current
# folder. In any other repository it is an environment below .hpt/ with the version that hpt.toml names. If that cannot be
# made, it is a folder of scripts that fail with the reason. Called in the workspace; needs Python 3.11 or newer with
# venv, and no root.
set -u
if [ -x bin/hpt ] && [ -f pipeline/jenkins/sweep.groovy ]; then
    echo .
    exit
fi
mkdir -p .hpt || exit

find_python() {
    for candidate in ${PYTHON:-} ${HPT_PACKAGES:+"$HPT_PACKAGES/bin/python3"} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c \'import sys; sys.exit(sys.version_info < (3, 11))\' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if python=$(find_python); then
    "$python" -I - <<\'PYTHON\' && exit
"""Makes an environment below `.hpt/` with the `hpt` that hpt.toml names, and prints the folder that holds its `bin/`.

It is a part of `start.sh`, which a build brings to machines without hpt, so it uses only the standard library. The
requirements of `hpt` and of the team are installed later, by `fill.py` of that version. The exit status is never 1,
which means that trials failed.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

FOLDER = Path(".hpt").absolute()
PACKAGE_LISTS = (
    "requirements*.txt",
    "requirements/**/*.txt",
    "constraints*.txt",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
)
"""Files of the team that name packages: a change makes another environment."""
_UNUSED_FOR_S = 14 * 24 * 3600
"""Environments that were not used for so long are removed."""


def main() -> None:
    requirement = pinned()
    packages = os.environ.get("HPT_PACKAGES", "")
    folder = FOLDER / f"venv-{fingerprint(requirement, packages)}"
    with locked(FOLDER / "lock"):
        if not (folder / "home").is_dir():
            make(folder, requirement, packages)
    os.utime(folder)
    for other in FOLDER.glob("venv-*"):
        if time.time() - other.stat().st_mtime > _UNUSED_FOR_S:
            shutil.rmtree(other, ignore_errors=True)
    print(folder / "home")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock among executors and agents that share a folder: one makes the environment, the others wait."""
    with path.open("a") as lock:
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pinned() -> str:
    """The requirement of hpt in hpt.toml."""
    try:
        requirement = tomllib.loads(Path("hpt.toml").read_text(encoding="utf-8-sig")).get("hpt")
    except (OSError, ValueError) as error:
        fail(2, f"not ready: hpt.toml cannot be read: {error}")
    if not isinstance(requirement, str) or not requirement.strip() or requirement.strip().startswith("-"):
        fail(2, \'not ready: hpt.toml names no version of hpt: hpt = "hpt==…", or a wheel, or its address\')
    return requirement.strip()


def fingerprint(requirement: str, packages: str) -> str:
    """A hash of all that an environment is made of, its place included: it cannot be moved."""
    digest = hashlib.sha256(f"{requirement}\\0{packages}\\0{FOLDER}\\0{sys.version}\\0".encode())
    files = {path for pattern in PACKAGE_LISTS for path in Path().glob(pattern) if path.is_file()}
    # Lists of requirements may name wheels of the repository, which can change under the same name.
    lists = (path.read_text(encoding="utf-8", errors="replace") for path in files if path.suffix == ".txt")
    words = [requirement.partition("[")[0], *(word for text in lists for word in text.split())]
    for path in sorted(files | {Path(word) for word in words if os.path.isfile(word)}):
        digest.update(f"{path}\\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def make(folder: Path, requirement: str, packages: str) -> None:
    """Makes an environment with `hpt` alone; `home/` in it, made last, marks it as complete."""
    shutil.rmtree(folder, ignore_errors=True)
    python = folder / "bin/python"
    venv = [sys.executable, "-I", "-m", "venv", *(["--without-pip"] if packages else []), str(folder)]
    run(venv, 3, "not fit: no virtual environment can be made; on Debian and Ubuntu: apt install python3-venv")
    if packages:
        path = Path(packages_of(python), "packages.pth")
        path.write_text(f"{packages_of(Path(packages, \'bin/python3\'))}\\n", encoding="utf-8")
    pip = [str(python), "-P", "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    pip += ["--no-build-isolation"] if packages else []
    run([*pip, requirement], 3, f"not ready: pip cannot install {requirement}")
    find = [str(python), "-I", "-c", "from hpt.provenance import home; print(home())"]
    home = run(find, 3, f"not ready: {requirement} is no hpt that installs itself on machines").strip()
    unfinished = folder / "home.unfinished"
    shutil.copytree(home, unfinished)
    unfinished.replace(folder / "home")


def packages_of(python: Path) -> str:
    """The folder of a Python\'s packages."""
    command = [str(python), "-I", "-c", "import sysconfig; print(sysconfig.get_path(\'purelib\'))"]
    return run(command, 3, f"not fit: {python} does not start").strip()


def run(command: Sequence[str], status: int, reason: str) -> str:
    """The output of a program. If it fails, this program ends with `status` and `reason`."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode != 0:
        if "No space left on device" in done.stderr:
            fail(3, "not fit: No space left on device")
        fail(status, reason)
    return done.stdout


def fail(status: int, reason: str) -> NoReturn:
    """Writes the reason into the file that `start.sh` reads, and ends this program."""
    (FOLDER / "why").write_text(f"{reason}\\n", encoding="utf-8")
    sys.exit(status)


if __name__ == "__main__":
    try:
        main()
    except OSError as problem:
        is_full = problem.errno == errno.ENOSPC
        fail(3, f"not {\'fit\' if is_full else \'ready\'}: {problem}")
PYTHON
    status=$?
    # A Python that breaks down ends with 1, which would mean that trials failed.
    if [ "$status" -eq 1 ]; then status=3; fi
else
    echo "not fit: no Python 3.11 or newer: install one, or name it with PYTHON=/path/to/python3" >.hpt/why
    status=3
fi
rm -rf .hpt/unfit
mkdir -p .hpt/unfit/bin .hpt/unfit/docker
mv .hpt/why .hpt/unfit/why 2>/dev/null || echo "not ready: the environment could not be made" >.hpt/unfit/why
for script in bin/hpt bin/ready docker/image; do
    code=$status
    # Like bin/ready of a machine with hpt: 1 if the cause may lie elsewhere and pass.
    case $script,$status,$(cat .hpt/unfit/why) in \'bin/ready,3,not ready\'*) code=1 ;; esac
    cat >".hpt/unfit/$script" <<SCRIPT
#!/bin/sh
mkdir -p build
cp "\\$(dirname "\\$0")/../why" build/ready.txt
echo "hpt: \\$(cat build/ready.txt)" >&2
exit $code
SCRIPT
    chmod +x ".hpt/unfit/$script"
done
echo "$PWD/.hpt/unfit"
'''
}
