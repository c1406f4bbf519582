"""Suggests the next commands for a sweep, to be copied into a shell."""

import shlex
from dataclasses import dataclass

from pipeline.report.answer import newest_model
from pipeline.report.judged_claim import DAMAGED, REAL, rows_of_setting
from pipeline.report.limits import limits
from pipeline.report.summary import Summary
from pipeline.results import Status
from pipeline.sweep import FORMAT

MOST = 3
"""Commands that are suggested."""


@dataclass(frozen=True)
class Place:
    """The addresses of a sweep's store and report."""

    store: str = ""
    """Address of the store; empty if commands need none."""
    report: str = ""
    """Address of the folder `report/`; empty if unknown."""

    @property
    def option(self) -> str:
        """The option `--store` of a command; empty without a store."""
        return f" --store {shlex.quote(self.store)}" if self.store else ""


@dataclass(frozen=True)
class Command:
    """A line for a shell, and its purpose."""

    purpose: str
    line: str


def commands(summary: Summary, place: Place) -> list[Command]:
    """At most three commands, the most useful first."""
    id, option = shlex.quote(summary.definition.id), place.option
    # A sweep of an older format takes no more trials.
    is_current = summary.definition.format == FORMAT

    # A running sweep, a claim, a study.
    if is_current and not summary.done and not summary.why_stopped:
        return [
            Command("See it grow", f"hpt watch {id}{option}"),
            Command("Go on, if it was interrupted", f"hpt run --sweep {id}{option}"),
            Command("Stop it; finished trials are kept", f"hpt stop {id}{option}"),
        ]
    if summary.definition.claim:
        return _of_claim(summary, place)
    if summary.definition.is_study:
        return [Command("See every trial", f"hpt results {id}{option}")]

    # A finished sweep.
    retry = Command("After mending the cause, run the failed trials again", f"hpt retry {id}{option}")
    has_failed = is_current and any(not Status(row["status"]).is_result for row in summary.failures)
    if summary.decided is None:
        candidates = [
            Command("See every trial", f"hpt results {id}{option}"),
            *([retry] if has_failed else []),
            Command("Check the machine and the store", f"hpt doctor{option}"),
        ]
        return candidates[:MOST]
    candidates = [retry] if has_failed else []
    # An older version may have saved no model.
    has_model = is_current or summary.model is not None
    if has_model and (summary.references is None or summary.references.is_ahead):
        candidates.append(Command("Get the model", f"hpt fetch {id} --model best --to model{option}"))
    candidates.append(Command(_search_on_purpose(summary), _search_on(place)))
    if has_model:
        candidates.append(Command("Get its spec for the newest days", f"hpt export {id} --best --to best{option}"))
        # Among the first three only if a reference is ahead, so that no command above gets the model.
        candidates.append(Command("Get the model all the same", f"hpt fetch {id} --model best --to model{option}"))
    return candidates[:MOST]


def _of_claim(summary: Summary, place: Place) -> list[Command]:
    """For a sweep that judges a claim: use the setting if it is real, judge the next date range while it is open."""
    id, option, claim = shlex.quote(summary.definition.id), place.option, summary.claim_standing
    see = Command("See every trial", f"hpt results {id}{option}")
    if claim is None or claim.kind == DAMAGED:
        return [see, Command("See every claim", f"hpt judge{option}")]
    if not claim.has_ended:
        judge = f"hpt judge {shlex.quote(claim.id)}{option}"
        return [Command("Judge it on the new date ranges", judge), see]
    if claim.kind != REAL or newest_model(summary.definition, rows_of_setting(summary.rows, claim.setting)) is None:
        return [see, Command("See every claim", f"hpt judge{option}")]
    return [
        Command("Get the model", f"hpt fetch {id} --model best --to model{option}"),
        Command("Get its spec for the newest days", f"hpt export {id} --best --to best{option}"),
        see,
    ]


def _search_on_purpose(summary: Summary) -> str:
    decided, rows = summary.decided, summary.rows
    assert decided is not None
    if limits(summary.definition, [row for row in rows if row["experiment"] == decided.setting.experiment]):
        return "Search on, trainings twice as long"
    return f"Search on from {'the same start' if decided.setting.is_incumbent else 'this setting'}"


def _search_on(place: Place) -> str:
    """Runs `best.json`; from a bucket, it is downloaded first."""
    spec = f"{place.report}/best.json" if place.report else "best.json"
    if spec.startswith("gs://"):
        return f"gcloud storage cp {shlex.quote(spec)} . && hpt run best.json{place.option}"
    return f"hpt run {shlex.quote(spec)}{place.option}"
