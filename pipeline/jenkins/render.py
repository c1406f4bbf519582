"""Renders `sweep.groovy` and `parameters.py` into the Jenkinsfile, the shared library and `jobs/sweep.yaml`.

Run `python -m pipeline.jenkins.render` in a checkout after a change of one of them. The Jenkinsfile is for this
repository. Other repositories use the library, `@Library('hpt') _` and `hptSweep()`, or a `standalone()` Jenkinsfile
where no library can be added.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.jenkins.check import PROTOCOL
from pipeline.jenkins.job_yaml import job_yaml
from pipeline.jenkins.parameters import PARAMETERS, JobParameter, Kind
from pipeline.provenance import home

FIRST_SPEC = "specs/first.json"
"""The default of SPEC in a team's repository: `hpt init` writes that file."""
_HERE = Path(__file__).parent
_WRITTEN = "// Written by `python -m pipeline.jenkins.render` from pipeline/jenkins/: do not edit it by hand.\n"
_WRITTEN_FOR_A_TEAM = "// Written by `hpt init --standalone`: do not edit it by hand; a later version writes its own.\n"
_STEPS = {Kind.STRING: "string", Kind.TEXT: "text", Kind.CHOICE: "choice", Kind.BOOLEAN: "booleanParam"}
_RETURN_CHECKOUT = "    return '.'\n"
_RUN_START_SCRIPT = """\
    writeFile file: '.hpt/start', text: startScript(), encoding: 'UTF-8'
    return sh(returnStdout: true, script: 'sh .hpt/start').trim()
"""


def rendered() -> dict[str, str]:
    """The rendered files: path in the checkout -> text."""
    return {"Jenkinsfile": jenkinsfile(), "jobs/library/vars/hptSweep.groovy": library(), "jobs/sweep.yaml": job_yaml()}


def parameters_of_a_team() -> list[JobParameter]:
    """The parameters of a job in a team's repository."""
    return [replace(each, default=FIRST_SPEC) if each.name == "SPEC" else each for each in PARAMETERS]


def jenkinsfile() -> str:
    """The pipeline of this repository, whose machines run `hpt` from the checkout."""
    return _WRITTEN + _pipeline(PARAMETERS, _RETURN_CHECKOUT)


def standalone() -> str:
    """The pipeline of a team's repository, whose machines install the version of `hpt` in hpt.toml."""
    return _WRITTEN_FOR_A_TEAM + _of_a_team()


def library() -> str:
    """The pipeline of a team's repository as the step `hptSweep` of a shared library."""
    before, begin, after_begin = (_WRITTEN + _of_a_team()).partition("pipeline {\n")
    body, end, after = after_begin.partition("\n}\n")
    return before + "def call() {\n" + begin + body + end + "}\n" + after


def start_script() -> str:
    """The script for sh with which a machine gets `hpt`."""
    shell, program = ((_HERE / name).read_text(encoding="utf-8") for name in ("start.sh", "start.py"))
    return shell.replace("START.PY\n", program)


def _of_a_team() -> str:
    return _pipeline(parameters_of_a_team(), _RUN_START_SCRIPT) + _start_function()


def _pipeline(parameters: Sequence[JobParameter], find_home: str) -> str:
    blocks = {
        "        // PARAMETERS\n": "".join(_declaration(parameter.as_shown()) for parameter in parameters),
        "        // ENVIRONMENT\n": "".join(
            f'        {parameter.name} = "${{params.{parameter.name}}}"\n' for parameter in parameters
        ),
        "    // HOME\n": find_home,
        "PROTOCOL": str(PROTOCOL),
    }
    text = (_HERE / "sweep.groovy").read_text(encoding="utf-8")
    for mark, block in blocks.items():
        text = text.replace(mark, block)
    return text


def _start_function() -> str:
    text = start_script().replace("\\", "\\\\").replace("'", "\\'")
    return f"""
/** The script for a machine without hpt. It prints the folder of `bin/hpt`. */
String startScript() {{
    return '''{text}'''
}}
"""


def _declaration(parameter: JobParameter) -> str:
    """The declaration of a parameter in Groovy: a line, and one for the description."""
    arguments = [f"name: '{parameter.name}'"]
    if parameter.kind is Kind.CHOICE:
        arguments.append(f"choices: [{', '.join(map(_quoted, parameter.choices))}]")
    else:
        default = parameter.default if parameter.kind is Kind.BOOLEAN else _quoted(parameter.default)
        arguments.append(f"defaultValue: {default}")
    if parameter.kind is Kind.STRING:
        arguments.append("trim: true")
    head = f"        {_STEPS[parameter.kind]}({', '.join(arguments)},\n"
    return head + f"            description: {_quoted(parameter.description)})\n"


def _quoted(text: str) -> str:
    """A Groovy string without interpolation."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    for path, text in rendered().items():
        file = home() / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
