"""The parameters of the job that runs sweeps: their names, kinds, defaults, choices and descriptions.

This is the only list of them. `render.py` writes it into the Jenkinsfile and `jobs/sweep.yaml`; `check.py` checks the
values of a build.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """The kind of a parameter, in the words of Jenkins Job Builder."""

    STRING = "string"
    TEXT = "text"
    CHOICE = "choice"
    BOOLEAN = "bool"


@dataclass(frozen=True)
class JobParameter:
    """A parameter of the job."""

    name: str
    description: str
    default: str = ""
    """Empty for a choice, whose default is its first one."""
    kind: Kind = Kind.STRING
    """Jenkins trims a string, but not a text."""
    choices: tuple[str, ...] = ()

    def as_shown(self) -> "JobParameter":
        """The parameter; the first of a group gets the group's heading before its description."""
        heading = HEADINGS.get(self.name)
        return replace(self, description=f"{heading} {self.description}") if heading else self


PARAMETERS = (
    JobParameter(
        "SPEC", "The spec of the sweep: a path in this repository, inside specs/.", default="specs/quickstart.json"
    ),
    JobParameter(
        "ARCHITECTURE",
        "An architecture to tune automatically, without any spec; or several with commas between, or all, to compare "
        "them. "
        "Given, it is used instead of SPEC.",
    ),
    JobParameter(
        "BUDGET",
        "What it may cost, for each architecture: device-hours=2, or several like trials=200 hours=8. "
        "Empty: what the spec says.",
    ),
    JobParameter(
        "LANES",
        "How many packs of trials run at a time: at most the executors of the machines with LABEL.",
        default="4",
    ),
    JobParameter(
        "SWEEP",
        "The id of a sweep to go on with, or several with spaces between. "
        "Only what has no row yet runs; the spec is not read.",
    ),
    JobParameter("RETRY", "With SWEEP: trials that failed run again, too.", default="false", kind=Kind.BOOLEAN),
    JobParameter(
        "JUDGE",
        "due: judge all claims that have a new date range; or a claim's id. Given, no spec is read.",
    ),
    JobParameter("SPEC_JSON", "The spec itself, as JSON. Given, it is used instead of SPEC.", kind=Kind.TEXT),
    JobParameter(
        "DATA", "Data where no spec names any: flights, or the JSON of a data key. Empty: what hpt.toml says."
    ),
    JobParameter(
        "MODE",
        "How to tune: as the spec says, or with all data, or cheaply first, or automatically.",
        choices=("spec", "full", "short", "automatic"),
        kind=Kind.CHOICE,
    ),
    JobParameter("EXPERIMENTS", "How many settings to try. Empty: what the spec says."),
    JobParameter(
        "AS_OF", "The day that counts as today for date ranges, like 2026-06-14. Empty: the spec's, or today."
    ),
    JobParameter("NOTES", "A line about why this sweep runs, for its summary."),
    JobParameter(
        "CONTAINER",
        "How trials run: in a container, or with the Python of the machine.",
        choices=("docker", "none"),
        kind=Kind.CHOICE,
    ),
    JobParameter("LABEL", "Label of the machines that run trials.", default="gpu"),
    JobParameter(
        "LIGHT_LABEL", "Label of the machines that plan and summarize; they need no GPU.", default="light || !gpu"
    ),
    JobParameter("IMAGE", "The image for trials. Empty: the one made from this commit."),
    JobParameter("STORE", "Where results go: gs://bucket/prefix, or a directory on all machines. Empty: HPT_STORE."),
    JobParameter("REQUEST_ID", "Set by programs that trigger builds, to find theirs again. Leave it empty."),
)

HEADINGS = {
    "SPEC": "WHAT TO TUNE (these five are enough for most).",
    "RETRY": "MORE ABOUT WHAT TO TUNE.",
    "CONTAINER": "WHERE IT RUNS.",
}
"""First parameter of a group in the form -> heading of the group. Jenkins itself has no groups."""

CHOICES = {parameter.name: parameter.choices for parameter in PARAMETERS if parameter.choices}
"""Parameter -> its possible values."""
