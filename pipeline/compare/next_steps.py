"""What to do after sweeps were compared: a few commands, each with the reason for it."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.compare.ranking import Place, Ranking
from pipeline.report.answer import newest_model
from pipeline.report.state import State
from pipeline.sweep import FORMAT, Definition

_MOST = 3


@dataclass(frozen=True)
class Step:
    """A command to copy."""

    why: str
    command: str


def next_steps(ranking: Ranking, place: str = "") -> list[Step]:
    """At most three, the most urgent first; `place` is what commands need besides to find the store."""
    return [Step(why, command + place) for why, command in _steps(ranking)][:_MOST]


def _steps(ranking: Ranking) -> Iterator[tuple[str, str]]:
    for one in ranking.places:
        id = one.state.sweep.id
        if one.state.sweep.definition.format != FORMAT:
            # Nothing can be added to it; what it found can be taken on.
            if not one.state.done and one is not ranking.places[0] and _has_model(one.state):
                yield f"{one.name} is of an older version and cannot go on: take its best setting", f"hpt export {id}"
        elif not one.state.done and not one.state.why_stopped:
            yield f"{one.name} is not finished ({one.state.words}): go on with it", f"hpt run --sweep {id}"
        elif one.state.failed:
            yield f"{one.name} has {len(one.state.failed)} failed trials: run them again", f"hpt retry {id}"
    best = ranking.places[0]
    if best.score is None:
        return
    if rivals := [one for one in ranking.doubtful if one.state.sweep.definition.architecture != _architecture(best)]:
        yield from _tell_apart(ranking, best, rivals)
    if best.references is None or best.references.is_ahead:
        yield f"take the best setting of {best.name}", f"hpt export {best.state.sweep.id}"


def _has_model(state: State) -> bool:
    """Whether there is a model of the best setting, which an export takes."""
    own = [row for row in state.rows if state.best and row["experiment"] == state.best.experiment]
    return newest_model(state.sweep.definition, own) is not None


def _architecture(place: Place) -> str:
    return place.state.sweep.definition.architecture


def _tell_apart(ranking: Ranking, best: Place, rivals: list[Place]) -> Iterator[tuple[str, str]]:
    """A larger search of those that lie close together, where they were tuned automatically."""
    definition = best.state.sweep.definition
    if definition.own is not None or definition.spec.get("tune") != "automatic":
        return
    # Whoever is held against others may itself be behind one of them.
    names = list(dict.fromkeys([_architecture(best), *(_architecture(one) for one in [ranking.base, *rivals])]))[:3]
    why = f"search more where it is close: {', '.join(names)}"
    yield why, f"hpt run --architecture {','.join(names)}{_data(definition)}{_day(definition)}{_budget(definition)}"


def _data(definition: Definition) -> str:
    data = definition.spec.get("data")
    if data is None:
        return ""
    return f" --data {shlex.quote(data if isinstance(data, str) else json.dumps(data))}"


def _day(definition: Definition) -> str:
    day = definition.spec.get("as-of")
    return f" --as-of {day}" if day else ""


def _budget(definition: Definition) -> str:
    """Twice what it was."""
    budget = definition.budget.model_dump(mode="json", by_alias=True, exclude_none=True) if definition.budget else {}
    price = budget.pop("price-per-device-hour", None)
    items = [f"{name}={2 * value:g}" for name, value in budget.items() if isinstance(value, int | float)]
    return "".join(f" --budget {item}" for item in [*items, *([f"price-per-device-hour={price:g}"] if price else [])])
