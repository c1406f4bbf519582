"""The text of `jobs/sweep.yaml` for Jenkins Job Builder: the folder, and the job that runs sweeps.

`render.py` writes the file.
"""

import json
from collections.abc import Sequence

from pipeline.jenkins.parameters import PARAMETERS, JobParameter, Kind

_WRITTEN = "Written by `python -m pipeline.jenkins.render`: do not edit it by hand."
_HEAD = """\
# The folder, and the job that runs sweeps. Written by `python -m pipeline.jenkins.render`: do not edit it by hand.
# Its parameters are those of the Jenkinsfile, so that they are there before the first build.
- job-template:
    name: '{job-folder}'
    id: folder
    project-type: folder
    description: Hyperparameter tuning. "sweep" runs one spec; each nightly job starts it with a spec of its own.

- job-template:
    name: '{job-folder}/sweep'
    id: sweep
    # Jenkins would look for an empty id, and warn of it, in every build.
    credentials: '{repository-credentials}'
    project-type: pipeline
    description: >-
      Tunes an architecture's hyperparameters and says which setting is best, whether that is real, and what it cost.
    # Two sweeps may run at the same time: Jenkins' queue shares the machines among them.
    concurrent: true
    properties:
      - build-discarder:
          num-to-keep: 300
    parameters:
"""
_TAIL = """\
    sandbox: true
    pipeline-scm:
      script-path: <<script path>>
      lightweight-checkout: true
      scm:
        - git:
            remotes: !j2-yaml: |
              - origin:
                  url: '{{ repository }}'
                  {% if credentials %}
                  credentials-id: '{{ credentials }}'
                  {% endif %}
            branches: ['*/{branch}']
            wipe-workspace: false

- project:
    name: sweep
    jobs: [folder, sweep]
"""


def job_yaml(
    parameters: Sequence[JobParameter] = PARAMETERS, written: str = _WRITTEN, script_path: str = "Jenkinsfile"
) -> str:
    """The text of `jobs/sweep.yaml` for this repository or a team's.

    `written` is the sentence that says how the file is made; `script_path` is the path of the Jenkinsfile.
    """
    head, tail = _HEAD.replace(_WRITTEN, written), _TAIL.replace("<<script path>>", script_path)
    return head + "".join(_declaration(parameter.as_shown()) for parameter in parameters) + tail


def _declaration(parameter: JobParameter) -> str:
    lines = [f"name: {parameter.name}"]
    if parameter.kind is Kind.CHOICE:
        lines.append(f"choices: [{', '.join(map(_quoted, parameter.choices))}]")
    elif parameter.kind is Kind.BOOLEAN:
        lines.append(f"default: {parameter.default}")
    else:
        lines.append(f"default: {_quoted(parameter.default)}")
    if parameter.kind is Kind.STRING:
        lines.append("trim: true")
    lines.append(f"description: {json.dumps(parameter.description, ensure_ascii=False)}")
    return f"      - {parameter.kind}:\n" + "".join(f"          {line}\n" for line in lines)


def _quoted(text: str) -> str:
    """A quoted YAML string, so that `none` and `4` stay text."""
    return "'" + text.replace("'", "''") + "'"
