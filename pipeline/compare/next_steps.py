"""Suggests the next steps after a comparison of sweeps: a few commands, each with its reason."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.compare.ranking import Place, Ranking
from pipeline.report.answer import newest_model
from pipeline.report.state import State
from pipeline.sweep import FORMAT, Definition

_STEPS_AT_MOST = 3


@dataclass(frozen=True)
class Step:
    """A command to copy."""

    reason: str
    command: str


def next_steps(ranking: Ranking, store_option: str = "") -> list[Step]:
    """At most three steps, the most urgent first; `store_option` is `--store …` with a leading space, or empty."""
    return [Step(reason, command + store_option) for reason, command in _steps(ranking)][:_STEPS_AT_MOST]


def _steps(ranking: Ranking) -> Iterator[tuple[str, str]]:
    # Unfinished and failed work first.
    for place in ranking.places:
        id, state = place.state.sweep.id, place.state
        if state.sweep.definition.format != FORMAT:
            # A sweep of an older version takes no more trials, but its best setting can be exported.
            if not state.done and place is not ranking.places[0] and _has_model(state):
                yield f"{place.name} is of an older version and cannot go on: take its best setting", f"hpt export {id}"
        elif not state.done and not state.why_stopped:
            yield f"{place.name} is not finished ({state.words}): go on with it", f"hpt run --sweep {id}"
        elif state.failed:
            yield f"{place.name} has {len(state.failed)} failed trials: run them again", f"hpt retry {id}"

    # Then a closer look at rivals, and the export of the best.
    best = ranking.places[0]
    if best.score is None:
        return
    if rivals := [place for place in ranking.doubtful if _architecture(place) != _architecture(best)]:
        yield from _tell_apart(ranking, best, rivals)
    if best.references is None or best.references.is_ahead:
        yield f"take the best setting of {best.name}", f"hpt export {best.state.sweep.id}"


def _has_model(state: State) -> bool:
    """True if the best setting has a model to export."""
    rows = [row for row in state.rows if state.best and row["experiment"] == state.best.experiment]
    return newest_model(state.sweep.definition, rows) is not None


def _architecture(place: Place) -> str:
    return place.state.sweep.definition.architecture


def _tell_apart(ranking: Ranking, best: Place, rivals: list[Place]) -> Iterator[tuple[str, str]]:
    """A larger search of the architectures that lie close together; none unless they were tuned automatically."""
    definition = best.state.sweep.definition
    if definition.own is not None or definition.spec.get("tune") != "automatic":
        return
    # The base may itself be behind the best.
    names = list(dict.fromkeys(_architecture(place) for place in [best, ranking.base, *rivals]))[:3]
    reason = f"search more where it is close: {', '.join(names)}"
    yield reason, f"hpt run --architecture {','.join(names)}{_data(definition)}{_day(definition)}{_budget(definition)}"


def _data(definition: Definition) -> str:
    data = definition.spec.get("data")
    if data is None:
        return ""
    return f" --data {shlex.quote(data if isinstance(data, str) else json.dumps(data))}"


def _day(definition: Definition) -> str:
    day = definition.spec.get("as-of")
    return f" --as-of {day}" if day else ""


def _budget(definition: Definition) -> str:
    """Options for twice the budget, at the same price."""
    budget = definition.budget.model_dump(mode="json", by_alias=True, exclude_none=True) if definition.budget else {}
    price = budget.pop("price-per-device-hour", None)
    items = [f"{name}={2 * value:g}" for name, value in budget.items() if isinstance(value, int | float)]
    return "".join(f" --budget {item}" for item in [*items, *([f"price-per-device-hour={price:g}"] if price else [])])
