"""Writes the Groovy of the batch from `sweep.groovy`, with the parameters of `parameters.py`, and `jobs/sweep.yaml`.

`python -m pipeline.jenkins.render`, in a checkout, after a change of one of them. The Jenkinsfile stands alone; the
library is the same pipeline as a step, for Jenkinsfiles of other repositories: `@Library('hpt') _` and `hptSweep()`.
"""

from pathlib import Path

from pipeline.jenkins.check import PROTOCOL
from pipeline.jenkins.job_yaml import job_yaml
from pipeline.jenkins.parameters import PARAMETERS, JobParameter, Kind

_SOURCE = Path(__file__).with_name("sweep.groovy")
_WRITTEN = "// Written by `python -m pipeline.jenkins.render` from pipeline/jenkins/: do not edit it by hand.\n"
_STEPS = {Kind.STRING: "string", Kind.TEXT: "text", Kind.CHOICE: "choice", Kind.BOOLEAN: "booleanParam"}


def rendered() -> dict[str, str]:
    """What is written: paths in the checkout -> texts."""
    return {"Jenkinsfile": jenkinsfile(), "jobs/library/vars/hptSweep.groovy": library(), "jobs/sweep.yaml": job_yaml()}


def jenkinsfile() -> str:
    """The pipeline that stands alone."""
    blocks = {
        "        // PARAMETERS\n": "".join(_declaration(parameter.as_shown()) for parameter in PARAMETERS),
        "        // ENVIRONMENT\n": "".join(
            f'        {parameter.name} = "${{params.{parameter.name}}}"\n' for parameter in PARAMETERS
        ),
        "PROTOCOL": str(PROTOCOL),
    }
    text = _WRITTEN + _SOURCE.read_text(encoding="utf-8")
    for mark, block in blocks.items():
        text = text.replace(mark, block)
    return text


def library() -> str:
    """The same pipeline as the step `hptSweep` of a shared library."""
    before, begin, rest = jenkinsfile().partition("pipeline {\n")
    body, end, after = rest.partition("\n}\n")
    return before + "def call() {\n" + begin + body + end + "}\n" + after


def _declaration(parameter: JobParameter) -> str:
    """A line of `parameters`, and one for the description."""
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
    """A string of Groovy in which nothing is replaced."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":
    for path, text in rendered().items():
        file = Path(__file__).parents[2] / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
